"""K-means: the colours of an image become K, and every pixel takes the nearest of them.

The palette is found again in every image on at most 20,000 evenly spaced pixels (mini-batches for more clusters would
see no others), so that large images cost no more than small ones. For a binary task the clusters are put in the order
of their lightness, and a cut between two of them, chosen on training images, separates foreground from background.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from segbench.methods import ClassicalMethod, ClassicalSettings
from segbench.methods.classical.region_classes import Segmentation, components
from segbench.methods.classical.working_image import WorkingImage
from segbench.settings import Choices, Fraction, NonNegative
from segbench.types import Array, MethodInfo

PIXELS = 20_000


class KMeansSettings(ClassicalSettings):
    """Number of clusters, colour space, smoothing and the cut."""

    k: Choices[Annotated[int, Field(ge=2)]] = Field(default=[2, 3, 4, 6, 8])
    """Number of clusters."""
    space: Choices[Literal["rgb", "lab"]] = Field(default=["rgb", "lab"])
    """Colour space that distances are measured in."""
    sigma: Choices[NonNegative] = Field(default=[0.0, 1.0, 2.0, 4.0])
    """Standard deviation in pixels of the Gaussian that smooths the image."""
    cut: Choices[Fraction] = Field(default=[0.5, 0.25, 0.75])
    """Share of the clusters, from dark to light, that is one side (binary tasks)."""


class KMeans(ClassicalMethod):
    """Colour quantisation in RGB or Lab; K, smoothing and the cut are chosen on the training split."""

    info = MethodInfo(
        name="kmeans",
        family="classical",
        summary="K-means colour quantisation of each image in RGB or Lab, K = 2 to 8",
        reference="MacQueen 1967; Arthur & Vassilvitskii: k-means++, 2007; Sculley: mini-batch k-means, 2010",
        settings=KMeansSettings,
        tasks=("binary", "multiclass"),
    )

    def accepts(self, params: Mapping[str, Any], colored: bool) -> bool:
        """Of the cuts that fall between the same clusters one is enough."""
        del colored
        cuts = [_cut(params["k"], cut) for cut in self.space["cut"]]
        return cuts.index(_cut(params["k"], params["cut"])) == self.space["cut"].index(params["cut"])

    def segment(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
        """Rank of each pixel's cluster from dark to light, the cut at 0.5; regions are connected parts of clusters."""
        k, space, sigma = params["k"], params["space"], params["sigma"]
        ranks = image.cached(("clusters", k, space, sigma), lambda: _ranks(image, k, space, sigma))
        cut = _cut(k, params["cut"])
        values = np.where(ranks < cut, 0.5 * (ranks + 0.5) / cut, 1 - 0.5 * (k - 0.5 - ranks) / (k - cut))
        regions = image.cached(("connected clusters", k, space, sigma), lambda: components(ranks))
        return Segmentation(values.astype(np.float32), regions)


def _cut(k: int, share: float) -> int:
    """The first cluster of the light side: 1 to K - 1."""
    return min(max(round(share * k), 1), k - 1)


def _ranks(image: WorkingImage, k: int, space: str, sigma: float) -> Array:
    """The cluster (h, w) of each pixel, numbered from dark to light."""
    from sklearn.cluster import MiniBatchKMeans

    colors = image.color(space, sigma)
    rows = np.ascontiguousarray(colors.reshape(-1, colors.shape[2]))
    some = rows[:: max(1, len(rows) // PIXELS)]
    k = min(k, len(np.unique(some, axis=0)))
    model = MiniBatchKMeans(k, batch_size=4096, n_init=3, random_state=0).fit(some)
    light = image.channel("grey").ravel()
    clusters = model.predict(rows)
    sizes = np.maximum(np.bincount(clusters, minlength=k), 1)
    order = np.argsort(np.bincount(clusters, light, k) / sizes, kind="stable")
    ranks = np.empty(k, np.int32)
    ranks[order] = np.arange(k)
    return np.asarray(ranks[clusters].reshape(image.shape), np.int32)
