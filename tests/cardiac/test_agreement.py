"""Beats of predicted masks against those of true ones: values, errors and verdicts by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from square_hearts import cycle, heart, pairs_of

from segbench.cardiac.agreement import (
    Agreement,
    Limits,
    Pair,
    limits_of_agreement,
    match_beats,
    relative_in_words,
    verdict,
    verdict_in_words,
)
from segbench.cardiac.beats import Heartbeat, beats_of, distribution
from segbench.cardiac.geometry import silhouette
from segbench.cardiac.to_json import agreement_block, sequence_block
from segbench.cardiac.track import tracks
from segbench.datasets.medaka import Medaka
from segbench.metrics.cardiac import Cardiac, statistic_of

INFO = Medaka.info
METRIC = Cardiac()


def test_values_of_a_beat_by_hand() -> None:
    """Squares of 30 and 20 pixels: an axis of a square of side n is 4 sqrt((n^2 - 1) / 12), both are equal."""
    found = heart(cycle(30, 20, 3))
    assert found.diastoles == (5, 15, 25)
    assert found.systoles == (10, 20, 30)
    axes = [4 * math.sqrt((n**2 - 1) / 12) for n in (30, 20)]
    for beat in found.beats:
        assert beat.fs_minor == beat.fs_major == pytest.approx(1 - axes[1] / axes[0])
        assert beat.fac == pytest.approx(1 - 400 / 900)
        assert beat.ef == pytest.approx(1 - (axes[1] / axes[0]) ** 3)
        assert beat.stroke_volume_px3 == pytest.approx(math.pi / 6 * (axes[0] ** 3 - axes[1] ** 3))
        assert beat.stroke_volume_nl == pytest.approx(beat.stroke_volume_px3 / 1e6)
    assert [beat.heart_rate_bpm for beat in found.beats] == [90, 90, None]


def test_a_line_has_an_area_but_no_volume() -> None:
    """Its minor axis is 0, so what shortens of it is undefined and not 0."""
    lengths = cycle(30, 20, 2)
    masks = [np.arange(40)[None, :] < n for n in lengths]
    found = beats_of(tracks([("line", n, silhouette(mask)) for n, mask in enumerate(masks)], 15.0, (1.0, 1.0))[0])
    assert len(found.beats) == 2
    for beat in found.beats:
        assert math.isnan(beat.fs_minor)
        assert math.isnan(beat.ef)
        assert beat.fac == pytest.approx(1 / 3)
    block = sequence_block(found).model_dump(mode="json")
    json.dumps(block, allow_nan=False)
    assert block["beats"][0]["ef"] is None
    assert (block["ef"]["n"], block["fac"]["n"]) == (0, 2)
    errors = METRIC.compute(
        [statistic_of("a", n, n, silhouette(mask), silhouette(mask)) for n, mask in enumerate(masks)], INFO
    )
    assert math.isnan(errors["ef_error_pp"])
    assert errors["fs_major_error_pp"] == 0


def test_statistics_over_beats_are_each_computed() -> None:
    found = distribution([1.0, 2.0, 4.0, 9.0, math.nan])
    assert (found.n, found.mean, found.median, found.q25, found.q75) == (4, 4.0, 3.0, 1.75, 5.25)
    assert found.std == pytest.approx(math.sqrt(38 / 3))
    assert distribution([3.0]).std is None
    assert distribution([]).mean is None


def test_a_beat_is_compared_with_those_that_are_near_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not with every beat of a long film."""
    compared: list[int] = []
    errors = vars(Pair)["frame_errors"].fget

    def counted(pair: Pair) -> tuple[int, int]:
        compared.append(1)
        found: tuple[int, int] = errors(pair)
        return found

    monkeypatch.setattr(Pair, "frame_errors", property(counted))
    truth = heart(cycle(30, 20, 60))
    assert len(match_beats(truth, truth)) == len(truth.beats) >= 59
    assert len(compared) <= 3 * len(truth.beats)


def test_intervals_are_taken_once_for_all_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not for every beat of a long film."""
    taken: list[int] = []
    intervals = vars(Heartbeat)["intervals"].fget

    def counted(found: Heartbeat) -> tuple[int, ...]:
        taken.append(1)
        between: tuple[int, ...] = intervals(found)
        return between

    monkeypatch.setattr(Heartbeat, "intervals", property(counted))
    found = heart(cycle(30, 20, 20))
    taken.clear()
    assert len(found.beats) >= 19
    assert len(taken) <= 2


def test_beats_are_matched_one_to_one_nearest_first() -> None:
    truth = heart(cycle(30, 20, 4))
    assert [beat.diastolic_frame for beat in truth.beats] == [5, 15, 25, 35]
    # A quarter of the interval of 10 frames, and at least 2: 2 frames late belong, 3 do not.
    late = {2: 4, 3: 0}
    for frames, wanted in late.items():
        sides = cycle(30, 20, 4)
        assert len(match_beats(truth, heart([21] * frames + sides[:-frames]))) == wanted
    # The third beat is missing in the prediction.
    sides = cycle(30, 20, 4)
    sides[21:30] = [21] * 9
    lost = heart(sides)
    pairs = match_beats(truth, lost)
    assert [(t.diastolic_frame, p.diastolic_frame) for t, p in pairs] == [(5, 5), (15, 15), (35, 35)]
    agreement = Agreement((truth,), (lost,))
    assert agreement.table.true_beats[1].tolist() == [1, 1, 0, 1]
    assert agreement.table.predicted_beats[1].tolist() == [1, 1, 1]
    back = Agreement((lost,), (truth,))
    assert back.table.predicted_beats[1].tolist() == [1, 1, 0, 1]


def scored(truth: Mapping[str, Sequence[int]], predicted: Mapping[str, Sequence[int]]) -> dict[str, float]:
    return METRIC.compute([METRIC.measure(s, p, INFO) for s, p in pairs_of(truth, predicted)], INFO)


def test_scores_by_hand() -> None:
    """One heart is found a frame late and larger, one is not found at all."""
    truth = {"a": cycle(30, 20, 3), "b": cycle(28, 18, 2)}
    late = [22, *cycle(32, 22, 3)[:-1]]
    scores = scored(truth, {"a": late, "b": [20] * len(truth["b"])})
    axis = {n: math.sqrt(n**2 - 1) for n in (20, 22, 30, 32)}
    error = (1 - axis[20] / axis[30]) - (1 - axis[22] / axis[32])
    assert scores["beat_detection_rate"] == 3 / 5
    assert scores["beat_precision"] == 1
    assert scores["beat_frame_error"] == 1
    assert scores["heart_rate_error_bpm"] == 0
    assert [scores["fs_minor_error_pp"], scores["fs_major_error_pp"]] == pytest.approx([100 * error] * 2)
    assert scores["fs_minor_error_relative"] == pytest.approx(error / (1 - axis[20] / axis[30]))
    ef = [1 - (axis[20] / axis[30]) ** 3, 1 - (axis[22] / axis[32]) ** 3]
    assert scores["ef_error_pp"] == pytest.approx(100 * (ef[0] - ef[1]))
    assert scores["ef_error_relative"] == pytest.approx(1 - ef[1] / ef[0])


def test_another_rate_is_an_error_of_the_rate() -> None:
    scores = scored({"a": cycle(30, 20, 6)}, {"a": cycle(30, 20, 8, period=8)[:65]})
    assert scores["heart_rate_error_bpm"] == pytest.approx(112.5 - 90)
    assert scores["heart_rate_error_relative"] == pytest.approx(0.25)


def test_nothing_to_compare_is_undefined() -> None:
    still = {"a": [20] * 15}
    scores = scored(still, still)
    assert all(math.isnan(value) for value in scores.values())
    beating = {"a": cycle(30, 20, 2)}
    scores = scored(beating, {"a": [0] * len(beating["a"])})
    assert scores.pop("beat_detection_rate") == 0
    assert all(math.isnan(value) for value in scores.values())


@pytest.mark.parametrize(
    ("error_pp", "relative", "wanted"),
    [
        (8.4, 0.184, "18.4%"),
        (5.0, 2.4, "240.0%"),  # a true shortening of 2.1 %
        (4.0, 217.85, "true value near 0"),
        (0.0, 0.0, "0.0%"),
        (3.0, None, "–"),
        (None, None, "–"),
    ],
)
def test_a_relative_error_of_a_true_value_near_0_is_said_to_be_one(
    error_pp: float | None, relative: float | None, wanted: str
) -> None:
    assert relative_in_words(error_pp, relative) == wanted


def test_bland_altman_by_hand() -> None:
    found = limits_of_agreement(np.array([1.0, 2.0, 3.0, 6.0]))
    spread = 1.96 * math.sqrt(14 / 3)
    assert (found.n, found.bias) == (4, 3.0)
    assert (found.low, found.high) == pytest.approx((3 - spread, 3 + spread))
    assert limits_of_agreement(np.array([1.0, math.nan, 2.0, 3.0, 6.0])) == found
    assert limits_of_agreement(np.array([2.0])) == Limits(1, 2.0, None, None)
    assert limits_of_agreement(np.array([])) == Limits(0, None, None, None)


@pytest.mark.parametrize(
    ("low", "high", "rate", "wanted"),
    [
        (1.0, 4.999, 1.0, "better than human"),
        (1.0, 5.0, 1.0, "undecided"),
        (4.999, 5.001, 1.0, "undecided"),
        (5.0, 12.0, 1.0, "within the human range"),
        (5.0, 12.001, 1.0, "undecided"),
        (4.999, 12.0, 1.0, "undecided"),
        (12.0, 13.0, 1.0, "undecided"),
        (12.001, 13.0, 1.0, "worse than human"),
        (1.0, 30.0, 1.0, "undecided"),
        (1.0, 2.0, 0.8, "better than human"),
        (1.0, 2.0, 0.799, "undecided"),
        (20.0, 30.0, 0.5, "undecided"),
        (None, None, 1.0, "undecided"),
        (1.0, 2.0, None, "undecided"),
    ],
)
def test_verdicts_at_every_edge(low: float | None, high: float | None, rate: float | None, wanted: str) -> None:
    assert verdict(low, high, rate) == wanted


@pytest.mark.parametrize(
    ("low", "high", "rate", "wanted"),
    [
        (1.0, 4.0, 1.0, "better than human"),
        (13.0, 14.0, 1.0, "worse than human"),
        (4.0, 12.0, 1.0, "undecided (better or within)"),
        (5.0, 12.5, 1.0, "undecided (within or worse)"),
        (4.0, 12.5, 1.0, "undecided (better, within or worse)"),
        (1.0, 4.0, 0.7, "undecided (too few beats found)"),
        (None, None, 0.0, "undecided (too few beats found)"),
        (None, None, 1.0, "undecided (no interval)"),
    ],
)
def test_what_is_left_open_is_said(low: float | None, high: float | None, rate: float | None, wanted: str) -> None:
    assert verdict_in_words(low, high, rate) == wanted


def test_the_block_of_an_agreement_without_a_beat_is_plain() -> None:
    still = heart([20] * 15)
    nothing = {f"{name}_error_pp": (None, None) for name in ("fs_minor", "fs_major")}
    block = agreement_block(Agreement((still,), (still,)), {}, nothing).model_dump(mode="json")
    json.dumps(block, allow_nan=False)
    assert block["n_true_beats"] == 0
    assert block["frame_error"] == {"diastole": None, "systole": None}
    assert block["verdicts"]["fs_minor"]["verdict"] == "undecided"
