"""Score against the level of a corruption: a panel for each corruption, a line for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .style import COLORS, DASHES, MARKERS, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
Line = Mapping[str, Any]


def robustness_curves(lines: Sequence[Line], score: str, title: str) -> Figure:
    """Draw the lines, each the JSON of a `boards.robustness.RobustnessLine`; level 0 is the images as they are."""
    from .notebook import NotebookFigure

    names = list(dict.fromkeys(point["corruption"] for line in lines for point in line["points"]))
    columns = min(len(names), _COLUMNS)
    rows = -(-len(names) // columns)
    with house_style():
        figure = NotebookFigure(figsize=(1.2 + 2.9 * columns, 1.1 + 2.5 * rows), layout="constrained")
        first: Axes | None = None
        for place, name in enumerate(names):
            axes = figure.add_subplot(rows, columns, place + 1, sharey=first)
            first = first or axes
            for number, line in enumerate(lines):
                _draw(axes, line, name, number, (number - (len(lines) - 1) / 2) * 0.08)
            axes.set_title(name, loc="left", fontsize=10)
            axes.set_xticks(range(6))
            axes.set_xlim(-0.2, 5.2)
            axes.set_xlabel("level (0: images as they are)" if place >= len(names) - columns else "")
            axes.set_ylabel(f"{score}, 95 % interval" if place % columns == 0 else "")
        assert first is not None
        figure.suptitle(title, x=0.01, ha="left", size=10)
        handles, labels = first.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), frameon=False)
    return figure


def _draw(axes: Axes, line: Line, name: str, number: int, aside: float) -> None:
    points = [{**line, "level": 0}, *(point for point in line["points"] if point["corruption"] == name)]
    known = [point for point in points if point["value"] is not None]
    color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
    x = [point["level"] + aside for point in known]
    dash = DASHES[number // len(COLORS) % len(DASHES)]
    axes.plot(x, [point["value"] for point in known], color=color, marker=marker, linestyle=dash, label=line["label"])
    for point in known:
        if point["low"] is not None and point["high"] is not None:
            axes.plot([point["level"] + aside] * 2, [point["low"], point["high"]], color=color, alpha=0.35, linewidth=2)
