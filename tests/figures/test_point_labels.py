"""Labels beside points keep clear of points, of each other and of lines."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from segbench.figures.point_labels import label_points, laid_out

Box = tuple[float, float, float, float]


def boxes(lines: list[Box], others: list[tuple[float, float]], radius: float) -> tuple[Box, list[Box]]:
    """Draw a point with a label at (1, 0.5); the pixels of its label, and of all other points' marks."""
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(0, 2), ylim=(0, 1))
    laid_out(figure)
    label_points(figure, axes, [(1, 0.5, "a name", "black")], others, lines=lines, radius=radius)
    text = next(t for t in axes.texts if isinstance(t, Annotation) and t.get_text())
    left, bottom, right, top = map(float, text.get_window_extent().extents)
    d = radius * figure.dpi / 72
    marks = [axes.transData.transform(point) for point in [(1, 0.5), *others]]
    return (left, bottom, right, top), [(x - d, y - d, x + d, y + d) for x, y in marks]


def overlap(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


@pytest.mark.parametrize(
    "end", [(2, 0.5), (0, 0.5), (1, 1), (1, 0), (2, 1), (0, 1)], ids=["right", "left", "up", "down", "slant", "back"]
)
def test_a_label_is_not_struck_through_by_a_line_from_its_point(end: tuple[float, float]) -> None:
    label, marks = boxes([(1, 0.5, *end)], [], 5)
    assert not any(overlap(label, mark) for mark in marks)
    start = np.array(marks[0]).reshape(2, 2).mean(0)
    _, (_, stop) = boxes([], [end], 5)
    # Every place along the line, a pixel apart.
    for x, y in np.linspace(start, np.array(stop).reshape(2, 2).mean(0), 400):
        assert not (label[0] < x < label[2] and label[1] < y < label[3])


@pytest.mark.parametrize("radius", [3, 6.5, 12])
def test_a_label_stands_outside_the_mark_of_its_point_and_of_others(radius: float) -> None:
    others = [(1.2, 0.5), (0.8, 0.5), (1.1, 0.6)]
    label, marks = boxes([], others, radius)
    assert not any(overlap(label, mark) for mark in marks)
