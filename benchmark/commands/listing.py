"""`bench list`: the names of datasets, methods, metrics, presets and suites, with one line each."""

from __future__ import annotations

from typing import Any, Literal

from ..io.kept_lists import KeptLists
from ..io.user_folders import cache_home, plugin_folders

What = Literal["datasets", "methods", "metrics", "presets", "suites"]


def listing(what: What) -> list[dict[str, Any]]:
    """One entry per thing, with `name` and `summary` first, and at last where it comes from.

    They are those of the documents in `runs.listed`, as `--json` prints them. Where there are plugins of the user's all
    is looked at each time, and each that is broken is told; so is whatever of segbench's own is broken in a checkout.
    """
    kept = None if plugin_folders() else KeptLists(cache_home() / "lists.json")
    entries: list[dict[str, Any]] | None = kept.get(what) if kept is not None else None
    if entries is not None:
        return entries
    from ..io.documents import plain_json
    from ..runs.listed import listed

    found = listed(what)
    entries = plain_json(list(found.entries))
    if kept is not None and found.lasting:
        kept.put(what, entries)
    return entries
