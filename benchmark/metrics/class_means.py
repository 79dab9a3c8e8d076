"""Families whose scores are the means over the foreground's classes of a score that each class has by itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..types import AbsentClasses, Array, ClassInfo, DatasetInfo, Float64, Int64, Statistic, Sums, SumsByClass
from .base import MetricFamily
from .pooled import mean_of_classes, mean_of_defined, summed


@dataclass(frozen=True)
class MeansOverClasses(MetricFamily):
    """All that follows from `sums_by_class`, where `scores` and `class_scores` have the same names.

    A binary dataset has one class, its foreground; a background that the dataset declares is none. A class whose score
    is undefined is left out of the mean.
    """

    @abstractmethod
    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """Every score of a class. Scores that give the same terms, as one object, are summed together."""

    def classes_of(self, info: DatasetInfo) -> tuple[ClassInfo, ...]:
        """The foreground."""
        return info.foreground_classes

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """The means over classes; NaN where no class is defined."""
        found = self.resample(statistics, info, np.ones((1, len(statistics)), np.int64))
        return {name: float(values[0]) for name, values in found.items()}

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """The same scores of B resamples, each (B,) float64."""
        found = self.resample_classes(statistics, info, weights)
        return {name: mean_of_defined(values) for name, values in found.items()}

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """The sums of all classes side by side."""
        return mean_of_classes(self.sums_by_class(statistics, info, score, self._places(info)))

    def resample_classes(
        self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64
    ) -> dict[str, Float64]:
        """From the sums of each class."""
        found: dict[str, Float64] = {}
        known: list[tuple[Array, Float64]] = []
        for what in self.class_scores:
            sums = self.sums_by_class(statistics, info, what.name, self._places(info))
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
        """Those among all classes."""
        return self.absent_among(statistics, info, score, self._places(info))

    def _places(self, info: DatasetInfo) -> range:
        return range(len(self.classes_of(info)))
