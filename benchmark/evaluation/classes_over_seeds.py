"""Methods that were trained with several seeds, compared class by class: for other samples and for other trainings.

A class of a method is compared as `segbench.evaluation.over_seeds` compares methods: the means over seeds, with what
other trainings would change of them in this class, and p values adjusted for all classes and pairs of methods at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..types import Float64
from .class_comparison import PairedClasses
from .comparison import Claims, Difference
from .intervals import corrected_interval
from .over_seeds import by_sample, difference_of_means, middle_runs, p_of_means
from .training_variance import TrainingNoise, Trainings, freedom_of, training_noise, training_spreads


@dataclass(frozen=True)
class MethodsByClass:
    """Methods on every class of `classes`; the places of `trained` are of its runs."""

    classes: PairedClasses
    trained: Sequence[Trainings]

    def of_class(self, k: int) -> list[Trainings]:
        """The methods' places among the scores of class k, as `PairedClasses` has them."""
        many = len(self.classes.places)
        return [replace(each, places=each.places * many + k) for each in self.trained]

    @cached_property
    def scores(self) -> Float64:
        """Mean over seeds and its 95 % interval for other samples and these trainings, (methods, C, 3) float64.

        NaN where a training has no score of the class; the interval too, where one of them has none.
        """
        found = np.full((len(self.trained), len(self.classes.places), 3), np.nan)
        for k in range(len(self.classes.places)):
            for m, each in enumerate(self.of_class(k)):
                found[m, k] = self._score(each)
        return found

    def _score(self, each: Trainings) -> tuple[float, float, float]:
        mine = self.classes
        value = float(mine.values[each.places].mean())
        ends = mine.intervals[each.places]
        if len(each.places) == 1 or np.isnan(ends).any():
            return value, *(ends[0].tolist() if len(each.places) == 1 else (np.nan, np.nan))
        limits = (mine.score.low, mine.score.high)
        draws, without = (of[each.places].mean(axis=0) for of in (mine.draws, mine.without))
        return value, *corrected_interval(value, draws, without, mine.sizes(*each.places.tolist()), limits)

    def differences(self) -> dict[tuple[int, int, int], Difference]:
        """Every pair of methods in every class of which all their trainings have a score, by methods a, b and class."""
        total = freedom_of(self.trained)
        found: dict[tuple[int, int, int], tuple[Trainings, Trainings, TrainingNoise | None]] = {}
        middle: dict[tuple[int, int], int] = {}
        for k in range(len(self.classes.places)):
            trained = self.of_class(k)
            spreads = training_spreads(self.classes.values, trained, moderated=True)
            middle |= {(m, k): place for m, place in enumerate(middle_runs(self.classes.values, trained))}
            for a, b in itertools.combinations(range(len(trained)), 2):
                if not np.isnan(self.scores[[a, b], k, 0]).any():
                    noise = training_noise(trained[a], trained[b], (spreads[a], spreads[b]), total)
                    found[a, b, k] = trained[a], trained[b], noise
        if not found:
            return {}
        pairs = [(middle[a, k], middle[b, k]) for a, b, k in found]
        apart = [difference_of_means(self.classes, *each) for each in found.values()]
        p = [p_of_means(self.classes, *each, value) for each, (value, _, _) in zip(found.values(), apart, strict=True)]
        claims = Claims(np.abs([value for value, _, _ in apart]), np.array(p))
        chances = self.classes.chances(pairs, claims)
        return {
            at: Difference(
                *(at[0], at[1], *ends, *chance),
                **vars(by_sample(self.classes, a, b)),
            )
            for (at, (a, b, _)), ends, *chance in zip(found.items(), apart, *chances, strict=True)
        }
