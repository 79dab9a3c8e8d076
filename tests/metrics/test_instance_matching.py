"""Matched instances: against an assignment by SciPy (as StarDist matches), and by hand where it can be counted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.optimize import linear_sum_assignment

from segbench.metrics.instance_matching import THRESHOLDS, InstanceMatching
from segbench.registry import dataset_class
from segbench.testing import check_metric
from segbench.types import Prediction, Sample, Statistic, UserError

pytestmark = pytest.mark.usefixtures("engine")

METRIC = InstanceMatching()
INFO = dataset_class("medaka").info


def _statistic(truth: NDArray[Any], predicted: NDArray[Any], name: str = "a") -> Statistic:
    sample = Sample(name, "g", 0, labels=(truth > 0).astype(np.uint8), instances=truth)
    prediction = Prediction(labels=(predicted > 0).astype(np.uint8), instances=predicted)
    return METRIC.measure(sample, prediction, INFO)


def _scores(*pairs: tuple[NDArray[Any], NDArray[Any]]) -> dict[str, float]:
    return METRIC.compute([_statistic(*pair, name=f"s{n}") for n, pair in enumerate(pairs)], INFO)


def _matched(truth: NDArray[Any], predicted: NDArray[Any], threshold: float) -> int:
    """Most pairs of an IoU from `threshold` on, each instance in one at most: from a table of all IoUs."""
    mine, theirs = (np.unique(each[each > 0]) for each in (truth, predicted))
    if not mine.size or not theirs.size:
        return 0
    iou = np.array(
        [
            [((truth == a) & (predicted == b)).sum() / ((truth == a) | (predicted == b)).sum() for b in theirs]
            for a in mine
        ]
    )
    near = iou >= threshold
    rows, columns = linear_sum_assignment(near, maximize=True)
    return int(near[rows, columns].sum())


def _cells(seed: int, shape: tuple[int, int], cells: int) -> NDArray[np.int32]:
    """Nearest of some random centres, a part of them background."""
    random = np.random.default_rng(seed)
    y, x = np.indices(shape)
    centres = random.random((cells, 2)) * shape
    nearest = np.argmin((y[..., None] - centres[:, 0]) ** 2 + (x[..., None] - centres[:, 1]) ** 2, axis=-1) + 1
    held = random.random(cells + 1) < 0.8
    return np.where(held[nearest], nearest, 0).astype(np.int32)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 24), st.integers(1, 9), st.booleans())
def test_as_many_pairs_match_as_an_assignment_finds(seed: int, side: int, cells: int, halves: bool) -> None:
    truth = _cells(seed, (side, 20), cells)
    # Halves have an IoU of exactly 0.5 with the whole, so that a true instance has two partners.
    predicted = 2 * truth + np.arange(20) % 2 * (truth > 0) if halves else _cells(seed + 1, (side, 20), cells)
    columns = _statistic(truth, predicted).columns
    assert columns["true"][0] == len(np.unique(truth[truth > 0]))
    assert columns["predicted"][0] == len(np.unique(predicted[predicted > 0]))
    expected = [_matched(truth, predicted, threshold / 100) for threshold in THRESHOLDS]
    assert [columns[f"tp_{threshold}"][0] for threshold in THRESHOLDS] == expected


def test_scores_by_hand() -> None:
    truth = np.zeros((10, 20), np.int32)
    truth[:4, :4], truth[:4, 10:14], truth[6:, :4] = 7, 3, 900
    predicted = np.zeros_like(truth)
    predicted[:4, :4] = 1  # as it is
    predicted[:3, 10:14] = 5  # 12 of 16 pixels
    predicted[6:, 16:] = 2  # where nothing is
    empty = np.zeros_like(truth)
    found = _scores((truth, predicted), (empty, empty))
    assert (found["precision_50"], found["recall_50"], found["f1_50"]) == (2 / 3, 2 / 3, 4 / 6)
    assert found["f1_75"] == 4 / 6
    assert found["matched_iou"] == (1 + 0.75) / 2
    # Two pairs of four instances up to an IoU of 0.75, one of five above; the empty image is left out.
    assert found["dsb_score"] == pytest.approx((6 * 2 / 4 + 4 * 1 / 5) / 10, abs=1e-15)
    assert found["count_error"] == 0
    assert _scores((truth, empty))["count_error"] == 3


def test_the_same_instances_are_perfect_whatever_their_numbers() -> None:
    truth = _cells(3, (40, 50), 9)
    found = _scores((truth, np.where(truth > 0, 70_000 - 13 * truth, 0)))
    assert {name: value for name, value in found.items() if value != 1} == {"count_error": 0}


def test_pieces_of_masks_are_instances_where_there_are_no_numbers() -> None:
    mask = np.random.default_rng(0).random((30, 40)) < 0.3
    pieces, n = label(mask, np.ones((3, 3)))
    for prediction in (
        Prediction(labels=mask.astype(np.uint8)),
        Prediction(probabilities=mask.astype(np.float32) * 0.8),
        Prediction(labels=mask.astype(np.uint8), instances=pieces),
    ):
        statistic = METRIC.measure(Sample("a", "g", 0, labels=mask.astype(np.uint8)), prediction, INFO)
        assert [values[0] for values in statistic.columns.values()] == [n] * 13


def test_undefined_is_nan_and_void_counts_nowhere() -> None:
    nothing = np.zeros((5, 6), np.int32)
    found = _scores((nothing, nothing))
    assert found.pop("count_error") == 0
    assert all(math.isnan(value) for value in found.values())
    assert all(math.isnan(value) for value in METRIC.compute([], INFO).values())
    truth = _cells(5, (20, 20), 5)
    info = dataset_class("folder").info_of({"task": "binary", "classes": {0: "no", 1: "yes"}, "ignore": 255})
    void = np.zeros(truth.shape, bool)
    void[:, 12:] = True
    labels = np.where(void, 255, truth > 0).astype(np.uint8)
    predicted = np.where(void, 99, truth)
    prediction = Prediction(labels=(predicted > 0).astype(np.uint8), instances=predicted)
    statistic = METRIC.measure(Sample("a", "g", 0, labels=labels, instances=truth), prediction, info)
    assert METRIC.compute([statistic], info)["f1_50"] == 1
    assert statistic.columns["true"][0] == len(np.unique(truth[:, :12][truth[:, :12] > 0]))


def test_what_is_predicted_on_void_joins_no_pieces() -> None:
    info = dataset_class("folder").info_of({"task": "binary", "classes": {0: "no", 1: "yes"}, "ignore": 255})
    labels = np.array([[1, 255, 1]], np.uint8)
    found = [
        METRIC.measure(Sample("a", "g", 0, labels=labels), Prediction(labels=np.array([[1, on, 1]], np.uint8)), info)
        for on in (0, 1)
    ]
    assert [statistic.columns["predicted"][0] for statistic in found] == [2, 2]


def test_laws(tmp_path: Path) -> None:
    pairs = []
    for n in range(5):
        truth, predicted = _cells(n, (40, 50), 3 + n), _cells(n + 9, (40, 50), 8 - n)
        if not n:
            truth = np.zeros_like(truth)
        labels = (predicted > 0).astype(np.uint8)
        prediction = Prediction(labels=labels) if n % 2 else Prediction(labels=labels, instances=predicted)
        pairs.append((Sample(f"s{n}", "g", n, labels=(truth > 0).astype(np.uint8), instances=truth), prediction))
    check_metric(METRIC, pairs, INFO, tmp_path)


def test_a_label_that_is_no_class_is_refused_where_it_is_counted() -> None:
    truth = _cells(1, (8, 9), 3)
    labels = (truth > 0).astype(np.uint8)
    sample = Sample("x", "g", 0, labels=labels, instances=truth)
    with pytest.raises(UserError, match=r"'x' holds label value 255\. Expected only 0-1"):
        METRIC.measure(sample, Prediction(labels=labels * np.uint8(255)), INFO)
    info = dataset_class("folder").info_of({"task": "binary", "classes": {0: "no", 1: "yes"}, "ignore": 255})
    void = Sample("x", "g", 0, labels=np.array([[1, 255]], np.uint8))
    columns = METRIC.measure(void, Prediction(labels=np.array([[1, 7]], np.uint8)), info).columns
    assert columns["tp_95"][0] == 1


def test_another_size_and_no_truth_are_refused() -> None:
    truth = _cells(1, (8, 9), 3)
    sample = Sample("x", "g", 0, labels=(truth > 0).astype(np.uint8), instances=truth)
    with pytest.raises(UserError, match="'x' is 8 x 8, its ground truth is 8 x 9"):
        METRIC.measure(sample, Prediction(labels=truth[:, 1:] > 0, instances=truth[:, 1:]), INFO)
    with pytest.raises(UserError, match="'x' has no ground truth"):
        METRIC.measure(Sample("x", "g", 0), Prediction(labels=truth > 0), INFO)
    row: dict[str, Any] = dict(_statistic(truth, truth).columns)
    for name, value in (("true", -1), ("tp_50", 99), ("tp_95", row["tp_50"][0] + 1), ("iou", 0.1)):
        wrong = Statistic("instance-matching", "x", "g", 0, {**row, name: np.array([value], row[name].dtype)})
        assert METRIC.fault(wrong, INFO) is not None
    assert METRIC.fault(_statistic(truth, truth), INFO) is None
