"""Probabilities of images in pieces that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..types import Array

_AT_ONCE = 1 << 18
"""Probabilities that are taken at once."""


def pieces(values: Array) -> Iterator[slice]:
    """Rows of an image of (H, W) or (C, H, W), as many at a time as stay in the cache."""
    height = values.shape[-2]
    step = max(1, _AT_ONCE * height // max(1, values.size))
    for start in range(0, height, step):
        yield slice(start, start + step)


def likeliest(values: Array) -> Array:
    """Place of the largest of probabilities (C, H, W), the first of equal ones, (H, W) uint8 or larger.

    None of them may be NaN.
    """
    found = np.zeros(values.shape[1:], np.min_scalar_type(len(values)))
    for rows in pieces(values):
        best, place = values[0, rows].copy(), found[rows]
        for number in range(1, len(values)):
            # Places go up, so the last one that was better is the largest.
            np.maximum(place, (values[number, rows] > best).view(np.uint8) * place.dtype.type(number), out=place)
            np.maximum(best, values[number, rows], out=best)
    return found


def holds_nan(values: Array) -> bool:
    """Whether any value (C, H, W) is NaN."""
    return any(bool(np.isnan(values[..., rows, :].max(initial=0))) for rows in pieces(values))
