"""Overlap family of binary datasets: Dice (pooled and per image) and foreground IoU from exact pixel counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..types import Array, DatasetInfo, Float64, Int64, Prediction, Sample, ScoreInfo, Statistic
from .checks import binary_labels, true_labels, unexpected_labels
from .counting import joint_counts


def overlap_statistic(name: str, sample: Sample, prediction_labels: Array) -> Statistic:
    """Sparse confusion matrix of one sample: triples (truth, prediction, pixels), void truth included."""
    truth, predicted, pixels = joint_counts(true_labels(sample), prediction_labels)
    columns = {"truth": truth, "prediction": predicted, "pixels": pixels}
    return Statistic(name, sample.id, sample.group, sample.index, columns)


def confusion(statistic: Statistic, info: DatasetInfo) -> Int64:
    """Confusion matrix (C, C) int64 of one sample, rows truth, columns prediction, in class order, without void."""
    ids = [c.id for c in info.classes]
    rank = {label: position for position, label in enumerate(ids)}
    matrix = np.zeros((len(ids), len(ids)), np.int64)
    truth, predicted, pixels = (statistic.columns[name].tolist() for name in ("truth", "prediction", "pixels"))
    foreign = sorted({p for t, p in zip(truth, predicted, strict=True) if t != info.ignore_label and p not in rank})
    if foreign:
        raise unexpected_labels(statistic.sample_id, foreign, ids)
    for t, p, n in zip(truth, predicted, pixels, strict=True):
        if t != info.ignore_label:
            matrix[rank[t], rank[p]] += n
    return matrix


def class_table(matrix: Int64, info: DatasetInfo) -> dict[str, dict[str, float]]:
    """IoU, Dice, accuracy (recall) and true pixels of every class; NaN where undefined."""
    table = {}
    for position, c in enumerate(info.classes):
        both = float(matrix[position, position])
        truth, predicted = float(matrix[position].sum()), float(matrix[:, position].sum())
        table[c.name] = {
            "iou": _ratio(both, truth + predicted - both),
            "dice": _ratio(2 * both, truth + predicted),
            "accuracy": _ratio(both, truth),
            "pixels": truth,
        }
    return table


@dataclass(frozen=True)
class BinaryOverlap:
    """Dice and IoU of the foreground of a binary dataset.

    Dice = 2 TP / (2 TP + FP + FN), IoU = TP / (TP + FP + FN). `dice` pools the counts of all images, `dice_per_image`
    is the mean over images; an image with neither true nor predicted foreground is undefined and left out of the mean.
    """

    name: ClassVar[str] = "binary-overlap"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "Dice pooled and per image, foreground IoU, from pooled pixel counts"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("dice", "Dice of the foreground, counts pooled over the split"),
        ScoreInfo("dice_per_image", "mean over images of the foreground's Dice; images empty in both are left out"),
        ScoreInfo("iou_foreground", "IoU of the foreground, counts pooled over the split"),
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "truth": "int64",
        "prediction": "int64",
        "pixels": "int64",
    }

    def measure(self, sample: Sample, prediction: Prediction) -> Statistic:
        """Sparse confusion matrix of one sample."""
        statistic = overlap_statistic(self.name, sample, binary_labels(sample, prediction))
        foreign = sorted(set(statistic.columns["prediction"].tolist()) - {0, 1})
        if foreign:
            raise unexpected_labels(sample.id, foreign, (0, 1))
        return statistic

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """Pooled and mean scores; NaN where nothing is foreground in truth or prediction."""
        if not statistics:
            return {score.name: math.nan for score in self.scores}
        counts = self._counts(statistics, info)
        both, either = counts[:, 0], counts[:, 1]
        defined = either > 0
        per_image = (2 * both[defined] / (either + both)[defined]).tolist()
        tp, union = int(both.sum()), int(either.sum())
        return {
            "dice": _ratio(2 * tp, union + tp),
            "dice_per_image": math.fsum(per_image) / len(per_image) if per_image else math.nan,
            "iou_foreground": _ratio(tp, union),
        }

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """The same scores of B resamples, each (B,) float64."""
        counts = self._counts(statistics, info)
        # Doubles hold these sums exactly (far below 2**53) and multiply much faster than integers.
        both, either = (weights.astype(np.float64) @ counts.astype(np.float64)).T
        defined = counts[:, 1] > 0
        dice = np.where(defined, 2 * counts[:, 0] / np.maximum(counts.sum(axis=1), 1), 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "dice": 2 * both / (either + both),
                "dice_per_image": weights @ dice / (weights @ defined.astype(np.int64)),
                "iou_foreground": both / either,
            }

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """IoU, Dice, accuracy and pixels of background and foreground from pooled counts."""
        total = np.zeros((len(info.classes),) * 2, np.int64)
        for statistic in statistics:
            total += confusion(statistic, info)
        return class_table(total, info)

    @staticmethod
    def _counts(statistics: Sequence[Statistic], info: DatasetInfo) -> Int64:
        """Intersection and union of the foreground of every image, (n, 2) int64."""
        position = [c.id for c in info.classes].index(info.foreground)
        rows = []
        for statistic in statistics:
            matrix = confusion(statistic, info)
            both = matrix[position, position]
            rows.append((both, matrix[position].sum() + matrix[:, position].sum() - both))
        return np.array(rows, np.int64)


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
