"""The reliability diagram of a run: accuracy against confidence, and how many pixels have which confidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.statistics import Statistics
from ..metrics.calibration import reliability
from ..metrics.confidence_bins import BINS
from ..types import Dataset, Metric, Prediction
from .style import COLORS, MARKERS, house_style, plain_ticks, write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEM = "reliability"
Bins = Sequence[Mapping[str, float | int]]


class CalibrationFigures:
    """Draws the reliability diagram of a run from its statistics; it has to see no prediction."""

    def __init__(self, metric: Metric, dataset: Dataset, ids: Sequence[str]) -> None:
        self._metric, self._title, self.wanted = metric, f"{dataset.info.name}, {len(ids)} samples", frozenset[str]()

    def add(self, sample_id: str, prediction: Prediction) -> None:
        """See nothing."""

    def write(self, folder: Path, statistics: Statistics, warn: Callable[[str], None]) -> list[Path]:
        """Write `reliability.svg` and `.png`; nothing where no prediction had probabilities."""
        del warn
        mine = statistics.of(self._metric.name)
        bins = reliability(mine)
        if not bins:
            return []
        folder.mkdir(parents=True, exist_ok=True)
        return write_figure(folder / STEM, lambda: reliability_diagram([("", bins)], self._title))


def calibration_figures(metric: Metric, dataset: Dataset, ids: Sequence[str]) -> CalibrationFigures:
    """What draws a run's reliability diagram."""
    return CalibrationFigures(metric, dataset, ids)


def reliability_diagram(runs: Sequence[tuple[str, Bins]], title: str) -> Figure:
    """Draw accuracy against mean confidence of each bin, a line for each run, over the part of pixels in each bin."""
    from matplotlib.figure import Figure

    with house_style():
        figure = Figure(figsize=(5.2, 5.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle="--", label="as it should be")
        for number, (label, bins) in enumerate(runs):
            color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
            x, y = ([each[key] for each in bins] for key in ("confidence", "accuracy"))
            above.plot(x, y, color=color, marker=marker, markersize=5, label=label or "this run")
            total = sum(each["pixels"] for each in bins)
            parts = np.zeros(BINS)
            for each in bins:
                parts[round(each["low"] * BINS)] = each["pixels"] / total
            below.stairs(parts, np.linspace(0, 1, BINS + 1), color=color, fill=len(runs) == 1, alpha=0.8)
        above.set_ylabel("part of the pixels that are right")
        above.set_ylim(0, 1.02)
        above.set_title(title, loc="left", fontsize=10)
        above.legend(loc="best", frameon=False, fontsize=9)
        below.set_yscale("log")
        plain_ticks(below.yaxis)
        below.set_ylabel("part of all pixels")
        below.set_xlabel("confidence: probability of the predicted class")
        below.set_xlim(0, 1)
    return figure
