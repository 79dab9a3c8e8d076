"""Numbers that are not to be used: of masks that do not follow the beat, of wrong rates and sizes, and of no other."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from contracting import even, heart, masks, of_beats

from beating import BeatingHeart, Plan, plans
from segbench.cardiac.beats import beats_of
from segbench.cardiac.detection import Detection
from segbench.cardiac.following import beats_without_shortening, movement_against_beat, scattered_measures
from segbench.cardiac.geometry import silhouette
from segbench.cardiac.to_json import cardiac_block
from segbench.cardiac.track import tracks
from segbench.runs.cardiac.mask_sequences import find_sequences
from segbench.runs.cardiac.tables import sequence_rows, timed_beat_rows
from segbench.runs.cardiac.unfit import FRACTIONS, INTERVALS, LENGTHS, RATE, VOLUMES, Unfit, unfit, usable_summary
from segbench.types import Uint8

SIZES_AND_INTERVALS = {*FRACTIONS, *VOLUMES, *LENGTHS, *INTERVALS}


def widening(frames: int, period: float) -> list[Uint8]:
    """SYNTHETIC: the major axis shortens by 30 % and the minor one grows by 10 %, so that the area still beats."""
    found = []
    for part in even(frames, period):
        canvas = np.zeros((160, 200), np.uint8)
        sides = round(16 * 60 * (1 - 0.3 * part)), round(16 * 38 * (1 + 0.1 * part))
        cv2.ellipse(canvas, (16 * 100, 16 * 80), sides, 20, 0, 360, 1, cv2.FILLED, shift=4)
        found.append(canvas)
    return found


def flickering(frames: int, period: float, seed: int = 0, noise: float = 0.45) -> list[Uint8]:
    """SYNTHETIC: a heart whose every mask is wrong by a random part of the way from full to empty."""
    random = np.random.default_rng(seed)
    return masks(np.clip(even(frames, period) + noise * random.standard_normal(frames), -0.2, 1.5))


def test_an_axis_that_lengthens_is_not_that_of_a_beat() -> None:
    found = heart(widening(120, 15))
    assert found.distribution("fs_minor").mean == pytest.approx(-0.1, abs=0.01)
    assert (found.distribution("ef").mean or 0) > 0.1
    each = unfit(found)
    assert set(each.measures) == SIZES_AND_INTERVALS
    beats = len(found.beats)
    assert beats_without_shortening(found) == beats > 5
    assert f"in {beats} of {beats} beats an axis, the area or the volume is no smaller at systole" in each.reasons[0]


@pytest.mark.parametrize("period", [8, 15, 30])
def test_masks_that_flicker_do_not_follow(period: float) -> None:
    each = unfit(heart(flickering(round(12 * period), period), 2 * period, detection=Detection.for_predicted_masks()))
    assert set(each.measures) >= SIZES_AND_INTERVALS
    assert each.reasons[0].startswith("the masks do not follow the beat: ")


@pytest.mark.parametrize("noise", [0.2, 0.3, 0.45])
@pytest.mark.parametrize("seed", range(4))
def test_flicker_that_is_counted_as_beats_is_not_to_be_used(noise: float, seed: int) -> None:
    """By the published definition each flicker is a beat with a fine EF, and little goes back between its ends."""
    found = heart(flickering(180, 15, seed, noise))
    assert found.heart_rate_bpm is not None
    assert found.heart_rate_bpm > 130
    assert found.heart_rate_bpm_spectral == pytest.approx(120, rel=0.03)
    each = unfit(found)
    assert set(each.measures) >= {RATE, *SIZES_AND_INTERVALS}
    assert "more beats were counted than the main rhythm has" in each.reasons[0]


def test_an_irregular_heart_has_no_extra_beats() -> None:
    """SYNTHETIC: lengths of beats that vary by a third, whose rhythm is often another than the mean rate."""
    disagree = 0
    for seed in range(20):
        plan = Plan(seed, 30.0, 100.0, 0.5, arrhythmia=0.35, noise_px=0.8, drift_px=20, missing=0.02)
        drawn = BeatingHeart(plan)
        rows = [("a", frame, silhouette(mask)) for frame, mask in zip(drawn.frames, drawn.masks(), strict=True)]
        found = beats_of(tracks(rows, plan.fps, (1.0, 1.0))[0])
        disagree += "rates_disagree" in found.flags
        assert unfit(found) == Unfit(), seed
    assert disagree > 2


def test_with_few_frames_per_beat_the_scatter_of_beats_is_looked_at() -> None:
    """There neighbouring masks are far apart in any film, so jumps say nothing."""
    random = np.random.default_rng(2)
    found = heart(masks(of_beats([5.0] * 20, random.choice([0.25, 0.4, 1.0], 20).tolist()), 0.4), 10)
    assert "few_frames_per_beat" in found.flags
    assert movement_against_beat(found) == pytest.approx(0, abs=0.05)
    (reason,) = unfit(found).reasons
    assert "over the beats is over 50% of the mean" in reason


def test_short_beats_at_uneven_intervals_cannot_be_told_from_flicker() -> None:
    """Nine of ten frames are of another moment: each beat that is counted looks well."""
    random = np.random.default_rng(0)
    drawn = masks(even(60, 15))
    places = np.clip(np.arange(60) + random.normal(0, 4, 60), 0, 59).astype(int)
    found = heart([drawn[place] for place in places])
    assert (found.distribution("ef").std or 0) < 0.15
    each = unfit(found)
    assert set(each.measures) == {RATE, *SIZES_AND_INTERVALS}
    assert "under 7 frames and come at uneven intervals" in each.reasons[0]


@pytest.mark.parametrize("detection", [Detection(), Detection.for_predicted_masks()], ids=["plain", "predicted"])
def test_hearts_of_any_kind_are_fit(detection: Detection) -> None:
    """SYNTHETIC hearts of EF 0.2 to 0.9 with arrhythmia, drift, noise and missing frames; alternating and weak ones."""
    for plan in islice(plans(40, seed=6), 40):
        drawn = BeatingHeart(plan)
        rows = [("a", frame, silhouette(mask)) for frame, mask in zip(drawn.frames, drawn.masks(), strict=True)]
        found = beats_of(tracks(rows, plan.fps, (1.0, 1.0))[0], detection)
        assert not set(unfit(found).measures) & {*FRACTIONS, *INTERVALS}, plan
    for strengths in ([1, 0.8] * 5, [1, 1, 1, 0.45, 1, 1, 1, 1, 0.6, 1]):
        assert unfit(heart(masks(of_beats([15.0] * 10, strengths)), detection=detection)) == Unfit(), strengths


def test_weak_beats_that_were_passed_over_spoil_the_rate() -> None:
    """Every other beat of 60 %: as masks of a network are read, half the beats are found, and nothing else is odd."""
    drawn = masks(of_beats([15.0] * 10, [1, 0.6] * 5))
    halved = heart(drawn, detection=Detection.for_predicted_masks())
    assert halved.heart_rate_bpm == pytest.approx(60, rel=0.02)
    each = unfit(halved)
    assert set(each.measures) == {RATE, *SIZES_AND_INTERVALS}
    assert "the masks follow 120.0 beats per minute" in each.reasons[1]
    assert unfit(heart(drawn)) == Unfit()


@pytest.mark.slow
def test_what_people_drew_is_fit(real_masks: Path) -> None:
    """Among the 24 real films are four whose masks jump, as they eject up to 95 % within few frames."""
    films = find_sequences(real_masks / "train_images" / "lateral_mask")
    assert len(films) == 24
    for film in films:
        rows = [(film.name, number, silhouette(mask)) for number, mask in zip(film.numbers, film, strict=True)]
        assert unfit(beats_of(tracks(rows, 15.0)[0])) == Unfit(), film.name


def test_movement_against_the_beat_by_hand() -> None:
    """Down from 10 to 2 and up again in steps; then once back by 4 of 8 on one of the two ways."""
    steady = masks(even(31, 15))
    found = heart(steady)
    assert (movement_against_beat(found) or 0) < 0.02
    start, end = found.diastoles[0], found.systoles[0] if found.systoles[0] > found.diastoles[0] else found.systoles[1]
    middle = (start + end) // 2
    volumes = [shape.volume for shape in found.shapes_um if shape is not None]
    wrong = list(steady)
    wrong[middle + 1] = steady[middle - 1]
    changed = heart(wrong)
    assert (changed.diastoles, changed.systoles) == (found.diastoles, found.systoles)
    back = (volumes[middle - 1] - volumes[middle]) / (volumes[start] - volumes[end])
    ways = len(found.diastoles) + len(found.systoles) - 1
    assert (movement_against_beat(changed) or 0) * ways == pytest.approx(back, abs=0.03)
    assert movement_against_beat(heart(steady[:5])) is None


def test_scatter_is_of_enough_beats() -> None:
    uneven = heart(masks(of_beats([15.0] * 6, [1, 0.2, 0.9, 1, 0.15, 0.2])))
    assert "ef" not in scattered_measures(uneven, 0.9, 4)
    assert set(scattered_measures(uneven, 0.4, 4)) >= {"ef", "fac"}
    assert not scattered_measures(uneven, 0.4, 7)


def test_rates_are_judged_by_the_colours_where_there_are_any() -> None:
    found = heart(masks(even(120, 15)))  # 120 beats a minute
    assert unfit(found, 118.0) == Unfit()
    odd = unfit(found, 90.0)
    assert set(odd.measures) == {RATE, *INTERVALS}
    assert odd.reasons == ("the film's own colours beat 90.0 times a minute",)
    # Colours whose rhythm is at the edge of what is looked for are no judge.
    assert unfit(found, 30.2) == Unfit()


def test_wrong_frames_per_second_and_pixels_spoil_what_rests_on_them() -> None:
    drawn = masks(even(90, 15))
    assert set(unfit(heart(drawn, fps=3000)).measures) == {RATE, *INTERVALS}
    assert set(unfit(heart(drawn, pixel_um=650)).measures) == {*VOLUMES, *LENGTHS}
    hidden = [0 * mask if 40 <= n < 54 else mask for n, mask in enumerate(drawn)]
    gap = unfit(heart(hidden))
    assert set(gap.measures) == {RATE, *INTERVALS}
    assert gap.reasons == ("14 frames in a row have no mask, and beats in there were not seen",)


def test_tables_and_means_leave_out_what_is_not_to_be_used() -> None:
    rows = [("a", n, silhouette(mask)) for n, mask in enumerate(masks(even(120, 15)))]
    rows += [("b", n, silhouette(mask)) for n, mask in enumerate(widening(120, 12))]
    hearts = [beats_of(track) for track in tracks(rows, 30.0, (0.65, 0.65))]
    unfits = {found.track.name: unfit(found) for found in hearts}
    block = cardiac_block(hearts)
    good, bad = sequence_rows(block.sequences, hearts, unfits)
    assert bad["heart_rate_bpm"] == pytest.approx(150, rel=0.01)
    kept = ("sequence", "group", "film", "frames", "fps", "beats", "heart_rate_bpm", "rhythm_bpm", "flags")
    assert {name for name, value in bad.items() if value is not None} == {*kept, "do_not_use", "because"}
    assert good["ef_mean"] == pytest.approx(hearts[0].distribution("ef").mean)
    assert good["end_diastolic_major_um_mean"] == pytest.approx(2 * 60 * 0.65, rel=0.02)
    assert good["do_not_use"] == good["because"] == ""
    beats = timed_beat_rows(hearts, unfits)
    sizes = ("ef", "ef_refined", "fs_minor", "fac", "stroke_volume_nl", "end_diastolic_major_um")
    times = ("heart_rate_bpm", "heart_rate_bpm_refined", "interval_s")  # of a film's last beat there are none
    for row in beats:
        assert {row[name] is None for name in sizes} == {row["sequence"] == "b"}
        assert row["sequence"] == "a" or not any(row[name] for name in times)
        assert row["diastole_s"] is not None
    summary = usable_summary(block.summary, hearts, unfits)
    assert summary.ef.n == len(hearts[0].beats) < summary.n_beats == len(beats)
    assert summary.ef.mean == hearts[0].distribution("ef").mean
    assert summary.heart_rate_bpm.n == 2
    assert summary.cardiac_output_nl_per_min.n == 1
