"""Watershed: a relief is flooded from markers, and where two floods meet there is a border.

The relief is the gradient, or the image itself where dark or bright lines are the borders. Markers are its valleys of
some depth, the places that are furthest from any ridge, or a regular grid with a compactness that keeps catchment
basins round. Region growing then joins neighbours whose means differ by less than a tolerance.

Where lines are the borders, catchment basins are joined over the lowest mean border first, and a border is as probable
as the height at which its sides become one: thin membranes without gaps for ISBI 2012.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from segbench.methods import ClassicalMethod, ClassicalSettings
from segbench.methods.classical.region_classes import Segmentation, around_otsu, painted
from segbench.methods.classical.working_image import WorkingImage, blur
from segbench.methods.watershed_lines import borders, flood, neighbours, valleys
from segbench.settings import Choices, NonNegative
from segbench.types import Array, Float32, MethodInfo

GRID = 24
"""Pixels between the markers of a compact watershed, at the working size."""


class WatershedSettings(ClassicalSettings):
    """Relief, markers, smoothing, depth and region growing."""

    relief: Choices[Literal["gradient", "dark", "bright"]] = Field(default=["gradient", "dark", "bright"])
    """What is flooded: the gradient, or the image with dark or bright lines as ridges."""
    markers: Choices[Literal["valleys", "distance", "compact"]] = Field(default=["valleys", "distance", "compact"])
    """Where floods start: valleys, places furthest from ridges, or a grid with a compactness."""
    sigma: Choices[NonNegative] = Field(default=[2.0, 3.0])
    """Standard deviation in pixels of the Gaussian that smooths the image."""
    depth: Choices[NonNegative] = Field(default=[0.05])
    """Least depth of a valley, in units of the relief (0 to 1)."""
    tolerance: Choices[NonNegative] = Field(default=[0.0, 0.05])
    """Difference of mean grey values (0 to 1) below which neighbouring regions join; 0 joins none."""


class Watershed(ClassicalMethod):
    """Marker-controlled watershed with region growing; relief, markers and depth chosen on the training split."""

    info = MethodInfo(
        name="watershed",
        family="classical",
        summary="watershed from valleys, distances or a compact grid, then region growing",
        reference="Beucher & Meyer 1993; Neubert & Protzel: Compact watershed, 2014; Adams & Bischof 1994 (growing)",
        settings=WatershedSettings,
        tasks=("binary", "multiclass"),
    )

    regional = True

    def accepts(self, params: Mapping[str, Any], colored: bool) -> bool:
        """Only valleys have a depth."""
        del colored
        return bool(params["markers"] == "valleys" or params["depth"] == self.space["depth"][0])

    def segment(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
        """Catchment basins; values are the height of their borders where lines are borders, else their grey value."""
        key = tuple(params[name] for name in ("relief", "markers", "sigma", "depth"))
        relief = image.cached(("relief", key[0], key[2]), lambda: _relief(image, params["relief"], params["sigma"]))
        markers = image.cached(("markers", *key), lambda: _markers(relief, params))
        compactness = 0.001 if params["markers"] == "compact" else 0.0
        basins = image.cached(("basins", *key), lambda: flood(relief, markers, compactness))
        grey = image.smooth("grey", params["sigma"])
        regions = _grown(basins, grey, params["tolerance"])
        if params["relief"] == "gradient":
            return Segmentation(around_otsu(painted(regions, grey)), regions)
        return Segmentation(1 - borders(regions, relief), regions)


def _relief(image: WorkingImage, kind: str, sigma: float) -> Float32:
    """A relief (h, w) in 0..1 between its 5th and 99th percentile, high where borders are."""
    if kind == "gradient":
        values = image.gradient("grey", sigma)
    else:
        smooth = image.smooth("grey", sigma)
        # Against the surroundings, so that a dark cell is no ridge.
        values = (smooth - blur(smooth, 8 * sigma)) * (-1 if kind == "dark" else 1)
    low, high = np.percentile(values, (5, 99))
    return np.asarray(np.clip((values - low) / max(float(high - low), 1e-6), 0, 1), np.float32)


def _markers(relief: Float32, params: Mapping[str, Any]) -> Array:
    """Where floods start (h, w) int32, numbered from 1; 0 elsewhere."""
    if params["markers"] == "compact":
        return _grid(relief.shape)
    if params["markers"] == "distance":
        return _furthest(relief)
    return valleys(relief, params["depth"])


def _grid(shape: tuple[int, ...]) -> Array:
    """Markers on a regular grid, numbered from 1."""
    spacing = [max(2, round(side / max(1, side // GRID))) for side in shape]
    rows, columns = (np.arange(min(step // 2, side - 1), side, step) for step, side in zip(spacing, shape, strict=True))
    markers = np.zeros(shape, np.int32)
    markers[np.ix_(rows, columns)] = 1 + np.arange(len(rows) * len(columns)).reshape(len(rows), -1)
    return markers


def _furthest(relief: Float32) -> Array:
    """Peaks of the distance to the ridges, numbered from 1."""
    from scipy.ndimage import distance_transform_edt
    from skimage.feature import peak_local_max

    ridges = around_otsu(relief) > 0.5
    distance = blur(np.asarray(distance_transform_edt(~ridges), np.float32), 1.0)
    peaks = peak_local_max(distance, min_distance=5, exclude_border=False)  # type: ignore[no-untyped-call]
    markers = np.zeros(relief.shape, np.int32)
    if not len(peaks):
        return np.ones(relief.shape, np.int32)
    markers[tuple(peaks.T)] = 1 + np.arange(len(peaks))
    return markers


def _grown(regions: Array, values: Float32, tolerance: float) -> Array:
    """Neighbours joined whose means differ by less than `tolerance`."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not tolerance:
        return regions
    number = int(regions.max()) + 1
    means = np.bincount(regions.ravel(), values.ravel()) / np.maximum(np.bincount(regions.ravel()), 1)
    first, second = neighbours(regions, values)[0].T
    near = np.abs(means[first] - means[second]) < tolerance
    graph = coo_array((np.ones(int(near.sum())), (first[near], second[near])), shape=(number, number))
    _, joined = connected_components(graph, directed=False)
    return np.asarray(joined[regions], np.int32)
