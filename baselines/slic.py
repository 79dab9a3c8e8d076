"""SLIC: K-means in colour and place at once, which cuts an image into superpixels of about one size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from segbench.methods import ClassicalMethod, ClassicalSettings
from segbench.methods.classical.region_classes import Segmentation
from segbench.methods.classical.working_image import WorkingImage
from segbench.settings import Choices, Count, NonNegative
from segbench.types import MethodInfo


class SlicSettings(ClassicalSettings):
    """Number and compactness of superpixels."""

    segments: Choices[Count] = Field(default=[200, 500, 1500])
    """Number of superpixels, about."""
    compactness: Choices[NonNegative] = Field(default=[10.0, 3.0])
    """Weight of distance against colour: round superpixels, or ones that follow outlines."""
    sigma: Choices[NonNegative] = Field(default=[0.0, 1.0])
    """Standard deviation in pixels of the Gaussian that smooths the image."""


class Slic(ClassicalMethod):
    """Superpixels; their number and compactness are chosen on the training split."""

    info = MethodInfo(
        name="slic",
        family="classical",
        summary="SLIC superpixels, each named by a rule or by its colour, position and texture",
        reference="Achanta et al.: SLIC superpixels compared to state-of-the-art methods, IEEE PAMI 34(11), 2012",
        settings=SlicSettings,
        tasks=("binary", "multiclass"),
    )

    regional = True

    def segment(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
        """Superpixels of the image in Lab; a grey image is one with equal channels."""
        from skimage.segmentation import slic

        pixels = image.pixels if image.pixels.ndim == 3 else np.repeat(image.pixels[..., None], 3, axis=2)
        found = slic(
            pixels,
            n_segments=int(params["segments"]),
            compactness=params["compactness"],
            sigma=params["sigma"],
            start_label=0,
            channel_axis=-1,
        )
        return Segmentation(regions=np.asarray(found, np.int32))
