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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np

from ..metrics.pooled import mean_of_quotients
from ..metrics.small_integers import smallest
from ..text import counted
from ..types import (
    AbsentClasses,
    Array,
    DatasetInfo,
    Float64,
    Int64,
    Metric,
    ScoreInfo,
    Statistic,
    Sums,
    SumsByClass,
    UserError,
)
from .quantiles import normal_below, normal_quantile, sorted_quantiles
from .students_t import StudentsT

RESAMPLES = 2000
LEVEL = 0.95
MIN_GROUPS = 5
_CHUNK = 1 << 18
"""Weights that are drawn at once: they stay in the processor's cache, and memory does not grow with the split."""
_MIN_ROWS = 32
"""Sets that are drawn at once of however many samples: a family goes through all samples once for each part."""
_KEPT_DRAWS = 1 << 23
"""Numbers of a bootstrap that are kept for the next family of the run, mostly a byte each."""
MAX_BLOCKS = 200
"""Of more units, blocks of them are left out in turn."""

Unit = Literal["groups", "samples"]


def resampling_unit(groups: Sequence[str]) -> Unit:
    """Whole groups (videos, cities, stacks) are drawn where there are at least 5 of them, single samples else.

    Samples that all stand alone are drawn as samples.
    """
    return "groups" if MIN_GROUPS <= len(set(groups)) < len(groups) else "samples"


def in_few_groups(groups: Sequence[str], dataset: str) -> bool:
    """Whether samples are drawn although some belong together, as there are fewer than 5 groups.

    Samples whose group is called as the dataset have none.
    """
    return set(groups) != {dataset} and len(set(groups)) < min(MIN_GROUPS, len(groups))


def blocks_of(statistics: Sequence[Statistic], size: int) -> list[str]:
    """Blocks of so many consecutive samples of a group, by their names (n,): films of which there are too few to draw.

    Neighbouring frames are alike; a block that is longer than what they have in common can stand alone (Künsch, "The
    jackknife and the bootstrap for general stationary observations", Annals of Statistics 17(3), 1989). Blocks do not
    overlap here, and the last one of a group may be shorter.

    Raises UserError where whole groups are drawn anyway, where no two samples belong together, and for fewer than 5
    blocks.
    """
    groups = [s.group for s in statistics]
    if len(set(groups)) == len(groups):
        raise UserError(
            "--blocks: each of these samples stands alone, so that none has neighbours. Say which belong together: "
            "'group' in the classes.yaml of a folder of your own"
        )
    if resampling_unit(groups) == "groups":
        raise UserError(f"--blocks: these samples are of {len(set(groups))} groups, which are drawn as they are")
    names = [""] * len(groups)
    members: dict[str, list[int]] = {}
    for place, each in enumerate(statistics):
        members.setdefault(each.group, []).append(place)
    for group, places in members.items():
        ordered = sorted(places, key=lambda place: (statistics[place].index, statistics[place].sample_id))
        for number, place in enumerate(ordered):
            names[place] = f"{group}/{number // size:09d}"
    if len(set(names)) < MIN_GROUPS:
        raise UserError(
            f"--blocks {size}: makes {counted(len(set(names)), 'block')} of these samples, and intervals need "
            f"{MIN_GROUPS} or more; choose shorter ones"
        )
    return names


def units_of(groups: Sequence[str]) -> tuple[Int64, int]:
    """The unit (group or sample) that every sample belongs to, (n,) int64 from 0, and the number of units."""
    if resampling_unit(groups) == "groups":
        units, member = np.unique(np.asarray(groups, str), return_inverse=True)
        return member.astype(np.int64), len(units)
    return np.arange(len(groups)), len(groups)


def bootstrap_weights(
    groups: Sequence[str], resamples: int = RESAMPLES, seed: int = 0, size: int | None = None
) -> Iterator[Int64]:
    """How often each sample is drawn, in chunks of (b, n) int64 that add up to `resamples` rows.

    Parameters
    ----------
    groups : sequence of n str
        The group of every sample.
    resamples, seed : int
        Number of sets that are drawn, and the seed.
    size : int, optional
        How many units a set has, from 1; as many as there are by default.
    """
    member, units = units_of(groups)
    draws = units, resamples, seed, units if size is None else size, _rows_at_once(groups)
    for drawn in _draws_once(*draws) if units * resamples <= _KEPT_DRAWS else _draws(*draws):
        yield drawn[:, member].astype(np.int64, copy=False)


def _draws(units: int, resamples: int, seed: int, size: int, rows: int) -> Iterator[Int64]:
    """How often each unit is drawn, in chunks of at most (rows, units)."""
    random = np.random.default_rng(seed)
    parts = np.full(units, 1 / units)
    for start in range(0, resamples, rows):
        yield random.multinomial(size, parts, size=min(rows, resamples - start))


@lru_cache(maxsize=1)
def _draws_once(units: int, resamples: int, seed: int, size: int, rows: int) -> tuple[Array, ...]:
    """The same, made once for all families of a run, which draw alike."""
    return tuple(smallest(drawn) for drawn in _draws(units, resamples, seed, size, rows))


def _rows_at_once(groups: Sequence[str]) -> int:
    """Sets of weights of so many samples that are made at once."""
    return max(_MIN_ROWS, _CHUNK // max(len(groups), 1))


def jackknife_weights(groups: Sequence[str]) -> Int64:
    """Which samples are left when each unit, or block of units (at most 200), is left out in turn: (b, n) 0 or 1."""
    return np.concatenate(list(jackknife_parts(groups)))


def jackknife_parts(groups: Sequence[str]) -> Iterator[Int64]:
    """The same in parts of (b, n) int64, whose rows add up to those of `jackknife_weights`."""
    member, units = units_of(groups)
    block = jackknife_blocks(units)[member]
    left_out, rows = np.arange(min(units, MAX_BLOCKS)), _rows_at_once(groups)
    for start in range(0, max(len(left_out), 1), rows):
        yield (block[None, :] != left_out[start : start + rows, None]).astype(np.int64)


def jackknife_blocks(units: int) -> Int64:
    """The block that each unit is left out with, (units,) int64 from 0: its own, of at most 200 units."""
    blocks: Int64 = np.arange(units) * min(units, MAX_BLOCKS) // max(units, 1)
    return blocks


def unit_shares(groups: Sequence[str], terms: Float64 | Int64 | Array) -> Float64:
    """The part of a score that each row of `jackknife_weights` leaves out, (b,) float64 of sum 1.

    That is a film's or an image's part of what the score is summed of (of the foreground for Dice), as the mean over
    these sums.

    Parameters
    ----------
    groups : sequence of n str
    terms : (n, F), what each sample adds to the sums, from `weighing`; of a score that is no function of sums (n, 1)
        bool, whether a sample has one by itself
    """
    member, units = units_of(groups)
    sums = np.zeros((min(units, MAX_BLOCKS), terms.shape[1]))
    np.add.at(sums, jackknife_blocks(units)[member], np.abs(terms.astype(np.float64)))
    totals = sums.sum(axis=0)
    if not (totals > 0).any():
        return unit_shares(groups, np.ones((len(groups), 1)))
    shares: Float64 = (sums[:, totals > 0] / totals[totals > 0]).mean(axis=1)
    return shares


def weighing(sums: Sums | SumsByClass) -> Float64 | Int64:
    """How much each sample weighs in a score: what it says of that, of quotients what they divide by, else all terms.

    (n, W) of one score, (n, C, W) of those of classes.
    """
    if sums.weights is not None:
        return sums.weights
    return sums.terms[..., sums.terms.shape[-1] // 2 :] if sums.value is mean_of_quotients else sums.terms


def standing_alone(groups: Sequence[str], values: Float64) -> Array:
    """Terms (n, 1) bool of a score that is no function of sums, from that of each sample alone (n,), else NaN.

    Single samples count alike: to score each of them alone takes too long where there are many.
    """
    known: Array = ~np.isnan(values)[:, None]
    return known if resampling_unit(groups) == "groups" else np.ones_like(known)


def sizes_of(shares: Float64) -> Int64:
    """Shares (..., b) of sum 1 as whole numbers, in ten-thousandths, of which none is 0."""
    return np.maximum(np.round(shares * 10_000), 1).astype(np.int64)


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


def unit_sizes(metric: Metric, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, Int64]:
    """The sizes of units for every score of a run, (blocks,) int64: see `unit_shares`."""
    groups = [s.group for s in statistics]
    every = {score.name: metric.sums(statistics, info, score.name) for score in metric.scores}
    without_sums = [name for name, sums in every.items() if sums is None]
    if without_sums and resampling_unit(groups) == "groups":
        n, rows = len(groups), _rows_at_once(groups)
        parts = (np.eye(min(rows, n - start), n, start, dtype=np.int64) for start in range(0, n, rows))
        alone = [metric.resample(statistics, info, part) for part in parts]
        values = {name: np.concatenate([one[name] for one in alone]) for name in without_sums}
    else:
        values = dict.fromkeys(without_sums, np.zeros(len(groups)))
    return {
        name: sizes_of(unit_shares(groups, standing_alone(groups, values[name]) if sums is None else weighing(sums)))
        for name, sums in every.items()
    }


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
    groups = [s.group for s in statistics]
    if len(groups) < 2:
        return {score.name: (float("nan"), float("nan")) for score in metric.scores}
    values, sizes = metric.compute(statistics, info), unit_sizes(metric, statistics, info)
    draws, parts = [], []
    for weights in bootstrap_weights(groups):
        draws.append(metric.resample(statistics, info, weights))
        if beside is not None:
            beside.draw(weights)
    for left in jackknife_parts(groups):
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
