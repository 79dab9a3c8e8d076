"""Measured predictions that are the truth with noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from segbench import Evaluator
from segbench.metrics.overlap import Overlap
from segbench.types import DatasetInfo, Prediction, Sample, Statistic

INFO: DatasetInfo = Evaluator(num_classes=3).info
METRIC = Overlap()


MIOU = next(score for score in METRIC.scores if score.name == "miou")


def measured(predictions: Sequence[Any], truths: Sequence[Any], groups: Sequence[str]) -> tuple[Statistic, ...]:
    return tuple(
        METRIC.measure(Sample(f"{k:03d}", group, k, labels=truth), Prediction(labels=labels), INFO)
        for k, (labels, truth, group) in enumerate(zip(predictions, truths, groups, strict=True))
    )


def noisy(truths: Sequence[Any], error: float, seed: int) -> list[Any]:
    random = np.random.default_rng(seed)
    return [np.where(random.random(t.shape) < error, random.integers(0, 3, t.shape), t) for t in truths]
