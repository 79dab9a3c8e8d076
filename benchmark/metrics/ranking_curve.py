"""ROC AUC, average precision and FPR at 95 % TPR of many resamples at once, from their pixels by level."""

from __future__ import annotations

import numpy as np

from ..types import Array, Float64
from .pooled import ratio

_RESAMPLES_AT_ONCE = 32
"""Of a table that is gone down at once: it stays in the processor's cache."""

_TPR = (19, 20)
"""The true positive rate at which the false one is told, as a fraction of whole numbers."""


class RankingCurve:
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
