"""Base classes of metric families, with the defaults of `segbench.types.Metric`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from ..types import (
    AbsentClasses,
    Array,
    ClassInfo,
    DatasetInfo,
    Float64,
    Int64,
    Prediction,
    Sample,
    ScoreInfo,
    Statistic,
    Sums,
    SumsByClass,
    Task,
)
from .pooled import drawn, drawn_by_class
from .side_by_side import drawn_from_both, side_by_side


class MetricFamily(ABC):
    """Base of metric families: the defaults of `segbench.types.Metric`.

    A family sets `name`, `version`, `summary`, `scores`, `columns` and `parts`, and writes `measure` and `compute`. It
    overrides what differs; `resample` where one pass over all resamples is quicker than one `compute` for each.
    """

    scores: ClassVar[tuple[ScoreInfo, ...]]
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = ()
    releases_gil: ClassVar[bool] = False
    tasks: ClassVar[tuple[Task, ...]] = ("binary", "multiclass")
    takes_void: ClassVar[bool] = True
    takes_probabilities: ClassVar[bool] = False
    hooks: ClassVar[Mapping[str, str]] = {}
    row_lists: ClassVar[tuple[str, ...]] = ()
    needs_background: ClassVar[bool] = False
    needs_volumes: ClassVar[bool] = False
    part_columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {}

    @abstractmethod
    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """The statistic of one sample. Raises UserError naming the sample for a wrong shape or value."""

    @abstractmethod
    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """All scores of the family; NaN where undefined."""

    def of_group(self, parts: Sequence[Statistic], info: DatasetInfo) -> list[Statistic]:
        """What `measure` gave is whole already."""
        del info
        return [*parts]

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """Scores of B resamples, weights (B, n) int64: `compute` of the drawn statistics, one resample after another.

        Right where `compute` only adds or averages statistics, so that one may be given to it several times.
        """
        found = [
            self.compute([s for s, n in zip(statistics, row.tolist(), strict=True) for _ in range(n)], info)
            for row in weights
        ]
        return {what.name: np.array([scores[what.name] for scores in found], np.float64) for what in self.scores}

    def resample_swapped(
        self, one: Sequence[Statistic], other: Sequence[Statistic], info: DatasetInfo, kept: Int64
    ) -> tuple[dict[str, Float64], dict[str, Float64]]:
        """From both runs side by side."""
        both = side_by_side(one, other)
        mine, theirs = (self.resample(both, info, weights) for weights in drawn_from_both(kept))
        return mine, theirs

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums | None:
        """No score is known to be a function of sums: comparisons take `resample`, which is slower."""
        del statistics, info, score
        return None

    def absent_classes(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> AbsentClasses | None:
        """No score counts what true masks never hold."""
        del statistics, info, score
        return None

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """No table of classes."""
        del statistics, info
        return {}

    def classes_of(self, info: DatasetInfo) -> tuple[ClassInfo, ...]:
        """The scored classes."""
        return info.classes

    def resample_classes(
        self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64
    ) -> dict[str, Float64]:
        """From the sums of each class."""
        places = range(len(self.classes_of(info)))
        every = ((what.name, self.sums_by_class(statistics, info, what.name, places)) for what in self.class_scores)
        return {name: drawn_by_class(sums, weights) for name, sums in every if sums is not None}

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass | None:
        """No score of a class is known to be a function of sums."""
        del statistics, info, score, places
        return None

    def absent_among(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> AbsentClasses | None:
        """No score of a class counts what true masks never hold."""
        del statistics, info, score, places
        return None

    def per_category(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """No table of categories."""
        del statistics, info
        return {}

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """No rule of its own that a statistic could break."""
        del statistic, info
        return None

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """Nothing that is known to follow from the truth alone."""
        del statistic
        return {}

    def true_classes(self, statistic: Statistic) -> Int64 | None:
        """Not known."""
        del statistic
        return None

    def totals(self, statistic: Statistic, info: DatasetInfo) -> dict[str, int]:
        """No number of pixels that other families count too."""
        del statistic, info
        return {}

    def details(
        self,
        statistics: Sequence[Statistic],
        info: DatasetInfo,
        scores: Mapping[str, float | None],
        intervals: Mapping[str, tuple[float | None, float | None]],
    ) -> dict[str, Any]:
        """No block of its own in the record."""
        del statistics, info, scores, intervals
        return {}


class ResampledFamily(MetricFamily):
    """Base of families that write `resample`: a split's own scores are those of the resample with every sample once."""

    @abstractmethod
    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """Scores of B resamples, each (B,) float64, weights (B, n) int64; NaN where undefined."""

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """All scores; NaN where undefined."""
        found = self.resample(statistics, info, np.ones((1, len(statistics)), np.int64))
        return {score.name: float(found[score.name][0]) for score in self.scores}


class SummedFamily(ResampledFamily):
    """Base of families whose every score is a function of sums over samples, which `sums` gives."""

    @abstractmethod
    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """What a score is made of."""

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """Scores of B resamples, each (B,) float64, weights (B, n) int64; NaN where undefined."""
        return {score.name: drawn(self.sums(statistics, info, score.name), weights) for score in self.scores}
