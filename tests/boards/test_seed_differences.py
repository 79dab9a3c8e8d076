"""Differences of means over seeds: intervals that hold for other samples and other seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from segbench.boards.seed_differences import SeedDifference, SuiteDifferences, difference_lines, with_seeds


def test_squares_of_half_widths_add_up_on_each_side() -> None:
    mine, usual = np.array([0.90, 0.92, 0.94]), np.array([0.80, 0.82, 0.84])
    # Both variances are 0.0004: Welch's interval has 4 degrees of freedom.
    half = 2.7764451 * math.sqrt(0.0008 / 3)
    low, high = with_seeds(0.1, (0.07, 0.12), mine, usual)
    assert low == pytest.approx(0.1 - math.hypot(0.03, half), abs=1e-7)
    assert high == pytest.approx(0.1 + math.hypot(0.02, half), abs=1e-7)


@pytest.mark.parametrize(
    ("mine", "usual"), [([0.9], [0.8, 0.9]), ([0.9, 0.8], [0.8]), ([0.9], [0.8]), ([0.9, 0.9], [0.8, 0.8])]
)
def test_where_seeds_say_nothing_the_interval_is_that_over_samples(mine: list[float], usual: list[float]) -> None:
    assert with_seeds(0.1, (0.05, 0.2), np.array(mine), np.array(usual)) == (0.05, 0.2)


@pytest.mark.parametrize(("over_seeds", "over_samples"), [(0.02, 0.02), (0.05, 0.01), (0.0, 0.03), (0.01, 0.05)])
@pytest.mark.parametrize("spread_of_other", [1.0, 0.2])
def test_the_interval_holds_the_true_difference(over_seeds: float, over_samples: float, spread_of_other: float) -> None:
    random = np.random.default_rng(4)
    held = 0
    for _ in range(1000):
        shared = over_samples * random.standard_normal()
        mine = 0.03 + shared + over_seeds * random.standard_normal(3)
        usual = over_seeds * spread_of_other * random.standard_normal(3)
        value = float(mine.mean() - usual.mean())
        low, high = with_seeds(value, (value - 1.96 * over_samples, value + 1.96 * over_samples), mine, usual)
        held += low <= 0.03 <= high
    assert 0.94 <= held / 1000 <= 1


def test_a_page_says_what_can_be_told_apart() -> None:
    def row(label: str, value: float, low: float, high: float) -> SeedDifference:
        return SeedDifference(
            label=label,
            family="learned",
            seeds=3,
            value=value,
            low=low,
            high=high,
            better=low > 0,
            worse=high < 0,
        )

    rows = [row("wide|r", 0.02, 0.01, 0.03), row("same", 0.0, -0.01, 0.01), row("narrow", -0.2, -0.3, -0.1)]
    found = SuiteDifferences(
        title="isbi2012, split test",
        score="v_rand",
        higher_is_better=True,
        reference="unet",
        reference_seeds=3,
        rows=rows,
    )
    page = "\n".join(difference_lines(found))
    assert "| wide\\|r" in page
    for label, verdict in (("wide", "better"), ("same", "cannot be told apart"), ("narrow", "worse")):
        (line,) = (line for line in page.splitlines() if line.startswith(f"| {label}"))
        assert f"| {verdict} " in line
