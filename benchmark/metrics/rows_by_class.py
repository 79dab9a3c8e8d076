"""Statistics with a row for each class, laid out as tables of all samples and classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..types import Float64, Int64, Statistic


def rows_by_class(
    statistics: Sequence[Statistic], rank: Mapping[int, int], counts: Sequence[str], reals: Sequence[str]
) -> tuple[Int64, Float64]:
    """The columns of n statistics by their column `label`.

    Parameters
    ----------
    statistics : with a row per class that the sample holds
    rank : the place of each of C labels
    counts, reals : names of int64 and float64 columns

    Returns
    -------
    (n, C, counts) int64 and (n, C, reals) float64
        0 and NaN for a class that a sample does not have; neither can be written to.
    """
    whole = np.zeros((len(statistics), len(rank), len(counts)), np.int64)
    real = np.full((len(statistics), len(rank), len(reals)), np.nan)
    for n, statistic in enumerate(statistics):
        places = [rank[label] for label in statistic.columns["label"].tolist()]
        for table, names in ((whole, counts), (real, reals)):
            for column, name in enumerate(names):
                table[n, places, column] = statistic.columns[name]
    whole.flags.writeable = real.flags.writeable = False
    return whole, real
