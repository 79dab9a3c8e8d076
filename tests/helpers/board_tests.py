"""What the tests of a board say of pairs of its committed records, over all seeds of a method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

import segbench
from places import ROOT
from segbench.boards.comparable import grouped
from segbench.boards.comparison_document import Comparison
from segbench.runs.find import find_runs

RECORDS = ROOT / "leaderboards" / "records"


@dataclass(frozen=True)
class Pair:
    """A less B: the difference and its interval, p unadjusted and adjusted for all pairs of the board."""

    value: float
    low: float
    high: float
    p: float
    p_adjusted: float

    @property
    def points(self) -> str:
        """The interval in points, as pages write it."""
        return f"[{100 * self.low:.1f}, {100 * self.high:.1f}]"

    @property
    def interval(self) -> str:
        """The interval, as pages write it."""
        return f"[{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Board:
    """The rows of a board, compared at once."""

    found: Comparison

    @cached_property
    def labels(self) -> dict[str, str]:
        """By the id of a run the label of its row."""
        rows = {run: row.label for row in self.found.methods or () for run in row.runs}
        return {run.run_id: rows.get(run.label, run.label) for run in self.found.runs}

    @cached_property
    def pairs(self) -> dict[tuple[str, str], Pair]:
        """By the labels of two rows, in both orders."""
        pairs = {}
        for each in self.found.method_differences or self.found.differences:
            numbers = (each.value, each.low, each.high, each.p, each.p_adjusted)
            value, low, high, p, adjusted = (math.nan if number is None else number for number in numbers)
            pairs[each.a, each.b] = Pair(value, low, high, p, adjusted)
            pairs[each.b, each.a] = Pair(-value, -high, -low, p, adjusted)
        return pairs

    @property
    def told_apart(self) -> int:
        """Number of pairs that differ after correction for all of them."""
        return sum(pair.p_adjusted < 0.05 for pair in self.pairs.values()) // 2

    def pair(self, one: str, other: str) -> Pair:
        """Of the rows of two runs, by their ids."""
        return self.pairs[self.labels[one], self.labels[other]]

    def told_from(self, run: str) -> int:
        """From how many other rows that of a run is told."""
        mine = [pair for (one, _), pair in self.pairs.items() if one == self.labels[run]]
        return sum(pair.p_adjusted < 0.05 for pair in mine)


@cache
def board_of(run: str, blocks: int | None = None) -> Board:
    """The board on which a committed run stands, of what was fitted on all labels."""
    found = [each for each in find_runs([RECORDS]) if each.record.method.train_fraction in (None, 1.0)]
    groups = grouped(found, lambda each: each.record).values()
    (mine,) = (group for group in groups if any(each.record.run_id == run for each in group))
    return Board(segbench.compare([each.folder for each in mine], blocks=blocks, progress=False))
