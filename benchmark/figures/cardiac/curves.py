"""The area of a beating heart over time, with its beats; colours and marks that all plots of hearts share.

Matplotlib is imported when a figure is drawn. `segbench.figures.style.write_figure` writes a figure in the house style.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cardiac.beats import Beat, Heartbeat
from ...cardiac.flicker import flicker_of
from ...runs.cardiac.flicker import flickers
from ...runs.cardiac.unfit import Unfit, unfit
from ...text import counted, number, shown
from ...types import Float64
from ..style import COLORS
from .agreement import QUIET, SMALL

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PREDICTED, TRUE = COLORS[0], COLORS[6]
DIASTOLE_COLOR, SYSTOLE_COLOR = COLORS[0], COLORS[1]
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": SMALL, "columnspacing": 1.6}
DOUBT = COLORS[1]
"""Of words that say what is not to be used."""
ABSENT, FLAGGED = "#d4d4d4", "#F6DFA6"
DIASTOLE_MARK, SYSTOLE_MARK = "^", "v"
FLAG_WORDS = {"components": "in pieces", "holes": "with holes", "border": "cut by the edge", "empty": "empty"}


@dataclass(frozen=True)
class Assumed:
    """Whether nobody said the size of a pixel, or the frames per second, on which an axis rests; its label says so."""

    pixels: bool = False
    fps: bool = False

    def area(self) -> str:
        """Label of an axis of areas."""
        return "area (µm², pixels assumed)" if self.pixels else "area of the ventricle (µm²)"

    def volume(self) -> str:
        """Label of an axis of volumes."""
        return "volume (nL, pixels assumed)" if self.pixels else "volume of the ventricle (nL)"

    def change(self) -> str:
        """Label of an axis of changes of volume."""
        return f"change of volume (nL per s{', assumed' * (self.pixels or self.fps)})"

    def time(self) -> str:
        """Label of an axis of times."""
        return f"time (s{', frame rate assumed' * self.fps})"


STATED = Assumed()


def area_curve(
    heartbeat: Heartbeat,
    truth: Heartbeat | None = None,
    title: str | None = None,
    doubt: Unfit | None = None,
    assumed: Assumed = STATED,
) -> Figure:
    """Area against time with diastoles and systoles marked, ejection fraction and heart rate of each beat below.

    Missing frames and empty masks are gaps; masks with a flag are shaded. The truth is placed by its file numbers.
    What is not to be used (`doubt`; by default what the masks alone tell) is left out, and the title says so.
    """
    from matplotlib.figure import Figure

    doubt = unfit(heartbeat) if doubt is None else doubt
    rows = list(_beat_rows(heartbeat, truth, doubt))
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
    _scales(axes, heartbeat, assumed)
    _number_beats(figure.add_subplot(grid[1], sharex=axes), rows, width - left - 0.95, assumed)
    name = shown(heartbeat.track.name) if title is None else shown(title)
    said = f"{name}\n{_summary(heartbeat, truth, doubt)}"
    axes.set_title(said, loc="left", fontsize=10, parse_math=False, color=DOUBT if doubt.measures else "black")
    figure.legend(handles=handles, loc="lower center", ncols=len(handles) if truth is None else 3, **LEGEND)
    return figure


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
        for extrema, marker in ((side.diastoles, DIASTOLE_MARK), (side.systoles, SYSTOLE_MARK)):
            look: dict[str, Any] = {"marker": marker, "color": color, "markerfacecolor": face, "linestyle": ""}
            at = list(extrema)
            axes.plot(times[at], areas[at], **look, markersize=size, zorder=4)
    for marker, label in ((DIASTOLE_MARK, "diastole"), (SYSTOLE_MARK, "systole")):
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
        for start, end in consecutive(frames):
            left, right = (start - 0.5) / track.fps, (end + 0.5) / track.fps
            axes.axvspan(left, right, facecolor=color, edgecolor="white", hatch=hatch, linewidth=0, zorder=0)
    if absent:
        handles.append(Patch(facecolor=ABSENT, edgecolor="white", hatch="///", label="frame missing or mask empty"))
    if odd:
        seen = [words for flag, words in FLAG_WORDS.items() if any(flag in flags for flags in odd.values())]
        handles.append(Patch(facecolor=FLAGGED, label=flagged or f"mask flagged: {', '.join(seen)}"))
    return handles


def consecutive(frames: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    breaks = [0, *(i for i in range(1, len(frames)) if frames[i] != frames[i - 1] + 1), len(frames)]
    return ((frames[a], frames[b - 1]) for a, b in pairwise(breaks) if a < b)


def _scales(axes: Axes, heartbeat: Heartbeat, assumed: Assumed) -> None:
    """Seconds below and frame numbers above, µm² on the left and pixels on the right."""
    from matplotlib.ticker import MaxNLocator

    track = heartbeat.track
    pixel = track.pixel_size_um[0] * track.pixel_size_um[1]
    seconds: Callable[[Any], Any] = lambda frame: (frame - track.first_frame) / track.fps  # noqa: E731
    frame: Callable[[Any], Any] = lambda time: time * track.fps + track.first_frame  # noqa: E731
    to_px: Callable[[Any], Any] = lambda um: um / pixel  # noqa: E731
    to_um: Callable[[Any], Any] = lambda px: px * pixel  # noqa: E731
    frames = axes.secondary_xaxis("top", functions=(frame, seconds))
    frames.set_xlabel("frame number", color=QUIET, fontsize=SMALL)
    frames.xaxis.set_major_locator(MaxNLocator(integer=True))
    pixels = axes.secondary_yaxis("right", functions=(to_px, to_um))
    pixels.set_ylabel("area (pixels)", color=QUIET, fontsize=SMALL)
    for side in (frames, pixels):
        side.tick_params(colors=QUIET, labelsize=SMALL)
    for axis in (axes.yaxis, pixels.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlim(-0.6 / track.fps, (track.frames[-1] + 0.6) / track.fps)
    axes.set_ylabel(assumed.area())
    axes.tick_params(labelbottom=False)


def _beat_rows(
    heartbeat: Heartbeat, truth: Heartbeat | None, doubt: Unfit
) -> Iterator[tuple[str, str, list[tuple[float, str]]]]:
    """Lines of the table under a curve: label, colour, and (time in seconds, text) of each beat."""
    sides = [(heartbeat, PREDICTED, "" if truth is None else ", predicted")]
    if truth is not None:
        sides.append((truth, TRUE, ", true"))
    measures: tuple[tuple[str, str, Callable[[Beat], str]], ...] = (
        ("EF (%)", "ef", lambda beat: number(100 * beat.ef, ".0f")),
        ("beats/min", "beat_heart_rate_bpm", lambda beat: number(beat.heart_rate_bpm, ".0f")),
    )
    places = [(_middle(beat, 0) / heartbeat.track.fps, str(n)) for n, beat in enumerate(heartbeat.beats, 1)]
    yield "beat", QUIET, places
    for label, measure, text in measures:
        for side, color, which in sides:
            if side is heartbeat and doubt.holds(measure):
                yield f"{label}{which}", color, [((side.track.frames[-1] / 2) / side.track.fps, "not to be used")]
                continue
            offset = side.track.first_frame - heartbeat.track.first_frame
            yield (
                label + which,
                color,
                [(_middle(beat, offset) / heartbeat.track.fps, text(beat)) for beat in side.beats],
            )


def _middle(beat: Beat, offset: int) -> float:
    return offset + (beat.diastolic_frame + beat.systolic_frame) / 2


def _number_beats(
    axes: Axes, rows: Sequence[tuple[str, str, list[tuple[float, str]]]], width: float, assumed: Assumed
) -> None:
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
    axes.set_xlabel(assumed.time() + "; not every beat has room for its numbers" * crowded)


def rate_in_words(heartbeat: Heartbeat, doubt: Unfit, form: str) -> str:
    """The heart rate of a sequence, or why there is none."""
    rate = heartbeat.heart_rate_bpm
    if rate is None:
        return "no heart rate"
    return "heart rate in doubt" if doubt.holds("heart_rate_bpm") else f"{rate:{form}} beats/min"


def _summary(heartbeat: Heartbeat, truth: Heartbeat | None, doubt: Unfit) -> str:
    """Heart rate and ejection fraction of a whole sequence, with the true ones in brackets."""
    rate, fraction = rate_in_words(heartbeat, doubt, ".1f"), heartbeat.distribution("ef")
    words = [f"heart rate {rate}" if rate[0].isdigit() else rate]
    if truth is not None and truth.heart_rate_bpm is not None:
        words[0] += f" (true {truth.heart_rate_bpm:.1f})"
    if fraction.mean is None:
        return f"{words[0]}, no beat found"
    if doubt.holds("ef"):
        words.append("THE MASKS DO NOT FOLLOW THE BEAT: sizes are not to be used")
        return f"{', '.join(words)}, {counted(fraction.n, 'beat')}"
    spread = "" if fraction.std is None else f" ± {100 * fraction.std:.0f}"
    words.append(f"ejection fraction {100 * fraction.mean:.0f}{spread} %")
    true = None if truth is None else truth.distribution("ef").mean
    if true is not None:
        words[1] += f" (true {100 * true:.0f} %)"
    elif (flicker := flicker_of(heartbeat)) and flickers(flicker) and flicker.corrected:
        words[1] += f" ({100 * flicker.corrected['ef']:.0f} % without flicker of the masks)"
    return f"{', '.join(words)}, {counted(fraction.n, 'beat')}"
