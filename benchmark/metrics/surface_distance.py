"""Surface distances of whole volumes in millimetres: 95 % Hausdorff distance, mean distance, surface Dice.

A mask is the set of voxels of one class of the foreground in a case, which is a group of slices. Void voxels of the
truth belong to no mask, neither true nor predicted, and nor does a slice that is not among the samples. A surface voxel
is a voxel of the mask with at least one of its 6 neighbours outside of it, or at the edge of the volume. Distances
between surfaces are Euclidean, from voxel centre to the nearest voxel centre, with the distances between slices, rows
and columns of the case.

References
----------
Huttenlocher et al., "Comparing images using the Hausdorff distance", IEEE TPAMI 15(9):850-863 (1993).
Heimann et al., "Comparison and evaluation of methods for liver segmentation from CT datasets", IEEE TMI 28(8):1251-1265
(2009) (average symmetric surface distance).
Nikolov et al., "Clinically Applicable Segmentation of Head and Neck Anatomy for Radiotherapy", JMIR 23(7):e26151
(2021) (surface Dice), here in the voxel-count form of MONAI, whose `SurfaceDiceMetric`, `SurfaceDistanceMetric` and
`HausdorffDistanceMetric` these equal in each case and class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from .base import SummedFamily
from .nearest import hausdorff95, nearest_by_steps
from .pooled import absent_of, mean_of_quotients, mean_where, means_by_class, ratio
from .rows_by_class import RowsByClass
from .table_rules import all_different, broken_rule
from .whole_volumes import PART_COLUMNS, rows_of_case, slice_of_volume, volume_masks

_COUNTS = ("n_true", "n_pred", "near_true", "near_pred")
_LENGTHS = ("sum_true_mm", "sum_pred_mm", "hd95_mm")
_SPACING = ("slice_mm", "row_mm", "column_mm")
_ROUNDING = 1e-9
"""Of a distance: one that is the tolerance is within it, whatever its last bits are."""

Spacing = tuple[float, float, float]

_laid_out = RowsByClass(_COUNTS, _LENGTHS)


@dataclass(frozen=True)
class SurfaceDistance(SummedFamily):
    """How far true and predicted surfaces of volumes are apart.

    Every score is the mean over the classes of their mean over the cases in which it is defined, without background.

    surface_dice: part of the surface voxels of both sides that lie within `tolerance_mm` of the other surface. A case
    where just one side holds the class counts 0, one where neither does is left out.
    assd_mm: mean of the distances from all surface voxels of both sides to the other surface. hd95_mm: the larger of
    the 95th percentiles (linear between ranks) of the distances from the true to the predicted surface and back. A
    case where just one side holds the class has no distance and is left out; `one_sided_cases` in the table per class
    says how many those are.

    The tolerance belongs to the version: scores made with another are other scores.
    """

    tolerance_mm: float = 2.0

    name: ClassVar[str] = "surface-distance"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "Surface Dice within 2 mm and surface distances of whole volumes in mm, without background"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("surface_dice", "mean over cases, then classes, of the part of both surfaces within 2 mm"),
        ScoreInfo(
            *("assd_mm", "average symmetric surface distance of volumes; left out where one side is empty", "mm"),
            high=math.inf,
            higher_is_better=False,
        ),
        ScoreInfo(
            *("hd95_mm", "95 % Hausdorff distance of volumes; left out where one side is empty", "mm"),
            high=math.inf,
            higher_is_better=False,
        ),
    )
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = scores
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "label": "int64",
        **dict.fromkeys(_COUNTS, "int64"),
        **dict.fromkeys((*_LENGTHS, *_SPACING), "float64"),
    }
    part_columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = PART_COLUMNS
    parts: ClassVar[tuple[Part, ...]] = ("labels",)
    needs_volumes: ClassVar[bool] = True
    releases_gil: ClassVar[bool] = True

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Both slices, as runs of equal voxels: distances are known once all slices of the case are there.

        Raises
        ------
        UserError
            For a prediction of another size, or a label value that the dataset does not know.
        """
        return slice_of_volume(self, sample, prediction, info, info.foreground_classes)

    def of_group(self, parts: Sequence[Statistic], info: DatasetInfo) -> list[Statistic]:
        """The distances of a case from its slices, in any order: a row per class at its first slice, none elsewhere.

        Raises
        ------
        UserError
            For a case whose spacing is not known, and for slices of different sizes.
        """
        spacing = _spacing(parts[0].group, info)
        rows = [
            (each.id, *self._distances(masks, spacing), *spacing)
            for each, masks in volume_masks(parts, info.foreground_classes)
        ]
        return rows_of_case(self, parts, rows)

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """Means over classes of means over cases; a case weighs what its first slice weighs."""
        values = _values(*_laid_out.tables(statistics, info.foreground_classes))[score]
        known = ~np.isnan(values)
        return Sums(np.concatenate([np.where(known, values, 0.0), known], axis=1), mean_of_quotients)

    def absent_classes(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> AbsentClasses | None:
        """Those among all classes."""
        return self.absent_among(statistics, info, score, range(len(info.foreground_classes)))

    def classes_of(self, info: DatasetInfo) -> tuple[ClassInfo, ...]:
        """The foreground."""
        return info.foreground_classes

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """Means over cases of each class."""
        return means_by_class(_values(*_laid_out.tables(statistics, info.foreground_classes))[score][:, list(places)])

    def absent_among(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> AbsentClasses | None:
        """By their surface voxels; a distance takes two sides."""
        if score != "surface_dice":
            return None
        counts = _laid_out.tables(statistics, info.foreground_classes)[0].sum(axis=0)[list(places)]
        return absent_of([info.foreground_classes[place].name for place in places], counts[:, 0], counts[:, 1])

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """The scores of every class, and in how many cases just one side holds it."""
        counts, lengths = _laid_out.tables(statistics, info.foreground_classes)
        columns = {name: mean_where(values.T, ~np.isnan(values).T) for name, values in _values(counts, lengths).items()}
        one_sided = (counts[..., 0] > 0) != (counts[..., 1] > 0)
        columns["one_sided_cases"] = one_sided.sum(axis=0).astype(np.float64)
        return {
            each.name: {key: float(column[place]) for key, column in columns.items()}
            for place, each in enumerate(info.foreground_classes)
        }

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Counts are parts of one another, and distances are there where both sides have the class."""
        columns = statistic.columns
        n_true, n_pred, near_true, near_pred = (columns[name] for name in _COUNTS)
        two_sided = (n_true > 0) & (n_pred > 0)
        rules: dict[str, Array | bool] = {
            "labels are of the foreground": np.isin(columns["label"], [c.id for c in info.foreground_classes]),
            "a label stands once": all_different(columns["label"]),
            "near voxels are surface voxels": (near_true >= 0) & (near_true <= n_true) & (near_pred >= 0)
            & (near_pred <= n_pred),
            "one side has the label": n_true + n_pred > 0,
            "distances are there where both sides have the label": two_sided == ~np.isnan(columns["hd95_mm"]),
        }  # fmt: skip
        for name in _LENGTHS:
            rules[f"{name} is no negative length"] = np.isnan(columns[name]) | (columns[name] >= 0)
        for name in _SPACING:
            rules[f"{name} is a length"] = (columns[name] > 0) & np.isfinite(columns[name])
        return broken_rule(rules)

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """The surface voxels of every true label, and the spacing of the case."""
        there = statistic.columns["n_true"] > 0
        return {name: statistic.columns[name][there] for name in ("label", "n_true", *_SPACING)}

    def _distances(self, masks: Sequence[Array], spacing: Spacing) -> tuple[float, ...]:
        """The columns of one class but for its label and the spacing, from its true and predicted mask (N, H, W)."""
        surfaces = [_surface(mask) for mask in masks]
        points = [np.argwhere(each) for each in surfaces]
        n_true, n_pred = map(len, points)
        if not (n_true and n_pred):
            return n_true, n_pred, 0, 0, math.nan, math.nan, math.nan
        lengths = []
        for one, other in ((0, 1), (1, 0)):
            # what both surfaces share is at distance 0: few voxels are left where a prediction is good
            apart = np.argwhere(surfaces[one] & ~surfaces[other])
            found = np.zeros(len(points[one]))
            if len(apart):
                found[: len(apart)] = nearest_by_steps(apart, points[other], spacing)
            lengths.append(found)
        limit = self.tolerance_mm * (1 + _ROUNDING)
        near = (int(np.count_nonzero(each <= limit)) for each in lengths)
        return n_true, n_pred, *near, *(math.fsum(each) for each in lengths), hausdorff95(*lengths)


def _spacing(case: str, info: DatasetInfo) -> Spacing:
    known = info.volumes.spacing_mm if info.volumes is not None else {}
    found = known.get(case, known.get(case.rpartition("/")[2]))
    if found is None:
        raise UserError(
            f"{info.name}: the spacing of case '{case}' is not known. Write it into classes.yaml, in mm between "
            f"slices, rows and columns: 'volumes: {{spacing_mm: {{{case}: [5.0, 0.8, 0.8]}}}}'"
        )
    return found


def _surface(mask: Array) -> Array:
    """The voxels of a mask (N, H, W) with a neighbour outside of it, or of the volume."""
    inner = mask.copy()
    for axis in range(3):
        along, out = np.moveaxis(mask, axis, 0), np.moveaxis(inner, axis, 0)
        out[1:] &= along[:-1]
        out[:-1] &= along[1:]
        out[:1] = out[-1:] = False
    return mask & ~inner


def _values(counts: Int64, lengths: Float64) -> dict[str, Float64]:
    """The values (n, C) of every score, NaN where undefined."""
    n_true, n_pred, near_true, near_pred = np.moveaxis(counts, -1, 0)
    return {
        "surface_dice": ratio(near_true + near_pred, n_true + n_pred),
        "assd_mm": ratio(lengths[..., 0] + lengths[..., 1], n_true + n_pred),
        "hd95_mm": lengths[..., 2],
    }
