"""How far a score is from the truth in errors that the jackknife finds: Student's t, also of units of unlike sizes.

A film with most of the frames has most of the error too, and the others say little of how large that is: then n - 1
degrees of freedom promise too much. There is no formula for what the jackknife's error is worth of such units, so the
quotient is drawn: units that err alike, by a normal distribution, in a mean that is weighted by their sizes. Units err
alike where films are easy or hard as a whole; if larger ones err less, this is on the safe side.

References
----------
Kish, "Survey Sampling" (1965): the number of units of equal size that are worth as much. Efron & Tibshirani, "An
Introduction to the Bootstrap" (1993), chapter 11: the jackknife's error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..types import Float64
from .quantiles import t_quantile

_SETS, _SEED = 1 << 16, 0
"""Sets of units that are drawn, and the seed."""
_LEAST = 2e-3
"""Smaller p values rest on how normal units are, more than on their sizes: they are not taken from what is drawn."""
_WORTH_MANY = 30.0
"""Units that are worth so many of equal size need not be drawn: Student's t of as many does."""
_NEARLY_ALL = 0.95
"""Units that are worth this part of as many of equal size count as those."""
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class StudentsT:
    """The distribution of a score's distance from the truth over its standard error by the jackknife.

    sizes : how large each unit is that is left out in turn, from 1, in ascending order.
    """

    sizes: tuple[int, ...]

    @classmethod
    def of(cls, sizes: Iterable[int]) -> StudentsT:
        """Of units of these sizes, in any order."""
        return cls(tuple(sorted(sizes)))

    @classmethod
    def of_equal(cls, units: int) -> StudentsT:
        """Of so many units of equal size."""
        return cls((1,) * units)

    @property
    def freedom(self) -> int:
        """The degrees of freedom of units of equal size; below 1 nothing is known of the error."""
        return len(self.sizes) - 1

    def for_size(self, units: int) -> StudentsT:
        """Of so many units, with sizes as these have them: as many small and large ones, as nearly as can be.

        Of fewer than two units nothing is known, of other numbers neither.
        """
        if self.freedom < 1:
            return self
        return StudentsT(tuple(self.sizes[int((k + 0.5) * len(self.sizes) / units)] for k in range(units)))

    @cached_property
    def worth(self) -> float:
        """The number of units of equal size that are worth as much: (sum n)² / sum n² (Kish)."""
        return sum(self.sizes) ** 2 / sum(size * size for size in self.sizes)

    @property
    def is_students(self) -> bool:
        """Whether it is a t distribution: of units of equal size, or nearly, and of many."""
        return self._nearly_equal or self.worth >= _WORTH_MANY

    @property
    def _nearly_equal(self) -> bool:
        return self.worth >= _NEARLY_ALL * len(self.sizes)

    @property
    def _usual_freedom(self) -> float:
        """The degrees of freedom where it is a t distribution."""
        return self.freedom if self._nearly_equal else self.worth - 1

    def quantile(self, part: float) -> float:
        """The value below which this part of it lies, from 0.5 and below 1; there is one from two units on."""
        if self.is_students:
            return t_quantile(math.floor(self._usual_freedom), part)
        return max(t_quantile(self.freedom, part), self.distance(2 * (1 - part)))

    def distance(self, outside: float) -> float:
        """How far from 0 it lies with this probability at most, on both sides together: the inverse of `p_value`."""
        from scipy.special import stdtr, stdtrit  # of the same bits as scipy.stats, which takes half a second to import

        if self.is_students:
            return float(-stdtrit(self._usual_freedom, outside / 2))
        sizes, last = _drawn(self.sizes), _last(self.sizes)
        if outside >= _LEAST:
            found = float(np.quantile(sizes, 1 - outside))
        else:
            freedom = max(self.worth - 1, 1.0)
            found = float(-stdtrit(freedom, outside / _LEAST * stdtr(freedom, -last)))
        return max(found, float(-stdtrit(self.freedom, outside / 2)))

    def p_value(self, errors: float) -> float:
        """The probability of so many errors, 0 or more, on both sides together.

        Of more than were drawn often enough, it falls as Student's t of as many units as these are worth: too slowly.
        """
        from scipy.special import stdtr

        if self.is_students:
            return float(2 * stdtr(self._usual_freedom, -errors))
        drawn, last = _drawn(self.sizes), _last(self.sizes)
        if errors <= last:
            found = float(1 - np.searchsorted(drawn, errors) / len(drawn))
        else:
            freedom = max(self.worth - 1, 1.0)
            found = _LEAST * float(stdtr(freedom, -errors) / stdtr(freedom, -last))
        return max(found, float(2 * stdtr(self.freedom, -errors)))


@lru_cache(maxsize=256)
def _drawn(sizes: tuple[int, ...]) -> Float64:
    """Distances over their errors of sets of units that err alike, (sets,) float64 in ascending order."""
    weights = np.array(sizes, np.float64) / sum(sizes)
    units = _units(len(sizes))
    rows = max(1, _AT_ONCE // len(sizes))
    parts = [units[start : start + rows] for start in range(0, _SETS, rows)]
    return np.sort(np.concatenate([np.abs(part @ weights) / errors_of_means(part, weights) for part in parts]))


@lru_cache(maxsize=256)
def _last(sizes: tuple[int, ...]) -> float:
    """What was drawn just often enough to be counted."""
    return float(np.quantile(_drawn(sizes), 1 - _LEAST))


@lru_cache(maxsize=1)
def _units(number: int) -> Float64:
    """Sets of so many units, (sets, units) float64, made once for all weights."""
    return np.random.default_rng(_SEED).normal(size=(_SETS, number))


def errors_of_means(units: Float64, weights: Float64) -> Float64:
    """Standard errors by the jackknife (sets,) of means of units (sets, n) that are weighted (n,), of sum 1."""
    # Each unit moves the mean by (mean - unit) * pull where it is left out; a product of matrices adds these and their
    # squares up, several times quicker than one by one.
    pull, n = weights / (1 - weights), len(weights)
    means, pulled, twice = (units @ np.stack([weights, pull, pull * pull], axis=1)).T
    moved = means * pull.sum() - pulled
    squares = means * (means * (pull * pull).sum() - 2 * twice) + (units * units) @ (pull * pull)
    errors: Float64 = np.sqrt((n - 1) * np.maximum(squares / n - (moved / n) ** 2, 0.0))
    return errors
