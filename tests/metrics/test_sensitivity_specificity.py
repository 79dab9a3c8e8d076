"""Sensitivity, specificity and their kin: equal to scikit-learn, pixel by pixel, and to the formulas."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics.confusion_matrix import compute_confusion_matrix_metric, get_confusion_matrix
from sklearn import metrics as scikit_learn

from segbench.datasets.folder import Folder
from segbench.metrics.sensitivity_specificity import SensitivitySpecificity
from segbench.registry import dataset_class
from segbench.testing import check_metric
from segbench.types import Array, ClassInfo, DatasetInfo, Prediction, Sample, Statistic, UserError

METRIC = SensitivitySpecificity()
BINARY = replace(dataset_class("medaka").info, ignore_label=255)
CLASSES = (
    ClassInfo(0, "background", (0, 0, 0), "background"),
    ClassInfo(4, "vessel", (255, 0, 0)),
    ClassInfo(2, "lesion", (0, 255, 0)),
    ClassInfo(9, "never", (0, 0, 255)),
)
MANY = replace(Folder.info, classes=CLASSES, ignore_label=255)
POOLED = ("sensitivity", "specificity", "precision", "balanced_accuracy", "mcc", "volume_similarity")
PER_IMAGE = ("sensitivity", "specificity", "precision", "volume_similarity")
Pair = tuple[Array, Array]


def drawn(seed: int, labels: Sequence[int], shape: tuple[int, int] = (9, 11)) -> Pair:
    random = np.random.default_rng(seed)
    truth = random.choice(labels, shape)
    found = np.where(random.random(shape) < 0.4, random.choice(labels, shape), truth)
    return np.where(random.random(shape) < 0.1, 255, truth).astype(np.uint8), found.astype(np.uint8)


def measured(pairs: Sequence[Pair], info: DatasetInfo) -> list[Statistic]:
    return [
        METRIC.measure(Sample(f"s{n:03}", f"g{n}", n, labels=truth), Prediction(labels=found), info)
        for n, (truth, found) in enumerate(pairs)
    ]


def by_sklearn(truth: Array, found: Array) -> dict[str, float]:
    """Of masks (n,) bool, with NaN where scikit-learn has a warning or an error in place of a quotient."""
    table = scikit_learn.confusion_matrix(truth, found, labels=[False, True])
    (_, fp), (fn, tp) = table.tolist()
    recall = scikit_learn.recall_score(truth, found, zero_division=np.nan)
    specificity = scikit_learn.recall_score(~truth, ~found, zero_division=np.nan)
    both = truth.any() and not truth.all()
    return {
        "sensitivity": recall,
        "specificity": specificity,
        "precision": scikit_learn.precision_score(truth, found, zero_division=np.nan),
        "balanced_accuracy": scikit_learn.balanced_accuracy_score(truth, found) if both else math.nan,
        "mcc": scikit_learn.matthews_corrcoef(truth, found) if both else math.nan,
        "volume_similarity": 1 - abs(fp - fn) / (2 * tp + fp + fn) if tp + fp + fn else math.nan,
    }


def expected(pairs: Sequence[Pair], label: int) -> dict[str, float]:
    """All scores of a class."""
    masks = [(t[t != 255] == label, p[t != 255] == label) for t, p in pairs]
    whole = by_sklearn(*(np.concatenate(side) for side in zip(*masks, strict=True)))
    each = [by_sklearn(*pair) for pair in masks]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of means over nothing
        means = {f"{name}_per_image": float(np.nanmean([one[name] for one in each])) for name in PER_IMAGE}
    return {**whole, **means}


@pytest.mark.filterwarnings("ignore:.*(single label|y_pred contains classes).*")
@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2**32), st.sampled_from([(0,), (1,), (0, 1)])), min_size=1, max_size=4))
def test_a_binary_dataset_has_the_scores_of_its_foreground(drawings: list[tuple[int, tuple[int, ...]]]) -> None:
    pairs = [drawn(seed, labels, (3, 4)) for seed, labels in drawings]
    found = METRIC.compute(measured(pairs, BINARY), BINARY)
    assert found == pytest.approx(expected(pairs, 1), abs=1e-12, nan_ok=True)
    assert list(found) == [*POOLED, *(f"{name}_per_image" for name in PER_IMAGE)]


def test_of_several_classes_it_is_the_mean_without_background_of_one_against_the_rest() -> None:
    pairs = [drawn(seed, (0, 4, 2) if seed % 3 else (0, 4)) for seed in range(7)]
    statistics = measured(pairs, MANY)
    table = METRIC.per_class(statistics, MANY)
    assert list(table) == ["vessel", "lesion", "never"]
    vessel, lesion = (expected(pairs, label) for label in (4, 2))
    assert table["vessel"] == pytest.approx(vessel, abs=1e-12)
    assert table["lesion"] == pytest.approx(lesion, abs=1e-12)
    never = table["never"]
    assert {name for name, value in never.items() if not math.isnan(value)} == {"specificity", "specificity_per_image"}
    found = METRIC.compute(statistics, MANY)
    for name, value in found.items():
        classes = [vessel[name], lesion[name]] + ([1.0] if name.startswith("specificity") else [])
        assert value == pytest.approx(np.mean(classes), abs=1e-12), name


def test_means_over_images_are_monais() -> None:
    random = np.random.default_rng(5)
    truths, found = (random.random((6, 20, 20)) < part for part in (0.3, 0.4))
    pairs = [(truth.astype(np.uint8), one.astype(np.uint8)) for truth, one in zip(truths, found, strict=True)]
    predicted, true = (torch.from_numpy(each[:, None]).float() for each in (found, truths))
    table = get_confusion_matrix(predicted, true)
    scored = [METRIC.compute([statistic], BINARY) for statistic in measured(pairs, BINARY)]
    theirs = {
        "sensitivity": "sensitivity",
        "specificity": "specificity",
        "precision": "precision",
        "balanced_accuracy": "balanced accuracy",
        "mcc": "matthews correlation coefficient",
    }
    whole = METRIC.compute(measured(pairs, BINARY), BINARY)
    for name, called in theirs.items():
        values = compute_confusion_matrix_metric(called, table)[:, 0].tolist()
        assert [one[name] for one in scored] == pytest.approx(values, abs=1e-6), name
        if name in PER_IMAGE:
            assert whole[f"{name}_per_image"] == pytest.approx(np.mean(values), abs=1e-6)


def test_edges() -> None:
    """Nothing true, all true, nothing predicted, all predicted: what is undefined, and what is 0."""
    none, every, half = np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8), np.array([[0, 0], [1, 1]], np.uint8)
    found = METRIC.compute(measured([(half, none)], BINARY), BINARY)
    assert (found["sensitivity"], found["specificity"], found["mcc"], found["volume_similarity"]) == (0, 1, 0, 0)
    assert found["balanced_accuracy"] == 0.5
    assert math.isnan(found["precision"])
    found = METRIC.compute(measured([(half, every)], BINARY), BINARY)
    assert (found["sensitivity"], found["specificity"], found["precision"], found["mcc"]) == (1, 0, 0.5, 0)
    found = METRIC.compute(measured([(none, half)], BINARY), BINARY)
    assert (found["specificity"], found["precision"], found["volume_similarity"]) == (0.5, 0, 0)
    assert all(math.isnan(found[name]) for name in ("sensitivity", "balanced_accuracy", "mcc"))
    found = METRIC.compute(measured([(every, half)], BINARY), BINARY)
    assert found["sensitivity"] == 0.5
    assert all(math.isnan(found[name]) for name in ("specificity", "balanced_accuracy", "mcc"))
    assert METRIC.compute(measured([(half, half[::-1])], BINARY), BINARY)["mcc"] == -1
    assert all(math.isnan(value) for value in METRIC.compute([], BINARY).values())


def test_counts_of_many_large_images_are_exact_and_correlate() -> None:
    """Products of four counts would not fit into int64."""
    columns = {
        "truth": np.array([0, 0, 1, 1]),
        "prediction": np.array([0, 1, 0, 1]),
        "pixels": np.array([10**9, 10**3, 10**3, 10**8]),
    }
    statistics = [Statistic(METRIC.name, f"s{n}", f"g{n}", n, columns) for n in range(50)]
    found = METRIC.compute(statistics, BINARY)
    tn, error, tp = (50 * n for n in (10**9, 10**3, 10**8))
    exact = (tp * tn - error * error) / ((tp + error) * (tn + error))
    assert found["mcc"] == pytest.approx(exact, abs=1e-14)


def test_a_class_that_is_only_predicted_is_named() -> None:
    truth = np.full((4, 4), 4, np.uint8)
    found = truth.copy()
    found[0, :3] = 2
    statistics = measured([(truth, found)], MANY)
    absent = METRIC.absent_classes(statistics, MANY, "precision")
    assert absent is not None
    assert (absent.pixels, absent.share) == ({"lesion": 3}, 0.5)
    assert METRIC.absent_classes(statistics, MANY, "sensitivity") is None


def test_laws(tmp_path: Path) -> None:
    for info, labels in ((BINARY, (0, 1)), (MANY, (0, 4, 2))):
        pairs = [
            (Sample(f"s{n}", f"g{n % 3}", n, labels=truth), Prediction(labels=found))
            for n in range(6)
            for truth, found in [drawn(n, labels)]
        ]
        check_metric(METRIC, pairs, info, tmp_path)


def test_wrong_labels_are_refused() -> None:
    truth, found = drawn(0, (0, 1))
    with pytest.raises(UserError, match="prediction of sample 's000' holds label value 7"):
        measured([(truth, np.where(found > 0, 7, 0))], BINARY)
    with pytest.raises(UserError, match="'s000' is 9 x 10, its ground truth is 9 x 11"):
        measured([(truth, found[:, 1:])], BINARY)
