"""Felzenszwalb and Huttenlocher's graph: neighbours join as long as their border is no stronger than their inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segbench.methods.classical.method import BUDGET, ClassicalMethod
from segbench.methods.classical.region_classes import Segmentation
from segbench.methods.classical.working_image import Picture
from segbench.types import MethodInfo


class Felzenszwalb(ClassicalMethod):
    """Graph-based regions; scale, smoothing and least size are chosen on the training split."""

    info = MethodInfo(
        name="felzenszwalb",
        family="classical",
        summary="graph-based regions, each named by a rule or by its colour, position and texture",
        reference="Felzenszwalb & Huttenlocher: Efficient graph-based image segmentation, IJCV 59(2), 2004",
        defaults={**BUDGET, "scale": [30.0, 100.0, 300.0], "sigma": [0.8, 1.6], "min_size": [20, 80]},
        tasks=("binary", "multiclass"),
    )

    regional = True

    def segment(self, picture: Picture, params: Mapping[str, Any]) -> Segmentation:
        """Regions of the graph of neighbouring pixels."""
        from skimage.segmentation import felzenszwalb

        found = felzenszwalb(
            picture.pixels,
            scale=params["scale"],
            sigma=params["sigma"],
            min_size=int(params["min_size"]),
            channel_axis=-1 if picture.colored else None,
        )
        return Segmentation(regions=np.asarray(found, np.int32))
