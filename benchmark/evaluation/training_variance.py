"""How much a method's score varies from training to training, estimated from runs that differ in their seed alone.

References
----------
Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2 (1946), of
degrees of freedom. Smyth, "Linear models and empirical Bayes methods for assessing differential expression in
microarray experiments", Statistical Applications in Genetics and Molecular Biology 3(1) (2004), of moderated variances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..types import Float64, Int64

_MIN_MODERATED = 3
"""Number of methods with several seeds from which on their variances are moderated."""
_LEAST_PART, _NEWTON_STEPS = 1e-5, 20


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
