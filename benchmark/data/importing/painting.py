"""Shapes and drawn label maps as labels and numbers of objects, and counts of what covered what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from ...io.images.rle import Runs, foreground_runs
from ...types import Array
from .items import Order, Shape, Size, SourceClass
from .outlines import check_canvas

_AT_ONCE = 1 << 20
"""Pixels of a shape that are painted together: their places take as many times 8 bytes as the shape has pixels."""
RULES: Mapping[Order, str] = {
    "drawn": "where shapes overlap, the later one is on top, as it is drawn in the tool",
    "area": "where shapes overlap, the smaller one is on top; of equal ones the later in the file",
}
CROWD_RULE = "a crowd lies below the objects, is of its class in masks/, and is no object in instances/"
BACKGROUND_RULE = "what no shape covers is background"


@dataclass(frozen=True)
class Coding:
    """Label value of every class by its name; what is background or ignored is no object."""

    labels: Mapping[str, int]
    things: frozenset[str]


@dataclass
class Painted:
    """What became of shapes, in all pictures.

    shapes : by kind. crowds : regions of several objects. with_holes : shapes that leave pixels inside out, which stay
    what lies below. filled : outlines inside another of their object, which are filled as all of it. overlapping :
    pictures in which shapes overlap; overlap_pixels : pixels that several cover. hidden : shapes of which nothing is
    seen; empty : those that cover no pixel. blank : pictures without a shape. by_class : shapes of each class.
    """

    shapes: Counter[str] = field(default_factory=Counter)
    by_class: Counter[str] = field(default_factory=Counter)
    crowds: int = 0
    with_holes: int = 0
    filled: int = 0
    overlapping: int = 0
    overlap_pixels: int = 0
    hidden: int = 0
    empty: int = 0
    blank: int = 0


def paint(
    shapes: Sequence[Shape], size: Size, coding: Coding, order: Order, counts: Painted, where: str
) -> tuple[Array, Array]:
    """Labels (H, W) uint16 and numbers of objects (H, W) int32, both 0 where no shape is; `counts` is added to.

    Raises UserError for a picture that is too large.
    """
    check_canvas(size, where)
    height, width = size
    labels, numbers = np.zeros(height * width, np.uint16), np.zeros(height * width, np.int32)
    owner = np.zeros(height * width, np.int32)
    runs = [foreground_runs(shape.mask, where) for shape in shapes]
    object_numbers: dict[str, int] = {}
    counts.blank += not shapes
    several = np.zeros(height * width, np.bool_)
    for place in _in_order(shapes, runs, order):
        shape = shapes[place]
        _count(shape, counts)
        is_object = shape.name in coding.things and not shape.crowd
        key = shape.object if shape.object is not None else f"\0{place}"
        number = object_numbers.setdefault(key, len(object_numbers) + 1) if is_object else 0
        for inside in runs[place].places(_AT_ONCE):
            several[inside[owner[inside] > 0]] = True
            owner[inside] = place + 1
            labels[inside] = coding.labels[shape.name]
            numbers[inside] = number
    counts.overlapping += bool(several.any())
    counts.overlap_pixels += int(np.count_nonzero(several))
    seen = np.bincount(owner, minlength=len(shapes) + 1)[1:]
    counts.empty += sum(not each.area for each in runs)
    counts.hidden += sum(bool(each.area) and not n for each, n in zip(runs, seen.tolist(), strict=True))
    counts.with_holes += sum(_has_hole(each, size) for each in runs)
    turned = (array.reshape(width, height).T for array in (labels, numbers))
    first, second = (np.ascontiguousarray(array) for array in turned)
    return first, second


def _in_order(shapes: Sequence[Shape], runs: Sequence[Runs], order: Order) -> list[int]:
    """Places of the shapes as they are painted: crowds, then the others by the rule."""
    area = [-each.area if order == "area" else 0 for each in runs]
    return sorted(range(len(shapes)), key=lambda n: (not shapes[n].crowd, shapes[n].level, area[n], n))


def _count(shape: Shape, counts: Painted) -> None:
    counts.shapes[shape.kind] += 1
    counts.by_class[shape.name] += 1
    counts.crowds += shape.crowd
    counts.filled += shape.inner


def _has_hole(runs: Runs, size: Size) -> bool:
    """Whether a shape encloses pixels that are not its own."""
    if runs.area < 8:
        return False
    height = size[0]
    left, right = int(runs.starts[0]) // height, int(runs.starts[-1] + runs.lengths[-1] - 1) // height
    mask = np.zeros((right - left + 1, height), np.bool_)
    for inside in runs.places(_AT_ONCE):
        mask.reshape(-1)[inside - left * height] = True
    rows = np.flatnonzero(mask.any(axis=0))
    mask = mask[:, rows[0] : rows[-1] + 1]
    return mask.size > runs.area and int(np.count_nonzero(ndimage.binary_fill_holes(mask))) > runs.area


def coding_of(classes: Sequence[SourceClass]) -> tuple[Coding, int | None]:
    """Label values of classes, in their order from 1, and that of ignored pixels where there are any.

    Classes that keep a value have it; the background is 0.
    """
    taken = {each.value for each in classes if each.value is not None and each.kind != "ignored"}
    free = iter(n for n in range(1, 1 << 16) if n not in taken)
    labels: dict[str, int] = {}
    ignored: int | None = None
    for each in classes:
        if each.kind == "background":
            labels[each.name] = each.value or 0
        elif each.kind != "ignored":
            labels[each.name] = each.value if each.value is not None else next(free)
    used = {0, *labels.values()}
    for each in classes:
        if each.kind == "ignored":
            if ignored is None:
                own = each.value if each.value is not None and each.value not in used else 255
                ignored = own if own not in used else 65_535
            labels[each.name] = ignored
    return Coding(labels, frozenset(each.name for each in classes if each.kind == "thing")), ignored
