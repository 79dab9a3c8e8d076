"""Differences of methods over seeds: intervals and tests that hold for other samples and other trainings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from noisy_predictions import INFO, METRIC, MIOU, measured, noisy
from segbench.evaluation.comparison import Paired
from segbench.evaluation.over_seeds import by_sample, method_tests, over_seeds, p_value, spans_of, with_training
from segbench.evaluation.students_t import StudentsT
from segbench.evaluation.training_variance import (
    TrainingNoise,
    Trainings,
    training_noise,
    training_spreads,
    unlike_deviations,
    usual_spread,
)


def noise_of(mine: list[float], usual: list[float], *fixed: bool) -> TrainingNoise | None:
    """What other trainings would change of the difference of two means over seeds, each variance by itself."""
    a_fixed, b_fixed = fixed or (False, False)
    a = Trainings(np.arange(len(mine)), fixed=a_fixed)
    b = Trainings(np.arange(len(usual)) + len(mine), fixed=b_fixed)
    one, other = training_spreads(np.array([*mine, *usual]), [a, b], moderated=False)
    return training_noise(a, b, (one, other), len(mine) + len(usual) - 2)


def test_squares_of_half_widths_add_up_on_each_side() -> None:
    # Both variances are 0.0004: Welch's interval has 4 degrees of freedom.
    half = 2.7764451 * math.sqrt(0.0008 / 3)
    low, high = with_training(0.1, (0.07, 0.12), noise_of([0.90, 0.92, 0.94], [0.80, 0.82, 0.84]))
    assert low == pytest.approx(0.1 - math.hypot(0.03, half), abs=1e-7)
    assert high == pytest.approx(0.1 + math.hypot(0.02, half), abs=1e-7)


@pytest.mark.parametrize(("mine", "usual"), [([0.9], [0.8]), ([0.9, 0.9], [0.8, 0.8])])
def test_where_seeds_say_nothing_the_interval_is_that_over_samples(mine: list[float], usual: list[float]) -> None:
    assert with_training(0.1, (0.05, 0.2), noise_of(mine, usual)) == (0.05, 0.2)


def test_a_single_training_varies_as_the_other_method_does() -> None:
    found = noise_of([0.9], [0.80, 0.84, 0.82])
    assert found is not None
    assert found.variance == pytest.approx(0.0004 * (1 + 1 / 3))
    assert found.freedom == 2


def test_a_method_that_no_seed_changes_adds_no_noise() -> None:
    found = noise_of([0.9], [0.80, 0.84, 0.82], True, False)
    assert found is not None
    assert found.variance == pytest.approx(0.0004 / 3)
    assert found.freedom == pytest.approx(2)
    assert noise_of([0.9], [0.8], True, False) is None
    certain = noise_of([0.9], [0.8], True, True)
    assert certain is not None
    assert certain.variance == 0


def test_the_p_value_is_the_level_at_which_the_interval_ends_at_0() -> None:
    noise = TrainingNoise(0.0003, 4.0, (0.0004, 0.0005))
    variance, freedom = 0.0002, 11
    t = StudentsT.of_equal(freedom + 1)
    value = 0.07
    p = p_value(value, (variance, t), noise)
    half = math.hypot(*(stats.t.ppf(1 - p / 2, n) * v**0.5 for n, v in ((freedom, variance), (4, 0.0003))))
    assert half == pytest.approx(value, rel=1e-9)
    # Either source alone gives the t test that everyone knows.
    alone = p_value(value, (variance, t), TrainingNoise(0.0, math.inf, (0.0, 0.0)))
    assert alone == pytest.approx(2 * stats.t.sf(value / variance**0.5, freedom), rel=1e-9)
    trained = p_value(value, (0.0, t), noise)
    assert trained == pytest.approx(2 * stats.t.sf(value / 0.0003**0.5, 4), rel=1e-9)
    assert math.isnan(p_value(math.nan, (variance, t), noise))
    assert p_value(value, (math.nan, StudentsT.of_equal(1)), noise) == p_value(0.0, (variance, t), noise) == 1


@pytest.mark.parametrize(("alike", "worth"), [(True, 40.0), (False, 8.0)])
def test_the_usual_variance_of_many_methods(alike: bool, worth: float) -> None:
    """Drawn as Smyth's model has it: of usual variance 0.01, worth 8 degrees of freedom, or the same for all."""
    random = np.random.default_rng(1)
    freedoms = np.full(4000, 3)
    true = np.full(4000, 0.01) if alike else 0.01 * 8 / random.chisquare(8, 4000)
    found = usual_spread(true * random.chisquare(3, 4000) / 3, freedoms)
    assert found.variance == pytest.approx(0.01, rel=0.05)
    assert found.freedom > worth if alike else found.freedom == pytest.approx(worth, rel=0.2)


def test_two_seeds_lean_on_what_is_usual() -> None:
    """Of variances that chance explains, each is the mean of all; few labels are judged apart from many."""
    scores = np.array([0.50, 0.52, 0.60, 0.62, 0.70, 0.72, 0.10, 0.30, 0.20, 0.60, 0.9])
    trained = [Trainings(np.array([k, k + 1]), whole=k < 6) for k in range(0, 10, 2)]
    trained.append(Trainings(np.array([10])))
    found = training_spreads(scores, trained, moderated=True)
    for k in (0, 1, 2, 5):
        spread = found[k]
        assert spread is not None
        assert spread.variance == pytest.approx(0.0002)
        assert spread.freedom == 3
    # Two methods are too few to say what is usual: each by itself.
    for k, variance in ((3, 0.02), (4, 0.08)):
        spread = found[k]
        assert spread is not None
        assert spread.variance == pytest.approx(variance)
        assert spread.freedom == 1


def test_unlike_variances_stay_apart() -> None:
    random = np.random.default_rng(3)
    rows = [random.normal(0.5, spread, 6) for spread in (0.0001, 0.0001, 0.1, 0.1)]
    trained = [Trainings(np.arange(6) + 6 * k) for k in range(4)]
    found = training_spreads(np.concatenate(rows), trained, moderated=True)
    sure, unsure = found[0], found[2]
    assert sure is not None
    assert unsure is not None
    assert sure.variance < unsure.variance / 1000


@pytest.mark.parametrize(("over_seeds", "over_samples"), [(0.02, 0.02), (0.05, 0.01), (0.0, 0.03), (0.01, 0.05)])
@pytest.mark.parametrize("spread_of_other", [1.0, 0.2])
@pytest.mark.parametrize("seeds", [2, 3])
def test_the_interval_holds_the_true_difference(
    over_seeds: float, over_samples: float, spread_of_other: float, seeds: int
) -> None:
    random = np.random.default_rng(4)
    held = told = 0
    many = StudentsT.of_equal(10_001)
    for _ in range(1000):
        shared = over_samples * random.standard_normal()
        mine = 0.03 + shared + over_seeds * random.standard_normal(seeds)
        usual = over_seeds * spread_of_other * random.standard_normal(seeds)
        value = float(mine.mean() - usual.mean())
        noise = noise_of(mine.tolist(), usual.tolist())
        low, high = with_training(value, (value - 1.96 * over_samples, value + 1.96 * over_samples), noise)
        held += low <= 0.03 <= high
        if noise is not None and noise.variance:
            told += p_value(value - 0.03, (over_samples**2, many), noise) < 0.05
    assert 0.94 <= held / 1000 <= 1
    assert told / 1000 <= 0.06


def of_seeds(errors: list[float], n: int = 30) -> Paired:
    """Runs on the same SYNTHETIC samples, one for each rate of errors."""
    random = np.random.default_rng(0)
    truths = [random.integers(0, 3, (12, 12)) for _ in range(n)]
    runs = [measured(noisy(truths, e, k), truths, ["one"] * n) for k, e in enumerate(errors, 1)]
    return Paired(METRIC, INFO, MIOU, tuple(runs), resamples=200)


def test_a_difference_of_means_over_seeds() -> None:
    paired = of_seeds([0.10, 0.14, 0.30, 0.34])
    a, b = Trainings(np.array([0, 1])), Trainings(np.array([2, 3]))
    one, other = training_spreads(paired.values, [a, b], moderated=True)
    noise = training_noise(a, b, (one, other), 2.0)
    found = over_seeds(paired, a, b, noise)
    assert found.value == pytest.approx(paired.values[:2].mean() - paired.values[2:].mean())
    assert found.low < found.value < found.high
    assert found.holds_training
    alone = over_seeds(paired, a, b, None)
    assert (alone.holds_training, alone.seeds_needed) == (False, None)
    assert found.low < alone.low < alone.high < found.high
    on_samples = by_sample(paired, a, b)
    scores = paired.per_sample
    apart = scores[:2].mean(axis=0) - scores[2:].mean(axis=0)
    assert (on_samples.wins, on_samples.losses) == ((apart > 0).sum(), (apart < 0).sum())
    assert on_samples.effect == pytest.approx(apart.mean() / apart.std(ddof=1))


def test_so_many_seeds_would_tell_them_apart() -> None:
    """Two seeds each do not; the number that is named does where the spread is the same, and one less does not."""
    paired = of_seeds([0.10, 0.20, 0.22, 0.32])
    a, b = Trainings(np.array([0, 1])), Trainings(np.array([2, 3]))
    one, other = training_spreads(paired.values, [a, b], moderated=True)
    assert one is not None
    assert other is not None
    found = over_seeds(paired, a, b, training_noise(a, b, (one, other), 2.0))
    assert found.seeds_needed is not None
    t = StudentsT.of_equal(paired.units)
    without = paired.without[:2].mean(axis=0) - paired.without[2:].mean(axis=0)
    error = (len(without) - 1) / len(without) * ((without - without.mean()) ** 2).sum()

    def p_with(seeds: int) -> float:
        both = one.variance + other.variance
        welch = (seeds - 1) * both**2 / (one.variance**2 + other.variance**2)
        return p_value(found.value, (error, t), TrainingNoise(both / seeds, welch, (0.0, 0.0)))

    assert p_with(found.seeds_needed) < 0.05
    assert found.seeds_needed == 2 or p_with(found.seeds_needed - 1) >= 0.05


def test_single_runs_are_tested_as_single_runs_are() -> None:
    paired = of_seeds([0.10, 0.14, 0.30])
    order = [2, 0, 1]
    found = method_tests(paired, [Trainings(np.array([k])) for k in order])
    plain = {(each.a, each.b): each for each in paired.tested()}
    assert [(each.a, each.b) for each in found] == [(0, 1), (0, 2), (1, 2)]
    for each in found:
        a, b = order[each.a], order[each.b]
        assert (each.p, each.p_adjusted) == (plain[min(a, b), max(a, b)].p, plain[min(a, b), max(a, b)].p_adjusted)
        assert each.value == pytest.approx(paired.values[a] - paired.values[b])


def test_methods_are_tested_over_seeds_and_ranked() -> None:
    """Two networks of two seeds that differ by training alone, a third far below, and a classical method."""
    paired = of_seeds([0.10, 0.16, 0.13, 0.17, 0.60, 0.62, 0.40])
    trained = [Trainings(np.array([k, k + 1])) for k in (0, 2, 4)]
    trained.append(Trainings(np.array([6]), fixed=True))
    tests = {(each.a, each.b): each for each in method_tests(paired, trained)}
    assert set(tests) == {(a, b) for a in range(4) for b in range(a + 1, 4)}
    assert not tests[0, 1].significant
    assert tests[0, 2].significant
    assert tests[0, 2].value == pytest.approx(paired.values[:2].mean() - paired.values[4:6].mean())
    # The first runs alone differ beyond chance: of these two trainings one is better, of the methods none is.
    assert paired.difference(0, 2).significant
    means = np.array([paired.values[each.places].mean() for each in trained])
    spans = spans_of(list(tests.values()), -means, 1)
    assert spans[0][0] == spans[1][0] == 1
    assert spans[2] == (4, 4)


@pytest.mark.parametrize("alike", [True, False])
def test_a_single_training_varies_as_the_others_do_on_average(alike: bool) -> None:
    """The scale of a distribution of unlike variances lies below nearly all of them: it would be far too little."""
    random = np.random.default_rng(5)
    deviations = np.full(8, 0.01) if alike else np.geomspace(0.0005, 0.08, 8)
    scores = (0.5 + deviations[:, None] * random.standard_normal((8, 2))).ravel()
    trained = [Trainings(np.arange(2) + 2 * k) for k in range(8)] + [Trainings(np.array([16]))]
    values = np.append(scores, 0.5)
    variances = scores.reshape(8, 2).var(axis=1, ddof=1)
    single = training_spreads(values, trained, moderated=True)[-1]
    assert single is not None
    assert single.variance == pytest.approx(variances.mean())
    assert single.freedom == 8
    found = unlike_deviations(values, trained)
    if alike:
        assert found is None
    else:
        assert found == pytest.approx((np.sqrt(variances.min()), np.sqrt(variances.max())))
        assert usual_spread(variances, np.ones(8, np.int64)).variance < variances.mean() / 4
    assert unlike_deviations(scores, trained[:-1]) is None, "where every method has several seeds, nothing is guessed"
