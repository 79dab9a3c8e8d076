"""How far flicker of masks raises EF and FS: SYNTHETIC hearts of which the same film without flicker is the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contracting import even, heart, masks, of_beats
from PIL import Image

from beating import BeatingHeart, plans
from segbench.cardiac.beats import Heartbeat, beats_of
from segbench.cardiac.detection import Detection
from segbench.cardiac.flicker import MEASURES, Flicker, flicker_of
from segbench.cardiac.geometry import silhouette
from segbench.cardiac.to_json import cardiac_block
from segbench.cardiac.track import tracks
from segbench.commands.cardiac import CardiacRequest, cardiac
from segbench.figures.cardiac.curves import area_curve
from segbench.io.reporter import Reporter
from segbench.runs.cardiac.doubts import doubtful
from segbench.runs.cardiac.flicker import MAX_BIAS, flickers, raised_by_flicker
from segbench.runs.cardiac.unfit import Unfit, unfit, with_doubts
from segbench.types import Float64, Uint8

BEATS = 10
FRACTIONS = ("ef", "fs_minor", "fs_major", "fac")


def resting(frames: int, period: float, start: float = 0.0) -> Float64:
    """Contraction of a heart that is full for half of its beat."""
    return np.asarray(even(frames, period, start) ** 2, np.float64)


def shaken(contraction: Float64, of_area: float, seed: int = 0) -> list[Uint8]:
    """Masks of which each is too large or too small by a random part, of this deviation, of its area."""
    random = np.random.default_rng(seed)
    return masks(contraction, flicker=of_area / 2 * np.clip(random.standard_normal(contraction.size), -3, 3))


def mean(found: Heartbeat, measure: str) -> float:
    value = found.distribution(measure).mean
    assert value is not None
    return value


def known(found: Heartbeat) -> Flicker:
    flicker = flicker_of(found)
    assert flicker is not None
    return flicker


@pytest.mark.parametrize("beat", [even, resting])
@pytest.mark.parametrize("period", [7.5, 10, 15, 30])
@pytest.mark.parametrize("detection", [Detection(), Detection.for_predicted_masks()])
def test_clean_masks_are_left_as_they_are(
    beat: Callable[[int, float, float], Float64], period: float, detection: Detection
) -> None:
    """At 7.5 frames a short beat has overtones that look a little like flicker."""
    found = heart(masks(beat(round(BEATS * period), period, 0.3)), 2 * period, detection=detection)
    flicker = known(found)
    assert flicker.false_beats == 0
    assert flicker.area_noise < 0.01
    assert max(abs(flicker.bias[name]) for name in FRACTIONS) < 0.004
    assert not flickers(flicker)


@pytest.mark.parametrize(
    ("beat", "period", "detection"),
    [
        (even, 10, Detection()),
        (even, 15, Detection()),
        (even, 15, Detection(smoothing=2)),
        (even, 15, Detection.for_predicted_masks()),
        (resting, 15, Detection.for_predicted_masks()),
        (even, 30, Detection.for_predicted_masks()),
    ],
)
def test_what_flicker_adds_is_found(
    beat: Callable[[int, float, float], Float64], period: float, detection: Detection
) -> None:
    """Over films whose masks are off by 4 % of the area, with an EF of 2 to 5 points too much."""
    contraction = beat(round(BEATS * period), period, 0.3)
    true = heart(masks(contraction), 2 * period, detection=detection)
    films = [heart(shaken(contraction, 0.04, seed), 2 * period, detection=detection) for seed in range(6)]
    flicker = [known(each) for each in films]
    assert np.mean([each.area_noise for each in flicker]) == pytest.approx(0.04, rel=0.15)
    for name in FRACTIONS:
        added = np.array([mean(each, name) for each in films]) - mean(true, name)
        left = np.array([each.corrected[name] for each in flicker]) - mean(true, name)
        assert added.mean() > 0.007
        assert abs(left.mean()) < max(0.5 * added.mean(), 0.004), name
        assert np.abs(left).mean() < np.abs(added).mean()
    assert np.mean([mean(each, "ef") for each in films]) - mean(true, "ef") > 0.015
    assert sum(flickers(each) for each in flicker) >= 4


def test_what_is_given_as_mean_is_what_it_was() -> None:
    found = heart(shaken(even(150, 15), 0.04), detection=Detection.for_predicted_masks())
    flicker = known(found)
    for name in MEASURES:
        assert flicker.corrected[name] + flicker.bias[name] == pytest.approx(mean(found, name), rel=1e-12)
    assert flicker == known(heart(shaken(even(150, 15), 0.04), detection=Detection.for_predicted_masks()))


def test_the_size_of_a_pixel_and_frames_without_a_mask_change_little() -> None:
    drawn = shaken(even(180, 15), 0.04)
    found = heart(drawn)
    large = known(heart(drawn, pixel_um=6.5))
    for name in FRACTIONS:
        assert large.bias[name] == pytest.approx(known(found).bias[name], rel=1e-9)
    assert large.bias["stroke_volume_nl"] == pytest.approx(1000 * known(found).bias["stroke_volume_nl"], rel=1e-9)
    with_gaps = heart([mask * np.uint8(number % 23 != 5) for number, mask in enumerate(drawn)])
    assert known(with_gaps).area_noise == pytest.approx(known(found).area_noise, rel=0.15)
    assert known(with_gaps).bias["ef"] == pytest.approx(known(found).bias["ef"], abs=0.01)


def test_masks_that_are_wrong_alike_in_every_beat_are_not_seen() -> None:
    """What no look at the masks can tell: only a truth does."""
    contraction = even(180, 15)
    wrong = heart(masks(contraction, flicker=0.1 * contraction))
    true = heart(masks(contraction))
    assert mean(true, "ef") - mean(wrong, "ef") > 0.1
    assert abs(known(wrong).bias["ef"]) < 0.004


@pytest.mark.parametrize(
    "drawn",
    [
        masks(even(1, 15)),
        masks(even(30, 15)),
        masks(even(60, 15) * 0),
        [mask * np.uint8(0) for mask in masks(even(5, 15))],
        # Every other frame is missing, so that none follows another.
        [mask * np.uint8(number % 2) for number, mask in enumerate(masks(even(120, 15)))],
    ],
)
def test_of_too_few_beats_or_frames_nothing_is_said(drawn: list[Uint8]) -> None:
    assert flicker_of(heart(drawn)) is None


@pytest.mark.parametrize("rows", [1, 2])
def test_masks_as_thin_as_a_line_are_no_error(rows: int) -> None:
    drawn = np.zeros((120, 20, 60), np.uint8)
    for mask, part in zip(drawn, even(120, 15), strict=True):
        mask[5 : 5 + rows, 5 : 45 - round(20 * part)] = 1
    flicker = flicker_of(heart(list(drawn)))
    assert (flicker is None) == (rows == 1)
    assert flicker is None or all(np.isfinite([*flicker.bias.values(), *flicker.corrected.values()]))


def test_beats_that_flicker_made_are_counted() -> None:
    """By the published definition a flicker of a slow heart's full ventricle is a beat."""
    contraction = resting(300, 30)
    found = heart(shaken(contraction, 0.06), 60.0)
    flicker = known(found)
    extra = len(found.beats) - len(heart(masks(contraction), 60.0).beats)
    assert extra >= 2
    assert 0.5 * extra <= flicker.false_beats <= 1.5 * extra
    assert flicker.corrected == flicker.bias == {}
    assert flickers(flicker)
    (block,) = cardiac_block([found]).sequences
    with_doubts([block], [found], {"a": Unfit()})
    assert f"{flicker.false_beats} of its {len(found.beats)} beats may be flicker" in (raised_by_flicker(block) or "")


def test_beats_of_arrhythmic_and_weak_hearts_are_no_flicker() -> None:
    for plan in plans(16, seed=3):
        drawn = BeatingHeart(plan)
        rows = [("a", frame, silhouette(mask)) for frame, mask in zip(drawn.frames, drawn.masks(), strict=True)]
        flicker = flicker_of(beats_of(tracks(rows, plan.fps, (1.0, 1.0))[0]))
        assert flicker is None or flicker.false_beats == 0
        assert flicker is None or not flickers(flicker), plan
    weak = known(heart(masks(of_beats([15] * 12, [1, 1, 0.3] * 4))))
    assert weak.false_beats == 0
    assert not flickers(weak)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A steady film, and one that flickers by 4 % of the area."""
    root = tmp_path_factory.mktemp("films")
    for name, part in (("steady", 0.0), ("shaken", 0.04)):
        (root / name).mkdir()
        for number, mask in enumerate(shaken(even(120, 15, 3.2), part, 5)):
            Image.fromarray(mask * np.uint8(255)).save(root / name / f"{name}_{number:03d}.png")
    return root


def test_the_table_has_means_with_and_without(films: Path, tmp_path: Path) -> None:
    request = CardiacRequest(films, fps=30, pixel_size_um=0.65, out=tmp_path / "out", plots=False)
    found = cardiac(request, Reporter(quiet=True))
    table = pd.read_csv(tmp_path / "out" / "sequences.csv").set_index("sequence")
    for name in MEASURES:
        assert (table[f"{name}_corrected"] + table[f"{name}_bias"]).tolist() == pytest.approx(table[f"{name}_mean"])
    assert table.ef_bias["shaken"] > MAX_BIAS > 10 * abs(table.ef_bias["steady"])
    assert table.ef_corrected["shaken"] == pytest.approx(table.ef_corrected["steady"], abs=0.02)
    assert "flicker" in table["flags"]["shaken"].split()
    assert "flicker" not in str(table["flags"]["steady"]).split()
    text = " ".join((tmp_path / "out" / "methods.txt").read_text().split())
    points = 100 * table.ef_bias["shaken"]
    assert f"raise the mean ejection fraction of a film by 0.0 to {points:.1f} points (2 films)" in text
    assert "ef_corrected" in text
    blocks = {each.name: each for each in found.sequences}
    said = raised_by_flicker(blocks["shaken"]) or ""
    assert f"raises EF by {points:.1f}, " in said
    assert f"without it EF {100 * table.ef_corrected['shaken']:.1f} %, " in said
    steady = raised_by_flicker(blocks["steady"]) or ""
    assert steady.endswith(", which changes EF and FS by less than 0.1 points, as estimated")
    kept = json.loads((tmp_path / "out" / "cardiac.json").read_text())["sequences"]
    assert {each["name"]: each["flicker"]["bias"]["ef"] for each in kept}["shaken"] == table.ef_bias["shaken"]


def test_the_title_of_a_curve_has_the_fraction_without_flicker() -> None:
    found = heart(shaken(even(150, 15, 3.2), 0.04, 1))
    corrected = known(found).corrected["ef"]
    assert flickers(known(found))
    said = f"({100 * corrected:.0f} % without flicker of the masks)"
    assert said in area_curve(found).axes[0].get_title(loc="left")
    clean = heart(masks(even(150, 15, 3.2)))
    assert "flicker" not in area_curve(clean).axes[0].get_title(loc="left")
    assert "flicker" not in area_curve(found, clean).axes[0].get_title(loc="left")


def test_sizes_that_are_not_to_be_used_are_not_corrected() -> None:
    random = np.random.default_rng(0)
    found = heart(masks(np.clip(even(180, 15) + 0.45 * random.standard_normal(180), -0.2, 1.5)))
    (block,) = cardiac_block([found]).sequences
    with_doubts([block], [found], {"a": unfit(found)})
    assert block.flicker is None
    assert block.flags == list(doubtful(found))
    assert "flicker" not in cardiac_block([found]).sequences[0].model_dump()
