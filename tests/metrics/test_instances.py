"""Cityscapes instance scores against the official evaluators and the laws they obey."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.evaluation.instances2dict import instances2dict
from hypothesis import given, settings
from hypothesis import strategies as st
from instance_scenes import SHAPE, labels_of, make_scene, make_scenes
from PIL import Image

import places
from commands import Run, printed_json
from segbench.datasets.cityscapes import Cityscapes
from segbench.errors import UserError
from segbench.evaluation.class_intervals import intervals_with_classes
from segbench.evaluation.class_scores import find_score
from segbench.evaluation.evaluate import evaluate
from segbench.evaluation.statistics import Statistics
from segbench.metrics.cityscapes_ap import OVERLAPS, CityscapesAP
from segbench.metrics.instances import AVERAGE_CLASS_SIZE, CityscapesInstances
from segbench.predictions.find import find_predictions
from segbench.testing import check_dataset, check_metric
from segbench.types import Metric, Object, Prediction, Sample, Statistic

pytestmark = pytest.mark.usefixtures("engine")

official_pixels = importlib.import_module("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
official_objects = importlib.import_module("cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling")

GOLDEN = places.GOLDEN / "cityscapes"
PIXELS = json.loads((GOLDEN / "pixel_results.json").read_text())
OBJECTS = json.loads((GOLDEN / "instance_results.json").read_text())
INFO = Cityscapes.info
IIOU = CityscapesInstances()
AP = CityscapesAP()
Seeds = st.integers(0, 2**32 - 1)


@functools.cache
def _measured(metric: Metric, predictions: str) -> list[Statistic]:
    dataset = Cityscapes(GOLDEN)
    found = find_predictions(dataset, dataset.ids("val"), GOLDEN / predictions)
    return evaluate(dataset, [metric], found.files.items()).of(metric.name)


def _by_name(metric: Metric, name: str, statistics: list[Statistic]) -> float:
    known = find_score([metric], INFO, name)
    assert known is not None
    return known[0].compute(statistics, INFO)[name]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


# ---- the official scores


@pytest.mark.parametrize("which", ["all", *PIXELS["each_image_alone"]])
def test_iiou_equals_the_official_scores(which: str) -> None:
    official = PIXELS if which == "all" else PIXELS["each_image_alone"][which]
    statistics = [s for s in _measured(IIOU, "predictions") if which == "all" or which.startswith(s.sample_id)]
    assert len(statistics) == (6 if which == "all" else 1)
    classes, categories = IIOU.per_class(statistics, INFO), IIOU.per_category(statistics, INFO)
    assert list(classes) == [c.name for c in INFO.classes]
    for name, row in classes.items():
        assert row["iiou"] == pytest.approx(_number(official["classInstScores"][name]), abs=1e-9, nan_ok=True)
    for c in IIOU.classes_of(INFO):
        expected = pytest.approx(_number(official["classInstScores"][c.name]), abs=1e-9, nan_ok=True)
        assert _by_name(IIOU, f"iiou@{c.name}", statistics) == expected
    for name, row in categories.items():
        assert row["iiou"] == pytest.approx(_number(official["categoryInstScores"][name]), abs=1e-9, nan_ok=True)
    assert sum(not math.isnan(row["iiou"]) for row in categories.values()) == 2
    scores = IIOU.compute(statistics, INFO)
    for name, theirs in (("iiou_class", "averageScoreInstClasses"), ("iiou_category", "averageScoreInstCategories")):
        assert scores[name] == pytest.approx(official[theirs], abs=1e-9)


def test_average_precision_equals_the_official_scores() -> None:
    statistics = _measured(AP, "predictions_instance")
    averages = OBJECTS["averages"]
    scores = AP.compute(statistics, INFO)
    assert scores["ap"] == pytest.approx(averages["allAp"], abs=1e-9)
    assert scores["ap50"] == pytest.approx(averages["allAp50%"], abs=1e-9)
    matrix = AP.precisions(statistics, INFO, np.ones((1, 6), np.int64))[0]
    assert matrix == pytest.approx(np.array(OBJECTS["resultApMatrix"][0]), abs=1e-9)
    table = AP.per_class(statistics, INFO)
    assert list(table) == [c.name for c in INFO.classes]
    assert [c.name for c in AP.classes_of(INFO)] == list(averages["classes"])
    for name, theirs in averages["classes"].items():
        for score, its in (("ap", "ap"), ("ap50", "ap50%")):
            assert _by_name(AP, f"{score}@{name}", statistics) == pytest.approx(
                _number(theirs[its]), abs=1e-9, nan_ok=True
            )
    for name, row in table.items():
        theirs = averages["classes"].get(name, {"ap": None, "ap50%": None})
        assert row["ap"] == pytest.approx(_number(theirs["ap"]), abs=1e-9, nan_ok=True)
        assert row["ap50"] == pytest.approx(_number(theirs["ap50%"]), abs=1e-9, nan_ok=True)


def test_constants_are_the_official_ones() -> None:
    official = official_pixels.args.avgClassSize
    assert {name: official[name] for name in AVERAGE_CLASS_SIZE} == AVERAGE_CLASS_SIZE
    assert OVERLAPS.tolist() == official_objects.args.overlaps.tolist() == OBJECTS["overlaps"]


def _statistics(metric: Metric, scenes: list[tuple[Sample, Prediction, Prediction]]) -> list[Statistic]:
    measured = [metric.measure(s, labels if metric is IIOU else objects, INFO) for s, labels, objects in scenes]
    return Statistics(measured).of(metric.name)


@pytest.mark.parametrize("seed", range(0, 70, 10))
def test_average_precision_of_random_scenes_equals_the_official_code(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)  # removed from NumPy, still used there
    official_objects.setInstanceLabels(official_objects.args)
    matches = {}
    scenes = make_scenes(seed)
    for sample, _, prediction in scenes:
        assert sample.instances is not None
        path = tmp_path / f"{sample.id}.png"
        Image.fromarray(sample.instances.astype(np.uint16)).save(path)
        true = instances2dict([str(path)])[str(path)]
        listed = {}
        for number, found in enumerate(prediction.objects or ()):
            mask = tmp_path / f"{sample.id}-{number}.png"
            Image.fromarray(np.asarray(found.mask).astype(np.uint8) * 255).save(mask)
            listed[str(mask)] = {"labelID": found.label, "conf": found.score}
        own = official_objects.filterGtInstances(true, official_objects.args)
        pair = official_objects.assignGt2Preds(own, sample.instances, listed, official_objects.args)
        matches[sample.id] = dict(zip(("groundTruth", "prediction"), pair, strict=True))
    expected = official_objects.evaluateMatches(matches, official_objects.args)[0]
    found = AP.precisions(_statistics(AP, scenes), INFO, np.ones((1, len(scenes)), np.int64))[0]
    assert not np.isnan(expected).all()
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("seed", range(0, 80, 10))
def test_iiou_of_random_scenes_equals_the_official_code(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)
    args = official_pixels.args
    matrix = official_pixels.generateMatrix(args)
    stats = official_pixels.generateInstanceStats(args)
    scenes = make_scenes(seed)
    for sample, prediction, _ in scenes:
        files = [tmp_path / f"{sample.id}_{kind}.png" for kind in ("pred", "labelIds", "instanceIds")]
        for file, values in zip(files, (prediction.labels, sample.labels, sample.instances), strict=True):
            kind = np.uint16 if file is files[2] else np.uint8
            Image.fromarray(np.asarray(values).astype(kind)).save(file)
        official_pixels.evaluatePair(str(files[0]), str(files[1]), matrix, stats, {}, args)
    statistics = _statistics(IIOU, scenes)
    for c in INFO.classes:
        expected = official_pixels.getInstanceIouScoreForLabel(c.id, matrix, stats, args)
        assert IIOU.per_class(statistics, INFO)[c.name]["iiou"] == pytest.approx(expected, abs=1e-12, nan_ok=True)
    for name, row in IIOU.per_category(statistics, INFO).items():
        expected = official_pixels.getInstanceIouScoreForCategory(name, matrix, stats, args)
        assert row["iiou"] == pytest.approx(expected, abs=1e-12, nan_ok=True)


# ---- laws


@pytest.mark.parametrize("metric", [IIOU, AP], ids=lambda m: m.name)
def test_conforms(metric: Metric, tmp_path: Path) -> None:
    nothing = Sample("nothing", "city", 0, labels=np.full(SHAPE, 7, np.uint8), instances=np.full(SHAPE, 7, np.int32))
    pairs = [(s, labels if metric is IIOU else objects) for s, labels, objects in make_scenes(5, 6)]
    empty = Prediction(labels=nothing.labels) if metric is IIOU else Prediction(objects=())
    check_metric(metric, [*pairs, (nothing, empty)], INFO, tmp_path)


def test_the_dataset_conforms_with_these_families() -> None:
    check_dataset(Cityscapes(GOLDEN))


@pytest.mark.slow
@pytest.mark.parametrize("metric", [IIOU, AP], ids=lambda m: m.name)
@settings(max_examples=20)
@given(seed=Seeds, order=st.permutations(range(10)))
def test_the_numbers_of_the_objects_mean_nothing(metric: Metric, seed: int, order: list[int]) -> None:
    sample, labels, objects = make_scene(seed)
    values = np.asarray(sample.instances)
    renumbered = np.where(values < 1000, values, values // 1000 * 1000 + np.array(order)[values % 1000 % 10])
    other = dataclasses.replace(sample, instances=renumbered)
    scores = metric.compute(_statistics(metric, [(sample, labels, objects)]), INFO)
    again = metric.compute(_statistics(metric, [(other, labels, objects)]), INFO)
    assert again == pytest.approx(scores, abs=1e-12, nan_ok=True)


@pytest.mark.slow
@settings(max_examples=30)
@given(Seeds)
def test_truth_as_prediction_scores_1(seed: int) -> None:
    sample, _, _ = make_scene(seed)
    assert sample.instances is not None
    large = [v for v in np.unique(sample.instances).tolist() if v >= 1000 and (sample.instances == v).sum() >= 100]
    objects = tuple(Object(v // 1000, sample.instances == v, 1 / (n + 1)) for n, v in enumerate(large))
    for metric, prediction in ((IIOU, Prediction(labels=sample.labels)), (AP, Prediction(objects=objects))):
        for value in metric.compute([metric.measure(sample, prediction, INFO)], INFO).values():
            assert value == pytest.approx(1, abs=1e-12) or math.isnan(value)
    scored = {v // 1000 for v in large} - {29}
    assert math.isnan(AP.compute([AP.measure(sample, Prediction(objects=objects), INFO)], INFO)["ap"]) == (not scored)


@settings(max_examples=30)
@given(Seeds)
def test_a_prediction_on_void_changes_no_iiou(seed: int) -> None:
    sample, prediction, _ = make_scene(seed)
    assert sample.instances is not None
    assert prediction.labels is not None
    void = np.isin(sample.instances, list(INFO.void))  # a single caravan is no void here: its map holds 29000
    other = np.random.default_rng(seed).integers(0, 256, SHAPE).astype(np.uint8)
    changed = Prediction(labels=np.where(void, other, prediction.labels))
    first, second = (IIOU.measure(sample, p, INFO) for p in (prediction, changed))
    assert Statistics([first]) == Statistics([second])


@pytest.mark.slow
@pytest.mark.parametrize("metric", [IIOU, AP], ids=lambda m: m.name)
@settings(max_examples=20)
@given(seed=Seeds, drawn=st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_a_resample_is_the_score_of_the_repeated_samples(metric: Metric, seed: int, drawn: list[int]) -> None:
    statistics = _statistics(metric, make_scenes(seed % 10**6))
    repeated = [
        dataclasses.replace(statistic, sample_id=f"{statistic.sample_id}-{copy}")
        for statistic, times in zip(statistics, drawn, strict=True)
        for copy in range(times)
    ]
    weights = np.array([[1, 1, 1, 1], drawn], np.int64)
    found = metric.resample(statistics, INFO, weights)
    for name, value in metric.compute(repeated, INFO).items():
        assert found[name][1] == pytest.approx(value, abs=1e-12, nan_ok=True)


def test_classes_without_objects_have_no_such_scores() -> None:
    for metric, name in ((IIOU, "iiou@road"), (AP, "ap@road"), (AP, "ap50@sky")):
        with pytest.raises(UserError, match=r"Unknown class '(road|sky)'.*Available: bicycle, bus, car, motorcycle"):
            find_score([metric], INFO, name)


def test_a_class_that_is_only_predicted_has_no_interval_of_iiou() -> None:
    row, predicted = np.full((1, 20), 7, np.int32), np.array([[7] * 15 + [24] * 5], np.uint8)
    statistics = [
        IIOU.measure(
            Sample(f"s{n}", f"g{n}", n, labels=labels_of(row), instances=row), Prediction(labels=predicted), INFO
        )
        for n in range(6)
    ]
    absent = IIOU.absent_among(statistics, INFO, "iiou", (0, 2))
    assert absent is not None
    assert (absent.pixels, absent.share) == ({"person": 30}, 1.0)
    assert IIOU.absent_classes(statistics, INFO, "iiou_class") == absent
    ends = intervals_with_classes(IIOU, statistics, INFO)[1]["person"]
    assert (ends["iiou_low"], ends["iiou_high"]) == (None, None)


# ---- through the command line


def test_evaluate_objects(bench: Run, tmp_path: Path) -> None:
    done = bench(
        "evaluate",
        "-d",
        "cityscapes",
        "--root",
        GOLDEN,
        "-p",
        GOLDEN / "predictions_instance",
        "--out",
        "run",
        "--json",
    )
    record = printed_json(done)
    assert record["main_score"] == "ap"
    assert list(record["scores"]) == ["ap", "ap50"]
    assert record["scores"]["ap"]["value"] == pytest.approx(OBJECTS["averages"]["allAp"], abs=1e-9)
    assert record["per_class"]["car"]["ap50"] == pytest.approx(OBJECTS["averages"]["classes"]["car"]["ap50%"], abs=1e-9)
    assert record["per_class"]["road"] == {"ap": None, "ap50": None}
    stored = Statistics.from_parquet(tmp_path / "run" / "statistics.parquet", {AP.name: AP})
    assert AP.compute(stored.of(AP.name), INFO)["ap"] == record["scores"]["ap"]["value"]


def test_evaluate_label_maps(bench: Run) -> None:
    record = printed_json(
        bench(
            "evaluate", "-d", "cityscapes", "--root", GOLDEN, "-p", GOLDEN / "predictions", "--json", "--workers", "2"
        )
    )
    assert record["main_score"] == "iou_class"
    for name, theirs in {
        "iou_class": "averageScoreClasses",
        "iiou_class": "averageScoreInstClasses",
        "iou_category": "averageScoreCategories",
        "iiou_category": "averageScoreInstCategories",
    }.items():
        assert record["scores"][name]["value"] == pytest.approx(PIXELS[theirs], abs=1e-9)
    assert set(record["per_class"]["car"]) == {"iou", "dice", "accuracy", "pixels", "iiou"}
    assert set(record["per_category"]["vehicle"]) == {"iou", "iiou"}
    assert record["per_category"]["flat"]["iiou"] is None


def test_undefined_scores_are_null(bench: Run, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "gtFine", tmp_path / "gtFine", ignore=shutil.ignore_patterns("*instanceIds*"))
    done = bench("evaluate", "-d", "cityscapes", "--root", tmp_path, "-p", GOLDEN / "predictions", "--json")
    record = printed_json(done)
    assert record["scores"]["iiou_class"]["value"] is None
    assert record["scores"]["iou_class"]["value"] == pytest.approx(PIXELS["averageScoreClasses"], abs=1e-9)
    assert "scores iiou_class, iiou_category are undefined on these samples" in done.stderr
