"""Overlap family: IoU, Dice and accuracies from exact pixel counts, by each benchmark's own rule for absent classes.

References: VOCevalseg.m of the VOC devkit; evalPixelLevelSemanticLabeling.py of cityscapesScripts 2.3.0; for COCO-Stuff
kazuto1011/deeplab-pytorch (182 ids) and MMSegmentation's IoUMetric (171 ids).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from .._former_names import former_names
from ..types import (
    AbsentClasses,
    Array,
    DatasetInfo,
    Float64,
    Int64,
    Part,
    Prediction,
    Sample,
    ScoreInfo,
    Statistic,
    Sums,
    SumsByClass,
    Task,
)
from .base import SummedFamily
from .joint_counts import shared_counts
from .label_checks import binary_labels, check_labels, class_labels, true_labels
from .overlap_scores import (
    CLASS_SCORES,
    COUNT_ABSENT,
    POOLED,
    PooledScore,
    class_quotient,
    class_sums,
    mean_iou,
    mean_iou_of_all,
    mean_iou_of_true,
    of_pooled,
    sums_of,
)
from .pair_counts import category_ranks, class_counts, class_table, ranks, sparse_counts
from .pooled import absent_of, drawn, mean_of, mean_of_quotients, mean_where, ratio
from .same_statistics import SameStatistics
from .sparse_counts import SparseCounts
from .table_rules import MAX_PIXELS, all_different, broken_rule

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)

_of_images: SameStatistics[Sums] = SameStatistics()
_COLUMNS: Mapping[str, Literal["int64", "float64"]] = {"truth": "int64", "prediction": "int64", "pixels": "int64"}


def overlap_statistic(name: str, sample: Sample, prediction_labels: Array, info: DatasetInfo) -> Statistic:
    """Sparse confusion matrix of one sample: triples (truth, prediction, pixels), void truth included.

    `prediction_labels` is (H, W) of integer label values, of the shape of the truth.

    Raises
    ------
    UserError
        For a label value that the dataset does not know, in the truth or predicted on a counted pixel.
    """
    truth, predicted, pixels = shared_counts(true_labels(sample), prediction_labels)
    check_labels(sample.id, truth, predicted, info)
    columns = {"truth": truth, "prediction": predicted, "pixels": pixels}
    return Statistic(name, sample.id, sample.group, sample.index, columns)


def overlap_fault(statistic: Statistic, info: DatasetInfo) -> str | None:
    """What no image could give in a sparse confusion matrix; None where nothing is."""
    truth, predicted, pixels = (statistic.columns[name] for name in _COLUMNS)
    void = np.isin(truth, list(info.void))
    known = list(info.predictable)
    return broken_rule(
        {
            "a pair of labels holds pixels": (pixels > 0) & (pixels < MAX_PIXELS),
            "a pair of labels stands once": all_different(truth, predicted),
            f"true labels are those of {info.name}": void | np.isin(truth, known),
            f"labels predicted on counted pixels are those of {info.name}": void | np.isin(predicted, known),
        }
    )


def true_pixels(statistic: Statistic) -> dict[str, Array]:
    """The pixels of every true label of a sparse confusion matrix: `truth` and `pixels`, (n,) int64, labels rising."""
    labels, place = np.unique(statistic.columns["truth"], return_inverse=True)
    pixels = np.zeros(len(labels), np.int64)
    np.add.at(pixels, place, statistic.columns["pixels"])
    return {"truth": labels, "pixels": pixels}


def overlap_totals(statistic: Statistic, info: DatasetInfo) -> dict[str, int]:
    """All pixels, and of a binary dataset those that are truly foreground, or predicted so."""
    truth, predicted, pixels = (statistic.columns[name] for name in _COLUMNS)
    found = {"pixels": int(pixels.sum())}
    if info.task == "binary":
        found["true foreground"] = int(pixels[truth == info.foreground].sum())
        found["predicted foreground"] = int(pixels[predicted == info.foreground].sum())
    return found


@dataclass(frozen=True)
class PairsOfLabels(SummedFamily):
    """What families share whose statistics are sparse confusion matrices."""

    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = _COLUMNS
    parts: ClassVar[tuple[Part, ...]] = ("labels",)
    releases_gil: ClassVar[bool] = True
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = CLASS_SCORES

    def resample_classes(
        self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64
    ) -> dict[str, Float64]:
        """From the same pooled counts as the means over classes."""
        pixels = np.split(sparse_counts(statistics, ranks(info.classes)).summed(weights), 3, axis=1)
        return {what.name: ratio(*class_quotient(what.name, *pixels)) for what in self.class_scores}

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """Every score of a class is a quotient of pixels."""
        return class_sums(score, sparse_counts(statistics, ranks(info.classes)).of_classes(places))

    def absent_among(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> AbsentClasses | None:
        """Of IoU and Dice; there is no accuracy without true pixels."""
        if score == "accuracy":
            return None
        _, true, predicted = sparse_counts(statistics, ranks(info.classes)).pooled()[list(places)].T
        return absent_of([info.classes[place].name for place in places], true, predicted)

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """See `overlap_fault`."""
        return overlap_fault(statistic, info)

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """See `true_pixels`."""
        return true_pixels(statistic)

    def totals(self, statistic: Statistic, info: DatasetInfo) -> dict[str, int]:
        """See `overlap_totals`."""
        return overlap_totals(statistic, info)


@dataclass(frozen=True)
class BinaryOverlap(PairsOfLabels):
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
    tasks: ClassVar[tuple[Task, ...]] = ("binary",)

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Sparse confusion matrix of one sample."""
        return overlap_statistic(self.name, sample, binary_labels(sample, prediction), info)

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
            "dice": _quotient(2 * tp, union + tp),
            "dice_per_image": math.fsum(per_image) / len(per_image) if per_image else math.nan,
            "iou_foreground": _quotient(tp, union),
        }

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """Every score is a quotient of sums, or the mean of a quotient."""
        counts = self._counts(statistics, info)
        both, either = counts.T
        if score == "dice_per_image":
            return mean_of(ratio(2 * both, either + both))
        quotient = (2 * both, either + both) if score == "dice" else (both, either)
        return Sums(np.stack(quotient, axis=1), mean_of_quotients)

    def absent_classes(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> AbsentClasses | None:
        """The foreground, where no image has any."""
        del score
        place = ranks(info.classes)[info.foreground]
        _, true, predicted = sparse_counts(statistics, ranks(info.classes)).pooled()[place : place + 1].T
        return absent_of([info.classes[place].name], true, predicted)

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """IoU, Dice, accuracy and pixels of background and foreground from pooled counts."""
        return class_table(sparse_counts(statistics, ranks(info.classes)).pooled(), info.classes)

    @staticmethod
    def _counts(statistics: Sequence[Statistic], info: DatasetInfo) -> Int64:
        """Intersection and union of the foreground of every image, (n, 2) int64."""
        counts = class_counts(statistics, ranks(info.classes))
        right, truth, predicted = counts[:, ranks(info.classes)[info.foreground]].T
        return np.stack([right, truth + predicted - right], axis=1)


_COMMON = (
    ScoreInfo("pixel_accuracy", "part of the counted pixels that are right"),
    ScoreInfo("mean_accuracy", "mean recall of the classes that have true pixels"),
    ScoreInfo("fwiou", "IoU of the classes weighted by their true pixels"),
    ScoreInfo("dice", "mean over classes of Dice, counts pooled over the split; absent classes are left out"),
    ScoreInfo("dice_per_image", "mean over images of the mean Dice of the classes that each image or prediction holds"),
)


@dataclass(frozen=True)
class _MultiClassOverlap(PairsOfLabels):
    """What the multi-class conventions share; `means` are those of IoU that each takes, by the name of their score."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    scores: ClassVar[tuple[ScoreInfo, ...]]
    means: ClassVar[Mapping[str, PooledScore]]

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Sparse confusion matrix of one sample."""
        return overlap_statistic(self.name, sample, class_labels(sample, prediction, info), info)

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """The same scores of B resamples, each (B,) float64."""
        found = {}
        pooled: dict[tuple[int, ...], Float64] = {}
        for score in self.scores:
            rank = self._ranks(info, score.name)
            if score.name == "dice_per_image":
                found[score.name] = drawn(self.sums(statistics, info, score.name), weights)
                continue
            if (key := tuple(rank.values())) not in pooled:
                pooled[key] = sparse_counts(statistics, rank).summed(weights)
            found[score.name] = of_pooled({**POOLED, **self.means}[score.name], pooled[key])
        return found

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """Every score follows from the right, true and predicted pixels of the classes, in all or in each image."""
        rank = self._ranks(info, score)
        if score == "dice_per_image":
            return _of_images.get(
                statistics, tuple(rank.items()), lambda: _mean_over_images(sparse_counts(statistics, rank))
            )
        right, truth, predicted = np.moveaxis(class_counts(statistics, rank), 2, 0)
        return sums_of({**POOLED, **self.means}[score], right, truth, predicted)

    def absent_classes(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> AbsentClasses | None:
        """Of means over the classes that occur; a mean over images holds many images that are without a class."""
        if {**POOLED, **self.means}.get(score) not in COUNT_ABSENT:
            return None
        _, true, predicted = sparse_counts(statistics, self._ranks(info, score)).pooled().T
        return absent_of(self._names(info, score), true, predicted)

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """IoU, Dice, accuracy and pixels of every scored class from pooled counts."""
        return class_table(sparse_counts(statistics, ranks(info.classes)).pooled(), info.classes)

    @staticmethod
    def _ranks(info: DatasetInfo, score: str) -> dict[int, int]:
        """The place of every label that a score counts."""
        del score
        return ranks(info.classes)

    @staticmethod
    def _names(info: DatasetInfo, score: str) -> list[str]:
        """What stands at these places."""
        del score
        return [c.name for c in info.classes]


@dataclass(frozen=True)
class Overlap(_MultiClassOverlap):
    """mIoU of any label set: a class that is only predicted counts 0, one that is absent from both is left out."""

    name: ClassVar[str] = "overlap"
    summary: ClassVar[str] = "mIoU of the classes that occur, accuracies, frequency-weighted IoU, Dice; any label set"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("miou", "mean IoU of the classes with true or predicted pixels"),
        *_COMMON,
    )
    means: ClassVar[Mapping[str, PooledScore]] = {"miou": mean_iou}


@dataclass(frozen=True)
class VOC2012Overlap(_MultiClassOverlap):
    """mIoU as VOCevalseg has it: undefined when a class is absent from truth and prediction; and over the others."""

    name: ClassVar[str] = "voc2012-overlap"
    summary: ClassVar[str] = "mIoU over all classes (VOCevalseg), accuracies, frequency-weighted IoU, Dice"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("miou", "mean IoU of all classes; undefined if one is absent from truth and prediction"),
        ScoreInfo("miou_defined", "mean IoU of the classes with true or predicted pixels"),
        *_COMMON,
    )
    means: ClassVar[Mapping[str, PooledScore]] = {"miou": mean_iou_of_all, "miou_defined": mean_iou}


@dataclass(frozen=True)
class COCOStuffOverlap(_MultiClassOverlap):
    """mIoU of COCO-Stuff under both conventions in use.

    `miou_171`: the classes that exist; those with true or predicted pixels enter. A predicted removed id is a false
    negative of the true class. `miou_182`: all ids, the removed ones too; those with true pixels enter.
    """

    name: ClassVar[str] = "cocostuff-overlap"
    summary: ClassVar[str] = "mIoU under the 171 and the 182 convention, accuracies, frequency-weighted IoU, Dice"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("miou_171", "mean IoU of the existing classes with true or predicted pixels (MMSegmentation)"),
        ScoreInfo("miou_182", "mean IoU of all ids with true pixels (deeplab-pytorch)"),
        *_COMMON,
    )
    means: ClassVar[Mapping[str, PooledScore]] = {"miou_171": mean_iou, "miou_182": mean_iou_of_true}

    @staticmethod
    def _ranks(info: DatasetInfo, score: str) -> dict[int, int]:
        removed = info.unscored if score == "miou_182" else ()
        return ranks(sorted((*info.classes, *removed), key=lambda c: c.id))


@dataclass(frozen=True)
class CityscapesOverlap(_MultiClassOverlap):
    """Mean IoU of classes and of categories as cityscapesScripts has it: a class that is only predicted counts 0."""

    name: ClassVar[str] = "cityscapes-overlap"
    summary: ClassVar[str] = "class and category IoU (cityscapesScripts), accuracies, frequency-weighted IoU, Dice"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("iou_class", "mean IoU of the classes with true or predicted pixels"),
        ScoreInfo("iou_category", "mean IoU of the categories with true or predicted pixels"),
        *_COMMON,
    )

    means: ClassVar[Mapping[str, PooledScore]] = {"iou_class": mean_iou, "iou_category": mean_iou}

    def per_category(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """IoU of every category from pooled counts; only scored classes belong to one."""
        right, truth, predicted = sparse_counts(statistics, self._categories(info)).pooled().T
        iou = ratio(right, truth + predicted - right)
        return {name: {"iou": float(iou[position])} for name, position in category_ranks(info).items()}

    @staticmethod
    def _ranks(info: DatasetInfo, score: str) -> dict[int, int]:
        return CityscapesOverlap._categories(info) if score == "iou_category" else ranks(info.classes)

    @staticmethod
    def _names(info: DatasetInfo, score: str) -> list[str]:
        return list(category_ranks(info)) if score == "iou_category" else [c.name for c in info.classes]

    @staticmethod
    def _categories(info: DatasetInfo) -> dict[int, int]:
        place = category_ranks(info)
        return {c.id: place[c.category] for c in info.classes}


def _mean_over_images(counts: SparseCounts) -> Sums:
    """The mean over images of the mean Dice of the classes that each of them holds."""
    found = [np.zeros(0)]
    for right, truth, predicted in (np.moveaxis(part, 2, 0) for part in counts.parts()):
        own = ratio(2 * right, truth + predicted)
        found.append(mean_where(own, ~np.isnan(own)))
    return mean_of(np.concatenate(found))


def _quotient(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
