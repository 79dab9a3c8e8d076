"""Statistics with a row for each class, laid out as tables of all samples and classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..types import ClassInfo, Float64, Int64, Statistic
from .pair_counts import ranks
from .same_statistics import SameStatistics


class RowsByClass:
    """Lays out the columns of statistics by their column `label`.

    The last tables are kept: every score, resample and table by class of a run needs the same.
    """

    def __init__(self, counts: Sequence[str], reals: Sequence[str] = ()) -> None:
        """Names of int64 and of float64 columns."""
        self._counts, self._reals = counts, reals
        self._last: SameStatistics[tuple[Int64, Float64]] = SameStatistics(1)

    def tables(self, statistics: Sequence[Statistic], classes: Sequence[ClassInfo]) -> tuple[Int64, Float64]:
        """(n, C, counts) int64 and (n, C, reals) float64 of n statistics and C classes.

        0 and NaN for a class that a sample does not have; neither can be written to.
        """
        rank = ranks(classes)
        return self._last.get(statistics, tuple(rank.items()), lambda: self._laid_out(statistics, rank))

    def counts(self, statistics: Sequence[Statistic], classes: Sequence[ClassInfo]) -> Int64:
        """The first of both tables."""
        return self.tables(statistics, classes)[0]

    def _laid_out(self, statistics: Sequence[Statistic], rank: Mapping[int, int]) -> tuple[Int64, Float64]:
        whole = np.zeros((len(statistics), len(rank), len(self._counts)), np.int64)
        real = np.full((len(statistics), len(rank), len(self._reals)), np.nan)
        for n, statistic in enumerate(statistics):
            places = [rank[label] for label in statistic.columns["label"].tolist()]
            for table, names in ((whole, self._counts), (real, self._reals)):
                for column, name in enumerate(names):
                    table[n, places, column] = statistic.columns[name]
        whole.flags.writeable = real.flags.writeable = False
        return whole, real
