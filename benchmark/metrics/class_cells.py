"""Right, true and predicted pixels of the classes that samples or cases hold: of the others nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..types import Array, Float64, Int64
from .small_integers import smallest
from .sparse_counts import SparseCounts

_BLOCK_CELLS = 1 << 17
"""Cells that are laid out at once."""


@dataclass(frozen=True)
class ClassCells:
    """What is not zero in a table of rows (samples, or cases) and C classes, in the order of both.

    row, place : (k,) integer, the row and the class of each cell. pixels : (k, 3) int64, right, true and predicted.
    """

    rows: int
    classes: int
    row: Array
    place: Array
    pixels: Int64

    @classmethod
    def of(cls, counts: SparseCounts, places: Sequence[int]) -> ClassCells:
        """The cells of some of the classes, in this order."""
        found: list[tuple[Array, Array, Array]] = []
        start = 0
        for part in counts.parts():
            chosen = part[:, list(places)]
            row, place = np.nonzero(chosen.any(axis=2))
            found.append((row + start, smallest(place), chosen[row, place]))
            start += len(part)
        none = np.zeros(0, np.int64)
        row, place = (np.concatenate([none, *(each[k] for each in found)]) for k in (0, 1))
        pixels = np.concatenate([none.reshape(0, 3), *(each[2] for each in found)])
        return cls(start, len(places), smallest(row), smallest(place), pixels)

    def of_cases(self, member: Int64, cases: int) -> ClassCells:
        """The cells of cases, to which the rows belong: the pixels of these added up."""
        keys, inverse = np.unique(member[self.row] * self.classes + self.place, return_inverse=True)
        pixels = np.zeros((len(keys), 3), np.int64)
        np.add.at(pixels, inverse, self.pixels)
        row, place = np.divmod(keys, self.classes)
        return ClassCells(cases, self.classes, smallest(row), smallest(place), pixels)

    def of_rows(self, rows: Array) -> Int64:
        """The table of some rows, ascending, (rows, C, 3) int64."""
        table = np.zeros((len(rows), self.classes, 3), np.int64)
        starts = self._starts[rows]
        many = self._starts[rows + 1] - starts
        here = np.repeat(starts - (np.cumsum(many) - many), many) + np.arange(many.sum())
        table[np.repeat(np.arange(len(rows)), many), self.place[here]] = self.pixels[here]
        return table

    def tables(self) -> Iterator[Int64]:
        """The table of some rows after the other, (r, C, 3) int64."""
        at_once = max(1, _BLOCK_CELLS // (3 * max(self.classes, 1)))
        for start in range(0, self.rows, at_once):
            yield self.of_rows(np.arange(start, min(start + at_once, self.rows)))

    def pooled(self) -> Int64:
        """The pixels of all rows together, (C, 3) int64."""
        total = np.zeros((self.classes, 3), np.int64)
        np.add.at(total, self.place, self.pixels)
        return total

    def column(self, place: int, values: Array) -> Float64:
        """The values (k,) of the cells of a class as one of each row, (rows,) float64, 0 where there is none."""
        found = np.zeros(self.rows)
        here = self._by_class[self._ends[place] : self._ends[place + 1]]
        found[self.row[here]] = values[here]
        return found

    @cached_property
    def _starts(self) -> Int64:
        """The first cell of each row, and the number of cells, (rows + 1,)."""
        starts: Int64 = np.searchsorted(self.row, np.arange(self.rows + 1)).astype(np.int64)
        return starts

    @cached_property
    def _by_class(self) -> Int64:
        """The cells, class by class."""
        return np.argsort(self.place, kind="stable").astype(np.int64, copy=False)

    @cached_property
    def _ends(self) -> Int64:
        """Where the cells of each class begin among these, and the number of cells, (C + 1,)."""
        counted = np.bincount(self.place, minlength=self.classes)
        return np.concatenate([[0], np.cumsum(counted)]).astype(np.int64)
