"""Edges: Sobel gradients or Canny's edges, closed to contours, and what they enclose.

Foreground is what lies inside of closed contours, or the edges themselves (membranes are edges on both sides of a
line). The regions of a multi-class task are what the edges keep apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import Field

from segbench.methods import ClassicalMethod, ClassicalSettings
from segbench.methods.classical.region_classes import Segmentation, components
from segbench.methods.classical.working_image import WorkingImage
from segbench.settings import Choices, Count, Fraction, NonNegative
from segbench.types import Array, MethodInfo

HIGH = 0.9
"""Canny's upper threshold is this quantile of the gradient, its lower one half of that."""


class CannySettings(ClassicalSettings):
    """Smoothing, sensitivity and closing."""

    detector: Choices[Literal["canny", "sobel"]] = Field(default=["canny", "sobel"])
    """What finds edges: Canny's method, or the strongest Sobel gradients."""
    inside: Choices[Literal["filled", "edges"]] = Field(default=["filled", "edges"])
    """What is one side: the inside of closed contours, or the edges themselves."""
    sigma: Choices[NonNegative] = Field(default=[1.0, 2.0, 4.0])
    """Standard deviation in pixels of the Gaussian that smooths the image."""
    strongest: Choices[Fraction] = Field(default=[0.1, 0.2])
    """Share of the pixels whose gradient is above the (upper) threshold."""
    closing: Choices[Count] = Field(default=[3, 7, 13])
    """Diameter in pixels of the disc that closes gaps in edges."""


class Canny(ClassicalMethod):
    """Edges, morphological closing and filling; smoothing, sensitivity and closing chosen on the training split."""

    info = MethodInfo(
        name="canny",
        family="classical",
        summary="Sobel or Canny edges, morphological closing and filling of the contours",
        reference="Canny: A computational approach to edge detection, IEEE PAMI 8(6), 1986",
        settings=CannySettings,
        tasks=("binary", "multiclass"),
    )

    def segment(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
        """1 on the chosen side of the contours; regions are the parts that the contours keep apart."""
        key = tuple(params[name] for name in ("detector", "sigma", "strongest", "closing"))
        closed = image.cached(("closed edges", *key), lambda: _contours(image, params))
        if params["inside"] == "filled":
            from scipy.ndimage import binary_fill_holes

            inside = image.cached(("filled contours", *key), lambda: binary_fill_holes(closed))
        else:
            inside = closed
        regions = image.cached(("parts between edges", *key), lambda: _apart(closed))
        return Segmentation(np.asarray(inside, np.float32), regions)


def _contours(image: WorkingImage, params: Mapping[str, Any]) -> Array:
    """Closed edges (h, w) bool."""
    from skimage.feature import canny

    strong = 1 - params["strongest"]
    if params["detector"] == "sobel":
        size = image.gradient("grey", params["sigma"])
        edges = size > np.quantile(size, strong)
    else:
        grey = image.channel("grey")
        edges = canny(grey, params["sigma"], strong / 2, strong, use_quantiles=True)  # type: ignore[no-untyped-call]
    side = int(params["closing"])
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    padded = np.pad(np.asarray(edges, np.uint8), side)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, element)
    return np.asarray(closed[side:-side, side:-side] > 0)


def _apart(closed: Array) -> Array:
    """Components of what is no edge, each grown over the edges next to it."""
    from skimage.segmentation import expand_labels

    inner = components(np.where(closed, -1, 0)) + 1
    if not inner.any():
        return np.zeros(closed.shape, np.int32)
    whole = expand_labels(inner, float(np.hypot(*closed.shape)))  # type: ignore[no-untyped-call]
    return np.asarray(whole - 1, np.int32)
