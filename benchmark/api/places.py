"""Runs as a Python program names them: paths, addresses, what `segbench.run` returned, or sequences of these."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..runs.request import Place


def places_of(given: Iterable[str | PathLike[str] | Iterable[str | PathLike[str]]]) -> tuple[Place, ...]:
    """All of them, as a request takes them."""
    from ..runs.request import place_of

    found: list[Place] = []
    for each in given:
        found += map(place_of, [each] if isinstance(each, str | PathLike) else each)
    return tuple(found)
