"""Planned test sets: the widths and the power that test sets of those sizes really have, and what is known by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from populations import RECORDS, Population, Run, populations, recorded
from scipy import stats

from segbench.evaluation.comparison import Paired
from segbench.evaluation.intervals import Jackknife, interval_of, score_intervals
from segbench.evaluation.sample_size import Estimated, Planned, ladder, planned, units_needed
from segbench.evaluation.students_t import StudentsT

DICE = populations()["mean Dice"]


def paired(population: Population, *runs: Run) -> Paired:
    return Paired(population.metric, population.info, population.score, runs)


def planned_width(population: Population, pilot: int, size: int, seed: int) -> Planned:
    (plan,) = planned(paired(population, population.draw(np.random.default_rng(seed), pilot)), [size], 500)
    return plan


def measured_width(population: Population, size: int, sets: int) -> float:
    """Mean width of the interval on real test sets of this size."""
    widths = []
    for seed in range(sets):
        drawn = population.draw(np.random.default_rng(7000 + seed), size)
        low, high = score_intervals(population.metric, drawn, population.info)[population.score.name]
        widths.append(high - low)
    return float(np.mean(widths))


@pytest.mark.slow
@pytest.mark.parametrize("size", [20, 150])
def test_planned_widths_are_those_of_real_test_sets(size: int) -> None:
    """A short form of tests/simulation/planned_sizes.py: from 60 images to a third and to more than twice as many."""
    plans = [planned_width(DICE, 60, size, seed).width for seed in range(12)]
    real = measured_width(DICE, size, 12)
    # Of 12 pilots of 60 images the median width is known to about 5 %.
    assert np.median([plan.value for plan in plans]) == pytest.approx(real, rel=0.15)
    assert sum(plan.low <= real <= plan.high for plan in plans) >= 9


@pytest.mark.slow
def test_a_visible_difference_is_seen_in_four_of_five_test_sets() -> None:
    skill = 0.05
    whole = DICE.pair(np.random.default_rng(1), 4000, skill)
    values = [DICE.metric.compute(run, DICE.info)[DICE.score.name] for run in whole]
    plans = planned(paired(DICE, *whole), [10, 20, 50, 100], 500)
    size = units_needed(plans, abs(values[1] - values[0]), lambda plan: plan.visible.value)
    assert size is not None
    seen = [
        paired(DICE, *DICE.pair(np.random.default_rng(500 + seed), size, skill)).p_value(0, 1) < 0.05
        for seed in range(60)
    ]
    # 48 of 60 are meant; fewer than 38 or more than 57 have a probability below 0.2 % together.
    assert 38 <= sum(seen) <= 57


def test_as_many_units_as_now_give_the_interval_that_the_run_has() -> None:
    for seed, population in enumerate(populations().values()):
        run = population.draw(np.random.default_rng(seed), 24)
        alone = paired(population, run)
        if population.metric.absent_classes(run, population.info, population.score.name) is not None:
            continue
        low, high = alone.interval(0)
        assert planned(alone, [24])[0].width.value == high - low


def test_the_visible_difference_of_a_mean_is_that_of_a_t_test() -> None:
    """Of a score that is a mean, the standard error of a difference is known without any drawing."""
    pair = DICE.pair(np.random.default_rng(3), 80, 0.05)
    both = paired(DICE, *pair)
    (plan,) = planned(both, [40], 20_000)
    apart = both.per_sample[0] - both.per_sample[1]
    error = float(apart.std(ddof=1)) / math.sqrt(40)
    known = (stats.t.ppf(0.975, 39) + stats.t.ppf(0.8, 39)) * error
    # The error is itself known from 80 images: power over all such pilots asks for a noncentral t of as many degrees
    # of freedom as their variance has, by its kurtosis.
    freedom = 2 * 80 / (float(stats.kurtosis(apart, fisher=False)) - 77 / 79)
    more = stats.nct.ppf(0.8, freedom, stats.t.ppf(0.975, 39)) / (stats.t.ppf(0.975, 39) + stats.norm.ppf(0.8))
    assert 1 < more < 1.05
    assert plan.visible.value == pytest.approx(known * more, rel=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_very_few_units_are_planned_from_as_a_normal_distribution_is(seed: int) -> None:
    """Runs drawn from five units say nothing of how errors differ: a fifth of the units decides, drawn or not."""
    both = paired(DICE, *DICE.pair(np.random.default_rng(seed), 5, 0.05))
    (plan,) = planned(both, [2000], 4000)
    apart = both.per_sample[0] - both.per_sample[1]
    error = float(apart.std(ddof=1)) / math.sqrt(2000)
    known = stats.nct.ppf(0.8, 4, stats.t.ppf(0.975, 1999))
    assert plan.visible.value == pytest.approx(known * error, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pooled mIoU", "mean Dice"])
def test_few_images_plan_for_four_of_five_as_well(name: str) -> None:
    """A short form of the simulation: the error that pilots of 30 images ask for, against that of real test sets."""
    population, size, power = populations()[name], 60, []
    real = [
        paired(population, *population.pair(np.random.default_rng(9000 + seed), size, 0.04)).values
        for seed in range(80)
    ]
    error = float(np.std([second - first for first, second in real], ddof=1))
    for seed in range(30):
        pilot = population.pair(np.random.default_rng(4000 + seed), 30, 0.04)
        (plan,) = planned(paired(population, *pilot), [size], 400)
        # A difference that is as large as this pilot calls visible would be found by a test on 60 images so often.
        power.append(stats.t.sf(stats.t.ppf(0.975, size - 1) - plan.visible.value / error, size - 1))
    assert 0.72 <= float(np.mean(power)) <= 0.88


def drawn_of_records(first: str, second: str, score: str, size: int, seed: int) -> Paired:
    """Both records on images that are drawn, with replacement, from those that they were scored on."""
    one, other = (recorded(RECORDS / name, score) for name in (first, second))
    places = np.random.default_rng(seed).integers(0, len(one.samples), size).tolist()
    runs = tuple(
        tuple(replace(each.samples[k], sample_id=f"{n:06d}", index=n) for n, k in enumerate(places))
        for each in (one, other)
    )
    return Paired(one.metric, one.info, one.score, runs, resamples=500)


@pytest.mark.slow
def test_pilots_in_which_one_image_decides_do_not_ask_for_many_times_too_many() -> None:
    """As tests/simulation/planned_from_records.py: 95 images show this difference, which bicyclists decide."""
    pair, asked = ("camvid-espnetv2-f64ef65e", "camvid-espnetv2-d3232f75"), []
    for seed in range(12):
        plans = planned(drawn_of_records(*pair, "miou", 20, seed), [10, 50, 200, 800], 400)
        asked.append(units_needed(plans, 0.0335, lambda plan: plan.visible.value) or math.inf)
    assert max(asked) <= 4 * 95
    assert 95 / 2 <= float(np.median(asked)) <= 2 * 95


@pytest.mark.slow
def test_a_test_set_without_a_score_shows_no_difference() -> None:
    """VOC's mIoU is undefined where a class is missing, as in nearly every set of 50 images and in few of 800."""
    both = drawn_of_records("voc2012-kmeans-34e65535", "voc2012-felzenszwalb-c947a83b", "miou", 440, 0)
    few, many = planned(both, [50, 800], 200)
    assert math.isnan(few.visible.value)
    assert many.visible.value > 0


def test_where_no_unit_can_be_left_out_nothing_is_known_of_any_size() -> None:
    """Of fewer than two units there is no error, of as many or of others; it was taken for one of equal units."""
    assert StudentsT.of([3]).for_size(50).freedom == 0
    assert StudentsT.of([]).for_size(50).freedom == -1
    assert StudentsT.of([1, 3]).for_size(4).sizes == (1, 1, 3, 3)
    nothing = Jackknife.of(np.full(7, np.nan), np.full(7, 1))
    ends = interval_of(0.5, np.random.default_rng(0).normal(0.5, 0.1, 100), nothing.for_size(20, 7))
    assert np.isnan(ends).all()


def test_the_range_is_that_of_a_variance_of_so_many_units() -> None:
    """Of a normal score with n units: t times the standard error of a log standard deviation, by hand."""
    values = np.random.default_rng(0).normal(size=50_000)
    plan = planned_width(DICE, 60, 60, 0).width
    assert plan.high / plan.value == pytest.approx(plan.value / plan.low)
    # A variance of n normal values has the relative variance 2 / (n - 1); the formula gives nearly that.
    log_error = math.sqrt((3 - 57 / 59) / 60) / 2
    assert log_error == pytest.approx(math.sqrt(2 / 59) / 2, rel=0.01)
    assert math.log(plan.high / plan.value) >= stats.t.ppf(0.975, 59) * log_error * 0.999
    assert values.std() == pytest.approx(1, abs=0.01)


def test_equal_runs_show_no_difference_at_any_size() -> None:
    run = DICE.draw(np.random.default_rng(0), 10)
    plan = planned(paired(DICE, run, run), [20])[0]
    assert plan.visible.value == 0
    assert math.isnan(plan.visible.low)


def fixed(units: int, width: float) -> Planned:
    return Planned(units, Estimated(width, width / 2, width * 2), Estimated(math.nan, math.nan, math.nan))


def test_sizes_for_a_target_by_hand() -> None:
    plans = [fixed(10, 0.4), fixed(40, 0.2), fixed(160, 0.1)]

    def needed(target: float) -> int | None:
        return units_needed(plans, target, lambda plan: plan.width.value)

    assert needed(0.2) == 40
    assert needed(0.1) == 160
    # Between, and beyond: half the width takes four times as many.
    assert needed(0.4 / math.sqrt(2)) == pytest.approx(20, abs=1)
    assert needed(0.05) == 640
    assert needed(0.9) == 10
    assert needed(0.0) is None
    assert needed(1e-9) is None
    assert units_needed(plans, 0.1, lambda plan: plan.visible.value) is None


def test_the_ladder_holds_the_size_itself() -> None:
    assert ladder(5)[0] == 5
    assert 1449 in ladder(1449)
    assert all(one < other for one, other in zip(ladder(37), ladder(37)[1:], strict=False))
    assert ladder(1449)[-1] == 200_000
