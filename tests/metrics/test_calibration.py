"""Calibration: ECE and Brier score against small computations of their definitions, and the laws of statistics."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torchmetrics.functional.classification import multiclass_calibration_error

from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.evaluation.evaluator import Evaluator
from segbench.evaluation.intervals import score_intervals
from segbench.evaluation.statistics import Statistics
from segbench.io import native
from segbench.metrics import probabilities
from segbench.metrics.calibration import PREDICTED, Calibration, reliability
from segbench.metrics.confidence_bins import BINS
from segbench.testing import check_metric
from segbench.types import Array, DatasetInfo, Prediction, Sample, Statistic

pytestmark = pytest.mark.usefixtures("engine")

METRIC = Calibration()
BINARY = Evaluator(num_classes=1).info
MANY = Evaluator(num_classes=4, ignore_index=255).info


def binary(seed: int, shape: tuple[int, int] = (17, 23), sharp: float = 1.0) -> tuple[Array, Array]:
    """True labels and a probability that comes true as often as it says, if `sharp` is 1."""
    random = np.random.default_rng(seed)
    honest = random.random(shape)
    truth = (random.random(shape) < honest).astype(np.uint8)
    odds = (honest / (1 - honest)) ** sharp
    return truth, (odds / (1 + odds)).astype(np.float32)


def classes(seed: int, shape: tuple[int, int] = (11, 13)) -> tuple[Array, Array]:
    """True labels of 4 classes with void, and probabilities."""
    random = np.random.default_rng(seed)
    raw = random.dirichlet(np.full(4, 0.6), shape).transpose(2, 0, 1)
    truth = np.array([random.choice(4, p=p / p.sum()) for p in raw.reshape(4, -1).T]).reshape(shape).astype(np.uint8)
    truth[0, :3] = 255
    return truth, raw.astype(np.float32)


def measured(truth: Array, probabilities: Array, info: DatasetInfo, name: str = "s") -> Statistic:
    return METRIC.measure(Sample(name, "g", 0, labels=truth), Prediction(probabilities=probabilities), info)


def by_classes(truth: Array, values: Array) -> tuple[list[float], list[float], float]:
    """ECE and squared error of every class, and the mean log loss, of pixels (n,) and probabilities (classes, n)."""
    edges = np.linspace(0, 1, BINS + 1)
    errors, squares = [], []
    for place, own in enumerate(values):
        here = truth == place
        bins = [(own > low) & (own <= high) | ((own == 0) & (low == 0)) for low, high in itertools.pairwise(edges)]
        errors.append(sum(b.mean() * abs(here[b].mean() - own[b].mean()) for b in bins if b.any()))
        squares.append(float(((own - here) ** 2).mean()))
    at_truth = values[truth, np.arange(truth.size)]
    return errors, squares, float(-np.log(np.maximum(at_truth, 2.0**-23)).mean())


def by_definition(truth: Array, values: Array) -> tuple[float, float]:
    """ECE and Brier of pixels (n,) and probabilities (classes, n), pixel by pixel, as the papers write them."""
    gaps = {number: [0, 0, 0.0] for number in range(1, BINS + 1)}
    squares = 0.0
    for label, row in zip(truth.tolist(), values.T.tolist(), strict=True):
        confidence = max(row)
        number = next(m for m in range(1, BINS + 1) if confidence <= m / BINS or m == BINS)
        gaps[number][0] += 1
        gaps[number][1] += row.index(confidence) == label
        gaps[number][2] += confidence
        squares += sum((p - (place == label)) ** 2 for place, p in enumerate(row))
    n = truth.size
    return sum(abs(right - total) for _, right, total in gaps.values()) / n, squares / n


@pytest.mark.parametrize("seed", range(4))
def test_many_classes_are_scored_as_defined(seed: int) -> None:
    truth, values = classes(seed)
    counted = truth != 255
    ece, brier = by_definition(truth[counted], values[:, counted].astype(float))
    found = METRIC.compute([measured(truth, values, MANY)], MANY)
    assert found["ece"] == pytest.approx(ece, abs=1e-12)
    assert found["brier"] == pytest.approx(brier, abs=1e-9)
    errors, squares, loss = by_classes(truth[counted].astype(int), values[:, counted].astype(float))
    assert found["ece_classwise"] == pytest.approx(np.mean(errors), abs=1e-12)
    assert found["nll"] == pytest.approx(loss, abs=1e-12)
    table = METRIC.per_class([measured(truth, values, MANY)], MANY)
    assert [row["ece"] for row in table.values()] == pytest.approx(errors, abs=1e-12)
    assert [row["brier"] for row in table.values()] == pytest.approx(squares, abs=1e-12)
    assert list(table) == [known.name for known in MANY.classes]


def test_log_loss_is_the_cross_entropy_of_training() -> None:
    logits = torch.from_numpy(np.random.default_rng(3).normal(0, 2, (1, 4, 30, 40)))
    truth = torch.from_numpy(classes(3, (30, 40))[0].astype(np.int64))[None]
    values = logits.softmax(1)[0].numpy().astype(np.float32)
    found = METRIC.compute([measured(truth[0].numpy(), values, MANY)], MANY)
    theirs = torch.nn.functional.cross_entropy(logits, truth, ignore_index=255)
    assert found["nll"] == pytest.approx(float(theirs), abs=1e-6)


def test_the_class_that_was_chosen_is_the_one_whose_confidence_counts() -> None:
    """Outputs of a model that stand for one class add up, and what it predicts may then be no longer the likeliest."""
    truth, values = classes(1)
    chosen = np.argsort(values, axis=0)[-2].astype(np.uint8)
    second = np.take_along_axis(values, chosen[None], axis=0)[0]
    statistic = METRIC.measure(Sample("s", "g", 0, labels=truth), Prediction(chosen, values), MANY)
    counted = truth != 255
    mine = statistic.columns["class"] == PREDICTED
    assert statistic.columns["confidence"][mine].sum() == pytest.approx(second[counted].astype(float).sum())
    assert statistic.columns["right"][mine].sum() == (chosen == truth)[counted].sum()


@pytest.mark.parametrize("change", ["logits", "halved", "doubled"])
def test_scores_that_are_no_probabilities_are_refused(change: str) -> None:
    truth, values = classes(2)
    wrong = {"logits": np.log(values), "halved": values / 2, "doubled": np.minimum(values * 2, 1)}[change]
    with pytest.raises(UserError, match=r"prediction of sample 's' holds values .* softmax"):
        measured(truth, wrong.astype(np.float32), MANY)


def test_half_precision_is_near_enough() -> None:
    truth, values = classes(2, (40, 40))
    exact, half = (
        METRIC.compute([measured(truth, each.astype(np.float32), MANY)], MANY)
        for each in (values, values.astype(np.float16))
    )
    assert half == pytest.approx(exact, abs=2e-3)


def test_a_loop_of_ones_own_gives_probabilities_of_several_classes() -> None:
    evaluator = Evaluator(num_classes=4, ignore_index=255, metrics=["overlap", "calibration"])
    pairs = [classes(seed) for seed in range(3)]
    truths, values = (torch.from_numpy(np.stack(side)) for side in zip(*pairs, strict=True))
    evaluator.update(values[:2], truths[:2], ["a", "b"])
    evaluator.update(values[2], truths[2], "c")
    whole = METRIC.compute([measured(*pair, MANY, str(n)) for n, pair in enumerate(pairs)], MANY)
    found = evaluator.compute()
    assert {name: found[name] for name in whole} == pytest.approx(whole, abs=1e-12)
    assert evaluator.per_class()["class-0"].keys() >= {"iou", "ece", "brier"}
    with pytest.raises(UserError, match="softmax"):
        evaluator.update(10 * values[0], truths[0], "d")


@pytest.mark.parametrize("seed", range(4))
def test_a_binary_task_is_that_of_its_two_classes_with_the_brier_score_of_one(seed: int) -> None:
    truth, values = binary(seed)
    both = np.stack([1 - values.astype(float), values.astype(float)]).reshape(2, -1)
    ece, brier = by_definition(truth.ravel(), both)
    found = METRIC.compute([measured(truth, values, BINARY)], BINARY)
    assert found["ece"] == pytest.approx(ece, abs=1e-12)
    assert found["brier"] == pytest.approx(brier / 2, abs=1e-12)
    errors, squares, loss = by_classes(truth.ravel().astype(int), both)
    assert found["ece_classwise"] == pytest.approx(errors[1], abs=1e-12)
    assert found["nll"] == pytest.approx(loss, abs=1e-12)
    table = METRIC.per_class([measured(truth, values, BINARY)], BINARY)
    assert table == {"foreground": pytest.approx({"ece": errors[1], "brier": squares[1]}, abs=1e-12)}
    assert found["brier"] == pytest.approx(float(np.mean((values.astype(float) - truth) ** 2)), abs=1e-12)


def test_it_is_what_torchmetrics_computes() -> None:
    truth, values = classes(9, (60, 70))
    found = METRIC.compute([measured(truth, values, MANY)], MANY)
    preds = torch.from_numpy(values)[None]
    theirs = multiclass_calibration_error(
        preds, torch.from_numpy(truth.astype(np.int64))[None], 4, n_bins=BINS, norm="l1", ignore_index=255
    )
    assert found["ece"] == pytest.approx(float(theirs), abs=1e-5)


def test_honest_probabilities_are_calibrated_and_sharpened_ones_are_not() -> None:
    honest, sharp, blunt = (
        METRIC.compute([measured(*binary(1, (400, 400), power), BINARY)], BINARY) for power in (1.0, 3.0, 0.3)
    )
    assert honest["ece"] < 0.01
    assert sharp["ece"] > 0.08
    assert blunt["ece"] > 0.08
    assert honest["brier"] < min(sharp["brier"], blunt["brier"])
    # A probability of p has the mean squared error p (1 - p), which is 1/6 over all p.
    assert honest["brier"] == pytest.approx(1 / 6, abs=0.005)


def test_a_bin_holds_its_upper_edge() -> None:
    edge = np.float32(1) - np.float32(0.4)
    truth = np.array([[0, 1, 1]], np.uint8)
    statistic = measured(truth, np.array([[0.0, 1.0, edge]], np.float32), BINARY)
    # Confidences 1, 1 and just above 9/15 or on it: the last bin, and the 9th or the 10th as the float lies.
    expected = {math.ceil(float(edge) * BINS) - 1, BINS - 1}
    mine = statistic.columns["class"] == PREDICTED
    assert set(statistic.columns["bin"][mine].tolist()) == expected
    half = measured(np.array([[0]], np.uint8), np.array([[0.5]], np.float32), BINARY)
    # 0.5 is no foreground: the background is predicted with a confidence of 0.5, and is right.
    assert half.columns["class"].tolist() == [PREDICTED, 1]
    assert (half.columns["bin"].tolist(), half.columns["right"].tolist()) == ([7, 7], [1, 0])


def test_label_maps_have_no_calibration() -> None:
    truth, _ = binary(0)
    statistic = METRIC.measure(Sample("s", "g", 0, labels=truth), Prediction(labels=truth), BINARY)
    assert all(column.size == 0 for column in statistic.columns.values())
    assert all(math.isnan(value) for value in METRIC.compute([statistic], BINARY).values())
    assert reliability([statistic]) == []
    with_one = METRIC.compute([statistic, measured(*binary(1), BINARY, "t")], BINARY)
    assert with_one == METRIC.compute([measured(*binary(1), BINARY, "t")], BINARY)


def test_wrong_probabilities_are_refused() -> None:
    truth, values = binary(0)
    for wrong in (values + 1, values[:-1], np.full_like(values, np.nan)):
        with pytest.raises(UserError, match="prediction of sample 's'"):
            measured(truth, wrong, BINARY)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 2**16), min_size=2, max_size=5, unique=True))
def test_pooled_histograms_are_those_of_all_pixels(seeds: list[int]) -> None:
    pairs = [binary(seed, (5, 9)) for seed in seeds]
    parts = [measured(*pair, BINARY, f"s{number}") for number, pair in enumerate(pairs)]
    truths, values = (np.concatenate(side) for side in zip(*pairs, strict=True))
    whole = measured(truths, values, BINARY)
    assert METRIC.compute(parts, BINARY) == pytest.approx(METRIC.compute([whole], BINARY), abs=1e-12)
    bins = reliability(parts)
    assert sum(int(each["pixels"]) for each in bins) == 45 * len(seeds)
    gap = sum(each["pixels"] * abs(each["accuracy"] - each["confidence"]) for each in bins) / (45 * len(seeds))
    assert gap == pytest.approx(METRIC.compute(parts, BINARY)["ece"], abs=1e-12)


def test_it_has_intervals_and_keeps_the_laws_of_metrics() -> None:
    parts = [measured(*binary(seed, sharp=2.0), BINARY, f"s{seed:02d}") for seed in range(20)]
    values = METRIC.compute(parts, BINARY)
    for name, (low, high) in score_intervals(METRIC, parts, BINARY).items():
        assert low < values[name] < high
    assert Statistics(parts[:7]).merge(Statistics(parts[7:])) == Statistics(parts)
    pairs = [
        (Sample(f"s{seed}", "g", seed, labels=truth), Prediction(probabilities=values))
        for seed in range(4)
        for truth, values in [binary(seed)]
    ]
    check_metric(METRIC, pairs, ISBI2012.info)
    many = [
        (Sample(f"s{seed}", "g", seed, labels=truth), Prediction(probabilities=values))
        for seed in range(4)
        for truth, values in [classes(seed)]
    ]
    check_metric(METRIC, many, MANY)
    for name, (low, high) in score_intervals(METRIC, [METRIC.measure(*pair, MANY) for pair in many], MANY).items():
        assert low <= METRIC.compute([METRIC.measure(*pair, MANY) for pair in many], MANY)[name] <= high


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("class", 7),
        ("bin", 15),
        ("pixels", 0),
        ("pixels", 10_000),
        ("right", -1),
        ("confidence", 1e9),
        ("squared_error", -1.0),
        ("log_loss", 1e9),
    ],
)
@pytest.mark.parametrize("info", [BINARY, MANY], ids=["binary", "many"])
def test_what_no_image_gives_is_a_fault(name: str, value: float, info: DatasetInfo) -> None:
    statistic = measured(*(binary(3) if info is BINARY else classes(3)), info)
    assert METRIC.fault(statistic, info) is None
    for row in (0, -1):
        column = statistic.columns[name].copy()
        column[row] = value
        assert METRIC.fault(replace(statistic, columns={**statistic.columns, name: column}), info)


def _one_by_one(truth: Array, labels: Array, values: Array, info: DatasetInfo) -> dict[tuple[int, int], list[float]]:
    """Sums of the columns of every class and bin, one pixel after the other, from the formulas."""
    table: dict[tuple[int, int], list[float]] = {}

    def add(place: int, confidence: float, right: bool, error: float, loss: float) -> None:
        row = table.setdefault((place, max(math.ceil(confidence * BINS) - 1, 0)), [0, 0, 0.0, 0.0, 0.0])
        for column, each in enumerate((1, right, confidence, error, loss)):
            row[column] += each

    known = [c.id for c in info.classes]
    for label, chosen, *own in zip(truth.flat, labels.flat, *(each.flat for each in values), strict=True):
        if label in info.void:
            continue
        own = [float(each) for each in own]
        at_truth = own[known.index(label)] if label in known else 0.0
        total = 0.0
        for place, each in enumerate(own):
            total += each * each
            gap = each - float(known[place] == label)
            add(place, each, known[place] == label, gap * gap, 0.0)
        error = max(total - 2 * at_truth + (label in known), 0.0)
        loss = -float(np.log(np.clip(np.array([at_truth]), 2.0**-23, 1.0))[0])
        add(PREDICTED, own[known.index(chosen)] if chosen in known else 0.0, chosen == label, error, loss)
    return table


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.int64])
@settings(max_examples=15)
@given(st.data())
def test_every_sum_is_that_of_pixels_one_by_one_bit_for_bit(kind: type[np.integer], data: st.DataObject) -> None:
    """Of maps with void, borders, classes that are not there, single pixels, and whatever lies in memory how."""
    shape = data.draw(st.tuples(st.integers(1, 7), st.integers(1, 9)))
    truth = data.draw(hnp.arrays(kind, shape, elements=st.sampled_from([0, 1, 3, 77, 255])))
    labels = data.draw(hnp.arrays(kind, shape, elements=st.sampled_from([0, 2, 3, 77])))
    grid = data.draw(hnp.arrays(np.uint8, (4, *shape), elements=st.integers(0, 30)))
    weights = np.maximum(grid, [[[1]], [[0]], [[0]], [[0]]]).astype(np.float64)
    values = (weights / weights.sum(axis=0)).astype(data.draw(st.sampled_from([np.float32, np.float64])))
    if data.draw(st.booleans()):
        truth, labels, values = truth[:, ::-1].copy()[:, ::-1], np.asfortranarray(labels), values.T.copy().T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probabilities, "_AT_ONCE", data.draw(st.sampled_from([1, 40, 1 << 18])))
        found = METRIC.measure(Sample("s", "g", 0, labels=truth), Prediction(labels, values), MANY)
    names = ("pixels", "right", "confidence", "squared_error", "log_loss")
    rows = zip(*(found.columns[name].tolist() for name in ("class", "bin", *names)), strict=True)
    assert {(place, number): row for place, number, *row in rows} == _one_by_one(truth, labels, values, MANY)


@settings(max_examples=60)
@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(1, 300), st.integers(1, 5), st.integers(1, 6)), elements=st.integers(0, 3)
    ),
    st.sampled_from([1, 7, 1 << 18]),
)
def test_the_likeliest_class_is_the_first_of_the_largest(values: Array, at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probabilities, "_AT_ONCE", at_once)
        assert np.array_equal(probabilities.likeliest(values), values.argmax(axis=0))
        assert not probabilities.holds_nan(values)
        values[-1, -1, -1] = np.nan
        assert probabilities.holds_nan(values)


def test_a_confidence_out_of_range_adds_to_no_bin() -> None:
    """The compiled part refuses it, whose sums could else lie outside of their table."""
    if native._native is None:
        pytest.skip("NumPy does the work")
    for wrong in (1.0000001, -1e-300, math.nan, math.inf):
        with pytest.raises(ValueError, match="not in"):
            native.add_to_bins(BINS, np.zeros(BINS, np.int64), np.zeros((1, BINS)), [np.array([[0.5, wrong]])])
    with pytest.raises(ValueError, match="do not fit"):
        native.add_to_bins(BINS, np.zeros(BINS - 1, np.int64), np.zeros((1, BINS)), [np.array([[0.5]])])
    with pytest.raises(ValueError, match="do not fit"):
        native.add_to_bins(BINS, np.zeros(BINS, np.int64), np.zeros((2, BINS)), [np.array([[0.5]])])
