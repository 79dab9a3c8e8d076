"""Paired comparison of runs class by class: on the same drawn samples and by the same swaps, for all classes together.

A class of a run is compared as a run of its own, so that p values are adjusted for all classes and pairs of runs at
once (step-down max T, see `segbench.evaluation.swaps`), and intervals are those of `segbench.evaluation.comparison`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..metrics.pooled import drawn_by_class
from ..metrics.side_by_side import drawn_from_both, side_by_side
from ..types import AbsentClasses, Float64, Int64, Statistic, Sums, SumsByClass
from .comparison import Claims, Difference, Paired
from .intervals import paired_intervals
from .resampling import bootstrap_weights, jackknife_parts
from .swaps import Pair
from .unit_sizes import sizes_of


@dataclass(frozen=True)
class PairedClasses(Paired):
    """Classes of several runs; `score` is one of `metric.class_scores`, places those of its classes.

    Class k of run r has the place r * C + k among the values, draws and differences.
    """

    places: tuple[int, ...] = ()

    @cached_property
    def sums_by_run(self) -> tuple[SumsByClass, ...] | None:
        """Each run's score of each class as functions of sums; None of one that is no such function."""
        found = [self.metric.sums_by_class(run, self.info, self.score.name, self.places) for run in self.runs]
        known = tuple(sums for sums in found if sums is not None)
        return known if len(known) == len(found) else None

    @cached_property
    def _sums(self) -> tuple[Sums, ...] | None:
        if self.sums_by_run is None:
            return None
        return tuple(
            Sums(sums.terms[:, k], sums.value, *(None if x is None else x[:, k] for x in (sums.alone, sums.weights)))
            for sums in self.sums_by_run
            for k in range(len(self.places))
        )

    @cached_property
    def values(self) -> Float64:
        """The scores in the tables by class of every run, (runs * C,) float64."""
        names = [self.metric.classes_of(self.info)[place].name for place in self.places]
        tables = (self.metric.per_class(run, self.info) for run in self.runs)
        return np.array([table[name][self.score.name] for table in tables for name in names], np.float64)

    @cached_property
    def draws(self) -> Float64:
        """On the same bootstrap samples, (runs * C, resamples) float64; NaN where undefined."""
        parts = [self._scored(weights) for weights in bootstrap_weights(self.resampled, self.resamples, self.seed)]
        return np.concatenate(parts, axis=1)

    @cached_property
    def without(self) -> Float64:
        """With each unit (or block of them) left out in turn, (runs * C, blocks) float64."""
        return np.concatenate([self._scored(left) for left in jackknife_parts(self.resampled)], axis=1)

    def _scored(self, weights: Int64) -> Float64:
        if self.sums_by_run is None:
            return np.concatenate([self._drawn(run, weights) for run in self.runs])
        return np.concatenate([drawn_by_class(sums, weights).T for sums in self.sums_by_run])

    @property
    def _per_run(self) -> int:
        return len(self.places)

    def _drawn(self, statistics: Sequence[Statistic], weights: Int64) -> Float64:
        return self.metric.resample_classes(statistics, self.info, weights)[self.score.name].T[list(self.places)]

    def _exchanged(self, a: int, b: int, kept: Int64) -> Float64:
        both = side_by_side(self.runs[a], self.runs[b])
        one, other = (self._drawn(both, weights) for weights in drawn_from_both(kept))
        return one - other

    @cached_property
    def intervals(self) -> Float64:
        """95 % interval of every value, (runs * C, 2); NaN for a class that is predicted but never true."""
        found = np.clip(
            paired_intervals(self.values, self.draws, self.without, sizes_of(self.shares)),
            self.score.low,
            self.score.high,
        )
        for r, run in enumerate(self.runs):
            absent = self.metric.absent_among(run, self.info, self.score.name, self.places)
            found[r * len(self.places) : (r + 1) * len(self.places)][self._are(absent)] = np.nan
        return found

    def _are(self, absent: AbsentClasses | None) -> list[bool]:
        names = [self.metric.classes_of(self.info)[place].name for place in self.places]
        return [absent is not None and name in absent.pixels for name in names]

    def chances(self, pairs: Sequence[Pair], claims: Claims) -> tuple[Float64, Float64]:
        """P values of pairs of places, each (pairs,): single, and adjusted for all of them; see `Claims`."""
        return self._chances(pairs, claims=claims)

    @property
    def _pairs(self) -> list[Pair]:
        """Every pair of runs in every class that both have a score of."""
        known, classes = ~np.isnan(self.values), len(self.places)
        every = (
            (a * classes + k, b * classes + k)
            for a, b in itertools.combinations(range(len(self.runs)), 2)
            for k in range(classes)
        )
        return [(one, other) for one, other in every if known[one] and known[other]]


def by_place(differences: Sequence[Difference], classes: int) -> dict[tuple[int, int, int], Difference]:
    """Differences of `PairedClasses` by run a, run b and class."""
    return {(each.a // classes, each.b // classes, each.a % classes): each for each in differences}
