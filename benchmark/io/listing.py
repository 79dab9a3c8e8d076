"""Files below a folder."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ..types import UserError


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Files with one of these suffixes in any depth, through links too, without hidden ones."""
    found: list[Path] = []
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise UserError(f"'{error.filename}' cannot be listed: {error.strerror}") from error

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(place) / name for name in names if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in suffixes]
    return sorted(found)
