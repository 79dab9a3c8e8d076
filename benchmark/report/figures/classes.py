"""Figures by class: confusion matrices, and the IoU of every class with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...evaluation.class_intervals import ClassIntervals, intervals_with_classes
from ...figures.style import MARKERS, RUN_COLORS
from ...metrics.pair_counts import confusion, ranks
from ...metrics.pooled import ratio
from ...text import counted, shown
from ...types import Array, Int64
from ..sections import Entry, Section
from .runs import Drawn, drawn, names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRIPLES = ("truth", "prediction", "pixels")
"""The columns of statistics that a confusion matrix is made of."""
MAX_CLASSES = 40
"""Number of classes that are drawn, those with most true pixels."""
MAX_CELLS = 12
"""Matrices of more classes than these have no numbers in their cells."""


def class_figures(section: Section) -> list[Drawn]:
    """Confusion matrices and bars of the runs in detail, where their statistics or records have classes."""
    return [figure for figure in (confusions(section), classes(section)) if figure is not None]


def matrix_of(entry: Entry) -> Int64 | None:
    """Pooled confusion matrix (C, C + 1) of a run: rows truth, columns prediction, the last one other labels."""
    metric = entry.family(TRIPLES)
    if metric is None or entry.info is None or not (mine := entry.of(metric)):
        return None
    return confusion(mine, ranks(entry.info.classes))


def confusions(section: Section) -> Drawn | None:
    """Confusion matrices of the runs in detail as parts of each row; of three where there are many classes."""
    found = [(e, m) for e in section.detailed if (m := matrix_of(e)) is not None and m.sum()]
    info = found[0][0].info if found else None
    if info is None:
        return None
    size = len(found[0][1])
    found = found if size <= MAX_CELLS else found[:3]
    heads = [shown(c.name, 18) for c in info.classes]
    labels = names([entry for entry, _ in found])

    def draw() -> Figure:
        from matplotlib.figure import Figure

        columns = 2 if len(found) == 4 else min(3, len(found))
        lines = math.ceil(len(found) / columns)
        side = float(np.clip(1.2 + 0.55 * size, 2.4, 5.0))
        figure = Figure(figsize=(columns * (side + 0.5), lines * (side + 0.3)), layout="constrained")
        for place, (label, (_, matrix)) in enumerate(zip(labels, found, strict=True)):
            axes = figure.add_subplot(lines, columns, place + 1)
            _heat(axes, matrix, heads, label, outer=place % columns == 0)
        return figure

    accuracy = [np.trace(m[:, :size]) / m.sum() for _, m in found]
    parts = ", ".join(f"{label} {value:.1%}" for label, value in zip(labels, accuracy, strict=True))
    alt = f"Confusion matrices of {size} classes; pixels that are right: {parts}."
    caption = "Confusion: of the true pixels of each class (rows), the part that was predicted as each class (columns)."
    caption += section.part_shown([entry for entry, _ in found])
    return drawn(draw, alt, caption, "wide" if len(found) > (1 if size > 3 else 2) else "")


def _heat(axes: Axes, matrix: Array, heads: Sequence[str], label: str, *, outer: bool) -> None:
    size = len(matrix)
    columns = list(heads)
    if matrix[:, size].any():
        columns.append("other")
    else:
        matrix = matrix[:, :size]
    part = ratio(matrix, matrix.sum(axis=1, keepdims=True))
    axes.imshow(part, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.grid(visible=False)
    axes.set_title(label, fontsize=10, loc="left")
    if size <= MAX_CELLS:
        for (row, column), value in np.ndenumerate(part):
            if not np.isnan(value):
                dark = "white" if value > 0.55 else "#1b1f24"
                axes.text(column, row, f"{100 * value:.1f}", ha="center", va="center", fontsize=9, color=dark)
    if size <= MAX_CLASSES:
        turned = 0 if size <= 3 else 90
        axes.set_xticks(range(len(columns)), columns, rotation=turned, fontsize=8)
        axes.set_yticks(range(size), heads, fontsize=8)
    axes.set_xlabel("predicted (% of a row)" if size <= MAX_CELLS else "predicted")
    if outer:
        axes.set_ylabel("true")


def classes(section: Section) -> Drawn | None:
    """IoU of every class with its bootstrap interval, for the runs in detail; the value alone where there is none."""
    table = {e.label: class_ious(e) for e in section.detailed}
    table = {label: row for label, row in table.items() if row}
    entries = [e for e in section.detailed if e.label in table]
    if not entries:
        return None
    every = list(table[entries[0].label])
    chosen = every
    if len(every) > MAX_CLASSES:
        pixels = {n: (v.get("pixels") or 0.0) for n, v in entries[0].record.per_class.items()}
        largest = set(sorted(every, key=lambda name: -pixels.get(name, 0.0))[:MAX_CLASSES])
        chosen = [name for name in every if name in largest]
    labels = names(entries)

    def draw() -> Figure:
        from matplotlib.figure import Figure

        height = 1.3 + len(chosen) * (0.16 + 0.11 * len(entries))
        figure = Figure(figsize=(8, height), layout="constrained")
        axes = figure.add_subplot()
        for place, (entry, label) in enumerate(zip(entries, labels, strict=True)):
            row = [table[entry.label].get(name, (None, math.nan, math.nan)) for name in chosen]
            _class_row(axes, row, place, len(entries), label)
        axes.set_yticks(range(len(chosen)), [shown(name, 28) for name in chosen])
        axes.set_ylim(len(chosen) - 0.45, -0.55)
        axes.set_xlim(left=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("IoU of the class, pooled over the samples")
        figure.legend(loc="outside lower center", ncols=min(len(entries), 3), frameon=False, fontsize=9)
        return figure

    best = max(chosen, key=lambda name: table[entries[0].label][name][0] or -1.0)
    worst = min(chosen, key=lambda name: 2.0 if (v := table[entries[0].label][name][0]) is None else v)
    alt = (
        f"IoU of {len(chosen)} {'class' if len(chosen) == 1 else 'classes'} for {counted(len(entries), 'run')}. "
        f"{labels[0]} is best on {best} and worst on {worst}."
    )
    caption = "Classes: pooled IoU with 95 % bootstrap interval." + section.part_shown(entries)
    if len(chosen) < len(every):
        caption += f" The {MAX_CLASSES} of {len(every)} classes with the most true pixels."
    return drawn(draw, alt, caption)


def _class_row(axes: Axes, row: Sequence[tuple[float | None, float, float]], place: int, runs: int, label: str) -> None:
    """One run's bars, below those of the runs before it within each class."""
    step = 0.8 / runs
    y = np.arange(len(row)) - 0.4 + step * (place + 0.5)
    values = np.array([math.nan if value is None else value for value, _, _ in row])
    color = RUN_COLORS[place % len(RUN_COLORS)]
    axes.barh(y, values, height=step * 0.85, color=color, alpha=0.55, label=f" {label}", linewidth=0)
    for at, (value, low, high) in zip(y, row, strict=True):
        if value is not None and not math.isnan(low):
            axes.plot([low, high], [at, at], color="#1b1f24", linewidth=1, zorder=3)
    marker = MARKERS[place % len(MARKERS)]
    axes.plot(values, y, marker, color=color, markersize=4, markeredgecolor="#1b1f24", markeredgewidth=0.5, zorder=4)


def class_ious(entry: Entry) -> dict[str, tuple[float | None, float, float]]:
    """IoU of every class with the ends of its interval, NaN where there are none; empty without a table of classes."""
    values = {name: row.get("iou") for name, row in entry.record.per_class.items() if "iou" in row}
    intervals = entry.record.class_intervals or (_intervals(entry) if values else {})

    def end(name: str, which: str) -> float:
        found = intervals.get(name, {}).get(f"iou_{which}")
        return math.nan if found is None else found

    return {name: (value, end(name, "low"), end(name, "high")) for name, value in values.items()}


def _intervals(entry: Entry) -> ClassIntervals:
    """Of a record that is older than these intervals: from its statistics, where they are sparse confusion matrices."""
    metric = entry.family(TRIPLES)
    if metric is None or entry.info is None or not (mine := entry.of(metric)):
        return {}
    return intervals_with_classes(metric, mine, entry.info)[1]
