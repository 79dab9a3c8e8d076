"""The user's folders for data, caches and plugins, and how a data folder elsewhere is named in a record."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

OWN = "segbench"
"""The origin of what comes with segbench."""


def data_home() -> Path:
    """`$SEGBENCH_DATA`, or the platform's data directory."""
    return Path(os.environ.get("SEGBENCH_DATA") or platformdirs.user_data_dir("segbench", appauthor=False))


def cache_home() -> Path:
    """`$SEGBENCH_CACHE`, or the platform's cache directory."""
    return Path(os.environ.get("SEGBENCH_CACHE") or platformdirs.user_cache_dir("segbench", appauthor=False))


def plugin_folders() -> list[Path]:
    """Folders whose `datasets/`, `baselines/`, `metrics/`, `presets/` and `synthetic/` hold a user's own files.

    Those named in `$SEGBENCH_PLUGINS` (separated as in PATH), then the platform's data directory.
    """
    named = [Path(part) for part in os.environ.get("SEGBENCH_PLUGINS", "").split(os.pathsep) if part]
    own = own_plugin_folder()
    return [*named, *([own] if own.is_dir() else [])]


def own_plugin_folder() -> Path:
    """The folder of plugins in the platform's data directory, which need not exist."""
    return Path(platformdirs.user_data_dir("segbench", appauthor=False)) / "plugins"
