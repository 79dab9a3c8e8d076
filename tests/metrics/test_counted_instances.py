"""Cityscapes instance scores of scenes that are counted by hand, and input that is refused."""

from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from instance_scenes import SHAPE, labels_of, make_scene, make_scenes

import places
from segbench.datasets.cityscapes import Cityscapes
from segbench.errors import UserError
from segbench.evaluation.evaluate import evaluate
from segbench.evaluation.statistics import Statistics
from segbench.io.images.rle import encode_rle
from segbench.metrics.cityscapes_ap import CityscapesAP
from segbench.metrics.instances import AVERAGE_CLASS_SIZE, CityscapesInstances
from segbench.predictions.find import find_predictions
from segbench.types import Object, Prediction, Sample

pytestmark = pytest.mark.usefixtures("engine")

INFO = Cityscapes.info
IIOU = CityscapesInstances()
AP = CityscapesAP()
GOLDEN = places.GOLDEN / "cityscapes"


# ---- hand-counted


def _strip(*runs: tuple[int, int]) -> Any:
    return np.concatenate([np.full(pixels, value, np.int32) for value, pixels in runs])[np.newaxis]


def _iiou(instances: Any, predicted: Any) -> dict[str, float]:
    sample = Sample("strip", "city", 0, labels=labels_of(instances), instances=instances)
    statistics = [IIOU.measure(sample, Prediction(labels=predicted.astype(np.uint8)), INFO)]
    classes = {name: row["iiou"] for name, row in IIOU.per_class(statistics, INFO).items()}
    return {**classes, **{name: row["iiou"] for name, row in IIOU.per_category(statistics, INFO).items()}}


def test_a_large_object_weighs_as_much_as_a_small_one() -> None:
    found = _iiou(_strip((26000, 90), (26001, 10), (7, 50)), _strip((26, 90), (7, 60)))
    assert found["car"] == pytest.approx(0.5)
    assert math.isnan(found["person"])


def test_a_group_is_no_object_and_a_caravan_is_a_vehicle() -> None:
    found = _iiou(
        _strip((26, 60), (26000, 10), (7, 20), (29000, 5)), _strip((29, 60), (29, 10), (29, 8), (7, 12), (26, 5))
    )
    size = AVERAGE_CLASS_SIZE["car"]
    assert found["car"] == 0.0
    assert found["vehicle"] == pytest.approx(size / (size + 8))


def test_a_class_that_is_only_predicted_counts_0() -> None:
    assert _iiou(_strip((7, 20)), _strip((7, 15), (24, 5)))["person"] == 0.0


def _ap50(truth: Any, *objects: tuple[Any, float], label: int = 26) -> float:
    sample = Sample("strip", "city", 0, labels=labels_of(truth), instances=truth)
    prediction = Prediction(objects=tuple(Object(label, mask, score) for mask, score in objects))
    return AP.compute([AP.measure(sample, prediction, INFO)], INFO)["ap50"]


def test_a_match_is_strictly_above_the_threshold() -> None:
    truth = _strip((26000, 200), (7, 300))
    half, more = np.arange(500)[np.newaxis] < 400, np.arange(500)[np.newaxis] < 399
    assert _ap50(truth, (half, 0.5)) == 0.0
    assert _ap50(truth, (more, 0.5)) == 1.0


def test_a_second_match_is_a_false_positive_and_the_best_score_is_kept() -> None:
    truth = _strip((26000, 200), (26001, 200), (7, 100))
    first, second = truth == 26000, truth == 26001
    # 0.9 right, 0.8 wrong (the first object again), 0.7 right: precisions 1, 1/2, 2/3 at recalls 1/2, 1/2, 1.
    expected = 0.5 * 1 + 0.5 * (1 / 2 + 2 / 3) / 2
    assert _ap50(truth, (first, 0.8), (first, 0.9), (second, 0.7)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("other", "wrong"), [(0, False), (26, False), (26001, False), (7, True), (24, True), (29000, True)]
)
def test_what_lies_on_void_groups_and_small_objects_is_no_false_positive(other: int, wrong: bool) -> None:
    truth = _strip((26000, 200), (other, 99), (11, 100))
    found = _ap50(truth, (truth == other, 0.9), (truth == 26000, 0.5))
    assert found == pytest.approx(0.25 if wrong else 1.0)


def test_labels_without_an_instance_score_and_empty_masks_are_left_out() -> None:
    truth = _strip((26000, 200), (29000, 200))
    sample = Sample("strip", "city", 0, labels=labels_of(truth), instances=truth)
    objects = (Object(29, truth == 29000, 0.9), Object(7, truth == 29000, 0.9), Object(26, truth == 1, 0.9))
    assert len(AP.measure(sample, Prediction(objects=objects), INFO).columns["label"]) == 1


def test_run_length_encoded_masks_score_the_same() -> None:
    sample, _, prediction = make_scene(3)
    assert prediction.objects is not None
    encoded = tuple(dataclasses.replace(o, mask=encode_rle(np.asarray(o.mask))) for o in prediction.objects)
    first, second = (AP.measure(sample, p, INFO) for p in (prediction, Prediction(objects=encoded)))
    assert Statistics([first]) == Statistics([second])


# ---- errors


def test_without_instance_maps_iiou_is_undefined_and_ap_is_refused(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "gtFine", tmp_path / "gtFine", ignore=shutil.ignore_patterns("*instanceIds*"))
    dataset = Cityscapes(tmp_path)
    found = find_predictions(dataset, dataset.ids("val"), GOLDEN / "predictions")
    statistics = evaluate(dataset, [IIOU], found.files.items())
    assert all(math.isnan(value) for value in IIOU.compute(statistics.of(IIOU.name), INFO).values())
    statistics.to_parquet(tmp_path / "statistics.parquet", [IIOU])
    assert Statistics.from_parquet(tmp_path / "statistics.parquet", {IIOU.name: IIOU}) == statistics
    found = find_predictions(dataset, dataset.ids("val"), GOLDEN / "predictions_instance")
    with pytest.raises(UserError, match=r"alphaville_000000_000019.*no instance map"):
        evaluate(dataset, [AP], found.files.items())


def test_one_missing_instance_map_leaves_iiou_undefined() -> None:
    scenes = make_scenes(1)
    bare = dataclasses.replace(scenes[0][0], instances=None)
    pairs = [(bare, scenes[0][1]), *((sample, labels) for sample, labels, _ in scenes[1:])]
    statistics = Statistics([IIOU.measure(sample, labels, INFO) for sample, labels in pairs]).of(IIOU.name)
    assert all(math.isnan(value) for value in IIOU.compute(statistics, INFO).values())
    assert np.isnan(IIOU.resample(statistics, INFO, np.ones((3, 4), np.int64))["iiou_class"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.full(SHAPE, 99, np.uint8)}, "label value 99"),
        ({"labels": np.zeros((2, 3), np.uint8)}, "2 x 3"),
        ({"objects": ()}, "holds objects"),
    ],
)
def test_impossible_label_maps_are_refused(change: dict[str, Any], message: str) -> None:
    sample = Sample("scene", "city", 0, labels=np.full(SHAPE, 7, np.uint8), instances=np.full(SHAPE, 7, np.int32))
    with pytest.raises(UserError, match=message) as caught:
        IIOU.measure(sample, Prediction(**change), INFO)
    assert "scene" in str(caught.value)


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (None, "no objects with scores"),
        (Object(99, np.ones(SHAPE, bool)), "object 0: cityscapes has no label 99"),
        (Object(26, np.ones(SHAPE, bool), math.nan), "score is nan"),
        (Object(26, np.ones((2, 3), bool)), "2 x 3"),
        (Object(26, {"size": list(SHAPE), "counts": [3]}), "cover 3 pixels"),
    ],
)
def test_impossible_objects_are_refused(objects: Object | None, message: str) -> None:
    sample, labels, _ = make_scene(0)
    with pytest.raises(UserError, match=message) as caught:
        AP.measure(sample, labels if objects is None else Prediction(objects=(objects,)), INFO)
    assert sample.id in str(caught.value)


@pytest.mark.parametrize("value", [7001, 40001])
def test_truth_that_numbers_objects_of_no_thing_is_refused(value: int) -> None:
    instances = np.full(SHAPE, value, np.int32)
    sample = Sample("scene", "city", 0, labels=np.full(SHAPE, 7, np.uint8), instances=instances)
    for metric, prediction in ((IIOU, Prediction(labels=sample.labels)), (AP, Prediction(objects=()))):
        with pytest.raises(UserError, match=f"'scene' numbers objects of label {value // 1000}"):
            metric.measure(sample, prediction, INFO)
