"""Pixels of all images by the level of their probability, pooled over resamples of the images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..types import Array, Float64, Int64, Statistic
from .probability_levels import LEVELS

_LEVELS_AT_ONCE = 512
_IMAGES_AT_ONCE = 2048
"""Of a table that is laid out densely at once, so that memory does not grow with it."""

_EXACT_IN_FLOATS = 1 << 24
"""Floats hold all whole numbers below."""

NO_LEVEL = -1
"""Of the pixels of a prediction without probabilities."""

COLUMNS = ("level", "background", "foreground")
"""Of a statistic: a level, and the pixels of each side that have it."""


@dataclass(frozen=True)
class Weights:
    """How often each image is drawn, (B, n), as each kind of numbers that is multiplied; `heaviest` is the largest."""

    weights: Int64

    @cached_property
    def heaviest(self) -> int:
        return int(self.weights.max(initial=0))

    @cached_property
    def used(self) -> Array:
        """Which images (n,) are drawn at all: one of a few where samples are scored alone."""
        return np.asarray(self.weights.any(axis=0))

    @cached_property
    def floats(self) -> Array:
        return self.weights.astype(np.float32)

    @cached_property
    def doubles(self) -> Float64:
        return self.weights.astype(np.float64)


@dataclass(frozen=True)
class _Part:
    """Pixels of k neighbouring images at l neighbouring levels: sparse matrices (k, l) of floats."""

    images: slice
    background: Any
    foreground: Any


@dataclass(frozen=True)
class _Levels:
    """Neighbouring levels, from the highest down, with the pixels of all images at them; `most` at one of them.

    whole, whole_less : (2, width) float64, background and foreground of all images: of the run, and of that which is
        taken from it
    """

    most: int
    parts: tuple[_Part, ...]
    whole: Float64
    whole_less: Float64

    def pooled(self, drawn: Weights) -> tuple[Array, Array]:
        """Pixels of background and foreground (B, width) of B resamples, floats or doubles.

        The sums are exact in any order: doubles hold whole numbers below 2^53, floats, which multiply twice as fast,
        below 2^24.
        """
        weights = drawn.floats if self.most * drawn.heaviest < _EXACT_IN_FLOATS else drawn.doubles
        background, foreground = np.zeros((2, len(weights), self.whole.shape[1]), weights.dtype)
        for part in self.parts:
            used, here, sides = drawn.used[part.images], weights[:, part.images], (part.background, part.foreground)
            if not used.all():
                here, sides = here[:, used], tuple(side[used] for side in sides)
            for total, side in zip((background, foreground), sides, strict=True):
                # images hold so many of the levels that dense products are quicker
                total += here @ side.toarray().astype(here.dtype, copy=False)
        return background, foreground


@dataclass(frozen=True)
class LevelTable:
    """Pixels of n images at the levels that any of them has; of a pair of runs those of the one less the other's.

    images, images_less : (n, 3) float64, of each image the true pixels of foreground and of background, and 1 where a
        prediction has no probabilities
    """

    levels: tuple[_Levels, ...]
    images: Float64
    images_less: Float64

    @classmethod
    def of(cls, statistics: Sequence[Statistic], less: Sequence[Statistic] = ()) -> LevelTable:
        """Of the statistics of one run, less those of another run on the same images."""
        rows = [s for pair in zip(statistics, less, strict=True) for s in pair] if less else statistics
        row = np.repeat(np.arange(len(rows), dtype=np.int32), [len(s.columns["level"]) for s in rows])
        level, *pixels = (
            np.concatenate([np.zeros(0, np.int64), *(s.columns[name] for s in rows)], dtype=kind)
            for name, kind in zip(COLUMNS, (np.int32, np.float64, np.float64), strict=True)
        )
        ranked = level != NO_LEVEL
        masks = np.bincount(row[~ranked], minlength=len(rows))
        if masks.any():
            row, level, *pixels = (each[ranked] for each in (row, level, *pixels))
        of_rows = np.stack([*(np.bincount(row, each, len(rows)) for each in pixels[::-1]), masks], axis=1)
        if not less:
            return cls(_levels(row, level, pixels, len(statistics)), of_rows, np.zeros_like(of_rows))
        for each in pixels:
            np.negative(each, out=each, where=row % 2 == 1)
        return cls(_levels(row // 2, level, pixels, len(statistics)), of_rows[::2], of_rows[1::2])


def _levels(image: Array, level: Array, pixels: Sequence[Float64], images: int) -> tuple[_Levels, ...]:
    """The table of (m,) entries, images rising, so many levels at a time; negative pixels are taken away."""
    occurring = np.bincount(level, minlength=LEVELS) > 0
    place = (occurring.sum() - occurring.cumsum()).astype(np.int32)[level]
    apart, both = (np.array([np.bincount(place, each) for each in sides]) for sides in (pixels, map(np.abs, pixels)))
    wholes = (both + apart) / 2, (both - apart) / 2
    block = (place // _LEVELS_AT_ONCE).astype(np.uint8)
    order = np.argsort(block, kind="stable")
    ends = np.cumsum(np.bincount(block)).tolist()
    found = []
    for number, (start, stop) in enumerate(zip([0, *ends], ends, strict=False)):
        here, first = order[start:stop], number * _LEVELS_AT_ONCE
        whole, less = (each[:, first : first + _LEVELS_AT_ONCE] for each in wholes)
        shape = images, whole.shape[1]
        parts = tuple(_parts(image[here], place[here] - first, [each[here] for each in pixels], shape))
        found.append(_Levels(int((whole + less).sum(axis=0).max()), parts, whole, less))
    return tuple(found)


def _parts(image: Array, place: Array, sides: Sequence[Float64], shape: tuple[int, int]) -> Iterator[_Part]:
    """Sparse matrices of a table of this shape, so many images at a time.

    Parameters
    ----------
    image, place : (m,) the row, rising, and the column of each entry
    sides : pixels (m,) of background and of foreground
    """
    from scipy.sparse import csr_array

    kind = np.float32 if max(np.abs(each).max() for each in sides) < _EXACT_IN_FLOATS else np.float64
    for first in range(0, shape[0], _IMAGES_AT_ONCE):
        last = min(first + _IMAGES_AT_ONCE, shape[0])
        start, stop = np.searchsorted(image, [first, last])
        rows = np.searchsorted(image[start:stop], np.arange(first, last + 1))
        matrices = (
            csr_array((each[start:stop].astype(kind), place[start:stop], rows), shape=(last - first, shape[1]))
            for each in sides
        )
        yield _Part(slice(first, last), *matrices)
