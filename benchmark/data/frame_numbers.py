"""Frames by the numbers in their names: which number counts, and where a sequence ends. Nothing is decoded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import DamagedDataError
from ..io.images.read import IMAGE_SUFFIXES

NEW_SEQUENCE = 3
"""Number of absent numbers in a row that starts a new sequence; fewer are missing frames."""

_NUMBER = re.compile(r"\d+")


def last_number(stem: str) -> int | None:
    """The last number in a name without its ending, None where there is none.

    >>> last_number("N0092_frame_0007_mask"), last_number("mask")
    (7, None)
    """
    numbers = _NUMBER.findall(stem)
    return int(numbers[-1]) if numbers else None


def before_number(stem: str) -> str:
    """What stands before the last number in a name, all of it where there is none.

    >>> before_number("lateral-test-0003")
    'lateral-test-'
    """
    found = list(_NUMBER.finditer(stem))
    return stem[: found[-1].start()] if found else stem


def natural(name: str) -> list[str | int]:
    """Names with numbers in the order of the numbers: frame2 before frame10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]


def numbered(paths: Iterable[Path]) -> dict[int, Path]:
    """Image files by the last number in their names, in ascending order; others and hidden ones are left out.

    Raises
    ------
    DamagedDataError
        Naming two files of the same number.
    """
    found: dict[int, Path] = {}
    for path in sorted(paths):
        number = last_number(path.stem)
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith(".") or number is None:
            continue
        if number in found:
            raise DamagedDataError(f"'{found[number]}' and '{path}' both have the number {number}; keep one of them")
        found[number] = path
    return dict(sorted(found.items()))


def runs_of_frames(numbers: Iterable[int]) -> list[tuple[int, ...]]:
    """Ascending frame numbers as sequences: one or two absent numbers are missing frames, three begin a new one.

    >>> runs_of_frames([0, 1, 3, 6, 10, 11])
    [(0, 1, 3, 6), (10, 11)]
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number - runs[-1][-1] <= NEW_SEQUENCE:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [tuple(run) for run in runs]
