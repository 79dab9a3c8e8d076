"""Boundary family: Boundary IoU, boundary F1, 95 % Hausdorff distance and normalised surface distance of label maps.

A mask is the set of pixels of one scored class (of a binary dataset: of the foreground). Void pixels of the truth
belong to no mask, neither true nor predicted, and all that is not in a mask is outside of it: other classes, void, and
everything beyond the image border. So a mask that ends at void or at the image border has a boundary there, the same
for truth and prediction, and what is predicted on a void pixel changes nothing.

A boundary pixel is a pixel of the mask with at least one of its 4 neighbours outside of the mask. Distances between
boundaries are Euclidean, from pixel centre to the nearest pixel centre.

References
----------
Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021, and its published code.
Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013 (boundary F1).
Huttenlocher et al., "Comparing images using the Hausdorff distance", IEEE TPAMI 15(9):850-863 (1993).
Nikolov et al., "Clinically Applicable Segmentation of Head and Neck Anatomy for Radiotherapy", JMIR 23(7):e26151
(2021) (surface Dice, also called normalised surface distance), here in the pixel-count form of MONAI.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import ClassVar, Literal

import cv2
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
)
from .base import SummedFamily
from .class_masks import checked_maps
from .joint_counts import joint_counts
from .nearest import hausdorff95, nearest
from .pooled import absent_of, mean_of_quotients, mean_where, means_by_class, ratio
from .rows_by_class import RowsByClass
from .table_rules import all_different, broken_rule

_COUNTS = ("intersection", "union", "tp_pred", "n_pred", "tp_true", "n_true")
_DISTANCES = ("hd95_px", "hd95_um")
_POOLED = ("boundary_iou", "boundary_f1")

Spacing = tuple[float, float]

_laid_out = RowsByClass(_COUNTS, _DISTANCES)


@dataclass(frozen=True)
class Boundary(SummedFamily):
    """How well boundaries are met.

    Every score is the mean over the classes for which it is defined, without background: a binary dataset has one, its
    foreground. The table per class has the background too, where the dataset declares one.

    boundary_iou: IoU of the parts of both masks that lie within d pixels (chessboard distance) of the outside,
    d = max(1, round(dilation_ratio * image diagonal)); counts pooled over the split.
    boundary_f1: 2 P R / (P + R), where P is the part of the predicted boundary pixels that lie within `tolerance_px` of
    a true one, and R the part of the true ones that lie within it of a predicted one; counts pooled over the split.
    hausdorff95: the larger of the 95th percentiles (linear between ranks) of the distances from true to predicted
    boundary pixels and back; mean over the images whose truth and prediction both hold the class. An image where just
    one of them does has no distance and is left out: `one_sided_images` in the table per class says how many.
    hausdorff95_um: the same in micrometres, with the dataset's pixel height and width; NaN where they are unknown.
    nsd: part of all boundary pixels, true and predicted, that lie within `tolerance_px` of the other boundary, each
    pixel counted once; mean over images. An image where just one side holds the class counts 0, one where neither does
    is left out.

    The two constants belong to the version: scores made with others are other scores.
    """

    tolerance_px: float = 2.0
    dilation_ratio: float = 0.02

    name: ClassVar[str] = "boundary"
    version: ClassVar[str] = "2"
    summary: ClassVar[str] = "Boundary IoU, boundary F1 and surface distance within 2 px, 95 % Hausdorff distance"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("boundary_iou", "IoU within 2 % of the image diagonal of the boundary, counts pooled over the split"),
        ScoreInfo("boundary_f1", "F1 of boundary pixels within 2 px, counts pooled over the split"),
        ScoreInfo(
            *("hausdorff95", "mean over images of the 95 % Hausdorff distance; left out where one side is empty", "px"),
            high=math.inf,
            higher_is_better=False,
        ),
        ScoreInfo(
            *("hausdorff95_um", "the same in micrometres, where the pixel size is known", "µm"),
            high=math.inf,
            higher_is_better=False,
        ),
        ScoreInfo("nsd", "mean over images of the normalised surface distance within 2 px, by pixels"),
    )
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = tuple(each for each in scores if each.name != "hausdorff95_um")
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "label": "int64",
        **dict.fromkeys(_COUNTS, "int64"),
        **dict.fromkeys(_DISTANCES, "float64"),
    }
    parts: ClassVar[tuple[Part, ...]] = ("labels",)

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """One row per class that truth or prediction holds.

        Raises
        ------
        UserError
            For a prediction of another size, or a label value that the dataset does not know.
        """
        classes = scored_classes(info)
        maps = checked_maps(sample, prediction, info, classes)
        width = boundary_width(maps[0].shape, self.dilation_ratio)
        rows = self._rows(_cropped(*maps), width, len(classes), info.pixel_size_um)
        values = list(zip(*((classes[n].id, *row) for n, row in rows), strict=True)) or [()] * len(self.columns)
        columns = {
            name: np.array(column, kind) for (name, kind), column in zip(self.columns.items(), values, strict=True)
        }
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """The means over classes; NaN where no class is defined."""
        table = _by_class(*_averaged(statistics, info))
        return {score.name: _mean(table[score.name]) for score in self.scores}

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """Means over classes: of quotients of pooled counts, or of means over images."""
        counts, distances = _averaged(statistics, info)
        if score in _POOLED:
            terms = counts.reshape(len(counts), math.prod(counts.shape[1:]))
            return Sums(terms, partial(_mean_of_pooled, score))
        values = _image_scores(counts, distances)[score]
        known = ~np.isnan(values)
        return Sums(np.concatenate([np.where(known, values, 0.0), known], axis=1), mean_of_quotients)

    def absent_classes(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> AbsentClasses | None:
        """Those among the classes that the means are over."""
        return self.absent_among(statistics, info, score, _averaged_places(info))

    def classes_of(self, info: DatasetInfo) -> tuple[ClassInfo, ...]:
        """Those that have a boundary."""
        return scored_classes(info)

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """Quotients of pooled counts, or means over images, of each class."""
        counts, distances = _laid_out.tables(statistics, scored_classes(info))
        counts, distances = counts[:, list(places)], distances[:, list(places)]
        if score in _POOLED:
            return SumsByClass(counts, partial(_pooled_score, score))
        return means_by_class(_image_scores(counts, distances)[score])

    def absent_among(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> AbsentClasses | None:
        """By their boundary pixels; a Hausdorff distance takes two sides."""
        if score.startswith("hausdorff"):
            return None
        classes = scored_classes(info)
        counts = _laid_out.tables(statistics, classes)[0].sum(axis=0)[list(places)]
        return absent_of([classes[place].name for place in places], counts[:, 5], counts[:, 3])

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """Scores (distance in pixels) of every scored class, and the number of images where just one side has it."""
        classes = scored_classes(info)
        table = _by_class(*_laid_out.tables(statistics, classes))
        del table["hausdorff95_um"]
        return {c.name: {key: column[n] for key, column in table.items()} for n, c in enumerate(classes)}

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Counts are parts of one another, and a distance is there where both sides have the class."""
        columns = statistic.columns
        both, either, tp_pred, n_pred, tp_true, n_true = (columns[name] for name in _COUNTS)
        two_sided = (n_pred > 0) & (n_true > 0)
        rules: dict[str, Array | bool] = {
            "labels have a boundary": np.isin(columns["label"], [c.id for c in scored_classes(info)]),
            "a label stands once": all_different(columns["label"]),
            "the overlap is a part of the union": (both >= 0) & (both <= either),
            "matched pixels are boundary pixels": (tp_pred >= 0) & (tp_pred <= n_pred) & (tp_true >= 0)
            & (tp_true <= n_true),
            "one side has the label": n_pred + n_true > 0,
        }  # fmt: skip
        for name in _DISTANCES:
            there = ~np.isnan(columns[name])
            rules[f"{name} is a distance, and of two boundaries"] = ~there | (two_sided & (columns[name] >= 0))
        rules["two boundaries have a distance"] = ~two_sided | ~np.isnan(columns[_DISTANCES[0]])
        return broken_rule(rules)

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """The boundary pixels of every true label."""
        there = statistic.columns["n_true"] > 0
        return {name: statistic.columns[name][there] for name in ("label", "n_true")}

    def _rows(
        self, maps: tuple[Array, Array], width: int, classes: int, pixel_size_um: Spacing | None
    ) -> list[tuple[int, tuple[float, ...]]]:
        """The place of every class that either map holds, with its counts and distances in the order of the columns."""
        kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
        near = [np.where(_within(m, kernel), m, 0) for m in maps]
        both, areas = _shared_areas(near[0], near[1], classes)
        points = [_boundary_points(m, classes) for m in maps]
        rows = []
        for n, (of_true, of_predicted) in enumerate(zip(*points, strict=True)):
            if len(of_true) or len(of_predicted):
                rows.append(
                    (n, (int(both[n]), int(areas[n] - both[n]), *self._distances(of_true, of_predicted, pixel_size_um)))
                )
        return rows

    def _distances(self, true: Int64, predicted: Int64, pixel_size_um: Spacing | None) -> tuple[float, ...]:
        """tp_pred, n_pred, tp_true, n_true, hd95_px and hd95_um of the boundary pixels (n, 2) of one class."""
        if not (len(true) and len(predicted)):
            return 0, len(predicted), 0, len(true), math.nan, math.nan
        from_predicted, from_true = nearest(predicted, true, (1.0, 1.0)), nearest(true, predicted, (1.0, 1.0))
        in_px, in_um = hausdorff95(from_predicted, from_true), math.nan
        if pixel_size_um is not None:
            height, width = pixel_size_um
            in_um = height * in_px
            if height != width:
                in_um = hausdorff95(nearest(predicted, true, pixel_size_um), nearest(true, predicted, pixel_size_um))
        tp_pred, tp_true = (int(np.count_nonzero(d <= self.tolerance_px)) for d in (from_predicted, from_true))
        return tp_pred, len(predicted), tp_true, len(true), in_px, in_um


def scored_classes(info: DatasetInfo) -> tuple[ClassInfo, ...]:
    """The classes that have a boundary: all scored ones, of a binary dataset the foreground only."""
    return tuple(c for c in info.classes if info.task != "binary" or c.id == info.foreground)


def boundary_width(shape: tuple[int, ...], dilation_ratio: float) -> int:
    """Width in pixels of the region that Boundary IoU compares, from the image's (height, width).

    >>> boundary_width((480, 640), 0.02)
    16
    """
    return max(1, round(dilation_ratio * math.hypot(*shape)))


def _cropped(true: Array, predicted: Array) -> tuple[Array, Array]:
    """Both maps cut to the smallest rectangle that holds all classes: small objects in large images are cheap."""
    if not true.size:
        return true, predicted
    x, y, width, height = cv2.boundingRect(((true | predicted) > 0).astype(np.uint8))
    return true[y : y + height, x : x + width], predicted[y : y + height, x : x + width]


def _within(classes: Array, kernel: Array) -> Array:
    """Pixels of a class from which the kernel reaches another class or the outside, (H, W) bool."""
    if not classes.size:
        return np.zeros(classes.shape, bool)
    # One filter serves all classes: a kernel that sees one class only has equal minimum and maximum.
    low, high = (
        f(classes, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=(0.0,)) for f in (cv2.erode, cv2.dilate)
    )
    return np.asarray((low != high) & (classes > 0))


def _shared_areas(true: Array, predicted: Array, classes: int) -> tuple[Int64, Int64]:
    """Pixels that both maps give to each of the classes 1 to `classes`, and those of either map together, (C,) each."""
    first, second, pixels = joint_counts(true, predicted)
    both, areas = np.zeros((2, classes + 1), np.int64)
    np.add.at(both, first[first == second], pixels[first == second])
    for side in (first, second):
        np.add.at(areas, side, pixels)
    return both[1:], areas[1:]


def _boundary_points(classes: Array, count: int) -> list[Int64]:
    """Row and column of the boundary pixels of each of the classes 1 to `count`, (n, 2) int64 each, row by row."""
    found = np.flatnonzero(_within(classes, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))))
    owner = classes.reshape(-1)[found]
    order = np.argsort(owner, kind="stable")
    cuts = np.searchsorted(owner[order], np.arange(1, count + 2))
    points = np.stack(np.divmod(found[order], max(1, classes.shape[1])), axis=1)
    return [points[start:stop] for start, stop in pairwise(cuts.tolist())]


def _averaged(statistics: Sequence[Statistic], info: DatasetInfo) -> tuple[Int64, Float64]:
    """The same of the classes that the means are over, which background is not."""
    tables, chosen = _laid_out.tables(statistics, scored_classes(info)), _averaged_places(info)
    return tables if len(chosen) == tables[0].shape[1] else (tables[0][:, chosen], tables[1][:, chosen])


def _averaged_places(info: DatasetInfo) -> list[int]:
    """Places of these classes among those that have a boundary."""
    return [place for place, each in enumerate(scored_classes(info)) if each in info.foreground_classes]


def _pooled_scores(counts: Array) -> dict[str, Float64]:
    """Boundary IoU and F1 of counts (..., C, 6), each (..., C); NaN where truth and prediction lack the class."""
    both, either, tp_pred, n_pred, tp_true, n_true = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    f1 = ratio(2 * tp_pred * tp_true, tp_pred * n_true + tp_true * n_pred)
    return {
        "boundary_iou": ratio(both, either),
        "boundary_f1": np.where(np.isnan(f1) & (n_pred + n_true > 0), 0.0, f1),
    }


def _pooled_score(score: str, counts: Float64) -> Float64:
    return _pooled_scores(counts)[score]


def _mean_of_pooled(score: str, sums: Float64) -> Float64:
    values = _pooled_scores(sums.reshape(*sums.shape[:-1], sums.shape[-1] // len(_COUNTS), len(_COUNTS)))[score]
    return mean_where(values, ~np.isnan(values))


def _image_scores(counts: Int64, distances: Float64) -> dict[str, Float64]:
    """The scores that are means over images: their values (n, C) in every image, NaN where undefined."""
    _, _, tp_pred, n_pred, tp_true, n_true = np.moveaxis(counts, -1, 0)
    return {
        "hausdorff95": distances[..., 0],
        "hausdorff95_um": distances[..., 1],
        "nsd": ratio(tp_pred + tp_true, n_pred + n_true),
    }


def _by_class(counts: Int64, distances: Float64) -> dict[str, list[float]]:
    """Every score of every class in their order, and the number of one-sided images."""
    means = {
        name: [_mean(column) for column in values.T.tolist()]
        for name, values in _image_scores(counts, distances).items()
    }
    one_sided = (counts[..., 3] > 0) != (counts[..., 5] > 0)
    return {
        **{name: values.tolist() for name, values in _pooled_scores(counts.sum(axis=0)).items()},
        **means,
        "one_sided_images": one_sided.sum(axis=0).astype(np.float64).tolist(),
    }


def _mean(values: Sequence[float]) -> float:
    """Mean of those that are defined, NaN if none is; the same bits in any order."""
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan
