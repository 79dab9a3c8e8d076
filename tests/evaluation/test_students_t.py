"""Student's t of units of unlike sizes: intervals hold the truth, tests err, and gates see, as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from populations import RECORDS
from scipy import stats
from unlike_images import POPULATIONS, Scored, held

from segbench.evaluation.comparison import Paired
from segbench.evaluation.gate_power import errors_to_be_seen
from segbench.evaluation.intervals import corrected_interval, paired_intervals
from segbench.evaluation.resampling import Units
from segbench.evaluation.students_t import StudentsT
from segbench.evaluation.swaps import swap_patterns
from segbench.evaluation.unit_sizes import sizes_of, unit_shares, unit_sizes, weighing
from segbench.evaluation.weighted_means import WeightedMeans, errors_of_means
from segbench.metrics.pooled import mean_of, mean_of_quotients
from segbench.runs.stored import open_run
from segbench.types import Float64, Sums

MEDAKA = (25,) * 10 + (150,) * 2
UNLIKE = {
    "one long film": (40, 5, 5, 5, 5, 5),
    "two long films": (40, 40, 4, 4, 4, 4, 4, 4),
    "three long films": (40, 40, 40, 2, 2, 2, 2, 2, 2),
    "medaka": MEDAKA,
    "each twice as long": tuple(2**k for k in range(8)),
    "five long of thirty": (100,) * 5 + (2,) * 25,
}


def films(sizes: tuple[int, ...], sets: int, *, as_frames: bool = False, seed: int = 7) -> tuple[Float64, Float64]:
    """Differences (sets, films) of two equal methods, and the weights of films; frames of a film err alike or apart."""
    counts = np.array(sizes, np.float64)
    spread = 1 / np.sqrt(counts) if as_frames else np.ones(len(sizes))
    return np.random.default_rng(seed).normal(size=(sets, len(sizes))) * spread, counts / counts.sum()


@pytest.mark.parametrize("as_frames", [False, True])
@pytest.mark.parametrize("name", UNLIKE)
def test_intervals_of_films_of_unlike_sizes_hold_the_truth(name: str, *, as_frames: bool) -> None:
    """With n - 1 degrees of freedom they held it in 87 % of test sets with three long films, in 91 % with medaka's."""
    sizes = np.array(UNLIKE[name])
    differences, weights = films(UNLIKE[name], 2000, as_frames=as_frames)
    values = differences @ weights
    drawn = np.random.default_rng(1).multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), 1000)
    draws = (differences * sizes) @ drawn.T / (drawn @ sizes)
    without = (values[:, None] - differences * weights) / (1 - weights)
    held = paired_intervals(values, draws, without, np.tile(sizes, (len(values), 1)))
    assert 0.925 <= np.mean((held[:, 0] <= 0) & (held[:, 1] >= 0)) <= 0.99
    # Not by being endless: no wider than 2.5 times what would do if their true spread were known.
    spread = (1 / np.sqrt(sizes) if as_frames else 1.0) * weights
    usual = 2 * 1.96 * np.sqrt((spread**2).sum())
    assert np.median(held[:, 1] - held[:, 0]) < (2.5 if not as_frames else 4.5) * usual


@pytest.mark.parametrize("as_frames", [False, True])
@pytest.mark.parametrize("name", UNLIKE)
def test_tests_of_films_of_unlike_sizes_err_as_often_as_they_say(name: str, *, as_frames: bool) -> None:
    """With n - 1 degrees of freedom 6 to 15 % of equal methods had p < 0.05, and up to 2.1 % p < 0.001."""
    differences, weights = films(UNLIKE[name], 40_000, as_frames=as_frames)
    errors = np.abs(differences @ weights) / errors_of_means(differences, weights)
    t = StudentsT.of(UNLIKE[name])
    for level, most in ((0.05, 0.0535), (0.01, 0.0117), (0.001, 0.0014)):
        assert np.mean(errors > t.distance(level)) <= most
    if not as_frames:
        assert np.mean(errors > t.distance(0.05)) >= 0.047


def test_of_equal_sizes_it_is_students_t() -> None:
    t = StudentsT.of([7] * 6)
    assert (t.freedom, t.worth) == (5, 6)
    assert t.quantile(0.99) == pytest.approx(stats.t.ppf(0.99, 5), rel=1e-12)
    assert t.distance(1e-7) == pytest.approx(stats.t.isf(5e-8, 5), rel=1e-9)
    assert t.p_value(2.5) == pytest.approx(2 * stats.t.sf(2.5, 5), rel=1e-12)
    nearly = StudentsT.of([9, 10, 10, 11, 10, 12])
    assert (nearly.quantile(0.99), nearly.p_value(2.5)) == (t.quantile(0.99), t.p_value(2.5))
    # Many films of 1 to 9 frames are worth so many of equal size that these decide.
    sizes = np.random.default_rng(0).integers(1, 10, 60)
    worth = sizes.sum() ** 2 / (sizes**2).sum()
    assert StudentsT.of(sizes.tolist()).p_value(2.1) == pytest.approx(2 * stats.t.sf(2.1, worth - 1), rel=1e-12)


@pytest.mark.parametrize("name", UNLIKE)
def test_p_values_and_distances_are_each_others_inverse(name: str) -> None:
    t = StudentsT.of(UNLIKE[name])
    assert t == StudentsT.of(reversed(UNLIKE[name]))
    levels = [0.5, 0.05, 0.01, 0.001, 0.0004, 1e-5, 1e-12]
    distances = [t.distance(level) for level in levels]
    assert distances == sorted(distances)
    assert [t.p_value(each) for each in distances] == pytest.approx(levels, rel=0.02)
    assert t.quantile(0.975) == pytest.approx(t.distance(0.05), rel=1e-9)
    assert all(t.distance(level) >= stats.t.isf(level / 2, t.freedom) * (1 - 1e-12) for level in levels)


def test_the_size_of_a_unit_is_its_part_of_what_the_score_is_summed_of() -> None:
    by_samples = [
        (["a"] * 3 + ["b"] * 2 + ["c", "d", "e"], [3750, 2500, 1250, 1250, 1250]),
        (["a", "b"] * 10, [500] * 20),  # of two groups samples are drawn
        ([f"{k // 2}" for k in range(20)], [1000] * 10),
        ([str(k) for k in range(500)], [60, 40] * 100),  # blocks of three and of two
        ([f"film{k:03d}" for k in range(400) for _ in range(1 + (k == 0))], [75] + [50] * 199),
    ]
    for groups, sizes in by_samples:
        assert sizes_of(unit_shares(Units.of_groups(groups), np.ones((len(groups), 1)))).tolist() == sizes
    groups = ["a", "a", "b", "c", "d", "e"]
    # The mean over two sums, of which a has 2/10 and 4/8; the third is of nothing.
    terms = np.array([[1, 4, 0], [1, 0, 0], [2, 1, 0], [2, 1, 0], [2, 1, 0], [2, 1, 0]])
    assert unit_shares(Units.of_groups(groups), terms) == pytest.approx([0.35, 0.1625, 0.1625, 0.1625, 0.1625])
    assert unit_shares(Units.of_groups(groups), 0 * terms) == pytest.approx([1 / 3, 1 / 6, 1 / 6, 1 / 6, 1 / 6])
    # Each stands alone: an image of most of a class counts as much as a film of most of the frames.
    assert unit_shares(Units.of_groups(list("abcdef")), terms) == pytest.approx(
        [0.3, 0.05, 0.1625, 0.1625, 0.1625, 0.1625]
    )


def test_quotients_are_weighed_by_what_they_divide_by() -> None:
    """A mean over images has images of equal size, whatever their scores; of Dice it is true and predicted pixels."""
    values = np.array([0.1, np.nan, 0.9, 0.5])
    assert unit_shares(Units.of_groups(list("abcd")), weighing(mean_of(values))) == pytest.approx(
        [1 / 3, 0, 1 / 3, 1 / 3]
    )
    dice = Sums(np.array([[20, 80], [0, 10], [10, 10]]), mean_of_quotients)
    assert unit_shares(Units.of_groups(list("abc")), weighing(dice)) == pytest.approx([0.8, 0.1, 0.1])
    assert weighing(Sums(dice.terms, lambda sums: sums[..., 0])).tolist() == dice.terms.tolist()


@pytest.mark.parametrize(
    ("run_id", "score"), [("isbi2012-deconvnet-177eed3c", "v_rand"), ("drive-deconvnet-b179dd3d", "euler_error")]
)
def test_a_mean_over_images_has_images_of_equal_size(run_id: str, score: str) -> None:
    run = open_run(RECORDS / run_id)
    metric = next(each for each in run.metrics if score in {info.name for info in each.scores})
    sizes = unit_sizes(metric, tuple(run.statistics.of(metric.name)), run.info)[score]
    assert len(set(sizes.tolist())) == 1


@pytest.mark.parametrize("units", [2, 3, 12, 60])
def test_weighted_means_of_equal_units_are_students_t(units: int) -> None:
    means = WeightedMeans.of((3,) * units)
    for errors in (0.01, 0.5, 2.0, 4.0):
        assert means.p_value(errors) == pytest.approx(2 * stats.t.sf(errors, units - 1), rel=1e-7)
    assert means.distance(0.01) == pytest.approx(stats.t.isf(0.005, units - 1), rel=1e-7)
    assert means.p_value(0) == means.p_value(1e-9) == 1


@pytest.mark.parametrize("sizes", [(40, 5, 5, 5, 5, 5), MEDAKA, tuple(2**k for k in range(8)), (9990, 1, 1, 1)])
def test_weighted_means_lie_as_far_out_as_drawn_ones(sizes: tuple[int, ...]) -> None:
    differences, weights = films(sizes, 100_000, seed=3)
    errors = np.abs(differences @ weights) / errors_of_means(differences, weights)
    for outside in (0.5, 0.05, 0.01):
        within = 5 * np.sqrt(outside * (1 - outside) / len(errors))
        assert np.mean(errors > WeightedMeans.of(sizes).distance(outside)) == pytest.approx(outside, abs=within)


@pytest.mark.parametrize("population", ["in 3 of the images", "areas e^2.0"])
def test_intervals_hold_where_few_images_have_most_of_a_class(population: str) -> None:
    """With n - 1 degrees of freedom they held the IoU in 83 and 89 % of test sets, the difference in 85 and 93 %."""
    which = next(each for each in POPULATIONS if each.name == population and each.images >= 12)
    many = which.methods(np.random.default_rng(99), 20_000, "iou")[0].sum(axis=(0, 1))
    drawn = np.random.default_rng(0).multinomial(which.images, np.full(which.images, 1 / which.images), 400)
    one, other = (Scored.of(terms, drawn) for terms in which.methods(np.random.default_rng(1), 300, "iou"))
    truth = float(many[0] / many[1])
    found = min(held(one, other, truth, sized=True))
    assert found >= 0.89
    assert min(held(one, other, truth, sized=False)) < found - 0.03


def test_planned_sets_have_units_of_the_same_sizes() -> None:
    assert StudentsT.of(MEDAKA).for_size(24) == StudentsT.of(MEDAKA * 2)
    assert StudentsT.of(MEDAKA).for_size(6).sizes == (25,) * 5 + (150,)


@pytest.mark.parametrize("score", ["dice", "heart_rate_error_bpm"])
def test_a_score_that_is_one_of_each_film_has_films_of_equal_size(score: str) -> None:
    """Of medaka's six test films one has 150 of 275 frames, and still more of the foreground; but one heart rate."""
    run = open_run(RECORDS / "medaka-unet-324a10e9")
    metric = next(each for each in run.metrics if score in {info.name for info in each.scores})
    statistics = tuple(run.statistics.of(metric.name))
    sizes = unit_sizes(metric, statistics, run.info)[score]
    info = next(each for each in metric.scores if each.name == score)
    assert sizes.tolist() == Paired(metric, run.info, info, (statistics,)).sizes(0).tolist()
    if score == "dice":
        pixels: dict[str, int] = {}
        for each in statistics:
            truth, predicted, counts = (each.columns[name] for name in ("truth", "prediction", "pixels"))
            sides = sum(int(counts[side == 1].sum()) for side in (truth, predicted))
            pixels[each.group] = pixels.get(each.group, 0) + sides
        held = np.array([pixels[group] for group in sorted(pixels)])
        assert sizes.tolist() == np.round(10_000 * held / held.sum()).tolist()
        assert sizes.max() / sizes.sum() > 0.6
    else:
        assert len(set(sizes.tolist())) == 1


def test_an_undefined_score_without_a_unit_leaves_that_unit_out_of_the_sizes() -> None:
    draws = np.random.default_rng(0).normal(0.5, 0.1, 1000)
    without = np.array([0.4, 0.5, 0.6, 0.45, np.nan])
    known = corrected_interval(0.5, draws, without, np.array([1, 1, 1, 1, 90]))
    assert known == corrected_interval(0.5, draws, without, np.ones(5, np.int64))


@pytest.mark.parametrize("name", ["one long film", "medaka", "five long of thirty"])
def test_the_gate_sees_the_loss_that_it_names_in_four_of_five_test_sets(name: str) -> None:
    """As of units of equal size: its loss is above noise and few swaps give one as large."""
    level, t = 0.01, StudentsT.of(UNLIKE[name])
    differences, weights = films(UNLIKE[name], 800, seed=11)
    found = {}
    for what, errors in (
        ("promised", errors_to_be_seen(t, level, 0.8)),
        ("of equal sizes", errors_to_be_seen(StudentsT.of_equal(len(t.sizes)), level, 0.8)),
    ):
        losses = (differences + errors * np.sqrt((weights**2).sum())) * weights
        total = losses.sum(axis=1)
        patterns = np.concatenate(list(swap_patterns(len(weights), 10_000, 1000, 3)))
        reached = np.mean(np.abs(losses @ patterns.T) >= np.abs(total)[:, None] * (1 - 1e-9), axis=1)
        over = total / errors_of_means(losses / weights, weights)
        alone = reached * len(patterns) < 1.5
        p = np.where(alone, [min(r, t.p_value(e)) for r, e in zip(reached, over, strict=True)], reached) / 2
        found[what] = float(np.mean((over > t.quantile(1 - level)) & (p <= level)))
    assert 0.74 <= found["promised"] <= 0.92
    assert found["of equal sizes"] < 0.72
