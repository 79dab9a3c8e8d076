"""Where two JSON documents differ, for a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..text import counted, shown

_MAX_PLACE, _MAX_VALUE = 80, 60

_NOTHING = object()
"""Stands for what one of the documents lacks."""


def first_difference(stored: Any, recomputed: Any) -> str:
    """The first place where a stored document differs from one made of the statistics, both values, and how many more.

    Empty where they are equal. A list of another length is one place.

    >>> first_difference({"a": [1, {"b": []}]}, {"a": [1, {"b": ["late"]}], "c": 2})
    "a[1].b: [] stored, ['late'] from the statistics, and 1 more place"
    """
    places = list(_differing(stored, recomputed, ""))
    if not places:
        return ""
    where, first, second = places[0]
    more = f", and {counted(len(places) - 1, 'more place')}" if len(places) > 1 else ""
    there = f"{shown(where, _MAX_PLACE)}: " if where else ""
    return f"{there}{_brief(first)} stored, {_brief(second)} from the statistics{more}"


def _differing(stored: Any, recomputed: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Every place that differs, as a path such as `films[0].beats`, in the order of the stored document."""
    if stored is recomputed or stored == recomputed:
        return
    if isinstance(stored, dict) and isinstance(recomputed, dict):
        for key in dict.fromkeys((*stored, *recomputed)):
            below = f"{place}.{key}" if place else str(key)
            yield from _differing(stored.get(key, _NOTHING), recomputed.get(key, _NOTHING), below)
    elif isinstance(stored, list) and isinstance(recomputed, list) and len(stored) == len(recomputed):
        for number, (one, other) in enumerate(zip(stored, recomputed, strict=True)):
            yield from _differing(one, other, f"{place}[{number}]")
    else:
        yield place, stored, recomputed


def _brief(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    text = shown(repr(value), _MAX_VALUE + 1)
    if isinstance(value, list | dict) and len(text) > _MAX_VALUE:
        return counted(len(value), "item")
    return shown(text, _MAX_VALUE)
