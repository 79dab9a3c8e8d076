"""Plots and overlays of beating hearts: what is drawn, that it can be read again, and that bad input is survived."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from segbench.cardiac.agreement import limits_of_agreement
from segbench.cardiac.beats import Heartbeat, beats_of
from segbench.cardiac.geometry import silhouette
from segbench.cardiac.propagation import needed_dice
from segbench.cardiac.track import tracks
from segbench.figures.cardiac import pages
from segbench.figures.cardiac.agreement import bland_altman, propagation
from segbench.figures.cardiac.curves import area_curve
from segbench.figures.cardiac.film_strip import film_strip, typical_beat
from segbench.figures.cardiac.loops import volume_loop
from segbench.figures.cardiac.overlay import (
    EXTRA_RGB,
    MISSED_RGB,
    PREDICTED_RGB,
    TRUE_RGB,
    overlay,
    video_frames,
    write_overlay_video,
)
from segbench.figures.cardiac.pages import write_cardiac_plots
from segbench.figures.style import STYLE
from segbench.io.images.video import read_video
from segbench.runs.cardiac.mask_sequences import Bool
from segbench.text import file_stems
from segbench.types import Uint8, UserError

SHAPE = (60, 80)
HOSTILE = ("../../etc/passwd", "$\\frac{1}{ №1 <&> 魚", "\x00\n\udcff", "x" * 300, "a", "A")


def ellipse(minor: float, major: float) -> Bool:
    """A filled ellipse in the middle."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.asarray(((y - 30) / minor) ** 2 + ((x - 40) / major) ** 2 <= 1)


def beating(frames: int = 32, period: float = 10.0, depth: float = 0.3) -> list[Bool]:
    """Masks of a heart that beats with a period in frames."""
    sizes = [1 + depth * math.sin(2 * math.pi * n / period) for n in range(frames)]
    return [ellipse(12 * size, 18 * size) for size in sizes]


def heart(masks: Sequence[Bool | None], name: str = "N0092", first: int = 0) -> Heartbeat:
    """The heartbeat of masks at 15 frames per second; None is a missing frame."""
    rows = [(name, first + n, silhouette(mask)) for n, mask in enumerate(masks) if mask is not None]
    return beats_of(tracks(rows, 15.0, (1.0, 1.0))[0])


def present(masks: Sequence[Bool | None]) -> list[Bool]:
    return [mask for mask in masks if mask is not None]


def damaged() -> list[Bool | None]:
    """With a missing frame, an empty mask, one in pieces with a hole, and one at the edge."""
    masks: list[Bool | None] = [*beating()]
    masks[11], masks[12] = None, np.zeros(SHAPE, bool)
    for n in (15, 16):
        odd = ellipse(12, 18)
        odd[0 if n == 16 else 2, 2], odd[30, 40] = True, False
        masks[n] = odd
    return masks


def texts(file: Path | io.BytesIO) -> str:
    """All text of an SVG file, which must be well-formed."""
    return "\n".join("".join(part.itertext()) for part in ElementTree.parse(file).iter() if part.tag.endswith("text"))


def svg(draw: Callable[[], Figure]) -> str:
    """All text of a figure in the house style."""
    stored = io.BytesIO()
    with mpl.rc_context(STYLE):
        draw().savefig(stored, format="svg")
    stored.seek(0)
    return texts(stored)


@pytest.mark.slow
def test_area_curve_names_what_it_shows() -> None:
    predicted, truth = heart(damaged(), first=40), heart(beating(), first=40)
    found = svg(lambda: area_curve(predicted, truth))
    for words in ("predicted area", "true area", "diastole", "systole", "frame missing or mask empty", "time (s)"):
        assert words in found
    assert "mask flagged: in pieces, with holes, cut by the edge" in found
    assert "area of the ventricle (µm²)" in found
    assert "area (pixels)" in found
    assert f"heart rate {predicted.heart_rate_bpm:.1f} beats/min (true 90.0)" in found
    lines = found.split("\n")
    for beat in (*predicted.beats, *truth.beats):
        assert f"{100 * beat.ef:.0f}" in lines
    assert "40" in lines  # frame numbers are those of the files


def test_area_curve_has_gaps_where_frames_are_missing_or_empty() -> None:
    masks = damaged()
    axes = area_curve(heart(masks)).axes[0]
    x, y = (np.asarray(values, float) for values in axes.lines[0].get_data())
    assert x == pytest.approx(np.arange(32) / 15)
    assert np.flatnonzero(np.isnan(y)).tolist() == [11, 12]
    assert y[20] == np.count_nonzero(beating()[20])


def test_truth_that_starts_elsewhere_is_placed_by_its_frame_numbers() -> None:
    axes = area_curve(heart(beating()[5:], first=5), heart(beating())).axes[0]
    predicted, truth = axes.lines[0], axes.lines[3]
    assert np.asarray(truth.get_xdata())[5] == pytest.approx(np.asarray(predicted.get_xdata())[0])
    assert np.asarray(truth.get_ydata())[5] == np.asarray(predicted.get_ydata())[0]


def test_numbers_of_many_beats_do_not_touch() -> None:
    figure = area_curve(heart(beating(500, period=8)))
    figure.draw_without_rendering()
    cells = [text for text in figure.axes[1].texts if text.get_position()[1] == 0]
    boxes = sorted((text.get_window_extent() for text in cells), key=lambda box: box.x0)
    assert len(boxes) > 20
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert "not every beat" in figure.axes[1].get_xlabel()


def test_markers_stand_on_the_extrema() -> None:
    found = heart(beating())
    lines = area_curve(found).axes[0].lines
    for line, extrema in ((lines[1], found.diastoles), (lines[2], found.systoles)):
        assert len(extrema) >= 3
        assert np.asarray(line.get_xdata()) * 15 == pytest.approx(extrema)
    assert lines[1].get_marker() != lines[2].get_marker()


@pytest.mark.slow
@pytest.mark.parametrize(
    "masks",
    [
        pytest.param([ellipse(12, 18)] * 12, id="constant"),
        pytest.param([ellipse(12, 18)], id="one frame"),
        pytest.param([np.zeros(SHAPE, bool)] * 5, id="all empty"),
        pytest.param([ellipse(12, 18), None, ellipse(9, 14)], id="no neighbours"),
        pytest.param([np.ones(SHAPE, bool)] * 4, id="whole picture"),
        pytest.param(beating(14), id="one beat"),
    ],
)
def test_hearts_with_little_to_show(tmp_path: Path, masks: list[Bool | None]) -> None:
    found = heart(masks)
    assert ("no beat found" in svg(lambda: area_curve(found, found))) == (not found.beats)
    assert "single beats" in svg(lambda: volume_loop(found, found))
    assert len(write_cardiac_plots(tmp_path / "plots", [found])) == 4
    frames = list(video_frames(None, present(masks), found))
    assert len(frames) == len(masks)


@pytest.mark.slow
def test_plots_of_several_sequences_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    hearts = [heart(beating(), "first"), heart(damaged(), "second")]
    truths = [None, heart(beating(), "second")]
    written = write_cardiac_plots(tmp_path / "a", hearts, truths)
    assert [path.name for path in written] == [
        f"{stem}.{kind}"
        for stem in ("area-curves-1", "volume-loops-1", "area-first", "loop-first", "area-second", "loop-second")
        for kind in ("svg", "png")
    ]
    again = write_cardiac_plots(tmp_path / "b", hearts, truths)
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(path.name for path in written)
    page = texts(written[0])
    assert "first: 90 beats/min" in page
    assert "true area" in page  # though only one of them has a truth
    assert "mask flagged" in page


@pytest.mark.slow
def test_pages_hold_so_many_sequences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", (1, 2))
    monkeypatch.setattr(pages, "MAX_PAGES", 2)
    short = heart(beating(2), "short")
    written = write_cardiac_plots(tmp_path, [short, *[heart(beating(6))] * 5], each=False)
    curves = [path for path in written if path.stem.startswith("area-curves")]
    assert [path.name for path in curves[::2]] == ["area-curves-1.svg", "area-curves-2.svg"]
    assert [texts(path).count("no heart rate") for path in curves[::2]] == [2, 2]
    assert ["2 sequences not shown" in texts(path) for path in curves[::2]] == [False, True]
    loops = [path for path in written if path.stem.startswith("volume-loops")]
    assert [texts(path).count(": 0 whole beats") for path in loops[::2]] == [2, 2]
    assert len({path.name for path in written}) == 2 * 4
    assert not any("short" in texts(path) for path in written if path.suffix == ".svg")
    assert len(write_cardiac_plots(tmp_path / "short", [short, short], each=False)) == 4
    assert not write_cardiac_plots(tmp_path / "none", [])


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_hostile_names_stay_in_the_folder_and_in_the_picture(tmp_path: Path) -> None:
    folder = tmp_path / "plots"
    written = write_cardiac_plots(folder, [heart(beating(14), name) for name in HOSTILE])
    assert len({path.name.casefold() for path in written}) == len(written) == 2 * (2 * len(HOSTILE) + 2)
    assert sorted(tmp_path.iterdir()) == [folder]
    for path in written:
        assert path.resolve().parent == folder.resolve()
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,100}", path.name)
    shown = "\n".join(texts(path) for path in written if path.suffix == ".svg")
    assert "$\\frac{1}{ №1 <&> 魚" in shown


@given(st.lists(st.text(max_size=80), max_size=6))
def test_file_stems_are_safe_and_unique(names: list[str]) -> None:
    stems = file_stems(names)
    assert len({stem.casefold() for stem in stems}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}", stem) for stem in stems)


def test_plain_names_are_kept() -> None:
    assert file_stems(["N0092", "lateral-0003"]) == ["N0092", "lateral-0003"]


def test_volume_loop_passes_through_diastole_and_systole() -> None:
    found = heart(beating())
    axes = volume_loop(found).axes[0]
    volumes = [shape.volume / 1e6 for shape in found.shapes_um if shape is not None]
    marks = {line.get_label(): line for line in axes.lines}
    whole = found.diastoles[:-1]
    assert np.asarray(marks["diastole"].get_xdata()) == pytest.approx(np.mean([volumes[d] for d in whole]))
    systoles = [s for s in found.systoles if whole[0] < s < found.diastoles[-1]]
    assert np.asarray(marks["systole"].get_xdata()) == pytest.approx(np.mean([volumes[s] for s in systoles]))
    assert (
        np.asarray(marks["emptying (mean)"].get_ydata()).min()
        < 0
        < np.asarray(marks["filling (mean)"].get_ydata()).max()
    )
    d = found.diastoles[0] + 2
    grey = np.array(axes.lines[1].get_data()).T
    assert [volumes[d], (volumes[d + 1] - volumes[d - 1]) * 7.5] in grey.tolist()


def test_beats_with_missing_frames_are_not_averaged() -> None:
    whole, broken = heart(beating()), heart(damaged())
    assert "mean of 2 whole beats" in svg(lambda: volume_loop(whole))
    assert "N0092: 0 whole beats" in svg(lambda: volume_loop(broken, whole))


def test_bland_altman_prints_bias_limits_and_n() -> None:
    truth, predicted = [50.0, 60.0, 70.0, math.nan, 55.0], [52.0, 59.0, 75.0, 60.0, 51.0]
    limits = limits_of_agreement(np.array([2.0, -1.0, 5.0, -4.0]))
    assert limits.low is not None
    assert limits.high is not None
    found = svg(lambda: bland_altman(truth, predicted, "ejection fraction", "points"))
    assert "n = 4" in found
    percent = svg(lambda: bland_altman(truth, predicted, "ejection fraction", "%", ["a", "b", "a", "b", "b"]))
    assert "+0.50 points" in percent
    assert "predicted − true (points)" in percent
    assert "mean of predicted and true ejection fraction (%)" in percent
    assert "n = 4 beats of 2 films" in percent
    assert "+0.50 points" in found
    assert f"+{limits.high:.2f} points" in found
    assert f"−{-limits.low:.2f} points" in found
    assert "mean of predicted and true ejection fraction (points)" in found
    points = bland_altman(truth, predicted, "EF", "points").axes[0].lines[0]
    assert np.array(points.get_data()).T.tolist() == [[51, 2], [59.5, -1], [72.5, 5], [53, -4]]


@pytest.mark.slow
def test_bland_altman_of_few_pairs_and_odd_groups() -> None:
    assert "no pair of a true and a predicted value" in svg(lambda: bland_altman([], [], "EF", "points"))
    one = svg(lambda: bland_altman([90.0], [91.0], "heart rate", "beats/min"))
    assert "+1.00 beats/min" in one
    assert "1.96" not in one
    assert "bias" in svg(lambda: bland_altman([1.0, 2.0], [1.0, 2.0], "EF", "points"))
    groups = svg(lambda: bland_altman([1.0, 2, 3], [1.5, 2, 3], "$EF$", "$", ["_a", "$x_$", "_a"]))
    assert "_a" in groups
    assert "$x_$" in groups
    long = [f"{'plate-3_' * 10}well-{n}" for n in range(2)]
    assert "n = 2 beats of 2 films" in svg(lambda: bland_altman([1.0, 2], [1.5, 2], "EF", "%", long))
    many = [f"video {n}" for n in range(20)]
    values = [float(n) for n in range(20)]
    assert "one of 20 sequences" in svg(lambda: bland_altman(values, values, "EF", "points", many))
    with pytest.raises(UserError, match="2 true values, 1 predicted"):
        bland_altman([1.0, 2.0], [1.0], "EF", "points")
    with pytest.raises(UserError, match="groups"):
        bland_altman([1.0, 2.0], [1.0, 2.0], "EF", "points", ["a"])


def rows() -> list[dict[str, Any]]:
    """A jitter that needs a Dice of 0.9 for 12 points, an erosion that is harmless."""
    minor = {"jitter": (2.0, 7.0, 17.0), "erode": (1.0, 2.0, 3.0)}
    return [
        {"kind": kind, "dice": dice, "fs_minor_error_pp": error, "fs_minor_error_pp_low": error - 1}
        | {"fs_minor_error_pp_high": error + 1, "ef_error_pp": error / 2, "fs_major_error_pp": None}
        for kind, errors in minor.items()
        for dice, error in zip((0.98, 0.94, 0.86), errors, strict=True)
    ]


@pytest.mark.slow
def test_propagation_says_which_dice_is_needed() -> None:
    assert needed_dice(rows(), "fs_minor", "jitter", 12.0) == pytest.approx(0.90)
    assert needed_dice(rows(), "fs_minor", "erode", 12.0) == 0.86
    assert needed_dice(rows(), "fs_minor", "jitter", 1.0) is None
    assert needed_dice(rows(), "fs_minor", "shift", 12.0) is None
    found = svg(lambda: propagation(rows()))
    for words in ("eroded masks", "jittered outlines", "human annotators: 5 to 12 points", "Ejection fraction"):
        assert words in found
    assert "within 12 points from Dice 0.90 on" in found
    assert "major axis" not in found  # which no row has
    assert "nothing was measured" in svg(lambda: propagation([]))
    without = propagation([{"kind": "erode", "dice": 0.9, "ef_error_pp": None}])
    assert "no beat was found in the true masks" in svg(lambda: without)
    without.draw_without_rendering()
    (title,) = [text for text in without.texts if text.get_text().startswith("How good")]
    assert title.get_window_extent().x1 <= without.bbox.x1
    odd = [{"kind": "_$odd", "dice": 0.9, "fs_major_error_pp": 30.0, "ef_error_pp": math.nan}]
    assert "not within 12 points even at the best Dice shown" in svg(lambda: propagation(odd))
    assert "_$odd" in svg(lambda: propagation(odd))


def test_overlay_tells_right_missed_and_extra_apart() -> None:
    image = np.full((100, 160), 100, np.uint8)
    mask, truth = np.zeros((2, 100, 160), bool)
    mask[20:80, 60:140], truth[20:80, 20:100] = True, True
    drawn = overlay(image, mask, truth)
    assert drawn.shape == (100, 160, 3)
    assert drawn.dtype == np.uint8
    assert (image == 100).all()
    assert (drawn[10, 10] == 100).all()

    def nearest(color: Uint8) -> int:
        away = (color.astype(int) - 100) / max(1.0, float(np.linalg.norm(color.astype(int) - 100)))
        colors = np.array([PREDICTED_RGB, MISSED_RGB, EXTRA_RGB]) - 100
        return int(np.argmax((colors / np.linalg.norm(colors, axis=1, keepdims=True)) @ away))

    assert [nearest(drawn[50, x]) for x in (80, 40, 120)] == [0, 1, 2]
    # Outlines are anti-aliased.
    assert np.abs(drawn[50, 139].astype(int) - PREDICTED_RGB).max() < 60
    assert np.abs(drawn[50, 20].astype(int) - TRUE_RGB).max() < 60
    alone = overlay(np.repeat(image[:, :, None], 3, axis=2), mask)
    assert np.abs(alone[50, 139].astype(int) - PREDICTED_RGB).max() < 60
    assert (alone[50, 30] == 100).all()


def test_overlay_of_nothing_and_of_other_sizes() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert (overlay(image, np.zeros((4, 4), bool)) == image).all()
    assert overlay(image[:1, :1], np.ones((1, 1), bool)).shape == (1, 1, 3)
    with pytest.raises(UserError, match="the mask is 3 x 4, its image 4 x 4"):
        overlay(image, np.zeros((3, 4), bool))
    with pytest.raises(UserError, match="true mask is 4 x 5"):
        overlay(image, np.zeros((4, 4), bool), np.zeros((4, 5), bool))


def pictures(masks: Sequence[Bool], channels: int = 3) -> list[Uint8]:
    values = np.random.default_rng(0).integers(0, 255, (len(masks), *SHAPE, channels), np.uint8)
    return [image if channels > 1 else image[:, :, 0] for image in values]


@pytest.mark.slow
def test_film_strip_shows_one_beat() -> None:
    masks = beating()
    found = heart(masks, "fish 7", first=100)
    beat = found.beats[0]
    words = svg(lambda: film_strip(pictures(masks), masks, found, beat, masks, count=6)).split("\n")
    for name in ("diastole", "systole", "next diastole", "20 µm", "predicted", "missed", "too much"):
        assert name in words
    typical, median = typical_beat(found), found.distribution("ef").median
    assert typical is not None
    assert median is not None
    assert abs(typical.ef - median) == min(abs(each.ef - median) for each in found.beats)
    said = f"predicted ejection fraction {100 * beat.ef:.0f} % (median {100 * median:.0f} %)"
    assert f"fish 7: beat 1 of {len(found.beats)}, {said}" in words
    titles = [word for word in words if word.endswith(" s")]
    assert len(titles) == 6
    assert titles[0] == f"frame {100 + beat.diastolic_frame}, 0.00 s"
    assert titles[-1] == f"frame {100 + found.diastoles[1]}, 0.67 s"
    assert f"frame {100 + beat.systolic_frame}, 0.33 s" in titles
    last = film_strip(None, masks, found, found.beats[-1], count=99)
    assert len(last.axes) == 32 - found.beats[-1].diastolic_frame
    small = film_strip(iter(pictures(masks, 1)), iter(masks), found, beat, count=1)
    assert len(small.axes) == 3


def test_a_stray_piece_does_not_widen_the_film_strip() -> None:
    masks = beating()
    found = heart(masks)
    stray = [mask.copy() for mask in masks]
    for mask in stray:
        mask[:2, :2] = True
    sizes = [film_strip(None, m, found, found.beats[0]).axes[0].get_xlim() for m in (masks, stray)]
    assert sizes[0] == sizes[1]
    assert sizes[0][1] < SHAPE[1]


@pytest.mark.slow
def test_video_keeps_the_time_of_missing_frames_and_moves_its_cursor(tmp_path: Path) -> None:
    masks = damaged()
    found, there = heart(masks), present(masks)
    path = tmp_path / "overlay.mp4"
    truth = heart(beating())
    truths = [mask for n, mask in enumerate(beating()) if n != 11]
    write_overlay_video(path, pictures(there), there, found, truths, truth)
    video = read_video(path)
    assert len(video) == 32
    assert video.fps == pytest.approx(15)
    frames = list(video_frames(pictures(there), there, found, truths, truth))
    assert next(iter(video)).shape == frames[0].shape
    assert {side % 2 for frame in frames for side in frame.shape[:2]} == {0}
    cursor = [np.flatnonzero((frame[-150] == (213, 94, 0)).all(axis=1)).mean() for frame in frames]
    assert np.diff(cursor).min() > 5
    dark, bright = frames[11][50:300].mean(), frames[10][50:300].mean()
    assert dark < bright / 2
    again = video_frames(pictures(there), there, found, truths, truth)
    assert all((one == other).all() for one, other in zip(frames, again, strict=True))


def test_video_takes_its_frames_one_by_one() -> None:
    masks = beating()
    taken = []

    def slowly() -> Iterator[Bool]:
        for n, mask in enumerate(masks):
            taken.append(n)
            yield mask

    frames = video_frames(None, slowly(), heart(masks))
    next(frames)
    next(frames)
    assert taken == [0, 1]


def test_pixels_that_are_not_square_are_shown_as_they_are() -> None:
    masks = beating()
    rows = [("squeezed", n, silhouette(mask)) for n, mask in enumerate(masks)]
    found = beats_of(tracks(rows, 15.0, (2.0, 1.0))[0])
    tall = next(video_frames(None, masks, found)).shape
    plain = next(video_frames(None, masks, heart(masks))).shape
    assert tall[0] - plain[0] == 360  # of a picture 480 wide


def test_too_few_or_unequal_pictures_are_errors() -> None:
    masks = beating()
    found = heart(masks, "fish", first=7)
    with pytest.raises(UserError, match="'fish': fewer images or masks than its 32 frames"):
        list(video_frames(pictures(masks)[:20], masks, found))
    with pytest.raises(UserError, match="frame 7: its image is 30 x 40, its mask 60 x 80"):
        list(video_frames([image[::2, ::2] for image in pictures(masks)], masks, found))
