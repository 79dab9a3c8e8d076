"""First and last rank that every run may have, from which run is better than which beyond chance."""

from __future__ import annotations

import numpy as np

from ..types import Array, Float64


def rank_intervals(better: Array, badness: Float64) -> list[tuple[int, int]]:
    """First and last rank of K runs.

    What is better than a run that is better than a third is better than the third. A run's first rank is one more than
    the number of runs that are better, its last is less by those that are worse. Of two runs, the one with the better
    score has neither the later first nor the later last rank: spans are widened until that holds, which keeps them
    true. Runs without a score come last.

    Parameters
    ----------
    better : (K, K) bool
        Whether a run (row) is better than another (column), beyond chance.
    badness : (K,) float64
        Lower for what is better; infinite where there is no score.
    """
    known = np.flatnonzero(np.isfinite(badness))
    every = len(badness)
    spans = [(len(known) + 1, every)] * every
    if not known.size:
        return [(1, every)] * every
    above = np.array(better[np.ix_(known, known)], bool)
    for middle in range(len(known)):
        above |= above[:, middle, None] & above[None, middle, :]
    score = badness[known]
    no_better, no_worse = score[None, :] >= score[:, None], score[None, :] <= score[:, None]
    first, last = 1 + above.sum(axis=0), len(known) - above.sum(axis=1)
    # Of all runs that are no better, the earliest; of all that are no worse, the latest.
    first = np.where(no_better, first[None, :], every).min(axis=1)
    last = np.where(no_worse, last[None, :], 0).max(axis=1)
    for run, low, high in zip(known.tolist(), first.tolist(), last.tolist(), strict=True):
        spans[run] = (low, high)
    return spans
