"""Sums of doubles that are the same on every machine: a BLAS sums in an order of its own on each kind of processor."""

from __future__ import annotations

import math

import numpy as np

from ..types import Float64, Int64


def weighted_sums(weights: Int64, values: Float64) -> Float64:
    """Sum n values with each of B sets of weights.

    Parameters
    ----------
    weights : (B, n) int64
    values : (n, ...) float64

    Returns
    -------
    (B, ...) float64
        `weights @ values`, each sum taken in NumPy's pairwise order over n.
    """
    drawn = weights.astype(np.float64)
    columns = np.ascontiguousarray(values.reshape(len(values), math.prod(values.shape[1:])).T)
    total = np.empty((len(weights), len(columns)))
    for position, column in enumerate(columns):
        total[:, position] = (drawn * column).sum(axis=1)
    return total.reshape(len(weights), *values.shape[1:])
