"""IoU of many classes: hand-counted rules for absent classes and void, and laws."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import places
from scenes import disturbed, label_map
from segbench.datasets.cityscapes import Cityscapes
from segbench.datasets.cocostuff import COCOStuff
from segbench.datasets.medaka import Medaka
from segbench.datasets.voc2012 import VOC2012
from segbench.errors import UserError
from segbench.evaluation.evaluate import evaluate
from segbench.evaluation.scoring import doubtful_intervals, score, score_warnings
from segbench.evaluation.statistics import Statistics
from segbench.metrics.overlap import CityscapesOverlap, COCOStuffOverlap, VOC2012Overlap
from segbench.predictions.find import find_predictions
from segbench.registry import families, metrics_of
from segbench.testing import check_metric
from segbench.types import ClassInfo, DatasetInfo, Metric, Prediction, Sample, Statistic

pytestmark = pytest.mark.usefixtures("engine")

FAMILIES: list[tuple[Metric, DatasetInfo]] = [
    (VOC2012Overlap(), VOC2012.info),
    (COCOStuffOverlap(), COCOStuff.info),
    (CityscapesOverlap(), Cityscapes.info),
]
FAMILY = pytest.mark.parametrize(("metric", "info"), FAMILIES, ids=lambda value: getattr(value, "name", ""))
Maps = hnp.arrays(np.uint8, (4, 5), elements=st.integers(0, 3))


def _measure(metric: Metric, info: DatasetInfo, truth: Any, predicted: Any, name: str = "a") -> Statistic:
    sample = Sample(name, "g", 0, labels=np.asarray(truth, np.uint8))
    return metric.measure(sample, Prediction(labels=np.asarray(predicted)), info)


def _pairs(info: DatasetInfo, count: int) -> list[tuple[Sample, Prediction]]:
    random = np.random.default_rng(3)
    maps = [label_map(info, random) for _ in range(count)]
    return [
        (Sample(f"s{n}", "g", n, labels=labels), Prediction(labels=disturbed(labels, info, random)))
        for n, labels in enumerate(maps)
    ]


@FAMILY
def test_the_laws(metric: Metric, info: DatasetInfo, tmp_path: Any) -> None:
    check_metric(metric, _pairs(info, 7), info, tmp_path)


@FAMILY
def test_a_perfect_prediction_scores_1_where_defined(metric: Metric, info: DatasetInfo) -> None:
    measured = [
        metric.measure(sample, Prediction(labels=np.asarray(sample.labels)), info) for sample, _ in _pairs(info, 3)
    ]
    scores = metric.compute(measured, info)
    assert {value for value in scores.values() if not math.isnan(value)} == {1.0}
    assert not math.isnan(scores[info.main_score])


@FAMILY
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_a_void_pixel_never_changes_anything(metric: Metric, info: DatasetInfo, seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = label_map(info, random)
    predicted = disturbed(truth, info, random)
    void = np.isin(truth, sorted(info.void - info.predictable or info.void))
    other = np.where(void, random.integers(0, 256, truth.shape), predicted).astype(np.uint8)
    first, second = (_measure(metric, info, truth, p) for p in (predicted, other))
    assert _bytes(metric.compute([first], info)) == _bytes(metric.compute([second], info))
    assert metric.per_class([first], info).keys() == metric.per_class([second], info).keys()


def _bytes(scores: dict[str, float]) -> bytes:
    return np.array(list(scores.values())).tobytes()


@FAMILY
@settings(max_examples=15)
@given(drawn=st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_drawing_a_sample_twice_counts_it_twice(metric: Metric, info: DatasetInfo, drawn: list[int]) -> None:
    measured = [metric.measure(*pair, info) for pair in _pairs(info, 5)]
    weights = np.bincount(drawn, minlength=5)[None]
    found = metric.resample(measured, info, weights)
    repeated = [replace(measured[n], sample_id=f"{place}") for place, n in enumerate(drawn)]
    for name, value in metric.compute(repeated, info).items():
        assert found[name][0] == pytest.approx(value, abs=1e-12, nan_ok=True)


SMALL = replace(
    VOC2012.info, classes=tuple(ClassInfo(n, f"class {n}", (n, n, n), "stuff", "ab"[n % 2]) for n in range(4))
)


@pytest.mark.parametrize("metric", [family for family, _ in FAMILIES], ids=lambda metric: metric.name)
@settings(max_examples=25)
@given(truth=Maps, predicted=Maps, order=st.permutations(range(4)))
def test_relabelling_classes_permutes_the_table(metric: Metric, truth: Any, predicted: Any, order: list[int]) -> None:
    before = metric.per_class([_measure(metric, SMALL, truth, predicted)], SMALL)
    names = np.array(order, np.uint8)
    after = metric.per_class([_measure(metric, SMALL, names[truth], names[predicted])], SMALL)
    rows = list(before.values()), list(after.values())
    for old, new in enumerate(order):
        assert np.array_equal(list(rows[0][old].values()), list(rows[1][new].values()), equal_nan=True)


@given(truth=Maps, predicted=Maps)
def test_pooled_scores_equal_counting_class_by_class(truth: Any, predicted: Any) -> None:
    metric = CityscapesOverlap()
    statistic = _measure(metric, SMALL, truth, predicted)
    ious, recalls, weighted = [], [], 0.0
    for c in range(4):
        both, either = ((truth == c) & (predicted == c)).sum(), ((truth == c) | (predicted == c)).sum()
        if either:
            ious.append(both / either)
            weighted += (truth == c).mean() * both / either
        if (truth == c).any():
            recalls.append((predicted == c)[truth == c].mean())
    scores = metric.compute([statistic], SMALL)
    assert scores["iou_class"] == pytest.approx(np.mean(ious), abs=1e-12)
    assert scores["mean_accuracy"] == pytest.approx(np.mean(recalls), abs=1e-12)
    assert scores["pixel_accuracy"] == pytest.approx((truth == predicted).mean(), abs=1e-12)
    assert scores["fwiou"] == pytest.approx(weighted, abs=1e-12)


@settings(max_examples=20)
@given(order=st.permutations(range(6)), cuts=st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_merging_is_associative_and_commutative(order: list[int], cuts: tuple[int, int]) -> None:
    metric, info = CityscapesOverlap(), Cityscapes.info
    items = [metric.measure(*pair, info) for pair in _pairs(info, 6)]
    low, high = sorted(cuts)
    a, b, c = (Statistics([items[n] for n in part]) for part in (order[:low], order[low:high], order[high:]))
    whole = Statistics(items)
    for x, y, z in itertools.permutations((a, b, c)):
        assert x.merge(y).merge(z) == x.merge(y.merge(z)) == whole


def test_voc_is_undefined_when_a_class_is_absent_from_both() -> None:
    metric, info = VOC2012Overlap(), VOC2012.info
    everything = np.arange(21, dtype=np.uint8).reshape(3, 7)
    assert metric.compute([_measure(metric, info, everything, everything)], info)["miou"] == 1.0
    without = np.where(everything == 20, 0, everything)
    scores = metric.compute([_measure(metric, info, without, without)], info)
    assert math.isnan(scores["miou"])
    assert scores["miou_defined"] == 1.0
    only_predicted = metric.compute([_measure(metric, info, without, everything)], info)
    assert only_predicted["miou"] == pytest.approx((19 + 0.5) / 21)


def test_cityscapes_counts_a_class_that_is_only_predicted_as_0() -> None:
    metric, info = CityscapesOverlap(), Cityscapes.info
    road, sidewalk, sky = 7, 8, 23
    statistic = _measure(metric, info, [[road, road, sky, 0]], [[road, sidewalk, sky, 33]])
    scores = metric.compute([statistic], info)
    assert scores["iou_class"] == pytest.approx((0.5 + 0.0 + 1.0) / 3)  # road, sidewalk, sky; bicycle on void only
    assert scores["iou_category"] == 1.0
    table = metric.per_category([statistic], info)
    assert table["flat"] == {"iou": 1.0}
    assert math.isnan(table["vehicle"]["iou"])


def test_cityscapes_predicting_an_ignored_id_is_a_false_negative_only() -> None:
    metric, info = CityscapesOverlap(), Cityscapes.info
    car, caravan = 26, 29
    scores = metric.compute([_measure(metric, info, [[car, car]], [[car, caravan]])], info)
    assert (scores["iou_class"], scores["iou_category"], scores["pixel_accuracy"]) == (0.5, 0.5, 0.5)


def test_cocostuff_differs_by_convention() -> None:
    metric, info = COCOStuffOverlap(), COCOStuff.info
    person, street_sign, wood = 0, 11, 181  # 11 is the PNG value of the removed id 12
    statistic = _measure(metric, info, [[person, person, person, 255]], [[person, street_sign, wood, 5]])
    scores = metric.compute([statistic], info)
    assert scores["miou_182"] == pytest.approx(1 / 3)  # classes with true pixels: person alone
    assert scores["miou_171"] == pytest.approx((1 / 3 + 0) / 2)  # person and the only predicted wood, no street sign
    assert len(metric.per_class([statistic], info)) == 171


@FAMILY
@pytest.mark.parametrize("value", [200, 255, -1])
def test_an_unknown_predicted_label_on_a_counted_pixel_is_an_error(
    metric: Metric, info: DatasetInfo, value: int
) -> None:
    sample = Sample("scene-7", "g", 0, labels=np.full((1, 2), info.classes[0].id, np.uint8))
    with pytest.raises(UserError, match=f"scene-7.*label value {value}"):
        metric.measure(sample, Prediction(labels=np.array([[0, value]], np.int64)), info)


def test_an_unknown_true_label_is_an_error() -> None:
    with pytest.raises(UserError, match="ground truth of sample 'a' holds label value 77"):
        _measure(VOC2012Overlap(), VOC2012.info, [[77]], [[1]])


def test_probabilities_are_read_in_class_order() -> None:
    metric, info = CityscapesOverlap(), Cityscapes.info
    sample = Sample("a", "g", 0, labels=np.array([[7, 33]], np.uint8))
    values = np.zeros((19, 1, 2), np.float32)
    values[0, 0, 0] = values[18, 0, 1] = 1  # road is the first class, bicycle the last
    assert metric.compute([metric.measure(sample, Prediction(probabilities=values), info)], info)["iou_class"] == 1.0
    with pytest.raises(UserError, match="19 classes"):
        metric.measure(sample, Prediction(probabilities=values[:5]), info)
    values[3] = np.nan
    with pytest.raises(UserError, match="NaN"):
        metric.measure(sample, Prediction(probabilities=values), info)


def test_counts_stay_exact_above_2_to_the_24() -> None:
    metric, info = VOC2012Overlap(), VOC2012.info
    big = 2**31 + 1
    columns = {"truth": np.array([1, 2]), "prediction": np.array([1, 1]), "pixels": np.array([big, 1])}
    statistics = [Statistic(metric.name, name, "g", 0, columns) for name in "ab"]
    assert metric.per_class(statistics, info)["aeroplane"]["pixels"] == 2 * big
    assert metric.compute(statistics, info)["pixel_accuracy"] == 2 * big / (2 * big + 2)


def test_families_that_do_not_fit_a_dataset_are_refused() -> None:
    with pytest.raises(UserError, match="'partition' scores binary tasks; voc2012 is multiclass"):
        metrics_of(VOC2012.info, more=("partition",))
    with pytest.raises(UserError, match="both report 'miou'"):
        metrics_of(VOC2012.info, more=("overlap",))
    with pytest.raises(UserError, match="knows no void label"):
        families(replace(Medaka.info, ignore_label=9), ("partition",))
    assert [m.name for m in metrics_of(Cityscapes.info, more=("boundary",))][-1] == "boundary"


@pytest.mark.parametrize("value", [2**63, 2**64 - 1])
def test_labels_beyond_64_bits_with_a_sign_are_refused(value: int) -> None:
    sample = Sample("scene-7", "g", 0, labels=np.zeros((1, 2), np.uint8))
    with pytest.raises(UserError, match=f"scene-7.*{value}"):
        VOC2012Overlap().measure(sample, Prediction(labels=np.array([[0, value]], np.uint64)), VOC2012.info)


def test_an_interval_that_misses_its_score_is_pointed_out() -> None:
    metric, info = COCOStuffOverlap(), COCOStuff.info
    golden = places.GOLDEN / "cocostuff"
    dataset = COCOStuff(golden)
    found = find_predictions(dataset, dataset.ids("val"), golden / "predictions")
    items = evaluate(dataset, [metric], found.files.items())
    scored = score(items, [metric], info)
    for name, value in scored.scores.items():
        assert value.value is not None
        assert value.low is not None
        assert value.high is not None
        # So few images hold few of the classes, but what the others would add is allowed for.
        assert value.low <= value.value <= value.high, name
    assert doubtful_intervals(scored) == []
    (said,) = score_warnings(scored, [metric], info)
    assert "'cat' (35), 'giraffe' (43)" in said
    assert "are in no true mask of this split: their 0 in miou_171, dice comes from so many predicted pixels" in said
    value = scored.scores["miou_171"]
    scored.scores["miou_171"] = value.model_copy(update={"high": value.low})
    assert doubtful_intervals(scored) == ["miou_171"]
    assert any("does not hold the value of miou_171" in each for each in score_warnings(scored, [metric], info))
