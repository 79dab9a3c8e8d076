"""Files of plots: the curves and loops of single hearts, and pages with those of many."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cardiac.beats import Heartbeat
from ...runs.cardiac.unfit import Unfit, unfit
from ...text import counted, file_stems, shown
from ..style import write_figure
from .agreement import SMALL, say
from .curves import DOUBT, LEGEND, STATED, Assumed, area_curve, curves, rate_in_words, shade
from .loops import draw_loop, volume_loop, whole_rounds

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Side = tuple[Heartbeat, Heartbeat | None]
"""A heart and its truth, where it is known."""

PAGE = (6, 4)
"""Rows and columns of plots on one page."""
MAX_PAGES = 4
MIN_FRAMES = 3
"""Sequences of fewer frames hold no beat and no rate of change."""


def write_cardiac_plots(
    folder: Path,
    heartbeats: Sequence[Heartbeat],
    truths: Sequence[Heartbeat | None] | None = None,
    *,
    each: bool = True,
    doubts: Mapping[str, Unfit] | None = None,
    assumed: Assumed = STATED,
) -> list[Path]:
    """Write the area curve and volume loop of every sequence, and pages of both where there are several.

    Pages are at most `MAX_PAGES` of each kind, and leave sequences of less than `MIN_FRAMES` frames out; the last one
    says how many are not shown.

    Parameters
    ----------
    folder : Path
    heartbeats, truths : sequences of Heartbeat
        Truths in the same order, None where there is none.
    doubts : mapping of str to Unfit, optional
        What is not to be used of a sequence, by its name; else what the masks alone tell.
    assumed : Assumed
        What nobody said of the films, which the axes say.
    each : bool
        False writes the pages alone (`area-curves-1`, `volume-loops-1`), which is quicker.

    Returns
    -------
    list of Path
        Each plot as SVG and PNG. Names of sequences are made safe for files; equal input gives equal files.
    """
    sides: list[Side] = list(zip(heartbeats, truths if truths is not None else [None] * len(heartbeats), strict=True))
    known = {heart.track.name: unfit(heart) for heart in heartbeats} if doubts is None else doubts
    written = _write_pages(folder, sides, known, assumed) if len(sides) > 1 or not each else []
    if not each:
        return written
    for stem, (heartbeat, truth) in zip(file_stems([h.track.name for h in heartbeats]), sides, strict=True):
        doubt = known[heartbeat.track.name]
        curve = partial(area_curve, heartbeat, truth, doubt=doubt, assumed=assumed)
        written += write_figure(folder / f"area-{stem}", curve)
        written += write_figure(folder / f"loop-{stem}", partial(volume_loop, heartbeat, truth, doubt, assumed))
    return written


def _write_pages(folder: Path, sides: Sequence[Side], doubts: Mapping[str, Unfit], assumed: Assumed) -> list[Path]:
    per_page = PAGE[0] * PAGE[1]
    long = [side for side in sides if len(side[0].track.frames) >= MIN_FRAMES] or list(sides)
    shown_here = long[: MAX_PAGES * per_page]
    pages = [shown_here[start : start + per_page] for start in range(0, len(shown_here), per_page)]
    missing = len(sides) - len(shown_here)
    written = []
    for number, page in enumerate(pages, 1):
        note = f"{counted(missing, 'sequence')} not shown" if missing and number == len(pages) else ""
        written += write_figure(folder / f"area-curves-{number}", partial(small_multiples, page, note, doubts, assumed))
        written += write_figure(folder / f"volume-loops-{number}", partial(volume_loops, page, note, doubts, assumed))
    return written


def small_multiples(
    sides: Sequence[Side], note: str = "", doubts: Mapping[str, Unfit] | None = None, assumed: Assumed = STATED
) -> Figure:
    """The area curves of several sequences on one page, each on its own scale of area; `note` stands at the bottom.

    `doubts` says by name what is not to be used, by default what the masks alone tell.
    """
    known = {heart.track.name: unfit(heart) for heart, _ in sides} if doubts is None else doubts

    def draw(axes: Axes, heartbeat: Heartbeat, truth: Heartbeat | None) -> tuple[str, list[Artist]]:
        shades = shade(axes, heartbeat, "mask flagged")
        drawn = curves(axes, heartbeat, truth, size=4.5) + shades
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.locator_params(axis="y", nbins=4)
        return rate_in_words(heartbeat, known[heartbeat.track.name], ".0f"), drawn

    labels = f"{assumed.time()}; each film has its own scale of area", assumed.area()
    return _page(sides, draw, 1.75, labels, note, known)


def volume_loops(
    sides: Sequence[Side], note: str = "", doubts: Mapping[str, Unfit] | None = None, assumed: Assumed = STATED
) -> Figure:
    """The volume loops of several sequences on one page, each on its own scale; see `volume_loop`."""
    known = {heart.track.name: unfit(heart) for heart, _ in sides} if doubts is None else doubts

    def draw(axes: Axes, heartbeat: Heartbeat, truth: Heartbeat | None) -> tuple[str, list[Artist]]:
        drawn = draw_loop(axes, heartbeat, truth, 0.6)
        axes.locator_params(nbins=5)
        if not axes.dataLim.width:
            say(axes, "no three frames in a row\nwith a heart in them")
        return counted(len(whole_rounds(heartbeat)), "whole beat"), drawn

    labels = f"{assumed.volume()}; each film has its own scales", assumed.change()
    return _page(sides, draw, 2.4, labels, note, known)


def _page(
    sides: Sequence[Side],
    draw: Callable[[Axes, Heartbeat, Heartbeat | None], tuple[str, list[Artist]]],
    high: float,
    labels: tuple[str, str],
    note: str,
    doubts: Mapping[str, Unfit],
) -> Figure:
    """Small plots in rows, one legend for all. `draw` fills one and says what stands behind its name; inches."""
    from matplotlib.figure import Figure

    columns = min(PAGE[1], max(2, len(sides)))
    lines = math.ceil(len(sides) / columns)
    astray = [doubts[heartbeat.track.name].holds("ef") for heartbeat, _ in sides]
    top = 0.85 if any(astray[:columns]) else 0.65  # below the legend, a title has two lines where masks are astray
    width, height = 0.35 + 3.1 * columns, 0.25 + top + high * lines
    figure = Figure(figsize=(width, height))
    apart = 0.27, 0.735 / high
    figure.subplots_adjust(0.95 / width, 0.65 / height, 1 - 0.15 / width, 1 - top / height, *apart)
    handles: dict[Any, Artist] = {}
    for place, (heartbeat, truth) in enumerate(sides):
        axes = figure.add_subplot(lines, columns, place + 1)
        said, drawn = draw(axes, heartbeat, truth)
        handles |= {handle.get_label(): handle for handle in drawn}
        name = f"{shown(heartbeat.track.name, 24)}: {said}"
        name += "\nmasks do not follow the beat" * astray[place]
        axes.set_title(name, loc="left", fontsize=SMALL, parse_math=False, color=DOUBT if astray[place] else "black")
        axes.tick_params(labelsize=8)
    figure.supxlabel(labels[0], fontsize=10, y=0.12 / height, va="bottom")
    figure.supylabel(labels[1], fontsize=10, x=0.12 / width, ha="left")
    if note:
        figure.text(1 - 0.15 / width, 0.12 / height, note, ha="right", va="bottom", fontsize=SMALL)
    figure.legend(handles=list(handles.values()), loc="upper left", ncols=3 * columns // 2, **LEGEND)
    return figure
