"""Distances between sets of points on a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..io import native
from ..types import Float64, Int64

_PERCENTILE = 95


def nearest(points: Int64, others: Int64, spacing: Sequence[float]) -> Float64:
    """Distance of every point (n, D) to the nearest of the others (m, D), (n,) float64: exact up to the last root.

    `spacing` holds the length of a step along each of the D axes.
    """
    squares = native.nearest_squares(points, others) if tuple(spacing) == (1.0, 1.0) else None
    return _found(points, others, spacing)[0] if squares is None else np.sqrt(squares)


def nearest_by_steps(points: Int64, others: Int64, spacing: Sequence[float]) -> Float64:
    """The same (n,) from the steps between both: equal steps are equally long wherever they are, bit for bit."""
    steps = (points - others[_found(points, others, spacing)[1]]) * np.array(spacing)
    distances: Float64 = np.sqrt((steps * steps).sum(axis=1))
    return distances


def _found(points: Int64, others: Int64, spacing: Sequence[float]) -> tuple[Float64, Int64]:
    from scipy.spatial import cKDTree

    tree = cKDTree(others * np.array(spacing), balanced_tree=False, compact_nodes=False)
    distances, places = tree.query(points * np.array(spacing))
    return distances, places


def hausdorff95(one: Float64, other: Float64) -> float:
    """The larger of the 95th percentiles, linear between ranks, of the distances (n,) and (m,) of either side."""
    return float(max(np.percentile(one, _PERCENTILE), np.percentile(other, _PERCENTILE)))
