"""Calibration family: does a probability of 0.8 come true in 8 of 10 pixels? ECE, Brier score, reliability.

References
----------
Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: expected calibration error of the confidence of the
predicted class, in 15 bins of equal width. Brier, "Verification of forecasts expressed in terms of probability",
Monthly Weather Review 78:1-3 (1950).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

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
    Sums,
)
from .base import MetricFamily
from .label_checks import binary_labels, class_labels, true_labels
from .pooled import drawn, ratio
from .table_rules import MAX_PIXELS, all_different, broken_rule

BINS = 15
"""Bins of equal width over confidences of 0 to 1; a confidence on an edge belongs to the lower bin, as in Guo et al."""

_ROUNDING = 1e-6
"""By which a sum of 32-bit confidences may miss a bound, as a part of the number of pixels."""


@dataclass(frozen=True)
class Calibration(MetricFamily):
    """How well probabilities hold, pooled over all counted pixels; of label maps, which have none, undefined.

    The confidence of a pixel is the probability of the class that is predicted there: the likeliest one, of a binary
    task the foreground where its probability is above 0.5, else the background.
    """

    name: ClassVar[str] = "calibration"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "calibration of probabilities: ECE (15 bins, Guo et al. 2017), Brier score"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("ece", "mean gap of confidence and accuracy in 15 bins, by pixels", higher_is_better=False),
        ScoreInfo(
            "brier",
            "mean squared error of probabilities: of the foreground's (0..1), or summed over classes (0..2)",
            unit="squared probability",
            high=2.0,
            higher_is_better=False,
        ),
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "bin": "int64",
        "pixels": "int64",
        "right": "int64",
        "confidence": "float64",
        "squared_error": "float64",
    }
    parts: ClassVar[tuple[Part, ...]] = ("labels",)
    hooks: ClassVar[Mapping[str, str]] = {
        "run_figures": "segbench.figures.calibration:calibration_figures",
        "report_figures": "segbench.report.figures.calibration:calibration_figures",
    }

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """The histogram of confidences of one sample: a row for each bin that holds pixels; none without probabilities.

        Raises UserError naming the sample for a wrong shape or value.
        """
        found = _Pixels.of(sample, prediction, info)
        place = np.clip(np.ceil(found.confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        pixels = np.bincount(place, minlength=BINS)
        held = np.flatnonzero(pixels)

        def summed(values: Array) -> Float64:
            return np.bincount(place, weights=values.astype(np.float64), minlength=BINS)[held].astype(np.float64)

        columns: dict[str, Int64 | Float64] = {
            "bin": held,
            "pixels": pixels[held],
            "right": summed(found.right).astype(np.int64),
            "confidence": summed(found.confidence),
            "squared_error": summed(found.squared_error),
        }
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """Both scores of the pooled histograms; NaN where no pixel has a probability."""
        found = self.resample(statistics, info, np.ones((1, len(statistics)), np.int64))
        return {score.name: float(found[score.name][0]) for score in self.scores}

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """The same scores of B resamples, each (B,) float64."""
        return {score.name: drawn(self.sums(statistics, info, score.name), weights) for score in self.scores}

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """ECE follows from what accuracy and confidence differ by in each bin, Brier from the squared errors."""
        del info
        table = _table(statistics)
        pixels = table[:, 0].sum(axis=1, keepdims=True)
        if score == "brier":
            return Sums(np.concatenate([table[:, 3].sum(axis=1, keepdims=True), pixels], axis=1), _mean)
        return Sums(np.concatenate([table[:, 1] - table[:, 2], pixels], axis=1), _mean_gap)

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Bins are those of 0 to 1; sums lie between the edges of their bin, and errors between 0 and 2 a pixel."""
        del info
        place, pixels, right, confidence, error = (statistic.columns[name] for name in self.columns)
        slack = _ROUNDING * np.maximum(pixels, 1)
        return broken_rule(
            {
                "a bin is one of 15": (place >= 0) & (place < BINS),
                "a bin stands once": all_different(place),
                "a bin holds pixels": (pixels > 0) & (pixels < MAX_PIXELS),
                "right pixels are a part of them": (right >= 0) & (right <= pixels),
                "the mean confidence lies in the bin": (confidence >= pixels * place / BINS - slack)
                & (confidence <= pixels * (place + 1) / BINS + slack),
                "a squared error is 0 to 2": (error >= 0) & (error <= 2 * pixels + slack),
            }
        )


def reliability(statistics: Sequence[Statistic]) -> list[dict[str, float | int]]:
    """The bins of a reliability diagram that hold pixels, pooled over samples, from the lowest confidence."""
    pixels, right, confidence, _ = _table(statistics).sum(axis=0)
    return [
        {
            "low": place / BINS,
            "high": (place + 1) / BINS,
            "pixels": int(pixels[place]),
            "accuracy": float(right[place] / pixels[place]),
            "confidence": float(confidence[place] / pixels[place]),
        }
        for place in np.flatnonzero(pixels).tolist()
    ]


@dataclass(frozen=True)
class _Pixels:
    """Counted pixels (n,) of one sample: confidence float64 in 0..1, whether it is right, and its squared error."""

    confidence: Float64
    right: Array
    squared_error: Float64

    @classmethod
    def of(cls, sample: Sample, prediction: Prediction, info: DatasetInfo) -> _Pixels:
        truth = true_labels(sample)
        binary = info.task == "binary"
        predicted = binary_labels(sample, prediction) if binary else class_labels(sample, prediction, info)
        if prediction.probabilities is None:
            nothing = np.zeros(0)
            return cls(nothing, nothing.astype(bool), nothing)
        counted = ~np.isin(truth, list(info.void))
        values = prediction.probabilities.astype(np.float64)[..., counted]
        if binary:
            foreground = truth[counted] == info.foreground
            confidence = np.where(predicted[counted] > 0, values, 1 - values)
            return cls(confidence, (predicted[counted] > 0) == foreground, np.square(values - foreground))
        ids = np.array([c.id for c in info.classes])
        at_truth = (values * (ids[:, None] == truth[counted])).sum(axis=0)
        known = np.isin(truth[counted], ids)
        error = np.square(values).sum(axis=0) - 2 * at_truth + known
        return cls(values.max(axis=0), predicted[counted] == truth[counted], np.maximum(error, 0))


def _table(statistics: Sequence[Statistic]) -> Float64:
    """Pixels, right ones, confidence and squared error of every sample and bin, (n, 4, BINS) float64."""
    table = np.zeros((len(statistics), 4, BINS))
    for row, statistic in zip(table, statistics, strict=True):
        place = statistic.columns["bin"]
        for values, name in zip(row, ("pixels", "right", "confidence", "squared_error"), strict=True):
            values[place] = statistic.columns[name]
    return table


def _mean(sums: Float64) -> Float64:
    return ratio(sums[..., 0], sums[..., 1])


def _mean_gap(sums: Float64) -> Float64:
    return ratio(np.abs(sums[..., :-1]).sum(axis=-1), sums[..., -1])
