"""The confusion matrix of a run as numbers with names, from its stored statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..metrics.pair_counts import confusion, ranks
from ..metrics.pooled import ratio
from ..types import DatasetInfo, Float64, Int64, Statistic

IGNORED, OTHER = "(ignored)", "(other)"


@dataclass(frozen=True)
class ConfusionTable:
    """Pixels of all samples by their true and their predicted class.

    truth : names of R rows, the scored classes, and `(ignored)` where the truth has pixels that do not count.
    predicted : names of K columns, the scored classes, and `(other)` where labels were predicted that are none of them.
    pixels : (R, K) int64.
    """

    truth: tuple[str, ...]
    predicted: tuple[str, ...]
    pixels: Int64

    @property
    def shares(self) -> Float64:
        """Every row over its sum, (R, K) float64: the diagonal is recall. NaN where a class has no true pixel."""
        return ratio(self.pixels, np.broadcast_to(self.pixels.sum(axis=1, keepdims=True), self.pixels.shape))


def confusion_table(statistics: Sequence[Statistic], info: DatasetInfo) -> ConfusionTable:
    """The matrix of some samples from their sparse confusion matrices."""
    names = [each.name for each in info.classes]
    classes = len(names)
    rank = ranks(info.classes) | dict.fromkeys(info.void, classes)
    matrix = confusion(statistics, rank)
    pixels = np.concatenate([matrix[:, :classes], matrix[:, classes:].sum(axis=1, keepdims=True)], axis=1)
    rows, columns = [*names, *[IGNORED] * (len(pixels) - classes)], [*names, OTHER]
    if not pixels[classes:].any():
        rows, pixels = rows[:classes], pixels[:classes]
    if not pixels[:, classes].any():
        columns, pixels = columns[:classes], pixels[:, :classes]
    return ConfusionTable(tuple(rows), tuple(columns), pixels)
