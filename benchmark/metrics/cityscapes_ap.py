"""Average precision of single objects on Cityscapes.

Reference: evalInstanceLevelSemanticLabeling.py of cityscapesScripts 2.3.0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..io.images.rle import decode_rle
from ..types import (
    Array,
    ClassInfo,
    DatasetInfo,
    Float64,
    Int64,
    Object,
    Part,
    Prediction,
    Sample,
    ScoreInfo,
    Statistic,
    UserError,
)
from .base import ResampledFamily
from .instances import FIRST_OBJECT, joined, owners, things, true_instances
from .joint_counts import joint_counts
from .label_checks import same_shape
from .pooled import mean_where, ratio
from .same_statistics import SameStatistics, key_of
from .table_rules import broken_rule

_joined: SameStatistics[tuple[Int64, dict[str, Array]]] = SameStatistics(1)
_drawn: SameStatistics[Float64] = SameStatistics(1)

OVERLAPS: Float64 = np.arange(0.5, 1.0, 0.05)
"""The IoU thresholds, in the very doubles that the official code compares with."""

SMALLEST = 100
"""True objects of fewer pixels are ignored."""

_CHUNK = 100_000
"""Number of values that are summed up at once: few enough for a processor's cache."""


@dataclass(frozen=True)
class CityscapesAP(ResampledFamily):
    """Average precision of predicted objects with confidences, at 10 IoU thresholds (a match is strictly above).

    A true object has one match at most, that of the best score; further ones are false positives. Groups and true
    objects under 100 pixels are ignored, and so is what matches them. An unmatched prediction is ignored where the
    part of it on void, groups and small objects of its class is above the threshold; a small group counts twice, as it
    does officially. The area under precision over recall is that of the trapezoids between the unique scores and the
    point (recall 0, precision 1). A class without true objects is NaN and left out of the mean; one of which no
    prediction counts has 0 (the official code stops with an error if all of its predictions are ignored).
    """

    name: ClassVar[str] = "cityscapes-ap"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "average precision of single objects (cityscapesScripts)"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("ap", "average precision, mean over classes and IoU thresholds 0.5, 0.55, ..., 0.95"),
        ScoreInfo("ap50", "average precision at IoU 0.5, mean over classes"),
    )
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("ap", "average precision of a class, mean over IoU thresholds 0.5, 0.55, ..., 0.95"),
        ScoreInfo("ap50", "average precision of a class at IoU 0.5"),
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "label": "int64",
        "instance": "int64",
        "instance_pixels": "int64",
        "object_pixels": "int64",
        "intersection": "int64",
        "ignored_pixels": "int64",
        "score": "float64",
    }
    parts: ClassVar[tuple[Part, ...]] = ("labels", "instances")

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """A row per true object and group of a class with instances (object_pixels 0, score NaN), then one per
        predicted object: the true one of its class that it overlaps best (instance 0 for none), and how many of its
        pixels lie on what is ignored. Empty masks, and labels that are known but have no score, are left out.

        Raises
        ------
        UserError
            Naming the sample, for a prediction without objects, an unknown label, a score that is not finite, a mask
            of another size than the truth, or truth without an instance map.
        """
        instances = true_instances(sample)
        if instances is None or prediction.objects is None:
            what = "truth has no instance map" if instances is None else "prediction holds no objects with scores"
            raise UserError(f"sample '{sample.id}': its {what}, so objects cannot be scored")
        numbers, _, pixels = joint_counts(instances, instances)
        truth = _Truth(instances, numbers, owners(sample, numbers, info), pixels, info.void)
        known = [c.id for c in things(info)]
        rows = truth.rows(known)
        scores = [math.nan] * len(rows)
        for position, found in enumerate(prediction.objects):
            where = f"prediction of sample '{sample.id}', object {position}"
            _check(found, info, where)
            if found.label in known:
                row = truth.match(found.label, _mask(sample, found, where))
                rows += row
                scores += [found.score] * len(row)
        table = np.array(rows, np.int64).reshape(-1, 6)
        columns: dict[str, Int64 | Float64] = {
            name: np.ascontiguousarray(column) for name, column in zip(self.columns, table.T, strict=False)
        }
        columns["score"] = np.array(scores, np.float64)
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Overlaps are parts of both objects, and every predicted object has a score."""
        columns = statistic.columns
        pixels, found, overlap = (columns[c] for c in ("instance_pixels", "object_pixels", "intersection"))
        predicted = found > 0
        return broken_rule(
            {
                "labels have objects": np.isin(columns["label"], [c.id for c in things(info)]),
                "numbers of pixels are not negative": (pixels >= 0) & (found >= 0),
                "a true object has pixels": predicted | (pixels > 0),
                "the overlap is a part of both objects": (overlap >= 0) & (overlap <= np.minimum(pixels, found)),
                # As in the official code, those of a small group are counted twice.
                "ignored pixels are pixels of the object": (columns["ignored_pixels"] >= 0)
                & (columns["ignored_pixels"] <= 2 * found),
                "predicted objects have scores, and only they": np.isfinite(columns["score"]) == predicted,
            }
        )

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """Every true object and group with its pixels."""
        true = statistic.columns["object_pixels"] == 0
        return {name: statistic.columns[name][true] for name in ("label", "instance", "instance_pixels")}

    def true_classes(self, statistic: Statistic) -> Int64:
        """Those of single objects that are large enough to count."""
        columns = statistic.columns
        counted = (columns["object_pixels"] == 0) & _counted(columns)
        return np.unique(columns["label"][counted]).astype(np.int64)

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """The same scores of B resamples, each (B,) float64."""
        values = self.precisions(statistics, info, weights)
        every = values.reshape(len(values), -1)
        at_50 = values[:, :, 0]
        return {"ap": mean_where(every, ~np.isnan(every)), "ap50": mean_where(at_50, ~np.isnan(at_50))}

    def classes_of(self, info: DatasetInfo) -> tuple[ClassInfo, ...]:
        """Those that have instances."""
        return things(info)

    def resample_classes(
        self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64
    ) -> dict[str, Float64]:
        """`ap` and `ap50` of the classes with instances in B resamples, each (B, C) float64; NaN without true ones."""
        values = self.precisions(statistics, info, weights)
        return {"ap": values.mean(axis=2), "ap50": values[:, :, 0]}

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """`ap` and `ap50` of every scored class; NaN for those without instances."""
        values = self.precisions(statistics, info, np.ones((1, len(statistics)), np.int64))[0]
        own = {c.name: (float(row.mean()), float(row[0])) for c, row in zip(things(info), values, strict=True)}
        nothing = (math.nan, math.nan)
        return {c.name: dict(zip(("ap", "ap50"), own.get(c.name, nothing), strict=True)) for c in info.classes}

    def precisions(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> Float64:
        """Average precision of B resamples, C classes with instances and the 10 IoU thresholds, (B, C, 10) float64.

        Parameters
        ----------
        weights : (B, n) int64
            How often each of the n statistics is drawn.

        Returns
        -------
        It cannot be written to: it is made once for equal weights.
        """
        labels = tuple(c.id for c in things(info))
        return _drawn.get(statistics, (labels, key_of(weights)), lambda: _precisions(statistics, labels, weights))


def _precisions(statistics: Sequence[Statistic], labels: Sequence[int], weights: Int64) -> Float64:
    """See `CityscapesAP.precisions`."""
    sample, columns = _joined.get(statistics, None, lambda: joined(statistics, CityscapesAP.columns))
    drawn = np.ascontiguousarray(weights.T, np.float64)
    result = np.full((len(weights), len(labels), len(OVERLAPS)), np.nan)
    for number, label in enumerate(labels):
        mine = columns["label"] == label
        table = {name: column[mine] for name, column in columns.items()}
        result[:, number] = _class_precisions(table, sample[mine], drawn)
    result.flags.writeable = False
    return result


@dataclass(frozen=True)
class _Truth:
    """An instance map (H, W) with the values that it holds, their labels and pixels, each (n,)."""

    instances: Array
    numbers: Int64
    labels: Int64
    pixels: Int64
    void: frozenset[int]

    def rows(self, known: Sequence[int]) -> list[list[int]]:
        """A row per object and group of the known labels."""
        chosen = np.isin(self.labels, known)
        found = zip(
            self.labels[chosen].tolist(), self.numbers[chosen].tolist(), self.pixels[chosen].tolist(), strict=True
        )
        return [[label, number, pixels, 0, 0, 0] for label, number, pixels in found]

    def match(self, label: int, mask: Array) -> list[list[int]]:
        """The row of a predicted object; none if its mask (H, W) bool is empty."""
        rows, columns = (_span(np.asarray(mask.any(axis=axis))) for axis in (1, 0))
        inside = self.instances[rows, columns][mask[rows, columns]]
        if not inside.size:
            return []
        numbers, _, shared = joint_counts(inside, inside)
        place = np.searchsorted(self.numbers, numbers)
        own = self.labels[place] == label
        void = np.isin(numbers, list(self.void))
        group = own & (numbers < FIRST_OBJECT)
        small = own & (self.pixels[place] < SMALLEST)
        ignored = int(shared[void].sum() + shared[group].sum() + shared[small].sum())
        if not own.any():
            return [[label, 0, 0, inside.size, 0, ignored]]
        overlap = shared / (self.pixels[place] + inside.size - shared)
        best = int(np.argmax(np.where(own, overlap, -1.0)))
        match = [int(numbers[best]), int(self.pixels[place[best]]), inside.size, int(shared[best])]
        return [[label, *match, ignored]]


def _span(filled: Array) -> slice:
    """From the first to the last True of (n,) bool."""
    where = np.flatnonzero(filled)
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0, 0)


def _check(found: Object, info: DatasetInfo, where: str) -> None:
    if found.label not in info.predictable:
        raise UserError(f"{where}: {info.name} has no label {found.label}")
    if not math.isfinite(found.score):
        raise UserError(f"{where}: its score is {found.score}; expected a finite number")


def _mask(sample: Sample, found: Object, where: str) -> Array:
    """Mask (H, W) bool of an object, at the size of the truth."""
    mask = decode_rle(found.mask, where) if isinstance(found.mask, Mapping) else found.mask
    same_shape(sample, mask.shape)
    return np.asarray(mask != 0)


def _counted(table: Mapping[str, Array]) -> Array:
    """Which rows are of true objects, neither groups nor too small."""
    return (table["instance"] >= FIRST_OBJECT) & (table["instance_pixels"] >= SMALLEST)


def _class_precisions(table: Mapping[str, Array], sample: Int64, drawn: Float64) -> Float64:
    """Average precision of one class, (B, 10), from its rows and the weights of the samples, (n, B)."""
    single = _counted(table)
    predicted = table["object_pixels"] > 0
    objects = np.bincount(sample[single & ~predicted], minlength=len(drawn)).astype(np.float64) @ drawn
    order = np.flatnonzero(predicted)
    order = order[np.argsort(-table["score"][order], kind="stable")]
    union = table["instance_pixels"] + table["object_pixels"] - table["intersection"]
    overlap = table["intersection"][order] / union[order]
    ignored = table["ignored_pixels"][order] / table["object_pixels"][order]
    # Samples lie behind each other, and a number occurs once in each.
    key = sample[order] * (int(table["instance"].max(initial=0)) + 1) + table["instance"][order]
    result = []
    for threshold in OVERLAPS.tolist():
        matched = overlap > threshold
        candidates = np.flatnonzero(matched & single[order])
        right = np.zeros(len(order), bool)
        right[candidates[np.unique(key[candidates], return_index=True)[1]]] = True
        wrong = np.where(matched, single[order] & ~right, ignored <= threshold)
        counted = right | wrong
        area = _area(right[counted], table["score"][order][counted], sample[order][counted], drawn)
        result.append(ratio(area, objects))
    return np.stack(result, axis=1)


def _area(right: Array, score: Float64, sample: Int64, drawn: Float64) -> Float64:
    """Area under precision over recall, times the number of true objects, of B resamples (B,).

    Parameters
    ----------
    right, score, sample : (p,) arrays
        Predictions that count, by falling score: whether each is a true positive, its score and sample number.
    drawn : (n, B) float64
        How often each sample is drawn.

    Notes
    -----
    Recall rises only at scores that a true positive has. There the curve's trapezoid reaches from the precision of the
    next higher score to that of this one, so only the counts of predictions above and at such scores are needed.
    """
    from scipy.sparse import csr_array

    level = np.concatenate([[0], np.cumsum(np.diff(score) != 0)])[: len(score)]
    rising = np.unique(level[right])
    place = np.searchsorted(rising, level)
    reached = place < len(rising)
    at = rising[place[reached]] == level[reached]
    segment = 2 * place[reached] + at
    area = np.zeros(drawn.shape[1])
    if not len(rising):
        return area
    shape = (2 * len(rising), len(drawn))
    everything = csr_array((np.ones(len(segment)), (segment, sample[reached])), shape)
    true = csr_array((np.ones(int(right.sum())), (place[right], sample[right])), (len(rising), len(drawn)))
    step = max(1, _CHUNK // shape[0])
    for start in range(0, drawn.shape[1], step):
        weights = drawn[:, start : start + step]
        counted = np.cumsum(everything @ weights, axis=0)
        rise = true @ weights
        total = np.cumsum(rise, axis=0)
        here = _precision(total, counted[1::2])
        before = _precision(total - rise, counted[::2])
        area[start : start + step] = ((here + before) / 2 * rise).sum(axis=0)
    return area


def _precision(right: Float64, counted: Float64) -> Float64:
    """Precision, which is 1 where nothing is counted yet."""
    return np.where(counted > 0, right / np.maximum(counted, 1), 1.0)
