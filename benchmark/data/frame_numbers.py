"""Frames by the numbers in their names: which number counts, and where a sequence ends. Nothing is decoded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DamagedDataError, UserError
from ..io.images.read import IMAGE_SUFFIXES
from ..io.images.stacks import NOTHING_CHOSEN, Chosen
from ..text import counted, runs_of, some

NEW_SEQUENCE = 3
"""Number of absent numbers in a row that starts a new sequence; fewer are missing frames."""

_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"([^\W\d_]+)[-_ =]*$")
_AXES = {"c": "C", "ch": "C", "chan": "C", "channel": "C", "w": "C", "z": "Z", "slice": "Z", "plane": "Z"}
"""Axes by the words that stand before their numbers in names of files."""
_OPTIONS = {"C": "--channel", "Z": "--z"}


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
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name))]


def numbered(paths: Iterable[Path]) -> dict[int, Path]:
    """Image files by the last number in their names, in ascending order; others and hidden ones are left out.

    Raises
    ------
    DamagedDataError
        Naming two files of the same number.
    """
    found: dict[int, Path] = {}
    for path in sorted(paths, key=str):
        number = last_number(path.stem)
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith(".") or number is None:
            continue
        if number in found:
            raise DamagedDataError(
                f"'{found[number]}' and '{path}' both have the number {number}, the last in their names, which says "
                "what frame they are; rename or move one of them"
            )
        found[number] = path
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class FrameNumbers:
    """Files by the number that says which frame each is, ascending, and a sentence on the number where it is not the
    last in the names; "" where it is.
    """

    files: dict[int, Path]
    note: str = ""


def number_frames(paths: Sequence[Path], chosen: Chosen = NOTHING_CHOSEN) -> FrameNumbers:
    """The frame of each file by a number in its name: the last, or the only one that differs.

    Parameters
    ----------
    paths : sequence of Path
        Files of one film.
    chosen : Chosen
        Of a channel or z-slice, as the names number them: only its files count.

    Raises
    ------
    UserError
        For a name without a number; where more than one number differs and none tells all files apart, naming the
        numbers and how to choose; and for a choice that no file fits.
    """
    nameless = [path.name for path in paths if last_number(path.stem) is None]
    if nameless:
        raise UserError(
            f"'{paths[0].parent}' holds {counted(len(nameless), 'image')} without a number in the name "
            f"({some(nameless, 3)}); the last number says which frame of a film an image is. Rename the images, or "
            "give a film or a stack by itself, as a file."
        )
    fields = [_NUMBER.findall(path.stem) for path in paths]
    alike = len({_NUMBER.sub("0", path.stem) for path in paths}) == 1
    if not alike:
        if chosen != NOTHING_CHOSEN:
            raise UserError(f"{_options(chosen)}: the names in '{paths[0].parent}' number no such axis in the same way")
        return FrameNumbers(_by(paths, [int(numbers[-1]) for numbers in fields], "the last number"))
    words = _words(paths[0].stem)
    columns = [[int(numbers[place]) for numbers in fields] for place in range(len(words))]
    rows = _chosen_rows(paths, words, columns, chosen)
    paths = [paths[row] for row in rows]
    columns = [[column[row] for row in rows] for column in columns]
    picked = {place for place, word in enumerate(words) if _axis(word) in chosen.by_axis}
    varying = [n for n, column in enumerate(columns) if n not in picked and len(set(column)) > 1]
    telling = [n for n in varying if len(set(columns[n])) == len(rows)]
    last = len(words) - 1
    place = last if last in telling or not varying else (telling or varying)[-1]
    if len(varying) > 1 and not telling:
        raise UserError(_ambiguous(paths, words, columns, varying))
    taken = f"'{paths[0].parent}': the frame is {_name(words, place)} in the names of its files"
    note = "" if place == last else f"{taken}; of numbers after 'c' and 'z' --channel and --z choose one"
    return FrameNumbers(_by(paths, columns[place], _name(words, place)), note)


def _chosen_rows(
    paths: Sequence[Path], words: Sequence[str], columns: Sequence[Sequence[int]], chosen: Chosen
) -> list[int]:
    rows = list(range(len(paths)))
    for axis, number in chosen.by_axis.items():
        places = [place for place, word in enumerate(words) if _axis(word) == axis]
        if not places:
            raise UserError(
                f"{_OPTIONS[axis]} {number} was asked for, but no number in the names in '{paths[0].parent}' stands "
                f"after {' or '.join(repr(word) for word, of in _AXES.items() if of == axis)}, such as "
                f"'{paths[0].name}'"
            )
        found = sorted(set(columns[places[-1]]))
        if number not in found:
            raise UserError(
                f"{_OPTIONS[axis]} {number} was asked for, but the names in '{paths[0].parent}' hold {runs_of(found)}"
            )
        rows = [row for row in rows if columns[places[-1]][row] == number]
    return rows


def _ambiguous(
    paths: Sequence[Path], words: Sequence[str], columns: Sequence[Sequence[int]], varying: Sequence[int]
) -> str:
    ways = []
    for place in varying:
        option = _OPTIONS.get(_axis(words[place]))
        if option is not None:
            ways.append(f"{option} N ({runs_of(sorted(set(columns[place])))})")
    listed = ", ".join(f"{_name(words, place)} ({runs_of(sorted(set(columns[place])))})" for place in varying)
    how = f"Choose with {' and '.join(ways)}" if ways else "Put the files of each film into a folder of its own"
    return (
        f"'{paths[0].parent}': {counted(len(varying), 'number')} differ in the names of its files, such as "
        f"'{paths[0].name}': {listed}. Only one of them can count frames. {how}."
    )


def _by(paths: Sequence[Path], numbers: Sequence[int], which: str) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for number, path in sorted(zip(numbers, paths, strict=True)):
        if number in found:
            raise UserError(
                f"'{found[number]}' and '{path}' both have the number {number}, as {which} in their names, which says "
                "what frame they are. Rename one of them, or put the files of each film into a folder of its own."
            )
        found[number] = path
    return found


def _words(stem: str) -> list[str]:
    """The word before each number in a name, "" where there is none."""
    found = [_WORD.search(stem[: number.start()]) for number in _NUMBER.finditer(stem)]
    return ["" if word is None else word[1] for word in found]


def _axis(word: str) -> str:
    return _AXES.get(word.lower(), "")


def _name(words: Sequence[str], place: int) -> str:
    word = f" after '{words[place]}'" if words[place] else ""
    return f"number {place + 1} of {len(words)}{word}"


def _options(chosen: Chosen) -> str:
    return ", ".join(f"{_OPTIONS[axis]} {number}" for axis, number in chosen.by_axis.items())


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
