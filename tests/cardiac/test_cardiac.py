"""Beats of real masks against the reference, by functions and `bench cardiac`; laws of the metric family."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from square_hearts import cycle, pairs_of, square

from beating import BeatingHeart, Plan
from commands import Run, printed_json
from places import shared
from segbench.boards.cardiac import published
from segbench.cardiac.beats import Beat, Heartbeat, beats_of
from segbench.cardiac.geometry import PIXEL_SIZE_UM, Silhouette, silhouette, spacing_um
from segbench.cardiac.track import tracks
from segbench.datasets.medaka import Medaka
from segbench.evaluation.intervals import score_intervals
from segbench.evaluation.statistics import Statistics
from segbench.metrics.cardiac import Cardiac
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
