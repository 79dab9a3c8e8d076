"""How wide an interval would be, and how small a difference could be detected, with another number of samples.

Test sets of n units are drawn, with replacement, from the units of a run. What the score does from one to the next is
what it would do from one real test set of that size to the next, so far as the run's units stand for all; the interval
of such a set is as wide as the middle 95 % of these scores, stretched as `intervals` stretches it. A difference counts
as visible where a two-sided test at 5 % finds it in 4 of 5 test sets, over all runs that it could have been planned
from: how much units differ is only estimated, and what is planned from too low an estimate is seen too rarely. How far
estimates scatter is measured on runs that are drawn from the units of the run: their variance as that of a chi-squared
variable of some degrees of freedom, n - 1 of a normal distribution and fewer where a few units decide.

The error itself is between that of drawn sets, which is too small, as a class that few units hold is now and then
absent from all of the units that a real set would hold, and that of the jackknife, which is too large where leaving one
unit out takes a whole class away: their geometric mean. A set on which the score is undefined shows no difference.
Of fewer than 20 units runs that are drawn say little of how estimates scatter, because one unit decides, drawn or not:
errors are taken to differ as those of a normal distribution do, and to fall short by as much as those of drawn runs do.

References
----------
Bickel, Goetze & van Zwet, "Resampling fewer than n observations", Statistica Sinica 7:1-31 (1997): sets of another
size than the sample. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
Bulletin 2:110-114 (1946): degrees of freedom from how far estimates scatter. Julious & Owen, "Sample size calculations
for clinical studies allowing for uncertainty about the variance", Pharmaceutical Statistics 5:29-37 (2006): power over
all pilots. Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988): power.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..types import Float64
from .comparison import ALPHA, Paired
from .intervals import LEVEL, Jackknife, interval_of, jackknife_error
from .quantiles import t_quantile
from .resampling import RESAMPLES, bootstrap_weights, jackknife_blocks
from .students_t import StudentsT

POWER = 0.8
"""Part of the test sets in which a visible difference is found."""

MIN_UNITS = 5
"""Smallest test set that is planned: nothing is known of intervals on fewer units."""

_MAX_UNITS = 10**9
_REDRAWN = 200
"""Runs that are drawn from the units of a run, and planned from in turn."""
_FEW_UNITS = 20
"""Below so many units, runs drawn from them say little of how errors differ: one unit decides, drawn or not."""
_MIN_FREEDOM = 3.0
"""Fewer degrees of freedom are not told apart: then single units decide."""
_QUANTILES = 200
_MAX_ERRORS = 1000.0
_HALVINGS = 50
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
    jackknife, limits = Jackknife.of(paired.without[0], paired.sizes(0)), (paired.score.low, paired.score.high)
    pilot = _Pilot.of(paired, draws) if pair else None
    found = []
    for size in sizes:
        scores = _drawn(paired, size, draws)
        low, high = interval_of(float(paired.values[0]), scores[0], jackknife.for_size(size, paired.units), limits)
        seen = math.nan if pilot is None else pilot.visible(scores[0] - scores[1], size)
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
    for weights in bootstrap_weights(paired.resampled, draws, paired.seed, size):
        for run in runs:
            found[run].append(paired.scored(run, weights))
    return [np.concatenate(each) for each in found]


@dataclass(frozen=True)
class _Pilot:
    """How well a run tells the error of the difference to another: what the visible difference is made of.

    ratios : (quantiles,) the error that runs like it would tell, over the true one.
    stretch : the error that is planned with, over that of sets drawn from the run's units.
    t : what the run's own error is worth.
    """

    ratios: Float64
    stretch: float
    t: StudentsT

    @classmethod
    def of(cls, paired: Paired, draws: int) -> _Pilot:
        """Of the first two runs."""
        first, second = _drawn(paired, paired.units, draws)
        own = float(np.nanstd(first - second))
        noise = paired.noise(0, 1)
        error, t = noise.error, noise.t
        if not own > 0 or t.freedom < 1:
            return cls(np.ones(1), 1.0, t)
        redrawn, unbiased = _redrawn_errors(paired), math.sqrt(paired.units / (paired.units - 1))
        if paired.units >= _FEW_UNITS:
            stretch = math.sqrt(unbiased * max(unbiased, error / own))
            return cls(_ratios(_freedom_of(redrawn, t.freedom)), stretch, t)
        usual = math.sqrt(float(np.square(redrawn).mean())) * unbiased
        return cls(_ratios(t.worth - 1), max(1.0, error / own) * max(1.0, error / usual if usual > 0 else 1.0), t)

    def visible(self, differences: Float64, size: int) -> float:
        """What is seen on sets of a size, from the differences (draws,) on such; NaN where that is not known."""
        known = differences[~np.isnan(differences)]
        if not known.size or self.t.freedom < 1:
            return math.nan
        power = POWER * differences.size / known.size  # a set whose score is undefined shows nothing
        return self._errors_asked(self.t.for_size(size), power) * self.stretch * float(known.std())

    def _errors_asked(self, t: StudentsT, power: float) -> float:
        """How many errors apart two scores have to be, so that a part of the test sets show it, over all pilots.

        Of an error that is known it is t at 97.5 % plus t at that part. NaN where no number is enough.
        """
        from scipy.special import stdtr  # quicker to import than scipy.stats

        found, freedom = t.quantile(1 - ALPHA / 2), t.worth - 1
        low, high = 0.0, _MAX_ERRORS

        def reached(errors: float) -> bool:
            return float(stdtr(freedom, errors * self.ratios - found).mean()) >= power

        if not reached(high):
            return math.nan
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if reached(middle) else (middle, high)
        return high


def _ratios(freedom: float) -> Float64:
    """Errors of so many degrees of freedom, over the true one: (quantiles,) of the root of a chi-squared variable."""
    from scipy.special import chdtri  # quicker to import than scipy.stats

    tails = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    return np.asarray(np.sqrt(chdtri(freedom, tails) / freedom), np.float64)


def _freedom_of(errors: Float64, most: int) -> float:
    """Degrees of freedom of an error, from how far estimates of it (n,) scatter; `most` of a normal distribution."""
    mean, variance = float(errors.mean()), float(errors.var())
    return min(most, max(mean**2 / (2 * variance), _MIN_FREEDOM)) if variance > 0 else most


def _redrawn_errors(paired: Paired) -> Float64:
    """The jackknife's errors of the difference on runs that are drawn from the units of these, (redrawn,)."""
    member, units = paired.resampled.member, paired.units
    block = jackknife_blocks(units)
    random = np.random.default_rng(paired.seed)
    errors = []
    for _ in range(_REDRAWN):
        chosen = random.integers(0, units, units)
        left = np.tile(np.bincount(chosen, minlength=units), (int(block.max()) + 1, 1))
        np.subtract.at(left, (block, chosen), 1)
        error, freedom = jackknife_error(paired.scored(0, left[:, member]) - paired.scored(1, left[:, member]))
        if freedom:
            errors.append(error)
    return np.array(errors) if errors else np.ones(1)


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
