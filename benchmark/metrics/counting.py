"""Joint counting of two label maps: the one place where pixels are counted."""

from __future__ import annotations

import numpy as np

from ..types import Array, Int64

COUNTING_PATH = "numpy"


def joint_counts(first: Array, second: Array) -> tuple[Int64, Int64, Int64]:
    """Count how often each pair of labels occurs at the same place.

    Parameters
    ----------
    first, second : integer or boolean arrays of one shape
        Label maps, of any values.

    Returns
    -------
    (first_labels, second_labels, pixels) : three int64 arrays of one length
        The pairs that occur, in ascending order of (first, second), and their exact counts.
    """
    if first.shape != second.shape:
        raise ValueError(f"shapes differ: {first.shape} and {second.shape}")
    if first.size == 0:
        empty = np.zeros(0, np.int64)
        return empty, empty, empty
    rows, row_low, row_span = _offset(first)
    columns, column_low, column_span = _offset(second)
    if row_span > (2**62) // column_span:
        raise ValueError("label values span too wide a range to be counted")
    joint = rows * column_span + columns
    if row_span * column_span <= 4 * joint.size + 65_536:
        dense = np.bincount(joint, minlength=0)
        pairs = np.flatnonzero(dense)
        pixels = dense[pairs]
    else:
        pairs, pixels = np.unique(joint, return_counts=True)
    return (
        (pairs // column_span + row_low).astype(np.int64),
        (pairs % column_span + column_low).astype(np.int64),
        pixels.astype(np.int64),
    )


def _offset(labels: Array) -> tuple[Int64, int, int]:
    """Labels shifted to start at 0 as flat int64, the shift, and the size of their range."""
    flat = labels.ravel()
    low = int(flat.min())
    span = int(flat.max()) - low + 1
    return flat.astype(np.int64) - low, low, span
