"""Hearts at hand that stop, beat unevenly or cannot be: each is flagged, and a regular one at any sampling is not."""

from __future__ import annotations

import numpy as np
import pytest
from contracting import even, heart, masks, of_beats

from segbench.cardiac.detection import Detection
from segbench.runs.cardiac.doubts import FLAGS, cannot_judge, doubtful, longest_gap

DOUBTS = set(FLAGS) - {"few_frames_per_beat", "few_beats"}
"""All flags but those that every film of few frames per beat, or of few beats, has."""


@pytest.mark.parametrize("detection", [Detection(), Detection.for_predicted_masks()], ids=["plain", "predicted"])
@pytest.mark.parametrize("period", [5, 5.3, 5.5, 6.5, 7.4, 8.7, 10, 12.5, 15, 20.3, 33.3, 60])
def test_a_regular_heart_is_not_flagged_at_any_sampling(period: float, detection: Detection) -> None:
    # 120 beats a minute, from anywhere in a beat to anywhere in one.
    for start, beats in ((0.0, 4.0), (0.31, 7.4), (0.62, 9.8)):
        drawn = masks(even(round(beats * period), period, start * period))
        assert not DOUBTS & set(doubtful(heart(drawn, fps=2 * period, detection=detection))), (start, beats)


@pytest.mark.parametrize("rest", [0.3, 0.5])
def test_a_heart_that_rests_in_diastole_and_trembles_there_is_regular(rest: float) -> None:
    """The frame of a diastole may be anywhere in the rest; that of the systole is sharp."""
    random = np.random.default_rng(3)
    phase = np.clip((np.arange(180) / 15 % 1 - rest) / (1 - rest), 0, 1)
    part = (1 - np.cos(2 * np.pi * phase)) / 2 + 0.02 * random.standard_normal(180)
    assert not DOUBTS & set(doubtful(heart(masks(part))))


def test_a_heart_that_stops_is_flagged_wherever_it_stands_still() -> None:
    """Two and a half seconds of 120 beats a minute and as long without one: not "120 beats a minute" alone."""
    beating, still = even(75, 15), np.zeros(75)
    for part in (np.concatenate([beating, still]), np.concatenate([still, beating])):
        assert doubtful(heart(masks(part))) == ("pause",)
    assert "irregular" in doubtful(heart(masks(np.concatenate([beating, still, beating]))))


def test_uneven_intervals_are_flagged() -> None:
    random = np.random.default_rng(8)
    for _ in range(5):
        lengths = 15 * np.clip(1 + 0.2 * random.standard_normal(12), 0.65, 1.35)
        assert "uneven_intervals" in doubtful(heart(masks(of_beats(lengths.tolist()))))
    # One early beat among many hides in the variation.
    centres = np.array([15 * n + 8 - 6 * (n == 12) for n in range(25)])
    early = np.exp(-0.5 * ((np.arange(375)[:, None] - centres) / 2.5) ** 2).max(axis=1)
    assert doubtful(heart(masks(early))) == ("uneven_intervals",)


def test_beats_of_unequal_strength_are_flagged() -> None:
    by_turns = of_beats([15.0] * 8, [1, 0.6] * 4)
    # Every second beat alike is half the rhythm, too.
    assert {"alternating"} <= set(doubtful(heart(masks(by_turns)))) <= {"alternating", "rates_disagree"}
    once_weak = of_beats([15.0] * 8, [1, 1, 1, 0.45, 1, 1, 1, 1])
    assert doubtful(heart(masks(once_weak))) == ("weak_beats",)


@pytest.mark.parametrize(("bpm", "fps", "edge"), [(20, 10, 30), (270, 60, 240)])
def test_a_rhythm_at_its_edge_does_not_judge(bpm: float, fps: float, edge: float) -> None:
    found = heart(masks(even(150, 60 * fps / bpm)), fps)
    assert found.heart_rate_bpm == pytest.approx(bpm, rel=0.01)
    assert found.heart_rate_bpm_spectral == pytest.approx(edge, rel=0.01)
    assert "rates_disagree" in found.flags
    assert doubtful(found) == ("rhythm_at_edge",)


@pytest.mark.parametrize(
    ("rhythm", "rate", "wanted"),
    [(120, 130, False), (31, 31, True), (239, 200, True), (40, 20, True), (120, 270, True)],
)
def test_where_a_rhythm_cannot_judge(rhythm: float, rate: float, wanted: bool) -> None:
    assert cannot_judge(rhythm, rate) == wanted


def test_heart_and_background_exchanged_is_flagged_and_ejects_nothing() -> None:
    drawn = [1 - mask for mask in masks(even(120, 14.3))]
    found = heart(drawn)
    assert (found.distribution("ef").median or 0) < 0
    assert set(doubtful(found)) >= {"inverted", "implausible"}
    # A heart that fills the picture, and leaves it on one side, is none.
    assert "inverted" not in doubtful(heart([mask[30:130, 40:180] for mask in masks(even(120, 15))]))


def test_why_there_is_no_beat_is_said() -> None:
    drawn = masks(even(2, 15))
    assert doubtful(heart(drawn[:1])) == ("no_beat", "no_rate", "one_frame")
    assert doubtful(heart(drawn[:1] * 20)) == ("no_beat", "no_rate", "motionless")
    # One picture again and again, of which a codec changed a few pixels.
    nearly = [drawn[0].copy() for _ in range(40)]
    for number, mask in enumerate(nearly):
        mask[80, 160 : 160 + number % 7 // 3] = 1
    assert "motionless" in doubtful(heart(nearly))
    # Hearts that beat weakly move.
    assert "motionless" not in doubtful(heart(masks(0.1 * even(90, 15))))


def test_one_or_two_beats_are_said_to_be_few() -> None:
    drawn = masks(even(100, 15))
    assert doubtful(heart(drawn[3:40])) == ("few_beats",)
    assert doubtful(heart(drawn[:70])) == ()


def test_frames_without_masks_that_may_hide_a_beat_are_flagged() -> None:
    """Not a frame or two, and not a pause of the heart that is seen."""
    drawn = masks(even(120, 15))
    for length, wanted in ((2, 0), (14, 14)):
        hidden = [0 * mask if 50 <= n < 50 + length else mask for n, mask in enumerate(drawn)]
        found = heart(hidden)
        assert longest_gap(found) == wanted
        assert ("gap" in doubtful(found)) == bool(wanted)
    paused = heart(masks(np.concatenate([even(60, 15), np.zeros(20), even(60, 15)])))
    assert "irregular" in paused.flags
    assert "gap" not in doubtful(paused)


def test_rates_and_sizes_of_no_heart_are_flagged() -> None:
    drawn = masks(even(90, 15))
    assert doubtful(heart(drawn, fps=3000)) == ("implausible_rate",)
    assert doubtful(heart(drawn, pixel_um=650)) == ("implausible_size",)
    # Ten times the true pixel is a heart of 0.8 mm: of a grown fish, perhaps.
    assert doubtful(heart(drawn, pixel_um=6.5)) == ("unusual_size",)
    assert doubtful(heart(drawn, pixel_um=0.01)) == ("implausible_size",)
