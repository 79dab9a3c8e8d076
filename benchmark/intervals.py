"""Bootstrap intervals of dataset-level scores from per-sample statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from .types import DatasetInfo, Int64, Metric, Statistic

RESAMPLES = 2000
LEVEL = 0.95
MIN_GROUPS = 5
_CHUNK = 8_000_000

Unit = Literal["groups", "samples"]


def resampling_unit(groups: Sequence[str]) -> Unit:
    """Whole groups (videos, cities, stacks) are drawn where there are at least 5 of them, single samples else."""
    return "groups" if len(set(groups)) >= MIN_GROUPS else "samples"


def bootstrap_weights(groups: Sequence[str], resamples: int = RESAMPLES, seed: int = 0) -> Iterator[Int64]:
    """How often each sample is drawn, in chunks of (b, n) int64 that add up to `resamples` rows.

    Parameters
    ----------
    groups : sequence of n str
        The group of every sample.
    """
    random = np.random.default_rng(seed)
    if resampling_unit(groups) == "groups":
        _, member = np.unique(np.asarray(groups, str), return_inverse=True)
    else:
        member = np.arange(len(groups))
    units = int(member.max()) + 1
    rows = max(1, _CHUNK // max(len(groups), 1))
    for start in range(0, resamples, rows):
        drawn = random.multinomial(units, np.full(units, 1 / units), size=min(rows, resamples - start))
        yield drawn[:, member].astype(np.int64)


def score_intervals(
    metric: Metric, statistics: Sequence[Statistic], info: DatasetInfo
) -> dict[str, tuple[float, float]]:
    """95 % percentile interval of every score of a family; NaN where fewer than two units can be drawn.

    Reference: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    groups = [s.group for s in statistics]
    if len(groups) < 2:
        return {score.name: (float("nan"), float("nan")) for score in metric.scores}
    draws = [metric.resample(statistics, info, weights) for weights in bootstrap_weights(groups)]
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    result = {}
    for score in metric.scores:
        values = np.concatenate([draw[score.name] for draw in draws])
        values = values[~np.isnan(values)]
        low, high = np.quantile(values, tails) if values.size else (np.nan, np.nan)
        result[score.name] = (float(low), float(high))
    return result
