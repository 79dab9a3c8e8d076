"""Panoptic quality: panopticapi's golden values, cityscapesScripts' evaluator, the rules by hand, and the laws."""

from __future__ import annotations

import contextlib
import io
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_panoptic import CLASSES, INFO, Pairs, random_pair, random_pairs, real_pairs

from places import GOLDEN, shared
from segbench.data.panoptic_annotations import read_annotations
from segbench.datasets.cityscapes import Cityscapes
from segbench.errors import UserError
from segbench.evaluation.comparison import Paired
from segbench.io.images.segment_ids import write_segment_ids
from segbench.metrics import panoptic
from segbench.metrics.base import MetricFamily
from segbench.metrics.exact_sums import weighted_sums
from segbench.metrics.panoptic import PanopticQuality
from segbench.metrics.pooled import drawn
from segbench.metrics.segment_matching import instance_rows
from segbench.testing import check_metric
from segbench.types import Dataset, DatasetInfo, Panoptic, Prediction, Sample, Segment, Statistic

METRIC = PanopticQuality()
OFFICIAL = json.loads((GOLDEN / "panoptic/panopticapi.json").read_text())


def _measured(pairs: Pairs, info: DatasetInfo = INFO) -> list[Statistic]:
    return [METRIC.measure(sample, prediction, info) for sample, prediction in pairs]


def _expect(scores: dict[str, float], official: dict[str, Any]) -> None:
    for name, value in scores.items():
        if official[name] is None:
            assert math.isnan(value), name
        else:
            assert value == pytest.approx(official[name], abs=1e-12), name


def _expect_all(pairs: Pairs, info: DatasetInfo, official: list[dict[str, Any]]) -> None:
    statistics = _measured(pairs, info)
    for statistic, own in zip(statistics, official, strict=False):
        _expect(METRIC.compute([statistic], info), own)
    _expect(METRIC.compute(statistics, info), official[-1])
    names = {c.id: c.name for c in info.segment_classes}
    table = METRIC.per_class(statistics, info)
    for category, row in official[-1]["per_class"].items():
        mine = table[names[int(category)]]
        assert [mine[k] for k in ("tp", "fp", "fn")] == [row[k] for k in ("tp", "fp", "fn")]
        assert [mine[k] for k in ("pq", "sq", "rq")] == pytest.approx([row[k] for k in ("pq", "sq", "rq")], abs=1e-12)
    counted = {name for name, row in table.items() if row["tp"] + row["fp"] + row["fn"]}
    assert counted == {names[int(category)] for category in official[-1]["per_class"]}
    assert all(math.isnan(row["pq"]) for name, row in table.items() if name not in counted)


def test_a_hundred_random_pairs_equal_panopticapi() -> None:
    assert len(OFFICIAL["random"]) == 101
    _expect_all(random_pairs(100), INFO, OFFICIAL["random"])


def test_three_real_pairs_equal_panopticapi() -> None:
    pairs, classes = real_pairs()
    _expect_all(pairs, replace(INFO, panoptic_classes=classes), OFFICIAL["real"])


@pytest.mark.parametrize("name", ["drawn", "coco"])
def test_the_official_examples(name: str) -> None:
    root = shared(f"golden/panoptic/{name}")
    official = json.loads((root / "panopticapi.json").read_text())
    truth, found = read_annotations(root / "panoptic.json"), read_annotations(root / "predictions.json")
    pairs = [
        (
            Sample(str(i), "g", 0, panoptic=each.read(root / "panoptic" / each.file_name)),
            Prediction(panoptic=found.images[i].read(root / "predictions" / found.images[i].file_name)),
        )
        for i, each in truth.images.items()
    ]
    info = replace(INFO, panoptic_classes=truth.categories)
    groups = {"": "All", "_things": "Things", "_stuff": "Stuff"}
    told = {f"{key}{suffix}": official[group][key] for suffix, group in groups.items() for key in ("pq", "sq", "rq")}
    _expect(METRIC.compute(_measured(pairs, info), info), told)


@pytest.mark.slow
def test_cityscapes_equals_its_own_evaluator(tmp_path: Path) -> None:
    from cityscapesscripts.evaluation.evalPanopticSemanticLabeling import evaluatePanoptic
    from cityscapesscripts.preparation.createPanopticImgs import convert2panoptic

    root = GOLDEN / "cityscapes"
    with contextlib.redirect_stdout(io.StringIO()):
        convert2panoptic(str(root / "gtFine"), str(tmp_path), setNames=["val"])
    truth_file, folder = tmp_path / "cityscapes_panoptic_val.json", tmp_path / "cityscapes_panoptic_val"
    dataset = Cityscapes(root)
    pairs, annotations = [], []
    for each in json.loads(truth_file.read_text())["annotations"]:
        sample = dataset.load(each["image_id"], ("panoptic",))
        assert sample.panoptic is not None
        theirs = {s["id"]: (s["category_id"], bool(s["iscrowd"])) for s in each["segments_info"]}
        assert {s.id: (s.category, s.crowd) for s in sample.panoptic.segments} == theirs
        found = Panoptic(np.roll(sample.panoptic.ids, (2, 3), (0, 1)), sample.panoptic.segments)
        pairs.append((sample, Prediction(panoptic=found)))
        (tmp_path / "found").mkdir(exist_ok=True)
        write_segment_ids(tmp_path / "found" / each["file_name"], found.ids)
        segments = [{"id": s.id, "category_id": s.category} for s in found.segments]
        annotations.append({**each, "segments_info": segments})
    (tmp_path / "found.json").write_text(json.dumps({"annotations": annotations}))
    with contextlib.redirect_stdout(io.StringIO()):
        result = evaluatePanoptic(
            str(truth_file), str(folder), str(tmp_path / "found.json"), str(tmp_path / "found"), str(tmp_path / "out")
        )
    _expect_from_converted(tmp_path, dataset)
    groups = {"": "All", "_things": "Things", "_stuff": "Stuff"}
    told = {f"{key}{suffix}": result[group][key] for suffix, group in groups.items() for key in ("pq", "sq", "rq")}
    scores = METRIC.compute(_measured(pairs, dataset.info), dataset.info)
    assert 0.3 < scores["pq"] < 1
    _expect(scores, told)


def _expect_from_converted(made: Path, dataset: Dataset) -> None:
    """Without instance maps the segments are those that the official converter wrote."""
    root = made / "converted"
    shutil.copytree(dataset.root / "gtFine", root / "gtFine")
    for path in root.rglob("*_instanceIds.png"):
        path.unlink()
    for name in ("cityscapes_panoptic_val.json", "cityscapes_panoptic_val"):
        (made / name).rename(root / "gtFine" / name)
    converted = Cityscapes(root)
    for sample_id in dataset.ids("val"):
        mine, theirs = (each.load(sample_id, ("panoptic",)).panoptic for each in (dataset, converted))
        assert mine is not None
        assert theirs is not None
        assert set(mine.segments) == set(theirs.segments)
        assert np.array_equal(mine.ids, theirs.ids)
    assert len(converted.files(dataset.ids("val")[0], "panoptic")) == 2


def _row(true: list[int], found: list[int], truth: tuple[Segment, ...], segments: tuple[Segment, ...]) -> Any:
    sample = Sample("a", "g", 0, panoptic=Panoptic(np.array([true], np.int32), truth))
    return METRIC.measure(sample, Prediction(panoptic=Panoptic(np.array([found], np.int32), segments)), INFO).columns


def test_an_iou_of_exactly_one_half_is_no_match() -> None:
    columns = _row([1, 1, 0, 0], [2, 2, 2, 2], (Segment(1, 1),), (Segment(2, 1),))
    assert (columns["tp"].tolist(), columns["iou"].tolist()) == ([1], [1.0])  # void leaves the union
    columns = _row([1, 1, 3, 3], [2, 2, 2, 2], (Segment(1, 1), Segment(3, 7)), (Segment(2, 1),))
    assert columns["tp"].tolist() == [0, 0]
    assert (columns["fp"].tolist(), columns["fn"].tolist()) == ([1, 0], [1, 1])


def test_what_lies_mostly_on_void_or_a_crowd_of_its_class_does_not_count() -> None:
    truth = (Segment(1, 1), Segment(2, 2, crowd=True), Segment(3, 7))
    true = [1, 1, 2, 2, 0, 0, 3, 3]
    half = _row(true, [1, 1, 0, 0, 0, 9, 9, 3], truth, (Segment(1, 1), Segment(9, 2), Segment(3, 7)))
    assert half["fp"].tolist() == [0, 1, 1]  # exactly half of it on void counts; a half of 3 is no match
    most = _row(true, [1, 1, 0, 0, 9, 9, 9, 3], truth, (Segment(1, 1), Segment(9, 2), Segment(3, 7)))
    assert dict(zip(most["category"].tolist(), most["fp"].tolist(), strict=True)) == {1: 0, 7: 1}
    crowd = _row(true, [1, 1, 9, 9, 9, 0, 3, 3], truth, (Segment(1, 1), Segment(9, 2), Segment(3, 7)))
    assert crowd["category"].tolist() == [1, 7]
    other = _row(true, [1, 1, 9, 9, 9, 0, 3, 3], truth, (Segment(1, 1), Segment(9, 3), Segment(3, 7)))
    assert dict(zip(other["category"].tolist(), other["fp"].tolist(), strict=True)) == {1: 0, 3: 1, 7: 0}


def test_of_two_crowds_of_a_class_the_last_in_the_list_excuses() -> None:
    crowds = (Segment(1, 1, crowd=True), Segment(2, 1, crowd=True))
    true, found = [1, 1, 1, 2, 3], [9, 9, 9, 0, 0]
    for order, counted in ((crowds, 1), (crowds[::-1], 0)):
        columns = _row(true, found, (*order, Segment(3, 7)), (Segment(9, 1),))
        assert columns["fp"].sum() == counted


def test_rows_of_instances_add_up_to_the_counts() -> None:
    for sample, prediction in random_pairs(10):
        rows = instance_rows(sample, prediction, INFO)
        columns = METRIC.measure(sample, prediction, INFO).columns
        count = {
            outcome: sum(row["outcome"] == outcome for row in rows) for outcome in ("matched", "invented", "missed")
        }
        assert list(count.values()) == [columns[name].sum() for name in ("tp", "fp", "fn")]
        assert sum(float(row["iou"] or 0) for row in rows) == pytest.approx(columns["iou"].sum())
        assert sample.panoptic is not None
        assert prediction.panoptic is not None
        named = [row["true_segment"] for row in rows if row["true_segment"]]
        assert sorted(named) == sorted(s.id for s in sample.panoptic.segments)
        named = [row["predicted_segment"] for row in rows if row["predicted_segment"]]
        assert sorted(named) == sorted(s.id for s in prediction.panoptic.segments)


def test_laws(tmp_path: Path) -> None:
    check_metric(METRIC, random_pairs(9, 200), INFO, tmp_path)


def test_sums_and_resampling_equal_scoring_repeated_samples() -> None:
    statistics = _measured(random_pairs(6, 300))
    weights = np.array([[0, 3, 1, 0, 2, 0], [1] * 6])
    resampled = METRIC.resample(statistics, INFO, weights)
    repeated = [
        replace(s, sample_id=f"{s.sample_id}{n}")
        for s, times in zip(statistics, weights[0], strict=True)
        for n in range(times)
    ]
    for row, chosen in enumerate((repeated, statistics)):
        for name, value in METRIC.compute(chosen, INFO).items():
            assert resampled[name][row] == pytest.approx(value, abs=1e-12, nan_ok=True), name
            by_sums = drawn(METRIC.sums(statistics, INFO, name), weights)[row]
            assert by_sums == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_classes_are_resampled_by_the_sums_of_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers, bit for bit, as from the sums of each class; and sums of one set of weights are made once."""
    statistics = _measured(random_pairs(12))
    calls = []

    def counted(weights: Any, values: Any) -> Any:
        calls.append(weights)
        return weighted_sums(weights, values)

    monkeypatch.setattr(panoptic, "weighted_sums", counted)
    for seed in range(3):
        weights = np.random.default_rng(seed).multinomial(12, [1 / 12] * 12, size=20)
        calls.clear()
        means = METRIC.resample(statistics, INFO, weights)
        found = METRIC.resample_classes(statistics, INFO, weights)
        assert len(calls) == 1
        expected = MetricFamily.resample_classes(METRIC, statistics, INFO, weights)
        np.testing.assert_equal(found, expected)
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(means["pq"], np.nanmean(found["pq"], axis=1))


def test_two_runs_are_compared() -> None:
    pairs = random_pairs(12, 400)
    perfect = []
    for sample, _ in pairs:
        assert sample.panoptic is not None
        single = tuple(each for each in sample.panoptic.segments if not each.crowd)
        ids = np.where(np.isin(sample.panoptic.ids, [each.id for each in single]), sample.panoptic.ids, 0)
        perfect.append((sample, Prediction(panoptic=Panoptic(ids, single))))
    paired = Paired(METRIC, INFO, METRIC.scores[0], (tuple(_measured(perfect)), tuple(_measured(pairs))))
    found = paired.difference(0, 1)
    assert paired.values[0] == 1.0
    assert found.p < 0.01
    assert found.low > 0


def test_invented_classes_are_named() -> None:
    sample, _ = random_pair(3)
    assert sample.panoptic is not None
    absent = next(c for c in CLASSES if c.id not in {s.category for s in sample.panoptic.segments})
    segments = (Segment(5, absent.id),)
    found = Panoptic(np.where(sample.panoptic.ids > 0, 5, 0), segments)
    statistics = _measured([(sample, Prediction(panoptic=found))])
    told = METRIC.absent_classes(statistics, INFO, "pq")
    assert told is not None
    assert dict(told.pixels) == {absent.name: int((found.ids == 5).sum())}


@pytest.mark.parametrize(
    ("prediction", "words"),
    [
        (Prediction(labels=np.zeros((60, 80), np.uint8)), "holds no segments"),
        (Prediction(panoptic=Panoptic(np.ones((60, 81), np.int32), (Segment(1, 1),))), "60 x 81"),
        (Prediction(panoptic=Panoptic(np.ones((60, 80), np.int32), (Segment(1, 99),))), "category 99"),
    ],
)
def test_impossible_predictions_are_refused_by_name(prediction: Prediction, words: str) -> None:
    sample, _ = random_pair(3)
    with pytest.raises(UserError, match="sample '000000000003'") as caught:
        METRIC.measure(sample, prediction, INFO)
    assert words in str(caught.value)
