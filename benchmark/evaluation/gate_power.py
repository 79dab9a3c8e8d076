"""How large a loss must be for a test set of few units to show it, where swaps and the t test both have to agree."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..types import Array, Float64
from .quantiles import t_quantile
from .swaps import MAX_ENUMERATED, swap_patterns

_SETS, _STEPS, _SEED = 1500, 10, 0
"""Test sets that are drawn, halvings of the interval in which the multiple lies, and the seed."""


@cache
def errors_to_be_seen(units: int, freedom: int, level: float, power: float) -> float:
    """A loss of so many standard errors is found in this part of all test sets.

    Parameters
    ----------
    units : number of samples or groups that are swapped
    freedom : degrees of freedom of the standard error, from 1
    level : one-sided chance that a method that did not change is called worse
    power : 0 to 1

    Of many units that is what the t test alone says. Of at most 12 all swap patterns are tried, and few of them are as
    extreme as any loss can be: there normal differences are drawn, and the rule of the gate is applied to them.
    """
    by_t = t_quantile(freedom, 1 - level) + t_quantile(freedom, power)
    if units > MAX_ENUMERATED or units < 2:
        return by_t
    patterns = np.concatenate(list(swap_patterns(units, 0, 1 << MAX_ENUMERATED, _SEED)))
    noise = np.random.default_rng(_SEED).normal(size=(_SETS, units))
    low, high = 0.0, 2 * by_t
    for _ in range(_STEPS):
        middle = (low + high) / 2
        enough = _found(noise + middle / np.sqrt(units), patterns, level).mean() >= power
        low, high = (low, middle) if enough else (middle, high)
    return max(by_t, high)


def _found(losses: Float64, patterns: Float64, level: float) -> Array:
    """In which of the sets of losses (sets, units) a loss is found, (sets,) bool: as `Paired.p_value` has it."""
    units = losses.shape[1]
    total = losses.sum(axis=1)
    beyond = total / np.sqrt(units) > t_quantile(units - 1, 1 - level) * losses.std(axis=1, ddof=1)
    reached = (np.abs(losses @ patterns.T) >= np.abs(total)[:, None] * (1 - 1e-9)).sum(axis=1)
    found: Array = beyond & ((reached <= 1) | (reached / len(patterns) / 2 <= level))
    return found
