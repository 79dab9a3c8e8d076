"""The steps of a method side by side."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

from ..io.atomic import atomic_path
from ..types import Uint8
from .style import house_style

_COLUMNS = 3
_WIDTH = 4.0
"""Inches of one picture."""


def step_sheet(path: Path, title: str, steps: Sequence[tuple[str, Uint8]]) -> None:
    """Write pictures (h, w, 3) uint8 of one size with their captions as one PNG file, in reading order."""
    from matplotlib.figure import Figure

    height, width = steps[0][1].shape[:2]
    columns = min(_COLUMNS, len(steps))
    rows = math.ceil(len(steps) / columns)
    size = (_WIDTH * columns, (_WIDTH * height / width + 0.55) * rows + 0.4)
    with house_style():
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(title, size=11)
        for place, (what, picture) in enumerate(steps, 1):
            axes = figure.add_subplot(rows, columns, place)
            axes.imshow(picture, interpolation="nearest")
            axes.set_title(f"{place - 1}  " + textwrap.fill(what, 52), size=8, loc="left")
            axes.set_axis_off()
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})
