"""Quantiles that are computed without SciPy are SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from segbench.evaluation.quantiles import normal_below, normal_quantile, sorted_quantiles, t_quantile

PARTS = (0.5, 0.6, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999)


@pytest.mark.parametrize("freedom", [*range(1, 40), 99, 100, 198, 199, 1448])
def test_t_quantiles_are_those_of_scipy(freedom: int) -> None:
    found = [t_quantile(freedom, part) for part in PARTS]
    assert found == pytest.approx([special.stdtrit(freedom, part) for part in PARTS], rel=1e-12, abs=1e-15)


def test_published_t_quantiles() -> None:
    """Abramowitz & Stegun, table 26.10 (two-sided 0.95)."""
    table = {1: 12.706, 2: 4.303, 5: 2.571, 10: 2.228, 30: 2.042, 120: 1.980}
    assert {freedom: round(t_quantile(freedom, 0.975), 3) for freedom in table} == table


def test_the_normal_distribution_is_that_of_scipy() -> None:
    random = np.random.default_rng(0)
    parts, values = random.random(2000), random.normal(0, 3, 2000)
    assert [normal_quantile(part) for part in parts.tolist()] == pytest.approx(special.ndtri(parts).tolist(), abs=1e-12)
    assert normal_below(values) == pytest.approx(special.ndtr(values), abs=1e-14)


@pytest.mark.parametrize("n", [1, 2, 7, 2000])
def test_quantiles_of_rows_are_those_of_numpy_bit_for_bit(n: int) -> None:
    random = np.random.default_rng(n)
    rows, parts = np.sort(random.normal(0.4, 0.01, (300, n)), axis=1), random.random((300, 3))
    parts[:3] = [[0, 0.5, 1], [0.025, 0.975, 0.25], [1, 1 / 3, 1e-9]]
    expected = [np.quantile(row, part).tolist() for row, part in zip(rows, parts, strict=True)]
    assert sorted_quantiles(rows, parts).tolist() == expected
