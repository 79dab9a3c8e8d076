"""Outlines as masks: one pixel rule for every format, that of pycocotools (`rleFrPoly`).

An outline is rounded at a fifth of a pixel, and a pixel belongs to it where a column's crossing says so; rectangles,
circles and ellipses are outlines of many points.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import cv2
import numpy as np
from pycocotools import mask as mask_api

from ...io.images.limits import MAX_BYTES, TRUST_LARGE
from ...io.images.rle import CheckedRLE, check_rle, encode_rle, short
from ...types import Array, Float64, UserError
from ..coco_annotations import check_outline, is_finite

MAX_POINTS = 1_000_000
"""Points of one outline."""

_MAX_COMPARED = 500
"""Outlines of one object that are compared with one another."""

_BYTES_PER_PIXEL = 8
"""What painting one picture takes: labels, numbers of objects, and one mask."""

RULE = "pixels of an outline by pycocotools' rule (rleFrPoly)"


def check_canvas(size: tuple[int, int], where: str) -> None:
    """Raise UserError for a picture of no pixels, or of more than may be painted."""
    height, width = size
    if height < 1 or width < 1:
        raise UserError(f"{where}: the picture is {height} x {width}; expected a height and a width of at least 1")
    if height * width * _BYTES_PER_PIXEL > MAX_BYTES and os.environ.get(TRUST_LARGE) != "1":
        raise UserError(
            f"{where}: the picture is {height} x {width}; more than {MAX_BYTES // _BYTES_PER_PIXEL} pixels are not "
            "painted. If you trust the file, add --trust-large."
        )


def points_of(value: object, where: str) -> Float64:
    """Points (N, 2) float64 of x, y from JSON: a list of pairs. Raises UserError for anything else."""
    if not isinstance(value, list) or not value or len(value) > MAX_POINTS:
        raise UserError(f"{where}: its points are {short(value)}; expected a list of [x, y]")
    for point in value:
        if not isinstance(point, list) or len(point) != 2 or not all(map(is_finite, point)):
            raise UserError(f"{where}: holds the point {short(point)}; expected [x, y]")
    return np.array(value, np.float64)


def polygon(points: Float64, size: tuple[int, int], where: str) -> CheckedRLE:
    """The mask of one outline, points (N, 2) of x, y with N of at least 3; raises UserError where it is far outside."""
    return union([points], size, where)


def union(outlines: Sequence[Float64], size: tuple[int, int], where: str) -> CheckedRLE:
    """The mask of all that several outlines, each (N, 2), cover; raises UserError where one is far outside."""
    check_canvas(size, where)
    for points in outlines:
        check_outline(points, size, where)
    merged = mask_api.merge(mask_api.frPyObjects([points.reshape(-1).tolist() for points in outlines], *size))
    return CheckedRLE(size=list(size), counts=merged["counts"])


def rectangle(first: Float64, second: Float64) -> Float64:
    """Points (4, 2) of the rectangle between two corners (2,)."""
    (x1, y1), (x2, y2) = np.minimum(first, second), np.maximum(first, second)
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])


def ellipse(center: Float64, radii: tuple[float, float], degrees: float = 0.0) -> Float64:
    """Points (N, 2) of an ellipse about a centre (2,), a point for each pixel of its length or more."""
    number = int(min(max(16, math.ceil(2 * math.pi * max(radii))), 100_000))
    angles = np.arange(number) * (2 * math.pi / number)
    return center + turned(np.stack([radii[0] * np.cos(angles), radii[1] * np.sin(angles)], axis=1), degrees)


def turned(points: Float64, degrees: float) -> Float64:
    """Points (N, 2) of x, y turned about the origin, clockwise as seen."""
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    matrix: Float64 = np.array([[cos, sin], [-sin, cos]])
    return np.asarray(points @ matrix)


def placed(mask: Array, top: int, left: int, size: tuple[int, int], where: str) -> CheckedRLE:
    """A small mask (h, w) in a picture of this size; raises UserError for one that lies outside of it in part."""
    check_canvas(size, where)
    height, width = mask.shape
    if top < 0 or left < 0 or top + height > size[0] or left + width > size[1]:
        raise UserError(
            f"{where}: its mask of {height} x {width} at row {top}, column {left} leaves the picture, which is "
            f"{size[0]} x {size[1]}"
        )
    whole = np.zeros(size, np.uint8)
    whole[top : top + height, left : left + width] = mask != 0
    return check_rle(encode_rle(whole), where)


def inner_outlines(outlines: Sequence[Float64]) -> int:
    """How many outlines (N, 2) lie inside another of the same object: many mean holes by them."""
    if not 2 <= len(outlines) <= _MAX_COMPARED:
        return 0
    low, high = (np.array([end(points, axis=0) for points in outlines]) for end in (np.min, np.max))
    return sum(
        any(
            _holds(outlines[int(other)], points)
            for other in np.flatnonzero((low < low[place]).all(axis=1) & (high > high[place]).all(axis=1))
        )
        for place, points in enumerate(outlines)
    )


def _holds(outer: Float64, points: Float64) -> bool:
    contour = outer.astype(np.float32).reshape(-1, 1, 2)
    some = points[:: max(1, len(points) // 20)]
    return all(cv2.pointPolygonTest(contour, (float(x), float(y)), False) > 0 for x, y in some)
