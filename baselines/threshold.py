"""Thresholds: the classical baseline that every other method has to beat.

One channel, smoothed and split at one grey value: the one that separates its histogram best (Otsu), that of the least
cross-entropy (Li) or the greatest (Yen), a fixed one, or one for each place from its surroundings (Sauvola). Several
thresholds (multi-Otsu) cut an image into the regions that a multi-class task needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from pydantic import Field

from segbench.methods import ClassicalMethod, ClassicalSettings
from segbench.methods.classical.region_classes import Segmentation, around, components
from segbench.methods.classical.working_image import CHANNELS, Channel, WorkingImage
from segbench.settings import Choices, NonNegative
from segbench.types import Float32, MethodInfo

Kind = Literal["otsu", "li", "yen", "sauvola", "fixed-0.25", "fixed-0.5", "fixed-0.75", "multi-otsu"]
KINDS: tuple[Kind, ...] = get_args(Kind)

WINDOW = 51
"""Side in pixels of the surroundings that Sauvola's threshold looks at, less in a smaller image."""


class ThresholdSettings(ClassicalSettings):
    """Kind of threshold, channel and smoothing."""

    kind: Choices[Kind] = Field(default=[*KINDS])
    """How the threshold is found, or the fixed one."""
    channel: Choices[Channel] = Field(default=[*CHANNELS])
    """Channel that is split."""
    sigma: Choices[NonNegative] = Field(default=[0.0, 1.0, 2.0, 4.0, 8.0])
    """Standard deviation in pixels of the Gaussian that smooths the channel."""


class Threshold(ClassicalMethod):
    """A threshold per image; channel, smoothing and kind are chosen on the training split."""

    info = MethodInfo(
        name="threshold",
        family="classical",
        summary="threshold per image: Otsu, Li, Yen, Sauvola or fixed; channel and smoothing chosen on training images",
        reference="Otsu 1979; Li & Lee 1993; Yen et al. 1995; Sauvola & Pietikäinen 2000; Liao et al. 2001",
        settings=ThresholdSettings,
        tasks=("binary", "multiclass"),
    )

    def segment(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
        """Values around the threshold; of multi-Otsu the regions of three thresholds."""
        values = image.smooth(params["channel"], params["sigma"])
        if values.min() == values.max():
            return Segmentation(np.full(values.shape, 0.5, np.float32))
        if params["kind"] == "multi-otsu":
            levels = _levels(values)
            return Segmentation(around(values, float(levels[-1])), components(np.digitize(values, levels)))
        return Segmentation(around(values, _level(values, params["kind"])))


def _level(values: Float32, kind: str) -> Any:
    """The threshold of a smoothed channel: one number, or one for each place."""
    from skimage import filters

    if kind.startswith("fixed-"):
        return float(kind.removeprefix("fixed-"))
    if kind == "sauvola":
        side = min(WINDOW, min(values.shape) - 1 | 1)
        return filters.threshold_sauvola(values, side, k=0.05, r=0.5)  # type: ignore[no-untyped-call]
    find: Any = {"otsu": filters.threshold_otsu, "li": filters.threshold_li, "yen": filters.threshold_yen}[kind]
    return float(find(values))


def _levels(values: Float32) -> Any:
    """Three thresholds, fewer where the image has fewer grey values."""
    from skimage.filters import threshold_multiotsu

    for classes in (4, 3, 2):
        try:
            return threshold_multiotsu(values, classes, nbins=64)  # type: ignore[no-untyped-call]
        except ValueError:  # fewer grey values than classes
            continue
    return np.array([float(values.mean())])
