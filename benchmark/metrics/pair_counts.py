"""Sums of sparse confusion matrices: of all samples in one matrix, and of each sample by class.

A sparse confusion matrix is a statistic with the columns `truth`, `prediction` and `pixels`, a row for each pair of
labels that occurs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from ..types import Array, ClassInfo, DatasetInfo, Int64, Statistic
from .pooled import ratio
from .same_statistics import SameStatistics
from .sparse_counts import SparseCounts

PAIR_COLUMNS = ("truth", "prediction", "pixels")

_MAX_TABLE = 1 << 17
"""Labels that lie so close together are looked up in a table of this length, others are sorted."""

_counted: SameStatistics[SparseCounts] = SameStatistics()
"""The counts that all scores, intervals and tables of one family are made of."""


def confusion(statistics: Sequence[Statistic], rank: Mapping[int, int]) -> Int64:
    """Pooled confusion matrix (C, C + 1) int64: rows truth, columns prediction, the last one for all other labels.

    Parameters
    ----------
    statistics : sequence of Statistic
        With the columns `truth`, `prediction` and `pixels`.
    rank : mapping
        The row and column (0 to C - 1) of every label that is counted; other true labels are void.
    """
    size = max(rank.values()) + 1
    _, truth, predicted, pixels = _triples(statistics, rank, size)
    matrix = np.zeros(size * (size + 1), np.int64)
    np.add.at(matrix, truth * (size + 1) + predicted, pixels)
    return matrix.reshape(size, size + 1)


def class_counts(statistics: Sequence[Statistic], rank: Mapping[int, int]) -> Int64:
    """Per sample and class: pixels that are right, true and predicted, (n, C, 3) int64; as in `confusion`.

    Takes 24 bytes for each sample and class: what can do with less takes `sparse_counts`.
    """
    return sparse_counts(statistics, rank).dense()


def sparse_counts(statistics: Sequence[Statistic], rank: Mapping[int, int]) -> SparseCounts:
    """The same as `class_counts` in little memory; made once for the same statistics."""
    size = max(rank.values()) + 1
    make = partial(SparseCounts.of, statistics, size, lambda part: _class_counts(part, rank, size))
    return _counted.get(statistics, tuple(rank.items()), make)


def _class_counts(statistics: Sequence[Statistic], rank: Mapping[int, int], size: int) -> Int64:
    sample, truth, predicted, pixels = _triples(statistics, rank, size)
    counts = np.zeros(len(statistics) * 3 * (size + 1), np.int64)
    right = truth == predicted
    row = 3 * (size + 1) * sample
    np.add.at(counts, row[right] + truth[right], pixels[right])
    np.add.at(counts, row + (size + 1) + truth, pixels)
    np.add.at(counts, row + 2 * (size + 1) + predicted, pixels)
    return counts.reshape(len(statistics), 3, size + 1)[:, :, :size]


def _triples(statistics: Sequence[Statistic], rank: Mapping[int, int], size: int) -> tuple[Int64, ...]:
    """Sample number, rank of truth, rank of prediction (`size` for labels without one) and pixels, without void."""
    lengths = [len(s.columns["pixels"]) for s in statistics]
    sample = np.repeat(np.arange(len(statistics)), lengths)
    none = np.zeros(0, np.int64)
    truth, predicted, pixels = (np.concatenate([none, *(s.columns[name] for s in statistics)]) for name in PAIR_COLUMNS)
    truth, predicted = _ranked(truth, rank, -1), _ranked(predicted, rank, size)
    counted = truth >= 0
    return sample[counted], truth[counted], predicted[counted], pixels[counted]


def _ranked(labels: Int64, rank: Mapping[int, int], other: int) -> Int64:
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if high - low < _MAX_TABLE:
        table = np.full(high - low + 1, other, np.int64)
        for label, place in rank.items():
            if low <= label <= high:
                table[label - low] = place
        return table[labels - low]
    known, inverse = np.unique(labels, return_inverse=True)
    return np.array([rank.get(label, other) for label in known.tolist()], np.int64)[inverse]


def ranks(classes: Sequence[ClassInfo]) -> dict[int, int]:
    """The place of every class in its order."""
    return {c.id: position for position, c in enumerate(classes)}


def category_ranks(info: DatasetInfo) -> dict[str, int]:
    """The place of every category of the scored classes, in the order of the classes."""
    names = dict.fromkeys(c.category for c in info.classes)
    return {name: position for position, name in enumerate(names)}


def class_table(counts: Array, classes: Sequence[ClassInfo]) -> dict[str, dict[str, float]]:
    """IoU, Dice, accuracy (recall) and true pixels of every class from counts (C, 3); NaN where undefined."""
    right, truth, predicted = counts.T
    columns = {
        "iou": ratio(right, truth + predicted - right),
        "dice": ratio(2 * right, truth + predicted),
        "accuracy": ratio(right, truth),
        "pixels": truth.astype(np.float64),
    }
    return {c.name: {key: float(column[n]) for key, column in columns.items()} for n, c in enumerate(classes)}
