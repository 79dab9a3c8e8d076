"""Scores as functions of sums: what one product gives is what every other way gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from segbench import registry
from segbench.metrics.pooled import drawn, mean_of, mean_ratio, mean_where, ratio
from segbench.types import DatasetInfo, Metric, Prediction, Sample, Statistic


def test_a_mean_leaves_out_what_is_undefined() -> None:
    sums = mean_of(np.array([0.5, np.nan, 1.0]))
    weights = np.array([[1, 1, 1], [2, 5, 0], [0, 3, 0]])
    assert drawn(sums, weights).tolist()[:2] == [0.75, 0.5]
    assert np.isnan(drawn(sums, weights)[2])


def test_a_mean_of_quotients_is_that_of_the_defined_ones() -> None:
    above, below = np.array([[1.0, 3.0, 0.0], [0.0, 0.0, 0.0]]), np.array([[2.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
    found = mean_ratio(above, below)
    assert found[0] == (0.5 + 0.75) / 2
    assert np.isnan(found[1])
    positive = np.random.default_rng(0).random((50, 7)) + 0.1
    whole = mean_ratio(positive, 2 * positive[::-1])
    assert np.array_equal(whole, mean_where(ratio(positive, 2 * positive[::-1]), positive > 0))


def measured(metric: Metric, info: DatasetInfo, n: int = 9) -> list[Statistic]:
    """Statistics of noisy predictions; not every class is on every image."""
    random = np.random.default_rng(5)
    labels = [c.id for c in info.classes][-6:]
    numbered = [c.id for c in info.classes if c.kind == "thing"]
    found = []
    for k in range(n):
        truth = np.kron(random.choice(labels[: 2 + k % 4], (4, 4)), np.ones((6, 6), int)).astype(np.int64)
        noise = random.random(truth.shape) < 0.2
        predicted = np.where(noise, random.choice(labels, truth.shape), truth)
        instances = np.where(np.isin(truth, numbered), truth * 1000 + 1, truth) if "instances" in metric.parts else None
        sample = Sample(f"{k:03d}", f"g{k % 3}", k, labels=truth, instances=instances)
        found.append(metric.measure(sample, Prediction(labels=predicted), info))
    return found


def families() -> Iterator[tuple[str, str]]:
    for dataset in ("voc2012", "cityscapes", "cocostuff", "isbi2012", "medaka"):
        for metric in registry.dataset_class(dataset).info.metrics:
            yield dataset, metric
    yield "voc2012", "overlap"
    yield "medaka", "boundary"
    yield "cityscapes", "boundary"


@pytest.mark.parametrize(("dataset", "family"), sorted(set(families())))
def test_sums_give_the_scores_bit_for_bit(dataset: str, family: str) -> None:
    info, metric = registry.dataset_class(dataset).info, registry.metrics()[family]
    if family == "cardiac":
        assert metric.sums([], info, metric.scores[0].name) is None
        return
    statistics = measured(metric, info)
    weights = np.random.default_rng(1).multinomial(9, np.full(9, 1 / 9), 40)
    scored = metric.resample(statistics, info, weights)
    whole = metric.compute(statistics, info)
    for score in metric.scores:
        sums = metric.sums(statistics, info, score.name)
        assert sums is not None
        assert np.array_equal(drawn(sums, weights), scored[score.name], equal_nan=True), score.name
        once = sums.value(sums.terms.sum(axis=0, dtype=np.float64))
        assert float(once) == pytest.approx(whole[score.name], abs=1e-12, nan_ok=True)
