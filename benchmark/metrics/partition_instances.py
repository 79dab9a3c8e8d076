"""Partition family for instance label images: adapted Rand error and variation of information.

References
----------
Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for connectomics", Frontiers in
Neuroanatomy 9:142 (2015) (adapted Rand error). Meilă, "Comparing clusterings: an information based distance", Journal
of Multivariate Analysis 98(5):873-895 (2007) (variation of information). Both as scikit-image 0.26 computes them with
`ignore_labels=(0,)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..types import Array, DatasetInfo, Float64, Int64, Part, Prediction, Sample, ScoreInfo, Statistic, Sums, UserError
from .base import SummedFamily
from .joint_counts import joint_counts
from .pooled import mean_of, ratio
from .same_statistics import SameStatistics
from .table_rules import MAX_PIXELS, broken_rule

_values: SameStatistics[dict[str, Float64]] = SameStatistics(1)

_ROUNDING = 1e-9
"""Bits by which sums of doubles may miss a bound that holds exactly."""


@dataclass(frozen=True)
class PartitionInstances(SummedFamily):
    """How well an image is cut into instances, whatever their numbers.

    Pixels whose true instance is 0 are background and are not counted, nor are those whose true label is void; on the
    others a predicted 0 is a segment like any other. With n_ij pixels of true instance i and predicted instance j, and
    a_i, b_j their sums, the pairs of different pixels that share a segment are P_ab = sum n_ij (n_ij - 1) in both,
    P_a = sum a_i (a_i - 1) in the truth and P_b = sum b_j (b_j - 1) in the prediction.

    adapted_rand_error: 1 - 2 P_ab / (P_a + P_b). adapted_rand_precision: P_ab / P_b, falls when instances are merged.
    adapted_rand_recall: P_ab / P_a, falls when they are split. (scikit-image returns these two the other way round
    than its documentation says.) voi_split: H(prediction | truth) in bits; voi_merge: H(truth | prediction) in bits;
    voi: their sum.

    Every score is the mean over images. An image without counted pixels is left out of all means; one without pairs
    (P_a + P_b, P_b or P_a is 0) has no adapted Rand error, precision or recall and is left out of that mean.
    """

    name: ClassVar[str] = "partition-instances"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "adapted Rand error and variation of information of instance label images"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo(
            "adapted_rand_error",
            "mean over images of 1 - F1 of the pairs of pixels that share an instance",
            higher_is_better=False,
        ),
        ScoreInfo(
            "adapted_rand_precision",
            "part of the pairs of pixels of a predicted instance that share a true one; falls with merges",
        ),
        ScoreInfo(
            "adapted_rand_recall",
            "part of the pairs of pixels of a true instance that share a predicted one; falls with splits",
        ),
        ScoreInfo(
            "voi",
            "mean over images of the variation of information, voi_split + voi_merge",
            "bit",
            high=math.inf,
            higher_is_better=False,
        ),
        ScoreInfo(
            "voi_split",
            "mean over images of H(prediction | truth), grows with splits",
            "bit",
            high=math.inf,
            higher_is_better=False,
        ),
        ScoreInfo(
            "voi_merge",
            "mean over images of H(truth | prediction), grows with merges",
            "bit",
            high=math.inf,
            higher_is_better=False,
        ),
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "pixels": "int64",
        "pairs_true": "int64",
        "pairs_predicted": "int64",
        "pairs_both": "int64",
        "voi_split": "float64",
        "voi_merge": "float64",
    }
    parts: ClassVar[tuple[Part, ...]] = ("labels", "instances")
    releases_gil: ClassVar[bool] = True

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Counted pixels, pairs of pixels and conditional entropies of one image; instances, or labels as numbers."""
        truth, predicted = _instances(sample, prediction)
        if sample.labels is not None and info.void:
            counted_pixels = ~np.isin(sample.labels, list(info.void))
            truth, predicted = truth[counted_pixels], predicted[counted_pixels]
        truth, predicted, pixels = joint_counts(truth, predicted)
        counted = truth != 0
        truth, predicted, pixels = truth[counted], predicted[counted], pixels[counted]
        true_size, predicted_size = _sizes(truth, pixels), _sizes(predicted, pixels)
        total = max(1, int(pixels.sum()))
        columns: dict[str, Int64 | Float64] = {
            "pixels": pixels.sum(keepdims=True),
            # Of every pixel of a segment with all others of it.
            "pairs_true": (pixels * (true_size - 1)).sum(keepdims=True),
            "pairs_predicted": (pixels * (predicted_size - 1)).sum(keepdims=True),
            "pairs_both": (pixels * (pixels - 1)).sum(keepdims=True),
            "voi_split": (pixels * np.log2(true_size / pixels)).sum(keepdims=True) / total,
            "voi_merge": (pixels * np.log2(predicted_size / pixels)).sum(keepdims=True) / total,
        }
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Pairs are pairs of the counted pixels, and conditional entropies at most the logarithm of their number."""
        del info
        columns = statistic.columns
        if len(columns["pixels"]) != 1:
            return f"{len(columns['pixels'])} rows; expected one"
        n, of_true, of_predicted, both = (columns[c] for c in list(self.columns)[:4])
        rules: dict[str, Array | bool] = {
            "numbers of pixels are those of a picture": (n >= 0) & (n < MAX_PIXELS),
            "pairs of true instances are pairs of pixels": (of_true >= 0) & (of_true <= n * (n - 1)),
            "pairs of predicted instances are pairs of pixels": (of_predicted >= 0) & (of_predicted <= n * (n - 1)),
            "pairs that share both are pairs of either": (both >= 0) & (both <= np.minimum(of_true, of_predicted)),
        }
        for name in ("voi_split", "voi_merge"):
            most = np.log2(np.maximum(n, 1)) + _ROUNDING
            rules[f"{name} lies between 0 and the logarithm of the number of pixels"] = (columns[name] >= 0) & (
                columns[name] <= most
            )
        return broken_rule(rules)

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """The counted pixels, and the pairs of them that share a true instance."""
        return {name: statistic.columns[name] for name in ("pixels", "pairs_true")}

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """Means over the images in which a score is defined; NaN where it is in none."""
        del info
        means = {}
        for name, values in self._per_image(statistics).items():
            defined = values[~np.isnan(values)].tolist()
            means[name] = math.fsum(defined) / len(defined) if defined else math.nan
        return means

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """The mean over the images in which the score is defined."""
        del info
        return mean_of(self._per_image(statistics)[score])

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """A partition has no classes."""
        del statistics, info
        return {}

    def _per_image(self, statistics: Sequence[Statistic]) -> dict[str, Float64]:
        """Every score of every image, each (n,) float64; NaN where undefined."""
        return _values.get(statistics, None, lambda: self._values_of(statistics))

    def _values_of(self, statistics: Sequence[Statistic]) -> dict[str, Float64]:
        none = np.zeros(0)
        pixels, true, predicted, both, split, merge = (
            np.concatenate([none, *(s.columns[name] for s in statistics)]) for name in self.columns
        )
        split, merge = (np.where(pixels > 0, entropy, np.nan) for entropy in (split, merge))
        values = (
            1 - ratio(2 * both, true + predicted),
            ratio(both, predicted),
            ratio(both, true),
            split + merge,
            split,
            merge,
        )
        return {score.name: value for score, value in zip(self.scores, values, strict=True)}


def _instances(sample: Sample, prediction: Prediction) -> tuple[Array, Array]:
    """True and predicted instance numbers, both (H, W) integers, checked."""
    if sample.instances is None:
        raise UserError(f"sample '{sample.id}' has no true instances, so its partition cannot be scored")
    found = prediction.instances if prediction.instances is not None else prediction.labels
    if found is None:
        raise UserError(
            f"prediction of sample '{sample.id}' holds neither instances nor labels; expected one instance number per "
            "pixel (height x width, integers)"
        )
    if found.shape != sample.instances.shape:
        raise UserError(
            f"prediction of sample '{sample.id}' is {' x '.join(map(str, found.shape))}, its ground truth is "
            f"{' x '.join(map(str, sample.instances.shape))} (height x width). Predictions are scored at the size of "
            "the truth: write them at that size."
        )
    if found.dtype.kind not in "biu":
        raise UserError(f"prediction of sample '{sample.id}' holds {found.dtype} instances; expected integers")
    return sample.instances, found


def _sizes(labels: Int64, pixels: Int64) -> Int64:
    """Size of the segment that every entry (n,) belongs to."""
    order = labels.argsort()
    ordered = labels[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: ordered.size])
    if not starts.size:
        return pixels
    sizes = np.empty_like(pixels)
    lengths = np.diff(starts, append=ordered.size)
    sizes[order] = np.repeat(np.add.reduceat(pixels[order], starts), lengths)
    return sizes
