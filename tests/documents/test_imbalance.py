"""The page on imbalance: its tables and its plot are what the losses say, which can be worked out by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from imbalance import GRID, LOSSES, PARTS, best_constant, of_constants, table_of_constants, table_of_values, write_plot

from places import ROOT

PAGE = ROOT / "docs" / "imbalance.md"
PLOT = ROOT / "docs" / "images" / "imbalance.svg"
BALANCE, BETA = 0.875, 0.125


@pytest.mark.slow
def test_the_tables_of_the_page_are_those_of_the_losses() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "\n".join(table_of_values()) in page
    assert "\n".join(table_of_constants()) in page


def lines(path: Path) -> dict[str, list[float]]:
    """Of the plot the coordinates of every curve."""
    text = path.read_text(encoding="utf-8")
    found = {}
    for loss in LOSSES:
        for part in PARTS:
            drawn = re.search(rf'<g id="{re.escape(loss)}-{part:g}">\s*<path d="([^"]*)"', text)
            assert drawn is not None, (loss, part)
            found[f"{loss}-{part:g}"] = [float(each) for each in re.findall(r"-?[0-9.]+", drawn[1])]
    return found


@pytest.mark.slow
def test_the_plot_of_the_page_is_that_of_the_losses(tmp_path: Path) -> None:
    write_plot(tmp_path / "plot.svg")
    stored, made = lines(PLOT), lines(tmp_path / "plot.svg")
    for name, curve in made.items():
        assert stored[name] == pytest.approx(curve, abs=0.1), name


@pytest.mark.parametrize("part", PARTS)
def test_what_each_loss_likes_best_can_be_worked_out_by_hand(part: float) -> None:
    """Minima of the losses of a constant p: of +1 in Dice nothing is left at 10 000 pixels."""
    curves = of_constants(part)
    entropy = -part * math.log(part) - (1 - part) * math.log(1 - part)
    weighed = BALANCE * part / (BALANCE * part + (1 - BALANCE) * (1 - part))
    wanted = {
        "bce": (part, entropy),
        "balanced-bce": (
            weighed,
            -BALANCE * part * math.log(weighed) - (1 - BALANCE) * (1 - part) * math.log(1 - weighed),
        ),
        "dice": (math.sqrt(part), 1 - math.sqrt(part)),
        "tversky": (1.0, 1 - part / (part + BETA * (1 - part))),
    }
    for loss, (place, least) in wanted.items():
        assert best_constant(curves[loss]) == pytest.approx((place, least), abs=2e-3), loss
    focal = -(part * (1 - GRID) ** 2 * np.log(GRID) + (1 - part) * GRID**2 * np.log(1 - GRID))
    assert np.allclose(curves["focal"], focal, atol=1e-9)
