"""Instances that are found: F1, precision and recall of matched pairs, and what they are worth at higher overlaps.

References
----------
Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl", Nature Methods
16:1247-1253 (2019) (F1 at an IoU, TP / (TP + FP + FN) over IoUs). Schmidt et al., "Cell detection with star-convex
polygons", MICCAI 2018; its `stardist.matching` with `criterion="iou"` gives the same numbers of pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..types import Array, DatasetInfo, Float64, Int64, Part, Prediction, Sample, ScoreInfo, Statistic, Sums, Task
from .base import SummedFamily
from .joint_counts import joint_counts, shared_counts
from .label_checks import binary_labels, check_labels, same_shape, true_labels
from .pooled import mean_of, mean_of_quotients, ratio
from .same_statistics import SameStatistics
from .table_rules import MAX_PIXELS, broken_rule

THRESHOLDS = tuple(range(50, 100, 5))
"""IoUs in hundredths from which on a pair matches."""

_MATCHES = tuple(f"tp_{threshold}" for threshold in THRESHOLDS)


_columns: SameStatistics[tuple[Float64, ...]] = SameStatistics(1)


@dataclass(frozen=True)
class InstanceMatching(SummedFamily):
    """How many true instances are found, each by one predicted instance of its own.

    A pair matches from an IoU on, 0.5 and above, where a segment has but one partner (of two halves one counts). TP is
    the number of pairs, FP that of predicted instances without a partner, FN that of true ones.

    f1_50, f1_75: 2 TP / (2 TP + FP + FN) at IoU 0.5 and 0.75. precision_50: TP / (TP + FP). recall_50: TP / (TP + FN).
    matched_iou: mean IoU of the pairs at 0.5. These pool all images. dsb_score: mean over images of the mean over the
    IoUs 0.5, 0.55, …, 0.95 of TP / (TP + FP + FN); an image with neither true nor predicted instances is left out.
    count_error: mean over images of the absolute difference of the numbers of instances.

    Instances are those of instance maps. Where truth or prediction is a mask they are its pieces that hang together, by
    sides or corners (as `skimage.measure.label` has them). Pixels whose true label is void belong to none.
    """

    name: ClassVar[str] = "instance-matching"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "F1, precision and recall of matched instances, Data Science Bowl score, error of counts"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("f1_50", "F1 of instances that match at IoU 0.5, counts pooled over the split"),
        ScoreInfo("f1_75", "F1 of instances that match at IoU 0.75, counts pooled over the split"),
        ScoreInfo("precision_50", "part of the predicted instances that match at IoU 0.5"),
        ScoreInfo("recall_50", "part of the true instances that match at IoU 0.5"),
        ScoreInfo("matched_iou", "mean IoU of the instances that match at IoU 0.5", low=0.5),
        ScoreInfo("dsb_score", "mean over images and IoUs 0.5 to 0.95 of TP / (TP + FP + FN)"),
        ScoreInfo(
            "count_error",
            "mean over images of the difference between the numbers of predicted and true instances",
            "instances",
            high=math.inf,
            higher_is_better=False,
        ),
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "true": "int64",
        "predicted": "int64",
        **dict.fromkeys(_MATCHES, "int64"),
        "iou": "float64",
    }
    parts: ClassVar[tuple[Part, ...]] = ("labels", "instances")
    tasks: ClassVar[tuple[Task, ...]] = ("binary",)
    releases_gil: ClassVar[bool] = True

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Numbers of true and predicted instances of one image, and of pairs at every IoU."""
        counted = ~np.isin(true_labels(sample), list(info.void))
        truth, predicted = (
            _true_instances(sample, info, counted),
            _predicted_instances(sample, prediction, info, counted),
        )
        truth, predicted, pixels = joint_counts(truth, predicted)
        rows, true_pixels = _sizes(truth, pixels)
        places, predicted_pixels = _sizes(predicted, pixels)
        both = (truth != 0) & (predicted != 0)
        rows, places, common = rows[both], places[both], pixels[both]
        union = true_pixels[rows] + predicted_pixels[places] - common
        matches = [_pairs(rows, places, 100 * common >= threshold * union) for threshold in THRESHOLDS]
        columns: dict[str, Int64 | Float64] = {
            "true": np.array([np.count_nonzero(np.unique(truth))], np.int64),
            "predicted": np.array([np.count_nonzero(np.unique(predicted))], np.int64),
            **{name: np.array([len(found)], np.int64) for name, found in zip(_MATCHES, matches, strict=True)},
            "iou": np.array([math.fsum((common[matches[0]] / union[matches[0]]).tolist())]),
        }
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Pairs are no more than either side has instances, and no more at a higher IoU."""
        del info
        columns = statistic.columns
        if len(columns["true"]) != 1:
            return f"{len(columns['true'])} rows; expected one"
        true, predicted, iou = columns["true"], columns["predicted"], columns["iou"]
        pairs = np.stack([columns[name] for name in _MATCHES])
        return broken_rule(
            {
                "numbers of instances are those of a picture": (true >= 0)
                & (predicted >= 0)
                & (np.maximum(true, predicted) < MAX_PIXELS),
                "pairs are instances of both": np.all(pairs >= 0, axis=0) & (pairs[0] <= np.minimum(true, predicted)),
                "pairs at a higher IoU are pairs at a lower one": np.asarray(
                    np.all(np.diff(pairs, axis=0) <= 0, axis=0)
                ),
                "IoUs of pairs lie between 0.5 and 1": (iou >= 0.5 * pairs[0]) & (iou <= pairs[0]),
            }
        )

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """The number of true instances."""
        return {"true": statistic.columns["true"]}

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """Every score is a quotient of sums, or the mean of a value of each image."""
        del info
        true, predicted, *pairs, iou = _columns.get(statistics, None, lambda: self._of_images(statistics))
        if score == "count_error":
            return mean_of(np.abs(predicted - true))
        if score == "dsb_score":
            return mean_of(np.mean([ratio(tp, true + predicted - tp) for tp in pairs], axis=0))
        matched = pairs[THRESHOLDS.index(75 if score == "f1_75" else 50)]
        quotient = {
            "precision_50": (matched, predicted),
            "recall_50": (matched, true),
            "matched_iou": (iou, matched),
        }.get(score, (2 * matched, true + predicted))
        return Sums(np.stack(quotient, axis=1), mean_of_quotients)

    def _of_images(self, statistics: Sequence[Statistic]) -> tuple[Float64, ...]:
        """Every column with a row for each image, (n,)."""
        none = np.zeros(0)
        return tuple(np.concatenate([none, *(s.columns[name] for s in statistics)]) for name in self.columns)


def _true_instances(sample: Sample, info: DatasetInfo, counted: Array) -> Array:
    """Instance numbers (H, W) of the truth where it is `counted`: its own, or the pieces of the foreground."""
    if sample.instances is not None:
        return np.where(counted, sample.instances, 0)
    return _pieces(true_labels(sample) == info.foreground)


def _predicted_instances(sample: Sample, prediction: Prediction, info: DatasetInfo, counted: Array) -> Array:
    """Instance numbers (H, W) of a prediction where it is `counted`: its own, or the pieces of its foreground there.

    Raises UserError for another shape, and for labels that the dataset does not know.
    """
    if prediction.instances is None:
        labels = binary_labels(sample, prediction)
        check_labels(sample.id, *shared_counts(true_labels(sample), labels)[:2], info)
        return _pieces((labels == 1) & counted)
    same_shape(sample, prediction.instances.shape)
    return np.where(counted, prediction.instances, 0)


def _pieces(inside: Array) -> Array:
    """Pieces of a mask (H, W) bool, numbered from 1."""
    import cv2

    return cv2.connectedComponents(inside.astype(np.uint8), connectivity=8)[1]


def _sizes(numbers: Int64, pixels: Int64) -> tuple[Int64, Int64]:
    """The place of every entry (n,) among the numbers that occur (m,), and the pixels (m,) of these."""
    found, places = np.unique(numbers, return_inverse=True)
    sizes = np.zeros(len(found), np.int64)
    np.add.at(sizes, places, pixels)
    return places, sizes


def _pairs(rows: Int64, places: Int64, near: Array) -> Int64:
    """Which of the pairs (n,) that are near enough match, where each side has one partner at most: as many as can."""
    chosen = np.flatnonzero(near)
    mine, theirs = rows[chosen], places[chosen]
    if len(np.unique(mine)) == len(chosen) == len(np.unique(theirs)):
        return chosen
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    # At an IoU of exactly 0.5 an instance has two partners.
    shape = (int(mine.max()) + 1, int(theirs.max()) + 1)
    table = csr_array((chosen + 1, (mine, theirs)), shape=shape)
    partner = maximum_bipartite_matching(table, perm_type="column")
    found = np.flatnonzero(partner >= 0)
    return np.asarray(table[found, partner[found]] - 1, np.int64).reshape(-1)
