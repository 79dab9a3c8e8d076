"""Labels beside points and lines, placed where they cover nothing: no other label, no point, and no line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..types import Float64

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABEL_SIZE = 9
FAR = 10.0
"""What it costs a label, in pixels, to stand one step further from its point."""

_CORNERS = ((0.7, 0.7), (0.9, 0.4), (0.4, 0.9))
_DIAGONALS = [(x * right, y * up) for x, y in _CORNERS for right in (1, -1) for up in (1, -1)]
"""Directions in which a corner of a label may stand off its point."""

Point: TypeAlias = tuple[float, float, str, str]
"""Place in the plot's units, label and colour."""
Box: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right, top in pixels."""
Line: TypeAlias = tuple[float, float, float, float]
"""x and y of one end, then of the other."""


def laid_out(figure: Figure) -> None:
    """Give every panel its place for good, so that labels can be placed by pixels in one after the other."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def spread(centres: Sequence[float], gap: float) -> list[float]:
    """Centres in rising order, moved as little as is needed to stand `gap` apart.

    >>> spread([0.0, 1.0, 10.0], 3.0)
    [-1.0, 2.0, 10.0]
    """
    clusters: list[list[float]] = []
    for centre in centres:
        clusters.append([centre])
        while (
            len(clusters) > 1
            and _middle(clusters[-1]) - _middle(clusters[-2]) < gap * (len(clusters[-1]) + len(clusters[-2])) / 2 - 1e-9
        ):
            last = clusters.pop()
            clusters[-1] += last
    return [
        _middle(cluster) + (place - (len(cluster) - 1) / 2) * gap
        for cluster in clusters
        for place in range(len(cluster))
    ]


def _middle(values: Sequence[float]) -> float:
    return sum(values) / len(values)


class _Taken:
    """What a label must keep clear of, in pixels: the frame's inside, boxes (n x 4), and lines (m x 4)."""

    def __init__(self, frame: Box, boxes: Float64, lines: Float64) -> None:
        self.frame, self.boxes, self.lines = frame, boxes, lines

    def add(self, box: Box, line: Line | None) -> None:
        """Take the place of a label and of the line to its point."""
        self.boxes = np.vstack((self.boxes, box))
        if line is not None:
            self.lines = np.vstack((self.lines, line))

    def cost(self, box: Box, line: Line | None) -> float:
        """How bad a label with this box, and this line to its point, would be here."""
        here = np.array(box)
        covered = float(_overlap(here, self.boxes).sum())
        crossed = np.count_nonzero(_crosses(self.lines, here))
        crossing = 0 if line is None else np.count_nonzero(_crosses(np.array(line), self.boxes))
        return 20 * covered + 400 * crossed + 400 * crossing + 50 * _outside(box, self.frame)


def label_points(
    figure: Figure,
    axes: Axes,
    points: Sequence[Point],
    others: Sequence[tuple[float, float]] = (),
    levels: Sequence[float] = (),
    lines: Sequence[Line] = (),
    radius: float = 5.0,
) -> None:
    """Write each label near its point, where it covers no other label, point or line; a line leads to one further off.

    The figure is laid out already and stays so (`laid_out`). In the plot's units, `others` are (x, y) of points without
    a label, `levels` the heights of lines across the panel, and `lines` the two ends of other lines; `radius` is that
    of a point's mark, in typographic points.
    """
    scale = figure.dpi / 72

    def pixels(x: float, y: float) -> tuple[float, float]:
        across, up = axes.transData.transform((x, y))
        return float(across), float(up)

    left, bottom, right, top = map(float, axes.get_window_extent().extents)
    places = [pixels(x, y) for x, y, _, _ in points]
    dots = np.array([*places, *(pixels(x, y) for x, y in others)]).reshape(-1, 2)
    d = radius * scale
    heights = [float(axes.transData.transform((axes.get_xlim()[0], y))[1]) for y in levels]
    clear = [(left, height, right, height) for height in heights]
    clear += [(*pixels(*line[:2]), *pixels(*line[2:])) for line in lines]
    taken = _Taken((left, bottom, right, top), np.hstack((dots - d, dots + d)), np.array(clear).reshape(-1, 4))
    crowded = sorted(range(len(points)), key=lambda i: sum(abs(places[i][1] - y) for _, y in places))
    for i in crowded:
        x, y, label, color = points[i]
        text = axes.annotate(label, (x, y), (0, 0), textcoords="offset points", fontsize=LABEL_SIZE, color=color)
        extent = text.get_window_extent()
        _, box, line = min(
            (
                (cost + taken.cost(box, line), box, line)
                for cost, box, line in _candidates(places[i], extent.width, extent.height, scale, taken.frame, radius)
            ),
            key=lambda candidate: candidate[0],
        )
        taken.add(box, line)
        text.set_position(((box[0] - places[i][0]) / scale, (box[1] - places[i][1]) / scale))
        text.set_verticalalignment("bottom")
        if line is not None:
            end = ((line[0] - places[i][0]) / scale, (line[1] - places[i][1]) / scale)
            arrow = {"arrowstyle": "-", "color": color, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4}
            axes.annotate("", (x, y), end, textcoords="offset points", arrowprops=arrow)


def _candidates(
    place: tuple[float, float], width: float, height: float, scale: float, frame: Box, radius: float
) -> Iterator[tuple[float, Box, Line | None]]:
    """Boxes of pixels around a point, each with what it costs to be that far away, and the line that leads to it.

    The right side comes first; a label right beside its point needs no line. What would stand out of the frame is moved
    into it.
    """
    for ring, gap in enumerate((2, 7, 13, 21, 31, 43, 57, 73, 91, 115)):
        d = (radius + gap) * scale
        sides = (
            (d, -height / 2),
            (-d - width, -height / 2),
            (-width / 2, d),
            (-width / 2, -d - height),
            *((x * d - (x < 0) * width, y * d - (y < 0) * height) for x, y in _DIAGONALS),
        )
        for side, (dx, dy) in enumerate(sides):
            left = max(frame[0], min(place[0] + dx, frame[2] - width))
            bottom = max(frame[1], min(place[1] + dy, frame[3] - height))
            box = (left, bottom, left + width, bottom + height)
            nearest = (min(max(place[0], box[0]), box[2]), min(max(place[1], box[1]), box[3]))
            line = _short_of_its_end((*nearest, *place), 8 * scale) if ring else None
            yield (ring + side * 0.05) * FAR, box, line


def _overlap(box: Float64, others: Float64) -> Float64:
    """Shared area of a box with each of others (n x 4) in pixels, at least 1 where they touch."""
    wide, high = np.minimum(box[2:], others[:, 2:]).T - np.maximum(box[:2], others[:, :2]).T
    touching = (wide > 0) & (high > 0)
    return np.where(touching, 1 + wide * high, 0.0)


def _crosses(lines: Float64, boxes: Float64) -> NDArray[np.bool_]:
    """Whether a part of each line lies inside each box (Liang and Barsky's clipping); one of the two may be single.

    >>> _crosses(np.array([[0.0, 5, 20, 5], [0, 15, 20, 15], [9, 2, 9, 3]]), np.array([8.0, 0, 12, 10]))
    array([ True, False,  True])
    """
    start, along = lines[..., :2], lines[..., 2:] - lines[..., :2]
    low, high = boxes[..., :2], boxes[..., 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack(np.broadcast_arrays((low - start) / along, (high - start) / along))
    # A line that runs along an axis is between the two sides of a box all the way, or nowhere.
    level, between = along == 0, (low < start) & (start < high)
    enters = np.where(level, np.where(between, -np.inf, np.inf), ends.min(0))
    leaves = np.where(level, np.where(between, np.inf, -np.inf), ends.max(0))
    found: NDArray[np.bool_] = np.maximum(enters.max(-1), 0.0) < np.minimum(leaves.min(-1), 1.0)
    return found


def _short_of_its_end(line: Line, gap: float) -> Line:
    """A line without its last pixels, which lie on the point that it leads to."""
    x, y, to_x, to_y = line
    length = math.hypot(to_x - x, to_y - y)
    part = max(0.0, 1 - gap / length) if length else 0.0
    return x, y, x + part * (to_x - x), y + part * (to_y - y)


def _outside(box: Box, frame: Box) -> float:
    """How far a box stands out of a frame, in pixels."""
    return max(0.0, frame[0] - box[0], frame[1] - box[1], box[2] - frame[2], box[3] - frame[3])
