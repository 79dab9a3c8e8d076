"""The loss that the gate says it would have seen: found as often as promised, by every sign of few samples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from segbench.evaluation.gate_power import errors_to_be_seen
from segbench.evaluation.quantiles import t_quantile
from segbench.evaluation.students_t import StudentsT

POWER, LEVEL = 0.8, 0.01


def found(losses: np.ndarray[tuple[int, int], np.dtype[np.float64]], level: float) -> float:
    """Share of test sets (rows) in which the gate's rule sees a loss: scipy's t test and every pattern of signs."""
    t = stats.ttest_1samp(losses, 0, axis=1, alternative="greater").pvalue
    total = np.abs(losses.sum(axis=1, keepdims=True))
    signs = np.array(list(itertools.product((1, -1), repeat=losses.shape[1])))
    extreme = (np.abs(losses @ signs.T) >= total * (1 - 1e-9)).sum(axis=1)
    by_swaps = extreme / len(signs) / 2
    return float(np.mean((t < level) & (np.where(extreme > 2, by_swaps, np.minimum(by_swaps, t)) <= level)))


@pytest.mark.parametrize("runs", [1, 10])
@pytest.mark.parametrize("units", [5, 6, 7, 8, 9, 10])
def test_a_loss_of_that_size_is_found_in_four_of_five_test_sets(units: int, runs: int) -> None:
    level = LEVEL / runs
    size = errors_to_be_seen(StudentsT.of_equal(units), level, POWER)
    draws = np.random.default_rng(units).normal(size=(800, units)) + size / np.sqrt(units)
    assert 0.76 <= found(draws, level) <= 0.88


def test_what_the_t_test_alone_promises_is_not_kept_by_few_samples() -> None:
    by_t = t_quantile(6, 1 - LEVEL) + t_quantile(6, POWER)
    draws = np.random.default_rng(7).normal(size=(800, 7)) + by_t / np.sqrt(7)
    assert found(draws, LEVEL) < 0.74
    assert errors_to_be_seen(StudentsT.of_equal(7), LEVEL, POWER) > 1.1 * by_t


def test_of_many_samples_it_is_that_of_the_t_test() -> None:
    assert errors_to_be_seen(StudentsT.of_equal(40), LEVEL, POWER) == t_quantile(39, 1 - LEVEL) + t_quantile(39, POWER)
