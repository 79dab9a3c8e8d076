"""Centreline family: clDice of thin structures such as vessels, neurites, membranes, cracks and roads.

The skeleton of a mask is what scikit-image's `skeletonize` leaves of it in two dimensions: lines of one pixel that hang
together as the mask does. A mask is the set of pixels of one class. Void pixels of the truth belong
to no mask, neither true nor predicted, and all beyond the image border is outside: a vessel that ends at void or at the
border is thinned there as a free end, on both sides alike.

References
----------
Shit et al., "clDice - a Novel Topology-Preserving Loss Function for Tubular Structure Segmentation", CVPR 2021, eq. 1
and 2. Zhang & Suen, "A fast parallel algorithm for thinning digital patterns", CACM 27(3):236-239 (1984).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import numpy as np

from ..types import (
    AbsentClasses,
    Array,
    DatasetInfo,
    Float64,
    Part,
    Prediction,
    Sample,
    ScoreInfo,
    Statistic,
    SumsByClass,
)
from .class_masks import checked_maps, statistic_of_rows
from .class_means import MeansOverClasses, named_classes, of_places
from .joint_counts import joint_counts
from .pooled import absent_of, means_by_class, ratio
from .rows_by_class import RowsByClass
from .skeletons import skeletons
from .table_rules import MAX_PIXELS, all_different, broken_rule

_COUNTS = ("skeleton_true", "true_covered", "skeleton_pred", "pred_covered")

_laid_out = RowsByClass(_COUNTS)


@dataclass(frozen=True)
class Centreline(MeansOverClasses):
    """How much of each skeleton lies in the other mask.

    Every score is the mean over the classes, without background, of which it is defined; of a binary dataset it is the
    foreground's.

    topology_precision: part of the predicted skeleton that lies in the true mask; undefined where nothing is predicted.
    topology_sensitivity: part of the true skeleton that lies in the predicted mask; undefined where nothing is true.
    cldice: 2 P S / (P + S) of these two; 0 where just one side has the class, undefined where neither has. These pool
    the pixels of all images. cldice_per_image: mean over images of the clDice of each, as most papers report it; images
    where neither side has the class are left out.
    """

    name: ClassVar[str] = "centreline"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "clDice of thin structures, topology precision and sensitivity of skeletons"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("cldice", "harmonic mean of topology precision and sensitivity, pooled over the split"),
        ScoreInfo("cldice_per_image", "mean over images of clDice; images empty in both are left out"),
        ScoreInfo("topology_precision", "part of predicted skeletons inside the true mask, pooled over the split"),
        ScoreInfo("topology_sensitivity", "part of true skeletons inside the predicted mask, pooled over the split"),
    )
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = scores
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = dict.fromkeys(("label", *_COUNTS), "int64")
    parts: ClassVar[tuple[Part, ...]] = ("labels",)

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """One row per class that truth or prediction holds.

        Raises
        ------
        UserError
            For a prediction of another size, or a label value that the dataset does not know.
        """
        classes = named_classes(info)
        maps = checked_maps(sample, prediction, info, classes)
        counts = np.zeros((len(classes) + 1, 4), np.int64)
        for side, other in enumerate(maps[::-1]):
            line, beside, pixels = joint_counts(skeletons(maps[side]), other)
            np.add.at(counts[:, 2 * side], line, pixels)
            np.add.at(counts[:, 2 * side + 1], line[line == beside], pixels[line == beside])
        rows = [(each.id, *row) for each, row in zip(classes, counts[1:].tolist(), strict=True) if any(row)]
        return statistic_of_rows(self, sample, rows)

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """Functions of pooled pixels, or the mean over images."""
        counts = of_places(_laid_out.counts(statistics, named_classes(info)), info, places)
        if score == "cldice_per_image":
            return means_by_class(_cldice(counts))
        return SumsByClass(counts, partial(_value, score))

    def absent_among(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> AbsentClasses | None:
        """By the pixels of their skeletons; there is no sensitivity without true ones."""
        if score == "topology_sensitivity":
            return None
        counts = _laid_out.counts(statistics, named_classes(info))[:, list(places)].sum(axis=0)
        return absent_of([named_classes(info)[place].name for place in places], counts[:, 0], counts[:, 2])

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """What is covered is a part of the skeleton, and one side at least has the class."""
        columns = statistic.columns
        true, true_covered, found, found_covered = (columns[name] for name in _COUNTS)
        return broken_rule(
            {
                "labels are of classes": np.isin(columns["label"], [c.id for c in named_classes(info)]),
                "a label stands once": all_different(columns["label"]),
                "numbers are those of a picture": (true < MAX_PIXELS) & (found < MAX_PIXELS),
                "covered pixels are pixels of the skeleton": (true_covered >= 0) & (true_covered <= true)
                & (found_covered >= 0) & (found_covered <= found),
                "one side has the label": true + found > 0,
                "nothing is covered by an empty side": ((true > 0) & (found > 0)) | (true_covered + found_covered == 0),
            }
        )  # fmt: skip

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """The pixels of the skeleton of every true label."""
        there = statistic.columns["skeleton_true"] > 0
        return {name: statistic.columns[name][there] for name in ("label", "skeleton_true")}


def _value(score: str, counts: Float64) -> Float64:
    """A pooled score (…) of counts (…, 4), NaN where undefined."""
    return _SCORES[score](counts)


def _precision(counts: Array) -> Float64:
    return ratio(counts[..., 3], counts[..., 2])


def _sensitivity(counts: Array) -> Float64:
    return ratio(counts[..., 1], counts[..., 0])


def _cldice(counts: Array) -> Float64:
    precision, sensitivity = (np.nan_to_num(part(counts)) for part in (_precision, _sensitivity))
    found = np.nan_to_num(ratio(2 * precision * sensitivity, precision + sensitivity))
    return np.where(counts[..., 0] + counts[..., 2] > 0, found, np.nan)


_SCORES: Mapping[str, Callable[[Array], Float64]] = {
    "cldice": _cldice,
    "topology_precision": _precision,
    "topology_sensitivity": _sensitivity,
}
