"""Edges: Sobel gradients or Canny's edges, closed to contours, and what they enclose.

Foreground is what lies inside of closed contours, or the edges themselves (membranes are edges on both sides of a
line). The regions of a multi-class task are what the edges keep apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from segbench.methods.classical.method import BUDGET, ClassicalMethod
from segbench.methods.classical.region_classes import Segmentation, components
from segbench.methods.classical.working_image import Picture
from segbench.types import Array, MethodInfo

HIGH = 0.9
"""Canny's upper threshold is this quantile of the gradient, its lower one half of that."""


class Canny(ClassicalMethod):
    """Edges, morphological closing and filling; smoothing, sensitivity and closing chosen on the training split."""

    info = MethodInfo(
        name="canny",
        family="classical",
        summary="Sobel or Canny edges, morphological closing and filling of the contours",
        reference="Canny: A computational approach to edge detection, IEEE PAMI 8(6), 1986",
        defaults={
            **BUDGET,
            "detector": ["canny", "sobel"],
            "inside": ["filled", "edges"],
            "sigma": [1.0, 2.0, 4.0],
            "strongest": [0.1, 0.2],
            "closing": [3, 7, 13],
        },
        tasks=("binary", "multiclass"),
    )

    def segment(self, picture: Picture, params: Mapping[str, Any]) -> Segmentation:
        """1 on the chosen side of the contours; regions are the parts that the contours keep apart."""
        key = tuple(params[name] for name in ("detector", "sigma", "strongest", "closing"))
        closed = picture.keep(("contours", key), lambda: _contours(picture, params))
        if params["inside"] == "filled":
            from scipy.ndimage import binary_fill_holes

            inside = picture.keep(("filled", key), lambda: binary_fill_holes(closed))
        else:
            inside = closed
        regions = picture.keep(("apart", key), lambda: _apart(closed))
        return Segmentation(np.asarray(inside, np.float32), regions)


def _contours(picture: Picture, params: Mapping[str, Any]) -> Array:
    """Closed edges (h, w) bool."""
    from skimage.feature import canny

    strong = 1 - params["strongest"]
    if params["detector"] == "sobel":
        size = picture.gradient("grey", params["sigma"])
        edges = size > np.quantile(size, strong)
    else:
        grey = picture.channel("grey")
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
