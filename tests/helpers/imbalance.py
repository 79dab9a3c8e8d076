"""A thought experiment about imbalance: what each loss says of predictions that need no image.

One image of 100 x 100 pixels, with a part of it foreground. A prediction is a probability for each pixel; losses do not
ask where a pixel lies, so nothing else is needed. All values come from the losses that networks are trained with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from segbench.figures.style import COLORS, write_svg
from segbench.methods.training.config import TrainingConfig
from segbench.methods.training.losses import make_loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS = 10_000
PARTS = (0.43, 0.15)
LOSSES = ("bce", "balanced-bce", "dice", "tversky", "focal")
SURE = 0.99
"""The probability of a class of which a prediction is sure."""
WRONG = 0.01
"""The part of all pixels that a small error is about."""
GRID = np.linspace(0.001, 0.999, 999)


def loss_value(loss: str, probabilities: torch.Tensor, truth: torch.Tensor) -> float:
    """One loss, with its default settings, of probabilities (n,) and truth (n,) of 0 and 1."""
    logits = torch.logit(probabilities.double()).reshape(1, 1, 100, -1)
    return float(make_loss(TrainingConfig(loss=loss))(logits, truth.reshape(1, 100, -1)))


def truth_of(part: float) -> torch.Tensor:
    """The truth (n,) of 0 and 1 with this part of foreground, which comes first."""
    return (torch.arange(PIXELS) < round(part * PIXELS)).long()


def predictions(part: float) -> dict[str, torch.Tensor]:
    """The predictions (n,) of the table by name."""
    truth, count = truth_of(part), round(WRONG * PIXELS)
    right = torch.where(truth > 0, SURE, 1 - SURE).double()
    missed, invented = right.clone(), right.clone()
    missed[:count] = 1 - SURE
    invented[-count:] = SURE
    everywhere = torch.ones(PIXELS, dtype=torch.float64)
    return {
        "0.5 everywhere": 0.5 * everywhere,
        "background everywhere": (1 - SURE) * everywhere,
        "foreground everywhere": SURE * everywhere,
        "all right": right,
        "1 % of the pixels missed": missed,
        "1 % of the pixels invented": invented,
    }


def values(part: float) -> dict[str, dict[str, float]]:
    """Every loss of every prediction: prediction, then loss."""
    truth = truth_of(part)
    return {
        name: {loss: loss_value(loss, probabilities, truth) for loss in LOSSES}
        for name, probabilities in predictions(part).items()
    }


@cache
def of_constants(part: float) -> dict[str, list[float]]:
    """Every loss of a constant prediction, at each probability of `GRID`."""
    truth, every, threads = truth_of(part), torch.ones(PIXELS, dtype=torch.float64), torch.get_num_threads()
    torch.set_num_threads(1)  # so small an image is not worth waiting for another thread
    try:
        return {loss: [loss_value(loss, value * every, truth) for value in GRID.tolist()] for loss in LOSSES}
    finally:
        torch.set_num_threads(threads)


def best_constant(curve: Sequence[float]) -> tuple[float, float]:
    """The constant with the least loss, and that loss."""
    place = int(np.argmin(curve))
    return float(GRID[place]), float(curve[place])


def table_of_values() -> list[str]:
    """Markdown: a row for each prediction, a column for each loss, for both parts."""
    lines = [f"| foreground | prediction | {' | '.join(LOSSES)} |", "|---|---|" + "---|" * len(LOSSES)]
    for part in PARTS:
        for name, row in values(part).items():
            cells = " | ".join(f"{row[loss]:.3f}" for loss in LOSSES)
            lines.append(f"| {part:.0%} | {name} | {cells} |".replace("%", " %", 1))
    return lines


def table_of_constants() -> list[str]:
    """Markdown: the constant that each loss likes best, and how a missed pixel counts against an invented one."""
    lines = [
        "| foreground | loss | best constant | its loss | what that marks | missed : invented |",
        "|---|---|---|---|---|---|",
    ]
    for part in PARTS:
        curves, row = of_constants(part), values(part)
        for loss in LOSSES:
            value, least = best_constant(curves[loss])
            marks = "nothing" if value < 0.5 else "everything"
            right = row["all right"][loss]
            missed, invented = (row[f"1 % of the pixels {what}"][loss] - right for what in ("missed", "invented"))
            line = f"| {part:.0%} | {loss} | {value:.2f} | {least:.3f} | {marks} | {missed / invented:.1f} |"
            lines.append(line.replace("%", " %", 1))
    return lines


def drawn(curves: Mapping[float, Mapping[str, Sequence[float]]]) -> Figure:
    """The loss of a constant prediction against its probability, a panel for each part, with the least of each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    for place, (part, panel) in enumerate(curves.items()):
        axes = figure.add_subplot(1, len(curves), place + 1)
        for color, loss in zip(COLORS, LOSSES, strict=False):
            value, least = best_constant(panel[loss])
            axes.plot(GRID, panel[loss], color=color, label=loss, gid=f"{loss}-{part:g}")
            axes.plot(value, least, "o", color=color, markersize=7, markeredgecolor="white", zorder=4)
        axes.set(ylim=(0, 1.5), xlim=(0, 1), xlabel="probability of foreground, the same for each pixel")
        axes.set_title(f"{100 * part:.0f} % foreground", loc="left", fontsize=10)
        if place == 0:
            axes.set_ylabel("loss")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


def write_plot(path: Path) -> None:
    """Write the plot as SVG."""
    write_svg(path, lambda: drawn({part: of_constants(part) for part in PARTS}))
