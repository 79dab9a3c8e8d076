"""How many points of a score each cause of errors takes, with intervals, and how two runs differ in it.

The points of a cause are its Shapley value: the mean, over all orders in which the causes could be mended one after the
other, of what the score gains when its pixels are set right. So no order is preferred, and the parts add up to the
distance of the score from that of a perfect prediction. Every drawn set of samples is divided in the same way, and so
parts have the intervals of `segbench.evaluation.intervals`; runs that are compared are divided on the same sets.

Reference
---------
Shapley, "A value for n-person games", Contributions to the Theory of Games II (1953): the only division that adds up,
treats equal parts equally and gives nothing to what changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from ..metrics.pooled import drawn
from ..types import Array, DatasetInfo, Float64, Int64, Metric, Statistic
from .anatomy import CAUSES
from .intervals import corrected_interval
from .resampling import Units, bootstrap_weights, jackknife_weights
from .unit_sizes import unit_sizes

_NAMES = tuple(CAUSES)
_MANY = len(_NAMES) + 1
_CHUNK = 1 << 18
"""Weights of drawn samples that are multiplied at once."""
_UNKNOWN = (math.nan, math.nan)

Interval = tuple[float, float]


@dataclass(frozen=True)
class Resampled:
    """Points of every cause, in order, and last the whole loss, of sets of samples.

    draws : (causes + 1, resamples) of bootstrap samples. without : (causes + 1, blocks), each unit left out in turn.
    sizes : (blocks,) int64, of units.
    """

    draws: Float64
    without: Float64
    sizes: Int64


@dataclass(frozen=True)
class Anatomy:
    """How many points (hundredths) of a score each cause takes, which add up to `loss`, and its wrong pixels.

    intervals : 95 % interval of the points of every cause; NaN of one that no pixel has, as no sample says how often it
    is, and where fewer than two units can be drawn. loss_interval : that of the whole loss.
    """

    value: float
    loss: float
    points: Mapping[str, float]
    pixels: Mapping[str, int]
    intervals: Mapping[str, Interval] = field(default_factory=lambda: dict.fromkeys(_NAMES, _UNKNOWN))
    loss_interval: Interval = _UNKNOWN
    resampled: Resampled | None = None


@dataclass(frozen=True)
class PointsDifference:
    """By how many points one run loses more than another to a cause, with the paired 95 % interval."""

    points: float
    interval: Interval


def anatomy(metric: Metric, info: DatasetInfo, score: str, statistics: Sequence[Statistic]) -> Anatomy:
    """The points that every cause takes of a score.

    Parameters
    ----------
    metric : a family whose statistics are sparse confusion matrices, such as `segbench.metrics.overlap.Overlap`.
    score : one of its scores; NaN everywhere where it is undefined.
    statistics : of `anatomy_statistic`, in the order of their ids.
    """
    pixels = dict.fromkeys(_NAMES, 0)
    for statistic in statistics:
        number = np.zeros(_MANY, np.int64)
        np.add.at(number, statistic.columns["cause"].astype(np.int64), statistic.columns["pixels"])
        for place, name in enumerate(_NAMES, 1):
            pixels[name] += int(number[place])
    places = [place for place, name in enumerate(_NAMES, 1) if pixels[name]]
    sets = [mended for size in range(len(places) + 1) for mended in combinations(places, size)]
    values = {
        mended: metric.compute([_mended(s, mended, metric.name) for s in statistics], info)[score] for mended in sets
    }
    gains = {place: _gains(place, places) for place in places}
    found = {
        name: 100 * math.fsum(weight * values[each] for each, weight in gains.get(place, {}).items())
        for place, name in enumerate(_NAMES, 1)
    }
    loss = 100 * (values[tuple(places)] - values[()])
    if len(statistics) < 2:
        return Anatomy(values[()], loss, found, pixels)
    resampled = _resampled(metric, info, score, statistics, sets, gains)
    ends = _intervals([*found.values(), loss], resampled)
    last = resampled.draws[-1], resampled.without[-1], resampled.sizes
    ends[-1] = corrected_interval(loss, *last, _possible_loss(metric, score))
    known = {name: ends[n] if pixels[name] else _UNKNOWN for n, name in enumerate(_NAMES)}
    return Anatomy(values[()], loss, found, pixels, known, ends[-1], resampled)


def points_differences(first: Anatomy, second: Anatomy) -> dict[str, PointsDifference]:
    """By how many points the second run loses more than the first to every cause, and under "all" altogether.

    Both are of the same samples in the same order, so that the same ones are drawn for both. The interval of a cause
    that no pixel of either has is NaN.
    """
    values = [np.array([*each.points.values(), each.loss]) for each in (first, second)]
    apart = (values[1] - values[0]).tolist()
    ends = [_UNKNOWN] * _MANY
    if first.resampled is not None and second.resampled is not None:
        draws = second.resampled.draws - first.resampled.draws
        without = second.resampled.without - first.resampled.without
        ends = _intervals(apart, Resampled(draws, without, first.resampled.sizes))
    for place, name in enumerate(_NAMES):
        if not first.pixels[name] and not second.pixels[name]:
            ends[place] = _UNKNOWN
    return {name: PointsDifference(*each) for name, *each in zip((*_NAMES, "all"), apart, ends, strict=True)}


def _possible_loss(metric: Metric, score: str) -> Interval:
    """The least and the greatest loss of a score in points."""
    known = next(each for each in metric.scores if each.name == score)
    return 0.0, 100 * (known.high - known.low)


def _intervals(points: Sequence[float], resampled: Resampled) -> list[Interval]:
    """The 95 % interval of every cause's points and of the whole loss."""
    each = zip(points, resampled.draws, resampled.without, strict=True)
    return [corrected_interval(*one, resampled.sizes) for one in each]


def _resampled(
    metric: Metric,
    info: DatasetInfo,
    score: str,
    statistics: Sequence[Statistic],
    sets: Sequence[tuple[int, ...]],
    gains: Mapping[int, Mapping[tuple[int, ...], float]],
) -> Resampled:
    """The points of every cause on the sets of samples that intervals are made of."""
    units = Units.of(metric, statistics)
    weights = [np.concatenate([w.astype(np.int16) for w in bootstrap_weights(units)]), jackknife_weights(units)]
    totals = [np.zeros((_MANY, len(each))) for each in weights]
    for mended in sets:
        own = [_mended(s, mended, metric.name) for s in statistics]
        for total, values in zip(totals, _scored(metric, info, score, own, weights), strict=True):
            for place, each in gains.items():
                if mended in each:
                    total[place - 1] += 100 * each[mended] * values
            if mended == sets[-1]:
                total[-1] += 100 * values
            if not mended:
                total[-1] -= 100 * values
    return Resampled(totals[0], totals[1], unit_sizes(metric, statistics, info)[score])


def _scored(
    metric: Metric, info: DatasetInfo, score: str, statistics: Sequence[Statistic], weights: Sequence[Array]
) -> list[Float64]:
    """The score on sets of drawn samples, for each of the arrays of weights (B, n) integer, each (B,)."""
    sums = metric.sums(statistics, info, score)

    def of(chosen: Int64) -> Float64:
        return metric.resample(statistics, info, chosen)[score] if sums is None else drawn(sums, chosen)

    rows = max(1, _CHUNK // len(statistics))
    return [
        np.concatenate([of(each[start : start + rows].astype(np.int64)) for start in range(0, len(each), rows)])
        for each in weights
    ]


def _mended(statistic: Statistic, mended: tuple[int, ...], metric: str) -> Statistic:
    """The sparse confusion matrix of a sample after the pixels of these causes are set right."""
    columns = statistic.columns
    right = np.isin(columns["cause"], mended)
    predicted: Int64 = np.where(right, columns["truth"], columns["prediction"])
    kept = {"truth": columns["truth"], "prediction": predicted, "pixels": columns["pixels"]}
    return replace(statistic, metric=metric, columns=kept)


def _gains(place: int, places: Sequence[int]) -> dict[tuple[int, ...], float]:
    """The weights with which the scores after sets of causes are mended add up to the mean gain of one of them."""
    others = [each for each in places if each != place]
    many = len(places)
    weights: dict[tuple[int, ...], float] = {}
    for size in range(many):
        weight = 1 / (many * math.comb(many - 1, size))
        for before in combinations(others, size):
            weights[before] = -weight
            weights[tuple(sorted((*before, place)))] = weight
    return weights
