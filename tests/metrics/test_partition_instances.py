"""Adapted Rand error and variation of information of instance label images, against scikit-image."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import metrics as skimage_metrics

from segbench.metrics.partition_instances import PartitionInstances
from segbench.registry import dataset_class
from segbench.testing import check_metric
from segbench.types import Object, Prediction, Sample, UserError

pytestmark = pytest.mark.usefixtures("engine")

METRIC = PartitionInstances()
adapted_rand_error: Any = skimage_metrics.adapted_rand_error
variation_of_information: Any = skimage_metrics.variation_of_information
INFO = dataset_class("cityscapes").info


def _scores(truth: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float]:
    statistic = METRIC.measure(Sample("a", "g", 0, instances=truth), Prediction(labels=predicted), INFO)
    return METRIC.compute([statistic], INFO)


def _segments(seed: int, shape: tuple[int, int], segments: int) -> NDArray[np.int32]:
    """Nearest of some random centres, with an unlabelled border between them."""
    random = np.random.default_rng(seed)
    y, x = np.indices(shape)
    centres = random.random((segments, 2)) * shape
    distance = np.sort((y[..., None] - centres[:, 0]) ** 2 + (x[..., None] - centres[:, 1]) ** 2, axis=-1)
    nearest = np.argmin((y[..., None] - centres[:, 0]) ** 2 + (x[..., None] - centres[:, 1]) ** 2, axis=-1)
    border = distance[..., 1] - distance[..., 0] < 15 if segments > 1 else np.zeros(shape, bool)
    return np.where(border, 0, nearest + 1).astype(np.int32)


@pytest.mark.parametrize("seed", range(6))
def test_scores_equal_scikit_image(seed: int) -> None:
    truth, predicted = _segments(seed, (90, 120), 5 + 3 * seed), _segments(seed + 100, (90, 120), 30 - 4 * seed)
    found = _scores(truth, predicted)
    error, fraction_of_true, fraction_of_predicted = adapted_rand_error(truth, predicted, ignore_labels=(0,))
    split, merge = variation_of_information(truth, predicted, ignore_labels=(0,))
    expected = {
        "adapted_rand_error": error,
        "adapted_rand_precision": fraction_of_predicted,
        "adapted_rand_recall": fraction_of_true,
        "voi": split + merge,
        "voi_split": split,
        "voi_merge": merge,
    }
    assert found == pytest.approx(expected, abs=1e-12, rel=1e-12)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 6))
def test_noise_scores_as_in_scikit_image(seed: int, rows: int, labels: int) -> None:
    random = np.random.default_rng(seed)
    truth, predicted = random.integers(0, labels + 1, (2, rows, 7))
    found = _scores(truth, predicted)
    if not truth.any():
        assert all(math.isnan(value) for value in found.values())
        return
    split, merge = variation_of_information(truth, predicted, ignore_labels=(0,))
    assert (found["voi_split"], found["voi_merge"]) == pytest.approx((split, merge), abs=1e-12)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        error = adapted_rand_error(truth, predicted, ignore_labels=(0,))[0]
    assert found["adapted_rand_error"] == pytest.approx(error, abs=1e-12, nan_ok=True)


def test_a_split_lowers_recall_and_a_merge_precision() -> None:
    one, two = np.ones((4, 6), int), np.repeat([[1, 2]], 4, axis=0).repeat(3, axis=1)
    split, merged = _scores(one, two), _scores(two, one)
    # 24 pixels in halves of 12: 2 * 12 * 11 of 24 * 23 pairs stay together; one bit says which half.
    assert split["adapted_rand_recall"] == merged["adapted_rand_precision"] == 264 / 552
    assert split["adapted_rand_precision"] == merged["adapted_rand_recall"] == 1
    assert (split["voi_split"], split["voi_merge"]) == (1, 0)
    assert (merged["voi_split"], merged["voi_merge"]) == (0, 1)


def test_the_same_partition_is_perfect_whatever_its_numbers() -> None:
    truth = _segments(3, (50, 60), 9)
    renumbered = np.where(truth > 0, 70_000 - 13 * truth, -5)
    assert _scores(truth, renumbered) == {
        "adapted_rand_error": 0.0,
        "adapted_rand_precision": 1.0,
        "adapted_rand_recall": 1.0,
        "voi": 0.0,
        "voi_split": 0.0,
        "voi_merge": 0.0,
    }


def test_true_background_is_not_counted() -> None:
    truth = _segments(4, (50, 60), 9)
    predicted = _segments(5, (50, 60), 7)
    other = np.where(truth == 0, np.arange(truth.size).reshape(truth.shape), predicted)
    assert _scores(truth, other) == _scores(truth, predicted)


def test_undefined_is_nan_and_left_out_of_the_mean() -> None:
    nothing = _scores(np.zeros((3, 3), int), np.ones((3, 3), int))
    assert all(math.isnan(value) for value in nothing.values())
    singles = _scores(np.arange(1, 10).reshape(3, 3), np.arange(9).reshape(3, 3))
    assert math.isnan(singles["adapted_rand_error"])
    assert singles["voi"] == 0
    assert all(math.isnan(value) for value in METRIC.compute([], INFO).values())
    truth, predicted = _segments(1, (40, 40), 4), _segments(2, (40, 40), 4)
    statistics = [
        METRIC.measure(Sample(name, "g", n, instances=t), Prediction(labels=predicted), INFO)
        for n, (name, t) in enumerate((("a", truth), ("b", np.zeros_like(truth))))
    ]
    assert METRIC.compute(statistics, INFO) == _scores(truth, predicted)


def test_the_score_of_a_dataset_is_the_mean_over_its_images() -> None:
    pairs = [(_segments(n, (40, 50), 3 + n), _segments(n + 9, (40, 50), 8 - n)) for n in range(4)]
    statistics = [
        METRIC.measure(Sample(f"s{n}", "g", n, instances=t), Prediction(labels=p), INFO)
        for n, (t, p) in enumerate(pairs)
    ]
    expected = np.mean([adapted_rand_error(t, p, ignore_labels=(0,))[0] for t, p in pairs])
    assert METRIC.compute(statistics, INFO)["adapted_rand_error"] == pytest.approx(expected, abs=1e-12)


def test_laws(tmp_path: Path) -> None:
    pairs = []
    for n in range(5):
        truth = _segments(n, (40, 50), 3 + n) if n else np.zeros((40, 50), np.int32)
        predicted = _segments(n + 9, (40, 50), 8 - n)
        prediction = Prediction(labels=predicted) if n % 2 else Prediction(labels=truth * 0, instances=predicted)
        pairs.append((Sample(f"s{n}", "g", n, instances=truth), prediction))
    check_metric(METRIC, pairs, INFO, tmp_path)


@pytest.mark.parametrize(
    ("sample", "prediction", "message"),
    [
        (Sample("x", "g", 0), Prediction(labels=np.zeros((2, 2), int)), "no true instances"),
        (Sample("x", "g", 0, instances=np.zeros((2, 3), np.int32)), Prediction(labels=np.zeros((2, 2), int)), "2 x 3"),
        (Sample("x", "g", 0, instances=np.zeros((2, 2), np.int32)), Prediction(labels=np.zeros((2, 2))), "float64"),
        (
            Sample("x", "g", 0, instances=np.zeros((2, 2), np.int32)),
            Prediction(objects=(Object(1, np.ones((2, 2), bool)),)),
            "neither",
        ),
    ],
)
def test_bad_input_names_the_sample(sample: Sample, prediction: Prediction, message: str) -> None:
    with pytest.raises(UserError, match=f"'x'.*{message}"):
        METRIC.measure(sample, prediction, INFO)
