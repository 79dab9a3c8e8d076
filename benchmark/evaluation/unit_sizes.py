"""How much each unit that is drawn weighs in a score: a film's or an image's part of what the score is summed of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..metrics.pooled import mean_of_quotients
from ..types import Array, DatasetInfo, Float64, Int64, Metric, Statistic, Sums, SumsByClass
from .resampling import MAX_BLOCKS, Units, jackknife_blocks, rows_at_once


def unit_shares(units: Units, terms: Float64 | Int64 | Array) -> Float64:
    """The part of a score that each row of `jackknife_weights` leaves out, (b,) float64 of sum 1.

    That is a film's or an image's part of what the score is summed of (of the foreground for Dice), as the mean over
    these sums.

    Parameters
    ----------
    units : Units
        Of n samples.
    terms : (n, F), what each sample adds to the sums, from `weighing`; of a score that is no function of sums (n, 1)
        bool, whether a sample has one by itself
    """
    sums = np.zeros((min(units.count, MAX_BLOCKS), terms.shape[1]))
    np.add.at(sums, jackknife_blocks(units.count)[units.member], np.abs(terms.astype(np.float64)))
    totals = sums.sum(axis=0)
    if not (totals > 0).any():
        return unit_shares(units, np.ones((units.n, 1)))
    shares: Float64 = (sums[:, totals > 0] / totals[totals > 0]).mean(axis=1)
    return shares


def weighing(sums: Sums | SumsByClass) -> Float64 | Int64:
    """How much each sample weighs in a score: what it says of that, of quotients what they divide by, else all terms.

    (n, W) of one score, (n, C, W) of those of classes.
    """
    if sums.weights is not None:
        return sums.weights
    return sums.terms[..., sums.terms.shape[-1] // 2 :] if sums.value is mean_of_quotients else sums.terms


def standing_alone(units: Units, values: Float64) -> Array:
    """Terms (n, 1) bool of a score that is no function of sums, from that of each sample alone (n,), else NaN.

    Single samples count alike: to score each of them alone takes too long where there are many.
    """
    known: Array = ~np.isnan(values)[:, None]
    return known if units.count < units.n else np.ones_like(known)


def sizes_of(shares: Float64) -> Int64:
    """Shares (..., b) of sum 1 as whole numbers, in ten-thousandths, of which none is 0."""
    return np.maximum(np.round(shares * 10_000), 1).astype(np.int64)


def unit_sizes(metric: Metric, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, Int64]:
    """The sizes of units for every score of a run, (blocks,) int64: see `unit_shares`."""
    units, n = Units.of(metric, statistics), len(statistics)
    every = {score.name: metric.sums(statistics, info, score.name) for score in metric.scores}
    without_sums = [name for name, sums in every.items() if sums is None]
    if without_sums and units.name == "groups":
        rows = rows_at_once(n)
        parts = (np.eye(min(rows, n - start), n, start, dtype=np.int64) for start in range(0, n, rows))
        alone = [metric.resample(statistics, info, part) for part in parts]
        values = {name: np.concatenate([one[name] for one in alone]) for name in without_sums}
    else:
        values = dict.fromkeys(without_sums, np.zeros(n))
    return {
        name: sizes_of(unit_shares(units, standing_alone(units, values[name]) if sums is None else weighing(sums)))
        for name, sums in every.items()
    }
