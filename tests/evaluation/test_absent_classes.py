"""A class that no true mask holds, but that is predicted: it is named, and intervals do not pretend to know of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from noisy_predictions import INFO, METRIC, MIOU, measured
from places import ROOT
from segbench import Evaluator, registry
from segbench.boards.board import boards
from segbench.evaluation.comparison import Paired
from segbench.evaluation.intervals import score_intervals
from segbench.evaluation.scoring import score, score_warnings
from segbench.evaluation.statistics import Statistics
from segbench.metrics.overlap import BinaryOverlap
from segbench.runs.record import read_record
from segbench.types import Array, Prediction, Sample, Statistic


def drawn(n: int, stray: bool, *, seed: int = 0) -> tuple[list[Array], list[Array]]:
    """Truths of the classes 0 and 1, and noisy predictions; with `stray`, three pixels of class 2 on the first."""
    random = np.random.default_rng(seed)
    truths = [random.integers(0, 2, (16, 16)) for _ in range(n)]
    predictions = [np.where(random.random(t.shape) < 0.2, 1 - t, t) for t in truths]
    if stray:
        predictions[0][0, :3] = 2
    return truths, predictions


def test_it_is_named_with_its_pixels() -> None:
    truths, predictions = drawn(12, stray=True)
    scored = score(Statistics(measured(predictions, truths, ["one"] * 12)), [METRIC], INFO)
    (said,) = score_warnings(scored, [METRIC], INFO)
    assert "class 'class-2' is in no true mask of this split" in said
    assert "its 0 in miou, dice comes from 3 predicted pixels" in said
    assert scored.per_class["class-2"]["iou"] == 0
    truths, predictions = drawn(12, stray=False)
    assert (
        score_warnings(score(Statistics(measured(predictions, truths, ["one"] * 12)), [METRIC], INFO), [METRIC], INFO)
        == []
    )


def test_the_score_stays_and_its_interval_allows_for_any_value_of_the_class() -> None:
    (truths, clean), (_, stray) = drawn(12, stray=False), drawn(12, stray=True)
    runs = [measured(predictions, truths, ["one"] * 12) for predictions in (clean, stray)]
    without, found = (score_intervals(METRIC, run, INFO) for run in runs)
    values = METRIC.compute(runs[1], INFO)
    # Official: two classes as before, and a third that counts 0.
    assert values["miou"] == pytest.approx(2 / 3 * METRIC.compute(runs[0], INFO)["miou"], abs=0.01)
    low, high = found["miou"]
    assert low < values["miou"] < high
    # Had the third class any score from 0 to 1, the mean would be up to a third higher.
    assert high >= values["miou"] + 1 / 3
    assert high - low > 1 / 3 > 3 * (without["miou"][1] - without["miou"][0])
    for name in ("pixel_accuracy", "mean_accuracy", "fwiou", "dice_per_image"):
        assert found[name][1] - found[name][0] < 0.2, name
    paired = Paired(METRIC, INFO, MIOU, tuple(runs))
    assert paired.interval(1) == found["miou"]


def test_a_mean_of_nothing_true_has_no_interval() -> None:
    info, metric = Evaluator(num_classes=1).info, BinaryOverlap()
    predicted = np.zeros((12, 8, 8), np.int64)
    predicted[:, 0, 0] = 1
    statistics: list[Statistic] = [
        metric.measure(Sample(f"{k:02d}", "one", k, labels=np.zeros((8, 8), int)), Prediction(labels=one), info)
        for k, one in enumerate(predicted)
    ]
    scored = score(Statistics(statistics), [metric], info)
    for name in ("dice", "dice_per_image", "iou_foreground"):
        assert (scored.scores[name].value, scored.scores[name].low, scored.scores[name].high) == (0, None, None)
    (said,) = score_warnings(scored, [metric], info)
    assert "is in no true mask of this split" in said
    assert "comes from 12 predicted pixels, so there is no interval" in said


@pytest.mark.parametrize(("family", "score_name"), [("boundary", "boundary_iou"), ("boundary", "nsd")])
def test_other_means_over_classes_name_it_too(family: str, score_name: str) -> None:
    metric = registry.metrics()[family]
    truths, predictions = drawn(6, stray=True)
    statistics = [
        metric.measure(Sample(f"{k}", "one", k, labels=t), Prediction(labels=p), INFO)
        for k, (t, p) in enumerate(zip(truths, predictions, strict=True))
    ]
    absent = metric.absent_classes(statistics, INFO, score_name)
    assert absent is not None
    assert list(absent.pixels) == ["class-2"]
    assert absent.share == pytest.approx(1 / 3)
    assert metric.absent_classes(statistics, INFO, "hausdorff95") is None


def test_false_objects_of_a_class_without_true_ones() -> None:
    info, metric = registry.dataset_class("cityscapes").info, registry.metrics()["cityscapes-instances"]
    person, car = (next(c.id for c in info.classes if c.name == name) for name in ("person", "car"))
    road = next(c.id for c in info.classes if c.name == "road")
    truth = np.full((8, 8), road)
    truth[:4] = person
    predicted = truth.copy()
    predicted[6:] = car
    sample = Sample("a", "city", 0, labels=truth, instances=np.where(truth == person, person * 1000 + 1, truth))
    statistics = [metric.measure(sample, Prediction(labels=predicted), info)]
    absent = metric.absent_classes(statistics, info, "iiou_class")
    assert absent is not None
    assert dict(absent.pixels) == {"car": 16}
    assert metric.compute(statistics, info)["iiou_class"] == pytest.approx(0.5)
    assert absent.share == 0.5


def test_a_board_names_it() -> None:
    (folder,) = (ROOT / "leaderboards" / "records").glob("isbi2012-canny-*")
    record = read_record(folder)
    table = {**record.per_class, "cell": {"iou": 0.0, "dice": 0.0, "accuracy": None, "pixels": 0.0}}
    page = boards([record.model_copy(update={"per_class": table})])["isbi2012.md"]
    assert "**In no true mask**, so that a method that predicts them gets 0" in page
    assert "cell (1 method)" in page
    assert "In no true mask" not in boards([record])["isbi2012.md"]


def test_an_interval_takes_two_samples_that_count() -> None:
    """Of two images one is undefined: every draw that has a score has the same."""
    info, metric = Evaluator(num_classes=1).info, BinaryOverlap()
    empty, full = np.zeros((8, 8), int), np.ones((8, 8), int)
    full_and_part = full.copy()
    full_and_part[0] = 0
    statistics = [
        metric.measure(Sample("a", "one", 0, labels=full), Prediction(labels=full_and_part), info),
        metric.measure(Sample("b", "one", 1, labels=empty), Prediction(labels=empty), info),
    ]
    assert 0 < metric.compute(statistics, info)["dice_per_image"] < 1
    assert all(math.isnan(end) for end in score_intervals(metric, statistics, info)["dice_per_image"])
