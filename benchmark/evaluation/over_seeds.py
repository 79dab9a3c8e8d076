"""Methods that were trained with several seeds: how far they are apart, for other samples and for other trainings.

A comparison of single runs says which of these trainings is better on other samples. Which *method* is better needs a
second source of chance, the training: trained again, each run would score otherwise.

References
----------
Zou & Donner, "Construction of confidence limits about effect measures: a general approach", Statistics in Medicine
27(10):1693-1702 (2008). Welch, "The generalization of 'Student's' problem when several different population variances
are involved", Biometrika 34 (1947). Satterthwaite, "An approximate distribution of estimates of variance components",
Biometrics Bulletin 2 (1946), of degrees of freedom. Smyth, "Linear models and empirical Bayes methods for assessing
differential expression in microarray experiments", Statistical Applications in Genetics and Molecular Biology 3(1)
(2004), of moderated variances. Bouthillier et al., "Accounting for variance in machine learning benchmarks", MLSys
2021.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ..types import Float64, Int64
from .comparison import ALPHA, Claims, Paired, effects_of
from .intervals import corrected_interval, jackknife_error
from .rank_intervals import rank_intervals

_MAX_SEEDS = 20
"""More seeds of each method than this are not proposed."""
_MIN_MODERATED = 3
"""Methods with several seeds from which on their variances say what is usual."""
_LEAST_PART, _NEWTON_STEPS = 1e-5, 20
_MOST_FREEDOM = 1e9
_LEAST_P, _MOST_P, _PRECISION = 1e-16, 1 - 1e-6, 1e-12
"""The smallest p value that is told, the largest that is not taken for 1, and how exactly they are found."""


@dataclass(frozen=True)
class Trainings:
    """One method's places among the runs of a `Paired`: runs that differ in their seed alone.

    fixed : no seed changes its result, as that of a classical method, so that one run stands for all.
    whole : it was trained on all labels; on few of them trainings vary more.
    """

    places: Int64
    fixed: bool = False
    whole: bool = True


@dataclass(frozen=True)
class Spread:
    """How much one method's score varies from training to training: a variance, and its degrees of freedom."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class TrainingNoise:
    """What other trainings would change: the variance of a difference of two means over seeds, and its freedom.

    each : the variances of a single training of either method.
    """

    variance: float
    freedom: float
    each: tuple[float, float]


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
    error, freedom = jackknife_error(_less(paired.without, a, b))
    return p_value(value, (error**2, freedom), noise)


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
    error, freedom = jackknife_error(_less(paired.without, a, b))
    return OverSeeds(
        value=value,
        low=low,
        high=high,
        holds_training=noise is not None,
        seeds_needed=None if noise is None else seeds_needed(value, (error**2, freedom), noise, ALPHA / pairs),
    )


def difference_of_means(
    paired: Paired, a: Trainings, b: Trainings, noise: TrainingNoise | None
) -> tuple[float, float, float]:
    """The mean over seeds of one method less that of another, with its 95 % interval, as `over_seeds` has them."""
    value = float(_less(paired.values, a, b))
    of_samples = corrected_interval(value, _less(paired.draws, a, b), _less(paired.without, a, b))
    low, high = with_training(value, of_samples, noise)
    most = paired.score.high - paired.score.low
    return value, max(low, -most), min(high, most)


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


def training_spreads(values: Float64, trained: Sequence[Trainings], *, moderated: bool) -> list[Spread | None]:
    """How much each method varies from training to training; None where no method has several seeds to say it.

    Two seeds say little of a variance, those of many methods together say much. So variances are moderated (Smyth
    2004) where three methods or more have several seeds: each is drawn towards what is usual among them, the more so
    the more alike they are. A method with a single training, where a seed changes it, is taken to vary as they do on
    average.
    Methods that had all labels and those that had a part of them are moderated apart.

    Parameters
    ----------
    values : (runs,) float64
        Scores; each method's are at its places.
    trained : sequence of Trainings
    moderated : bool
        False takes every variance by itself.
    """
    found = {k: float(np.var(values[each.places], ddof=1)) for k, each in enumerate(trained) if len(each.places) > 1}
    # Equal scores of different seeds are those of a method that no seed changes: they say nothing of others.
    known = {k: variance for k, variance in found.items() if variance > 0}
    spreads: list[Spread | None] = [
        Spread(0.0, math.inf) if each.fixed or k in found else None for k, each in enumerate(trained)
    ]
    for whole in (True, False):
        alike = [k for k in known if trained[k].whole == whole] or [*known]
        if not alike:
            continue
        freedoms = np.array([len(trained[k].places) - 1 for k in alike])
        usual, own = _moderated(np.array([known[k] for k in alike]), freedoms, moderated)
        own_of = dict(zip(alike, own, strict=True))
        for k, each in enumerate(trained):
            if each.whole == whole and (k in known or spreads[k] is None):
                spreads[k] = own_of.get(k, usual)
    return spreads


def unlike_deviations(values: Float64, trained: Sequence[Trainings]) -> tuple[float, float] | None:
    """The least and the greatest standard deviation over seeds, where these are more unlike than chance makes them.

    What a test says of a method with a single training is then a guess. None where they are alike, where fewer than
    three methods have several seeds, and where every method has.

    Parameters
    ----------
    values : (runs,) float64
        Scores; each method's are at its places.
    trained : sequence of Trainings
    """
    if not any(len(each.places) == 1 and not each.fixed for each in trained):
        return None
    several = [each for each in trained if len(each.places) > 1 and each.whole]
    found = np.array([float(np.var(values[each.places], ddof=1)) for each in several])
    known = found > 0
    if known.sum() < _MIN_MODERATED:
        return None
    freedoms = np.array([len(each.places) - 1 for each in several])
    if math.isinf(usual_spread(found[known], freedoms[known]).freedom):
        return None
    return float(np.sqrt(found[known].min())), float(np.sqrt(found.max()))


def _moderated(variances: Float64, freedoms: Int64, moderated: bool) -> tuple[Spread, list[Spread]]:
    """What a method of a single training is taken to vary by, and how much each of several does."""
    total = float(freedoms.sum())
    if not moderated or len(variances) < _MIN_MODERATED:
        own = [Spread(variance, float(n)) for variance, n in zip(variances.tolist(), freedoms, strict=True)]
        return Spread(float((freedoms * variances).sum()) / total, total), own
    usual = usual_spread(variances, freedoms)
    together = usual.freedom + freedoms
    weight = 1.0 if math.isinf(usual.freedom) else usual.freedom / together
    drawn = (weight * usual.variance + (1 - weight) * variances) * np.ones(len(variances))
    own = [Spread(v, n) for v, n in zip(drawn.tolist(), np.minimum(together, total).tolist(), strict=True)]
    # Where they are unlike, the scale of their distribution is below most of them, and says little of another one.
    return Spread(float((freedoms * variances).sum()) / total, total), own


def usual_spread(variances: Float64, freedoms: Int64) -> Spread:
    """The usual variance of several methods, and how many degrees of freedom it is worth: infinite where all are alike.

    The moments of the logarithms of variances under a scaled inverse chi-square distribution (Smyth 2004, section 6.2).

    Parameters
    ----------
    variances : (K,) float64
        Above 0, K from 2.
    freedoms : (K,) int64
        Their degrees of freedom.
    """
    from scipy.special import digamma, polygamma

    # What hardly varies at all, as by rounding, is not to say that all are unlike.
    logs = (
        np.log(np.maximum(variances, _LEAST_PART * np.median(variances))) - digamma(freedoms / 2) + np.log(freedoms / 2)
    )
    beyond = float(logs.var(ddof=1) - polygamma(1, freedoms / 2).mean())
    if beyond <= 0:
        return Spread(float((freedoms * variances).sum() / freedoms.sum()), math.inf)
    half = _inverse_trigamma(beyond)
    return Spread(float(np.exp(logs.mean() + digamma(half) - math.log(half))), 2 * half)


def _inverse_trigamma(value: float) -> float:
    """Where the trigamma function has this value, above 0: Newton's steps on its inverse (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    place = 0.5 + 1 / value
    for _ in range(_NEWTON_STEPS):
        here = float(polygamma(1, place))
        place += here * (1 - here / value) / float(polygamma(2, place))
    return place


def training_noise(
    a: Trainings, b: Trainings, spreads: tuple[Spread | None, Spread | None], total: float
) -> TrainingNoise | None:
    """What other trainings would change of the difference of two methods' means; None where nothing is known of it.

    Parameters
    ----------
    a, b : Trainings
    spreads : pair of Spread
        How much each varies, from `training_spreads`.
    total : float
        The degrees of freedom of all variances together, which those of a sum of two cannot exceed.
    """
    one, other = spreads
    if one is None or other is None:
        return None
    parts = [(one.variance / len(a.places), one.freedom), (other.variance / len(b.places), other.freedom)]
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / n for part, n in parts) if variance > 0 else math.inf
    return TrainingNoise(variance, min(freedom, total), (one.variance, other.variance))


def freedom_of(trained: Sequence[Trainings]) -> float:
    """The degrees of freedom of all variances over seeds together."""
    return float(sum(len(each.places) - 1 for each in trained))


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


def p_value(value: float, sampling: tuple[float, float], noise: TrainingNoise) -> float:
    """Two-sided p value of a difference of two means over seeds: the level at which its interval would end at 0.

    Of both sources of chance the squares of the half widths add up, as in `with_training`. A single t test on the sum
    of the variances, with Satterthwaite's degrees of freedom, is wrong in up to 9 % of cases with two seeds.

    Parameters
    ----------
    value : float
        The difference. NaN gives NaN.
    sampling : pair of float
        The variance of the difference over samples, and its degrees of freedom, 0 where it is not known: then p is 1.
    noise : TrainingNoise
        The same over trainings.
    """
    variance, freedom = sampling
    if math.isnan(value):
        return math.nan
    if freedom < 1 or not variance + noise.variance > 0 or value == 0:
        return 1.0
    trained, target = usable_freedom(noise.freedom), 2 * math.log(abs(value))

    def beyond(level: float) -> float:
        """By how much the interval at a level, given as its logarithm, is too wide to leave out 0; it falls."""
        over_samples, over_trainings = (t_distance(n, math.exp(level)) for n in (freedom, trained))
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


def seeds_needed(value: float, sampling: tuple[float, float], noise: TrainingNoise, level: float) -> int | None:
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
