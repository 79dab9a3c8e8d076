"""Label maps and masks that went through JPEG or through interpolation."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from ..text import counted
from ..types import Array
from .remedy_functions import Read, Snap, frequent
from .sampled_pixels import Suspicion, View

_CODED = 0.05
"""Part of the pixels from which on frequent values that are no labels are a coding of their own."""

_REACH = 8
"""JPEG rings within its blocks of 8 x 8 pixels."""


def lossy(view: View, full: list[tuple[Array, tuple[int, int], Array]]) -> Iterator[Suspicion]:
    """Maps with many rare values around the edges between frequent ones.

    Parameters
    ----------
    view : View
    full : list of (raw values, (height, width) of the truth, truth labels (H, W) with -1 for void)
        Some of the predictions at full size.
    """
    maps = [(values, truth) for values, _, truth in full if values.ndim == 2 and values.dtype == np.uint8]
    if not maps or len(maps) < len(full) or grey_levels_count(view):
        return
    jpegs = sum(seen.jpeg for seen in view.seen)
    rare = [_rare(values) for values, _ in maps]
    distinct = [len(np.unique(values)) for values, _ in maps]
    true = [len(np.unique(truth[truth >= 0])) for _, truth in maps]
    if not any(odd.any() for odd, _ in rare):
        return
    pairs = [(values, *pair) for (values, _), pair in zip(maps, rare, strict=True) if pair[0].any()]
    local, base, close = np.mean([_locality(*pair) for pair in pairs], axis=0)
    many = np.median(distinct) >= max(2 * np.median(true), np.median(true) + 4)
    if not jpegs and not (many and local >= 0.8 and 1 - local <= 0.5 * (1 - base) and close >= 0.6):
        return
    outside = np.mean([_outside(*pair) for pair in pairs])
    jpeg = bool(jpegs or outside > 0.15)
    share = float(np.mean([odd.mean() for odd, _ in rare]))
    evidence = (
        f"{jpegs} of {len(view.seen)} files are JPEG",
        f"a file holds {np.median(distinct):.0f} different values, its truth {np.median(true):.0f} (medians of "
        f"{counted(len(maps), 'file')})",
        f"{share:.2%} of the pixels hold rare values; {local:.0%} of these lie within {_REACH} pixels of an edge "
        f"between frequent values ({base:.0%} of all pixels do), {outside:.0%} beyond the values around",
    )
    yield _suspicion(view, jpeg, evidence, _snap(maps, view.info.predictable, certain=bool(jpegs)), certain=bool(jpegs))


def _snap(maps: list[tuple[Array, Array]], labels: frozenset[int], *, certain: bool) -> Snap:
    """How values become clear again: as labels, or where these are coded otherwise as that code, which is told next."""
    anything = Snap(frozenset(range(256)))
    foreign = [~np.isin(anything(values, truth.shape), list(labels)) for values, truth in maps]
    if certain and np.mean([each.mean() for each in foreign]) > _CODED:
        return anything
    snaps = [Snap(labels, every) for every in (False, True)]
    return max(snaps, key=lambda each: sum(_agreement(each, *pair) for pair in maps))


def _agreement(snap: Snap, values: Array, truth: Array) -> float:
    """Part of the counted pixels that a remedy makes right; 0 where the sizes differ."""
    repaired, counted = snap(values, truth.shape), truth >= 0
    return float((repaired == truth)[counted].mean()) if repaired.shape == truth.shape and counted.any() else 0.0


def _suspicion(view: View, jpeg: bool, evidence: tuple[str, ...], snap: Snap, certain: bool) -> Suspicion:
    what = "damaged by JPEG compression" if jpeg else "interpolated, so that values between labels appear"
    return Suspicion(
        "jpeg" if jpeg else "interpolated",
        f"label maps were {what}",
        evidence,
        "Predict again and save as PNG, which keeps every value."
        if jpeg
        else "Resize label maps with nearest neighbour only.",
        (Read("half"),) if view.info.task == "binary" else (snap,),
        estimate=True,
        certain=certain,
    )


def grey_levels_count(view: View) -> bool:
    """Whether the dataset reads 8-bit grey levels as probabilities, so that any level is a fair prediction."""
    return view.info.task == "binary" and view.decode(np.array([[0, 3, 200, 255]], np.uint8)) is not None


def _rare(values: Array) -> tuple[Array, Array]:
    """Where a map holds values that are not frequent in it, and the map with each of its values at a frequent one."""
    keep = frequent(np.bincount(values.ravel(), minlength=256))
    if not keep:
        return np.zeros(values.shape, bool), values
    nearest = np.abs(np.arange(256)[:, None] - np.array(keep)[None]).argmin(axis=1)
    return ~np.isin(values, keep), np.array(keep, np.uint8)[nearest][values]


def _locality(values: Array, odd: Array, labels: Array) -> tuple[float, float, float]:
    """Part of the rare pixels near an edge, part of all pixels near one, and part of the rare ones like a neighbour.

    Noise and small segments lie anywhere; ringing and interpolation lie at edges, and change gradually.
    """
    smooth = cv2.medianBlur(labels, 5)
    square = np.ones((3, 3), np.uint8)
    edges = (cv2.dilate(smooth, square) != cv2.erode(smooth, square)).astype(np.uint8)
    near = cv2.dilate(edges, np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8)).astype(bool)
    signed = values.astype(np.int64)
    steps = [np.abs(signed - np.roll(signed, shift, axis)) for shift in (-1, 1) for axis in (0, 1)]
    # Of the four neighbours, one that is a little different: the next of a gradual change.
    alike = np.any([(step > 0) & (step <= 4) for step in steps], axis=0)
    return float(near[odd].mean()), float(near.mean()), float(alike[odd].mean())


def _outside(values: Array, odd: Array, labels: Array) -> float:
    """Part of the rare pixels below or above all frequent values around: JPEG overshoots, interpolation never does."""
    window = np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8)
    smooth = cv2.medianBlur(labels, 5)
    low, high = cv2.erode(smooth, window), cv2.dilate(smooth, window)
    return float(((values < low) | (values > high))[odd].mean())
