"""Volume loops: the volume of a beating heart against its rate of change."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cardiac.beats import Heartbeat
from ...runs.cardiac.unfit import Unfit, unfit
from ...text import counted, shown
from ...types import Float64
from ..style import COLORS
from .agreement import QUIET, say
from .curves import (
    DIASTOLE_COLOR,
    DIASTOLE_MARK,
    DOUBT,
    LEGEND,
    STATED,
    SYSTOLE_COLOR,
    SYSTOLE_MARK,
    TRUE,
    Assumed,
    consecutive,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EMPTYING, FILLING = COLORS[1], COLORS[0]
_STEPS = 24
"""Points of the emptying and of the filling of a mean beat."""


def volume_loop(
    heartbeat: Heartbeat, truth: Heartbeat | None = None, doubt: Unfit | None = None, assumed: Assumed = STATED
) -> Figure:
    """Volume against its rate of change: a beat goes once around, emptying below the line and filling above it.

    The further left a loop reaches, the more completely the ventricle empties; the further down, the faster. Grey
    rounds are single beats, the thick one is their mean (of beats that are whole, at equal parts of emptying and of
    filling). The rate at a frame is that between its two neighbours; masks in pieces are left out. The title says
    where volumes are not to be used (`doubt`; by default what the masks alone tell).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 5.4), layout="constrained")
    axes = figure.add_subplot()
    handles = draw_loop(axes, heartbeat, truth)
    axes.set_xlabel(f"{assumed.volume()}: emptier to the left, fuller to the right")
    axes.set_ylabel(assumed.change())
    whole = len(whole_rounds(heartbeat))
    title = f"{shown(heartbeat.track.name)}: {'mean of ' * (whole > 1)}{counted(whole, 'whole beat')}"
    astray = (unfit(heartbeat) if doubt is None else doubt).holds("stroke_volume_nl")
    title += "\nTHESE VOLUMES ARE NOT TO BE USED" * astray
    axes.set_title(title, loc="left", fontsize=10, parse_math=False, color=DOUBT if astray else "black")
    if not axes.dataLim.width:
        say(axes, "no three frames in a row with a heart in them")
    figure.legend(handles=handles, loc="outside lower center", ncols=4, **LEGEND)
    return figure


def draw_loop(axes: Axes, heartbeat: Heartbeat, truth: Heartbeat | None, scale: float = 1.0) -> list[Artist]:
    """Draw the rounds of single beats, their mean, and the true mean; lines and marks are `scale` times as large."""
    from matplotlib.lines import Line2D

    axes.axhline(0, color=QUIET, linewidth=1.0, zorder=1)
    faint: dict[str, Any] = {"color": "#c4c4c4", "linewidth": 0.7 * scale, "marker": ".", "markersize": 3 * scale}
    for stretch in _stretches(heartbeat):
        axes.plot(*stretch.T, zorder=2, **faint)
    rounds = whole_rounds(heartbeat)
    handles: list[Artist] = []
    if rounds.size:
        handles += _mean_round(axes, rounds.mean(axis=0), scale)
    handles.append(Line2D([], [], label="single beats", **faint))
    true = None if truth is None else whole_rounds(truth)
    if true is not None and true.size:
        look: dict[str, Any] = {"color": TRUE, "linewidth": 1.4 * max(scale, 0.8), "linestyle": (0, (4, 2))}
        axes.plot(*_closed(true.mean(axis=0)).T, zorder=4, **look)
        handles.append(Line2D([], [], label="true mean", **look))
    return handles


def _rates(heartbeat: Heartbeat) -> dict[int, tuple[float, float]]:
    """By frame, the volume (nL) and its rate of change (nL/s), where both neighbours are there."""
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
    for start, end in consecutive(list(points)):
        yield np.array([points[frame] for frame in range(start, end + 1)], np.float64)


def whole_rounds(heartbeat: Heartbeat) -> Float64:
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
        (0, DIASTOLE_COLOR, DIASTOLE_MARK, "diastole"),
        (_STEPS, SYSTOLE_COLOR, SYSTOLE_MARK, "systole"),
    ):
        look: dict[str, Any] = {"color": color, "markeredgecolor": "white", "linestyle": ""}
        handles += axes.plot(*points[place], marker=marker, markersize=10 * scale, label=label, zorder=6, **look)
    return handles


def _arrow(axes: Axes, start: Float64, end: Float64, color: str, scale: float) -> None:
    """Which way the time goes."""
    look: dict[str, Any] = {"arrowstyle": "-|>", "color": color, "linewidth": 0, "shrinkA": 0, "shrinkB": 0}
    look["mutation_scale"] = 18 * scale
    axes.annotate("", tuple(end), tuple(start), arrowprops=look, zorder=5)
