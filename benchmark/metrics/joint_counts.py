"""Joint counting of two label maps: the one place where pixels are counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..io import native
from ..types import Array, Int64, Uint8

_BLOCK = 1 << 22
"""Pixels counted at once: bounds the memory, and a histogram bin (float32) stays exact below 2**24."""

_MAX_SHARE_OF_RUNS = 1 / 16
"""Runs per pixel below which counting runs is quicker than a histogram of all pixels."""

Counts = tuple[Int64, Int64, Int64]


class _Known(threading.local):
    """The pair of label maps that this thread has counted last within `counted_once`; None outside of it."""

    pair: tuple[Array, Array, Counts] | None = None
    inside: bool = False


_known = _Known()


@contextmanager
def counted_once() -> Iterator[None]:
    """Within it `shared_counts` counts two label maps once in this thread, whichever families ask.

    They may not change meanwhile. Maps are known again as the same objects, not by their content.
    """
    before = _known.inside, _known.pair
    _known.inside, _known.pair = True, None
    try:
        yield
    finally:
        _known.inside, _known.pair = before


def shared_counts(first: Array, second: Array) -> Counts:
    """`joint_counts` of the (H, W) label maps of a sample, which other families ask for too: see `counted_once`."""
    if not _known.inside:
        return joint_counts(first, second)
    if _known.pair is None or _known.pair[0] is not first or _known.pair[1] is not second:
        _known.pair = first, second, joint_counts(first, second)
    return _known.pair[2]


def joint_counts(first: Array, second: Array) -> Counts:
    """Count how often each pair of labels occurs at the same place.

    Safe to call from several threads; most of the work runs without the interpreter's lock.

    Parameters
    ----------
    first, second : integer or boolean arrays of one shape
        Label maps, of any values that fit into int64.

    Returns
    -------
    (first_labels, second_labels, pixels) : three int64 arrays of one length
        The pairs that occur, in ascending order of (first, second), and their exact counts.

    Raises
    ------
    ValueError
        If the shapes differ, or a label does not fit into int64.
    """
    if first.shape != second.shape:
        raise ValueError(f"shapes differ: {first.shape} and {second.shape}")
    if first.size == 0:
        empty = np.zeros(0, np.int64)
        return empty, empty, empty
    if first.flags.f_contiguous and second.flags.f_contiguous:
        first, second = first.T, second.T  # the same pairs, in the order of memory
    counted = native.joint_counts(first, second)
    return counted if counted is not None else _counted_by_numpy(first, second)


def _counted_by_numpy(first: Array, second: Array) -> Counts:
    rows, row_low, row_span = _from_zero(first)
    columns, column_low, column_span = _from_zero(second)
    if row_span > (2**62) // column_span:
        return _counts_of_ranks(rows, columns, row_low, column_low)
    blocks = [
        _count_block(rows[start : start + _BLOCK], columns[start : start + _BLOCK], row_span, column_span)
        for start in range(0, rows.size, _BLOCK)
    ]
    keys, pixels = blocks[0]
    if len(blocks) > 1:
        keys, pixels = _summed(np.concatenate([b[0] for b in blocks]), np.concatenate([b[1] for b in blocks]))
    first_labels, second_labels = np.divmod(keys, column_span)
    return first_labels + row_low, second_labels + column_low, pixels


def _from_zero(labels: Array) -> tuple[Array, int, int]:
    """Flat labels shifted to lie in 0..span - 1, as uint8 where they fit; the shift; and the span, at least 2."""
    flat = np.ascontiguousarray(labels).reshape(-1)
    if flat.dtype == np.bool_:
        flat = flat.view(np.uint8)
    if flat.dtype == np.uint8:
        return flat, 0, max(2, int(flat.max()) + 1)
    low, high = int(flat.min()), int(flat.max())
    if high >= 2**63:
        raise ValueError(f"label {high} does not fit into int64")
    if low >= 0 and high < 2**31:
        return flat.astype(np.uint8) if high < 256 else flat, 0, max(2, high + 1)
    span = max(2, high - low + 1)
    if span <= 256:  # arithmetic modulo 256 is exact for these
        return flat.astype(np.uint8) - np.uint8(low % 256), low, span
    if span > 2**62:  # too wide for any key: their ranks will be counted
        return flat, 0, span
    return flat.astype(np.int64) - low, low, span


def _count_block(rows: Array, columns: Array, row_span: int, column_span: int) -> tuple[Int64, Int64]:
    """Ascending keys `row * column_span + column` that occur, and their counts."""
    small = rows.dtype == columns.dtype == np.uint8
    if small and row_span == column_span == 2:
        return _binary(rows, columns)
    runs = _runs_per_pixel(rows, columns)
    if small and runs > _MAX_SHARE_OF_RUNS and rows.size >= 1024:
        return _occurring(_histogram(rows, columns, row_span, column_span, deal=runs < 0.5))
    lengths = None
    if runs < 0.25:
        ends = _run_ends(rows, columns)
        rows, columns, lengths = rows.take(ends), columns.take(ends), np.diff(ends, prepend=-1)
    keys = rows.astype(np.int64)
    keys *= column_span
    keys += columns.astype(np.int64)
    if row_span * column_span <= 2 * keys.size + 65_536:
        # Sums of whole numbers below 2**53 are exact in doubles.
        return _occurring(np.bincount(keys, weights=lengths))
    return _summed(keys, np.ones(keys.size, np.int64) if lengths is None else lengths)


def _binary(rows: Uint8, columns: Uint8) -> tuple[Int64, Int64]:
    """Counts of two masks of 0 and 1: three sums say all, and OpenCV's are exact for them."""
    import cv2

    a, b = rows.reshape(1, -1), columns.reshape(1, -1)
    first, second = int(cv2.norm(a, cv2.NORM_L1)), int(cv2.norm(b, cv2.NORM_L1))
    both = (first + second - int(cv2.norm(a, b, cv2.NORM_L1))) // 2
    return _occurring(np.array([rows.size - first - second + both, second - both, first - both, both]))


def _runs_per_pixel(rows: Array, columns: Array) -> float:
    """Runs of equal pairs per pixel in 16 short stretches of the image."""
    stretches, length = 16, 1024
    step = rows.size // stretches
    if step <= length:
        a, b = rows[np.newaxis], columns[np.newaxis]
    else:
        a, b = (part[: stretches * step].reshape(stretches, step)[:, :length] for part in (rows, columns))
    changes = (a[:, 1:] != a[:, :-1]) | (b[:, 1:] != b[:, :-1])
    return float(np.count_nonzero(changes) / max(1, changes.size))


def _run_ends(rows: Array, columns: Array) -> Int64:
    """Where runs of equal pairs end, ascending; the last pixel is one."""
    size = rows.size
    changes = np.zeros(-(-size // 8) * 8, np.bool_)
    inner = changes[: size - 1]
    np.not_equal(rows[1:], rows[:-1], out=inner)
    inner |= columns[1:] != columns[:-1]
    changes[size - 1] = True
    # Sought among groups of 8 first, which is twice as quick as pixel by pixel.
    groups = changes.view(np.uint64)
    found = (groups != 0).nonzero()[0]
    within: Int64 = groups.take(found).view(np.bool_).nonzero()[0]
    found -= np.arange(found.size)
    found *= 8
    within += found.take(within >> 3)
    return within


def _histogram(rows: Uint8, columns: Uint8, row_span: int, column_span: int, *, deal: bool) -> Array:
    """Dense counts (row_span * column_span,) float32 of 4 to 2**24 - 1 pixels.

    `deal` is for images whose neighbours are mostly equal: a bin that is raised twice in a row has to wait for itself,
    which dealing out the four quarters of the image in turn avoids.
    """
    import cv2

    quarter = rows.size // 4
    images: list[Array] = [rows[: 4 * quarter].reshape(4, -1), columns[: 4 * quarter].reshape(4, -1)]
    if deal:
        images = [cv2.merge([q.reshape(1, -1) for q in quarters]).reshape(1, -1) for quarters in images]
    counts = cv2.calcHist(images, [0, 1], None, [row_span, column_span], [0, row_span, 0, column_span]).reshape(-1)
    rest = slice(4 * quarter, None)
    for row, column in zip(rows[rest].tolist(), columns[rest].tolist(), strict=True):
        counts[row * column_span + column] += 1
    return counts


def _occurring(dense: Array) -> tuple[Int64, Int64]:
    """Keys and counts of a dense table that are not 0."""
    keys = dense.nonzero()[0]
    return keys, dense[keys].astype(np.int64)


def _summed(keys: Int64, pixels: Int64) -> tuple[Int64, Int64]:
    """Ascending keys, each once, with the sums of their counts."""
    bits = int(pixels.max()).bit_length()
    if int(keys.max()) < 2 ** (63 - bits):
        # Sorted together in one number, which is several times as quick as an order.
        both = (keys << bits) | pixels
        both.sort()
        keys, pixels = both >> bits, both & (2**bits - 1)
    else:
        order = keys.argsort()
        keys, pixels = keys[order], pixels[order]
    starts = np.concatenate([[0], (keys[1:] != keys[:-1]).nonzero()[0] + 1])
    return keys[starts], np.add.reduceat(pixels, starts)


def _counts_of_ranks(rows: Array, columns: Array, row_low: int, column_low: int) -> Counts:
    """Counts of labels so far apart that a pair's key would not fit: their ranks are counted instead."""
    known_rows, row_ranks = np.unique(rows, return_inverse=True)
    known_columns, column_ranks = np.unique(columns, return_inverse=True)
    first, second, pixels = joint_counts(row_ranks, column_ranks)
    return (
        known_rows.astype(np.int64)[first] + row_low,
        known_columns.astype(np.int64)[second] + column_low,
        pixels,
    )
