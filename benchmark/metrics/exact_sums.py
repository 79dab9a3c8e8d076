"""Sums of doubles that are the same on every machine: a BLAS sums in an order of its own on each kind of processor."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..types import Float64, Int64

_AT_ONCE = 1 << 18
"""Weights that are taken at once: they stay in the processor's cache."""


def weighted_sums(weights: Int64, values: Float64) -> Float64:
    """Sum n values with each of B sets of weights.

    Parameters
    ----------
    weights : (B, n) int64
    values : (n, ...) float64

    Returns
    -------
    (B, ...) float64
        `weights @ values`, each sum taken in NumPy's order over n: pairwise where a set of weights lies in one piece,
        one sample after the other where the sets lie side by side.
    """
    columns = np.ascontiguousarray(values.reshape(len(values), math.prod(values.shape[1:])).T)
    total = np.empty((len(weights), len(columns)))
    for rows in _parts(len(weights), max(1, _AT_ONCE // max(len(values), 1))):
        drawn = weights[rows].astype(np.float64)
        for position, column in enumerate(columns):
            total[rows, position] = (drawn * column).sum(axis=1)
    return total.reshape(len(weights), *values.shape[1:])


def _parts(sets: int, at_once: int) -> Iterator[slice]:
    """So many sets of weights at a time, and never a last one alone: NumPy sums a single row in another order."""
    start = 0
    while start < sets:
        stop = sets if sets - start <= at_once + 1 and at_once > 1 else start + at_once
        yield slice(start, stop)
        start = stop
