"""Label maps whose values are replaced by the places of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from ..types import Array, ClassInfo
from .pair_counts import ranks


def class_maps(
    truth: Array, predicted: Array, classes: Sequence[ClassInfo], void: frozenset[int]
) -> tuple[Array, Array]:
    """Both maps (H, W) uint8 or uint16: 1 to C for the scored classes, 0 for all else and where the truth is void."""
    places = {label: place + 1 for label, place in ranks(classes).items()}
    true, found = _replaced(truth, places), _replaced(predicted, places)
    if void:
        found[is_void(truth, void)] = 0
    return true, found


def is_void(truth: Array, void: frozenset[int]) -> Array:
    """Where the truth (H, W) holds one of these labels, (H, W) bool."""
    return _replaced(truth, dict.fromkeys(void, 1)) > 0 if void else np.zeros(truth.shape, bool)


def _replaced(labels: Array, values: Mapping[int, int]) -> Array:
    """Labels replaced by these values, by 0 where there is none; uint8, or uint16 where that is too small."""
    if labels.dtype == np.uint8 and labels.size and max(values.values()) < 256:
        return np.asarray(cv2.LUT(labels, np.array([values.get(label, 0) for label in range(256)], np.uint8)))
    low, high = min(values) - 1, max(values) + 1
    table = np.zeros(high - low + 1, np.min_scalar_type(max(values.values())))
    table[np.array(list(values)) - low] = list(values.values())
    return np.asarray(table[np.clip(labels.astype(np.int64), low, high) - low])


def is_called_background(each: ClassInfo) -> bool:
    """Whether a class is nothing but what is left: its name says no more."""
    return each.name.strip().lower() in ("background", "bg")
