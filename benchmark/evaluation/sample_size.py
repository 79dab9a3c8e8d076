"""How wide an interval would be, and how small a difference would be seen, with another number of samples.

Test sets of n units are drawn, with replacement, from the units of a run. What the score does from one to the next is
what it would do from one real test set of that size to the next, so far as the run's units stand for all; the interval
of such a set is as wide as the middle 95 % of these scores, stretched as `intervals` stretches it. A difference counts
as visible where a two-sided test at 5 % finds it in 4 of 5 test sets.

References
----------
Bickel, Goetze & van Zwet, "Resampling fewer than n observations", Statistica Sinica 7:1-31 (1997): sets of another
size than the sample. Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988): power.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..types import Float64
from .comparison import ALPHA, Paired
from .intervals import LEVEL, RESAMPLES, Jackknife, bootstrap_weights, interval_of
from .quantiles import t_quantile

POWER = 0.8
"""Part of the test sets in which a visible difference is found."""

MIN_UNITS = 5
"""Smallest test set that is planned: nothing is known of intervals on fewer units."""

_MAX_UNITS = 10**9
_NORMAL_KURTOSIS = 3.0


@dataclass(frozen=True)
class Estimated:
    """A number that is estimated from the units of a run, and the ends of the 95 % range that they leave it in.

    NaN where they tell nothing of it.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Planned:
    """What a test set of so many units would give: the full width of the interval of the first run's score.

    And the smallest difference of the first two runs that would be visible; NaN of a single run.
    """

    units: int
    width: Estimated
    visible: Estimated


def planned(paired: Paired, sizes: Sequence[int], draws: int = RESAMPLES) -> list[Planned]:
    """Width and visible difference for test sets of these numbers of units, each from `MIN_UNITS`."""
    alone = _uncertainty(paired.without[0])
    pair = len(paired.runs) > 1
    between = _uncertainty(paired.without[0] - paired.without[1]) if pair else math.nan
    jackknife, limits = Jackknife.of(paired.without[0]), (paired.score.low, paired.score.high)
    found = []
    for size in sizes:
        scores = _drawn(paired, size, draws)
        low, high = interval_of(float(paired.values[0]), scores[0], jackknife.for_size(size, paired.units), limits)
        seen = _visible(scores[0] - scores[1], size, paired.units) if pair else math.nan
        found.append(Planned(size, _within(high - low, alone, limits[1] - limits[0]), _within(seen, between)))
    return found


def ladder(units: int) -> list[int]:
    """Sizes to plan for: 5, 10, 20, 50, … up to a hundred times a number of units, and that number itself.

    >>> ladder(30)
    [5, 10, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000]
    """

    def steps() -> Iterator[int]:
        power = 1
        while True:
            yield from (power * step for step in (1, 2, 5))
            power *= 10

    found = {units} if units >= MIN_UNITS else set()
    for size in steps():
        if size >= MIN_UNITS:
            found.add(size)
        if size >= 100 * units:
            return sorted(found)
    raise AssertionError


def units_needed(plans: Sequence[Planned], target: float, value: Callable[[Planned], float]) -> int | None:
    """The number of units from which on a planned value is at most `target`; None where it is not known.

    Between the sizes of the plans, in rising order, it is interpolated, both on logarithmic scales; beyond the last it
    falls with the root of the number.
    """
    points = [(each.units, value(each)) for each in plans if value(each) > 0]
    if not points or target <= 0:
        return None
    if points[0][1] <= target:
        return points[0][0]
    for (few, wide), (many, narrow) in pairwise(points):
        if narrow <= target < wide:
            part = math.log(wide / target) / math.log(wide / narrow)
            return _whole(math.exp(math.log(few) + part * math.log(many / few)))
    units, last = points[-1]
    needed = units * (last / target) ** 2
    return _whole(needed) if needed <= _MAX_UNITS else None


def _whole(units: float) -> int:
    return math.ceil(round(units, 6))  # a number that rounding has made a hair too large is no unit more


def _drawn(paired: Paired, size: int, draws: int) -> list[Float64]:
    """Scores of the first two runs on the same drawn test sets of this size, (draws,) each."""
    runs = range(min(len(paired.runs), 2))
    found: list[list[Float64]] = [[] for _ in runs]
    for weights in bootstrap_weights(paired.groups, draws, paired.seed, size):
        for run in runs:
            found[run].append(paired.scored(run, weights))
    return [np.concatenate(each) for each in found]


def _visible(differences: Float64, size: int, units: int) -> float:
    differences = differences[~np.isnan(differences)]
    if not differences.size or units < 2:
        return math.nan
    freedom = size - 1
    # Units drawn with replacement spread less than those that they were drawn from.
    error = float(differences.std()) * math.sqrt(units / (units - 1))
    return (t_quantile(freedom, 1 - ALPHA / 2) + t_quantile(freedom, POWER)) * error


def _uncertainty(without: Float64) -> float:
    """Half the length, on a logarithmic scale, of the 95 % range of a spread that is known from so many units.

    From the score without each unit (n,): the variance of a sample variance follows from the kurtosis, which is taken
    to be at least that of a normal distribution. NaN below two units, or where there is no spread.
    """
    apart = without[~np.isnan(without)]
    n = apart.size
    if n < 2:
        return math.nan
    squares = (apart - apart.mean()) ** 2
    second = float(squares.mean())
    if second == 0:
        return math.nan
    kurtosis = max(float((squares**2).mean()) / second**2, _NORMAL_KURTOSIS)
    return t_quantile(n - 1, (1 + LEVEL) / 2) / 2 * math.sqrt((kurtosis - (n - 3) / (n - 1)) / n)


def _within(value: float, uncertainty: float, limit: float = math.inf) -> Estimated:
    if math.isnan(uncertainty):
        return Estimated(value, math.nan, math.nan)
    return Estimated(value, value / math.exp(uncertainty), min(value * math.exp(uncertainty), limit))
