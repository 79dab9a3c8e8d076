"""Beats of real masks against the reference; agreement with truth, verdicts, the metric family, `bench cardiac`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from beating import BeatingHeart, Bool, Plan
from commands import Run, printed_json
from places import shared
from segbench.boards.cardiac import published
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
from segbench.cardiac.beats import Beat, Heartbeat, beats_of, distribution
from segbench.cardiac.geometry import PIXEL_SIZE_UM, Silhouette, silhouette, spacing_um
from segbench.cardiac.to_json import agreement_block, sequence_block
from segbench.cardiac.track import tracks
from segbench.datasets.medaka import Medaka
from segbench.evaluation.intervals import score_intervals
from segbench.evaluation.statistics import Statistics
from segbench.metrics.cardiac import Cardiac, statistic_of
from segbench.runs.cardiac.mask_sequences import find_sequences
from segbench.testing import check_metric
from segbench.types import Prediction, Sample, UserError

INFO = Medaka.info
METRIC = Cardiac()


# -- golden: 12 real sequences ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference() -> Any:
    """Areas, axes, extrema and beats of 12 real sequences, by scikit-image and SciPy."""
    return json.loads((shared("golden/medaka") / "reference.json").read_text())


@pytest.fixture(scope="module")
def real_silhouettes(real_masks: Path) -> dict[int, Silhouette]:
    folder = real_masks / "train_images" / "lateral_mask"
    return {
        number: silhouette(mask)
        for sequence in find_sequences(folder)
        for number, mask in zip(sequence.numbers, sequence, strict=True)
    }


@pytest.mark.slow
def test_12_real_sequences_equal_the_reference(reference: Any, real_silhouettes: dict[int, Silhouette]) -> None:
    assert len(real_silhouettes) == 503
    assert len(reference["sequences"]) == 12
    for wanted in reference["sequences"]:
        numbers = [n for n in real_silhouettes if wanted["first_frame"] <= n <= wanted["last_frame"]]
        found = beats_of(tracks([("heart", n, real_silhouettes[n]) for n in numbers], 15.0)[0])
        areas = [mask.area for mask in found.track.silhouettes]
        assert len(numbers) == wanted["n_frames"]
        assert [min(areas), max(areas)] == [wanted["area_min"], wanted["area_max"]]
        assert list(found.track.missing) == wanted["missing"]
        assert list(found.diastoles) == wanted["peaks_t"]
        assert list(found.systoles) == wanted["troughs_t"]
        assert np.diff(found.diastoles).tolist() == wanted["peak_intervals"]
        assert np.diff(found.systoles).tolist() == wanted["trough_intervals"]
        assert found.heart_rate_bpm == pytest.approx(wanted["hr_bpm_all_like_intervals"], abs=1e-9)
        assert len(found.beats) == len(wanted["beats_peak_to_next_trough"])
        for beat, true in zip(found.beats, wanted["beats_peak_to_next_trough"], strict=True):
            _same_beat(found, beat, true)
        for measure, name in (("fs_minor", "FS_minor"), ("fs_major", "FS_major"), ("ef", "EF")):
            assert found.distribution(measure).mean == pytest.approx(wanted[f"mean_{name}"], abs=1e-9)


def _same_beat(found: Heartbeat, beat: Beat, true: Mapping[str, Any]) -> None:
    first = found.track.first_frame
    assert first + beat.diastolic_frame == true["frame_diastole"]
    assert first + beat.systolic_frame == true["frame_systole"]
    for letter, frame in (("d", beat.diastolic_frame), ("s", beat.systolic_frame)):
        place = found.track.frames.index(frame)
        shape = found.shapes_px[place]
        assert shape is not None
        assert found.track.silhouettes[place].area == true[f"area_{letter}"]
        assert shape.axis_minor == pytest.approx(true[f"minor_{letter}"], abs=1e-9)
        assert shape.axis_major == pytest.approx(true[f"major_{letter}"], abs=1e-9)
        assert shape.volume == pytest.approx(true[f"volume_{letter}"], rel=1e-11)
    for measure, name in (("fs_minor", "FS_minor"), ("fs_major", "FS_major"), ("fac", "FAC"), ("ef", "EF")):
        assert getattr(beat, measure) == pytest.approx(true[name], abs=1e-9)
    assert beat.stroke_volume_px3 == pytest.approx(true["stroke_volume"], rel=1e-11)


@pytest.mark.slow
def test_the_command_gives_the_reference_on_all_real_masks(reference: Any, real_masks: Path, bench: Run) -> None:
    """24 sequences, of which the reference has every other; its keys as in the contract."""
    block = printed_json(bench("cardiac", real_masks / "train_images" / "lateral_mask", "--json"))
    assert block["summary"]["n_frames"] == 503
    assert len(block["sequences"]) == 24
    found = {sequence["first_frame"]: sequence for sequence in block["sequences"]}
    for wanted in reference["sequences"]:
        sequence = found[wanted["first_frame"]]
        assert sequence["last_frame"] == wanted["last_frame"]
        assert sequence["diastoles"] == wanted["peaks_t"]
        assert sequence["systoles"] == wanted["troughs_t"]
        assert sequence["heart_rate_bpm"] == pytest.approx(wanted["hr_bpm_all_like_intervals"], abs=1e-9)
        assert sequence["pixel_size_um"] == PIXEL_SIZE_UM


# -- agreement -------------------------------------------------------------------------------------------------------


def heart(areas: Sequence[int], name: str = "a", fps: float = 15.0) -> Heartbeat:
    """Squares of whole sides, so that areas, axes and volumes are known by hand."""
    return beats_of(tracks([(name, n, silhouette(square(side))) for n, side in enumerate(areas)], fps, (1.0, 1.0))[0])


def square(side: int) -> Bool:
    mask = np.zeros((40, 40), bool)
    mask[2 : 2 + side, 2 : 2 + side] = True
    return mask


def cycle(full: int, empty: int, beats: int, period: int = 10) -> list[int]:
    """Sides over some beats: rises to a diastole, falls to a systole half a period later; then the next one begins."""
    half = period // 2
    rise = [round(empty + (full - empty) * k / half) for k in range(half)]
    fall = [round(full - (full - empty) * k / half) for k in range(half)]
    return (rise + fall) * beats + rise


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


def pairs_of(
    truth: Mapping[str, Sequence[int]], predicted: Mapping[str, Sequence[int]]
) -> list[tuple[Sample, Prediction]]:
    """Samples of squares with these sides."""
    return [
        (
            Sample(f"{name}-{n:04d}", name, n, labels=square(side).astype(np.uint8)),
            Prediction(labels=square(predicted[name][n]).astype(np.uint8)),
        )
        for name, sides in truth.items()
        for n, side in enumerate(sides)
    ]


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


# -- the metric family -----------------------------------------------------------------------------------------------


def beating_pairs(count: int, noise: float = 0.4) -> list[tuple[Sample, Prediction]]:
    """SYNTHETIC hearts; a prediction is the same heart with another outline."""
    found = []
    for number in range(count):
        plan = Plan(number, 15, 100 + 9 * number, 0.4 + 0.05 * number, seconds=2, major_px=70)
        predicted = BeatingHeart(replace(plan, noise_px=noise))
        sides = zip(BeatingHeart(plan).masks(), predicted.masks(), strict=True)
        for n, (true, other) in enumerate(sides):
            sample = Sample(f"heart{number}-{50 + n:04d}", f"heart{number}", n, labels=true.astype(np.uint8))
            found.append((sample, Prediction(labels=other.astype(np.uint8))))
    return found


@pytest.mark.parametrize("count", [1, 5])
def test_laws_of_the_family(count: int, tmp_path: Path) -> None:
    check_metric(METRIC, beating_pairs(count), INFO, tmp_path)


def test_laws_of_the_family_without_a_beat(tmp_path: Path) -> None:
    still = {"a": [20] * 6, "b": [0] * 6}
    check_metric(METRIC, pairs_of(still, still), INFO, tmp_path)


def test_a_sequence_drawn_twice_weighs_twice_and_one_not_drawn_nothing() -> None:
    truth = {name: cycle(30, 20, 3) for name in ("a", "b", "c")}
    predicted = {"a": cycle(30, 20, 3), "b": cycle(30, 22, 3), "c": [20] * 35}
    statistics = [METRIC.measure(s, p, INFO) for s, p in pairs_of(truth, predicted)]
    single = {n: METRIC.compute([s for s in statistics if s.group == n], INFO) for n in "abc"}
    weights = np.array(
        [[{"a": 1, "b": 2, "c": 0}[s.group] for s in statistics], [int(s.group == "c") for s in statistics]]
    )
    drawn = METRIC.resample(statistics, INFO, weights)
    wanted = (single["a"]["fs_minor_error_pp"] + 2 * single["b"]["fs_minor_error_pp"]) / 3
    assert wanted > 1
    assert drawn["fs_minor_error_pp"][0] == pytest.approx(wanted)
    assert drawn["beat_detection_rate"].tolist() == [1, 0]
    assert math.isnan(drawn["fs_minor_error_pp"][1])


def test_intervals_draw_whole_sequences() -> None:
    """Five sequences, each without spread in itself: drawing beats would make the interval half as wide."""
    sides = [20, 21, 22, 23, 24]
    truth = {str(n): cycle(30, 20, 6) for n in range(5)}
    predicted = {str(n): cycle(30, side, 6) for n, side in enumerate(sides)}
    statistics = [METRIC.measure(s, p, INFO) for s, p in pairs_of(truth, predicted)]
    values = [METRIC.compute([s for s in statistics if s.group == n], INFO)["fs_minor_error_pp"] for n in truth]
    low, high = score_intervals(METRIC, statistics, INFO)["fs_minor_error_pp"]
    # Of five units Student's t, 4 degrees of freedom.
    half = 2.7764451 * np.std(values, ddof=1) / np.sqrt(5)
    assert high - low == pytest.approx(2 * half, rel=0.1)
    assert low < np.mean(values) < high


def test_details_hold_hearts_errors_and_verdicts() -> None:
    statistics = Statistics([METRIC.measure(s, p, INFO) for s, p in beating_pairs(5, noise=0.2)]).of("cardiac")
    scores = METRIC.compute(statistics, INFO)
    block = METRIC.details(statistics, INFO, scores, score_intervals(METRIC, statistics, INFO))
    json.dumps(block, allow_nan=False)
    assert [sequence["first_frame"] for sequence in block["sequences"]] == [50] * 5
    assert [sequence["name"] for sequence in block["truth"]] == [f"heart{n}" for n in range(5)]
    agreement = block["agreement"]
    assert agreement["n_matched_beats"] == agreement["n_true_beats"] == len(agreement["pairs"])
    assert agreement["verdicts"]["fs_minor"]["verdict"] == "better than human"
    assert agreement["verdicts"]["fs_minor"]["error_pp"] == scores["fs_minor_error_pp"] > 0
    assert agreement["human_range_pp"] == [5.0, 12.0]
    assert agreement["bland_altman_pp"]["ef"]["n"] == agreement["n_matched_beats"]


def test_label_values_that_are_no_class_are_an_error() -> None:
    sample = Sample("a-0001", "a", 0, labels=square(20).astype(np.uint8))
    with pytest.raises(UserError, match="a-0001"):
        METRIC.measure(sample, Prediction(labels=square(20).astype(np.uint8) * 2), INFO)


def test_a_resized_video_keeps_its_micrometres_but_not_its_pixels() -> None:
    """256 x 256 frames of 480 x 640 ones: a pixel is 2.09 um high and 2.79 um wide."""
    assert spacing_um([silhouette(np.ones((256, 256), bool))]) == pytest.approx((1.115 * 480 / 256, 1.115 * 640 / 256))
    assert spacing_um([silhouette(np.ones((480, 640), bool))]) == (PIXEL_SIZE_UM, PIXEL_SIZE_UM)
    y, x = np.mgrid[:480, :640]
    mask = ((y - 240) / 80) ** 2 + ((x - 320) / 120) ** 2 < 1
    small = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize((256, 256), Image.Resampling.NEAREST)) > 0
    for found in (mask, small):
        track = tracks([("a", 0, silhouette(found))], 15.0)[0]
        shape = beats_of(track).shapes_um[0]
        assert shape is not None
        assert [shape.axis_minor, shape.axis_major] == pytest.approx([160 * 1.115, 240 * 1.115], rel=0.01)
        assert shape.area == pytest.approx(math.pi * 80 * 120 * 1.115**2, rel=0.01)


# -- the published table ---------------------------------------------------------------------------------------------


def test_figures_of_the_published_table() -> None:
    """Recomputed from its own 18 rows: Schutera et al. (2019) print 0.53 frames, at most 1.0, and 1.59 beats/s."""
    found = published()
    assert found.beats == 18
    assert round(found.frame_error, 2) == 0.67
    assert found.largest_frame_error == 2
    assert round(found.error_pp["minor"], 2) == 8.44
    assert round(found.error_pp["major"], 2) == 20.13
    assert round(found.error_relative["minor"], 3) == 0.184
    assert round(found.rate_recomputed, 2) == 1.77
    assert round(found.rate_printed, 2) == 1.59
    assert round(found.rate_off_by_one, 2) == round(15 / (1 + 15 / found.rate_recomputed), 2)


def test_the_published_table_is_the_given_one() -> None:
    import importlib.resources

    given = shared("published") / "medaka_schutera2019.csv"
    ours = importlib.resources.files("segbench.published").joinpath("medaka_schutera2019.csv")
    assert ours.read_text(encoding="utf-8").split() == given.read_text(encoding="utf-8").split()
