"""SYNTHETIC hearts with known truth: from true masks to heart rate, shortening and ejection fraction; odd sequences.

`tests/simulation/cardiac_hearts.py` does the same for 200 hearts and prints the tables.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beating import BeatingHeart, Bool, Plan, plans, shortening, true_rate_bpm
from commands import Run, printed_json
from segbench.cardiac.beats import Beat, Heartbeat, beats_of
from segbench.cardiac.detection import Detection
from segbench.cardiac.geometry import Silhouette, cleaned, shape_of, silhouette
from segbench.cardiac.rhythm import main_rhythm
from segbench.cardiac.rows import beat_rows, frame_rows
from segbench.cardiac.to_json import cardiac_block
from segbench.cardiac.track import tracks
from segbench.errors import UserError

MEASURES = ("fs_minor", "fs_major", "fac", "ef")
PLANS = plans(30)  # 200 of them in tests/simulation/cardiac_hearts.py
STEADY = Plan(seed=5, fps=15, rate_bpm=90, ef=0.6, seconds=5, contraction=0.5)


def found_in(masks: Mapping[int, Bool] | Iterable[Bool], fps: float = 15.0, **settings: Any) -> Heartbeat:
    """The beats of masks by file number, or of masks in a row."""
    numbered = masks if isinstance(masks, Mapping) else dict(enumerate(masks))
    rows = [("heart", number, silhouette(mask)) for number, mask in numbered.items()]
    return beats_of(tracks(rows, fps, (1.0, 1.0))[0], Detection(**settings))


@cache
def judged(plan: Plan) -> tuple[BeatingHeart, Heartbeat]:
    heart = BeatingHeart(plan)
    return heart, found_in(dict(zip(heart.frames, heart.masks(), strict=True)), plan.fps)


@cache
def steady() -> tuple[Bool, ...]:
    """Five seconds of a heart that beats every 10 frames exactly: 75 masks."""
    return tuple(BeatingHeart(STEADY).masks())


def true_shortening(heart: BeatingHeart, beat: Beat) -> dict[str, float]:
    """From the true outline in the two frames of a beat."""
    return shortening(
        *(heart.sizes[heart.frames.index(f)].tolist() for f in (beat.diastolic_frame, beat.systolic_frame))
    )


# -- generated hearts ------------------------------------------------------------------------------------------------


def test_the_generator_draws_what_its_truth_says() -> None:
    """Its two sides are independent: integrals over the outline, and pixels whose centre lies inside."""
    heart = BeatingHeart(Plan(seed=3, fps=15, rate_bpm=90, ef=0.6, noise_px=0.5, drift_px=20, seconds=2))
    for mask, (area, major, minor) in zip(heart.masks(), heart.sizes, strict=True):
        y, x = (axis.astype(float) for axis in np.nonzero(mask))
        spread = np.linalg.eigvalsh(np.cov(np.stack([y, x]), bias=True))
        assert mask.sum() == pytest.approx(area, rel=0.01)
        assert 4 * np.sqrt(spread) == pytest.approx([minor, major], rel=0.01)
    whole = shortening(*([1.0, *heart.axes_at(np.array([t]))[0]] for t in (heart.diastoles[3], heart.systoles[3])))
    assert whole["ef"] == pytest.approx(0.6, abs=1e-9)
    assert np.ptp([np.nonzero(mask)[0].mean() for mask in heart.masks()]) > 3


@pytest.mark.slow
@pytest.mark.parametrize("part", range(6))
def test_rate_shortening_and_ejection_of_generated_hearts(part: int) -> None:
    """Rates of 40 to 240 beats/min, EF 0.2 to 0.9, 15 to 60 frames/s, noise, drift, arrhythmia, missing frames."""
    for plan in PLANS[part::6]:
        heart, found = judged(plan)
        assert plan.frames_per_beat >= 7
        truth = true_rate_bpm(heart, found.diastoles, found.systoles)
        assert found.heart_rate_bpm == pytest.approx(truth, rel=0.005), plan
        assert found.heart_rate_bpm_refined == pytest.approx(truth, rel=0.005), plan
        # Nearer to an end of the sequence an extremum may not stand out by a fifth of the range.
        margin = 0.35 * plan.frames_per_beat
        inside = (margin <= heart.diastoles) & (heart.diastoles <= heart.frames[-1] - margin)
        assert len(found.diastoles) >= inside.sum(), plan
        for beat in found.beats:
            true = true_shortening(heart, beat)
            for measure in MEASURES:
                assert getattr(beat, measure) == pytest.approx(true[measure], abs=0.01), (plan, measure)


def test_the_plans_cover_the_range() -> None:
    ranges = {name: np.ptp([getattr(plan, name) for plan in PLANS]) for name in ("fps", "rate_bpm", "ef", "drift_px")}
    assert ranges["fps"] == 45
    assert ranges["rate_bpm"] > 150
    assert ranges["ef"] > 0.6
    assert ranges["drift_px"] > 25
    assert sum(plan.missing > 0 for plan in PLANS) > 10
    assert sum(plan.arrhythmia > 0 for plan in PLANS) > 20
    assert sum(plan.noise_px > 0.1 for plan in PLANS) > 20


@pytest.mark.parametrize(("fps", "frames", "bpm"), [(15, 10, 90.0), (15, 8, 112.5), (30, 12, 150.0), (60, 15, 240.0)])
def test_an_exact_period_gives_the_exact_rate(fps: int, frames: int, bpm: float) -> None:
    """Frames per second over frames per beat: over one more than these, 15 / 11 would be 81.8 and not 90."""
    plan = replace(STEADY, fps=fps, rate_bpm=bpm)
    assert plan.frames_per_beat == frames
    _, found = judged(plan)
    assert set(found.intervals) == {frames}
    assert found.heart_rate_bpm == bpm
    assert found.heart_rate_bps == bpm / 60
    assert found.heart_rate_bpm_refined == pytest.approx(bpm, rel=1e-9)
    assert {beat.heart_rate_bpm for beat in found.beats} <= {bpm, None}
    assert found.distribution("heart_rate_bpm").mean == bpm
    assert found.rhythm.interval_cv == pytest.approx(0, abs=1e-9)
    assert abs(bpm - 60 * fps / (1 + frames)) > 0.06 * bpm


@pytest.mark.slow
def test_sampling_costs_little_from_7_frames_per_beat_on_and_is_flagged_below() -> None:
    """Extrema fall between the frames, so a sampled EF is below that of the whole beat: the less the more frames."""
    lost = {}
    for frames in (4.7, 6.3, 7.7, 10.3, 20.3):
        plan = Plan(seed=8, fps=15, rate_bpm=900 / frames, ef=0.7, seconds=20, contraction=0.5)
        _, found = judged(plan)
        lost[frames] = 0.7 - float(np.mean([beat.ef for beat in found.beats]))
        assert ("few_frames_per_beat" in found.flags) == (frames < 7)
        assert all(("few_frames_per_beat" in beat.flags) == (frames < 7) for beat in found.beats)
        assert found.frames_per_beat == pytest.approx(frames, rel=0.02)
    assert lost[4.7] > lost[7.7] > lost[20.3]
    assert lost[4.7] > 0.02
    assert lost[10.3] < 0.02
    assert abs(lost[20.3]) < 0.008


@pytest.mark.slow
def test_variability_of_beats_is_that_of_the_true_intervals() -> None:
    for arrhythmia in (0.05, 0.15):
        heart, found = judged(Plan(seed=21, fps=60, rate_bpm=120, ef=0.6, seconds=15, arrhythmia=arrhythmia))
        true = np.array([heart.diastoles[np.argmin(np.abs(heart.diastoles - f))] for f in found.diastoles]) / 60
        gaps = np.diff(true)
        assert found.rhythm.intervals == gaps.size
        assert found.rhythm.interval_mean_s == pytest.approx(gaps.mean(), rel=0.005)
        assert found.rhythm.interval_sd_s == pytest.approx(gaps.std(ddof=1), abs=0.006)
        assert found.rhythm.rmssd_s == pytest.approx(np.sqrt(np.mean(np.diff(gaps) ** 2)), abs=0.01)


def test_a_skipped_beat_is_flagged() -> None:
    masks = {n: mask for n, mask in enumerate(steady()) if not 30 < n < 46}
    found = found_in(masks)
    assert "irregular" in found.flags
    assert found_in(steady()).flags == ()


def ellipses(sides: Iterable[tuple[float, float, float]]) -> list[Bool]:
    """Ellipses of these half axes, down and across, at this column."""
    y, x = np.mgrid[:96, :96]
    return [((y - 48) / a) ** 2 + ((x - at) / b) ** 2 <= 1 for a, b, at in sides]


def test_the_main_rhythm_is_that_of_all_that_moves() -> None:
    """What one axis gains the other loses, so that the area has double the rate; the masks have that of the axes."""
    phase = 2 * np.pi * 1.5 * np.arange(120) / 15
    found = found_in(ellipses(zip(30 + 5 * np.cos(phase), 18 - 3 * np.cos(phase), 48 + 0 * phase, strict=True)))
    areas = np.array([mask.area for mask in found.track.silhouettes], float)
    power = np.abs(np.fft.rfft(areas - areas.mean()))
    assert 60 * np.argmax(power) * 15 / 120 == pytest.approx(180)
    assert main_rhythm(found.track) == pytest.approx(90, rel=0.01)


def test_an_overtone_is_not_taken_for_the_beat() -> None:
    """Both axes shrink twice in a beat, once more than the other time: what comes twice is strong, the beat once."""
    phase = 2 * np.pi * 1.5 * np.arange(120) / 15
    sides = 24 + 3 * np.cos(2 * phase) + 2.4 * np.cos(phase)
    found = found_in(ellipses(zip(sides, sides - 6, np.full(120, 48.0), strict=True)))
    assert main_rhythm(found.track) == pytest.approx(90, rel=0.01)


def test_what_only_drifts_or_rests_has_no_rhythm_of_a_heart() -> None:
    resting = found_in(ellipses([(20, 15, 48)] * 60))
    assert main_rhythm(resting.track) is None
    beating = 20 + 4 * np.cos(2 * np.pi * 1.2 * np.arange(150) / 15)
    drifting = found_in(ellipses(zip(beating, beating, 30 + 0.25 * np.arange(150), strict=True)))
    assert main_rhythm(drifting.track) == pytest.approx(72, rel=0.01)


def test_noise_at_an_extremum_gives_one_extremum() -> None:
    """Two equally small areas side by side, parted by noise, do not limit each other's prominence."""
    areas = [20, 30, 40, 30, 20, 12, 10, 11, 13, 11, 10, 12, 20, 30, 40, 30, 20, 10, 20]
    masks = [np.arange(60).reshape(6, 10) < area for area in areas]
    found = found_in(masks)
    assert found.diastoles == (2, 14)
    assert found.systoles == (6, 17)


# -- odd sequences ---------------------------------------------------------------------------------------------------


def plain(found: Heartbeat) -> Any:
    """The block of JSON, which holds no NaN."""
    block = cardiac_block([found]).model_dump(mode="json")
    json.dumps(block, allow_nan=False)
    return block


def nothing_found(found: Heartbeat) -> None:
    block = plain(found)
    sequence = block["sequences"][0]
    assert sequence["beats"] == sequence["diastoles"] == sequence["systoles"] == []
    for name in ("heart_rate_bpm", "heart_rate_bps", "heart_rate_bpm_refined", "frames_per_beat"):
        assert sequence[name] is None
    for name in (*MEASURES, "stroke_volume_px3", "stroke_volume_nl", "beat_heart_rate_bpm"):
        assert sequence[name] == {"n": 0, "mean": None, "std": None, "median": None, "q25": None, "q75": None}
    assert sequence["rhythm"]["interval_sd_s"] is None
    assert sequence["flags"] == ["no_beat", "no_rate"]
    assert block["summary"]["ef"]["mean"] is None
    assert block["summary"]["heart_rate_bpm"]["mean"] is None
    assert block["summary"]["cardiac_output_nl_per_min"]["mean"] is None


def test_sequences_without_a_beat_have_no_numbers() -> None:
    still, empty = steady()[0], np.zeros_like(steady()[0])
    for masks in ([still], [still, steady()[5]], [still] * 40, [empty] * 40, [empty], [empty, still, empty]):
        nothing_found(found_in(masks))


def test_an_empty_mask_is_a_frame_without_sizes_and_never_a_systole() -> None:
    whole = found_in(steady())
    masks = list(steady())
    between = whole.diastoles[2] + 2
    masks[between] = np.zeros_like(masks[0])
    found = found_in(masks)
    assert (found.diastoles, found.systoles) == (whole.diastoles, whole.systoles)
    frame = plain(found)["sequences"][0]["frames"][between]
    assert frame["flags"] == ["empty"]
    assert frame["area_px"] == 0
    sizes = {key for key in frame if key.startswith(("axis", "volume", "equivalent", "centroid", "area_um"))}
    assert len(sizes) >= 8
    assert {frame[key] for key in sizes} == {None}
    row = frame_rows([found])[between]
    assert row["flags"] == "empty"
    assert row["axis_major_px"] is None
    assert shape_of(silhouette(masks[between])) is None


def test_a_missing_frame_keeps_its_place_in_time() -> None:
    whole = found_in(steady())
    between = whole.diastoles[2] + 2
    masks = {500 + n: mask for n, mask in enumerate(steady()) if n != between}
    found = found_in(masks)
    assert found.track.first_frame == 500
    assert found.track.missing == (500 + between,)
    assert (found.diastoles, found.systoles) == (whole.diastoles, whole.systoles)
    assert found.heart_rate_bpm == 90
    assert [beat.ef for beat in found.beats] == [beat.ef for beat in whole.beats]
    assert all(beat.flags == () for beat in found.beats)


def test_a_missing_extremum_is_flagged_and_not_refined() -> None:
    whole = found_in(steady())
    lost = whole.systoles[2]
    found = found_in({n: mask for n, mask in enumerate(steady()) if n != lost})
    odd = [beat for beat in found.beats if "beside_missing" in beat.flags]
    assert len(found.beats) == len(whole.beats)
    assert len(odd) == 1
    assert abs(odd[0].systolic_frame - lost) == 1
    assert odd[0].refined is None
    assert all(beat.refined is not None for beat in found.beats if beat is not odd[0])
    row = next(row for row in beat_rows([found]) if row["flags"] == "beside_missing")
    assert row.get("ef_refined") is None


def test_pieces_holes_and_edges_are_measured_and_flagged() -> None:
    masks = list(steady())
    clean = masks[7].copy()
    y, x = (int(c) for c in np.argwhere(clean).mean(axis=0))
    masks[7] = clean.copy()
    masks[7][y, x - 1 : x + 2] = False
    masks[8] = masks[8].copy()
    masks[8][5:8, 5:8] = True
    masks[9] = masks[9].copy()
    masks[9][y, x:] = True
    found = found_in(masks)
    frames = plain(found)["sequences"][0]["frames"]
    assert [frames[n]["flags"] for n in (6, 7, 8, 9)] == [[], ["holes"], ["components"], ["border"]]
    assert frames[7]["area_px"] == clean.sum() - 3
    assert frames[8]["area_px"] == steady()[8].sum() + 9
    assert plain(found)["summary"]["flagged_frames"] == {"border": 1, "components": 1, "holes": 1}
    assert np.array_equal(cleaned(masks[7]), clean)
    assert np.array_equal(cleaned(masks[8]), steady()[8])


def test_a_heart_that_leaves_the_picture_is_flagged_in_frames_and_beats() -> None:
    """In the end a part of every diastole lies beyond the right edge; in the last frames the heart is gone."""
    masks = [mask.copy() for mask in steady()]
    for n, mask in enumerate(masks):
        way = min(3 * max(n - 20, 0), 92)
        mask[:, way:] = steady()[n][:, : mask.shape[1] - way]
        mask[:, :way] = False
    masks[70:] = [np.zeros_like(mask) for mask in masks[70:]]
    edge = [n for n, mask in enumerate(masks) if mask[:, -1].any()]
    found = found_in(masks)
    frames = plain(found)["sequences"][0]["frames"]
    assert edge
    assert all("border" in frames[n]["flags"] for n in edge)
    assert [n for n, frame in enumerate(frames) if "empty" in frame["flags"]] == [70, 71, 72, 73, 74]
    flagged = [beat for beat in found.beats if "border" in beat.flags]
    assert flagged
    assert all({beat.diastolic_frame, beat.systolic_frame} & set(edge) for beat in flagged)


def test_doubled_frames_change_no_rate() -> None:
    """Every frame twice at twice the frame rate, as a video with repeated frames holds them."""
    twice = [mask for mask in steady() for _ in range(2)]
    found = found_in(twice, 30.0)
    assert found.heart_rate_bpm == 90
    assert {round(beat.ef, 9) for beat in found.beats} == {round(beat.ef, 9) for beat in found_in(steady()).beats}


def test_a_frame_number_twice_is_an_error() -> None:
    mask = silhouette(steady()[0])
    with pytest.raises(UserError, match="frame 3 twice"):
        tracks([("heart", 3, mask), ("heart", 3, mask)], 15.0)


@pytest.mark.parametrize("fps", [0.0, -1.0, math.nan, math.inf])
def test_a_frame_rate_that_is_none_is_an_error(fps: float) -> None:
    with pytest.raises(UserError, match="frames per second"):
        found_in(steady()[:3], fps)


@pytest.mark.parametrize("setting", [{"prominence": 0.0}, {"prominence": 1.0}, {"distance": 0}])
def test_settings_out_of_range_are_errors(setting: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        Detection(**setting)


@settings(max_examples=30)
@given(st.lists(st.one_of(st.none(), st.integers(0, 60)), min_size=1, max_size=25))
def test_any_sequence_gives_numbers_or_none(areas: Sequence[int | None]) -> None:
    """Missing frames, empty masks, any areas: extrema are inside, in turn, and everything is plain JSON."""
    masks = {n: np.arange(60).reshape(6, 10) < area for n, area in enumerate(areas) if area is not None}
    if not masks:
        return
    found = found_in(masks)
    plain(found)
    there = [frame for frame, mask in zip(found.track.frames, found.track.silhouettes, strict=True) if mask.area]
    for extremum in (*found.diastoles, *found.systoles):
        assert extremum in there[1:-1]
    for beat in found.beats:
        assert beat.diastolic_frame < beat.systolic_frame
        assert beat.fac > 0
        assert not any(beat.diastolic_frame < other < beat.systolic_frame for other in found.diastoles)
    assert (found.heart_rate_bpm is None) == (max(len(found.diastoles), len(found.systoles)) < 2)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_shape_is_that_of_the_pixels_for_any_mask(seed: int, rare: bool) -> None:
    random = np.random.default_rng(seed)
    mask = random.random((int(random.integers(1, 30)), int(random.integers(1, 30)))) < (0.05 if rare else 0.7)
    found = shape_of(silhouette(mask), (1.2, 0.9))
    y, x = np.nonzero(mask)
    assert (found is None) == (y.size == 0)
    if found is not None:
        points = np.stack([y * 1.2, x * 0.9])
        spread = np.maximum(np.linalg.eigvalsh(np.cov(points, bias=True)), 0)
        assert [found.axis_minor, found.axis_major] == pytest.approx(4 * np.sqrt(spread), abs=1e-6)
        assert found.centroid == pytest.approx(points.mean(axis=1))
        assert found.area == pytest.approx(1.08 * y.size)
        assert found.volume == pytest.approx(math.pi / 6 * found.axis_minor**2 * found.axis_major)


@pytest.mark.parametrize("shape", [(0, 5), (3,), (2, 3, 3)])
def test_what_is_no_mask_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="height, width"):
        silhouette(np.zeros(shape, np.uint8))


def test_a_silhouette_is_exact_in_a_large_picture() -> None:
    mask = np.zeros((3000, 4000), bool)
    mask[2000:2900, 3000:3990] = True
    found = silhouette(mask)
    y, x = np.nonzero(mask)
    wanted = [int(v.astype(object).sum()) for v in (y[:1], x[:1])]
    assert wanted == [2000, 3000]
    rows, columns = np.arange(2000, 2900), np.arange(3000, 3990)
    assert found == Silhouette(
        3000,
        4000,
        900 * 990,
        int(rows.sum()) * 990,
        int(columns.sum()) * 900,
        int((rows**2).sum()) * 990,
        int((columns**2).sum()) * 900,
        int(rows.sum()) * int(columns.sum()),
        components=1,
        holes=0,
        border=0,
    )


def test_the_command_measures_a_folder_of_generated_masks(bench: Run, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for number, mask in enumerate(steady()):
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "masks" / f"{number:03d}.png")
    block = printed_json(bench("cardiac", "masks", "--json", "--pixel-size-um", "2"))
    assert block["sequences"][0]["heart_rate_bpm"] == 90
    assert block["sequences"][0]["pixel_size_um"] == 2
    assert block["summary"]["ef"]["mean"] == pytest.approx(found_in(steady()).distribution("ef").mean)
