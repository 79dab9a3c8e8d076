"""Bootstrap intervals of dataset-level scores from per-sample statistics.

A percentile interval of a score holds the truth less often than it says: it ignores that the score is biased and its
distribution skewed, and on few samples it is too narrow. So its ends are corrected for both (BCa), then stretched about
the score to the width that the jackknife and Student's t ask for. docs/statistics.md has the measured coverage.

References
----------
Efron, "Better bootstrap confidence intervals", JASA 82:171-185 (1987): bias and acceleration (BCa). Efron & Tibshirani,
"An Introduction to the Bootstrap" (1993), chapters 11 (jackknife) and 14. Hesterberg, "What teachers should know about
the bootstrap", The American Statistician 69:371-386 (2015): why small samples need the wider interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..types import AbsentClasses, DatasetInfo, Float64, Int64, Metric, ScoreInfo, Statistic
from .quantiles import normal_below, normal_quantile, sorted_quantiles
from .resampling import MAX_BLOCKS, Units, bootstrap_weights, jackknife_parts
from .students_t import StudentsT
from .unit_sizes import unit_sizes

LEVEL = 0.95


def jackknife_error(without: Float64) -> tuple[float, int]:
    """Standard error from the values (n,) with each unit left out, and its degrees of freedom; NaN and 0 below two."""
    without = without[~np.isnan(without)]
    if without.size < 2:
        return float("nan"), 0
    apart = without - without.mean()
    return float(np.sqrt((without.size - 1) / without.size * np.sum(apart * apart))), without.size - 1


def corrected_interval(
    value: float,
    draws: Float64,
    without: Float64,
    sizes: Int64,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float, float]:
    """95 % interval of a score; NaN where it has no value or no draw, and where it rests on a single sample or group.

    Where the score lies outside of the middle 95 % of its draws, these are returned as they are: an interval that does
    not hold its score is to be warned of.

    Parameters
    ----------
    value : float
        The score of all samples.
    draws : (resamples,) float64
        The score of every bootstrap sample, NaN where undefined.
    without : (blocks,) float64
        The score with each unit left out in turn.
    sizes : (blocks,) int64
        How large each of these is, from `sizes_of`.
    limits : the least and the greatest possible value; the interval ends there.
    """
    if np.isnan(without).any() and _all_equal(draws[~np.isnan(draws)]):
        # Without one of them nothing is left: it alone counts, however many there are.
        return float("nan"), float("nan")
    return interval_of(value, draws, Jackknife.of(without, sizes), limits)


def _all_equal(values: Float64) -> bool:
    """Whether values (n,) differ by rounding at most."""
    return bool(values.size == 0 or np.ptp(values) <= 1e-9 * np.abs(values).max())


@dataclass(frozen=True)
class Jackknife:
    """What leaving units out in turn says of a score: its standard error, what that is worth, and skewness.

    The skewness is that of BCa, a sixth of the third standardised moment of the score; 0 where there is no spread.
    """

    error: float
    t: StudentsT
    skew: float

    @classmethod
    def of(cls, without: Float64, sizes: Int64) -> Jackknife:
        """From the score with each unit left out in turn (blocks,), NaN where undefined, and the sizes of units."""
        error, freedom = jackknife_error(without)
        t = StudentsT.of(sizes[~np.isnan(without)].tolist())
        if freedom < 1:
            return cls(error, t, 0.0)
        apart = np.nanmean(without) - without[~np.isnan(without)]
        squares = float((apart * apart).sum())
        skew = float((apart * apart * apart).sum()) / (6 * squares * np.sqrt(squares)) if squares > 0 else 0.0
        return cls(error, t, skew)

    def for_size(self, size: int, units: int) -> Jackknife:
        """What it would say of a set of `size` units instead of `units`: both errors fall with the root."""
        root = math.sqrt(units / size)
        return (
            self
            if size == units
            else Jackknife(self.error * root, self.t.for_size(min(size, MAX_BLOCKS)), self.skew * root)
        )


def interval_of(
    value: float, draws: Float64, jackknife: Jackknife, limits: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """As `corrected_interval`, of draws (resamples,) and what the jackknife says."""
    draws = draws[~np.isnan(draws)]
    if not draws.size or np.isnan(value) or jackknife.t.freedom < 1:
        # Of one sample or group that counts every draw is the same: that says nothing of others.
        return float("nan"), float("nan")
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    spread = float(draws.std())
    # Of equal scores half are below; rounding does not make them unequal.
    below = float((draws < value - 1e-9 * spread).mean() + (draws <= value + 1e-9 * spread).mean()) / 2
    known = np.isfinite(jackknife.error) and spread > 0 and np.isfinite(spread)
    if not known or not tails[0] <= below <= tails[1]:
        # Draws that are nearly all below the score, or above it, miss what it is made of: nothing corrects that.
        low, high = np.quantile(draws, tails)
        return float(low), float(high)
    normal, bias = np.array([normal_quantile(part) for part in tails.tolist()]), normal_quantile(below)
    levels = normal_below(bias + (bias + normal) / np.maximum(1 - jackknife.skew * (bias + normal), 1e-3))
    stretch = max(1.0, jackknife.error / spread) * (jackknife.t.quantile(float(tails[1])) / float(normal[1]))
    # Rounded, so that the last bits of a special function, which differ between versions, change no stored interval.
    low, high = value + round(stretch, 9) * (np.quantile(draws, np.round(levels, 9)) - value)
    return max(float(low), limits[0]), min(float(high), limits[1])


def paired_intervals(values: Float64, draws: Float64, without: Float64, sizes: Int64) -> Float64:
    """As `corrected_interval` without limits, of P scores at once, (P, 2).

    Parameters
    ----------
    values : (P,) float64
    draws : (P, resamples) float64
    without : (P, blocks) float64
    sizes : (P, blocks) int64
    """
    odd = np.isnan(values) | np.isnan(draws).any(axis=1) | np.isnan(without).any(axis=1) | (without.shape[1] < 2)
    found = np.full((len(values), 2), np.nan)
    for k in np.flatnonzero(odd).tolist():
        found[k] = corrected_interval(float(values[k]), draws[k], without[k], sizes[k])
    even = np.flatnonzero(~odd)
    if even.size:
        found[even] = _intervals_of(values[even], draws[even], without[even], sizes[even])
    return found


def _intervals_of(values: Float64, draws: Float64, without: Float64, sizes: Int64) -> Float64:
    """The same without undefined ones: `interval_of`, and what the jackknife says, row by row to the last bit."""
    freedom = without.shape[1] - 1
    apart = without.mean(axis=1, keepdims=True) - without
    squares, cubes = (apart * apart).sum(axis=1), (apart * apart * apart).sum(axis=1)
    error = np.sqrt(freedom / (freedom + 1) * squares)
    spread, about = draws.std(axis=1), values[:, None]
    slack = 1e-9 * spread[:, None]
    below = ((draws < about - slack).mean(axis=1) + (draws <= about + slack).mean(axis=1)) / 2
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    known = np.isfinite(error) & (spread > 0) & np.isfinite(spread) & (tails[0] <= below) & (below <= tails[1])
    ends = np.sort(draws, axis=1)
    found = sorted_quantiles(ends, np.broadcast_to(tails, (len(values), 2)))
    if known.any():
        skew = np.where(squares > 0, cubes / np.where(squares > 0, 6 * squares * np.sqrt(squares), 1.0), 0.0)[known]
        normal = np.array([normal_quantile(part) for part in tails.tolist()])
        bias = np.array([normal_quantile(part) for part in below[known].tolist()])[:, None]
        moved = bias + (bias + normal) / np.maximum(1 - skew[:, None] * (bias + normal), 1e-3)
        levels = np.round(normal_below(moved.reshape(-1)).reshape(moved.shape), 9)
        t = np.array([StudentsT.of(each).quantile(float(tails[1])) for each in sizes[known].tolist()])
        widths = np.maximum(1.0, error[known] / spread[known]) * (t / float(normal[1]))
        stretch = np.array([round(width, 9) for width in widths.tolist()])[:, None]
        found[known] = about[known] + stretch * (
            sorted_quantiles(ends[known], levels.astype(np.float64)) - about[known]
        )
    return found


def allowing_for_absent(
    interval: tuple[float, float], absent: AbsentClasses | None, score: ScoreInfo
) -> tuple[float, float]:
    """An interval that holds for any score of classes which no true mask holds, and which count 0 until then.

    Its upper end is raised by their share, as no sample can say how well they are found. NaN where the score is a mean
    of nothing else.
    """
    if absent is None:
        return interval
    if absent.share >= 1:
        return float("nan"), float("nan")
    return interval[0], min(interval[1] + absent.share * (score.high - score.low), score.high)


class Beside(Protocol):
    """What is scored on the same resamples as a family's scores."""

    def draw(self, weights: Int64) -> None:
        """Score some bootstrap samples, (b, n)."""

    def leave_out(self, weights: Int64) -> None:
        """Score what is left when some units are left out, (b, n)."""


def score_intervals(
    metric: Metric, statistics: Sequence[Statistic], info: DatasetInfo, beside: Beside | None = None
) -> dict[str, tuple[float, float]]:
    """95 % interval of every score of a family; NaN where fewer than two units can be drawn."""
    units = Units.of(metric, statistics)
    if units.count < 2:
        return {score.name: (float("nan"), float("nan")) for score in metric.scores}
    values, sizes = metric.compute(statistics, info), unit_sizes(metric, statistics, info)
    draws, parts = [], []
    for weights in bootstrap_weights(units):
        draws.append(metric.resample(statistics, info, weights))
        if beside is not None:
            beside.draw(weights)
    for left in jackknife_parts(units):
        parts.append(metric.resample(statistics, info, left))
        if beside is not None:
            beside.leave_out(left)
    without = {score.name: np.concatenate([part[score.name] for part in parts]) for score in metric.scores}
    return {
        score.name: allowing_for_absent(
            corrected_interval(
                values[score.name],
                np.concatenate([draw[score.name] for draw in draws]),
                without[score.name],
                sizes[score.name],
                (score.low, score.high),
            ),
            metric.absent_classes(statistics, info, score.name),
            score,
        )
        for score in metric.scores
    }
