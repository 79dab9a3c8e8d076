"""The normal distribution, and quantiles of Student's t, without SciPy, which takes longer to import than to score."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from ..types import Float64

_NORMAL = NormalDist()
_MAX_STEPS = 60


def normal_below(values: Float64) -> Float64:
    """The part of a standard normal distribution below each value (n,), in 0..1."""
    return np.array([_NORMAL.cdf(value) for value in values.tolist()])


def normal_quantile(part: float) -> float:
    """The value below which this part of a standard normal distribution lies, of a part above 0 and below 1."""
    return _NORMAL.inv_cdf(part)


def sorted_quantiles(ordered: Float64, parts: Float64) -> Float64:
    """As `numpy.quantile`, bit for bit, of every row of ascending values (P, n) at parts of its own (P, q): (P, q)."""
    place = (ordered.shape[1] - 1) * parts
    before = np.floor(place).astype(np.int64)
    low = np.take_along_axis(ordered, before, axis=1)
    high = np.take_along_axis(ordered, np.minimum(before + 1, ordered.shape[1] - 1), axis=1)
    beyond, gap = place - before, high - low
    found: Float64 = np.where(beyond >= 0.5, high - gap * (1 - beyond), low + gap * beyond)
    return found


@lru_cache(maxsize=1024)
def t_quantile(freedom: int, part: float) -> float:
    """The value below which this part of Student's t distribution lies.

    Parameters
    ----------
    freedom : degrees of freedom, from 1.
    part : from 0.5, below 1.

    References
    ----------
    Abramowitz & Stegun, "Handbook of Mathematical Functions" (1964), 26.7.3 and 26.7.4: the distribution as a finite
    sum, for a whole number of degrees of freedom. Inverted by Newton's method.
    """
    value, step, steps = 0.0, 1.0, 0
    # From 0 the steps never pass the value: above it the distribution bends one way.
    while abs(step) > 1e-15 * max(value, 1.0) and steps < _MAX_STEPS:
        step = (part - _t_below(freedom, value)) / _t_density(freedom, value)
        value, steps = value + step, steps + 1
    return value


def _t_density(freedom: int, value: float) -> float:
    logarithm = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    return math.exp(logarithm - (freedom + 1) / 2 * math.log1p(value * value / freedom))


def _t_below(freedom: int, value: float) -> float:
    angle = math.atan2(value, math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    term = math.cos(angle) if freedom % 2 else 1.0
    terms = []
    for k in range(3 if freedom % 2 else 2, freedom + 1, 2):
        terms.append(term)
        term *= square * (k - 1) / k
    within = sine * math.fsum(terms)
    if freedom % 2:
        within = (angle + within) * 2 / math.pi
    return (1 + within) / 2
