"""Volumes as families measure them that need all slices of a case: slices as runs of equal voxels, put together again.

What a slice adds are its true and its predicted classes, by their places from 1; 0 is all else. Void voxels of the
truth are of no class, neither true nor predicted, and a slice that is not among the samples is empty on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from ..types import Array, ClassInfo, DatasetInfo, Int64, Metric, Prediction, Sample, Statistic, UserError
from .class_masks import checked_maps

PART_COLUMNS: Mapping[str, Literal["int64", "float64"]] = dict.fromkeys(("side", "length", "place"), "int64")
_WIDTH, _TRUE, _PREDICTED = -1, 0, 1
"""What a row of a part is: the width of the slice, or a run of equal voxels of either side."""

Box = tuple[slice, slice, slice]


def slice_of_volume(
    metric: Metric, sample: Sample, prediction: Prediction, info: DatasetInfo, classes: Sequence[ClassInfo]
) -> Statistic:
    """Both sides of a slice, with `PART_COLUMNS`.

    Raises
    ------
    UserError
        For a prediction of another size, or a label value that the dataset does not know.
    """
    maps = checked_maps(sample, prediction, info, classes)
    rows = [(np.array([_WIDTH]), np.array([maps[0].shape[1]]), np.array([0]))]
    for side, (lengths, places) in zip((_TRUE, _PREDICTED), map(_runs, maps), strict=True):
        rows.append((np.full(len(lengths), side), lengths, places))
    columns = (np.concatenate(column).astype(np.int64) for column in zip(*rows, strict=True))
    return Statistic(metric.name, sample.id, sample.group, sample.index, dict(zip(PART_COLUMNS, columns, strict=True)))


def volume_masks(
    parts: Sequence[Statistic], classes: Sequence[ClassInfo]
) -> Iterator[tuple[ClassInfo, tuple[Array, Array]]]:
    """Of each class that a case holds on either side both masks (N, H, W) bool, in the smallest box around both.

    Parameters
    ----------
    parts : of `slice_of_volume`, in any order
    classes : as they were given to it

    Raises
    ------
    UserError
        For slices of different sizes.
    """
    true, found = _volumes(_in_order(parts))
    for place, (each, box) in enumerate(zip(classes, _boxes((true, found), len(classes)), strict=True), 1):
        if box is not None:
            yield each, (true[box] == place, found[box] == place)


def rows_of_case(metric: Metric, parts: Sequence[Statistic], rows: Sequence[tuple[float, ...]]) -> list[Statistic]:
    """The statistics of all slices of a case, in their order: its rows at the first slice, and none elsewhere."""
    return [_statistic(metric, part, () if place else rows) for place, part in enumerate(_in_order(parts))]


def _in_order(parts: Sequence[Statistic]) -> list[Statistic]:
    return sorted(parts, key=lambda part: part.index)


def _statistic(metric: Metric, part: Statistic, rows: Sequence[tuple[float, ...]]) -> Statistic:
    values = list(zip(*rows, strict=True)) or [()] * len(metric.columns)
    columns = {
        name: np.array(column, kind) for (name, kind), column in zip(metric.columns.items(), values, strict=True)
    }
    return Statistic(metric.name, part.sample_id, part.group, part.index, columns)


def _runs(places: Array) -> tuple[Int64, Int64]:
    """Lengths and values of the runs of equal values in a map (H, W), row by row."""
    flat = places.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1]) if flat.size else np.zeros(0, np.int64)
    return np.diff(starts, append=flat.size), flat[starts]


def _volumes(slices: Sequence[Statistic]) -> tuple[Array, Array]:
    """Both maps (N, H, W) of places of classes, cut to the smallest box that holds all classes.

    Slices that are not there are empty on both sides. Raises UserError for slices of different sizes.
    """
    boxes = {part.index: box for part in slices if (box := _held(part)) is not None}
    if not boxes:
        return np.zeros((0, 0, 0), np.uint16), np.zeros((0, 0, 0), np.uint16)
    sizes = {part.index: _map(part, _TRUE).shape for part in slices if part.index in boxes}
    if len(set(sizes.values())) > 1:
        some = " and ".join(f"{height} x {width}" for height, width in sorted(set(sizes.values()))[:2])
        raise UserError(f"case '{slices[0].group}': its slices are of {some}; those of a volume are of one size")
    found = np.array(list(boxes.values()))
    (top, left), (bottom, right) = found[:, :2].min(axis=0).tolist(), found[:, 2:].max(axis=0).tolist()
    first = min(boxes)
    maps = np.zeros((2, max(boxes) - first + 1, bottom - top, right - left), np.uint16)
    for part in slices:
        if part.index in boxes:
            for side in (_TRUE, _PREDICTED):
                maps[side, part.index - first] = _map(part, side)[top:bottom, left:right]
    return maps[_TRUE], maps[_PREDICTED]


def _held(part: Statistic) -> tuple[int, int, int, int] | None:
    """Top, left, bottom and right (exclusive) of what either side of a slice holds."""
    if not part.columns["place"].any():
        return None
    there = (_map(part, _TRUE) > 0) | (_map(part, _PREDICTED) > 0)
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _map(part: Statistic, side: int) -> Array:
    """One side of a slice, (H, W) uint16."""
    columns = part.columns
    mine = columns["side"] == side
    width = int(columns["length"][columns["side"] == _WIDTH][0])
    flat = np.repeat(columns["place"][mine].astype(np.uint16), columns["length"][mine])
    return flat.reshape(-1, width)


def _boxes(maps: Sequence[Array], classes: int) -> list[Box | None]:
    """The smallest box around each of the classes 1 to `classes` in maps (N, H, W); None of one that none holds."""
    from scipy.ndimage import find_objects

    found = []
    for boxes in zip(*(find_objects(each, classes) for each in maps), strict=True):
        held = [box for box in boxes if box is not None]
        sides = [slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*held, strict=True)]
        found.append((sides[0], sides[1], sides[2]) if held else None)
    return found
