"""How far a score is from the truth in errors that the jackknife finds: Student's t, also of units of unlike sizes.

A film with most of the frames, or an image with most of a class, has most of the error too, and the others say little
of how large that is: then n - 1 degrees of freedom promise too much. So it is computed for units that err alike, by a
normal distribution, in a mean that is weighted by their sizes (`segbench.evaluation.weighted_means`). Units err alike
where films are easy or hard as a whole; if larger ones err less, this is on the safe side.

References
----------
Kish, "Survey Sampling" (1965): the number of units of equal size that are worth as much.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from .quantiles import t_quantile
from .weighted_means import WeightedMeans

_LEAST = 2e-3
"""Smaller p values rest on how normal units are, more than on their sizes."""
_WORTH_MANY = 30.0
"""Of units that are worth so many of equal size Student's t of as many will do."""
_NEARLY_ALL = 0.95
"""Units that are worth this part of as many of equal size count as those."""


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
        if outside >= _LEAST:
            found = self._means.distance(outside)
        else:
            found = float(-stdtrit(self._far, outside / _LEAST * stdtr(self._far, -self._last)))
        return max(found, float(-stdtrit(self.freedom, outside / 2)))

    def p_value(self, errors: float) -> float:
        """The probability of so many errors, 0 or more, on both sides together.

        Below 0.002 it falls as Student's t of as many units as these are worth: too slowly.
        """
        from scipy.special import stdtr

        if self.is_students:
            return float(2 * stdtr(self._usual_freedom, -errors))
        if errors <= self._last:
            found = self._means.p_value(errors)
        else:
            found = _LEAST * float(stdtr(self._far, -errors) / stdtr(self._far, -self._last))
        return max(found, float(2 * stdtr(self.freedom, -errors)))

    @cached_property
    def _means(self) -> WeightedMeans:
        return WeightedMeans.of(self.sizes)

    @cached_property
    def _last(self) -> float:
        """The distance at which the far tails begin."""
        return self._means.distance(_LEAST)

    @property
    def _far(self) -> float:
        """The degrees of freedom of the far tails."""
        return max(self.worth - 1, 1.0)
