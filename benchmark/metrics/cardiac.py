"""Cardiac family: heart rate, fractional shortening and ejection fraction of a beating heart, against human annotators.

Per frame the integer sums over the coordinates of the true and the predicted mask are kept; beats, rates and errors are
functions of these. Definitions: `segbench.cardiac.geometry`, `.beats`, `.agreement`.

Reference: Schutera et al., Zebrafish 16(6):542-545 (2019).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import Any, ClassVar, Literal

import numpy as np

from ..cardiac.agreement import Agreement, Table
from ..cardiac.beats import Heartbeat, beats_of
from ..cardiac.detection import Detection
from ..cardiac.geometry import PIXEL_SIZE_UM, Silhouette, silhouette
from ..cardiac.to_json import Interval, agreement_block, cardiac_block, sequence_block
from ..cardiac.track import tracks
from ..text import whole_number
from ..types import Array, DatasetInfo, Float64, Int64, Part, Prediction, Sample, ScoreInfo, Statistic, Uint8, UserError
from .base import ResampledFamily
from .exact_sums import weighted_sums
from .joint_counts import joint_counts
from .label_checks import binary_labels, check_labels, true_labels
from .same_statistics import SameStatistics
from .table_rules import MAX_SIDE, broken_rule

_FIELDS = tuple(item.name for item in fields(Silhouette))
_ERROR: Any = {"low": 0.0, "high": math.inf, "higher_is_better": False}

Values = Mapping[str, float | None]

_agreed: SameStatistics[Agreement] = SameStatistics(1)
"""The last beats that were found: every score and resample of a run is made of the same."""


@dataclass(frozen=True)
class Cardiac(ResampledFamily):
    """Errors of heart rate, shortening and ejection fraction per beat, and how many beats were found.

    Every error is the mean of absolute errors: of rates over the sequences in which both sides have one, of all else
    over the true beats that were found. `*_pp` are percentage points, `*_relative` parts of the true value. An interval
    draws whole sequences where there are at least 5, else beats (by their diastolic frame).

    `cells` are predicted masks on a coarse grid by sequence and frame number, where they are at hand (see `pulsation`).
    """

    detection: Detection = field(default_factory=Detection)
    cells: Mapping[str, Mapping[int, Uint8]] = field(default_factory=dict, compare=False, repr=False)

    name: ClassVar[str] = "cardiac"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "heart rate, fractional shortening and ejection fraction against the human 5-12 % range"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("heart_rate_error_bpm", "mean absolute error of the heart rate of a sequence", "beats/min", **_ERROR),
        ScoreInfo("heart_rate_error_relative", "the same as a part of the true rate", **_ERROR),
        ScoreInfo("fs_minor_error_pp", "error per beat of the fractional shortening, minor axis", "pp", **_ERROR),
        ScoreInfo("fs_major_error_pp", "error per beat of the fractional shortening, major axis", "pp", **_ERROR),
        ScoreInfo("fs_minor_error_relative", "the same as a part of the true value, minor axis", **_ERROR),
        ScoreInfo("fs_major_error_relative", "the same as a part of the true value, major axis", **_ERROR),
        ScoreInfo("ef_error_pp", "error per beat of the ejection fraction", "pp", **_ERROR),
        ScoreInfo("ef_error_relative", "the same as a part of the true value", **_ERROR),
        ScoreInfo("beat_detection_rate", "part of the true beats that were found"),
        ScoreInfo("beat_precision", "part of the predicted beats that are true ones"),
        ScoreInfo("beat_frame_error", "error of the frames of diastole and systole", "frames", **_ERROR),
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = dict.fromkeys(("side", *_FIELDS), "int64")
    parts: ClassVar[tuple[Part, ...]] = ("labels",)
    releases_gil: ClassVar[bool] = True
    row_lists: ClassVar[tuple[str, ...]] = ("frames",)
    hooks: ClassVar[Mapping[str, str]] = {
        "run_figures": "segbench.figures.cardiac.run_plots:run_figures",
        "board_section": "segbench.boards.cardiac:heart_section",
        "score_in_words": "segbench.boards.cardiac:score_in_words",
        "report_figures": "segbench.report.figures.cardiac:heart_figures",
        "report_table": "segbench.report.figures.cardiac:verdicts",
        "report_strip": "segbench.report.figures.cardiac:film_strip",
        "terminal_table": "segbench.cli.cardiac_agreement_output:of_record",
    }

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Two rows, truth (side 0) and prediction (side 1): the integers of `segbench.cardiac.geometry.Silhouette`.

        Raises
        ------
        UserError
            For a label value that the dataset does not know.
        """
        truth, predicted = true_labels(sample), binary_labels(sample, prediction)
        check_labels(sample.id, *joint_counts(truth, predicted)[:2], info)
        sides = (silhouette(labels == info.foreground) for labels in (truth, predicted))
        return _statistic(sample.id, sample.group, sample.index, *sides)

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """Scores of B samples drawn with (B, n) weights: a beat weighs what its diastolic frame weighs.

        A heart rate weighs what its sequence's first frame weighs.
        """
        agreement = self.agreement(statistics, info)
        return _means(agreement.table, _Weights(agreement, statistics, weights))

    def details(
        self, statistics: Sequence[Statistic], info: DatasetInfo, scores: Values, intervals: Mapping[str, Interval]
    ) -> dict[str, Any]:
        """The block `cardiac` of a record: every predicted sequence, the true ones, errors and verdicts."""
        agreement = self.agreement(statistics, info)
        block = cardiac_block(agreement.predictions, micrometres=False)
        block.truth = [sequence_block(heart, frames=False) for heart in agreement.truths]
        block.agreement = agreement_block(agreement, scores, intervals)
        return block.model_dump(mode="json")

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Two masks of one size, each with sums that as many pixels can have."""
        del info
        columns = statistic.columns
        if columns["side"].tolist() != [0, 1]:
            return f"sides {columns['side'].tolist()}; expected truth (0) and prediction (1)"
        height, width, area = (columns[name] for name in ("height", "width", "area"))
        rules: dict[str, Array | bool] = {
            "truth and prediction are of one size": (height == height[0])
            & (width == width[0])
            & (height > 0)
            & (width > 0),
            "a side is one of a picture": (height < MAX_SIDE) & (width < MAX_SIDE),
            "the mask lies in the picture": (area >= 0) & (area <= height * width),
            "pieces are made of pixels": (columns["components"] >= 0) & (columns["components"] <= area),
            "a mask that is not empty has a piece": (columns["components"] > 0) == (area > 0),
            "holes lie outside of the mask": (columns["holes"] >= 0) & (columns["holes"] <= height * width - area),
            "pixels at the edge are pixels of the mask": (columns["border"] >= 0) & (columns["border"] <= area),
        }
        for axis, side in (("y", height), ("x", width)):
            # Python's integers: products of these sums are too large for 64 bits.
            total, squares = (columns[f"sum_{axes}"].astype(object) for axes in (axis, axis * 2))
            rules[f"the mean of {axis} lies in the picture"] = (total >= 0) & (total <= area * (side - 1))
            rules[f"the squares of {axis} are at least those of its mean"] = squares * area >= total * total
            rules[f"the squares of {axis} lie in the picture"] = squares <= total * (side - 1)
        return broken_rule(rules)

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """The sums of the true mask."""
        return {name: column[:1] for name, column in statistic.columns.items()}

    def totals(self, statistic: Statistic, info: DatasetInfo) -> dict[str, int]:
        """The picture's pixels, and those of both masks."""
        del info
        height, width, area = (statistic.columns[name].tolist() for name in ("height", "width", "area"))
        return {"pixels": height[0] * width[0], "true foreground": area[0], "predicted foreground": area[1]}

    def agreement(self, statistics: Sequence[Statistic], info: DatasetInfo) -> Agreement:
        """True and predicted beats of every sequence, in the order of the sequences' names."""
        if self.cells:  # what they are of is not known
            return self._agreement(statistics, info)
        about = (self.detection, info.frames_per_second, info.pixel_size_um)
        return _agreed.get(statistics, about, lambda: self._agreement(statistics, info))

    def _agreement(self, statistics: Sequence[Statistic], info: DatasetInfo) -> Agreement:
        truths, predictions = (self._heartbeats(statistics, info, side) for side in (0, 1))
        return Agreement(tuple(truths), tuple(predictions))

    def in_order(self, statistics: Sequence[Statistic], group: str) -> tuple[str, ...]:
        """The samples of a sequence in the order of its frames, as its heartbeat has them."""
        numbered = zip(_numbers(statistics), statistics, strict=True)
        return tuple(sample_id for _, sample_id in sorted((n, s.sample_id) for n, s in numbered if s.group == group))

    def _heartbeats(self, statistics: Sequence[Statistic], info: DatasetInfo, side: int) -> list[Heartbeat]:
        if info.frames_per_second is None:
            raise UserError(f"metric cardiac needs videos; {info.name} has no number of frames per second")
        numbers = _numbers(statistics)
        rows = [(s.group, number, _mask(s, side)) for s, number in zip(statistics, numbers, strict=True)]
        cells = self.cells if side == 1 else None
        found = tracks(rows, info.frames_per_second, _pixel_size(info), cells)
        return [beats_of(track, self.detection) for track in sorted(found, key=lambda track: track.name)]


def statistic_of(group: str, number: int, index: int, truth: Silhouette, predicted: Silhouette) -> Statistic:
    """The statistic of one frame that is no sample of a dataset, from its file number and its place in the sequence."""
    return _statistic(f"{group}-{number:06d}", group, index, truth, predicted)


def _statistic(sample_id: str, group: str, index: int, truth: Silhouette, predicted: Silhouette) -> Statistic:
    rows = [astuple(truth), astuple(predicted)]
    columns = {name: np.array([row[k] for row in rows], np.int64) for k, name in enumerate(_FIELDS)}
    return Statistic(Cardiac.name, sample_id, group, index, {"side": np.array([0, 1], np.int64), **columns})


class _Weights:
    """Turns weights of samples into those of the rows of a table."""

    def __init__(self, agreement: Agreement, statistics: Sequence[Statistic], weights: Int64) -> None:
        number = {heart.track.name: place for place, heart in enumerate(agreement.truths)}
        first = {heart.track.name: heart.track.first_frame for heart in agreement.truths}
        self._column = {
            (number[s.group], place - first[s.group]): k
            for k, (s, place) in enumerate(zip(statistics, _numbers(statistics), strict=True))
        }
        self._weights = weights

    def mean(self, rows: Int64, values: Float64) -> Float64:
        """Weighted mean (B,) of the rows (sequence, frame) whose value is defined; NaN where they weigh nothing."""
        kept = ~np.isnan(values)
        if not kept.any():
            return np.full(len(self._weights), np.nan)
        drawn = self._weights[:, [self._column[int(sequence), int(frame)] for sequence, frame in rows[kept]]]
        total = drawn.sum(axis=1, dtype=np.float64)
        sums = weighted_sums(drawn, values[kept])
        means: Float64 = np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)
        return means


def _means(table: Table, weights: _Weights) -> dict[str, Float64]:
    scores = {name: weights.mean(table.rates[0], values) for name, values in table.rates[1].items()}
    scores |= {name: weights.mean(table.pairs[0], values) for name, values in table.pairs[1].items()}
    scores["beat_detection_rate"] = weights.mean(*table.true_beats)
    scores["beat_precision"] = weights.mean(*table.predicted_beats)
    return {what.name: scores[what.name] for what in Cardiac.scores}


def _mask(statistic: Statistic, side: int) -> Silhouette:
    row = int(np.flatnonzero(statistic.columns["side"] == side)[0])
    return Silhouette(*(int(statistic.columns[name][row]) for name in _FIELDS))


def _numbers(statistics: Sequence[Statistic]) -> list[int]:
    """The file number of every frame: that at the end of its id, in groups where these tell all frames apart.

    Else its place in the sequence.
    """
    ends = [re.search(r"\d+$", s.sample_id) for s in statistics]
    named = [whole_number(end.group()) if end else None for end in ends]
    found: dict[str, list[int | None]] = {}
    for s, number in zip(statistics, named, strict=True):
        found.setdefault(s.group, []).append(number)
    told = {group for group, numbers in found.items() if None not in numbers and len(set(numbers)) == len(numbers)}
    return [
        number if number is not None and s.group in told else s.index
        for s, number in zip(statistics, named, strict=True)
    ]


def _pixel_size(info: DatasetInfo) -> tuple[float, float] | None:
    """None where it is HeartSeg's, which is scaled when frames were resized; (1, 1) where it is unknown."""
    if info.pixel_size_um == (PIXEL_SIZE_UM, PIXEL_SIZE_UM):
        return None
    return info.pixel_size_um or (1.0, 1.0)
