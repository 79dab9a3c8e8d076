"""The labels in each sample's truth, noted while predictions are measured, so that no map is decoded just for this."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..metrics.base import MetricFamily
from ..metrics.label_checks import label_counts
from ..metrics.overlap import PairsOfLabels
from ..types import Array, DatasetInfo, Metric, Part, Prediction, PredictionKind, Sample, ScoreInfo, Statistic
from .statistics import Statistics


class TrueLabels(MetricFamily):
    """Pixels of each label value of the truth; a companion of the families that score, which gives no score."""

    name, version, summary = "true-labels", "1", "what the truth holds"
    parts: ClassVar[tuple[Part, ...]] = ("labels",)
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {"label": "int64", "pixels": "int64"}
    scores: ClassVar[tuple[ScoreInfo, ...]] = ()
    releases_gil = True

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Label values (k,) of the sample, and how many pixels (k,) hold each."""
        del prediction, info
        found = {} if sample.labels is None else label_counts(sample.labels)
        columns = {
            "label": np.array(list(found.keys()), np.int64),
            "pixels": np.array(list(found.values()), np.int64),
        }
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """No score."""
        del statistics, info
        return {}


@dataclass(frozen=True)
class LabelsHeld:
    """What the truth of each sample holds: said by a family that is measured anyway, where one of them says it.

    metrics : the families that are to be measured. by : the one of them that says it; None where nobody asks.
    """

    metrics: tuple[Metric, ...]
    by: Metric | None

    @classmethod
    def beside(cls, metrics: Sequence[Metric], *, kind: PredictionKind = "maps") -> LabelsHeld:
        """The families that score, with `TrueLabels` where none of segbench's own among them counts pairs of labels.

        Predicted objects and segments are scored without a label map: then no truth is read for what it holds.
        """
        if kind != "maps":
            return cls(tuple(metrics), None)
        counting = (each for each in metrics if isinstance(each, PairsOfLabels) and _is_own(each))
        by = next(counting, None)
        if by is not None:
            return cls(tuple(metrics), by)
        beside = TrueLabels()
        return cls((*metrics, beside), beside)

    def take(self, statistics: Statistics) -> tuple[Iterable[dict[int, int]], Statistics]:
        """The label values of every sample with their pixels, and the statistics of the families that score."""
        if self.by is None:
            return [], statistics
        if not isinstance(self.by, TrueLabels):
            return (_pixels(self.by.truth_side(each)) for each in statistics.of(self.by.name)), statistics
        held = (_pixels(each.columns) for each in statistics.of(self.by.name))
        return held, Statistics(each for each in statistics if each.metric != self.by.name)


def _is_own(metric: Metric) -> bool:
    """Whether it counts the truth as it is; what a plugin derives from it may count anything."""
    return type(metric).__module__ == PairsOfLabels.__module__


def _pixels(columns: Mapping[str, Array]) -> dict[int, int]:
    """Two columns, labels and pixels, as a mapping."""
    return dict(zip(*(column.tolist() for column in columns.values()), strict=True))
