"""Ranking of pixels by their probability, whatever the threshold: ROC AUC, average precision, and FPR at 95 % TPR.

References
----------
Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27(8):861-874 (2006). Blum et al., "The
Fishyscapes Benchmark", IJCV 129:3119-3135 (2021), and Chan et al., "SegmentMeIfYouCan", NeurIPS 2021 (average precision
and FPR at 95 % TPR of anomalous pixels). Scikit-learn's `roc_auc_score`, `average_precision_score` and `roc_curve` give
the same of `levels` of probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..types import (
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
from .level_table import COLUMNS, NO_LEVEL, LevelTable, Weights
from .probabilities import pieces
from .probability_levels import LEVELS, levels
from .ranking_curve import RankingCurve
from .same_statistics import SameStatistics
from .table_rules import MAX_PIXELS, all_different, broken_rule

_tables: SameStatistics[LevelTable] = SameStatistics()
"""What all scores and intervals are made of: of the two runs of a comparison, and of both side by side."""


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
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = dict.fromkeys(COLUMNS, "int64")
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
            return statistic_of_rows(self, sample, [(NO_LEVEL, *pixels)] if any(pixels) else [])
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
        table = _tables.get(statistics, None, lambda: LevelTable.of(statistics))
        drawn, curve = Weights(weights), RankingCurve(*(weights @ table.images).T)
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
        table = _tables.get((*one, *other), len(one), lambda: LevelTable.of(one, other))
        images = [weights @ table.images + (1 - weights) @ table.images_less for weights in (kept, 1 - kept)]
        drawn, (mine, theirs) = Weights(kept), (RankingCurve(*each.T) for each in images)
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
                f"a level is one of {LEVELS}": (level >= (NO_LEVEL if alone else 0)) & (level < LEVELS),
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
