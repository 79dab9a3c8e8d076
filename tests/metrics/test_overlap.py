"""Dice and IoU: hand-counted values and laws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segbench.datasets.medaka import Medaka
from segbench.errors import UserError
from segbench.metrics.joint_counts import joint_counts
from segbench.metrics.overlap import BinaryOverlap
from segbench.metrics.pair_counts import confusion
from segbench.types import Prediction, Sample, Statistic

pytestmark = pytest.mark.usefixtures("engine")

INFO = Medaka.info
METRIC = BinaryOverlap()
Masks = hnp.arrays(np.uint8, (5, 6), elements=st.integers(0, 1))


def _measure(truth: Any, predicted: Any, name: str = "a") -> Statistic:
    return METRIC.measure(
        Sample(name, "g", 0, labels=np.asarray(truth)), Prediction(labels=np.asarray(predicted)), INFO
    )


def test_hand_counted() -> None:
    first = _measure([[1, 1, 0, 0]], [[1, 0, 1, 0]], "a")  # TP 1, FP 1, FN 1
    second = _measure([[1, 1, 1, 1]], [[1, 1, 1, 1]], "b")  # TP 4
    scores = METRIC.compute([first, second], INFO)
    assert scores == {"dice": 10 / 12, "dice_per_image": 0.75, "iou_foreground": 5 / 7}
    table = METRIC.per_class([first, second], INFO)
    assert list(table) == ["background", "ventricle"]
    assert table["ventricle"] == {"iou": 5 / 7, "dice": 10 / 12, "accuracy": 5 / 6, "pixels": 6.0}
    assert table["background"] == {"iou": 1 / 3, "dice": 0.5, "accuracy": 0.5, "pixels": 2.0}


def test_an_image_empty_in_both_is_left_out_of_the_mean() -> None:
    empty = _measure([[0, 0]], [[0, 0]], "empty")
    half = _measure([[1, 1, 0]], [[1, 0, 1]], "half")
    assert METRIC.compute([empty, half], INFO)["dice_per_image"] == 0.5
    assert all(math.isnan(value) for value in METRIC.compute([empty], INFO).values())
    missed = _measure([[0, 0]], [[0, 1]], "missed")
    assert METRIC.compute([missed], INFO)["dice"] == 0.0


def test_a_probability_of_exactly_one_half_is_background() -> None:
    sample = Sample("a", "g", 0, labels=np.array([[1, 1]], np.uint8))
    above = np.nextafter(np.float32(0.5), np.float32(1))
    statistic = METRIC.measure(sample, Prediction(probabilities=np.array([[0.5, above]], np.float32)), INFO)
    assert METRIC.compute([statistic], INFO)["iou_foreground"] == 0.5


def test_counts_stay_exact_above_2_to_the_24() -> None:
    counts = np.array([2**53 // 4 + 1, 3], np.int64)
    columns = {"truth": np.array([1, 0]), "prediction": np.array([1, 1]), "pixels": counts}
    assert confusion([Statistic("binary-overlap", "a", "g", 0, columns)], {0: 0, 1: 1})[1, 1] == 2**53 // 4 + 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 2), np.uint8), "3 x 2"),
        (np.full((2, 3), 7, np.uint8), "label value 7"),
        (np.full((2, 3), -1, np.int16), "label value -1"),
    ],
)
def test_impossible_labels_are_refused_by_name(values: Any, message: str) -> None:
    sample = Sample("frame-7", "g", 0, labels=np.zeros((2, 3), np.uint8))
    with pytest.raises(UserError, match=message) as caught:
        METRIC.measure(sample, Prediction(labels=values), INFO)
    assert "frame-7" in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.5, np.inf])
def test_impossible_probabilities_are_refused(bad: float) -> None:
    values = np.full((2, 3), 0.5, np.float32)
    values[1, 1] = bad
    sample = Sample("frame-7", "g", 0, labels=np.zeros((2, 3), np.uint8))
    with pytest.raises(UserError, match="frame-7"):
        METRIC.measure(sample, Prediction(probabilities=values), INFO)


@given(hnp.arrays(np.int16, 40, elements=st.integers(-5, 300)), hnp.arrays(np.uint8, 40))
def test_joint_counts_equal_counting_one_by_one(first: Any, second: Any) -> None:
    expected: dict[tuple[int, int], int] = {}
    for pair in zip(first.tolist(), second.tolist(), strict=True):
        expected[pair] = expected.get(pair, 0) + 1
    rows, columns, pixels = joint_counts(first, second)
    found = list(zip(rows.tolist(), columns.tolist(), pixels.tolist(), strict=True))
    assert found == sorted((a, b, n) for (a, b), n in expected.items())


def test_joint_counts_of_a_wide_range_of_labels() -> None:
    rows, columns, pixels = joint_counts(np.array([0, 10**9, 0]), np.array([-(10**8), 5, -(10**8)]))
    assert (rows.tolist(), columns.tolist(), pixels.tolist()) == ([0, 10**9], [-(10**8), 5], [2, 1])


@settings(max_examples=50)
@given(Masks, Masks)
def test_swapping_truth_and_prediction_keeps_dice(truth: Any, predicted: Any) -> None:
    forth = METRIC.compute([_measure(truth, predicted)], INFO)["dice"]
    back = METRIC.compute([_measure(predicted, truth)], INFO)["dice"]
    assert forth == back or (math.isnan(forth) and math.isnan(back))
