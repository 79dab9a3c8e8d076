"""Two masks with swapped names: outlines mostly follow the edges of their own image, which shows whose they are.

How well a mask fits an image is the mean rank, 0 to 1, of the gradients of the image along the outlines of the mask. A
mask that has nothing to do with the image has about 0.5. Neighbours by name are compared with each other: those are
swapped where each mask fits the other's image better, by far more than chance and by half of what is usual the other
way round. Where masks usually do not fit their own image better than a neighbour's, nothing can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..io.images.picture import luma
from ..io.threads import map_in_threads
from ..text import counted, some
from ..types import Array, Dataset, Float64, Int64, Uint8, UserError

MIN_PAIRS = 10
"""Neighbours of which fewer do not say what is usual."""
MAX_SAMPLES = 2000
"""Samples that are looked at, the first by name."""

_SIDE = 256
"""Pixels of the longer side at which outlines are compared."""
_MIN_USUAL = 0.03
_ERRORS = 3
"""Standard errors that are more than chance."""
_RANK_DEVIATION, _ALIKE = 0.29, 10
"""Standard deviation of ranks from 0 to 1, and how many neighbouring pixels of an outline say no more than one."""
_THREADS = 4


@dataclass(frozen=True)
class _Outlines:
    """An image and its mask: the rank of the gradient of each pixel, (h * w,) 0 to 255, and the places of outlines."""

    sample_id: str
    ranks: Uint8
    shape: tuple[int, int]
    places: Int64

    def fit(self, other: _Outlines) -> float:
        """How well another one's mask fits this image, 0 to 1."""
        return float(self.ranks[other.places].mean()) / 255


def swapped_masks(dataset: Dataset, ids: Sequence[str]) -> list[str]:
    """A sentence where masks of neighbouring samples seem to be swapped.

    Parameters
    ----------
    ids : of samples whose image and labels can be read.
    """
    known = sorted(ids)[:MAX_SAMPLES]
    if len(known) <= MIN_PAIRS:
        return []
    pairs, better, pixels = [], [], []
    seen = map_in_threads(lambda sample_id: _outlines(dataset, sample_id), known, _THREADS)
    for one, other in pairwise(seen):
        if one is not None and other is not None and one.shape == other.shape:
            pairs.append((one.sample_id, other.sample_id))
            better.append((one.fit(one) - one.fit(other), other.fit(other) - other.fit(one)))
            pixels.append(min(len(one.places), len(other.places)))
    found = [pair for pair, odd in zip(pairs, _odd(np.array(better), np.array(pixels)), strict=True) if odd]
    if not found:
        return []
    named = some([f"'{one}' and '{other}'" for one, other in found], 5)
    return [
        f"the masks of {counted(len(found), 'pair')} of samples seem to be swapped ({named}): the outlines of each run "
        "along edges of the other's image, and not of its own. Look at them, and exchange the files."
    ]


def _odd(better: Float64, pixels: Int64) -> list[bool]:
    """Which pairs are swapped, from how much better (pairs, 2) their masks fit their own image than the other's."""
    usual = float(np.median(better.min(axis=1))) if len(better) >= MIN_PAIRS else 0.0
    if usual < _MIN_USUAL:
        return [False] * len(better)
    chance = _ERRORS * _RANK_DEVIATION * np.sqrt(2 * _ALIKE / pixels)
    odd: list[bool] = (better.max(axis=1) < -np.maximum(usual / 2, chance)).tolist()
    return odd


def _outlines(dataset: Dataset, sample_id: str) -> _Outlines | None:
    """None of a sample without an image, or without outlines."""
    import cv2

    try:
        sample = dataset.load(sample_id, ("image", "labels"))
    except UserError:
        return None  # which was said of it already
    if sample.image is None or sample.labels is None or sample.image.shape[:2] != sample.labels.shape:
        return None
    height, width = sample.labels.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.resize(luma(sample.image), size, interpolation=cv2.INTER_AREA)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    steep = cv2.dilate(np.hypot(across, down), np.ones((3, 3), np.uint8)).reshape(-1)
    ranks = np.empty(steep.size, np.uint8)
    ranks[np.argsort(steep, kind="stable")] = np.linspace(0, 255, steep.size).astype(np.uint8)
    rows, columns = ((np.arange(n) + 0.5) / n for n in (size[1], size[0]))
    labels = sample.labels[np.ix_((rows * height).astype(int), (columns * width).astype(int))]
    places = np.flatnonzero(_borders(labels))
    return _Outlines(sample_id, ranks, (size[1], size[0]), places) if places.size else None


def _borders(labels: Array) -> Array:
    """(H, W) bool: pixels beside one of another label."""
    found = np.zeros(labels.shape, bool)
    for along in (found.T, found):
        values = labels.T if along is not found else labels
        differ = values[1:] != values[:-1]
        along[1:] |= differ
        along[:-1] |= differ
    return found
