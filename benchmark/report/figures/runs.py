"""Figures of any section: distributions, cost, learning curves. Matplotlib comes in lazily."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ...boards.comparable import whole_n
from ...boards.seed_groups import curves_of, plotted, seed_groups
from ...figures.point_labels import Line, Point, label_points, laid_out
from ...figures.score_plots import learning_curve
from ...figures.style import FAMILIES, house_style, human_band, plain_ticks, svg_of
from ...text import counted, number, shown
from ...types import Float64
from ..html import Html, tag
from ..sections import Entry, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_NAMED = 24
"""Number of runs up to which every point is named; of more only those on the front."""
MAX_POINTS = 300
_MAX_CURVES = 10
_RING = 13
"""Diameter of the ring around a run on the front, in typographic points."""
_PHOTOGRAPH_DPI = 80


@dataclass(frozen=True)
class Drawn:
    """A figure as SVG text, what it shows in words, and its caption; `size` is "" where it may stand in a column."""

    svg: str
    alt: str
    caption: str
    size: str = ""

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height on the page, where there is room."""
        width, height = (round(float(n) * 4 / 3) for n in re.findall(r'(?:width|height)="([0-9.]+)pt"', self.svg)[:2])
        return width, height

    def html(self) -> Html:
        """The figure on a light ground, since its lines and texts are dark."""
        data = base64.b64encode(self.svg.encode()).decode()
        width, height = self.pixels
        source = f"data:image/svg+xml;base64,{data}"
        image = tag("img", src=source, alt=self.alt, width=width, height=height, decoding="async")
        card = tag("div", image, class_="card", tabindex=0, role="group", aria_label=self.caption)
        return tag("figure", card, tag("figcaption", self.caption), class_=self.size or None)


def drawn(draw: Callable[[], Figure], alt: str, caption: str, size: str = "") -> Drawn:
    """Draw a figure in the house style as SVG; equal figures give equal texts."""
    with house_style():
        text = svg_of(draw())
    return Drawn(text[text.index("<svg") :], alt, caption, size)


def photograph(draw: Callable[[], Figure], alt: str, caption: str) -> Html:
    """A figure that is mostly photographs, as a picture of pixels."""
    with house_style():
        stream = io.BytesIO()
        draw().savefig(stream, format="png", dpi=_PHOTOGRAPH_DPI, metadata={"Software": None})
    with Image.open(stream) as picture:
        width, height = picture.size
    source = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
    image = tag("img", src=source, alt=alt, width=width, height=height, decoding="async")
    card = tag("div", image, class_="card", tabindex=0, role="group", aria_label=caption)
    return tag("figure", card, tag("figcaption", caption), class_="wide")


def names(entries: Sequence[Entry], most: int = 46) -> list[str]:
    """Short labels for figures, each its own."""
    short = [shown(entry.label, most) for entry in entries]
    return [
        text if short.count(text) == 1 else f"{shown(text, most - 9)} {entry.hash}"
        for text, entry in zip(short, entries, strict=True)
    ]


def section_figures(section: Section) -> list[Drawn]:
    """The figures that the scores and costs of a section allow, in the order of the page."""
    found = [distribution(section), costs(section), learning(section)]
    return [figure for figure in found if figure is not None]


def distribution(section: Section) -> Drawn | None:
    """Scores of single samples: a dot for each, a box over the quartiles, a line per run."""
    ids, values = section.per_sample
    if len(ids) < 2 or np.isnan(values).all():
        return None
    labels = names(section.opened)

    def draw() -> Figure:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 1.1 + 0.3 * len(labels)), layout="constrained")
        axes = figure.add_subplot()
        for place, (entry, row) in enumerate(zip(section.opened, values, strict=True)):
            _strip(axes, row[~np.isnan(row)], place, FAMILIES[entry.record.method.family][0])
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"{section.main_score} of one sample")
        _families(figure, section.opened)
        return figure

    medians = [number(float(np.nanmedian(row)) if not np.isnan(row).all() else None, ".3f") for row in values]
    told = ", ".join(f"{label} {median}" for label, median in zip(labels, medians, strict=True))
    runs = counted(len(labels), "run")
    alt = f"{section.main_score} of each of {len(ids)} samples, a line of dots for each of {runs}. Medians: {told}."
    caption = (
        f"Scores of single samples: a dot is one of the {len(ids)} samples scored alone, the box holds the middle half "
        "of them, the line in it is the median. The score of the whole set is pooled, so it need not be their mean."
        f"{section.part_shown(section.opened)}"
    )
    return drawn(draw, alt, caption, "wide" if len(labels) > 12 else "")


def _strip(axes: Axes, row: Float64, place: int, color: str) -> None:
    if not row.size:
        return
    low, middle, high = np.quantile(row, (0.25, 0.5, 0.75))
    # Quantiles of many samples look like the samples, and keep the page small.
    dots = row if row.size <= MAX_POINTS else np.quantile(row, np.linspace(0, 1, MAX_POINTS))
    # Dots that would cover each other are moved apart by their order, the same way every time.
    offset = ((np.arange(dots.size) * 0.618) % 1 - 0.5) * 0.44
    axes.barh(place, high - low, left=low, height=0.56, color=color, alpha=0.22, linewidth=0, zorder=1)
    axes.plot([middle, middle], [place - 0.28, place + 0.28], color=color, linewidth=2, zorder=3)
    many = dots.size > 60
    axes.plot(dots, place + offset, ".", color=color, markersize=3 if many else 6, alpha=0.5 if many else 0.8, zorder=2)


def _families(figure: Figure, entries: Sequence[Entry]) -> None:
    from matplotlib.lines import Line2D

    there = [f for f in FAMILIES if any(e.record.method.family == f for e in entries)]
    marks = [Line2D([], [], color=FAMILIES[f][0], marker=FAMILIES[f][1], linestyle="", label=f) for f in there]
    if len(marks) > 1:
        figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False)


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points (cost, badness) no other one dominates: as good in both and better in one.

    >>> front([(1, 5), (2, 3), (2, 4), (3, 3)])
    [True, True, False, False]
    """
    best: dict[tuple[float, float], bool] = {}
    least = math.inf
    for cost, badness in sorted(set(points)):
        best[cost, badness] = badness < least
        least = min(least, badness)
    return [best[point] for point in points]


def costs(section: Section) -> Drawn | None:
    """Score against time to predict, size and labels, one panel each, with the front that no other run beats."""
    kinds: tuple[tuple[str, Callable[[Entry], float | None]], ...] = (
        ("time to predict (ms per image)", lambda e: e.record.cost.predict_ms_per_image),
        ("trained parameters (millions)", lambda e: None if (n := e.record.cost.parameters) is None else n / 1e6),
        ("labelled images trained on", lambda e: e.record.method.n_train),
    )
    panels = []
    for what, cost in kinds:
        there = [(e, float(c)) for e in section.entries if e.value is not None and (c := cost(e)) is not None]
        if len({c for _, c in there}) > 1:
            panels.append((what, there))
    if not panels:
        return None
    sign = -1 if section.higher_is_better else 1

    def draw() -> Figure:
        from matplotlib.figure import Figure

        height = 4.4 + 0.1 * max(0, min(len(section.entries), MAX_NAMED) - 10)
        figure = Figure(figsize=(5.4 * len(panels), height), layout="constrained")
        first: Axes | None = None
        later = []
        for place, (what, there) in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), place + 1, sharey=first)
            first = first or axes
            if section.human_band is not None:
                human_band(axes, section.human_band)
            later.append((axes, _cost_panel(axes, what, there, front([(c, sign * (e.value or 0)) for e, c in there]))))
        assert first is not None
        first.set_ylabel(f"{section.main_score} ({'higher' if sign < 0 else 'lower'} is better)")
        _families(figure, section.entries)
        laid_out(figure)
        for axes, (points, others, lines) in later:
            label_points(figure, axes, points, others, lines=lines, radius=_RING / 2)
        return figure

    told = []
    for what, there in panels:
        flags = front([(c, sign * (e.value or 0)) for e, c in there])
        best = [e.label for (e, _), flag in zip(there, flags, strict=True) if flag]
        told.append(f"on the front of {what}: {', '.join(best[:8])}{' and more' if best[8:] else ''}")
    alt = f"{section.main_score} of {counted(len(section.entries), 'run')} against cost; {'; '.join(told)}."
    caption = (
        "Score against cost (log scale). The line is the Pareto front: its ringed runs are beaten by no other in score "
        "and that cost at once. Bars are 95 % intervals."
    )
    return drawn(draw, alt, caption, "wide" if len(panels) > 1 else "")


def _cost_panel(
    axes: Axes, what: str, there: Sequence[tuple[Entry, float]], flags: Sequence[bool]
) -> tuple[list[Point], list[tuple[float, float]], list[Line]]:
    """Draw one panel; the points that are to be named, and the points and lines that names keep clear of."""
    positive = [cost for _, cost in there if cost > 0]
    least = min(positive, default=1.0)
    # Nothing at all has no place on a log scale: it stands left of the least, under its own tick.
    nothing = least / 10
    few = len(there) <= MAX_NAMED
    points: list[Point] = []
    others: list[tuple[float, float]] = []
    lines: list[Line] = []
    steps: list[tuple[float, float]] = []
    for (entry, cost), flag in sorted(zip(there, flags, strict=True), key=lambda pair: pair[0][1]):
        if entry.value is None or entry.main is None:
            continue
        x, y = cost if cost > 0 else nothing, entry.value
        color, marker = FAMILIES[entry.record.method.family]
        if few and entry.main.low is not None and entry.main.high is not None:
            axes.plot([x, x], [entry.main.low, entry.main.high], color=color, alpha=0.35, linewidth=1.5, zorder=2)
            lines.append((x, entry.main.low, x, entry.main.high))
        if few:
            axes.plot(x, y, marker=marker, color=color, markersize=7, markeredgecolor="white", zorder=4)
        if flag:
            axes.plot(x, y, "o", markersize=_RING, markerfacecolor="none", markeredgecolor="#555555", zorder=3)
            steps.append((x, y))
        if (flag or few) and len(points) < MAX_NAMED:
            points.append((x, y, shown(entry.label, 24), color))
        else:
            others.append((x, y))
    if not few:
        _cloud(axes, there, nothing)
    axes.step(*zip(*steps, strict=True), where="post", color="#555555", linewidth=1.2, linestyle="--", zorder=1)
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.08)
    axes.set_xlabel(what)
    plain_ticks(axes.xaxis)
    if len(positive) < len(there):
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if least * 0.99 <= tick <= high]
        axes.set_xticks([nothing, *ticks], ["0", *(f"{tick:,g}" for tick in ticks)])
        axes.set_xlim(min(low, nothing / 2), high)
        axes.minorticks_off()
    for (x, y), (to_x, to_y) in pairwise(steps):
        lines += [(x, y, to_x, y), (to_x, y, to_x, to_y)]
    return points, others, lines


def _cloud(axes: Axes, there: Sequence[tuple[Entry, float]], nothing: float) -> None:
    """Many runs: one dot each, drawn family by family as an image so that the page stays small."""
    for family, (color, marker) in FAMILIES.items():
        mine = [(cost if cost > 0 else nothing, e.value) for e, cost in there if e.record.method.family == family]
        if mine:
            x, y = zip(*mine, strict=True)
            axes.plot(x, y, marker, color=color, markersize=4, alpha=0.4, linestyle="", rasterized=True, zorder=2)


def learning(section: Section) -> Drawn | None:
    """Score against the number of labels, for methods that were run with several fractions of them."""
    curves = curves_of(seed_groups(entry.record for entry in section.entries))[:_MAX_CURVES]
    if not curves:
        return None
    table = plotted([row for curve in curves for row in curve])
    data = section.entries[0].record.dataset
    about = {
        **{"dataset": data.name, "origin": data.origin, "split": data.split, "folds": data.folds, "n": data.n},
        **{
            "whole_n": whole_n(entry.record for entry in section.entries),
            "options": "",
            "main_score": section.main_score,
            "rows": table,
            **({} if section.human_band is None else {"human": section.human_band}),
        },
    }
    best = {row["label"]: row["scores"][section.main_score]["value"] for row in table}
    methods = counted(len(curves), "method")
    alt = f"{section.main_score} against the number of labelled images for {methods}. With most labels: " + ", ".join(
        f"{name} {value:.3f}" for name, value in best.items()
    )
    caption = "Learning curves: the score by the number of labelled images that a method was trained on."
    return drawn(lambda: learning_curve(about, table), alt, caption)
