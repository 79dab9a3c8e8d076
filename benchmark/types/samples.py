"""A sample, a prediction, and their parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .arrays import Array, Float32, Uint8

RLE: TypeAlias = Mapping[str, Any]
"""COCO run-length encoding: `size` [H, W], and `counts` as compressed text or bytes, or as a list of run lengths."""


@dataclass(frozen=True)
class Object:
    """One object of an image, true or predicted.

    label: label value of its class. mask: (H, W) bool, or run-length encoded. score: a prediction's confidence.
    crowd: a true region of several objects; area: the annotated area in pixels where it differs from the mask's.
    """

    label: int
    mask: Array | RLE
    score: float = 1.0
    crowd: bool = False
    area: float | None = None


@dataclass(frozen=True)
class Segment:
    """One segment of a panoptic map: its number there, the id of its class, and whether it is a crowd (truth alone)."""

    id: int
    category: int
    crowd: bool = False


@dataclass(frozen=True)
class Panoptic:
    """A map in which every pixel belongs to one segment at most, and its segments.

    ids: (H, W) uint32 or int32 segment numbers, 0 for void. segments: those that the map holds, each once.
    """

    ids: Array
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Sample:
    """One image with its truth; parts that were not asked for, or do not exist, are None.

    image: (H, W) or (H, W, 3) uint8. labels: (H, W) integer label values. instances: (H, W) int32 instance numbers by
    the dataset's rule. objects: annotated objects, which may overlap. panoptic: segments, which may not. group: the
    video, city or stack that the sample belongs to; index: its place in the group.
    """

    id: str
    group: str
    index: int
    image: Uint8 | None = None
    labels: Array | None = None
    instances: Array | None = None
    objects: tuple[Object, ...] | None = None
    panoptic: Panoptic | None = None


@dataclass(frozen=True)
class Prediction:
    """A method's prediction for one image: exactly one of labels, probabilities, objects and panoptic.

    labels: (H, W) integer label values. probabilities: (H, W) float32 in 0..1, the foreground's, for a binary task;
    (C, H, W) float32 in class order for a multi-class one, beside which labels may say what was chosen. objects: found
    objects with their scores, which may overlap. panoptic: found segments, which may not. instances: (H, W) int32 where
    there are any.
    """

    labels: Array | None = None
    probabilities: Float32 | None = None
    objects: tuple[Object, ...] | None = None
    instances: Array | None = None
    panoptic: Panoptic | None = None

    def __post_init__(self) -> None:
        parts = (self.labels, self.probabilities, self.objects, self.panoptic)
        beside = self.labels is not None and self.probabilities is not None and self.probabilities.ndim == 3
        if sum(part is not None for part in parts) != 1 + beside:
            raise ValueError("a Prediction holds exactly one of labels, probabilities, objects and panoptic")
