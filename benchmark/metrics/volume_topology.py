"""Topology of whole volumes: errors of Betti numbers of masks in three dimensions and of Euler characteristics.

Of a mask Betti number 0 is the number of its pieces, whose voxels hang together by faces, edges or corners (26
neighbours); Betti number 2 that of its cavities: pieces of all else, by faces alone (6 neighbours), that do not reach
the outside; and Betti number 1 that of its tunnels, such as the hole of a ring. The two ways to hang together belong
to each other: the mask is a union of closed cubes, all else what is left. The Euler characteristic is pieces less
tunnels plus cavities. It is counted as corners less edges plus faces less cubes of that union, and the tunnels follow
from it.

A mask is the set of voxels of one class in a case, which is a group of slices. Void voxels of the truth belong to no
mask, neither true nor predicted, and nor does a slice that is not among the samples. All beyond the volume is outside.
The distance between slices plays no part.

References
----------
Kong & Rosenfeld, "Digital Topology: Introduction and Survey", CVGIP 48(3):357-393 (1989). Hu et al.,
"Topology-Preserving Deep Image Segmentation", NeurIPS 2019. Shit et al., "clDice", CVPR 2021 (errors of Betti numbers
and Euler characteristics of volumes).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..types import Array, DatasetInfo, Float64, Int64, Part, Prediction, Sample, ScoreInfo, Statistic, SumsByClass
from .class_means import MeansOverClasses, named_classes, of_places
from .pooled import means_by_class
from .rows_by_class import RowsByClass
from .table_rules import MAX_PIXELS, all_different, broken_rule
from .whole_volumes import PART_COLUMNS, rows_of_case, slice_of_volume, volume_masks

_COUNTS = tuple(f"{what}_{side}" for side in ("true", "pred") for what in ("pieces", "tunnels", "cavities"))

_laid_out = RowsByClass(_COUNTS)


def _error(name: str, summary: str, unit: str) -> ScoreInfo:
    return ScoreInfo(name, summary, unit, high=math.inf, higher_is_better=False)


@dataclass(frozen=True)
class VolumeTopology(MeansOverClasses):
    """By how many pieces, tunnels and cavities a prediction of a volume is wrong.

    Every score is the mean of an absolute difference over the cases that hold the class, truly or predicted, then over
    the classes, without background; of a binary dataset it is the foreground's.

    volume_betti0_error, volume_betti1_error, volume_betti2_error: of the numbers of pieces, tunnels and cavities.
    volume_euler_error: of the Euler characteristics, pieces less tunnels plus cavities.
    """

    name: ClassVar[str] = "volume-topology"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "errors of Betti numbers (pieces, tunnels, cavities) and Euler's of whole volumes"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        _error("volume_betti0_error", "mean over cases of the difference between numbers of pieces", "pieces"),
        _error("volume_betti1_error", "mean over cases of the difference between numbers of tunnels", "tunnels"),
        _error("volume_betti2_error", "mean over cases of the difference between numbers of cavities", "cavities"),
        _error(
            *("volume_euler_error", "mean over cases of the difference between Euler characteristics"),
            "pieces less tunnels plus cavities",
        ),
    )
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = scores
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = dict.fromkeys(("label", *_COUNTS), "int64")
    part_columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = PART_COLUMNS
    parts: ClassVar[tuple[Part, ...]] = ("labels",)
    needs_volumes: ClassVar[bool] = True

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Both sides of a slice: numbers are known once all slices of the case are there.

        Raises
        ------
        UserError
            For a prediction of another size, or a label value that the dataset does not know.
        """
        return slice_of_volume(self, sample, prediction, info, named_classes(info))

    def of_group(self, parts: Sequence[Statistic], info: DatasetInfo) -> list[Statistic]:
        """The numbers of a case from its slices, in any order: a row per class at its first slice, none elsewhere.

        Raises
        ------
        UserError
            For slices of different sizes.
        """
        rows = [
            (each.id, *(number for mask in masks for number in betti_numbers_of_volume(mask)))
            for each, masks in volume_masks(parts, named_classes(info))
        ]
        return rows_of_case(self, parts, rows)

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """Means over the cases that hold the class; a case weighs what its first slice weighs."""
        return means_by_class(
            _errors(of_places(_laid_out.counts(statistics, named_classes(info)), info, places))[score]
        )

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """A side with tunnels or cavities has pieces, and one side at least has the class."""
        columns = statistic.columns
        pieces, tunnels, cavities, other_pieces, other_tunnels, other_cavities = (columns[name] for name in _COUNTS)
        counts = np.stack([columns[name] for name in _COUNTS])
        return broken_rule(
            {
                "labels are of classes": np.isin(columns["label"], [c.id for c in named_classes(info)]),
                "a label stands once": all_different(columns["label"]),
                "numbers are those of a volume": np.all((counts >= 0) & (counts < MAX_PIXELS), axis=0),
                "one side has the label": pieces + other_pieces > 0,
                "tunnels and cavities are in pieces": ((tunnels + cavities == 0) | (pieces > 0))
                & ((other_tunnels + other_cavities == 0) | (other_pieces > 0)),
            }
        )

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """Pieces, tunnels and cavities of every true label."""
        there = statistic.columns["pieces_true"] > 0
        return {name: statistic.columns[name][there] for name in ("label", *_COUNTS[:3])}


def betti_numbers_of_volume(mask: Array) -> tuple[int, int, int]:
    """Numbers of pieces, tunnels and cavities of a mask (N, H, W) bool, all beyond which is outside.

    >>> ring = np.ones((1, 3, 3), bool)
    >>> ring[0, 1, 1] = False
    >>> betti_numbers_of_volume(ring)
    (1, 1, 0)
    """
    from scipy.ndimage import label

    inside = np.pad(mask, 1)
    pieces = int(label(inside, np.ones((3, 3, 3)))[1])
    # beside cavities there is the outside
    cavities = int(label(~inside)[1]) - 1
    return pieces, pieces + cavities - euler_characteristic(mask), cavities


def euler_characteristic(mask: Array) -> int:
    """That of the union of closed unit cubes, one for each voxel of a mask (N, H, W) bool.

    >>> euler_characteristic(np.ones((2, 2, 2), bool))
    1
    """
    found = 0
    for flat in itertools.product((False, True), repeat=3):
        cells = np.pad(mask, 1)
        for axis in itertools.compress(range(3), flat):
            # what is flat along an axis lies between two voxels, of which one will do
            along = np.moveaxis(cells, axis, 0)
            cells = np.moveaxis(along[1:] | along[:-1], 0, axis)
        found += (-1) ** (3 - sum(flat)) * int(np.count_nonzero(cells))
    return found


def _errors(counts: Int64) -> dict[str, Float64]:
    """Every score of counts (n, C, 6) in each sample, (n, C); NaN where neither side holds the class."""
    pieces, tunnels, cavities, other_pieces, other_tunnels, other_cavities = np.moveaxis(counts, -1, 0)
    apart = {
        "volume_betti0_error": other_pieces - pieces,
        "volume_betti1_error": other_tunnels - tunnels,
        "volume_betti2_error": other_cavities - cavities,
    }
    apart["volume_euler_error"] = (
        apart["volume_betti0_error"] - apart["volume_betti1_error"] + apart["volume_betti2_error"]
    )
    held = pieces + other_pieces > 0
    return {name: np.where(held, np.abs(values), np.nan) for name, values in apart.items()}
