"""Filters that describe every pixel of an image, as ilastik's pixel classification does.

Smoothed colour, edges, lines (eigenvalues of the Hessian) and texture (eigenvalues of the structure tensor) at several
scales, and the place in the frame.

Reference
---------
Berg et al.: ilastik: interactive machine learning for (bio)image analysis, Nature Methods 16, 2019.
Tu & Bai: Auto-context and its application to high-level vision tasks, IEEE PAMI 32(10), 2010.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ...types import Float32
from .working_image import WorkingImage, blur

SCALES = (0.7, 1.5, 3.0, 6.0, 12.0)
"""Standard deviations in pixels of the Gaussians below all filters."""
CONTEXT_SCALES = (1.0, 3.0, 6.0, 12.0)
"""Standard deviations in pixels of the Gaussians that gather what is said of the surroundings."""


def filter_responses(image: WorkingImage) -> list[Float32]:
    """Filter responses of every pixel: maps (h, w) float32 of colour, edges, lines, texture and place."""
    color = image.color("lab")
    maps = [np.ascontiguousarray(color[..., channel]) for channel in range(color.shape[2])]
    light = maps[0]
    result = list(maps)
    for sigma in SCALES:
        smooth = [blur(channel, sigma) for channel in maps]
        result += smooth
        result += _lines(smooth[0], sigma)
        result += _texture(light, sigma)
        result.append(light - smooth[0])
    return [*result, *image.positions()]


def _derivative(values: Float32, dx: int, dy: int) -> Float32:
    """Sobel derivative (h, w) of order (dx, dy), per pixel."""
    size = {1: 1 / 8, 2: 1 / 4}[dx + dy]
    return np.asarray(
        cv2.Sobel(values, cv2.CV_32F, dx, dy, ksize=3, scale=size, borderType=cv2.BORDER_REPLICATE), np.float32
    )


def _eigenvalues(xx: Float32, xy: Float32, yy: Float32) -> list[Float32]:
    """Larger and smaller eigenvalue of symmetric 2 x 2 matrices."""
    half, reach = (xx + yy) / 2, cv2.magnitude((xx - yy) / 2, xy)
    return [np.asarray(half + reach, np.float32), np.asarray(half - reach, np.float32)]


def _lines(smooth: Float32, sigma: float) -> list[Float32]:
    """Gradient magnitude and the Hessian's eigenvalues, made comparable between scales."""
    slope = cv2.magnitude(_derivative(smooth, 1, 0), _derivative(smooth, 0, 1)) * np.float32(sigma)
    bend = [_derivative(smooth, *order) * np.float32(sigma**2) for order in ((2, 0), (1, 1), (0, 2))]
    return [slope, *_eigenvalues(*bend)]


def _texture(light: Float32, sigma: float) -> list[Float32]:
    """Eigenvalues of the structure tensor, its window twice the scale of its derivatives."""
    fine = blur(light, sigma / 2)
    dx, dy = _derivative(fine, 1, 0), _derivative(fine, 0, 1)
    return _eigenvalues(*(blur(product, sigma) for product in (dx * dx, dx * dy, dy * dy)))


def context_features(shares: Float32, image: WorkingImage) -> list[Float32]:
    """What a forest said (h * w, K) of the surroundings of every pixel: maps (h, w) float32, with the lines in them.

    Of two classes only the second is described, for the first is what is left.
    """
    result: list[Float32] = []
    for position in range(1 if shares.shape[1] == 2 else 0, shares.shape[1]):
        values = np.ascontiguousarray(shares[:, position].reshape(image.shape))
        result.append(values)
        for sigma in CONTEXT_SCALES:
            smooth = blur(values, sigma)
            result += [smooth, *(_lines(smooth, sigma)[1:] if shares.shape[1] == 2 else ())]
    return result


def as_rows(maps: Sequence[Float32]) -> Float32:
    """Maps (h, w) as one row of values for each pixel: (h * w, number of maps) float32."""
    return np.stack([values.ravel() for values in maps], axis=1)
