"""Instance-level IoU of Cityscapes: label maps in which every true object counts as an average one of its class.

Instance maps hold the label id, or label id x 1000 + number where single objects are told apart.
Reference: evalPixelLevelSemanticLabeling.py of cityscapesScripts 2.3.0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..types import (
    AbsentClasses,
    Array,
    ClassInfo,
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
    UserError,
)
from .base import MetricFamily
from .exact_sums import weighted_sums
from .joint_counts import joint_counts
from .label_checks import check_labels, class_labels, true_labels
from .pair_counts import category_ranks
from .pooled import absent_of, mean_where, ratio
from .same_statistics import SameStatistics
from .table_rules import all_different, broken_rule

AVERAGE_CLASS_SIZE: Mapping[str, float] = {
    "person": 3462.4756337644,
    "rider": 3930.4788056518,
    "car": 12794.0202738185,
    "truck": 27855.1264367816,
    "bus": 35732.1511111111,
    "train": 67583.7075812274,
    "motorcycle": 6298.7200839748,
    "bicycle": 4672.3249222261,
}
"""Mean pixels of one object of each class: `avgClassSize` in evalPixelLevelSemanticLabeling.py, 2.3.0."""

FIRST_OBJECT = 1000
"""Smaller values of an instance map are label ids: regions, or groups of objects that are not told apart."""


def things(info: DatasetInfo) -> tuple[ClassInfo, ...]:
    """The scored classes that have instances."""
    return tuple(c for c in info.classes if c.kind == "thing")


def thing_categories(info: DatasetInfo) -> dict[str, frozenset[int]]:
    """Label values, scored or not, of each category all of whose classes have instances."""
    members: dict[str, list[ClassInfo]] = {}
    for c in (*info.classes, *info.unscored):
        members.setdefault(c.category, []).append(c)
    scored = {c.category for c in things(info)}
    return {
        name: frozenset(c.id for c in members[name])
        for name in category_ranks(info)
        if name in scored and all(c.kind == "thing" for c in members[name])
    }


def true_instances(sample: Sample) -> Array | None:
    """The sample's instance map (H, W), None where the dataset's copy has none.

    Raises UserError for a map of another shape than the labels.
    """
    shape = true_labels(sample).shape
    if sample.instances is not None and sample.instances.shape != shape:
        raise UserError(
            f"sample '{sample.id}': instances are of shape {sample.instances.shape}, labels of shape {shape}"
        )
    return sample.instances


def owners(sample: Sample, numbers: Int64, info: DatasetInfo) -> Int64:
    """Label values of the numbers (n,) of an instance map.

    Raises
    ------
    UserError
        If single objects are numbered of a label that has none.
    """
    labels = np.where(numbers < FIRST_OBJECT, numbers, numbers // FIRST_OBJECT)
    single = labels[numbers > FIRST_OBJECT]
    wrong = single[~np.isin(single, [c.id for c in (*things(info), *info.unscored)])]
    if wrong.size:
        raise UserError(f"ground truth of sample '{sample.id}' numbers objects of label {wrong[0]}, which has none")
    return labels


_summed: SameStatistics[Float64] = SameStatistics()


@dataclass(frozen=True)
class CityscapesInstances(MetricFamily):
    """iIoU = iTP / (iTP + FP + iFN): every true object counts as much as an average one of its class.

    True positive and false negative pixels are weighted by average class size / size of the object; false positive
    pixels, on any counted truth of another class (or category), are not. Groups are no objects. A category's right
    pixels, and its false positives, are those predicted as any of its labels, unscored ones (caravan, trailer) too.
    """

    name: ClassVar[str] = "cityscapes-instances"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "instance-level IoU of classes and of categories (cityscapesScripts)"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("iiou_class", "mean iIoU of the classes with instances that have true objects or false positives"),
        ScoreInfo("iiou_category", "mean iIoU of the categories with instances, in the same way"),
    )
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("iiou", "iIoU of a class with instances: 0 without true objects where it is predicted"),
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "label": "int64",
        "instance": "int64",
        "instance_pixels": "int64",
        "right_class": "int64",
        "right_category": "int64",
        "false_class": "int64",
        "false_category": "int64",
    }
    parts: ClassVar[tuple[Part, ...]] = ("labels", "instances")
    releases_gil: ClassVar[bool] = True

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """One row per true object of a scored class (its pixels, and those of them that are right by class and by
        category), and with instance 0 one per label of a thing (its false positive pixels by class and by category).
        No row at all where there is no instance map."""
        predicted = class_labels(sample, prediction, info)
        instances = true_instances(sample)
        rows = np.zeros((0, len(self.columns)), np.int64)
        if instances is not None:
            rows = np.concatenate(
                [_object_rows(sample, instances, predicted, info), _false_rows(sample, predicted, info)]
            )
        columns: dict[str, Int64 | Float64] = {
            name: np.ascontiguousarray(column) for name, column in zip(self.columns, rows.T, strict=True)
        }
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Right pixels are parts of an object, those of its class parts of those of its category."""
        columns = statistic.columns
        label, number, pixels = (columns[name] for name in ("label", "instance", "instance_pixels"))
        single = number > 0
        known = [c.id for c in (*info.classes, *info.unscored) if c.kind == "thing"]
        right, right_category = columns["right_class"], columns["right_category"]
        false, false_category = columns["false_class"], columns["false_category"]
        return broken_rule(
            {
                "labels have objects": np.isin(label, known),
                "an object, or a label without one, stands once": all_different(label, number),
                "an object's number says its label": ~single | (number // FIRST_OBJECT == label),
                "an object has pixels": (pixels > 0) == single,
                "right pixels are pixels of the object": (right >= 0) & (right_category <= pixels),
                "what is right by class is right by category": right <= right_category,
                "false pixels stand beside no object": (false >= 0) & ~(single & (false > 0)),
                "what is false by category is false by class": (false_category >= 0) & (false_category <= false),
            }
        )

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """Every true object with its pixels."""
        single = statistic.columns["instance"] > 0
        return {name: statistic.columns[name][single] for name in ("label", "instance", "instance_pixels")}

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """Mean iIoU over classes and over categories; NaN if undefined for all, or if an instance map is missing."""
        return {name: float(value[0]) for name, value in self._means(self._pooled(statistics, info), info).items()}

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """The same scores of B resamples, each (B,) float64."""
        return self._means(weighted_sums(weights, self._sums(statistics, info)), info)

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """A mean of quotients of weighted pixels."""
        terms = self._sums(statistics, info)

        def value(sums: Float64) -> Float64:
            return self._means(sums.reshape(*sums.shape[:-1], *terms.shape[1:]), info)[score]

        return Sums(terms.reshape(len(terms), math.prod(terms.shape[1:])), value)

    def absent_classes(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> AbsentClasses | None:
        """Classes, or categories, without true objects that have false pixels."""
        classes, categories = range(len(things(info))), len(thing_categories(info))
        own = classes if score == "iiou_class" else range(len(classes), len(classes) + categories)
        return self._absent(statistics, info, own)

    def classes_of(self, info: DatasetInfo) -> tuple[ClassInfo, ...]:
        """Those that have instances."""
        return things(info)

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """A quotient of weighted pixels."""
        del score
        return SumsByClass(self._sums(statistics, info)[:, list(places)], _iiou)

    def absent_among(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> AbsentClasses | None:
        """Classes without true objects that have false pixels."""
        del score
        return self._absent(statistics, info, places)

    def _absent(
        self, statistics: Sequence[Statistic], info: DatasetInfo, places: Sequence[int]
    ) -> AbsentClasses | None:
        """Those at some places of `_sums`."""
        names = [*(c.name for c in things(info)), *thing_categories(info)]
        right, missed, false = self._sums(statistics, info).sum(axis=0)[list(places)].T
        return absent_of([names[place] for place in places], right + missed, false)

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """iIoU of every scored class; NaN for those without instances."""
        values = _iiou(self._pooled(statistics, info))[0].tolist()
        own = dict(zip((c.name for c in things(info)), values, strict=False))
        return {c.name: {"iiou": own.get(c.name, math.nan)} for c in info.classes}

    def per_category(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """iIoU of every category; NaN for those whose classes do not all have instances."""
        values = _iiou(self._pooled(statistics, info))[0, len(things(info)) :].tolist()
        own = dict(zip(thing_categories(info), values, strict=True))
        return {name: {"iiou": own.get(name, math.nan)} for name in category_ranks(info)}

    def _pooled(self, statistics: Sequence[Statistic], info: DatasetInfo) -> Float64:
        """Sums over all samples (1, C + K, 3), correctly rounded, so that no order or machine changes them."""
        sums = self._sums(statistics, info)
        flat = [math.fsum(column) for column in sums.reshape(len(sums), math.prod(sums.shape[1:])).T.tolist()]
        return np.array(flat).reshape(1, *sums.shape[1:])

    @staticmethod
    def _means(pooled: Float64, info: DatasetInfo) -> dict[str, Float64]:
        iiou = _iiou(pooled)
        classes, categories = np.split(iiou, [len(things(info))], axis=-1)
        return {
            "iiou_class": mean_where(classes, ~np.isnan(classes)),
            "iiou_category": mean_where(categories, ~np.isnan(categories)),
        }

    @staticmethod
    def _sums(statistics: Sequence[Statistic], info: DatasetInfo) -> Float64:
        """Per sample and class, then category: weighted right, weighted missed and false pixels (n, C + K, 3)."""
        return _summed.get(statistics, (info.classes, info.unscored), lambda: _sums_of(statistics, info))


def _sums_of(statistics: Sequence[Statistic], info: DatasetInfo) -> Float64:
    """See `CityscapesInstances._sums`."""
    classes, categories = things(info), thing_categories(info)
    unknown = [c.name for c in classes if c.name not in AVERAGE_CLASS_SIZE]
    if unknown:
        raise UserError(f"cityscapes-instances knows no average object size of '{unknown[0]}' of {info.name}")
    sums = np.zeros((len(statistics), len(classes) + len(categories), 3))
    sample, columns = joined(statistics, CityscapesInstances.columns)
    label, pixels = columns["label"], columns["instance_pixels"]
    size = _looked_up(label, {c.id: AVERAGE_CLASS_SIZE[c.name] for c in classes}, 0.0)
    weight = np.where(pixels > 0, size / np.maximum(pixels, 1), 0.0)
    above = {i: len(classes) + n for n, labels in enumerate(categories.values()) for i in labels}
    for kind, places in (("class", {c.id: n for n, c in enumerate(classes)}), ("category", above)):
        place = _looked_up(label, places, -1).astype(np.int64)
        right, false = columns[f"right_{kind}"], columns[f"false_{kind}"]
        values = np.stack([right * weight, (pixels - right) * weight, false], axis=1)
        np.add.at(sums, (sample[place >= 0], place[place >= 0]), values[place >= 0])
    sums[[len(s.columns["label"]) == 0 for s in statistics]] = np.nan
    sums.flags.writeable = False
    return sums


def _object_rows(sample: Sample, instances: Array, predicted: Array, info: DatasetInfo) -> Int64:
    """A row per object of a scored class, in the order of their numbers."""
    of, label, pixels = joint_counts(instances, predicted)
    single = of > FIRST_OBJECT
    of, label, pixels = of[single], label[single], pixels[single]
    number, row = np.unique(of, return_inverse=True)
    own = owners(sample, number, info)
    category = {i: frozenset({i}) for i in info.predictable}
    for labels in thing_categories(info).values():
        category.update(dict.fromkeys(labels, labels))
    in_category = np.array([p in category[t] for t, p in zip(own[row].tolist(), label.tolist(), strict=True)], bool)
    rows = np.zeros((len(number), 7), np.int64)
    rows[:, 0], rows[:, 1] = own, number
    np.add.at(rows[:, 2], row, pixels)
    np.add.at(rows[:, 3], row, np.where(label == own[row], pixels, 0))
    np.add.at(rows[:, 4], row, np.where(in_category, pixels, 0))
    return rows[np.isin(own, [c.id for c in things(info)])]


def _false_rows(sample: Sample, predicted: Array, info: DatasetInfo) -> Int64:
    """A row per label of a thing: pixels predicted so on counted truth of other labels, and of other categories."""
    everything = (*info.classes, *info.unscored)
    labels = sorted(c.id for c in everything if c.kind == "thing")
    truth, found, pixels = joint_counts(true_labels(sample), predicted)
    check_labels(sample.id, truth, found, info)
    counted = ~np.isin(truth, list(info.void)) & np.isin(found, labels)
    truth, found, pixels = truth[counted], found[counted], pixels[counted]
    category = {c.id: c.category for c in everything}
    other = np.array([category[t] != category[p] for t, p in zip(truth.tolist(), found.tolist(), strict=True)], bool)
    rows = np.zeros((len(labels), 7), np.int64)
    rows[:, 0] = labels
    place = np.searchsorted(labels, found)
    np.add.at(rows[:, 5], place, np.where(truth != found, pixels, 0))
    np.add.at(rows[:, 6], place, np.where(other, pixels, 0))
    return rows


def _iiou(pooled: Float64) -> Float64:
    """Weighted right / (weighted right + weighted missed + false), NaN where all are 0."""
    return ratio(pooled[..., 0], pooled.sum(axis=-1))


def joined(statistics: Sequence[Statistic], names: Iterable[str]) -> tuple[Int64, dict[str, Array]]:
    """Sample number of every row, and the columns of all samples in one piece."""
    rows = [len(next(iter(s.columns.values()))) for s in statistics]
    columns = {name: np.concatenate([np.zeros(0, np.int64), *(s.columns[name] for s in statistics)]) for name in names}
    return np.repeat(np.arange(len(statistics)), rows), columns


def _looked_up(labels: Int64, values: Mapping[int, float], other: float) -> Float64:
    """The value of every label."""
    known, inverse = np.unique(labels, return_inverse=True)
    return np.array([values.get(label, other) for label in known.tolist()], np.float64)[inverse]
