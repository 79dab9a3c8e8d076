"""Plots of a beating heart: area over time, volume loop, agreement with the truth, mask error against beat error.

Matplotlib is imported when a figure is drawn. `segbench.plots.write_figure` writes a figure in the house style.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import counted
from ..plots import COLORS, write_figure
from ..types import Float64
from .agreement_plots import QUIET, SMALL, bland_altman, needed_dice, propagation, say
from .beats import Beat, Heartbeat
from .naming import file_stems, shown

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "area_curve",
    "bland_altman",
    "needed_dice",
    "propagation",
    "small_multiples",
    "volume_loop",
    "write_cardiac_plots",
]

PREDICTED, TRUE = COLORS[0], COLORS[6]
EMPTYING, FILLING = COLORS[1], COLORS[0]
DIASTOLE_COLOR, SYSTOLE_COLOR = COLORS[0], COLORS[1]
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": SMALL, "columnspacing": 1.6}
ABSENT, FLAGGED = "#d4d4d4", "#F6DFA6"
_STEPS = 24
"""Points of the emptying and of the filling of a mean beat."""
_DIASTOLE, _SYSTOLE = "^", "v"
PAGE = (6, 4)
"""Rows and columns of curves on one page."""
FLAG_WORDS = {"components": "in pieces", "holes": "with holes", "border": "cut by the edge", "empty": "empty"}


def write_cardiac_plots(
    folder: Path,
    heartbeats: Sequence[Heartbeat],
    truths: Sequence[Heartbeat | None] | None = None,
    *,
    each: bool = True,
) -> list[Path]:
    """Write the area curve and volume loop of every sequence, and pages of both where there are several.

    Parameters
    ----------
    folder : Path
    heartbeats, truths : sequences of Heartbeat
        Truths in the same order, None where there is none.
    each : bool
        False writes the pages alone (`area-curves-1`, `volume-loops-1`), which is quicker.

    Returns
    -------
    list of Path
        Each plot as SVG and PNG. Names of sequences are made safe for files; equal input gives equal files.
    """
    sides = list(zip(heartbeats, truths if truths is not None else [None] * len(heartbeats), strict=True))
    written = []
    if len(sides) > 1 or not each:
        per_page = PAGE[0] * PAGE[1]
        for number, start in enumerate(range(0, len(sides), per_page), 1):
            page = sides[start : start + per_page]
            written += write_figure(folder / f"area-curves-{number}", lambda p=page: small_multiples(p))  # type: ignore[misc]
            written += write_figure(folder / f"volume-loops-{number}", lambda p=page: volume_loops(p))  # type: ignore[misc]
    if not each:
        return written
    for stem, (heartbeat, truth) in zip(file_stems([h.track.name for h in heartbeats]), sides, strict=True):
        written += write_figure(folder / f"area-{stem}", lambda h=heartbeat, t=truth: area_curve(h, t))  # type: ignore[misc]
        written += write_figure(folder / f"loop-{stem}", lambda h=heartbeat, t=truth: volume_loop(h, t))  # type: ignore[misc]
    return written


def area_curve(heartbeat: Heartbeat, truth: Heartbeat | None = None, title: str | None = None) -> Figure:
    """Area against time with diastoles and systoles marked, ejection fraction and heart rate of each beat below.

    Missing frames and empty masks are gaps; masks with a flag are shaded. The truth is placed by its file numbers.
    """
    from matplotlib.figure import Figure

    rows = list(_beat_rows(heartbeat, truth))
    width = float(np.clip(9 * heartbeat.track.frames[-1] / 150, 9, 13))
    left, table, lines = 1.15 if truth is None else 1.65, 0.22 * len(rows), 1 + (truth is not None)
    height = 3.9 + table + 0.22 * lines
    # Margins are known, so no layout is searched for: that takes most of the time of a figure.
    inside = {"left": left / width, "right": 1 - 0.95 / width, "hspace": 0.05}
    inside |= {"bottom": (0.6 + 0.22 * lines) / height, "top": 1 - 0.85 / height}
    figure = Figure(figsize=(width, height))
    grid = figure.add_gridspec(2, 1, height_ratios=(2.45, table), **inside)
    axes = figure.add_subplot(grid[0])
    shades = shade(axes, heartbeat)
    # Marks of many beats must not grow together.
    size = float(np.clip(8 * 30 * width / heartbeat.track.frames[-1], 3.5, 8)) if heartbeat.track.frames[-1] else 8.0
    handles = curves(axes, heartbeat, truth, size) + shades
    _scales(axes, heartbeat)
    _number_beats(figure.add_subplot(grid[1], sharex=axes), rows, width - left - 0.95)
    name = shown(heartbeat.track.name) if title is None else shown(title)
    axes.set_title(f"{name}\n{_summary(heartbeat, truth)}", loc="left", fontsize=10, parse_math=False)
    figure.legend(handles=handles, loc="lower center", ncols=len(handles) if truth is None else 3, **LEGEND)
    return figure


def small_multiples(sides: Sequence[tuple[Heartbeat, Heartbeat | None]]) -> Figure:
    """The area curves of several sequences on one page, each on its own scale of area."""
    from matplotlib.figure import Figure

    columns = min(PAGE[1], max(2, len(sides)))
    lines = math.ceil(len(sides) / columns)
    width, height = 0.35 + 3.1 * columns, 0.9 + 1.75 * lines
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(0.95 / width, 0.65 / height, 1 - 0.15 / width, 1 - 0.65 / height, 0.27, 0.42)
    handles: dict[Any, Artist] = {}
    for place, (heartbeat, truth) in enumerate(sides):
        axes = figure.add_subplot(lines, columns, place + 1)
        shades = shade(axes, heartbeat, "mask flagged")
        handles |= {handle.get_label(): handle for handle in curves(axes, heartbeat, truth, size=4.5) + shades}
        rate = heartbeat.heart_rate_bpm
        label = f"{shown(heartbeat.track.name, 24)}: {'no heart rate' if rate is None else f'{rate:.0f} beats/min'}"
        axes.set_title(label, loc="left", fontsize=SMALL, parse_math=False)
        axes.tick_params(labelsize=8)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.locator_params(axis="y", nbins=4)
    figure.supxlabel("time (s)", fontsize=10, y=0.12 / height, va="bottom")
    figure.supylabel("area of the ventricle (µm²)", fontsize=10, x=0.12 / width, ha="left")
    figure.legend(handles=list(handles.values()), loc="upper left", ncols=3 * columns // 2, **LEGEND)
    return figure


def volume_loop(heartbeat: Heartbeat, truth: Heartbeat | None = None) -> Figure:
    """Volume against its rate of change: a beat goes once around, emptying below the line and filling above it.

    The further left a loop reaches, the more completely the ventricle empties; the further down, the faster. Grey
    rounds are single beats, the thick one is their mean (of beats that are whole, at equal parts of emptying and of
    filling). The rate at a frame is that between its two neighbours; masks in pieces are left out.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 5.4), layout="constrained")
    axes = figure.add_subplot()
    handles = _loop(axes, heartbeat, truth, 1.0)
    axes.set_xlabel("volume of the ventricle (nl): emptier to the left, fuller to the right")
    axes.set_ylabel("change of volume (nl per s)")
    whole = len(_rounds(heartbeat))
    title = f"{shown(heartbeat.track.name)}: {'mean of ' * (whole > 1)}{counted(whole, 'whole beat')}"
    axes.set_title(title, loc="left", fontsize=10, parse_math=False)
    if not axes.dataLim.width:
        say(axes, "no three frames in a row with a heart in them")
    figure.legend(handles=handles, loc="outside lower center", ncols=4, **LEGEND)
    return figure


def volume_loops(sides: Sequence[tuple[Heartbeat, Heartbeat | None]]) -> Figure:
    """The volume loops of several sequences on one page, each on its own scale; see `volume_loop`."""
    from matplotlib.figure import Figure

    columns = min(PAGE[1], max(2, len(sides)))
    lines = math.ceil(len(sides) / columns)
    width, height = 0.35 + 3.1 * columns, 1.1 + 2.4 * lines
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(0.85 / width, 0.65 / height, 1 - 0.15 / width, 1 - 0.85 / height, 0.24, 0.32)
    handles: dict[Any, Artist] = {}
    for place, (heartbeat, truth) in enumerate(sides):
        axes = figure.add_subplot(lines, columns, place + 1)
        handles |= {handle.get_label(): handle for handle in _loop(axes, heartbeat, truth, 0.6)}
        label = f"{shown(heartbeat.track.name, 24)}: {counted(len(_rounds(heartbeat)), 'whole beat')}"
        axes.set_title(label, loc="left", fontsize=SMALL, parse_math=False)
        axes.tick_params(labelsize=8)
        axes.locator_params(nbins=5)
        if not axes.dataLim.width:
            say(axes, "no heart in three frames in a row")
    figure.supxlabel("volume of the ventricle (nl)", fontsize=10, y=0.12 / height, va="bottom")
    figure.supylabel("change of volume (nl per s)", fontsize=10, x=0.12 / width, ha="left")
    figure.legend(handles=list(handles.values()), loc="upper left", ncols=3, **LEGEND)
    return figure


def _loop(axes: Axes, heartbeat: Heartbeat, truth: Heartbeat | None, scale: float) -> list[Artist]:
    """Draw the rounds of single beats, their mean, and the true mean; lines and marks are `scale` times as large."""
    from matplotlib.lines import Line2D

    axes.axhline(0, color=QUIET, linewidth=1.0, zorder=1)
    faint: dict[str, Any] = {"color": "#c4c4c4", "linewidth": 0.7 * scale, "marker": ".", "markersize": 3 * scale}
    for stretch in _stretches(heartbeat):
        axes.plot(*stretch.T, zorder=2, **faint)
    rounds = _rounds(heartbeat)
    handles: list[Artist] = []
    if rounds.size:
        handles += _mean_round(axes, rounds.mean(axis=0), scale)
    handles.append(Line2D([], [], label="single beats", **faint))
    true = None if truth is None else _rounds(truth)
    if true is not None and true.size:
        look: dict[str, Any] = {"color": TRUE, "linewidth": 1.4 * max(scale, 0.8), "linestyle": (0, (4, 2))}
        axes.plot(*_closed(true.mean(axis=0)).T, zorder=4, **look)
        handles.append(Line2D([], [], label="true mean", **look))
    return handles


def curves(axes: Axes, heartbeat: Heartbeat, truth: Heartbeat | None, size: float = 8.0) -> list[Artist]:
    """Draw both curves with their extrema; what each mark means."""
    from matplotlib.lines import Line2D

    handles: list[Artist] = []
    sides: list[tuple[Heartbeat, str, str, Any, str]] = [
        (heartbeat, PREDICTED, "area" if truth is None else "predicted area", "-", PREDICTED)
    ]
    if truth is not None:
        sides.append((truth, TRUE, "true area", (0, (4, 2)), "white"))
    for side, color, label, dash, face in sides:
        times, areas = _areas(side, heartbeat.track.first_frame)
        width = 1.2 + size / 20
        axes.plot(
            times, areas, color=color, linestyle=dash, linewidth=width, marker=".", markersize=size / 2.2, zorder=3
        )
        handles.append(Line2D([], [], color=color, linestyle=dash, linewidth=width, label=label))
        for extrema, marker in ((side.diastoles, _DIASTOLE), (side.systoles, _SYSTOLE)):
            look: dict[str, Any] = {"marker": marker, "color": color, "markerfacecolor": face, "linestyle": ""}
            at = list(extrema)
            axes.plot(times[at], areas[at], **look, markersize=size, zorder=4)
    for marker, label in ((_DIASTOLE, "diastole"), (_SYSTOLE, "systole")):
        handles.append(Line2D([], [], marker=marker, color=QUIET, linestyle="", markersize=7, label=label))
    return handles


def beat_end(heartbeat: Heartbeat, beat: Beat) -> int:
    """The next diastole after a beat's, the last frame where there is none."""
    return next((d for d in heartbeat.diastoles if d > beat.diastolic_frame), heartbeat.track.frames[-1])


def _areas(heartbeat: Heartbeat, origin: int) -> tuple[Float64, Float64]:
    """Times in seconds from frame `origin`, and areas in µm² at every frame, NaN where there is none."""
    track = heartbeat.track
    areas: Float64 = np.full(track.frames[-1] + 1, np.nan)
    pixel = track.pixel_size_um[0] * track.pixel_size_um[1]
    areas[list(track.frames)] = [mask.area * pixel or np.nan for mask in track.silhouettes]
    return (np.arange(areas.size) + track.first_frame - origin) / track.fps, areas


def shade(axes: Axes, heartbeat: Heartbeat, flagged: str | None = None) -> list[Artist]:
    """Shade missing and flagged frames; what each shade means (`flagged` instead of the flags that there are)."""
    from matplotlib.patches import Patch

    track = heartbeat.track
    there = dict(zip(track.frames, track.silhouettes, strict=True))
    absent = [f for f in range(track.frames[-1] + 1) if f not in there or not there[f].area]
    odd = {f: mask.flags for f, mask in there.items() if mask.area and mask.flags}
    handles: list[Artist] = []
    for frames, color, hatch in ((absent, ABSENT, "///"), (list(odd), FLAGGED, None)):
        for start, end in _runs(frames):
            left, right = (start - 0.5) / track.fps, (end + 0.5) / track.fps
            axes.axvspan(left, right, facecolor=color, edgecolor="white", hatch=hatch, linewidth=0, zorder=0)
    if absent:
        handles.append(Patch(facecolor=ABSENT, edgecolor="white", hatch="///", label="frame missing or mask empty"))
    if odd:
        seen = [words for flag, words in FLAG_WORDS.items() if any(flag in flags for flags in odd.values())]
        handles.append(Patch(facecolor=FLAGGED, label=flagged or f"mask flagged: {', '.join(seen)}"))
    return handles


def _runs(frames: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    breaks = [0, *(i for i in range(1, len(frames)) if frames[i] != frames[i - 1] + 1), len(frames)]
    return ((frames[a], frames[b - 1]) for a, b in pairwise(breaks) if a < b)


def _scales(axes: Axes, heartbeat: Heartbeat) -> None:
    """Seconds below and frame numbers above, µm² on the left and pixels on the right."""
    from matplotlib.ticker import MaxNLocator

    track = heartbeat.track
    pixel = track.pixel_size_um[0] * track.pixel_size_um[1]
    seconds: Callable[[Any], Any] = lambda number: (number - track.first_frame) / track.fps  # noqa: E731
    number: Callable[[Any], Any] = lambda time: time * track.fps + track.first_frame  # noqa: E731
    to_px: Callable[[Any], Any] = lambda um: um / pixel  # noqa: E731
    to_um: Callable[[Any], Any] = lambda px: px * pixel  # noqa: E731
    frames = axes.secondary_xaxis("top", functions=(number, seconds))
    frames.set_xlabel("frame number", color=QUIET, fontsize=SMALL)
    frames.xaxis.set_major_locator(MaxNLocator(integer=True))
    pixels = axes.secondary_yaxis("right", functions=(to_px, to_um))
    pixels.set_ylabel("area (pixels)", color=QUIET, fontsize=SMALL)
    for side in (frames, pixels):
        side.tick_params(colors=QUIET, labelsize=SMALL)
    for axis in (axes.yaxis, pixels.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlim(-0.6 / track.fps, (track.frames[-1] + 0.6) / track.fps)
    axes.set_ylabel("area of the ventricle (µm²)")
    axes.tick_params(labelbottom=False)


def _beat_rows(heartbeat: Heartbeat, truth: Heartbeat | None) -> Iterator[tuple[str, str, list[tuple[float, str]]]]:
    """Lines of the table under a curve: label, colour, and (time in seconds, text) of each beat."""
    sides = [(heartbeat, PREDICTED, "" if truth is None else ", predicted")]
    if truth is not None:
        sides.append((truth, TRUE, ", true"))
    measures: tuple[tuple[str, Callable[[Beat], str]], ...] = (
        ("EF (%)", lambda beat: f"{100 * beat.ef:.0f}"),
        ("beats/min", lambda beat: "–" if beat.heart_rate_bpm is None else f"{beat.heart_rate_bpm:.0f}"),
    )
    for label, text in measures:
        for side, color, which in sides:
            offset = side.track.first_frame - heartbeat.track.first_frame
            yield (
                label + which,
                color,
                [(_middle(beat, offset) / heartbeat.track.fps, text(beat)) for beat in side.beats],
            )


def _middle(beat: Beat, offset: int) -> float:
    return offset + (beat.diastolic_frame + beat.systolic_frame) / 2


def _number_beats(axes: Axes, rows: Sequence[tuple[str, str, list[tuple[float, str]]]], width: float) -> None:
    """Write the numbers of each beat below it, leaving out those that would touch the one before."""
    least = 0.36 * float(np.ptp(axes.get_xlim())) / width
    crowded = False
    for line, (_, color, cells) in enumerate(rows):
        last = -math.inf
        for time, text in cells:
            if time - last >= least:
                axes.text(time, line, text, ha="center", va="center", fontsize=SMALL, color=color)
                last = time
            else:
                crowded = True
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [label for label, _, _ in rows], fontsize=SMALL)
    for tick, (_, color, _) in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_color(color)
    axes.tick_params(axis="y", length=0, pad=12)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"time (s){'; not every beat has room for its numbers' if crowded else ''}")


def _summary(heartbeat: Heartbeat, truth: Heartbeat | None) -> str:
    """Heart rate and ejection fraction of a whole sequence, with the true ones in brackets."""
    rate, fraction = heartbeat.heart_rate_bpm, heartbeat.distribution("ef")
    words = ["no heart rate" if rate is None else f"heart rate {rate:.1f} beats/min"]
    if truth is not None and truth.heart_rate_bpm is not None:
        words[0] += f" (true {truth.heart_rate_bpm:.1f})"
    if fraction.mean is None:
        return f"{words[0]}, no beat found"
    words.append(f"ejection fraction {100 * fraction.mean:.0f} %")
    true = None if truth is None else truth.distribution("ef").mean
    if true is not None:
        words[1] += f" (true {100 * true:.0f} %)"
    return f"{', '.join(words)}, {counted(fraction.n, 'beat')}"


def _rates(heartbeat: Heartbeat) -> dict[int, tuple[float, float]]:
    """By frame, the volume (nl) and its rate of change (nl/s), where both neighbours are there."""
    track = heartbeat.track
    frames = zip(track.frames, track.silhouettes, heartbeat.shapes_um, strict=True)
    # The axes of a mask in pieces span the gap between them.
    volumes = {f: shape.volume / 1e6 for f, mask, shape in frames if shape is not None and mask.components == 1}
    return {
        f: (volume, (volumes[f + 1] - volumes[f - 1]) * track.fps / 2)
        for f, volume in volumes.items()
        if f - 1 in volumes and f + 1 in volumes
    }


def _stretches(heartbeat: Heartbeat) -> Iterator[Float64]:
    """The points of `_rates` as (n, 2) float64, one array for each run of consecutive frames."""
    points = _rates(heartbeat)
    for start, end in _runs(list(points)):
        yield np.array([points[frame] for frame in range(start, end + 1)], np.float64)


def _rounds(heartbeat: Heartbeat) -> Float64:
    """Volume and rate of every whole beat from diastole to diastole, (beats, 2 * _STEPS, 2) float64.

    The systole comes after `_STEPS` points, so that beats of different lengths can be averaged.
    """
    points = _rates(heartbeat)
    found = []
    for start, end in pairwise(heartbeat.diastoles):
        systole = next((s for s in heartbeat.systoles if start < s < end), None)
        if systole is None or any(frame not in points for frame in range(start, end + 1)):
            continue
        frames = range(start, end + 1)
        values = np.array([points[frame] for frame in frames], np.float64)
        steps = np.arange(_STEPS) / _STEPS
        at = np.concatenate([start + steps * (systole - start), systole + steps * (end - systole)])
        found.append(np.stack([np.interp(at, np.array(frames), column) for column in values.T], axis=1))
    return np.array(found, np.float64).reshape(-1, 2 * _STEPS, 2)


def _closed(points: Float64) -> Float64:
    return np.concatenate([points, points[:1]])


def _mean_round(axes: Axes, points: Float64, scale: float) -> list[Artist]:
    """Draw a mean beat: emptying and filling in their colours, diastole and systole marked."""
    handles: list[Artist] = []
    whole = _closed(points)
    for part, color, label in (
        (whole[: _STEPS + 1], EMPTYING, "emptying (mean)"),
        (whole[_STEPS:], FILLING, "filling (mean)"),
    ):
        handles += axes.plot(*part.T, color=color, linewidth=2.4 * scale, label=label, zorder=5)
        for place in (_STEPS // 3, 2 * _STEPS // 3):
            _arrow(axes, part[place], part[place + 1], color, scale)
    for place, color, marker, label in (
        (0, DIASTOLE_COLOR, _DIASTOLE, "diastole"),
        (_STEPS, SYSTOLE_COLOR, _SYSTOLE, "systole"),
    ):
        look: dict[str, Any] = {"color": color, "markeredgecolor": "white", "linestyle": ""}
        handles += axes.plot(*points[place], marker=marker, markersize=10 * scale, label=label, zorder=6, **look)
    return handles


def _arrow(axes: Axes, start: Float64, end: Float64, color: str, scale: float) -> None:
    """Which way the time goes."""
    look: dict[str, Any] = {"arrowstyle": "-|>", "color": color, "linewidth": 0, "shrinkA": 0, "shrinkB": 0}
    look["mutation_scale"] = 18 * scale
    axes.annotate("", tuple(end), tuple(start), arrowprops=look, zorder=5)
