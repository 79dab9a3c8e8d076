"""Ranking of pixels by their probability, whatever the threshold: ROC AUC, average precision, and FPR at 95 % TPR.

References
----------
Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27(8):861-874 (2006). Blum et al., "The
Fishyscapes Benchmark", IJCV 129:3119-3135 (2021), and Chan et al., "SegmentMeIfYouCan", NeurIPS 2021 (average precision
and FPR at 95 % TPR of anomalous pixels). Scikit-learn's `roc_auc_score`, `average_precision_score` and `roc_curve` give
the same of `levels` of probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from .base import MetricFamily
from .class_maps import is_void
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

_CELLS = 1 << 21
"""Pixels of levels, of so many resamples together, that are held at once."""

_SAMPLES = 256
"""Images whose levels are laid out at once."""

_TPR = (19, 20)


@dataclass(frozen=True)
class PixelRanking(MetricFamily):
    """How well probabilities of a binary task rank its pixels, pooled over all images; of masks alone undefined.

    roc_auc: how probable it is that a pixel of the foreground has a higher probability than one of the background;
    equal ones count half. average_precision: the sum over thresholds of the precision, times what the recall gains
    there. fpr_at_95_tpr: part of the background at or above the highest threshold that finds 95 % of the foreground.
    Undefined without true foreground; roc_auc and fpr_at_95_tpr without background, too.

    Probabilities are equal that are of one level: within 1/256 of each other, or of what they miss to 1.
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
        """Pixels of each side by level, a row for each level that holds any; none without probabilities.

        Raises UserError naming the sample for a wrong shape or value.
        """
        labels = true_labels(sample), binary_labels(sample, prediction)
        check_labels(sample.id, *shared_counts(*labels)[:2], info)
        counts = np.zeros((LEVELS, 2), np.int64)
        if prediction.probabilities is not None:
            counted, inside = ~is_void(labels[0], info.void), labels[0] == info.foreground
            for rows in pieces(prediction.probabilities):
                here = counted[rows]
                place = 2 * levels(prediction.probabilities[rows][here]) + inside[rows][here]
                counts += np.bincount(place, minlength=2 * LEVELS).reshape(LEVELS, 2)
        held = np.flatnonzero(counts.any(axis=1))
        columns = dict(zip(self.columns, (held, counts[held, 0], counts[held, 1]), strict=True))
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """All scores of the pooled pixels."""
        found = self.resample(statistics, info, np.ones((1, len(statistics)), np.int64))
        return {name: float(values[0]) for name, values in found.items()}

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """The same scores of B resamples, each (B,) float64."""
        del info
        table = _tables.get(statistics, None, lambda: _Table.of(statistics))
        step = max(1, _CELLS // max(table.background.shape[1], 1))
        parts = [_scores(*table.pooled(weights[start : start + step])) for start in range(0, len(weights), step)]
        return {
            score.name: np.concatenate([np.zeros(0), *(part[score.name] for part in parts)]) for score in self.scores
        }

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Levels are those that there are, each once, and hold pixels."""
        del info
        level, background, foreground = (statistic.columns[name] for name in self.columns)
        return broken_rule(
            {
                f"a level is one of {LEVELS}": (level >= 0) & (level < LEVELS),
                "a level stands once": all_different(level),
                "numbers of pixels are not negative": (background >= 0) & (foreground >= 0),
                "a level holds pixels": (background + foreground > 0) & (background + foreground < MAX_PIXELS),
            }
        )

    def totals(self, statistic: Statistic, info: DatasetInfo) -> dict[str, int]:
        """Of probabilities the pixels that are truly foreground."""
        del info
        held = statistic.columns["foreground"]
        return {"true foreground": int(held.sum())} if held.size else {}


def levels(probabilities: Array) -> Int64:
    """The level of probabilities (n,) in 0..1, 0 to `LEVELS` - 1, (n,) int64: the higher, the higher.

    A level is 1/256 of an octave wide, of the probability below 0.5 and of what it misses to 1 from there on, so that
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
class _Table:
    """Pixels of each image at the levels that any has, from the highest down: sparse matrices (n, L) of doubles."""

    background: Any
    foreground: Any

    @classmethod
    def of(cls, statistics: Sequence[Statistic]) -> _Table:
        from scipy.sparse import csr_array

        none = np.zeros(0, np.int64)
        level, *pixels = (
            np.concatenate([none, *(s.columns[name] for s in statistics)]) for name in PixelRanking.columns
        )
        row = np.repeat(np.arange(len(statistics)), [len(s.columns["level"]) for s in statistics])
        occurring, place = np.unique(-level, return_inverse=True)
        shape = (len(statistics), len(occurring))
        return cls(*(csr_array((each.astype(np.float64), (row, place)), shape=shape) for each in pixels))

    def pooled(self, weights: Int64) -> tuple[Float64, Float64]:
        """Pixels of background and foreground (B, L) of B resamples: doubles hold these sums exactly, in any order."""
        total = np.zeros((2, len(weights), self.background.shape[1]))
        for start in range(0, weights.shape[1], _SAMPLES):
            here = slice(start, start + _SAMPLES)
            drawn = weights[:, here].astype(np.float64)
            if drawn.any():
                # images hold so many of the levels that dense products are quicker
                total[0] += drawn @ self.background[here].toarray()
                total[1] += drawn @ self.foreground[here].toarray()
        return total[0], total[1]


_tables: SameStatistics[_Table] = SameStatistics(2)
"""What all scores and intervals are made of, of the two runs of a comparison."""


def _scores(background: Float64, foreground: Float64) -> dict[str, Float64]:
    """Every score (B,) of pixels (B, L) from the highest level down, NaN where undefined."""
    if not foreground.shape[1]:
        return dict.fromkeys((score.name for score in PixelRanking.scores), np.full(len(foreground), math.nan))
    found, false = foreground.cumsum(axis=1), background.cumsum(axis=1)
    positive, negative = found[:, -1], false[:, -1]
    above = (background * (found - foreground / 2)).sum(axis=1)
    precision = found / np.maximum(found + false, 1)
    enough = (_TPR[1] * found >= _TPR[0] * positive[:, None]).argmax(axis=1)
    at_threshold = np.take_along_axis(false, enough[:, None], axis=1)[:, 0]
    both = np.where(positive > 0, negative, 0)
    return {
        "roc_auc": ratio(above, positive * both),
        "average_precision": ratio((foreground * precision).sum(axis=1), positive),
        "fpr_at_95_tpr": ratio(at_threshold, both),
    }
