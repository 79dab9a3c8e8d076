"""What a classical method sees in an image, step by step, as pictures of the size that it works at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ...types import Array, Uint8
from .method import ClassicalMethod
from .working_image import WorkingImage

_FEW = 16
"""Labels up to which a map is shown by its mean colours alone; above, the outlines of its regions are drawn too."""
_LINE = (255, 220, 0)


@dataclass(frozen=True)
class StepPicture:
    """One step: what it is, and how it looks, (h, w, 3) uint8."""

    what: str
    picture: Uint8


def step_pictures(method: ClassicalMethod, image: Uint8, params: Mapping[str, Any]) -> Iterator[StepPicture]:
    """The image as it is worked on, everything that the method makes of it, and the result.

    Parameters
    ----------
    method : one that needs no fit to segment.
    image : (H, W) or (H, W, 3) uint8.
    params : a candidate of the method, a value for every setting that is searched.
    """
    working = WorkingImage(image, method.settings.max_pixels)
    colours = _three(working.pixels)
    yield StepPicture("image", colours)
    found = method.segmented(working, params)
    seen: list[Array] = []
    for what, values in working.steps.items():
        if not _is_among(values, seen):  # such as after a blur of 0 pixels
            yield _shown(what, values, colours)
        seen.append(values)
    if found.values is not None:
        yield from _sides(found.values, colours)
    if found.regions is not None and not _is_among(found.regions, seen):
        painted = _outlined(found.regions, _painted(found.regions, colours))
        yield StepPicture(f"regions: {len(np.unique(found.regions))}", painted)


def _is_among(values: Array, seen: Sequence[Array]) -> bool:
    return any(values is each or np.array_equal(values, each) for each in seen)


def _sides(values: Array, colours: Uint8) -> Iterator[StepPicture]:
    """Values, and the two sides of them."""
    yield _shown("values (split at 0.5)", values, colours)
    side = values > 0.5
    tinted = np.where(side[..., None], colours // 2 + np.array([0, 110, 60], np.uint8), colours // 3)
    yield StepPicture(f"the side above 0.5: {side.mean():.1%} of the pixels", tinted.astype(np.uint8))


def _shown(what: str, values: Array, colours: Uint8) -> StepPicture:
    """A map or colours; the range of grey ones is said."""
    if values.dtype == bool:
        return StepPicture(what, _three(values.astype(np.uint8) * 255))
    if values.dtype.kind in "iu":
        count = len(np.unique(values[values > 0] if what.startswith("markers") else values))
        return StepPicture(f"{what}: {count}", _labels(what, values, colours))
    if values.ndim == 3 and values.shape[2] == 3:
        lab = what.startswith("color (lab")
        shown = cv2.cvtColor(values * np.float32(100), cv2.COLOR_Lab2RGB) if lab else values
        return StepPicture(what, np.asarray(np.clip(shown * 255, 0, 255), np.uint8))
    flat = values.reshape(values.shape[:2])
    low, high = float(flat.min()), float(flat.max())
    grey = (flat - low) / max(high - low, 1e-9) * 255
    return StepPicture(f"{what}, black {low:.3g}, white {high:.3g}", _three(grey.astype(np.uint8)))


def _labels(what: str, labels: Array, colours: Uint8) -> Uint8:
    if what.startswith("markers"):
        spots = cv2.dilate((labels > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        return np.where(spots[..., None], np.array(_LINE, np.uint8), colours // 2)
    painted = _painted(labels, colours)
    return painted if len(np.unique(labels)) <= _FEW else _outlined(labels, painted)


def _painted(labels: Array, colours: Uint8) -> Uint8:
    """Every label in the mean colour of its pixels."""
    _, places = np.unique(labels, return_inverse=True)
    flat, pixels = places.ravel(), colours.reshape(-1, 3)
    counts = np.bincount(flat)
    means = np.stack([np.bincount(flat, pixels[:, channel]) / counts for channel in range(3)], axis=1)
    return np.asarray(means[flat].reshape(colours.shape).round(), np.uint8)


def _outlined(labels: Array, painted: Uint8) -> Uint8:
    """Lines where a pixel's right or lower neighbour is of another label."""
    line = np.zeros(labels.shape, bool)
    line[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    line[:-1] |= labels[1:] != labels[:-1]
    return np.where(line[..., None], np.array(_LINE, np.uint8), painted)


def _three(pixels: Uint8) -> Uint8:
    """(h, w) or (h, w, 3) as (h, w, 3)."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
