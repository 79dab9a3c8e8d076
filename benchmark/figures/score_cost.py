"""Scores of methods with their intervals, and scores against cost. Matplotlib is imported only to draw."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..text import counted, samples_of, shown
from .point_labels import Point, label_points, laid_out
from .style import FAMILIES, human_band, human_columns, interval_over, plain_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Section: TypeAlias = Mapping[str, Any]
Row: TypeAlias = Mapping[str, Any]

MAX_LISTED = 40
"""Rows that are listed and numbered; further ones are points without a number."""
MIN_ROWS_TO_ENLARGE = 10
MAX_PART_OF_RANGE = 0.4
"""The better half of the rows is drawn once more, larger, where it fills less than this part of the scale."""
COSTS: tuple[tuple[str, str], ...] = (
    ("train_s", "time to fit\n(s"),
    ("predict_ms_per_image", "time to predict\n(ms per image"),
)

_LEAST = 1e-3
"""The least cost that a logarithmic axis shows, in its unit."""
_WIDTH, _LINE, _PANEL = 7.0, 0.19, 2.9
"""Inches: width of a figure, height of a line of the list and of a panel."""
_MAX_LINE, _MAX_LABEL = 36, 100


@dataclass(frozen=True)
class _Place:
    """A row with its number, from 1 for the best score; None for one that is not listed."""

    row: Row
    number: int | None
    value: float
    low: float | None
    high: float | None
    style: tuple[str, str]

    def cost(self, key: str) -> float | None:
        """What it cost, where that is known."""
        found = self.row["cost"].get(key)
        return None if found is None else max(float(found), _LEAST)


def timed(cost: Mapping[str, Any]) -> bool:
    """Whether anything is known of what a row cost."""
    return any(cost.get(key) is not None for key, _ in COSTS)


def score_against_cost(section: Section, rows: Sequence[Row]) -> Figure:
    """A numbered list of rows with their main score, the best on top, and panels of these against the time to fit and
    to predict.

    Families have shapes of their own. A time that no row has has no panel; in the others, a row whose time is not
    known is a dashed line. Where the better half of the rows crowds on a small part of the scale, panels above show
    that part enlarged, and each row is numbered once a column. The first 40 rows are listed.
    """
    from matplotlib.figure import Figure

    places = _numbered(section, rows)
    best = leaders([(p.value, _main(section, p.row)["higher_is_better"]) for p in places])
    limits = _enlarged([p.value for p, leads in zip(places, best, strict=True) if leads]) if any(best) else None
    bands = [places] if limits is None else [[p for p in places if limits[0] <= p.value <= limits[1]], places]
    costs = [(key, what) for key, what in COSTS if any(p.cost(key) is not None for p in places)]
    heights = (_LINE * _lines(places) + 0.7, _PANEL * len(bands) + 0.3)
    figure = Figure(figsize=(_WIDTH, sum(heights) + 0.7), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    above, below = (figure.add_subfigure(grid[place]) for place in range(2))
    _list(above, section, places, limits)
    later: list[tuple[Axes, list[_Place], str]] = []
    for column, (key, what) in enumerate(costs):
        for line, band in enumerate(bands):
            whole = band is bands[-1]
            axes = below.add_subplot(len(bands), len(costs), line * len(costs) + column + 1)
            _cost_panel(axes, band, key)
            if (human := section.get("human")) is not None:
                human_band(axes, human)
            if limits is not None and whole:
                axes.axhspan(*limits, color="#f2f2f2", zorder=-1)
            elif limits is not None:
                axes.set_ylim(*limits)
            axes.set_ylabel("" if column else section["main_score"] + ("" if whole else ", enlarged"))
            if whole:
                devices = ", ".join(sorted({str(p.row["cost"].get("device")) for p in band if p.cost(key) is not None}))
                axes.set_xlabel(f"{what}, log scale; on {devices})")
            numbered = {p.number for p in bands[0]} if whole and len(bands) > 1 else set()
            later.append((axes, [p for p in band if p.number not in numbered], key))
    figure.suptitle(title(section), x=0.01, ha="left", fontsize=10)
    _family_legend(figure, rows)
    note(figure, section, _said(intervals(section), places, costs, shaded=len(bands) > 1, human="human" in section))
    laid_out(figure)
    for axes, mine, key in later:
        _number(figure, axes, mine, places, key)
    return figure


def leaders(scores: Sequence[tuple[float, bool]]) -> list[bool]:
    """Which of these (value, higher is better) are the better half, where that crowds on a small part of the scale.

    >>> leaders([(score, True) for score in (0.98, 0.98, 0.97, 0.97, 0.96, 0.5, 0.4, 0.3, 0.2, 0.1)])
    [True, True, True, True, True, False, False, False, False, False]
    >>> leaders([(0.9, True), (0.1, True)])
    [False, False]
    """
    values = [value if higher else -value for value, higher in scores]
    if len(values) < MIN_ROWS_TO_ENLARGE:
        return [False] * len(values)
    middle = statistics.median_high(values)
    crowded = max(values) - middle < MAX_PART_OF_RANGE * (max(values) - min(values))
    return [crowded and value >= middle for value in values]


def score_label(section: Section) -> str:
    """The main score with its unit, for an axis."""
    score = section["rows"][0]["scores"][section["main_score"]]
    better = "higher" if score["higher_is_better"] else "lower"
    return f"{section['main_score']} ({score['unit']}, {better} is better)"


def title(section: Section) -> str:
    """What was scored, above a plot."""
    scope = f"{section['folds']}-fold cross-validation" if section["folds"] else f"split {section['split']}"
    options = f", {section['options']}" if section["options"] else ""
    synthetic = " (SYNTHETIC data)" if section["origin"] == "synthetic" else ""
    samples = samples_of(section["n"], section.get("whole_n"))
    return "\n".join(textwrap.wrap(f"{section['dataset']}{synthetic}, {scope}{options}, {samples}", 90))


def intervals(section: Section) -> str:
    """What the intervals of a section's main score were drawn over, in words."""
    scores = (row["scores"].get(section["main_score"]) or {} for row in section["rows"])
    return interval_over(section.get("resampled") or [score.get("resampled") for score in scores])


def note(figure: Figure, section: Section, text: str) -> None:
    """Write below a figure how it is to be read, and over how many seeds its rows are means."""
    seeds = {len(row["seeds"]) for row in section["rows"]}
    over = f"; means over {'up to ' if len(seeds) > 1 else ''}{max(seeds)} seeds" if max(seeds) > 1 else ""
    wrapped = "\n".join(textwrap.wrap(text + over, round(figure.get_figwidth() * 15)))
    figure.supxlabel(wrapped, fontsize=8, color="#555555", x=0.01, ha="left")


def _numbered(section: Section, rows: Sequence[Row]) -> list[_Place]:
    """Rows from the best to the worst; of equal ones the first stays first."""
    sign = -1 if rows and _main(section, rows[0])["higher_is_better"] else 1
    ordered = sorted(rows, key=lambda row: sign * float(_main(section, row)["value"]))
    return [
        _Place(
            row,
            number if number <= MAX_LISTED else None,
            _main(section, row)["value"],
            _main(section, row)["low"],
            _main(section, row)["high"],
            FAMILIES.get(row["family"], FAMILIES["external"]),
        )
        for number, row in enumerate(ordered, 1)
    ]


def _main(section: Section, row: Row) -> Mapping[str, Any]:
    score: Mapping[str, Any] = row["scores"][section["main_score"]]
    return score


def _wrapped(place: _Place) -> list[str]:
    """The name of a row in lines of a list."""
    name = shown(place.row["label"], _MAX_LABEL)
    return textwrap.wrap(name, _MAX_LINE, break_long_words=False, break_on_hyphens=False) or [""]


def _lines(places: Sequence[_Place]) -> int:
    return max(2, sum(len(_wrapped(p)) for p in places if p.number is not None))


def _list(figure: SubFigure, section: Section, places: Sequence[_Place], limits: tuple[float, float] | None) -> None:
    """Names on the left, numbers beside them, scores with their intervals, and the scores as numbers on the right.

    Where there are limits, a second panel shows that part of the scale enlarged.
    """
    panels = list(figure.subplots(1, 1 if limits is None else 2, sharey=True, squeeze=False)[0])
    centres, names, top = [], [], 0.0
    how: Any = {"textcoords": "offset points", "va": "center", "fontsize": 8.5}
    left, right = (panel.get_yaxis_transform() for panel in (panels[0], panels[-1]))
    for place in places:
        if place.number is None:
            continue
        lines, (color, marker) = _wrapped(place), place.style
        y = top + len(lines) / 2
        top += len(lines)
        centres.append(y)
        names.append("\n".join(lines))
        for axes in panels:
            if place.low is not None and place.high is not None:
                ends = [place.low, place.high]
                axes.plot(ends, [y, y], color=color, alpha=0.45, linewidth=2.5, solid_capstyle="butt")
            axes.plot(place.value, y, marker=marker, color=color, markersize=6, markeredgecolor="white", zorder=3)
        panels[0].annotate(str(place.number), (0, y), (-6, 0), left, ha="right", color=color, **how)
        panels[-1].annotate(f"{place.value:.4f}", (1, y), (6, 0), right, **how)
    for axes in panels:
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0, pad=24)
        if (human := section.get("human")) is not None:
            human_columns(axes, human)
    panels[0].set_yticks(centres, names, fontsize=8.5)
    panels[0].set_ylim(top + 0.3, -0.3)
    panels[0].set_xlabel(score_label(section))
    if limits is not None:
        panels[0].axvspan(*limits, color="#f2f2f2", zorder=-1)
        panels[1].set_xlim(*limits)
        panels[1].set_xlabel("enlarged")
        panels[1].tick_params(axis="y", labelleft=False)
        panels[1].locator_params(axis="x", nbins=4)


def _cost_panel(axes: Axes, places: Sequence[_Place], key: str) -> None:
    """Points over the logarithm of one cost, and dashed lines where it is not known."""
    for place in places:
        (color, marker), x = place.style, place.cost(key)
        if x is None:
            axes.axhline(place.value, color=color, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        else:
            axes.plot(x, place.value, marker=marker, color=color, markersize=6.5, markeredgecolor="white", zorder=3)
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.1)
    plain_ticks(axes.xaxis, narrow=True)


def _number(figure: Figure, axes: Axes, mine: Sequence[_Place], every: Sequence[_Place], key: str) -> None:
    """Write the numbers of rows beside their points, or at the left end of their lines, clear of all others."""
    low, high = axes.get_xlim()
    left = low * (high / low) ** 0.02
    points: list[Point] = [
        (left if (x := p.cost(key)) is None else x, p.value, str(p.number), p.style[0])
        for p in mine
        if p.number is not None
    ]
    bottom, top = sorted(axes.get_ylim())
    there = [p for p in every if bottom <= p.value <= top]
    named = {p.number for p in mine}
    others = [(x, p.value) for p in there if p.number not in named and (x := p.cost(key)) is not None]
    label_points(figure, axes, points, others, [p.value for p in there if p.cost(key) is None])


def _enlarged(values: Sequence[float]) -> tuple[float, float]:
    """The part of the scale that shows these values, with a margin."""
    margin = 0.15 * (max(values) - min(values)) or 0.01
    return min(values) - margin, max(values) + margin


def _said(over: str, places: Sequence[_Place], costs: Sequence[tuple[str, str]], *, shaded: bool, human: bool) -> str:
    """How to read the figure."""
    parts = [f"bars: {over}; numbers: the rows of the list"]
    if len(places) > MAX_LISTED:
        parts.append(f"{counted(len(places) - MAX_LISTED, 'further row')}: points without a number")
    if any(p.cost(key) is None for p in places for key, _ in costs):
        parts.append("dashed line: time not known")
    if shaded:
        parts.append("the light bands are enlarged beside and above")
    if human:
        parts.append("the dark band is the human range")
    return "; ".join(parts)


def _family_legend(figure: Figure, rows: Sequence[Row]) -> None:
    from matplotlib.lines import Line2D

    there = [family for family in FAMILIES if any(row["family"] == family for row in rows)]
    marks = [Line2D([], [], color=FAMILIES[f][0], marker=FAMILIES[f][1], linestyle="", label=f) for f in there]
    figure.legend(handles=marks, loc="outside upper right", ncols=max(1, len(marks)), frameon=False, fontsize=9)
