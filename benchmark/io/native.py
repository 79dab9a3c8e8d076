"""The compiled part (`benchmark/native`), where it was built: label maps are decoded and counted, distances
measured, and pairs tested.

It is optional and changes no result: each function here returns None where NumPy is to do the work, since the compiled
part is not there, is turned off, or leaves this case to it.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..types import Array, Float64, Int64

SWITCH = "SEGBENCH_NATIVE"
"""The environment variable that turns the compiled part off where it is 0, and keeps it to portable code where it is
`portable`."""

_INTERFACE = 5
"""What the compiled module has to be: a build of other sources than these, left behind in a checkout, is not used."""


def _loaded() -> Any:
    """The compiled module, None where it is not there or turned off."""
    wanted = os.environ.get(SWITCH)
    if wanted == "0":
        return None
    try:
        module = importlib.import_module(f"{__name__.partition('.')[0]}._native")
    except ImportError:
        return None
    if getattr(module, "INTERFACE", None) != _INTERFACE:
        return None
    module.portable(wanted == "portable")
    return module


_native = _loaded()


def engine() -> str:
    """What counts and decodes label maps: `native (AVX2)`, `native (portable)` or `numpy`."""
    return "numpy" if _native is None else f"native ({_native.instructions()})"


def joint_counts(first: Array, second: Array) -> tuple[Int64, Int64, Int64] | None:
    """As `metrics.joint_counts.joint_counts`, of arrays of one shape that are not empty; None where NumPy is to count.

    NumPy counts what is no integer or does not fit into int64, and what holds very many different pairs.
    """
    if _native is None:
        return None
    flat = [_plain(first), _plain(second)]
    found = None if flat[0] is None or flat[1] is None else _native.joint_counts(*flat)
    if found is None:
        return None
    rows, columns, pixels = (np.frombuffer(column, np.int64) for column in found)
    return rows, columns, pixels


def nearest_squares(points: Int64, others: Int64) -> Int64 | None:
    """Squared distance of each point (n, 2) to the nearest of the others (m, 2), (n,); None where SciPy is to do it.

    It is where points do not lie row by row, each once, at rows and columns from 0 to 2**24; and where there are none.
    """
    if _native is None or not (len(points) and len(others)):
        return None
    squares = np.empty(len(points), np.int64)
    flat = [np.ascontiguousarray(each, np.int64) for each in (points, others)]
    return squares if _native.nearest_squares(*flat, squares) else None


def add_to_bins(bins: int, pixels: Int64, sums: Float64, values: Sequence[Float64]) -> bool:
    """Add pixels to histograms of R kinds of confidence; false where NumPy is to do it.

    Parameters
    ----------
    bins : int
        Bins of equal width over 0 to 1, to which confidences on their upper edge belong.
    pixels, sums : (R * bins,) int64, and (values, R * bins) float64
        What they are added to.
    values : sequence of (R, n) float64
        At most 4, the confidences first.

    Raises ValueError for a confidence that is not in 0..1, with sums that are of no use.
    """
    if _native is None:
        return False
    flat = [np.ascontiguousarray(each, np.float64) for each in values]
    if not _native.add_to_bins(len(values[0]), bins, pixels, flat[0], sums, *flat):
        raise ValueError("a confidence is not in 0..1")
    return True


def grow_segments(numbers: Array, waiting: Array) -> bool:
    """Number pixels as `metrics.partition.thin_borders` says, in place; false where NumPy is to do it.

    numbers : (H, W) int32, and waiting : (H, W) bool, with a frame of one pixel in which none waits.
    """
    if _native is None:
        return False
    _native.grow_segments(numbers, waiting.view(np.uint8), *numbers.shape)
    return True


_MAX_THINNED = 1 << 32


def thin_to_lines(labels: Array, rules: bytes) -> bool:
    """Thin the classes of a label map to lines as `metrics.skeletons` says, in place; false where other code is to.

    labels : (H, W) uint16, with a frame of one pixel of 0. rules : of the 256 neighbourhoods, bits of the two passes.
    """
    if _native is None or labels.size >= _MAX_THINNED:
        return False
    _native.thin_to_lines(labels, *labels.shape, rules)
    return True


@dataclass(frozen=True)
class QuotientPairs:
    """Sums of runs that are compared by means of quotients, and the pairs.

    moved : (runs, 2 C, rows) float64, halves : (runs, 2 C) float64, as in `evaluation.swaps`: C numerators, and then
    their denominators. first, second : (P,) int64, the runs of each pair. nearby : (P,) int64, the order in which pairs
    are gone through: those of the same runs together, so that sums stay in the cache.
    """

    moved: Float64
    halves: Float64
    first: Int64
    second: Int64
    nearby: Int64

    @property
    def _buffers(self) -> tuple[Any, ...]:
        runs, sums, rows = self.moved.shape
        arrays = self.moved, self.halves, self.first, self.second, self.nearby
        return runs, sums // 2, rows, *map(np.ascontiguousarray, arrays)

    def differences(self) -> Float64 | None:
        """What each of the patterns makes of the pairs, (P, rows) float64, NaN where undefined."""
        if _native is None:
            return None
        apart = np.empty((len(self.first), self.moved.shape[2]))
        _native.quotient_differences(*self._buffers, apart)
        return apart

    def tally(self, order: Int64, thresholds: Sequence[Float64], counts: Sequence[Int64]) -> bool:
        """Raise the counts of `evaluation.chance.Extremes`, each (P,); false where NumPy is to do it."""
        if _native is None:
            return False
        _native.tally_quotients(*self._buffers, order, *thresholds, *counts)
        return True


MAX_SIDE = 1_000_000
"""Larger images are left to libpng, which refuses them."""

_MIN_KEPT = 1 << 16
"""Bytes below which an allocator keeps memory by itself."""

_DEFLATE, _MAX_WINDOW_BITS = 8, 15


def png_values(stream: bytes, rows: int, columns: int, bits: int) -> Array | None:
    """Values of a PNG file with one channel from its whole stream of pixels, not interlaced.

    Parameters
    ----------
    stream : bytes
        The content of its IDAT chunks.
    rows, columns : int
    bits : {1, 2, 4, 8, 16}

    Returns
    -------
    (rows, columns) uint8, or uint16 of 16 bits; None for a stream that is damaged or unusual in any way, on which
    another decoder has the last word
    """
    if _native is None or not (0 < rows <= MAX_SIDE and 0 < columns <= MAX_SIDE):
        return None
    size = rows * (1 + (columns * bits + 7) // 8)
    if not _is_usual(stream, size):
        return None
    import imagecodecs  # what counts alone does not wait for decoders

    buffer = empty((_native.LEAD + size,), np.uint8)
    try:
        found = imagecodecs.deflate_decode(stream, out=buffer.data[_native.LEAD :])  # checks the stream's own checksum
    except imagecodecs.DeflateError:
        return None
    if len(found) != size or not _native.unfilter(buffer, rows, columns, bits):
        return None
    if bits < 8:
        values = empty((rows, columns), np.uint8)
        _native.unpack(buffer[: rows * ((columns * bits + 7) // 8)], values, rows, columns, bits)
        return values
    return buffer[: rows * columns * bits // 8].view(np.uint8 if bits == 8 else np.uint16).reshape(rows, columns)


def empty(shape: tuple[int, ...], kind: DTypeLike) -> Array:
    """As `numpy.empty`, from memory that is reused once nobody holds the array: getting it from the system each time
    would take longer than decoding an image into it."""
    dtype = np.dtype(kind)
    size = math.prod(shape) * dtype.itemsize
    if _native is None or size < _MIN_KEPT:
        return np.empty(shape, dtype)
    return np.frombuffer(_native.memory(size), dtype).reshape(shape)


def release_memory() -> None:
    """Give the system back what is kept for the next image, once there is none."""
    if _native is not None:
        _native.release_memory()


def _is_usual(stream: bytes, size: int) -> bool:
    """Whether a stream of zlib looks back no further than it says: zlib holds it to that, other decoders do not."""
    if len(stream) < 2 or stream[0] & 15 != _DEFLATE:
        return False
    window_bits = (stream[0] >> 4) + 8
    return window_bits == _MAX_WINDOW_BITS or (window_bits < _MAX_WINDOW_BITS and size <= 1 << window_bits)


def _plain(labels: Array) -> Array | None:
    """Labels in the machine's own order of bytes and in one piece; None for those that C does not count."""
    if labels.dtype.kind not in "biu":
        return None
    if labels.dtype == np.uint64 and labels.max() >= 2**63:
        return None
    if labels.flags.c_contiguous and labels.flags.aligned and labels.dtype.isnative:
        return labels
    return np.require(labels, labels.dtype.newbyteorder("="), ["C", "A"])
