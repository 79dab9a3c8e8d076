"""Families whose scores are the means over the foreground's classes of a score that each class has by itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..types import AbsentClasses, Array, ClassInfo, DatasetInfo, Float64, Int64, Statistic, Sums, SumsByClass
from .base import ResampledFamily
from .class_maps import is_called_background
from .pooled import mean_of_classes, mean_of_defined, summed


@dataclass(frozen=True)
class MeansOverClasses(ResampledFamily):
    """All that follows from `sums_by_class`, where `scores` and `class_scores` have the same names.

    A binary dataset has one such class. The table per class has also a background that is something by itself, such as
    the membrane between cells: one that has another name than that. A class whose score is undefined is left out of
    the mean.
    """

    @abstractmethod
    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """Every score of a class. Scores that give the same terms, as one object, are summed together."""

    def classes_of(self, info: DatasetInfo) -> tuple[ClassInfo, ...]:
        """The foreground, and a background with a name of its own."""
        return named_classes(info)

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """The same scores of B resamples, each (B,) float64."""
        found, averaged = self.resample_classes(statistics, info, weights), _averaged(info)
        return {name: mean_of_defined(values[:, averaged]) for name, values in found.items()}

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """The sums of the foreground's classes side by side."""
        return mean_of_classes(self.sums_by_class(statistics, info, score, _averaged(info)))

    def resample_classes(
        self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64
    ) -> dict[str, Float64]:
        """From the sums of each class."""
        found: dict[str, Float64] = {}
        known: list[tuple[Array, Float64]] = []
        for what in self.class_scores:
            sums = self.sums_by_class(statistics, info, what.name, range(len(named_classes(info))))
            total = next((total for terms, total in known if terms is sums.terms), None)
            if total is None:
                samples, classes, width = sums.terms.shape
                total = summed(sums.terms.reshape(samples, classes * width), weights).reshape(-1, classes, width)
                known.append((sums.terms, total))
            found[what.name] = sums.value(total)
        return found

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """Every score of every class."""
        found = self.resample_classes(statistics, info, np.ones((1, len(statistics)), np.int64))
        return {
            each.name: {name: float(values[0, place]) for name, values in found.items()}
            for place, each in enumerate(self.classes_of(info))
        }

    def absent_classes(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> AbsentClasses | None:
        """Those among the foreground's classes."""
        return self.absent_among(statistics, info, score, _averaged(info))


def named_classes(info: DatasetInfo) -> tuple[ClassInfo, ...]:
    """The classes of the foreground, and a background that is called by another name, in the order of the classes."""
    foreground = info.foreground_classes
    return tuple(each for each in info.classes if each in foreground or not is_called_background(each))


def of_places(terms: Int64, info: DatasetInfo, places: Sequence[int]) -> Int64:
    """The terms (n, k, F) of classes at some places among all (n, C, F): of all of them the same object."""
    return terms if tuple(places) == tuple(range(len(named_classes(info)))) else terms[:, list(places)]


def _averaged(info: DatasetInfo) -> list[int]:
    foreground = info.foreground_classes
    return [place for place, each in enumerate(named_classes(info)) if each in foreground]
