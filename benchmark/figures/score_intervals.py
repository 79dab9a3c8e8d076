"""Scores with their intervals, one below the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .style import FAMILIES, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Interval:
    """A number with the ends of its interval, None where undefined; `family` gives the colour and the marker."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    family: str = "external"


def score_intervals(
    rows: Sequence[Interval],
    title: str,
    axis: str = "",
    *,
    band: tuple[float, float] | None = None,
    line: float | None = None,
) -> Figure:
    """Draw a dot and a bar for each row, the first on top; an undefined value is named and has no dot.

    Parameters
    ----------
    rows : sequence of Interval
    title, axis : str
        Above the plot, and below its axis of values.
    band : pair of float, optional
        Values to lay a grey band over.
    line : float, optional
        A value to draw a line at.
    """
    import matplotlib as mpl

    from .notebook import NotebookFigure

    with mpl.rc_context(STYLE):
        figure = NotebookFigure(figsize=(7.5, 1.1 + 0.32 * max(len(rows), 2)), layout="constrained")
        axes = figure.add_subplot()
        if band is not None:
            axes.axvspan(*band, color="#eeeeee", zorder=0)
        if line is not None:
            axes.axvline(line, color="#888888", linewidth=1, zorder=0)
        for place, row in enumerate(rows):
            _draw(axes, place, row)
        names = [row.label if _known(row.value) else f"{row.label} (undefined)" for row in rows]
        axes.set_yticks(range(len(rows)), names, parse_math=False)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(axis)
        axes.set_title(title, loc="left", fontsize=10, parse_math=False)
        _name_families(axes, [row.family for row in rows])
    return figure


def _draw(axes: Axes, place: int, row: Interval) -> None:
    if row.value is None or not _known(row.value):
        return
    color, marker = FAMILIES.get(row.family, FAMILIES["external"])
    if row.low is not None and row.high is not None:
        axes.plot([row.low, row.high], [place, place], color=color, alpha=0.5, linewidth=3, solid_capstyle="butt")
    axes.plot(row.value, place, marker=marker, color=color, markersize=7, markeredgecolor="white")


def _name_families(axes: Axes, families: Sequence[str]) -> None:
    """A legend of colours and markers, where there are several."""
    names = list(dict.fromkeys(family if family in FAMILIES else "external" for family in families))
    if len(names) > 1:
        for name in names:
            color, marker = FAMILIES[name]
            axes.plot([], [], marker=marker, color=color, markeredgecolor="white", linestyle="none", label=name)
        axes.legend(loc="best", frameon=False)


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
