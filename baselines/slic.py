"""SLIC: K-means in colour and place at once, which cuts an image into superpixels of about one size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segbench.methods.classical.method import BUDGET, ClassicalMethod
from segbench.methods.classical.region_classes import Segmentation
from segbench.methods.classical.working_image import Picture
from segbench.types import MethodInfo


class Slic(ClassicalMethod):
    """Superpixels; their number and compactness are chosen on the training split."""

    info = MethodInfo(
        name="slic",
        family="classical",
        summary="SLIC superpixels, each named by a rule or by its colour, position and texture",
        reference="Achanta et al.: SLIC superpixels compared to state-of-the-art methods, IEEE PAMI 34(11), 2012",
        defaults={**BUDGET, "segments": [200, 500, 1500], "compactness": [10.0, 3.0], "sigma": [0.0, 1.0]},
        tasks=("binary", "multiclass"),
    )

    regional = True

    def segment(self, picture: Picture, params: Mapping[str, Any]) -> Segmentation:
        """Superpixels of the image in Lab; a grey image is one with equal channels."""
        from skimage.segmentation import slic

        pixels = picture.pixels if picture.pixels.ndim == 3 else np.repeat(picture.pixels[..., None], 3, axis=2)
        found = slic(
            pixels,
            n_segments=int(params["segments"]),
            compactness=params["compactness"],
            sigma=params["sigma"],
            start_label=0,
            channel_axis=-1,
        )
        return Segmentation(regions=np.asarray(found, np.int32))
