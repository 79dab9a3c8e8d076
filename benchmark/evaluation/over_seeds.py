"""Methods that were trained with several seeds: how far they are apart, for other samples and for other trainings.

A comparison of single runs says which of these trainings is better on other samples. Which *method* is better needs a
second source of chance, the training: trained again, each run would score otherwise.

References
----------
Zou & Donner, "Construction of confidence limits about effect measures: a general approach", Statistics in Medicine
27(10):1693-1702 (2008). Welch, "The generalization of 'Student's' problem when several different population variances
are involved", Biometrika 34 (1947). Bouthillier et al., "Accounting for variance in machine learning benchmarks", MLSys
2021.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ..types import Float64
from .comparison import ALPHA, Claims, Paired, effects_of
from .intervals import Jackknife, corrected_interval
from .rank_intervals import rank_intervals
from .students_t import StudentsT
from .training_variance import TrainingNoise, Trainings, freedom_of, training_noise, training_spreads

_MAX_SEEDS = 20
"""More seeds of each method than this are not proposed."""
_MOST_FREEDOM = 1e9
_LEAST_P, _MOST_P, _PRECISION = 1e-16, 1 - 1e-6, 1e-12
"""The smallest p value that is told, the largest that is not taken for 1, and how exactly they are found."""


@dataclass(frozen=True)
class OverSeeds:
    """The mean over seeds of one method less that of another, on the same samples, in the score's unit.

    low, high : its 95 % interval, for other samples and, where `holds_training`, other trainings.
    seeds_needed : with so many seeds of each they would be told apart, if means and spreads stay; None where they are
    told apart already, where 20 would not do, or where nothing is known of training.
    """

    value: float
    low: float
    high: float
    holds_training: bool
    seeds_needed: int | None


@dataclass(frozen=True)
class MethodTest:
    """Method `a` against method `b`, places in a list: the difference of their means over seeds, and its p values.

    p_adjusted : step-down, over all pairs.
    """

    a: int
    b: int
    value: float
    p: float
    p_adjusted: float

    @property
    def significant(self) -> bool:
        """Whether the methods differ at the 5 % level, all pairs considered."""
        return self.p_adjusted < ALPHA


def method_tests(
    paired: Paired, trained: Sequence[Trainings], progress: Callable[[int, int], None] = lambda *_: None
) -> list[MethodTest]:
    """Every pair of methods with its p values: all that ranks need.

    The middle run of each method is tested as runs are, by swaps and step-down. But swaps know nothing of training: so
    they may not make a difference of means less probable than `p_value` does, which knows both sources of chance.
    """
    pairs = list(combinations(range(len(trained)), 2))
    if not pairs:
        return []
    runs = replace(paired, runs=tuple(paired.runs[place] for place in middle_runs(paired.values, trained)))
    values = [
        float(paired.values[trained[a].places].mean() - paired.values[trained[b].places].mean()) for a, b in pairs
    ]
    claims = None
    if any(len(each.places) > 1 for each in trained):
        spreads, total = training_spreads(paired.values, trained, moderated=True), freedom_of(trained)
        noises = [training_noise(trained[a], trained[b], (spreads[a], spreads[b]), total) for a, b in pairs]
        p = [
            p_of_means(paired, trained[a], trained[b], noise, value)
            for (a, b), noise, value in zip(pairs, noises, values, strict=True)
        ]
        claims = Claims(np.abs(values), np.array(p))
    found = runs.tested(progress, claims)
    return [
        MethodTest(*pair, value, each.p, each.p_adjusted)
        for pair, value, each in zip(pairs, values, found, strict=True)
    ]


def middle_runs(values: Float64, trained: Sequence[Trainings]) -> list[int]:
    """The place of the middle run of each method by the scores (runs,), of an even number the lower one."""
    return [int(each.places[np.argsort(values[each.places])[(len(each.places) - 1) // 2]]) for each in trained]


def p_of_means(paired: Paired, a: Trainings, b: Trainings, noise: TrainingNoise | None, value: float) -> float:
    """How probable a difference of means is by chance; 0 where trainings make none, so that samples alone decide."""
    if noise is None or not noise.variance > 0:
        return 0.0
    return p_value(value, _over_samples(paired, a, b), noise)


def spans_of(tests: Sequence[MethodTest], badness: Float64, sign: int) -> list[tuple[int, int]]:
    """First and last rank that each of K methods may have; equal first ranks are ties.

    Parameters
    ----------
    tests : every pair
    badness : (K,) float64
        Lower for what is better; infinite where there is no score.
    sign : int
        1 where a higher score is better, else -1.
    """
    better = np.zeros((len(badness), len(badness)), bool)
    for each in tests:
        if each.significant:
            winner, loser = (each.a, each.b) if sign * each.value > 0 else (each.b, each.a)
            better[winner, loser] = True
    return rank_intervals(better, badness)


def over_seeds(paired: Paired, a: Trainings, b: Trainings, noise: TrainingNoise | None, pairs: int = 1) -> OverSeeds:
    """Compare two methods over their seeds.

    Parameters
    ----------
    paired : Paired
    a, b : Trainings
        Their runs.
    noise : TrainingNoise or None
        What other trainings would change, from `training_noise`; None where nothing is known of it.
    pairs : int
        How many pairs are tested together, for `seeds_needed`.
    """
    value, low, high = difference_of_means(paired, a, b, noise)
    return OverSeeds(
        value=value,
        low=low,
        high=high,
        holds_training=noise is not None,
        seeds_needed=None if noise is None else seeds_needed(value, _over_samples(paired, a, b), noise, ALPHA / pairs),
    )


def difference_of_means(
    paired: Paired, a: Trainings, b: Trainings, noise: TrainingNoise | None
) -> tuple[float, float, float]:
    """The mean over seeds of one method less that of another, with its 95 % interval, as `over_seeds` has them."""
    value = float(_less(paired.values, a, b))
    of_samples = corrected_interval(
        value, _less(paired.draws, a, b), _less(paired.without, a, b), paired.sizes(*a.places, *b.places)
    )
    low, high = with_training(value, of_samples, noise)
    most = paired.score.high - paired.score.low
    return value, max(low, -most), min(high, most)


def _over_samples(paired: Paired, a: Trainings, b: Trainings) -> tuple[float, StudentsT]:
    """The variance over samples of a difference of means, and what it is worth."""
    noise = Jackknife.of(_less(paired.without, a, b), paired.sizes(*a.places, *b.places))
    return noise.error**2, noise.t


def _less(scores: Float64, a: Trainings, b: Trainings) -> Float64:
    less: Float64 = scores[a.places].mean(axis=0) - scores[b.places].mean(axis=0)
    return less


@dataclass(frozen=True)
class BySample:
    """How far two methods are apart on single samples, of each the mean of its scores over seeds.

    effect, wins, ties, losses : as of `comparison.Difference`.
    """

    effect: float
    wins: int
    ties: int
    losses: int


def by_sample(paired: Paired, a: Trainings, b: Trainings) -> BySample:
    """Compare two methods sample by sample; samples on which a score is undefined are left out."""
    apart: Float64 = paired.per_sample[a.places].mean(axis=0) - paired.per_sample[b.places].mean(axis=0)
    ahead = paired.sign * apart
    wins, ties, losses = (int(kind.sum()) for kind in (ahead > 0, ahead == 0, ahead < 0))
    return BySample(float(effects_of(apart[None])[0]), wins, ties, losses)


def with_training(value: float, over_samples: tuple[float, float], noise: TrainingNoise | None) -> tuple[float, float]:
    """The interval of a difference of two means over seeds, for other samples and other trainings.

    Sampling and training err independently of each other, so the squares of their half widths add up, on each side of
    its own (Zou & Donner). Training's is Welch's interval of the two means.

    Parameters
    ----------
    value : float
        The difference of the means.
    over_samples : pair of float
        Its interval with these trainings.
    noise : TrainingNoise or None
        None leaves the interval as it is.
    """
    if noise is None or not noise.variance > 0:
        return over_samples
    half = float(t_distance(usable_freedom(noise.freedom), ALPHA)) * math.sqrt(noise.variance)
    low, high = over_samples
    return value - math.hypot(value - low, half), value + math.hypot(high - value, half)


def usable_freedom(freedom: float) -> float:
    """The degrees of freedom that an estimate of them is taken for: the whole number below it, from 2 on.

    It makes the interval rather too wide, as the estimate is uncertain. Below 2 this would make it three times as wide.
    """
    if freedom < 2:
        return max(1.0, freedom)
    return math.floor(min(freedom, _MOST_FREEDOM) + 1e-9)  # rounding errors make no other number of it


def t_distance(freedom: float, outside: float) -> float:
    """How far from 0 Student's t lies with this probability at most, on both sides together."""
    from scipy.special import stdtrit  # of the same bits as scipy.stats, which takes half a second to import

    return float(-stdtrit(freedom, outside / 2))


def p_value(value: float, sampling: tuple[float, StudentsT], noise: TrainingNoise) -> float:
    """Two-sided p value of a difference of two means over seeds: the level at which its interval would end at 0.

    Of both sources of chance the squares of the half widths add up, as in `with_training`. A single t test on the sum
    of the variances, with Satterthwaite's degrees of freedom, is wrong in up to 9 % of cases with two seeds.

    Parameters
    ----------
    value : float
        The difference. NaN gives NaN.
    sampling : float and StudentsT
        The variance of the difference over samples, and what it is worth; of fewer than two units p is 1.
    noise : TrainingNoise
        The same over trainings.
    """
    variance, t = sampling
    if math.isnan(value):
        return math.nan
    if t.freedom < 1 or not variance + noise.variance > 0 or value == 0:
        return 1.0
    trained, target = usable_freedom(noise.freedom), 2 * math.log(abs(value))

    def beyond(level: float) -> float:
        """By how much the interval at a level, given as its logarithm, is too wide to leave out 0; it falls."""
        over_samples, over_trainings = t.distance(math.exp(level)), t_distance(trained, math.exp(level))
        return math.log(over_samples**2 * variance + over_trainings**2 * noise.variance) - target

    # Regula falsi, in the variant called Illinois: an end that stays counts half.
    low, high = math.log(_LEAST_P), math.log(_MOST_P)
    at_low, at_high = beyond(low), beyond(high)
    if at_low <= 0 or at_high >= 0:
        return math.exp(low) if at_low <= 0 else 1.0
    middle, side = high, 0
    while high - low > _PRECISION:
        before, middle = middle, (low * at_high - high * at_low) / (at_high - at_low)
        here = beyond(middle)
        if abs(middle - before) < _PRECISION or here == 0:
            break
        if here > 0:
            low, at_low, at_high = middle, here, at_high / 2 if side > 0 else at_high
        else:
            high, at_high, at_low = middle, here, at_low / 2 if side < 0 else at_low
        side = 1 if here > 0 else -1
    return math.exp(middle)


def seeds_needed(value: float, sampling: tuple[float, StudentsT], noise: TrainingNoise, level: float) -> int | None:
    """With how many seeds of each of two methods a difference of means would be told, if the spreads stay as they are.

    None where it is told already, where no seeds change anything, and where `_MAX_SEEDS` would not do.
    """
    if not any(noise.each) or not p_value(value, sampling, noise) >= level:
        return None
    one, other = noise.each

    def told(seeds: int) -> bool:
        freedom = max(noise.freedom, (seeds - 1) * (one + other) ** 2 / (one**2 + other**2))
        return p_value(value, sampling, TrainingNoise((one + other) / seeds, freedom, noise.each)) < level

    counts = range(2, _MAX_SEEDS + 1)
    place = bisect_left(counts, True, key=told)
    return counts[place] if place < len(counts) else None
