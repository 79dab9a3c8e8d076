"""Figures that a notebook shows by itself."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure

from .style import house_style


class NotebookFigure(Figure):
    """A figure that belongs to no window: the last value of a notebook's cell is shown, and `savefig` writes it."""

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        options: dict[str, Any] = {"bbox_inches": "tight", "metadata": {"Software": None}}
        with house_style():
            self.savefig(written, format="png", dpi=110, **options)
        return written.getvalue()
