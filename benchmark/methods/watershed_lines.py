"""Watershed basins and the lines between them: thin outlines without gaps from an uncertain map."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from ..types import Array, Float32, Float64, Int64

_BLUR = 1.5
"""Standard deviation in pixels of the blur before basins of probabilities are looked for: noisy pixels make none."""

_BORDER = 0.45
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
"""A pixel's neighbours are the four beside it, here as in the flooding and in the segments that are scored."""


def valleys(relief: Float32, depth: float) -> Array:
    """Minima of a relief (h, w) that are deeper than `depth`, with what lies less than that above them and is not cut
    off by a rise; numbered from 1, (h, w) int32. Where there is none, all is one.

    These are the extended minima of Soille, "Morphological Image Analysis" (2003), section 6.3.5.
    """
    from skimage.measure import label
    from skimage.morphology import local_minima, reconstruction

    levels = np.asarray(relief, np.float32)
    raised = levels + np.float32(depth)
    filled = reconstruction(raised, levels, method="erosion", footprint=_CROSS)  # type: ignore[no-untyped-call]
    lowest = local_minima(np.asarray(filled, np.float32), connectivity=1)  # type: ignore[no-untyped-call]
    found = label(np.asarray(lowest), connectivity=1)  # type: ignore[no-untyped-call]
    return np.asarray(found if found.any() else np.ones(relief.shape), np.int32)


def flood(relief: Float32, markers: Array, compactness: float = 0.0) -> Array:
    """Basins (h, w) int32, numbered from 0, of a relief flooded from markers that are numbered from 1."""
    from skimage.segmentation import watershed

    found = watershed(relief, markers, compactness=compactness)  # type: ignore[no-untyped-call]
    return np.asarray(found, np.int32) - 1


def without_gaps(probabilities: Float32, depth: float) -> Float32:
    """Probabilities (h, w) of cells in which no gap in an outline joins two of them.

    Where a faint stretch of an outline stays above the threshold, the cells on both sides become one, however clear the
    rest of it is. So the borders of the basins are taken instead, each as strong as it is on the whole: they get values
    up to 0.45, the stronger the lower, and everything else at least 0.45. A threshold at 0.5 gives what it gave before,
    but for these thin borders; lower ones give the cells, from the finest to the coarsest.

    Parameters
    ----------
    probabilities : (h, w) float32 in 0..1, of the inside
    depth : how much less probable the inside has to become on every way from one basin to another.

    References
    ----------
    Arbelaez et al., "Contour detection and hierarchical image segmentation", IEEE TPAMI 33(5):898-916 (2011), section
    3.3: the ultrametric map of basins that are joined by the lowest mean border.
    """
    from scipy.ndimage import gaussian_filter

    relief = 1 - gaussian_filter(probabilities, _BLUR)
    strength = borders(flood(relief, valleys(relief, depth)), relief)
    found = np.where(strength > 0, _BORDER * (1 - strength), np.maximum(probabilities, _BORDER))
    return np.asarray(found, np.float32)


def neighbours(regions: Array, relief: Float32) -> tuple[Int64, Float64, Int64, list[Array]]:
    """Pairs of regions that touch.

    Returns
    -------
    pairs : (E, 2) int64, the lower number first
    height : (E,) float64, sum of the relief along the border
    length : (E,) int64, number of steps across the border
    place : for steps along rows and along columns the pair (h - 1, w) and (h, w - 1) int64, -1 inside a region
    """
    number = int(regions.max()) + 1
    names, heights = [], []
    for before, after in _STEPS:
        first, second = regions[before].astype(np.int64), regions[after].astype(np.int64)
        names.append(np.where(first != second, np.minimum(first, second) * number + np.maximum(first, second), -1))
        heights.append(np.maximum(relief[before], relief[after]))
    flat = np.concatenate([part.ravel() for part in names])
    found, where = np.unique(flat, return_inverse=True)
    inside = int(found[0] == -1) if len(found) else 0
    where = where.ravel() - inside
    border = where >= 0
    weights = np.concatenate([part.ravel() for part in heights])[border]
    count = len(found) - inside
    pairs = np.stack([found[inside:] // number, found[inside:] % number], axis=1)
    size = names[0].size
    where = np.where(border, where, -1)
    place: list[Array] = [where[:size].reshape(names[0].shape), where[size:].reshape(names[1].shape)]
    sums = np.asarray(np.bincount(where[border], weights, count), np.float64)
    return pairs, sums, np.asarray(np.bincount(where[border], minlength=count), np.int64), place


_ALL = slice(None)
_STEPS: tuple[tuple[Any, Any], ...] = (
    ((slice(None, -1), _ALL), (slice(1, None), _ALL)),
    ((_ALL, slice(None, -1)), (_ALL, slice(1, None))),
)


def merge_heights(pairs: Int64, height: Float64, length: Int64) -> Float64:
    """The height (E,) at which the regions of each pair become one when the lowest mean border always goes first.

    Borders of joined regions are pooled, so that one gap in a long border does not open it. Heights never fall.
    """
    near: dict[int, dict[int, tuple[float, int, list[int]]]] = {}
    heap: list[tuple[float, int, int, int]] = []
    for edge, (a, b) in enumerate(pairs.tolist()):
        near.setdefault(a, {})[b] = near.setdefault(b, {})[a] = (float(height[edge]), int(length[edge]), [edge])
        heap.append((float(height[edge] / length[edge]), int(length[edge]), a, b))
    heapq.heapify(heap)
    result = np.zeros(len(pairs))
    reached = 0.0
    while heap:
        mean, steps, a, b = heapq.heappop(heap)
        entry = near.get(a, {}).get(b)
        if entry is None or (entry[0] / entry[1], entry[1]) != (mean, steps):
            continue  # one of both was joined to another since
        reached = max(reached, mean)
        result[entry[2]] = reached
        if len(near[a]) < len(near[b]):
            a, b = b, a
        del near[a][b]
        for other, (total, steps, edges) in near.pop(b).items():
            if other == a:
                continue
            del near[other][b]
            mine = near[a].get(other, (0.0, 0, []))
            pooled = (mine[0] + total, mine[1] + steps, mine[2] + edges)
            near[a][other] = near[other][a] = pooled
            heapq.heappush(heap, (pooled[0] / pooled[1], pooled[1], min(a, other), max(a, other)))
    return result


def borders(regions: Array, relief: Float32) -> Float32:
    """The borders between regions (h, w) on a relief (h, w): the height at which both sides become one, 0 inside."""
    pairs, height, length, place = neighbours(regions, relief)
    result = np.zeros(regions.shape, np.float32)
    if not len(pairs):
        return result
    heights = np.append(merge_heights(pairs, height, length), 0.0).astype(np.float32)
    for (before, _), where in zip(_STEPS, place, strict=True):
        result[before] = np.maximum(result[before], heights[where])
    return result
