"""How much each unit that is drawn weighs in a score: a film's or an image's part of what the score is summed of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..metrics.pooled import mean_of_quotients
from ..types import Array, DatasetInfo, Float64, Int64, Metric, Statistic, Sums, SumsByClass
from .resampling import MAX_BLOCKS, Units, jackknife_blocks, rows_at_once

_AT_ONCE = 1024
"""Samples whose terms are added at once."""


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
    sums = UnitSums(units)
    sums.add(np.arange(units.n), terms)
    return sums.shares()


class UnitSums:
    """What each row of `jackknife_weights` leaves out of the sums of a score, added up part by part."""

    def __init__(self, units: Units) -> None:
        self._row, self._rows = jackknife_blocks(units.count)[units.member], min(units.count, MAX_BLOCKS)
        self._sums: Float64 | None = None

    def add(self, places: Int64, terms: Float64 | Int64 | Array) -> None:
        """Add the terms (m, ..., F) of the samples at places (m,)."""
        if self._sums is None:
            self._sums = np.zeros((self._rows, *terms.shape[1:]))
        np.add.at(self._sums, self._row[places], np.abs(terms.astype(np.float64)))

    def shares(self, *of: int) -> Float64:
        """See `unit_shares`; of the class at a place, where terms are by class."""
        sums = np.zeros((self._rows, 1)) if self._sums is None else self._sums
        for place in of:
            sums = sums[:, place]
        totals = sums.sum(axis=0)
        if not (totals > 0).any():
            return np.bincount(self._row, minlength=self._rows) / len(self._row)
        shares: Float64 = (sums[:, totals > 0] / totals[totals > 0]).mean(axis=1)
        return shares


def parts_of(statistics: Sequence[Statistic]) -> Iterator[tuple[Int64, Sequence[Statistic]]]:
    """The statistics a thousand at a time, with their places: terms of all at once are large where classes are many.

    Where some samples belong together all come at once, as some scores are of whole cases.
    """
    n = len(statistics)
    step = _AT_ONCE if len({each.group for each in statistics}) in (1, n) else max(n, 1)
    for start in range(0, n, step):
        part = statistics[start : start + step]
        yield np.arange(start, start + len(part)), part


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
    found: dict[str, UnitSums] = {score.name: UnitSums(units) for score in metric.scores}
    without_sums: list[str] = []
    for places, part in parts_of(statistics):
        for name in found.keys() - set(without_sums):
            sums = metric.sums(part, info, name)
            if sums is None:
                without_sums.append(name)
            else:
                found[name].add(places, weighing(sums))
    if without_sums and units.name == "groups":
        rows = rows_at_once(n)
        parts = (np.eye(min(rows, n - start), n, start, dtype=np.int64) for start in range(0, n, rows))
        alone = [metric.resample(statistics, info, part) for part in parts]
        values = {name: np.concatenate([one[name] for one in alone]) for name in without_sums}
    else:
        values = dict.fromkeys(without_sums, np.zeros(n))
    for name, each in values.items():
        found[name].add(np.arange(n), standing_alone(units, each))
    return {name: sizes_of(each.shares()) for name, each in found.items()}
