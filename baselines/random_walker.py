"""Random walker: how probably does a walk from here, which avoids steps in brightness, meet a bright marker first.

Markers are the darkest and the brightest pixels of the smoothed image. The linear system is solved at 256 x 256 pixels
at most, whatever the image, for its cost grows faster than the image.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from segbench.methods import ClassicalMethod, ClassicalSettings
from segbench.methods.classical.region_classes import Segmentation
from segbench.methods.classical.working_image import Channel, WorkingImage, solved_small
from segbench.settings import Choices, Fraction, NonNegative
from segbench.types import Array, Float32, MethodInfo

PIXELS = 1 << 16


class RandomWalkerSettings(ClassicalSettings):
    """Smoothing, markers and stiffness."""

    channel: Choices[Channel] = Field(default=["grey", "red_excess", "chroma"])
    """Channel that is walked on."""
    sigma: Choices[NonNegative] = Field(default=[1.0, 2.0])
    """Standard deviation in pixels of the Gaussian that smooths the channel."""
    darkest: Choices[Fraction] = Field(default=[0.1, 0.2])
    """Share of the pixels, the darkest, that are markers of one side."""
    brightest: Choices[Fraction] = Field(default=[0.3, 0.1])
    """Share of the pixels, the brightest, that are markers of the other side."""
    beta: Choices[NonNegative] = Field(default=[100.0, 1000.0])
    """How strongly a walk avoids steps in brightness."""


class RandomWalker(ClassicalMethod):
    """Walks between markers by quantile; smoothing, markers and stiffness are chosen on the training split."""

    info = MethodInfo(
        name="random-walker",
        family="classical",
        summary="random walker from the darkest and brightest pixels; markers chosen on training images",
        reference="Grady: Random walks for image segmentation, IEEE PAMI 28(11), 2006",
        settings=RandomWalkerSettings,
    )

    def segment(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
        """Probability (h, w) of meeting a bright marker first."""
        values = image.smooth(params["channel"], params["sigma"])
        return Segmentation(solved_small(values, PIXELS, lambda small: _walk(small, params)))


def _walk(values: Float32, params: Mapping[str, Any]) -> Float32:
    from skimage.segmentation import random_walker

    low, high = np.quantile(values, (params["darkest"], 1 - params["brightest"]))
    markers: Array = np.where(values <= low, 1, np.where(values >= high, 2, 0)).astype(np.int32)
    if len(np.unique(markers)) < 3:  # two kinds of markers and something between them
        return np.asarray(markers == 2, np.float32)
    with warnings.catch_warnings():
        # Probabilities a hair beyond 0..1, which are clipped below.
        warnings.simplefilter("ignore", UserWarning)
        shares = random_walker(
            values.astype(np.float64), markers, params["beta"], mode="cg_j", tol=1e-3, return_full_prob=True
        )
    return np.asarray(np.clip(np.nan_to_num(shares[1], nan=0.5), 0, 1), np.float32)
