"""Figures of the ISBI 2012 family: the scores by threshold, and splits against mergers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...figures.style import DASHES, MARKERS, RUN_COLORS
from ...metrics.partition import PairCounts, Partition
from ...types import Float64, Statistic
from ..sections import Section
from .runs import Drawn, drawn, names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COUNTS = ("foreground_pixels", "s_a", "s_b", "s_ab", "h_a", "h_b", "h_ab")
_KINDS = (("V_Rand", 0), ("V_Info", 3))


def partition_figures(section: Section) -> list[Drawn]:
    """The threshold curve and the split and merge view of the runs in detail; nothing for other families."""
    entries = [e for e in section.detailed if any(isinstance(m, Partition) for m in e.metrics)]
    curves = []
    for entry in entries:
        metric = next(m for m in entry.metrics if isinstance(m, Partition))
        curves.append(threshold_scores(entry.of(metric)))
    kept = [k for k, curve in enumerate(curves) if curve.size and not np.isnan(curve[:, (1, 4)]).all(axis=0).any()]
    if not kept:
        return []
    labels = [names(entries)[k] for k in kept]
    found = [curves[k] for k in kept]
    part = section.part_shown([entries[k] for k in kept])
    return [replace(each, caption=each.caption + part) for each in (_thresholds(labels, found), _splits(labels, found))]


def threshold_scores(statistics: Sequence[Statistic]) -> Float64:
    """Means over the slices at every threshold, (thresholds, 7) float64.

    The threshold; V_Rand with its split and merge score; V_Info with its split and merge score. The split score falls
    where one true cell is predicted as several, the merge score where several are predicted as one.

    Reference: Arganda-Carreras et al., Frontiers in Neuroanatomy 9:142 (2015), equations 3 to 6.
    """
    if not statistics:
        return np.zeros((0, 7))
    table = np.array([[_scores(s, row) for row in range(len(s.columns["threshold"]))] for s in statistics])
    thresholds = statistics[0].columns["threshold"].astype(np.float64)
    return np.concatenate([thresholds[:, None], table.mean(axis=0)], axis=1)


def _scores(statistic: Statistic, row: int) -> tuple[float, ...]:
    c = PairCounts(*(statistic.columns[name][row].item() for name in _COUNTS))
    if not c.pixels:
        return (math.nan,) * 6
    shared = c.h_a + c.h_b - c.h_ab
    info = (shared / c.h_b if c.h_b else 0.0, shared / c.h_a if c.h_a else 0.0)
    return c.v_rand, c.s_ab / c.s_a, c.s_ab / c.s_b, c.v_info, *info


def _thresholds(labels: Sequence[str], curves: Sequence[Float64]) -> Drawn:
    def draw() -> Figure:
        figure, panels = _panels()
        for axes, (name, column) in zip(panels, _KINDS, strict=True):
            for place, (label, curve) in enumerate(zip(labels, curves, strict=True)):
                look = _look(place)
                axes.plot(curve[:, 0], curve[:, column + 1], **look, linewidth=1.6, markersize=3.5, label=f" {label}")
                best = int(np.nanargmax(curve[:, column + 1]))
                axes.plot(curve[best, 0], curve[best, column + 1], look["marker"], color=look["color"], markersize=9)
            axes.set_xlabel("threshold on the probability of a cell")
            axes.set_title(name, loc="left", fontsize=10)
        panels[0].set_ylabel("mean over the slices")
        _legend(figure, panels[0], len(labels))
        return figure

    best = [float(curve[int(np.nanargmax(curve[:, 1])), 0]) for curve in curves]
    parts = "; ".join(f"{label} is best at {at:.1f}" for label, at in zip(labels, best, strict=True))
    alt = f"V_Rand and V_Info at the 11 official thresholds. By V_Rand {parts}."
    caption = (
        "The official thresholds: the large mark is the best one, whose score counts. A method without probabilities "
        "has the same score at every threshold."
    )
    return drawn(draw, alt, caption, "wide")


def _splits(labels: Sequence[str], curves: Sequence[Float64]) -> Drawn:
    def draw() -> Figure:
        figure, panels = _panels()
        for axes, (name, column) in zip(panels, _KINDS, strict=True):
            for place, (label, curve) in enumerate(zip(labels, curves, strict=True)):
                look = _look(place)
                x, y = curve[:, column + 2], curve[:, column + 3]
                axes.plot(x, y, **look, linewidth=0.8, markersize=3.5, alpha=0.6, label=f" {label}")
                best = int(np.nanargmax(curve[:, column + 1]))
                axes.plot(x[best], y[best], look["marker"], color=look["color"], markersize=9, zorder=4)
            _zoom(axes, np.array([curve[int(np.nanargmax(curve[:, column + 1]))] for curve in curves])[:, column + 2 :])
            axes.set_xlabel("split score: lower where cells are cut apart")
            axes.set_title(name, loc="left", fontsize=10)
        panels[0].set_ylabel("merge score: lower where cells run together")
        _legend(figure, panels[0], len(labels))
        return figure

    parts = []
    for label, curve in zip(labels, curves, strict=True):
        row = curve[int(np.nanargmax(curve[:, 1]))]
        parts.append(f"{label} {row[2]:.2f} and {row[3]:.2f}")
    alt = (
        f"Split against merge score at every threshold. At the best one by V_Rand, split and merge: {'; '.join(parts)}."
    )
    caption = (
        "Splits and mergers: each dot is a threshold, the large mark the best one. Up and to the right is better; what "
        "is far from the best is cut off."
    )
    return drawn(draw, alt, caption, "wide")


def _zoom(axes: Axes, best: Float64) -> None:
    """Show what lies around the best thresholds; others may be far off."""
    for set_limits, values in ((axes.set_xlim, best[:, 0]), (axes.set_ylim, best[:, 1])):
        low, high = float(values.min()), float(values.max())
        margin = max(0.12, 0.25 * (high - low))
        set_limits(max(-0.02, low - margin), min(1.01, high + margin))


def _look(place: int) -> dict[str, Any]:
    return {
        "color": RUN_COLORS[place % len(RUN_COLORS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": DASHES[place % len(DASHES)],
    }


def _panels() -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    return figure, [figure.add_subplot(1, 2, place) for place in (1, 2)]


def _legend(figure: Figure, axes: Axes, count: int) -> None:
    figure.legend(handles=axes.get_lines()[::2], loc="outside lower center", ncols=min(count, 4), frameon=False)
