"""The causes of errors as a stacked bar for each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..evaluation.anatomy import CAUSES
from ..evaluation.error_points import Anatomy
from ..text import shown
from .style import COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHADES = dict(zip(CAUSES, (*COLORS[:6], "#999999"), strict=True))
_MIN_WRITTEN = 0.06
"""Part of the width from which on a bar's number is written into it."""


def error_causes(labels: Sequence[str], score: str, found: Sequence[Anatomy]) -> Figure:
    """A bar for each run: the points of the score that each cause takes, end to end; gains stand left of 0.

    A line below a bar is the interval of the whole loss.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.5 + 0.42 * len(labels)), layout="constrained")
    axes = figure.add_subplot()
    widest = max((sum(abs(points) for points in each.points.values()) for each in found), default=0.0)
    names = [name for name in CAUSES if any(abs(each.points[name]) > 0 for each in found)]
    for place, each in enumerate(found):
        right, left = 0.0, 0.0
        for name in names:
            points = each.points[name]
            start = right if points >= 0 else left
            axes.barh(place, points, left=start, height=0.68, color=_SHADES[name], edgecolor="white", linewidth=0.6)
            if abs(points) > _MIN_WRITTEN * widest:
                middle, dark = start + points / 2, _SHADES[name] in ("#0072B2", "#D55E00", "#009E73")
                color = "white" if dark else "#1b1f24"
                axes.text(middle, place, f"{points:.1f}", ha="center", va="center", fontsize=8, color=color)
            right, left = (right + points, left) if points >= 0 else (right, left + points)
        axes.plot(each.loss_interval, (place + 0.4, place + 0.4), color="#1b1f24", linewidth=1.2, marker="|")
        told, where = f"{each.loss:.1f}", (right, place)
        axes.annotate(told, where, (4, 0), textcoords="offset points", va="center", fontsize=9, fontweight="bold")
    axes.set_yticks(range(len(labels)), [shown(label, 28) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.margins(x=0.08)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"points of {score} lost")
    handles = [axes.barh([0], [0], color=_SHADES[name], label=name)[0] for name in names]
    if handles:
        figure.legend(handles, names, loc="outside upper left", ncols=len(names), fontsize=9, frameon=False)
    return figure
