"""Chan and Vese's active contour without edges: the smoothest border between two parts that are each near constant.

The level set moves at 256 x 256 pixels at most, whatever the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from segbench.methods import ClassicalMethod, ClassicalSettings
from segbench.methods.classical.region_classes import Segmentation
from segbench.methods.classical.working_image import Channel, WorkingImage, solved_small
from segbench.settings import Choices, NonNegative
from segbench.types import Float32, MethodInfo

PIXELS = 1 << 16
ITERATIONS = 100


class ChanVeseSettings(ClassicalSettings):
    """Smoothing, stiffness and the first level set."""

    channel: Choices[Channel] = Field(default=["grey", "red_excess", "chroma"])
    """Channel that is split."""
    sigma: Choices[NonNegative] = Field(default=[1.0, 2.0, 4.0])
    """Standard deviation in pixels of the Gaussian that smooths the channel."""
    mu: Choices[NonNegative] = Field(default=[0.25, 0.05])
    """Weight of the border's length: how stiff it is."""
    start: Choices[Literal["checkerboard", "disk"]] = Field(default=["checkerboard", "disk"])
    """The first level set."""


class ChanVese(ClassicalMethod):
    """A two-phase level set; smoothing, stiffness and beginning are chosen on the training split."""

    info = MethodInfo(
        name="chan-vese",
        family="classical",
        summary="two-phase level set without edges",
        reference="Chan & Vese: Active contours without edges, IEEE TIP 10(2), 2001; Getreuer, IPOL 2012",
        settings=ChanVeseSettings,
    )

    def segment(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
        """The level set (h, w), its border at 0.5, the part of the brighter mean above."""
        values = image.smooth(params["channel"], params["sigma"])
        return Segmentation(solved_small(values, PIXELS, lambda small: _level_set(small, params)))


def _level_set(values: Float32, params: Mapping[str, Any]) -> Float32:
    from skimage.segmentation import chan_vese

    if values.min() == values.max():
        return np.full(values.shape, 0.5, np.float32)
    _, level, _ = chan_vese(  # type: ignore[no-untyped-call]
        values,
        mu=params["mu"],
        max_num_iter=ITERATIONS,
        init_level_set=params["start"],
        extended_output=True,
    )
    inside = level > 0
    if inside.any() and not inside.all() and values[inside].mean() < values[~inside].mean():
        level = -level
    reach = float(np.quantile(np.abs(level), 0.9)) or 1.0
    return np.asarray(np.clip(0.5 + 0.5 * level / reach, 0, 1), np.float32)
