"""How mask error becomes beat error: masks that are changed on purpose, SYNTHETIC and real."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beating import BeatingHeart, Bool, Plan
from commands import Run
from segbench.cardiac.geometry import Silhouette, silhouette
from segbench.cardiac.propagation import KINDS, RADII_PX, changed_masks, dice, in_words, needed, seed_of

RADII = (1, 2, 4)


def disc_element(radius: int) -> Any:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (y * y + x * x <= radius * radius).astype(np.uint8)


def ellipse(minor: float, major: float, shape: tuple[int, int] = (120, 160)) -> Bool:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.asarray(((y - shape[0] / 2) / minor) ** 2 + ((x - shape[1] / 2) / major) ** 2 <= 1)


def by_change(mask: Bool, seed: tuple[int, ...] = (1, 2), radii: tuple[int, ...] = RADII) -> dict[tuple[str, int], Any]:
    return {(c.kind, c.radius_px): c for c in changed_masks(mask, seed, radii)}


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_erosion_and_dilation_are_those_by_a_disc(seed: int) -> None:
    """Against OpenCV's morphology with a disc as structuring element, masks at the picture's edge included."""
    random = np.random.default_rng(seed)
    mask = cv2.GaussianBlur(random.standard_normal((40, 50)), (0, 0), 3) > random.uniform(-0.02, 0.06)
    found = by_change(np.asarray(mask))
    for radius in RADII:
        element, values = disc_element(radius), mask.astype(np.uint8)
        smaller, larger = cv2.erode(values, element), cv2.dilate(values, element)
        assert found["erode", radius].mask == silhouette(smaller)
        assert found["dilate", radius].mask == silhouette(larger)
        assert found["erode", radius].common == smaller.sum()
        assert found["dilate", radius].common == values.sum()


def test_a_moved_outline_moves_by_its_standard_deviation_without_bias() -> None:
    """As many pixels are lost as won; the mean distance of a normal shift is sqrt(2 / pi) of its standard deviation."""
    mask = ellipse(40, 55)
    perimeter = math.pi * (3 * 95 - math.sqrt((3 * 40 + 55) * (40 + 3 * 55)))
    ways = defaultdict(list)
    for frame in range(60):
        for radius in (1, 2):
            changed = by_change(mask, (5, frame))["jitter", radius]
            lost, won = mask.sum() - changed.common, changed.mask.area - changed.common
            ways[radius].append((lost, won))
    for radius, found in ways.items():
        lost, won = np.mean(found, axis=0)
        assert (lost + won) / perimeter == pytest.approx(radius * math.sqrt(2 / math.pi), rel=0.1)
        assert lost == pytest.approx(won, rel=0.25)
        # Anew in each frame.
        assert len(set(found)) > 50


def test_changes_depend_on_the_seed_alone_and_grow_with_the_radius() -> None:
    mask = ellipse(20, 30)
    first, again, other = (by_change(mask, seed) for seed in ((1, 2), (1, 2), (1, 3)))
    assert first == again
    assert first["jitter", 2] != other["jitter", 2]
    assert first["erode", 2] == other["erode", 2]
    for kind in KINDS:
        overlaps = [dice([(int(mask.sum()), first[kind, r].mask.area, first[kind, r].common)])[0] for r in RADII]
        assert 1 > overlaps[0] > overlaps[1] > overlaps[2] > 0.5
    assert seed_of("heart-1", 7) != seed_of("heart-1", 8) != seed_of("heart-2", 8)


def test_the_place_in_the_picture_does_not_matter_and_the_rest_of_it_is_kept() -> None:
    """Only the heart's box is worked on: its place is kept, and far from the edge it changes as it would elsewhere."""
    mask = ellipse(20, 30, (300, 400))
    moved = np.roll(mask, (15, -40), axis=(0, 1))
    here, there = by_change(mask), by_change(moved)
    for key, found in here.items():
        other: Silhouette = there[key].mask
        assert found.mask.area == other.area
        assert (found.mask.height, found.mask.width) == (300, 400)
        assert other.sum_y == found.mask.sum_y + 15 * other.area
        assert other.sum_x == found.mask.sum_x - 40 * other.area


def test_what_has_no_outline_stays_as_it_is() -> None:
    for mask in (np.zeros((30, 40), bool), np.ones((30, 40), bool)):
        for found in by_change(mask).values():
            assert found.mask == silhouette(mask)
            assert found.common == mask.sum()
    assert by_change(ellipse(2, 2))["erode", 4].mask.area == 0


def test_dice_by_hand() -> None:
    pooled, mean = dice([(10, 10, 10), (30, 10, 5), (0, 0, 0)])
    assert pooled == pytest.approx(2 * 15 / 60)
    assert mean == pytest.approx((1 + 10 / 40) / 2)
    assert all(math.isnan(value) for value in dice([(0, 0, 0)]))


def rows_of(**errors: list[float | None]) -> list[dict[str, Any]]:
    """Dice 1, 0.9, 0.8 … of one kind each, the same error for every measure."""
    return [
        {"kind": kind, "dice": 1 - n / 10, **{f"{m}_error_pp": value for m in ("fs_minor", "fs_major", "ef")}}
        for kind, values in errors.items()
        for n, value in enumerate(values)
    ]


def test_the_needed_dice_is_read_between_the_rows() -> None:
    found = needed(rows_of(erode=[0, 4, 14], dilate=[0, 1, 2], jitter=[13, 14, 15]))
    dice_of = {
        (row["kind"], row["limit_pp"]): (row["dice"], row["exceeded"]) for row in found if row["measure"] == "ef"
    }
    assert dice_of["erode", 12.0] == (pytest.approx(0.82), True)
    assert dice_of["erode", 5.0] == (pytest.approx(0.89), True)
    assert dice_of["dilate", 12.0] == (pytest.approx(0.8), False)
    assert dice_of["jitter", 12.0] == (None, True)
    words = in_words(found)
    assert len(words) == 3
    assert "at most 12 pp from Dice 0.820 on, by at most 5 pp from Dice 0.890 on" in words[0]
    assert "at every Dice tried, down to 0.800" in words[1]
    assert "at no Dice tried" in words[2]


def test_without_a_true_beat_no_dice_is_said_to_be_needed() -> None:
    words = in_words(needed(rows_of(erode=[None, None], jitter=[None, None])))
    assert words == ["no beat was found in the true masks, so nothing is known of errors"]
    partly = in_words(needed(rows_of(erode=[0, 14], jitter=[None, None])))
    assert "from Dice" in partly[0]
    assert "no Dice" not in partly[1]
    assert "at a Dice that is not known" in partly[1]


def test_the_upper_end_of_an_interval_needs_a_higher_dice() -> None:
    rows = [{**row, "ef_error_pp_high": 2 * row["ef_error_pp"]} for row in rows_of(erode=[0, 4, 14])]
    found = {(row["measure"], row["limit_pp"]): row for row in needed(rows)}
    assert found["ef", 5.0]["dice_interval"] == pytest.approx(1 - 0.1 * 5 / 8)
    assert found["ef", 12.0]["dice_interval"] == pytest.approx(0.9 - 0.1 * 4 / 20)
    assert found["fs_minor", 12.0]["dice_interval"] is None


def test_an_error_that_is_undefined_is_no_error_of_zero() -> None:
    found = needed(rows_of(erode=[None, None], dilate=[0, None]))
    assert [row["dice"] for row in found if row["kind"] == "erode"] == [None] * 6
    assert all(row["dice"] == 1 for row in found if row["kind"] == "dilate")


@cache
def beating_hearts() -> tuple[tuple[str, tuple[Bool, ...]], ...]:
    plans = (Plan(n, 15, 85 + 8 * n, 0.45 + 0.08 * n, seconds=2, major_px=110) for n in range(5))
    return tuple((f"heart{n}", tuple(BeatingHeart(plan).masks())) for n, plan in enumerate(plans))


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """SYNTHETIC hearts, one folder each."""
    for name, frames in beating_hearts():
        (tmp_path / "masks" / name).mkdir(parents=True)
        for number, mask in enumerate(frames):
            Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "masks" / name / f"{number:03d}.png")
    return tmp_path / "masks"


@pytest.mark.slow
def test_the_command_tells_which_dice_is_needed(masks: Path, bench: Run, tmp_path: Path) -> None:
    done = bench("cardiac", masks, "--propagation", "--out", "found")
    assert done.returncode == 0, done.stderr
    for words in ("Masks that are too small (erode)", "Masks that are too large", "Unsteady outlines", "12 pp"):
        assert words in done.stdout
    block = json.loads((tmp_path / "found" / "cardiac.json").read_text())
    found = block["propagation"]
    assert "--propagation" in block["command"]
    rows = {(row["kind"], row["radius_px"]): row for row in found["rows"]}
    assert set(rows) == {(kind, radius) for kind in KINDS for radius in (0, *RADII_PX)}
    for kind in KINDS:
        start = rows[kind, 0]
        assert start["dice"] == start["dice_per_image"] == start["beat_detection_rate"] == 1
        assert start["fs_minor_error_pp"] == start["ef_error_pp"] == start["heart_rate_error_bpm"] == 0
    # Eroding takes the same from both axes of both frames: shortening grows; dilating makes it smaller.
    for radius in (1, 2, 4):
        for measure in ("fs_minor", "ef"):
            assert rows["erode", radius][f"{measure}_bias_pp"] > 0
            assert rows["dilate", radius][f"{measure}_bias_pp"] < 0
            row = rows["jitter", radius]
            assert row[f"{measure}_error_pp_low"] < row[f"{measure}_error_pp"] < row[f"{measure}_error_pp_high"]
    assert rows["erode", 2]["fs_minor_error_pp"] == pytest.approx(expected_of_erosion(2), rel=0.1)
    for row in found["needed_dice"]:
        assert row["dice_interval"] >= row["dice"]
    assert len(found["answer"]) == 3
    folder = tmp_path / "found"
    for name in ("propagation.csv", "propagation.parquet", "plots/propagation.png", "plots/propagation.svg"):
        assert (folder / name).is_file()
    assert len((folder / "propagation.csv").read_text().splitlines()) == 1 + 3 * (1 + len(RADII_PX))


def expected_of_erosion(radius: int) -> float:
    """Mean error of FS minor in points when both minor axes lose twice the radius, from the true shapes."""
    from segbench.cardiac.beats import beats_of
    from segbench.cardiac.track import tracks

    errors = []
    for name, frames in beating_hearts():
        heart = beats_of(tracks([(name, n, silhouette(mask)) for n, mask in enumerate(frames)], 15.0)[0])
        for beat in heart.beats:
            shapes = [heart.shapes_px[f] for f in (beat.diastolic_frame, beat.systolic_frame)]
            full, empty = (shape.axis_minor for shape in shapes if shape is not None)
            errors.append(100 * abs((1 - (empty - 2 * radius) / (full - 2 * radius)) - (1 - empty / full)))
    return float(np.mean(errors))


def test_a_video_has_no_true_masks(bench: Run) -> None:
    done = bench("cardiac", "video.avi", "--run", "run", "--propagation")
    assert done.returncode == 2
    assert "--truth" in done.stderr
