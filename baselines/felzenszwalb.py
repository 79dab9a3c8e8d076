"""Felzenszwalb and Huttenlocher's graph: neighbours join as long as their border is no stronger than their inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from segbench.methods import ClassicalMethod, ClassicalSettings
from segbench.methods.classical.region_classes import Segmentation
from segbench.methods.classical.working_image import WorkingImage
from segbench.settings import Choices, NonNegative
from segbench.types import MethodInfo


class FelzenszwalbSettings(ClassicalSettings):
    """Scale, smoothing and least size."""

    scale: Choices[NonNegative] = Field(default=[30.0, 100.0, 300.0])
    """Preference for large regions: how much stronger a border must be than the inside of a small region."""
    sigma: Choices[NonNegative] = Field(default=[0.8, 1.6])
    """Standard deviation in pixels of the Gaussian that smooths the image."""
    min_size: Choices[Annotated[int, Field(ge=0)]] = Field(default=[20, 80])
    """Pixels of the smallest region; smaller ones join a neighbour."""


class Felzenszwalb(ClassicalMethod):
    """Graph-based regions; scale, smoothing and least size are chosen on the training split."""

    info = MethodInfo(
        name="felzenszwalb",
        family="classical",
        summary="graph-based regions, each named by a rule or by its colour, position and texture",
        reference="Felzenszwalb & Huttenlocher: Efficient graph-based image segmentation, IJCV 59(2), 2004",
        settings=FelzenszwalbSettings,
        tasks=("binary", "multiclass"),
    )

    regional = True

    def segment(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
        """Regions of the graph of neighbouring pixels."""
        from skimage.segmentation import felzenszwalb

        found = felzenszwalb(
            image.pixels,
            scale=params["scale"],
            sigma=params["sigma"],
            min_size=int(params["min_size"]),
            channel_axis=-1 if image.colored else None,
        )
        return Segmentation(regions=np.asarray(found, np.int32))
