"""How large a loss must be for a test set of few units to show it, where swaps and the t test both have to agree."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..types import Array, Float64
from .students_t import StudentsT
from .swaps import MAX_ENUMERATED, swap_patterns
from .weighted_means import errors_of_means

_SETS, _STEPS, _SEED = 1500, 10, 0
"""Test sets that are drawn, halvings of the interval in which the multiple lies, and the seed."""
_SWAPS = 4000
"""Patterns that are drawn of many units of unlike sizes."""


@cache
def errors_to_be_seen(t: StudentsT, level: float, power: float) -> float:
    """A loss of so many standard errors is found in this part of all test sets.

    Parameters
    ----------
    t : the distribution of the loss, of two units or more
    level : one-sided chance that a method that did not change is called worse
    power : 0 to 1

    Of many units that is what the t test alone says. Of at most 12 all swap patterns are tried, and few of them are as
    extreme as any loss can be; and where few units have most of the samples, few patterns change much. There normal
    differences are drawn, and the rule of the gate is applied to them.
    """
    units = t.freedom + 1
    by_t = t.quantile(1 - level) + t.quantile(power)
    if units > MAX_ENUMERATED and t.is_students:
        return by_t
    patterns = np.concatenate(list(swap_patterns(units, _SWAPS, 1 << MAX_ENUMERATED, _SEED)))
    noise = np.random.default_rng(_SEED).normal(size=(_SETS, units))
    weights = np.array(t.sizes, np.float64) / sum(t.sizes)
    low, high = 0.0, 2 * by_t
    for _ in range(_STEPS):
        middle = (low + high) / 2
        found = _found(noise + middle * np.sqrt((weights**2).sum()), weights, patterns, t.quantile(1 - level), level)
        low, high = (low, middle) if found.mean() >= power else (middle, high)
    return max(by_t, high)


def _found(losses: Float64, weights: Float64, patterns: Float64, errors: float, level: float) -> Array:
    """In which of the sets of losses (sets, units) a loss is found, (sets,) bool: as `Paired.p_value` has it.

    patterns : all (rows, units), or a part of them without the one that swaps nothing. errors : that it has to exceed.
    """
    total = losses @ weights
    beyond = total > errors * errors_of_means(losses, weights)
    reached = (np.abs((losses * weights) @ patterns.T) >= np.abs(total)[:, None] * (1 - 1e-9)).sum(axis=1)
    once = 0 if losses.shape[1] <= MAX_ENUMERATED else 1
    found: Array = beyond & ((reached + once <= 1) | ((reached + once) / (len(patterns) + once) / 2 <= level))
    return found
