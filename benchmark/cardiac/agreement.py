"""Beats of predicted masks held against those of true masks, and both against what human annotators reach.

A predicted beat is that of a true one where both its frames lie within a quarter of the true sequence's mean interval
(and at least 2 frames) of the true ones; each belongs to one, the nearest pairs first. Errors of shortening and
ejection are taken beat by beat over these pairs; how many beats have no partner is said by the detection rate and
precision.

References
----------
Schutera et al., Zebrafish 16(6):542-545 (2019): errors per beat, human range of 5 to 12 % on fractional shortening.
Bland & Altman, "Statistical methods for assessing agreement between two methods of clinical measurement", The Lancet
327:307-310 (1986): bias and limits of agreement.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ..text import number
from ..types import Float64, Int64
from .beats import Beat, Heartbeat

HUMAN_RANGE_PP = (5.0, 12.0)
"""Error of human annotators on fractional shortening, percentage points (Schutera et al. 2019)."""

ENOUGH_BEATS = 0.8
"""Part of the true beats that must be found before a verdict is given: errors are known of the found ones alone."""

NEAR_ZERO = 0.02
"""A true fraction below which an error relative to it says nothing: less than half of what people agree to."""

Verdict = Literal["better than human", "within the human range", "worse than human", "undecided"]
NAMES = {
    "fs_minor": "fractional shortening, minor axis",
    "fs_major": "fractional shortening, major axis",
    "ef": "ejection fraction",
}
MEASURES = tuple(NAMES)


@dataclass(frozen=True)
class Pair:
    """A true beat and the predicted one that belongs to it, of one sequence (its position in the list of sequences)."""

    sequence: int
    truth: Beat
    predicted: Beat

    @property
    def frame_error(self) -> float:
        """Mean distance of the two extrema, in frames."""
        return float(np.mean(self.frame_errors))

    @property
    def frame_errors(self) -> tuple[int, int]:
        """Distance of the diastoles and of the systoles, in frames."""
        return (
            abs(self.predicted.diastolic_frame - self.truth.diastolic_frame),
            abs(self.predicted.systolic_frame - self.truth.systolic_frame),
        )

    def difference_pp(self, measure: str) -> float:
        """Prediction less truth, in percentage points."""
        return 100 * float(getattr(self.predicted, measure) - getattr(self.truth, measure))

    def relative_error(self, measure: str) -> float:
        """Absolute error as a part of the true value; NaN where that is 0."""
        true = abs(getattr(self.truth, measure))
        return abs(self.difference_pp(measure)) / 100 / true if true else math.nan


@dataclass(frozen=True)
class Limits:
    """Bland and Altman's bias and 95 % limits of agreement, bias -+ 1.96 standard deviations (n - 1); None below 2."""

    n: int
    bias: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Agreement:
    """Sequences of true and predicted masks side by side; a sequence without predicted beats has none of its found."""

    truths: tuple[Heartbeat, ...]
    predictions: tuple[Heartbeat, ...]

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """All true beats that were found, with their partners."""
        sides = zip(self.truths, self.predictions, strict=True)
        return tuple(Pair(number, *beats) for number, side in enumerate(sides) for beats in match_beats(*side))

    @property
    def matched(self) -> tuple[list[Beat], list[Beat]]:
        """True beats that were found, and the predicted ones that belong to them."""
        return [pair.truth for pair in self.pairs], [pair.predicted for pair in self.pairs]

    def of(self, name: str) -> tuple[Heartbeat, Heartbeat]:
        """The predicted and the true heartbeat of the sequence of this name."""
        place = [truth.track.name for truth in self.truths].index(name)
        return self.predictions[place], self.truths[place]

    def limits(self, measure: str) -> Limits:
        """Bias and limits of agreement of a measure, in percentage points."""
        return limits_of_agreement(np.array([pair.difference_pp(measure) for pair in self.pairs], np.float64))

    @property
    def limits_of_rate(self) -> Limits:
        """Bias and limits of agreement of the sequences' heart rate, in beats per minute."""
        rates = [(t.heart_rate_bpm, p.heart_rate_bpm) for t, p in zip(self.truths, self.predictions, strict=True)]
        return limits_of_agreement(np.array([p - t for t, p in rates if t is not None and p is not None], np.float64))

    @property
    def frame_errors(self) -> Int64:
        """Distance of diastoles and systoles of all pairs, (pairs, 2) int64 frames."""
        return np.array([pair.frame_errors for pair in self.pairs], np.int64).reshape(-1, 2)

    @cached_property
    def table(self) -> Table:
        """The numbers that the scores are means of."""
        return _table(self)


@dataclass(frozen=True)
class Table:
    """Rows that are averaged, each with the sequence and frame that it stands for, so that it can be drawn again.

    true_beats, predicted_beats: 1 where a beat has a partner. pairs: errors by name. rates: heart rate errors.
    """

    true_beats: tuple[Int64, Float64]
    predicted_beats: tuple[Int64, Float64]
    pairs: tuple[Int64, Mapping[str, Float64]]
    rates: tuple[Int64, Mapping[str, Float64]]


def match_beats(truth: Heartbeat, predicted: Heartbeat) -> list[tuple[Beat, Beat]]:
    """Pairs of a true and a predicted beat, in the order of the true ones."""
    tolerance = max(2.0, (truth.frames_per_beat or 0.0) / 4)
    order = sorted(range(len(predicted.beats)), key=lambda j: predicted.beats[j].diastolic_frame)
    frames = [predicted.beats[j].diastolic_frame for j in order]
    near = []
    for i, true in enumerate(truth.beats):
        first = bisect_left(frames, true.diastolic_frame - tolerance)
        for j in order[first : bisect_right(frames, true.diastolic_frame + tolerance)]:
            apart = Pair(0, true, predicted.beats[j]).frame_errors
            if max(apart) <= tolerance:
                near.append((sum(apart), i, j))
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(near):
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    return [(truth.beats[i], predicted.beats[j]) for i, j in sorted(partner.items())]


def limits_of_agreement(differences: Float64) -> Limits:
    """Bland and Altman's bias and limits of differences, of shape (n,) float64; those that are NaN are left out."""
    differences = differences[~np.isnan(differences)]
    n = differences.size
    if n < 2:
        return Limits(n, float(differences[0]) if n else None, None, None)
    bias, spread = float(differences.mean()), 1.96 * float(differences.std(ddof=1))
    return Limits(n, bias, bias - spread, bias + spread)


def verdict(low: float | None, high: float | None, detection_rate: float | None) -> Verdict:
    """Where the interval (low, high) of an error in percentage points lies against the human range.

    Undecided where the interval crosses an edge of the range or is unknown, or too few beats were found.
    """
    if low is None or high is None or detection_rate is None or detection_rate < ENOUGH_BEATS:
        return "undecided"
    return against_range(low, high, HUMAN_RANGE_PP)


def against_range(low: float, high: float, human: tuple[float, float]) -> Verdict:
    """Where the interval (low, high) of an error lies against people's, from the best to the worst of them."""
    best, worst = human
    if high < best:
        return "better than human"
    if low > worst:
        return "worse than human"
    return "within the human range" if best <= low and high <= worst else "undecided"


def verdict_in_words(low: float | None, high: float | None, detection_rate: float | None) -> str:
    """`verdict`, and of an undecided one what is still possible, or why nothing can be said."""
    said = verdict(low, high, detection_rate)
    if said != "undecided":
        return said
    if detection_rate is not None and detection_rate < ENOUGH_BEATS:
        return f"{said} (too few beats found)"
    if low is None or high is None or detection_rate is None:
        return f"{said} (no interval)"
    return undecided_in_words(low, high, HUMAN_RANGE_PP)


def undecided_in_words(low: float, high: float, human: tuple[float, float]) -> str:
    """What is still possible of an error whose interval (low, high) crosses an edge of people's range."""
    best, worst = human
    if high <= worst:
        return "undecided (better or within)"
    return f"undecided ({'within or worse' if low >= best else 'better, within or worse'})"


def relative_in_words(error_pp: float | None, relative: float | None) -> str:
    """A mean relative error in percent; or, where true values near 0 make it what it is, that this is so.

    `relative` (a part, not percent) is the mean of errors over true values, so `error_pp` over it is a true value that
    would give both. Below 2 points, a fraction of such beats decides the mean, which then says nothing of the rest.
    """
    if error_pp and relative and error_pp / (100 * relative) < NEAR_ZERO:
        return "true value near 0"
    return number(relative, ".1%")


def _table(agreement: Agreement) -> Table:
    """Rows stand for (sequence, frame): a beat for its diastolic frame, a rate for the first of its sequence."""
    found = {(p.sequence, p.truth.diastolic_frame) for p in agreement.pairs}
    used = {(p.sequence, p.predicted.diastolic_frame) for p in agreement.pairs}
    true_rows = [(n, b.diastolic_frame) for n, h in enumerate(agreement.truths) for b in h.beats]
    predicted_rows = [(n, b.diastolic_frame) for n, h in enumerate(agreement.predictions) for b in h.beats]
    errors = {"beat_frame_error": [p.frame_error for p in agreement.pairs]}
    for measure in MEASURES:
        errors[f"{measure}_error_pp"] = [abs(p.difference_pp(measure)) for p in agreement.pairs]
        errors[f"{measure}_error_relative"] = [p.relative_error(measure) for p in agreement.pairs]
    rates = [
        (n, abs(p.heart_rate_bpm - t.heart_rate_bpm), t.heart_rate_bpm)
        for n, (t, p) in enumerate(zip(agreement.truths, agreement.predictions, strict=True))
        if t.heart_rate_bpm is not None and p.heart_rate_bpm is not None
    ]
    return Table(
        (_keys(true_rows), np.array([row in found for row in true_rows], np.float64)),
        (_keys(predicted_rows), np.array([row in used for row in predicted_rows], np.float64)),
        (
            _keys([(p.sequence, p.truth.diastolic_frame) for p in agreement.pairs]),
            {name: np.array(values, np.float64) for name, values in errors.items()},
        ),
        (
            _keys([(n, 0) for n, _, _ in rates]),
            {
                "heart_rate_error_bpm": np.array([error for _, error, _ in rates], np.float64),
                "heart_rate_error_relative": np.array([error / rate for _, error, rate in rates], np.float64),
            },
        ),
    )


def _keys(rows: Sequence[tuple[int, int]]) -> Int64:
    return np.array(rows, np.int64).reshape(-1, 2)
