"""ROC AUC, average precision and FPR at 95 % TPR of pixels: equal to scikit-learn on the same levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from segbench.evaluation.comparison import Paired
from segbench.evaluation.intervals import score_intervals
from segbench.evaluation.resampling import Units, bootstrap_weights
from segbench.evaluation.statistics import Statistics
from segbench.metrics import MetricFamily, level_table
from segbench.metrics.level_table import LevelTable
from segbench.metrics.pixel_ranking import PixelRanking
from segbench.metrics.probability_levels import LEVELS, levels
from segbench.registry import dataset_class
from segbench.testing import check_metric
from segbench.types import Array, Prediction, Sample, Statistic, UserError

METRIC = PixelRanking()
INFO = replace(dataset_class("isbi2012").info, ignore_label=255)
Pair = tuple[Array, Array]


def drawn(seed: int, shape: tuple[int, int] = (12, 15), skill: float = 1.5, steps: int = 0) -> Pair:
    """Truth with void, and probabilities of some skill, of `steps` levels where that is not 0."""
    random = np.random.default_rng(seed)
    truth = (random.random(shape) < 0.3).astype(np.uint8)
    values = 1 / (1 + np.exp(-random.normal(skill * (2.0 * truth - 1), 3)))
    truth[random.random(shape) < 0.1] = 255
    return truth, (np.round(values * steps) / steps if steps else values).astype(np.float32)


def measured(pairs: Sequence[Pair]) -> list[Statistic]:
    return [
        METRIC.measure(Sample(f"s{n:03}", f"g{n}", n, labels=truth), Prediction(probabilities=values), INFO)
        for n, (truth, values) in enumerate(pairs)
    ]


def scores(*pairs: Pair) -> dict[str, float]:
    return METRIC.compute(measured(pairs), INFO)


def by_sklearn(pairs: Sequence[Pair], quantised: bool = True) -> dict[str, float]:
    truth = np.concatenate([t[t != 255] for t, _ in pairs]) == 1
    values = np.concatenate([v[t != 255] for t, v in pairs])
    ranked = levels(values) if quantised else values
    fpr, tpr, _ = theirs.roc_curve(truth, ranked, drop_intermediate=False)
    return {
        "roc_auc": float(theirs.roc_auc_score(truth, ranked)),
        "average_precision": float(theirs.average_precision_score(truth, ranked)),
        "fpr_at_95_tpr": float(fpr[np.flatnonzero(tpr >= 0.95)[0]]),
    }


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 2**32), min_size=1, max_size=4),
    st.sampled_from([0, 1, 3, 255]),
    st.floats(-1, 4),
    st.integers(2, 12),
)
def test_scores_are_those_of_scikit_learn(seeds: list[int], steps: int, skill: float, height: int) -> None:
    pairs = [drawn(seed, (height, 15), skill, steps) for seed in seeds]
    both = np.unique(np.concatenate([t[t != 255] for t, _ in pairs]))
    if both.size < 2:
        return
    assert scores(*pairs) == pytest.approx(by_sklearn(pairs), abs=1e-12)


def test_levels_change_little_of_what_probabilities_say() -> None:
    pairs = [drawn(seed, (200, 200)) for seed in range(3)]
    found, exact = scores(*pairs), by_sklearn(pairs, quantised=False)
    assert found["roc_auc"] == pytest.approx(exact["roc_auc"], abs=5e-6)
    assert found == pytest.approx(exact, abs=2e-4)


def test_images_of_8_bits_lose_nothing() -> None:
    steps = np.arange(256) / 255
    for kind in (np.float32, np.float64):
        assert len(np.unique(levels(steps.astype(kind)))) == 256
    pairs = [drawn(seed, (50, 50), steps=255) for seed in range(3)]
    assert scores(*pairs) == pytest.approx(by_sklearn(pairs, quantised=False), abs=1e-12)


@settings(max_examples=200)
@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_levels_rise_with_probabilities_and_hold_what_is_near(one: float, other: float) -> None:
    low, high = sorted((one, other))
    first, second = levels(np.array([low, high])).tolist()
    assert 0 <= first <= second < LEVELS
    end = min(high, 1 - low)
    if high - low > max(end / 256, 2**-23):
        assert first < second
    assert levels(np.array([-0.0, 0.0, 1.0])).tolist() == [0, 0, LEVELS - 1]


def test_by_hand() -> None:
    truth = np.array([[0, 0, 1, 1, 255]], np.uint8)
    found = scores((truth, np.array([[0.1, 0.4, 0.35, 0.8, 1.0]], np.float32)))
    assert found["roc_auc"] == 0.75
    assert found["average_precision"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-15)
    assert found["fpr_at_95_tpr"] == 0.5
    assert scores((truth, np.full((1, 5), 0.3, np.float32)))["roc_auc"] == 0.5
    # 19 of 20 are exactly 95 %
    many = np.array([[1] * 20 + [0]], np.uint8)
    values = np.array([[0.9] * 19 + [0.1, 0.5]], np.float32)
    assert scores((many, values))["fpr_at_95_tpr"] == 0
    assert scores((many[:, 1:], values[:, 1:]))["fpr_at_95_tpr"] == 1


def test_undefined() -> None:
    truth, values = drawn(0)
    empty, full = np.zeros_like(truth), np.ones_like(truth)
    assert all(math.isnan(value) for value in METRIC.compute([], INFO).values())
    assert all(math.isnan(value) for value in scores((empty, values)).values())
    found = scores((full, values))
    assert found.pop("average_precision") == 1
    assert all(math.isnan(value) for value in found.values())
    assert METRIC.totals(measured([(truth, values)])[0], INFO) == {"true foreground": int((truth == 1).sum())}


def test_masks_have_no_ranking_and_images_beside_them_none_of_all() -> None:
    """A score of the others alone would be compared with scores of all images."""
    truth, values = drawn(0)
    mask = METRIC.measure(Sample("m", "g", 0, labels=truth), Prediction(labels=truth % 2), INFO)
    assert METRIC.totals(mask, INFO) == {"true foreground": int((truth == 1).sum())}
    assert METRIC.fault(mask, INFO) is None
    (ranked,) = measured([(truth, values)])
    for statistics in ([mask], [ranked, mask], [mask, ranked]):
        assert all(math.isnan(value) for value in METRIC.compute(statistics, INFO).values())
    for name, found in METRIC.resample([ranked, mask], INFO, np.array([[2, 0], [1, 1]])).items():
        assert found[0] == pytest.approx(scores((truth, values))[name], abs=1e-15)
        assert math.isnan(found[1])
    void = METRIC.measure(Sample("v", "g", 1, labels=np.full_like(truth, 255)), Prediction(labels=truth % 2), INFO)
    assert METRIC.compute([ranked, void], INFO) == scores((truth, values))
    columns = {name: np.concatenate([mask.columns[name], ranked.columns[name]]) for name in METRIC.columns}
    assert METRIC.fault(replace(mask, columns=columns), INFO) is not None


def test_resamples_are_the_scores_of_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [drawn(seed) for seed in range(8)]
    statistics = measured(pairs)
    (weights, *_) = bootstrap_weights(Units.of_groups([s.group for s in statistics]), 20)
    found = METRIC.resample(statistics, INFO, weights)
    for row, often in enumerate(weights.tolist()):
        expected = by_sklearn([pair for pair, n in zip(pairs, often, strict=True) for _ in range(n)])
        assert {name: values[row] for name, values in found.items()} == pytest.approx(expected, abs=1e-12)
    # one after the other, and of few levels and images at a time, or without floats
    for name, values in found.items():
        alone = [METRIC.resample(statistics, INFO, row[None])[name] for row in weights]
        np.testing.assert_array_equal(values, np.concatenate(alone))
    for limit, exact in (("_IMAGES_AT_ONCE", True), ("_EXACT_IN_FLOATS", True), ("_LEVELS_AT_ONCE", False)):
        monkeypatch.setattr(level_table, limit, 50 if limit == "_LEVELS_AT_ONCE" else 3)
        for name, values in METRIC.resample(measured(pairs), INFO, weights).items():
            np.testing.assert_allclose(values, found[name], rtol=0 if exact else 1e-14)


def test_counts_beyond_what_floats_hold_are_exact() -> None:
    """An image of 20,000 x 20,000 whose background is almost all at 0, drawn often."""
    pixels = np.array([[400_000_001, 3], [5, 7]])
    columns = {"level": np.array([0, 9]), "background": pixels[:, 0], "foreground": pixels[:, 1]}
    statistics = [Statistic(METRIC.name, f"s{n}", f"g{n}", n, columns) for n in range(3)]
    background, positive = 400_000_006, 10
    found = METRIC.resample(statistics, INFO, np.array([[1, 1, 1], [0, 30_000, 5]]))
    assert found["average_precision"].tolist() == pytest.approx(
        [0.7 * 7 / 12 + 0.3 * positive / (positive + background)] * 2, rel=1e-15
    )
    exact = (7 * 400_000_001 + 7 * 5 / 2 + 3 * 400_000_001 / 2) / (positive * background)
    assert found["roc_auc"].tolist() == pytest.approx([exact] * 2, rel=1e-15)


def test_tables_of_levels_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of both runs, and of what is between them for all patterns of swaps, which come in many parts."""
    runs = tuple(tuple(measured([drawn(seed, skill=skill) for seed in range(14)])) for skill in (2.0, 0.5))
    made: list[int] = []

    def counted(statistics: Sequence[Statistic], less: Sequence[Statistic] = ()) -> LevelTable:
        made.append(len(statistics) + len(less))
        return table_of(statistics, less)

    table_of = LevelTable.of
    monkeypatch.setattr(LevelTable, "of", counted)
    Paired(METRIC, INFO, METRIC.scores[0], runs, resamples=2500).difference(0, 1)
    assert sorted(made) == [14, 14, 28]


@pytest.mark.parametrize("limit", ["", "_IMAGES_AT_ONCE", "_EXACT_IN_FLOATS"])
@pytest.mark.parametrize("images", [1, 9])
def test_swapped_runs_are_those_side_by_side_to_the_last_bit(
    images: int, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where their levels, their truths or the images that have probabilities are not the same."""
    if limit:
        monkeypatch.setattr(level_table, limit, 4)
    one = measured([drawn(seed, skill=2.0) for seed in range(images)])
    others = [
        measured([drawn(seed, skill=0.5) for seed in range(images)]),
        measured([drawn(seed, skill=1.0, steps=5) for seed in range(images)]),
        measured([drawn(seed + 1, skill=1.0) for seed in range(images)]),
        [
            METRIC.measure(Sample("s000", "g0", 0, labels=drawn(0)[0]), Prediction(labels=drawn(0)[0] % 2), INFO),
            *one[1:],
        ],
        one,
    ]
    kept = np.random.default_rng(0).integers(0, 2, (40, images))
    for other in others:
        expected = MetricFamily.resample_swapped(METRIC, one, other, INFO, kept)
        for found, wanted in zip(METRIC.resample_swapped(one, other, INFO, kept), expected, strict=True):
            for name, values in wanted.items():
                np.testing.assert_array_equal(found[name], values)
    mine, theirs = METRIC.resample_swapped(one, others[0], INFO, kept)
    assert not np.array_equal(mine["roc_auc"], theirs["roc_auc"])


def test_intervals_and_paired_tests() -> None:
    good, poor = (measured([drawn(seed, skill=skill) for seed in range(12)]) for skill in (2.0, 0.5))
    values = METRIC.compute(good, INFO)
    for name, (low, high) in score_intervals(METRIC, good, INFO).items():
        assert low < values[name] < high
    for score in METRIC.scores:
        found = Paired(METRIC, INFO, score, (tuple(good), tuple(poor)), resamples=300).difference(0, 1)
        assert (found.value > 0) == score.higher_is_better
        assert found.p < 0.05
    assert Statistics(good[:5]).merge(Statistics(good[5:])) == Statistics(good)


def test_laws(tmp_path: Path) -> None:
    pairs = [
        (Sample(f"s{n}", f"g{n % 3}", n, labels=truth), Prediction(probabilities=values))
        for n in range(6)
        for truth, values in [drawn(n)]
    ]
    check_metric(METRIC, pairs, INFO, tmp_path)


def test_wrong_probabilities_are_refused_and_impossible_counts_are_faults() -> None:
    truth, values = drawn(0)
    for wrong in (values + 1, values[:-1], np.full_like(values, np.nan)):
        with pytest.raises(UserError, match="prediction of sample 's000'"):
            measured([(truth, wrong)])
    with pytest.raises(UserError, match="ground truth of sample 's000' holds label value 9"):
        measured([(np.where(truth == 1, 9, truth), values)])
    (right,) = measured([(truth, values)])
    assert METRIC.fault(right, INFO) is None
    for name, value in (("level", LEVELS), ("level", -1), ("level", -2), ("background", -1), ("foreground", 1 << 40)):
        column = right.columns[name].copy()
        column[0] = value
        assert METRIC.fault(replace(right, columns={**right.columns, name: column}), INFO) is not None, name
