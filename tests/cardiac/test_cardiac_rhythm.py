"""Rates found without beats: of the masks' common movement, and of a film's own colours; masks that are no heart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from beating import BeatingHeart, Plan
from segbench.cardiac.beats import Heartbeat, beats_of
from segbench.cardiac.detection import Detection
from segbench.cardiac.film_rhythm import film_rhythm
from segbench.cardiac.geometry import cells_of, silhouette
from segbench.cardiac.rhythm import main_rhythm, pulsation
from segbench.cardiac.track import Track, jumping_part, tracks
from segbench.types import Array, Uint8

FPS = 15.0
PREDICTED = Detection.for_predicted_masks()


def _ellipse(area: float, y: float, x: float, ratio: float = 1.5) -> Array:
    rows, columns = np.mgrid[:80, :100]
    minor = np.sqrt(max(area, 20.0) / np.pi / ratio)
    inside: Array = ((rows - y) / minor) ** 2 + ((columns - x) / (ratio * minor)) ** 2 <= 1
    return inside


def _track(masks: Sequence[Array], numbers: Sequence[int] | None = None) -> Track:
    numbered = dict(zip(numbers or range(len(masks)), masks, strict=True))
    rows = [("heart", number, silhouette(mask)) for number, mask in numbered.items()]
    cells = {number: cells_of(mask) for number, mask in numbered.items()}
    return tracks(rows, FPS, (1.0, 1.0), {"heart": cells})[0]


def _flickering(
    frames: int, period: float, skipped: Sequence[int] = (), flicker: float = 0.0, seed: int = 7
) -> tuple[Track, int]:
    """A drawn ventricle that contracts once a period but for the skipped ones, with flicker; its beats."""
    random = np.random.default_rng(seed)
    time = np.arange(frames)
    centres = [c for n in range(int(frames / period) + 1) if n not in skipped and (c := (n + 0.5) * period) < frames]
    contraction = sum(np.exp(-0.5 * ((time - centre) / (0.18 * period)) ** 2) for centre in centres)
    areas = 1200 - 400 * contraction
    areas = areas * (1 + flicker * random.standard_normal(frames))
    masks = [_ellipse(area, 40 - 2 * beat, 50) for area, beat in zip(areas, np.atleast_1d(contraction), strict=True)]
    return _track(masks), sum(1 < centre < frames - 2 for centre in centres)


@pytest.mark.parametrize("flicker", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("period", [8.0, 9.6, 13.0])
def test_flickering_masks_keep_their_rate(period: float, flicker: float) -> None:
    track, beats = _flickering(150, period, flicker=flicker)
    heart = beats_of(track, PREDICTED)
    assert abs(len(heart.systoles) - beats) <= 1
    assert heart.heart_rate_bpm == pytest.approx(60 * FPS / period, rel=0.03)


def test_where_masks_flicker_much_their_common_movement_is_right_more_often() -> None:
    by_area = Detection(prominence=0.10, smoothing=2, refractory=0.6)
    wrong = {by_area: 0, PREDICTED: 0}
    for seed in range(20):
        track, _ = _flickering(150, 9.6, flicker=0.35, seed=seed)
        for detection in wrong:
            rate = beats_of(track, detection).heart_rate_bpm
            wrong[detection] += rate != pytest.approx(60 * FPS / 9.6, rel=0.03)
    assert wrong[PREDICTED] <= 1
    assert wrong[by_area] >= 5


def test_where_masks_are_wrong_in_places_their_cells_are_right_more_often() -> None:
    time = np.arange(150)
    wrong = {"cells": 0, "signals": 0}
    for seed in range(12):
        random = np.random.default_rng(seed)
        contraction = 0.5 - 0.5 * np.cos(2 * np.pi * time / 9.6)
        # Beside the heart lies what the network takes for a part of it for some frames at a time.
        taken = np.repeat(random.random(30), 5) < 0.5
        beside = _ellipse(200, 40, 70)
        masks = [_ellipse(1000 - 350 * c, 40, 45) | (beside & on) for c, on in zip(contraction, taken, strict=True)]
        track = _track(masks)
        for name, looked_at in (("cells", track), ("signals", replace(track, cells=None))):
            wrong[name] += beats_of(looked_at, PREDICTED).heart_rate_bpm != pytest.approx(60 * FPS / 9.6, rel=0.03)
    assert wrong["cells"] <= 2
    assert wrong["signals"] >= 5


def test_a_weak_beat_is_found_between_strong_ones() -> None:
    time = np.arange(150)
    strength = np.where(np.arange(15) == 7, 0.18, 1.0)
    beats = sum(s * np.exp(-0.5 * ((time - 10 * (n + 0.5)) / 1.8) ** 2) for n, s in enumerate(strength))
    track = _track([_ellipse(1200 - 400 * beat, 40 - 2 * beat, 50) for beat in beats])
    heart = beats_of(track, PREDICTED)
    assert len(heart.systoles) == 15
    assert "irregular" not in heart.flags


@pytest.mark.parametrize("flicker", [0.0, 0.03])
def test_a_skipped_beat_is_not_filled_in(flicker: float) -> None:
    track, beats = _flickering(150, 10, skipped=(5,), flicker=flicker)
    heart = beats_of(track, PREDICTED)
    assert len(heart.systoles) == beats
    assert "irregular" in heart.flags


def test_a_pulsation_rises_with_the_area_and_knows_no_drift() -> None:
    time = np.arange(120)
    masks = [_ellipse(1000 + 200 * np.cos(2 * np.pi * t / 10) + 3 * t, 40, 50) for t in time]
    track = _track(masks)
    rate = main_rhythm(track)
    assert rate == pytest.approx(90, rel=0.01)
    assert rate is not None
    frames, common = pulsation(track, rate)
    assert frames.tolist() == time.tolist()
    assert common.std() == pytest.approx(1)
    assert np.corrcoef(common, np.cos(2 * np.pi * time / 10))[0, 1] > 0.99
    assert set(np.flatnonzero(common > 1.2) % 10) <= {9, 0, 1}


def test_extrema_of_a_pulsation_lie_on_frames_with_masks() -> None:
    time = np.arange(120)
    kept = [int(t) for t in time if t % 10 not in (4, 5, 6)]
    masks = [_ellipse(1000 + 200 * np.cos(2 * np.pi * t / 10), 40, 50) for t in kept]
    heart = beats_of(_track(masks, kept), PREDICTED)
    assert heart.heart_rate_bpm == pytest.approx(90, rel=0.03)
    assert set(heart.diastoles) <= set(kept)
    assert set(heart.systoles) <= set(kept)


def test_masks_that_rest_or_are_few_have_no_beats() -> None:
    assert beats_of(_track([_ellipse(900, 40, 50)] * 60), PREDICTED).beats == ()
    assert beats_of(_track([_ellipse(900, 40, 50)] * 2), PREDICTED).beats == ()
    few = _track([_ellipse(900 + 200 * np.cos(2 * np.pi * t / 10), 40, 50) for t in range(25)])
    assert main_rhythm(few) is None
    assert len(beats_of(few, PREDICTED).systoles) == 2


def _film(frames: int, period: float, colour: bool, noise: float) -> list[Uint8]:
    """A drawn film: a disc whose blood comes and goes, on a still, noisy ground."""
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[:120, :160]
    disc = (rows - 60) ** 2 + (columns - 90) ** 2 < 20**2
    film = []
    for frame in range(frames):
        beat = np.cos(2 * np.pi * frame / period)
        picture = np.full((120, 160, 3), 90.0)
        picture[disc] += [15 * beat, -8 * beat, -8 * beat] if colour else [12 * beat] * 3
        picture += noise * random.standard_normal(picture.shape)
        drawn = picture.round().clip(0, 255).astype(np.uint8)
        film.append(drawn if colour else drawn[..., 0])
    return film


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("period", [5.0, 9.6, 20.0])
def test_the_rhythm_of_a_film_needs_no_mask(period: float, colour: bool) -> None:
    film = _film(150, period, colour, noise=6.0)
    assert film_rhythm(film, range(150), FPS) == pytest.approx(60 * FPS / period, rel=0.01)


def test_missing_frames_of_a_film_keep_their_place_in_time() -> None:
    film = _film(150, 9.6, True, noise=4.0)
    kept = [n for n in range(150) if n % 7 and not 60 <= n < 66]
    assert film_rhythm([film[n] for n in kept], kept, FPS) == pytest.approx(60 * FPS / 9.6, rel=0.01)


def test_a_still_or_short_film_has_no_rhythm() -> None:
    still = np.full((50, 60), 77, np.uint8)
    assert film_rhythm([still] * 60, range(60), FPS) is None
    assert film_rhythm(_film(20, 9.6, True, 0.0), range(20), FPS) is None
    assert film_rhythm([still], [0], FPS) is None


def _flags(masks: Sequence[Array]) -> tuple[str, ...]:
    return beats_of(_track(masks)).flags


def test_masks_that_jump_or_eject_all_are_called_implausible() -> None:
    steady = [_ellipse(1000 + 250 * np.cos(2 * np.pi * t / 10), 40, 50) for t in range(100)]
    assert "implausible" not in _flags(steady)
    assert jumping_part(_track(steady)) == 0
    jumping = [_ellipse(1000 + 250 * np.cos(2 * np.pi * t / 10), 40, 50 + 25 * (t % 9 == 4)) for t in range(100)]
    assert jumping_part(_track(jumping)) == pytest.approx(22 / 99, abs=0.01)
    assert "implausible" in _flags(jumping)
    ejecting = [_ellipse(1000 * (0.55 + 0.45 * np.cos(2 * np.pi * t / 30)) ** 2 + 12, 40, 50) for t in range(180)]
    heart: Heartbeat = beats_of(_track(ejecting))
    assert (heart.distribution("ef").median or 0) > 0.85
    assert "implausible" in heart.flags


def test_true_masks_of_a_beating_heart_are_plausible() -> None:
    for rate, fps in ((90, 15), (120, 30), (200, 60)):
        heart = BeatingHeart(Plan(seed=rate, fps=fps, rate_bpm=rate, ef=0.6, seconds=5, contraction=0.4))
        assert jumping_part(_track(list(heart.masks()))) == 0
