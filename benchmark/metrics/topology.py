"""Topology family: errors of the numbers of pieces and holes of masks (Betti numbers) and of their difference.

Of a mask in two dimensions Betti number 0 is the number of its pieces, whose pixels hang together by sides or corners,
and Betti number 1 that of its holes: pieces of all else, by sides alone, that do not reach the outside. The Euler
characteristic is the first less the second. A mask is the set of pixels of one class. Void pixels of
the truth belong to no mask, neither true nor predicted, so that void inside a mask is a hole of both sides. All beyond
the image border is outside: what is open towards the border is no hole. Slices of a volume are images.

References
----------
Hu et al., "Topology-Preserving Deep Image Segmentation", NeurIPS 2019 (Betti error, over patches). Clough et al., "A
Topological Loss Function for Deep-Learning Based Image Segmentation Using Persistent Homology", IEEE TPAMI
44(12):8766-8778 (2022). Shit et al., "clDice", CVPR 2021 (errors of both Betti numbers and of Euler characteristics).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import cv2
import numpy as np

from ..types import Array, DatasetInfo, Float64, Int64, Part, Prediction, Sample, ScoreInfo, Statistic, SumsByClass
from .class_masks import Box, class_masks, statistic_of_rows
from .class_means import MeansOverClasses, named_classes
from .label_checks import true_labels
from .rows_by_class import RowsByClass
from .table_rules import MAX_PIXELS, all_different, broken_rule

PATCH_PX = 64
_BETTI = ("pieces_true", "holes_true", "pieces_pred", "holes_pred")
_PATCHES = ("patch_pieces", "patch_holes", "patches")
_COUNTS = (*_BETTI, *_PATCHES)

_laid_out = RowsByClass(_COUNTS)


def _error(name: str, summary: str, unit: str) -> ScoreInfo:
    return ScoreInfo(name, summary, unit, high=math.inf, higher_is_better=False)


@dataclass(frozen=True)
class Topology(MeansOverClasses):
    """By how many pieces and holes a prediction is wrong.

    Every score is the mean over images of an absolute difference, then over the classes, without background, that any
    image holds, truly or predicted; of a binary dataset it is the foreground's. An image without the class on either
    side counts 0.

    betti0_error, betti1_error: of the numbers of pieces and of holes. euler_error: of their differences, pieces less
    holes. betti0_patch_error, betti1_patch_error: the mean over patches of the errors within each, so that a piece too
    many here does not make up for one too few there. Patches are squares of 64 pixels side by side from the upper left
    corner; at the right and lower border they are as small as the image leaves them.
    """

    name: ClassVar[str] = "topology"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "errors of Betti numbers (pieces, holes), of images and of 64 px patches, and of Euler's"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        _error("betti0_error", "mean over images of the difference between numbers of pieces", "pieces"),
        _error("betti1_error", "mean over images of the difference between numbers of holes", "holes"),
        _error("euler_error", "mean over images of the difference between Euler characteristics", "pieces less holes"),
        _error("betti0_patch_error", "mean over images of the mean over 64 px patches of betti0_error", "pieces"),
        _error("betti1_patch_error", "mean over images of the mean over 64 px patches of betti1_error", "holes"),
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
        patches = math.prod(-(-size // PATCH_PX) for size in true_labels(sample).shape)
        rows = []
        for label, true, found, box in class_masks(sample, prediction, info):
            wrong = patch_errors(true, found, box)
            rows.append((label, *betti_numbers(true), *betti_numbers(found), *wrong, patches))
        return statistic_of_rows(self, sample, rows)

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """The error, the image, and whether it holds the class.

        Alone an image without a class that others hold has its error, 0: it is as good as can be, not undefined.
        """
        counts = _laid_out.counts(statistics, named_classes(info))[:, list(places)]
        held = counts[..., 6] > 0
        terms = np.stack([_errors(counts)[score], np.ones(held.shape), held], axis=-1)
        alone = terms.copy()
        alone[..., 2] = held.any(axis=0)
        return SumsByClass(terms, _mean_of_held, alone, weights=terms[..., 1:2])

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """A side with holes has pieces, one side at least has the class, and patches bound their errors."""
        columns = statistic.columns
        pieces, holes, other_pieces, other_holes, patch_pieces, patch_holes, patches = (columns[n] for n in _COUNTS)
        counts = np.stack([columns[name] for name in _COUNTS])
        return broken_rule(
            {
                "labels are of classes": np.isin(columns["label"], [c.id for c in named_classes(info)]),
                "a label stands once": all_different(columns["label"]),
                "numbers are those of a picture": np.all((counts >= 0) & (counts < MAX_PIXELS), axis=0),
                "one side has the label": pieces + other_pieces > 0,
                "holes are in pieces": ((holes == 0) | (pieces > 0)) & ((other_holes == 0) | (other_pieces > 0)),
                "there are patches": patches > 0,
                "errors of patches fit into these": np.maximum(patch_pieces, patch_holes) <= patches * PATCH_PX**2,
            }
        )

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """Pieces and holes of every true label."""
        there = statistic.columns["pieces_true"] > 0
        return {name: statistic.columns[name][there] for name in ("label", "pieces_true", "holes_true", "patches")}


def betti_numbers(mask: Array) -> tuple[int, int]:
    """Numbers of pieces and of holes of a mask (h, w) bool, all beyond which is outside.

    >>> betti_numbers(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 0], [0, 0, 1]], bool))
    (2, 1)
    """
    inside = cv2.copyMakeBorder(mask.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0.0,))
    pieces = cv2.connectedComponents(inside, connectivity=8)[0] - 1
    # beside the label of the mask there is that of the outside
    return pieces, cv2.connectedComponents(1 - inside, connectivity=4)[0] - 2


def patch_errors(true: Array, found: Array, box: Box, side: int = PATCH_PX) -> tuple[int, int]:
    """Sums over patches of the differences between numbers of pieces and of holes.

    Parameters
    ----------
    true, found : (h, w) bool, what lies in this `box` of an image that holds nothing elsewhere
    side : of a patch in pixels; patches lie side by side from the upper left corner of the image
    """
    pieces = holes = 0
    for rows, columns in itertools.product(*(_parts(part, side) for part in box)):
        masks = true[rows, columns], found[rows, columns]
        if not np.array_equal(*masks):
            (here, hollow), (there, other) = map(betti_numbers, masks)
            pieces, holes = pieces + abs(here - there), holes + abs(hollow - other)
    return pieces, holes


def _parts(part: slice, side: int) -> list[slice]:
    """What of a part of an image's lines is of each patch that it touches, counted from where the part starts."""
    starts = range(part.start // side * side, part.stop, side)
    return [slice(max(start - part.start, 0), start + side - part.start) for start in starts]


def _errors(counts: Int64) -> dict[str, Float64]:
    """Every score of counts (n, C, 7) in each image, (n, C)."""
    pieces, holes, other_pieces, other_holes, patch_pieces, patch_holes, patches = np.moveaxis(counts, -1, 0)
    many = np.maximum(patches, 1)
    return {
        "betti0_error": np.abs(other_pieces - pieces).astype(np.float64),
        "betti1_error": np.abs(other_holes - holes).astype(np.float64),
        "euler_error": np.abs(other_pieces - other_holes - pieces + holes).astype(np.float64),
        "betti0_patch_error": patch_pieces / many,
        "betti1_patch_error": patch_holes / many,
    }


def _mean_of_held(sums: Float64) -> Float64:
    """The mean error (…) over images, of sums (…, 3); NaN of a class that no image holds."""
    error, images, held = np.moveaxis(sums, -1, 0)
    return np.where(held > 0, error / np.maximum(images, 1), np.nan)
