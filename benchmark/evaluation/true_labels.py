"""What the truth of each sample holds, taken along while predictions are measured: no map is decoded for it alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from ..metrics.base import MetricFamily
from ..metrics.label_checks import label_counts
from ..types import DatasetInfo, Part, Prediction, Sample, ScoreInfo, Statistic
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

    def take(self, statistics: Statistics) -> tuple[list[dict[int, int]], Statistics]:
        """The label values of every sample, and the statistics of the other families."""
        held = [
            dict(zip(*(s.columns[name].tolist() for name in self.columns), strict=True))
            for s in statistics.of(self.name)
        ]
        return held, Statistics(s for s in statistics if s.metric != self.name)
