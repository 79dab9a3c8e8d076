"""Calibration family: does a probability of 0.8 come true in 8 of 10 pixels? ECE, Brier score, likelihood, reliability.

References
----------
Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: expected calibration error of the confidence of the
predicted class, in 15 bins of equal width. Kull et al., "Beyond temperature scaling", NeurIPS 2019: the same of every
class's probability, the mean over classes. Brier, "Verification of forecasts expressed in terms of probability",
Monthly Weather Review 78:1-3 (1950).
"""

from __future__ import annotations

import math
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
    UserError,
)
from .base import SummedFamily
from .class_maps import class_maps, is_void
from .confidence_bins import BINS, ConfidenceBins, joined
from .label_checks import binary_labels, class_labels, true_labels
from .pooled import ratio
from .probabilities import pieces
from .same_statistics import SameStatistics
from .table_rules import MAX_PIXELS, all_different, broken_rule

PREDICTED = -1
"""In place of a class: the rows of the class that is predicted at each pixel."""

_MIN_PROBABILITY = 2.0**-23
"""Below it a probability of the true class counts as this in `nll`: single precision gives 0 for what it cannot say."""

_ROUNDING = 1e-6
"""By which a sum of 32-bit confidences may miss a bound, as a part of the number of pixels."""

_MAX_SUM_ERROR = 0.01
"""By which the probabilities of a pixel may miss a sum of 1: half precision and interpolation miss it by less."""

_sums: SameStatistics[Sums] = SameStatistics(4)
"""Those of each score: an interval asks for the same many times."""


@dataclass(frozen=True)
class Calibration(SummedFamily):
    """How well probabilities hold, pooled over all counted pixels; of label maps, which have none, undefined.

    The confidence of a pixel is the probability of the class that is predicted there: the likeliest one, of a binary
    task the foreground where its probability is above 0.5, else the background.
    """

    name: ClassVar[str] = "calibration"
    version: ClassVar[str] = "2"
    summary: ClassVar[str] = "calibration of probabilities: ECE of the prediction and of classes, Brier score, NLL"
    takes_probabilities: ClassVar[bool] = True
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("ece", "mean gap of confidence and accuracy in 15 bins, by pixels", higher_is_better=False),
        ScoreInfo(
            "ece_classwise",
            "the same gap of every class's probability and how often it is true, the mean over classes; of a binary "
            "task the foreground's",
            higher_is_better=False,
        ),
        ScoreInfo(
            "brier",
            "mean squared error of probabilities: of the foreground's (0..1), or summed over classes (0..2)",
            unit="squared probability",
            high=2.0,
            higher_is_better=False,
        ),
        ScoreInfo(
            "nll",
            "mean negative logarithm of the true class's probability, which counts as 2^-23 where it is less",
            unit="nats",
            high=16.0,
            higher_is_better=False,
        ),
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "class": "int64",
        "bin": "int64",
        "pixels": "int64",
        "right": "int64",
        "confidence": "float64",
        "squared_error": "float64",
        "log_loss": "float64",
    }
    parts: ClassVar[tuple[Part, ...]] = ("labels",)
    hooks: ClassVar[Mapping[str, str]] = {
        "run_figures": "segbench.figures.calibration:calibration_figures",
        "report_figures": "segbench.report.figures.calibration:calibration_figures",
    }

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Histograms of one sample, a row for each bin that holds pixels; none without probabilities.

        Rows of `class` -1 are of the confidence in what is predicted, with the errors of whole pixels; those of a
        place in the order of classes are of that class's probability, its own squared error, and no likelihood.

        Raises UserError naming the sample for a wrong shape or value.
        """
        true_labels(sample)
        found = (_binary if info.task == "binary" else _many)(sample, prediction, info)
        columns: dict[str, Int64 | Float64] = {
            name: found.get(name, np.zeros(0)).astype(kind) for name, kind in self.columns.items()
        }
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """An ECE follows from what frequency and confidence differ by in each bin, the others from sums of errors."""
        places = (PREDICTED,) if score == "ece" else tuple(_scored(info))
        return _sums.get(statistics, (score, places), lambda: self._sums(statistics, places, score))

    @staticmethod
    def _sums(statistics: Sequence[Statistic], places: Sequence[int], score: str) -> Sums:
        pixels = _of_predicted(statistics, "pixels")
        if score in ("brier", "nll"):
            errors = _of_predicted(statistics, "squared_error" if score == "brier" else "log_loss")
            return Sums(np.stack([errors, pixels], axis=1), _mean)
        gaps = _gaps(statistics, places)
        return Sums(np.concatenate([gaps, pixels[:, None] * len(places)], axis=1), _mean_gap)

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """ECE and mean squared error (0..1) of the probability of every class, of a binary task of the foreground."""
        places = _scored(info)
        total = math.fsum(_of_predicted(statistics, "pixels"))
        if not total:
            return {}
        gaps = np.abs(_gaps(statistics, places).sum(axis=0)).reshape(len(places), BINS).sum(axis=1)
        errors = [
            math.fsum(s.columns["squared_error"][s.columns["class"] == n].sum() for s in statistics) for n in places
        ]
        return {
            info.classes[place].name: {"ece": float(gap / total), "brier": error / total}
            for place, gap, error in zip(places, gaps, errors, strict=True)
        }

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Bins are those of 0 to 1; sums lie between the edges of their bin, and errors in their range.

        The histogram of every class is of all pixels, whose classes are right once at most.
        """
        label, place, pixels, right, confidence, error, loss = (statistic.columns[name] for name in self.columns)
        slack = _ROUNDING * np.maximum(pixels, 1)
        predicted = label == PREDICTED
        most = np.where(predicted & (info.task != "binary"), 2, 1) * pixels
        total = int(pixels[predicted].sum())
        each = [int(pixels[label == known].sum()) for known in _scored(info)]
        return broken_rule(
            {
                "a class is one of the dataset's": predicted | np.isin(label, _scored(info)),
                "a bin is one of 15": (place >= 0) & (place < BINS),
                "a bin stands once": all_different(label, place),
                "a bin holds pixels": (pixels > 0) & (pixels < MAX_PIXELS),
                "right pixels are a part of them": (right >= 0) & (right <= pixels),
                "the mean confidence lies in the bin": (confidence >= pixels * place / BINS - slack)
                & (confidence <= pixels * (place + 1) / BINS + slack),
                "a squared error is 0 to 1, or 2": (error >= 0) & (error <= most + 3 * _MAX_SUM_ERROR * pixels),
                "a log loss is 0 to 16": (loss >= 0) & (loss <= np.where(predicted, 16 * pixels, 0)),
                "all classes have the same pixels": all(count == total for count in each),
                "a pixel has one true class": int(right[~predicted].sum()) <= total,
                "probabilities add up to 1": float(confidence[~predicted].sum()) <= total * (1 + 2 * _MAX_SUM_ERROR),
            }
        )


def reliability(statistics: Sequence[Statistic]) -> list[dict[str, float | int]]:
    """The bins of a reliability diagram that hold pixels, pooled over samples, from the lowest confidence."""
    table = np.zeros((3, BINS))
    for statistic in statistics:
        mine = statistic.columns["class"] == PREDICTED
        columns = [statistic.columns[name][mine] for name in ("pixels", "right", "confidence")]
        table[:, statistic.columns["bin"][mine]] += columns
    pixels, right, confidence = table
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


def _binary(sample: Sample, prediction: Prediction, info: DatasetInfo) -> dict[str, Array]:
    """The histograms of a binary sample: of the prediction, and of the foreground."""
    predicted, values = binary_labels(sample, prediction), prediction.probabilities
    if values is None:
        return {}
    truth, void = true_labels(sample), is_void(true_labels(sample), info.void)
    whole, own = ConfidenceBins(1, "squared_error", "log_loss"), ConfidenceBins(1, "squared_error")
    for rows in pieces(values):
        held = ~void[rows]
        each = values[rows][held].astype(np.float64)[None]
        chosen, true = predicted[rows][held][None] > 0, truth[rows][held][None] == info.foreground
        error, loss = np.square(each - true), _log_loss(np.where(true, each, 1 - each))
        right = (0, np.flatnonzero(chosen == true))
        whole.add(np.where(chosen, each, 1 - each), right, squared_error=error, log_loss=loss)
        own.add(each, (0, np.flatnonzero(true)), squared_error=error)
    return joined(whole.columns([PREDICTED]), own.columns(_scored(info)))


def _many(sample: Sample, prediction: Prediction, info: DatasetInfo) -> dict[str, Array]:
    """The histograms of a sample of several classes: of each class, and of the prediction."""
    labels, values = class_labels(sample, prediction, info), prediction.probabilities
    if values is None:
        return {}
    truth = true_labels(sample)
    void, same = is_void(truth, info.void), labels == truth
    _check_probabilities(sample, values, void, info)
    true, predicted = class_maps(truth, labels, info.classes, info.void)
    whole, own = ConfidenceBins(1, "squared_error", "log_loss"), ConfidenceBins(len(values), "squared_error")
    for rows in pieces(values):
        held = np.flatnonzero(~void[rows])
        piece = values[:, rows].reshape(len(values), -1).take(held, axis=1).astype(np.float64)
        maps = (each[rows].reshape(-1)[held] for each in (true, predicted, same))
        _add(whole, own, piece, *maps)
    return joined(own.columns(_scored(info)), whole.columns([PREDICTED]))


def _add(
    whole: ConfidenceBins, own: ConfidenceBins, values: Float64, true: Array, predicted: Array, right: Array
) -> None:
    """Add n pixels with probabilities (C, n), and true and predicted classes (n,): 1 to C, or 0 for any other label."""
    squares = values * values
    error, at_truth, confidence = np.zeros((3, true.size))
    for square in squares:
        error += square
    known, chosen = np.flatnonzero(true), np.flatnonzero(predicted)
    here = true[known].astype(np.intp) - 1, known
    at_truth[known] = values[here]
    confidence[chosen] = values[predicted[chosen].astype(np.intp) - 1, chosen]
    error -= 2 * at_truth
    error += true > 0
    squares[here] = np.square(at_truth[known] - 1)
    own.add(values, here, squared_error=squares)
    errors = {"squared_error": np.maximum(error, 0)[None], "log_loss": _log_loss(at_truth)[None]}
    whole.add(confidence[None], (0, np.flatnonzero(right)), **errors)


def _check_probabilities(sample: Sample, values: Array, void: Array, info: DatasetInfo) -> None:
    """Refuse values (C, H, W) that are no probabilities where the truth is not void."""
    if values.shape != (len(info.classes), *void.shape):
        raise UserError(
            f"prediction of sample '{sample.id}' has shape {values.shape}; expected probabilities of "
            f"{len(info.classes)} classes x height x width"
        )
    least = 0.0 if info.unscored else 1.0
    low, high, least_total, most_total = _extremes(values, void)
    if not (low >= 0 and high <= 1):
        held = "NaN" if math.isnan(low) or math.isnan(high) else f"values from {low:g} to {high:g}"
    elif least_total < least - _MAX_SUM_ERROR or most_total > 1 + _MAX_SUM_ERROR:
        held = f"values that sum to {least_total:.3g} to {most_total:.3g} over the classes of a pixel"
    else:
        return
    raise UserError(
        f"prediction of sample '{sample.id}' holds {held}; calibration is measured of probabilities, which lie in 0..1 "
        "and sum to 1. Of logits take softmax over the classes."
    )


def _extremes(values: Array, void: Array) -> tuple[float, float, float, float]:
    """The least and the largest value, NaN if any is, and those of their sums over classes where nothing is void."""
    found = np.array([[0.0, 0.0, math.inf, -math.inf]])
    for rows in pieces(values):
        piece = values[:, rows]
        total = piece.sum(axis=0, dtype=np.float64)[~void[rows]]
        ends = piece.min(initial=0), piece.max(initial=0), total.min(initial=math.inf), total.max(initial=-math.inf)
        found = np.concatenate([found, [ends]])
    low, high, least, most = found.T
    return float(low.min()), float(high.max()), float(least.min()), float(most.max())


def _log_loss(at_truth: Float64) -> Float64:
    """-log of the true class's probability (n,), 0 to 15.95."""
    return -np.log(np.clip(at_truth, _MIN_PROBABILITY, 1.0))


def _scored(info: DatasetInfo) -> list[int]:
    """Places of the classes whose probabilities have histograms: of a binary task the foreground alone."""
    return [n for n, known in enumerate(info.classes) if info.task != "binary" or known.id == info.foreground]


def _of_predicted(statistics: Sequence[Statistic], name: str) -> Float64:
    """One sum of every sample over the bins of what is predicted, (n,) float64."""
    return np.array([s.columns[name][s.columns["class"] == PREDICTED].sum() for s in statistics], np.float64)


def _gaps(statistics: Sequence[Statistic], places: Sequence[int]) -> Float64:
    """What came true less what was expected to, of every sample and bin of these classes, (n, places * BINS)."""
    table = np.zeros((len(statistics), len(places) * BINS))
    for row, statistic in zip(table, statistics, strict=True):
        columns = statistic.columns
        mine = np.isin(columns["class"], places)
        at = (columns["class"][mine] - places[0]) * BINS + columns["bin"][mine]
        row[at] = columns["right"][mine] - columns["confidence"][mine]
    return table


def _mean(sums: Float64) -> Float64:
    return ratio(sums[..., 0], sums[..., 1])


def _mean_gap(sums: Float64) -> Float64:
    return ratio(np.abs(sums[..., :-1]).sum(axis=-1), sums[..., -1])
