"""Differences by class as they are shown: the leader against others, and of many classes both ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..evaluation.class_intervals import FEW
from ..text import UNDEFINED, between, number, p_value, short_class
from .class_differences import ClassDifference

HEADS = ("class", "a", "b", "difference", "95 % interval", "p", "in")

_MAX_CLASSES = 40
_MAX_TABLES = 3


@dataclass(frozen=True)
class ClassTable:
    """Two runs or methods on every class: of many classes those at both ends, where `a` is better and where `b` is."""

    a: str
    b: str
    rows: Sequence[ClassDifference]

    @property
    def title(self) -> str:
        """Who is compared by what."""
        first = self.rows[0]
        direction = "" if first.higher_is_better else " (lower is better)"
        return f"{self.a} (a) less {self.b} (b), {first.score}{direction}"

    @property
    def ends(self) -> tuple[Sequence[ClassDifference], Sequence[ClassDifference]]:
        """The classes that are shown: all of them and none, or the first and the last of those that are compared."""
        if len(self.rows) <= _MAX_CLASSES:
            return self.rows, ()
        known = [row for row in self.rows if row.value is not None]
        half = _MAX_CLASSES // 2
        return (known[:half], known[-half:]) if len(known) > _MAX_CLASSES else (self.rows[:_MAX_CLASSES], ())

    @property
    def cells(self) -> list[list[str]]:
        """The cells of what is shown, by `HEADS`; a row of dots between both ends."""
        first, last = self.ends
        gap = [["…", *[""] * (len(HEADS) - 1)]] if last else []
        return [*map(_cells, first), *gap, *map(_cells, last)]

    @property
    def left_out(self) -> str:
        """Which classes are shown, where these are not all."""
        first, last = self.ends
        if len(first) + len(last) == len(self.rows):
            return ""
        which = f"{len(first)} from each end of " if last else f"{len(first)} of "
        return f"{which}{len(self.rows)} classes; all with --out or --json"


def class_tables(rows: Sequence[ClassDifference], leader: str) -> list[ClassTable]:
    """Tables of the leader against the others that come next, a few of them."""
    pairs: dict[tuple[str, str], list[ClassDifference]] = {}
    for row in rows:
        pairs.setdefault((row.a, row.b), []).append(row)
    return [ClassTable(a, b, mine) for (a, b), mine in pairs.items() if leader in (a, b)][:_MAX_TABLES]


def about_classes(
    rows: Sequence[ClassDifference], drawn: str, correction: str, tables: int, *, over_seeds: bool = False
) -> list[str]:
    """What the columns are, and what the star is, where a class has one.

    Parameters
    ----------
    rows : of all pairs.
    drawn : what was drawn and swapped. correction : how p values of several pairs are adjusted.
    tables : how many are shown. over_seeds : of methods with several seeds.
    """
    tested = sum(row.p_adjusted is not None for row in rows)
    adjusted = f"adjusted for all {tested} classes and pairs together ({correction})"
    if tested < 2:
        adjusted = "not adjusted, as it is one class of one pair"
    pairs = len({(row.a, row.b) for row in rows})
    more = f"; {tables} of {pairs} pairs, all with --out or --json" if tables < pairs else ""
    test = f"with its 95 % paired bootstrap interval; p by swapping whole {drawn}"
    if over_seeds:
        test = f"means over seeds, with its 95 % interval for other {drawn} and other trainings; p for both"
    lines = [f"difference: a less b, {test}, {adjusted}; in: {drawn} with true pixels of the class{more}"]
    if any(row.few for row in rows):
        lines.append(f"* has true pixels in fewer than {FEW} {drawn}: its intervals say little")
    return lines


def _cells(row: ClassDifference) -> list[str]:
    return [
        f"{short_class(row.name)}{'*' * row.few}",
        *(number(value, ".4f") for value in (row.value_a, row.value_b)),
        number(row.value, "+.4f"),
        between(row.low, row.high, "+.4f"),
        p_value(row.p_adjusted),
        UNDEFINED if row.units is None else str(row.units),
    ]
