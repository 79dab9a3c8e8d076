"""Pixels that are found and pixels that are left alone: sensitivity, specificity, precision and what joins them.

Each class is one against the rest. With TP, FP, FN and TN of its pixels: sensitivity (recall) TP / (TP + FN),
specificity TN / (TN + FP), precision TP / (TP + FP), balanced accuracy the mean of sensitivity and specificity,
Matthews' correlation the correlation of true and predicted mask, volume similarity 1 - |FP - FN| / (2 TP + FP + FN).

References
----------
Matthews, "Comparison of the predicted and observed secondary structure of T4 phage lysozyme", BBA 405(2):442-451
(1975). Chicco & Jurman, "The advantages of the Matthews correlation coefficient (MCC) over F1 score and accuracy", BMC
Genomics 21:6 (2020). Taha & Hanbury, "Metrics for evaluating 3D medical image segmentation", BMC Medical Imaging 15:29
(2015) (volume similarity).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from ..types import (
    AbsentClasses,
    Array,
    DatasetInfo,
    Float64,
    Int64,
    Prediction,
    Sample,
    ScoreInfo,
    Statistic,
    SumsByClass,
)
from .class_means import MeansOverClasses, named_classes, of_places
from .label_checks import class_labels
from .overlap import PairsOfLabels, overlap_statistic
from .pair_counts import ranks, sparse_counts
from .pooled import absent_of, means_by_class, ratio
from .same_statistics import SameStatistics

_PER_IMAGE = "_per_image"

_counted: SameStatistics[Int64] = SameStatistics(2)
"""Those that all pooled scores and their resamples are made of."""


@dataclass(frozen=True)
class SensitivitySpecificity(MeansOverClasses, PairsOfLabels):
    """How many pixels of a class are found, and how many of the rest are taken for it.

    Every score is the mean over the classes, without background, of which it is defined; of a binary dataset it is the
    foreground's. Names that end in `_per_image` are means over images, of those in which the class has the score, the
    others pool the pixels of all images.

    Undefined are sensitivity without true pixels, specificity where all pixels are true, precision where none is
    predicted (`zero_division=nan` of scikit-learn), balanced accuracy where either part of it is, volume similarity
    where the class is on neither side, and Matthews' correlation where none or all pixels are true. The correlation is
    0, as in scikit-learn, where none or all are predicted.
    """

    name: ClassVar[str] = "sensitivity-specificity"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "sensitivity, specificity, precision, balanced accuracy, Matthews correlation, volume"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("sensitivity", "part of the true pixels that are found (recall), counts pooled over the split"),
        ScoreInfo("specificity", "part of all other pixels that are left alone, counts pooled over the split"),
        ScoreInfo("precision", "part of the predicted pixels that are right, counts pooled over the split"),
        ScoreInfo("balanced_accuracy", "mean of sensitivity and specificity, counts pooled over the split"),
        ScoreInfo("mcc", "Matthews correlation of true and predicted pixels, pooled over the split", low=-1.0),
        ScoreInfo("volume_similarity", "1 - |FP - FN| / (2 TP + FP + FN), counts pooled over the split"),
        ScoreInfo("sensitivity_per_image", "mean over images with true pixels of the sensitivity"),
        ScoreInfo("specificity_per_image", "mean over images of the specificity"),
        ScoreInfo("precision_per_image", "mean over images with predicted pixels of the precision"),
        ScoreInfo(
            "volume_similarity_per_image", "mean over images of the volume similarity; empty images are left out"
        ),
    )
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = scores

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Sparse confusion matrix of one sample."""
        return overlap_statistic(self.name, sample, class_labels(sample, prediction, info), info)

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """Functions of pooled pixels, or means over images."""
        counts = of_places(_pixels(statistics, info), info, places)
        if score.endswith(_PER_IMAGE):
            return means_by_class(_value(score.removesuffix(_PER_IMAGE), counts))
        return SumsByClass(counts, partial(_value, score))

    def absent_among(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> AbsentClasses | None:
        """Of precision and volume similarity: all else asks for true pixels, or for others."""
        if score.removesuffix(_PER_IMAGE) not in ("precision", "volume_similarity"):
            return None
        _, true, predicted, _ = _pixels(statistics, info)[:, list(places)].sum(axis=0).T
        return absent_of([named_classes(info)[place].name for place in places], true, predicted)


def _pixels(statistics: Sequence[Statistic], info: DatasetInfo) -> Int64:
    """Right, true, predicted and all counted pixels of each class, (n, C, 4) int64."""
    place = ranks(info.classes)
    places = tuple(place[each.id] for each in named_classes(info))

    def make() -> Int64:
        counts = sparse_counts(statistics, place)
        found = np.zeros((len(statistics), len(places), 4), np.int64)
        found[..., :3] = counts.of_classes(places)
        # every pixel that counts is truly of one class
        found[..., 3] = np.concatenate([np.zeros(0, np.int64), *(p[..., 1].sum(axis=1) for p in counts.parts())])[
            :, None
        ]
        found.flags.writeable = False
        return found

    return _counted.get(statistics, (places, *place), make)


def _value(score: str, counts: Array) -> Float64:
    """A score (…) of right, true, predicted and all pixels (…, 4), NaN where undefined."""
    right, true, predicted, total = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    return _VALUES[score](right, true, predicted, total)


def _sensitivity(right: Float64, true: Float64, predicted: Float64, total: Float64) -> Float64:
    del predicted, total
    return ratio(right, true)


def _specificity(right: Float64, true: Float64, predicted: Float64, total: Float64) -> Float64:
    return ratio(total - true - predicted + right, total - true)


def _precision(right: Float64, true: Float64, predicted: Float64, total: Float64) -> Float64:
    del true, total
    return ratio(right, predicted)


def _balanced_accuracy(right: Float64, true: Float64, predicted: Float64, total: Float64) -> Float64:
    return (_sensitivity(right, true, predicted, total) + _specificity(right, true, predicted, total)) / 2


def _matthews(right: Float64, true: Float64, predicted: Float64, total: Float64) -> Float64:
    # TP TN - FP FN = right total - true predicted
    spread = np.sqrt(true * (total - true)) * np.sqrt(predicted * (total - predicted))
    found = ratio(right * total - true * predicted, spread)
    constant = (predicted == 0) | (predicted == total)
    found = np.where(constant & (true > 0) & (true < total), 0.0, found)
    return np.clip(found, -1.0, 1.0)


def _volume_similarity(right: Float64, true: Float64, predicted: Float64, total: Float64) -> Float64:
    del right, total
    return 1 - ratio(np.abs(predicted - true), predicted + true)


_VALUES: Mapping[str, Callable[[Float64, Float64, Float64, Float64], Float64]] = {
    "sensitivity": _sensitivity,
    "specificity": _specificity,
    "precision": _precision,
    "balanced_accuracy": _balanced_accuracy,
    "mcc": _matthews,
    "volume_similarity": _volume_similarity,
}
