"""Scores of parts of the samples as typed documents: the worst first, and whether it is worse by more than chance."""

from __future__ import annotations

from typing import Literal

from ..evaluation.slicing import Permuted
from ..io.documents import Document, Number
from ..text import between, counted, number, p_value
from .notebook import html_table, text_table


class SlicedRun(Document):
    """A run and its score on all samples."""

    run_id: str
    label: str
    value: Number
    low: Number
    high: Number


class ScoreOfSlice(Document):
    """The score of a run on a slice, that on all other samples, and p of the gap: alone, and of all slices together."""

    run_id: str
    value: Number
    low: Number
    high: Number
    rest: Number
    gap: Number
    p: Number
    p_adjusted: Number
    significant: bool


class SliceRow(Document):
    """Samples that share a property, and how each run scores on them; `few` marks those that say little.

    least, greatest : of a part of a property's numbers, those that it holds.
    """

    by: str
    slice: str
    n: int
    few: bool
    least: Number
    greatest: Number
    scores: list[ScoreOfSlice]


class Sliced(Document):
    """Slices, the worst first (by the mean score of the runs), and an answer in a sentence.

    permuted : for p values; null where properties differ in it. permuted_by : the same for each property. smallest_p :
    the smallest p value that permutations of so few samples can give; null where no slice is tested.
    """

    dataset: str
    origin: Literal["real", "synthetic"]
    split: str
    score: str
    unit: str
    higher_is_better: bool
    n: int
    by: list[str]
    permuted: Permuted | None
    permuted_by: dict[str, Permuted]
    permutations: int
    smallest_p: Number
    runs: list[SlicedRun]
    slices: list[SliceRow]
    answer: str
    notes: list[str]

    @property
    def permuted_in_words(self) -> str:
        """What was permuted, for a sentence: `groups`, or `groups (camera) and samples within groups (blur)`."""
        by_unit: dict[str, list[str]] = {}
        for by, unit in self.permuted_by.items():
            by_unit.setdefault(unit, []).append(by)
        told = [unit if len(by_unit) == 1 else f"{unit} ({', '.join(of)})" for unit, of in by_unit.items()]
        return " and ".join(told)

    @property
    def title(self) -> str:
        """What was cut into slices, in one line."""
        origin = " (SYNTHETIC)" if self.origin == "synthetic" else ""
        return f"{self.score} on {self.dataset}{origin}, split {self.split}, {counted(self.n, 'sample')}"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Heads, and a row for each slice and run."""
        labels = {run.run_id: run.label for run in self.runs}
        rows = [
            [
                *(row.by, row.slice, str(row.n), labels[one.run_id], number(one.value, ".4f")),
                *(between(one.low, one.high), number(one.gap, "+.4f"), p_value(one.p_adjusted)),
            ]
            for row in self.slices
            for one in row.scores
        ]
        return ["by", "part", "n", "run", self.score, "95 % interval", "gap", "p, adjusted"], rows

    def __str__(self) -> str:
        """The answer, and a row for each slice and run."""
        return "\n".join([self.title, self.answer, text_table(*self._table()), *self.notes])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer, and a row for each slice and run."""
        return html_table(self.title, *self._table(), [self.answer, *self.notes])


class SlicedByAll(Document):
    """Slices by every property that the samples have, a table each; p values are adjusted within a table.

    left_out : properties that no slices can be made by, and why.
    """

    tables: list[Sliced]
    left_out: dict[str, str]
    answer: str

    def __str__(self) -> str:
        """The answer, and the table of each property."""
        left = [f"left out: {by}: {why}" for by, why in self.left_out.items()]
        return "\n\n".join([self.answer, *map(str, self.tables), *left])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer, and the table of each property."""
        left = [f"left out: {by}: {why}" for by, why in self.left_out.items()]
        return html_table("", [], [], [self.answer, *left]) + "".join(each._repr_html_() for each in self.tables)
