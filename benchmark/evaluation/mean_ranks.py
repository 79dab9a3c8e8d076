"""Mean ranks of methods over several datasets, with intervals over the datasets and their samples.

Scores of different datasets and metrics have no common unit, ranks have: on every dataset the methods are ranked from 1
by their score, equal scores share the mean of their ranks, and the ranks of a method are averaged. How much of that is
the choice of datasets and samples is measured by drawing both: datasets with replacement, and in each one that is
drawn, samples (or groups) with replacement, the same ones for all methods.

References
----------
Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7:1-30 (2006): mean ranks. Davison &
Hinkley, "Bootstrap Methods and their Application" (1997), section 3.8: drawing at both levels of hierarchical data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..types import Float64
from .intervals import LEVEL
from .resampling import RESAMPLES


@dataclass(frozen=True)
class MeanRank:
    """The mean rank of a method, 1 for the best of all everywhere, with its 95 % interval."""

    value: float
    low: float
    high: float


def shared_ranks(badness: Float64) -> Float64:
    """Ranks from 1 along the last axis, (..., K) float64: low for what is better, the mean rank of equal ones.

    NaN is worse than any number, and equal to NaN.

    >>> shared_ranks(np.array([0.3, 0.1, 0.3, np.nan])).tolist()
    [2.5, 1.0, 2.5, 4.0]
    """
    known = np.where(np.isnan(badness), np.inf, badness)
    better = (known[..., None, :] < known[..., :, None]).sum(axis=-1)
    equal = (known[..., None, :] == known[..., :, None]).sum(axis=-1)
    found: Float64 = better + (equal + 1) / 2
    return found


def mean_ranks(
    badness: Sequence[Float64], draws: Sequence[Float64], resamples: int = RESAMPLES, seed: int = 0
) -> list[MeanRank]:
    """The mean ranks of K methods over D datasets.

    Parameters
    ----------
    badness : D arrays (K,) float64
        Scores on each dataset, as numbers that are lower for what is better; NaN where undefined.
    draws : D arrays (K, R) float64
        The same on R bootstrap samples of each dataset, each of them the same for all methods.
    resamples, seed : int
        Number of times that datasets are drawn, and the seed.
    """
    value = np.mean([shared_ranks(each) for each in badness], axis=0)
    ranks = [shared_ranks(each.T) for each in draws]
    random = np.random.default_rng(seed)
    total = np.zeros((resamples, len(value)))
    chosen = random.integers(len(ranks), size=(resamples, len(ranks)))
    for column in chosen.T:
        for dataset, its_ranks in enumerate(ranks):
            rows = np.flatnonzero(column == dataset)
            total[rows] += its_ranks[random.integers(len(its_ranks), size=rows.size)]
    outside = (1 - LEVEL) / 2
    low, high = np.quantile(total / len(ranks), (outside, 1 - outside), axis=0)
    return [MeanRank(*row) for row in zip(value.tolist(), low.tolist(), high.tolist(), strict=True)]
