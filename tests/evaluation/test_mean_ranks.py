"""Mean ranks over datasets, held to ranks of scipy and to an enumeration of all draws."""

from __future__ import annotations

import itertools
import statistics

import numpy as np
import pytest
from scipy.stats import rankdata

from segbench.evaluation.mean_ranks import mean_ranks, shared_ranks


def test_ranks_are_those_of_scipy_and_nothing_is_the_worst() -> None:
    random = np.random.default_rng(3)
    badness = random.integers(0, 4, (50, 6)).astype(float)
    assert np.array_equal(shared_ranks(badness), rankdata(badness, axis=1))
    assert shared_ranks(np.array([np.nan, 1.0, np.inf, np.nan])).tolist() == [3.0, 1.0, 3.0, 3.0]


def test_without_chance_of_samples_the_interval_is_that_of_all_draws_of_datasets() -> None:
    """Three datasets: each of the 27 draws of three counts alike."""
    badness = [np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 4.0, 4.0]), np.array([4.0, 1.0, 2.0, 3.0])]
    found = mean_ranks(badness, [np.repeat(each[:, None], 5, axis=1) for each in badness], resamples=20_000)
    ranks = [rankdata(each) for each in badness]
    for method, one in enumerate(found):
        every = sorted(
            statistics.fmean(ranks[place][method] for place in chosen)
            for chosen in itertools.product(range(3), repeat=3)
        )
        assert one.value == pytest.approx(statistics.fmean(each[method] for each in ranks))
        # The 2.5 % point of 27 equal parts is the lowest value, the 97.5 % point the highest.
        assert (one.low, one.high) == pytest.approx((every[0], every[-1]))


def test_samples_are_drawn_together_and_anew_for_each_dataset() -> None:
    """Two datasets of three samples, scored by means: all 4 x 27 x 27 equally likely outcomes, one by one."""
    badness = [np.array([[0.0, 1.0, 5.0], [1.0, 2.0, 3.0]]), np.array([[4.0, 4.0, 0.0], [3.0, 2.0, 2.0]])]
    samples = list(itertools.product(range(3), repeat=3))
    draws = [np.array([each[:, list(chosen)].mean(axis=1) for chosen in samples]).T for each in badness]
    found = mean_ranks([each.mean(axis=1) for each in badness], draws, resamples=60_000, seed=1)
    outcomes = []
    for one, other in itertools.product(range(2), repeat=2):
        for left, right in itertools.product(range(len(samples)), repeat=2):
            outcomes.append((rankdata(draws[one][:, left]) + rankdata(draws[other][:, right])) / 2)
    wanted = np.quantile(np.array(outcomes), (0.025, 0.975), axis=0)
    for method, one_rank in enumerate(found):
        assert (one_rank.low, one_rank.high) == tuple(wanted[:, method])
    assert [one_rank.value for one_rank in found] == [1.75, 1.25]  # level on the first, one behind on the second


def test_equal_input_gives_equal_output_and_one_who_always_wins_has_rank_one() -> None:
    random = np.random.default_rng(0)
    draws = [np.stack([random.random(200), random.random(200) + 2, random.random(200) + 2]) for _ in range(4)]
    badness = [each.mean(axis=1) for each in draws]
    first, *others = mean_ranks(badness, draws)
    assert (first.value, first.low, first.high) == (1.0, 1.0, 1.0)
    assert all(2 <= each.low < each.value < each.high <= 3 for each in others)
    assert mean_ranks(badness, draws) == [first, *others]
