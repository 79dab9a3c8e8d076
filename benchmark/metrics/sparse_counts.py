"""Right, true and predicted pixels of every class in each sample, stored as what is not zero: maps hold few classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..types import Array, Float64, Int64, Statistic
from .small_integers import smallest

_BLOCK_CELLS = 1 << 17
"""Cells that are laid out at once: they stay in the processor's cache, and memory does not grow with the split."""


@dataclass(frozen=True)
class _Block:
    """Neighbouring samples: where in their cells, one sample after the other, something is not zero, and how much."""

    samples: int
    places: Array
    pixels: Array


@dataclass(frozen=True)
class SparseCounts:
    """Pixels of each kind (right, true, predicted) and of C classes in each of n samples, block by block of samples."""

    classes: int
    blocks: tuple[_Block, ...]
    _last: list[tuple[Int64, Float64]] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def of(
        cls, statistics: Sequence[Statistic], classes: int, count: Callable[[Sequence[Statistic]], Int64]
    ) -> SparseCounts:
        """The counts of n statistics, of k of which `count` makes (k, 3, C) int64."""
        at_once = max(1, _BLOCK_CELLS // (3 * classes))
        parts = (statistics[start : start + at_once] for start in range(0, len(statistics), at_once))
        return cls(classes, tuple(_block(len(part), count(part)) for part in parts))

    def parts(self) -> Iterator[Int64]:
        """The counts of some samples after the other, (k, C, 3) int64; in memory kind lies by kind."""
        for block in self.blocks:
            cells = np.zeros((block.samples, 3, self.classes), np.int64)
            cells.reshape(-1)[block.places] = block.pixels
            yield np.moveaxis(cells, 1, 2)

    def dense(self) -> Int64:
        """The counts of all samples, (n, C, 3) int64; in memory kind lies by kind."""
        cells = np.zeros((sum(block.samples for block in self.blocks), 3, self.classes), np.int64)
        start = 0
        for block in self.blocks:
            stop = start + block.samples
            cells[start:stop].reshape(-1)[block.places] = block.pixels
            start = stop
        return np.moveaxis(cells, 1, 2)

    def of_classes(self, places: Sequence[int]) -> Int64:
        """The counts of some classes, in this order, of all samples, (n, k, 3) int64."""
        none = np.zeros((0, len(places), 3), np.int64)
        return np.concatenate([none, *(part[:, list(places)] for part in self.parts())])

    def truly_held(self) -> tuple[Int64, Int64]:
        """Samples, ascending, and the classes that they truly hold, each (k,)."""
        found = [np.zeros((2, 0), np.int64)]
        start = 0
        for block in self.blocks:
            row, cell = np.divmod(block.places.astype(np.int64), 3 * self.classes)
            kind, place = np.divmod(cell, self.classes)
            found.append(np.stack([row + start, place])[:, kind == 1])
            start += block.samples
        sample, place = np.concatenate(found, axis=1)
        return sample, place

    def pooled(self) -> Int64:
        """The pixels of all samples together, (C, 3) int64."""
        total = np.zeros(3 * self.classes, np.int64)
        for block in self.blocks:
            np.add.at(total, block.places.astype(np.int64) % total.size, block.pixels)
        return total.reshape(3, self.classes).T

    def summed(self, weights: Int64) -> Float64:
        """Sums (B, 3 C) with each of B sets of weights (B, n): all right pixels, then the true, then the predicted.

        Doubles hold these sums exactly (far below 2**53), so that the order of the samples does not matter. Of the same
        array as the last time the sums are not made again: means over classes and single classes ask in turn.
        """
        for known, sums in tuple(self._last):  # another thread may replace it meanwhile
            if known is weights:
                return sums
        width = 3 * self.classes
        total = np.zeros((len(weights), width))
        cells = np.zeros(max((block.samples for block in self.blocks), default=0) * width)
        start = 0
        for block in self.blocks:
            cells[block.places] = block.pixels
            stop = start + block.samples
            total += weights[:, start:stop].astype(np.float64) @ cells[: block.samples * width].reshape(-1, width)
            cells[block.places] = 0
            start = stop
        total.flags.writeable = False
        self._last[:] = [(weights, total)]
        return total


def _block(samples: int, counts: Int64) -> _Block:
    cells = counts.reshape(-1)
    places = np.flatnonzero(cells)
    return _Block(samples, smallest(places), smallest(cells[places]))
