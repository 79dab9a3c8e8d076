"""K-means: the colours of an image become K, and every pixel takes the nearest of them.

The palette is found anew in every image on at most 20,000 evenly spaced pixels (mini-batches for more clusters would
see no others), so that large images cost no more than small ones. For a binary task the clusters are put in the order
of their lightness, and a cut between two of them, chosen on training images, separates foreground from background.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segbench.methods.classical.method import BUDGET, ClassicalMethod
from segbench.methods.classical.region_classes import Segmentation, components
from segbench.methods.classical.working_image import Picture
from segbench.types import Array, MethodInfo

PIXELS = 20_000


class KMeans(ClassicalMethod):
    """Colour quantisation in RGB or Lab; K, smoothing and the cut are chosen on the training split."""

    info = MethodInfo(
        name="kmeans",
        family="classical",
        summary="K-means colour quantisation of each image in RGB or Lab, K = 2 to 8",
        reference="MacQueen 1967; Arthur & Vassilvitskii: k-means++, 2007; Sculley: mini-batch k-means, 2010",
        defaults={
            **BUDGET,
            "k": [2, 3, 4, 6, 8],
            "space": ["rgb", "lab"],
            "sigma": [0.0, 1.0, 2.0, 4.0],
            "cut": [0.5, 0.25, 0.75],
        },
        tasks=("binary", "multiclass"),
    )

    def accepts(self, params: Mapping[str, Any], colored: bool) -> bool:
        """Of the cuts that fall between the same clusters one is enough."""
        del colored
        cuts = [_cut(params["k"], cut) for cut in self.space["cut"]]
        return params["k"] >= 2 and cuts.index(_cut(params["k"], params["cut"])) == self.space["cut"].index(
            params["cut"]
        )

    def segment(self, picture: Picture, params: Mapping[str, Any]) -> Segmentation:
        """Rank of each pixel's cluster from dark to light, the cut at 0.5; regions are connected parts of clusters."""
        k, space, sigma = params["k"], params["space"], params["sigma"]
        ranks = picture.keep(("kmeans", k, space, sigma), lambda: _ranks(picture, k, space, sigma))
        cut = _cut(k, params["cut"])
        values = np.where(ranks < cut, 0.5 * (ranks + 0.5) / cut, 1 - 0.5 * (k - 0.5 - ranks) / (k - cut))
        regions = picture.keep(("kmeans regions", k, space, sigma), lambda: components(ranks))
        return Segmentation(values.astype(np.float32), regions)


def _cut(k: int, share: float) -> int:
    """The first cluster of the light side: 1 to K - 1."""
    return min(max(round(share * k), 1), k - 1)


def _ranks(picture: Picture, k: int, space: str, sigma: float) -> Array:
    """The cluster (h, w) of each pixel, numbered from dark to light."""
    from sklearn.cluster import MiniBatchKMeans

    colors = picture.color(space, sigma)
    rows = np.ascontiguousarray(colors.reshape(-1, colors.shape[2]))
    some = rows[:: max(1, len(rows) // PIXELS)]
    k = min(k, len(np.unique(some, axis=0)))
    model = MiniBatchKMeans(k, batch_size=4096, n_init=3, random_state=0).fit(some)
    light = picture.channel("grey").ravel()
    clusters = model.predict(rows)
    sizes = np.maximum(np.bincount(clusters, minlength=k), 1)
    order = np.argsort(np.bincount(clusters, light, k) / sizes, kind="stable")
    ranks = np.empty(k, np.int32)
    ranks[order] = np.arange(k)
    return np.asarray(ranks[clusters].reshape(picture.shape), np.int32)
