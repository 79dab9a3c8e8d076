"""Ranking of pixels by their probability, whatever the threshold: ROC AUC, average precision, and FPR at 95 % TPR.

References
----------
Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27(8):861-874 (2006). Blum et al., "The
Fishyscapes Benchmark", IJCV 129:3119-3135 (2021), and Chan et al., "SegmentMeIfYouCan", NeurIPS 2021 (average precision
and FPR at 95 % TPR of anomalous pixels). Scikit-learn's `roc_auc_score`, `average_precision_score` and `roc_curve` give
the same of `levels` of probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from ..types import (
    Array,
    DatasetInfo,
    Float64,
    Int64,
    Part,
    Prediction,
    Sample,
    ScoreInfo,
    Statistic,
    Task,
)
from .base import ResampledFamily
from .class_maps import is_void
from .class_masks import statistic_of_rows
from .joint_counts import shared_counts
from .label_checks import binary_labels, check_labels, true_labels
from .pooled import ratio
from .probabilities import pieces
from .same_statistics import SameStatistics
from .table_rules import MAX_PIXELS, all_different, broken_rule

_BITS = 8
"""Of the mantissa that a level keeps. With 6 the steps of 8-bit images, 1/255, stay apart already; of the 32-bit
probabilities of real images 6 move the FPR by 0.004, 8 by less than 0.0005."""

_OCTAVES = 23
"""Below 2^-23 all probabilities are of one level, as are those that are so near to 1."""

_SHIFT = 23 - _BITS
_LOWEST = (127 - _OCTAVES) << _BITS
_HALF = ((_OCTAVES - 1) << _BITS) + 1
"""The steps from the lowest level to a probability of 0.5."""

LEVELS = 2 * _HALF + 1

_LEVELS_AT_ONCE = 512
_IMAGES_AT_ONCE = 2048
_RESAMPLES_AT_ONCE = 32
"""Of a table that is laid out densely at once: it stays in the processor's cache, and memory does not grow with it."""

_EXACT_IN_FLOATS = 1 << 24
"""Floats hold all whole numbers below."""

_NO_LEVEL = -1
"""Of the pixels of a prediction without probabilities."""

_TPR = (19, 20)


@dataclass(frozen=True)
class PixelRanking(ResampledFamily):
    """How well probabilities of a binary task rank its pixels, pooled over all images.

    roc_auc: how probable it is that a pixel of the foreground has a higher probability than one of the background;
    equal ones count half. average_precision: the sum over thresholds of the precision, times what the recall gains
    there. fpr_at_95_tpr: part of the background at or above the highest threshold that finds 95 % of the foreground.
    Undefined without true foreground, and where any prediction is a mask; roc_auc and fpr_at_95_tpr without background,
    too.

    Probabilities of one level count as equal: they are within 1/256 of each other, or of their distance to 1.
    """

    name: ClassVar[str] = "pixel-ranking"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "ROC AUC, average precision and FPR at 95 % TPR of pixels from probabilities"
    takes_probabilities: ClassVar[bool] = True
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("roc_auc", "area under the ROC curve of pixels, pooled over the split"),
        ScoreInfo("average_precision", "area under the precision-recall curve of pixels, pooled over the split"),
        ScoreInfo(
            *("fpr_at_95_tpr", "part of the background at the threshold that finds 95 % of the foreground"),
            higher_is_better=False,
        ),
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "level": "int64",
        "background": "int64",
        "foreground": "int64",
    }
    parts: ClassVar[tuple[Part, ...]] = ("labels",)
    tasks: ClassVar[tuple[Task, ...]] = ("binary",)

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Pixels of each side by level, a row for each level that holds any; without probabilities one at level -1.

        Raises UserError naming the sample for a wrong shape or value.
        """
        labels = true_labels(sample), binary_labels(sample, prediction)
        check_labels(sample.id, *shared_counts(*labels)[:2], info)
        counted, inside = ~is_void(labels[0], info.void), labels[0] == info.foreground
        if prediction.probabilities is None:
            sides = (counted & ~inside, counted & inside)
            pixels = tuple(int(np.count_nonzero(side)) for side in sides)
            return statistic_of_rows(self, sample, [(_NO_LEVEL, *pixels)] if any(pixels) else [])
        counts = np.zeros((LEVELS, 2), np.int64)
        for part in pieces(prediction.probabilities):
            here = counted[part]
            place = 2 * levels(prediction.probabilities[part][here]) + inside[part][here]
            counts += np.bincount(place, minlength=2 * LEVELS).reshape(LEVELS, 2)
        held = np.flatnonzero(counts.any(axis=1))
        columns = dict(zip(self.columns, (held, counts[held, 0], counts[held, 1]), strict=True))
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """Scores of the pooled pixels of B resamples, each (B,) float64; NaN where undefined."""
        del info
        table = _tables.get(statistics, None, lambda: _Table.of(statistics))
        drawn, curve = _Weights(weights), _Curve(*(weights @ table.images).T)
        for here in table.levels:
            curve.add(here.pooled(drawn))
        return curve.scores()

    def resample_swapped(
        self, one: Sequence[Statistic], other: Sequence[Statistic], info: DatasetInfo, kept: Int64
    ) -> tuple[dict[str, Float64], dict[str, Float64]]:
        """From what the one run has beyond the other: a swap takes that from the one and gives it to the other.

        So one product with n samples does what two with 2n do of both runs side by side.
        """
        del info
        table = _tables.get((*one, *other), len(one), lambda: _Table.of(one, other))
        images = [weights @ table.images + (1 - weights) @ table.images_less for weights in (kept, 1 - kept)]
        drawn, (mine, theirs) = _Weights(kept), (_Curve(*each.T) for each in images)
        for here in table.levels:
            moved = here.pooled(drawn)
            mine.add(moved, here.whole_less)
            theirs.add(moved, here.whole, -1)
        return mine.scores(), theirs.scores()

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Levels are those that there are, each once, and hold pixels."""
        del info
        level, background, foreground = (statistic.columns[name] for name in self.columns)
        alone = len(level) == 1
        return broken_rule(
            {
                f"a level is one of {LEVELS}": (level >= (_NO_LEVEL if alone else 0)) & (level < LEVELS),
                "a level stands once": all_different(level),
                "numbers of pixels are not negative": (background >= 0) & (foreground >= 0),
                "a level holds pixels": (background + foreground > 0) & (background + foreground < MAX_PIXELS),
            }
        )

    def totals(self, statistic: Statistic, info: DatasetInfo) -> dict[str, int]:
        """The pixels that are truly foreground."""
        del info
        held = statistic.columns["foreground"]
        return {"true foreground": int(held.sum())} if held.size else {}


def levels(probabilities: Array) -> Int64:
    """The level of probabilities (n,) in 0..1, 0 to `LEVELS` - 1, (n,) int64: the higher, the higher.

    A level is 1/256 of an octave wide, of the probability below 0.5 and of its distance to 1 from there on, so that
    probabilities near 0 and near 1 are told apart as those of networks need it; the same on every machine.

    >>> levels(np.array([0, 1e-9, 0.5, 0.996, 1])).tolist()
    [0, 0, 5633, 7419, 11266]
    """
    values = np.asarray(probabilities, np.float32)
    upper = values >= 0.5
    missing = np.where(upper, 1 - values, values)  # exact: from 0.5 on a float and what it misses to 1 both are
    step = np.maximum((missing.view(np.int32) >> _SHIFT) - _LOWEST + 1, 0).astype(np.int64)
    return np.asarray(np.where(upper, LEVELS - 1 - step, step))


@dataclass(frozen=True)
class _Weights:
    """How often each image is drawn, (B, n), as each kind of numbers that is multiplied; `heaviest` is the largest."""

    weights: Int64

    @cached_property
    def heaviest(self) -> int:
        return int(self.weights.max(initial=0))

    @cached_property
    def used(self) -> Array:
        """Which images (n,) are drawn at all: one of a few where samples are scored alone."""
        return np.asarray(self.weights.any(axis=0))

    @cached_property
    def floats(self) -> Array:
        return self.weights.astype(np.float32)

    @cached_property
    def doubles(self) -> Float64:
        return self.weights.astype(np.float64)


@dataclass(frozen=True)
class _Part:
    """Pixels of k neighbouring images at l neighbouring levels: sparse matrices (k, l) of floats."""

    images: slice
    background: Any
    foreground: Any


@dataclass(frozen=True)
class _Levels:
    """Neighbouring levels, from the highest down, with the pixels of all images at them; `most` at one of them.

    whole, whole_less : (2, width) float64, background and foreground of all images: of the run, and of that which is
        taken from it
    """

    most: int
    parts: tuple[_Part, ...]
    whole: Float64
    whole_less: Float64

    def pooled(self, drawn: _Weights) -> tuple[Array, Array]:
        """Pixels of background and foreground (B, width) of B resamples, floats or doubles.

        The sums are exact in any order: doubles hold whole numbers below 2^53, floats, which multiply twice as fast,
        below 2^24.
        """
        weights = drawn.floats if self.most * drawn.heaviest < _EXACT_IN_FLOATS else drawn.doubles
        background, foreground = np.zeros((2, len(weights), self.whole.shape[1]), weights.dtype)
        for part in self.parts:
            used, here, sides = drawn.used[part.images], weights[:, part.images], (part.background, part.foreground)
            if not used.all():
                here, sides = here[:, used], tuple(side[used] for side in sides)
            for total, side in zip((background, foreground), sides, strict=True):
                # images hold so many of the levels that dense products are quicker
                total += here @ side.toarray().astype(here.dtype, copy=False)
        return background, foreground


@dataclass(frozen=True)
class _Table:
    """Pixels of n images at the levels that any of them has; of a pair of runs those of the one less the other's.

    images, images_less : (n, 3) float64, of each image the true pixels of foreground and of background, and 1 where a
        prediction has no probabilities
    """

    levels: tuple[_Levels, ...]
    images: Float64
    images_less: Float64

    @classmethod
    def of(cls, statistics: Sequence[Statistic], less: Sequence[Statistic] = ()) -> _Table:
        """Of the statistics of one run, less those of another run on the same images."""
        rows = [s for pair in zip(statistics, less, strict=True) for s in pair] if less else statistics
        row = np.repeat(np.arange(len(rows), dtype=np.int32), [len(s.columns["level"]) for s in rows])
        level, *pixels = (
            np.concatenate([np.zeros(0, np.int64), *(s.columns[name] for s in rows)], dtype=kind)
            for name, kind in zip(PixelRanking.columns, (np.int32, np.float64, np.float64), strict=True)
        )
        ranked = level != _NO_LEVEL
        masks = np.bincount(row[~ranked], minlength=len(rows))
        if masks.any():
            row, level, *pixels = (each[ranked] for each in (row, level, *pixels))
        of_rows = np.stack([*(np.bincount(row, each, len(rows)) for each in pixels[::-1]), masks], axis=1)
        if not less:
            return cls(_levels(row, level, pixels, len(statistics)), of_rows, np.zeros_like(of_rows))
        for each in pixels:
            np.negative(each, out=each, where=row % 2 == 1)
        return cls(_levels(row // 2, level, pixels, len(statistics)), of_rows[::2], of_rows[1::2])


def _levels(image: Array, level: Array, pixels: Sequence[Float64], images: int) -> tuple[_Levels, ...]:
    """The table of (m,) entries, images rising, so many levels at a time; negative pixels are taken away."""
    occurring = np.bincount(level, minlength=LEVELS) > 0
    place = (occurring.sum() - occurring.cumsum()).astype(np.int32)[level]
    apart, both = (np.array([np.bincount(place, each) for each in sides]) for sides in (pixels, map(np.abs, pixels)))
    wholes = (both + apart) / 2, (both - apart) / 2
    block = (place // _LEVELS_AT_ONCE).astype(np.uint8)
    order = np.argsort(block, kind="stable")
    ends = np.cumsum(np.bincount(block)).tolist()
    found = []
    for number, (start, stop) in enumerate(zip([0, *ends], ends, strict=False)):
        here, first = order[start:stop], number * _LEVELS_AT_ONCE
        whole, less = (each[:, first : first + _LEVELS_AT_ONCE] for each in wholes)
        shape = images, whole.shape[1]
        parts = tuple(_parts(image[here], place[here] - first, [each[here] for each in pixels], shape))
        found.append(_Levels(int((whole + less).sum(axis=0).max()), parts, whole, less))
    return tuple(found)


def _parts(image: Array, place: Array, sides: Sequence[Float64], shape: tuple[int, int]) -> Iterator[_Part]:
    """Sparse matrices of a table of this shape, so many images at a time.

    Parameters
    ----------
    image, place : (m,) the row, rising, and the column of each entry
    sides : pixels (m,) of background and of foreground
    """
    from scipy.sparse import csr_array

    kind = np.float32 if max(np.abs(each).max() for each in sides) < _EXACT_IN_FLOATS else np.float64
    for first in range(0, shape[0], _IMAGES_AT_ONCE):
        last = min(first + _IMAGES_AT_ONCE, shape[0])
        start, stop = np.searchsorted(image, [first, last])
        rows = np.searchsorted(image[start:stop], np.arange(first, last + 1))
        matrices = (
            csr_array((each[start:stop].astype(kind), place[start:stop], rows), shape=(last - first, shape[1]))
            for each in sides
        )
        yield _Part(slice(first, last), *matrices)


_tables: SameStatistics[_Table] = SameStatistics()
"""What all scores and intervals are made of: of the two runs of a comparison, and of both side by side."""


class _Curve:
    """Every score of B resamples, level by level from the highest down."""

    def __init__(self, positive: Float64, negative: Float64, masks: Float64) -> None:
        """Each (B,): true pixels of foreground and of background, and the predictions without probabilities."""
        self._positive, self._negative, self._masks = positive, negative, masks
        self._found, self._false, self._above, self._precisions, self._at_threshold = np.zeros((5, len(positive)))

    def add(self, sides: tuple[Array, Array], whole: Float64 | None = None, sign: int = 1) -> None:
        """Go down some levels, whose pixels of background and foreground are (B, levels) each.

        With `whole` (2, levels) they are these more, or less, than that.
        """
        beside = np.zeros((2, 1)) if whole is None else whole
        for start in range(0, len(self._found), _RESAMPLES_AT_ONCE):
            rows = slice(start, start + _RESAMPLES_AT_ONCE)
            self._add(rows, *(base + sign * side[rows] for base, side in zip(beside, sides, strict=True)))

    def _add(self, rows: slice, background: Float64, foreground: Float64) -> None:
        positive, found = self._positive[rows], self._found[rows]
        true, wrong = foreground.cumsum(axis=1), background.cumsum(axis=1)
        true += found[:, None]
        wrong += self._false[rows, None]
        self._above[rows] += (background * (true - foreground / 2)).sum(axis=1)
        self._precisions[rows] += (foreground * (true / np.maximum(true + wrong, 1))).sum(axis=1)
        enough = _TPR[0] * positive
        reached = np.flatnonzero((_TPR[1] * found < enough) & (_TPR[1] * true[:, -1] >= enough))
        level = (_TPR[1] * true[reached] >= enough[reached, None]).argmax(axis=1)
        self._at_threshold[rows][reached] = wrong[reached, level]
        self._found[rows], self._false[rows] = true[:, -1], wrong[:, -1]

    def scores(self) -> dict[str, Float64]:
        """Each (B,), NaN where undefined."""
        positive = np.where(self._masks > 0, 0, self._positive)
        both = np.where(positive > 0, self._negative, 0)
        return {
            "roc_auc": ratio(self._above, positive * both),
            "average_precision": ratio(self._precisions, positive),
            "fpr_at_95_tpr": ratio(self._at_threshold, both),
        }
