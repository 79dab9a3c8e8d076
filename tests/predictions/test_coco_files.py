"""COCO files: results and annotations, hostile ones too; golden COCO-Stuff; stuff results there and back."""

from __future__ import annotations

import json
import math
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from coco_roots import write_coco
from commands import Run, printed_json
from places import ROOT
from random_coco import INFO, as_coco, official, random_pairs
from segbench.datasets.cocostuff import REMOVED, COCOStuff
from segbench.errors import UserError
from segbench.evaluation.evaluate import evaluate
from segbench.io.images.read import read_array
from segbench.io.images.rle import decode_rle, encode_rle
from segbench.metrics.coco import COCOAveragePrecision
from segbench.metrics.overlap import COCOStuffOverlap
from segbench.metrics.pair_counts import class_counts, ranks
from segbench.metrics.pooled import ratio
from segbench.predictions.coco_results import find_results
from segbench.predictions.coco_results_writer import write_stuff_results
from segbench.registry import metrics_of
from segbench.testing import check_dataset
from segbench.types import Prediction

# pycocotools.mask.decode under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

GOLDEN = ROOT / "tests" / "golden" / "cocostuff"
METRIC = COCOAveragePrecision()
STATS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar_100")


# Results and annotations as files


@pytest.mark.slow
def test_results_give_the_scores_of_pycocotools_through_the_command_line(bench: Run, tmp_path: Path) -> None:
    pairs = random_pairs(3, 12, classes=4, most=8)
    results = write_coco(tmp_path / "coco", pairs)
    evaluation = official(*as_coco(pairs))
    done = bench("evaluate", "-d", "cocostuff", "--root", "coco", "-p", results, "--out", "run", "--json")
    record = printed_json(done)
    for name, value in zip(STATS, evaluation.stats[:9].tolist(), strict=True):
        assert record["scores"][name]["value"] == (None if value == -1 else value)
    assert record["scores"]["ap"]["low"] <= record["scores"]["ap"]["value"] <= record["scores"]["ap"]["high"]
    assert record["main_score"] == "ap"
    assert set(record["per_class"]["person"]) == {"ap", "ap50"}
    assert len(record["per_class"]) == 80
    assert record["complete"]
    assert record["metrics"] == {"coco-ap": "1"}
    partial = bench("evaluate", "-d", "cocostuff", "--root", "coco", "-p", results, "--partial", "--json")
    named = {entry["image_id"] for entry in json.loads(results.read_text())}
    assert printed_json(partial)["dataset"]["n"] == len(named) < 12


@pytest.mark.slow
def test_two_detectors_are_compared_on_each_thing(bench: Run, tmp_path: Path) -> None:
    results = json.loads(write_coco(tmp_path / "coco", random_pairs(7, 12, classes=2)).read_text())
    folders = []
    for name, kept in (("all", results), ("half", results[::2])):
        (tmp_path / f"{name}.json").write_text(json.dumps(kept))
        where = ("--root", tmp_path / "coco", "--predictions", tmp_path / f"{name}.json", "--no-plots")
        folders.append(tmp_path / "runs" / name)
        done = bench("evaluate", "-d", "cocostuff", *where, "--name", name, "--out", folders[-1])
        assert done.returncode == 0, done.stderr
        assert bench("verify", folders[-1], "--root", tmp_path / "coco").returncode == 0
    record = json.loads((folders[0] / "record.json").read_text())
    known = {name: row for name, row in record["per_class"].items() if row["ap"] is not None}
    assert len(known) == 2
    found = printed_json(bench("compare", *folders, "--metric", "ap", "--by-class", "--json", "--resamples", "100"))
    assert {row["class"] for row in found["by_class"] if row["p"] is not None} == set(known)
    for row in found["by_class"]:
        if row["class"] in known:
            table = record["class_intervals"][row["class"]]
            sides = {row["a"]: "a", row["b"]: "b"}
            assert row[f"value_{sides['all']}"] == known[row["class"]]["ap"]
            assert row["low"] <= row["value"] <= row["high"]
            assert table["ap_low"] <= known[row["class"]]["ap"] <= table["ap_high"]
    (name, *_) = known
    alone = printed_json(bench("compare", *folders, "--metric", f"ap@{name}", "--json", "--resamples", "100"))
    values = {run["label"]: run["value"] for run in alone["runs"]}
    assert values["all"] == known[name]["ap"]


def test_polygons_and_plain_runs_of_annotations_are_read_as_pycocotools_reads_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    annotations: list[dict[str, Any]] = []
    for number in range(30):
        outlines = [(random.uniform(-3, 45, 2 * random.integers(3, 9))).tolist() for _ in range(random.integers(1, 4))]
        annotations.append({"category_id": 1 + number % 5, "segmentation": outlines, "iscrowd": 0, "area": 7.5})
    mask = random.integers(0, 2, (40, 50)).astype(np.uint8)
    rle = encode_rle(mask)
    runs = np.diff([0, *(np.flatnonzero(np.diff(mask.ravel(order="F"))) + 1), mask.size]).tolist()
    plain = {"size": [40, 50], "counts": [0] * int(mask[0, 0]) + runs}
    annotations += [{"category_id": 90, "segmentation": s, "iscrowd": 1, "area": 3} for s in (rle, plain)]
    entries = [{"id": n + 1, "image_id": 9, **annotation} for n, annotation in enumerate(annotations)]
    truth = {"images": [{"id": 9, "height": 40, "width": 50}], "annotations": entries, "categories": []}
    dataset = _one_image(tmp_path, truth, (40, 50))
    objects = dataset.load("000000000009", ("objects",)).objects
    assert objects is not None
    reference = COCO()
    reference.dataset = json.loads(json.dumps(truth))
    reference.imgs = {9: truth["images"][0]}
    for found, entry in zip(objects, truth["annotations"], strict=True):
        assert not isinstance(found.mask, np.ndarray)
        assert np.array_equal(decode_rle(found.mask, "x"), reference.annToMask(entry))
        assert (found.label, found.crowd, found.area) == (
            entry["category_id"] - 1,
            bool(entry["iscrowd"]),
            float(entry["area"]),
        )


def _one_image(root: Path, truth: Any, size: tuple[int, int] = (4, 5)) -> COCOStuff:
    maps = root / "stuffthingmaps" / "val2017"
    maps.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(size, np.uint8)).save(maps / "000000000009.png")
    (root / "annotations").mkdir(exist_ok=True)
    text = truth if isinstance(truth, str) else json.dumps(truth)
    (root / "annotations" / "instances_val2017.json").write_text(text)
    return COCOStuff(root)


_SQUARE = [[0, 0, 3, 0, 3, 3, 0, 3]]


def _truth(**changes: Any) -> dict[str, Any]:
    annotation = {"id": 1, "image_id": 9, "category_id": 1, "segmentation": _SQUARE, "iscrowd": 0, "area": 9, **changes}
    return {"images": [{"id": 9, "height": 4, "width": 5}], "annotations": [annotation]}


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"images": [], "annotations": [], "images": []}', 'the key "images" is given twice'),
        ("[]", "list at the top"),
        ({"images": []}, "'annotations' is None"),
        ({"images": [], "annotations": [3]}, "'annotations' is [3]"),
        ({"images": [], "annotations": []}, "no image of id 000000000009"),
        ({"images": 2 * [{"id": 9, "height": 4, "width": 5}], "annotations": []}, "images[1]: 'id' 9 is that of an ea"),
        ({"images": [{"id": 9, "height": 4}], "annotations": []}, "images[0]: no sound run-length encoding: 'size'"),
        ({"images": [{"id": "9", "height": 4, "width": 5}], "annotations": []}, "images[0]: 'id' is '9'"),
        (_truth(image_id=8), "annotations[0]: 'image_id' is 8"),
        (_truth(image_id=[9]), "annotations[0]: 'image_id' is [9]"),
        (_truth(category_id=0), "'category_id' is 0"),
        (_truth(category_id=12), "'category_id' is 12"),
        (_truth(category_id=120), "'category_id' is 120"),
        (_truth(category_id="1"), "'category_id' is '1'"),
        (_truth(iscrowd=2), "'iscrowd' is 2"),
        (_truth(area=math.nan), "'area' is nan"),
        (_truth(area=-1), "'area' is -1"),
        (_truth(segmentation=None), "'segmentation' is None"),
        (_truth(segmentation=[]), "'segmentation' is []"),
        (_truth(segmentation="x"), "'segmentation' is 'x'"),
        (_truth(segmentation=[[1, 2, 3, 4]]), "polygon 0 is"),
        (_truth(segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "polygon 0 is"),
        (_truth(segmentation=[[1, 2, 3, 4, 5, "6"]]), "polygon 0 is"),
        (_truth(segmentation=[[1, 2, 3, 4, 5, 1e9]]), "far outside"),
        (_truth(segmentation=[[1, 2, 3, 4, 5, math.nan]]), "far outside of the image, or NaN"),
        (_truth(segmentation=[[1, 2, 3, 4, 5, 10**400]]), "far outside"),
        (_truth(segmentation={"size": [5, 4], "counts": "d0"}), "its size is [5, 4]"),
        (_truth(segmentation={"size": [4, 5], "counts": "d1"}), "a run of 52 pixels"),
    ],
)
def test_broken_annotations_are_named(truth: Any, words: str, tmp_path: Path) -> None:
    dataset = _one_image(tmp_path, truth)
    with pytest.raises(UserError, match=r"instances_val2017\.json") as caught:
        dataset.load("000000000009", ("objects",))
    assert words in str(caught.value)


def test_verify_names_broken_annotations_once(tmp_path: Path) -> None:
    assert _one_image(tmp_path, _truth()).check() == []
    dataset = _one_image(tmp_path, _truth(iscrowd=3, area=10))
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "stuffthingmaps" / "val2017" / "000000000010.png")
    faults = COCOStuff(tmp_path).check()
    assert len(faults) == 2
    assert "annotations[0]: 'iscrowd' is 3" in faults[0]
    assert "no image of id 000000000010" in faults[1]
    (tmp_path / "annotations" / "instances_val2017.json").write_text("{")
    assert len(COCOStuff(tmp_path).check()) == 1
    assert dataset.check()[0].endswith("(Expecting property name enclosed in double quotes: line 1 column 2 (char 1))")


def test_annotations_are_read_once_and_again_when_they_change(tmp_path: Path) -> None:
    dataset = _one_image(tmp_path, _truth())
    first = dataset.load("000000000009", ("objects",)).objects
    assert first is not None
    assert [o.area for o in first] == [9.0]
    assert len(pickle.dumps(dataset)) < 2000
    path = tmp_path / "annotations" / "instances_val2017.json"
    path.write_text(json.dumps(_truth(area=11)))
    os.utime(path, ns=(1, 1))
    again = dataset.load("000000000009", ("objects",)).objects
    assert again is not None
    assert [o.area for o in again] == [11.0]
    path.unlink()
    assert dataset.files("000000000009", "objects") == ()
    with pytest.raises(UserError, match="no annotated objects"):
        METRIC.measure(dataset.load("000000000009", ("objects",)), Prediction(objects=()), INFO)


_RLE = {"size": [4, 5], "counts": "04`0"}


def _result(**changes: Any) -> dict[str, Any]:
    entry = {"image_id": 9, "category_id": 1, "segmentation": _RLE, "score": 0.5, **changes}
    return {name: value for name, value in entry.items() if value != "drop"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (7, "entry 1 is 7"),
        (_result(image_id=None), "entry 1: 'image_id' is None"),
        (_result(image_id=9.0), "'image_id' is 9.0"),
        (_result(image_id=True), "'image_id' is True"),
        (_result(category_id=183), "'category_id' 183 is no thing of cocostuff. 183 ('other')"),
        (_result(category_id=12), "'category_id' 12 is no thing"),
        (_result(category_id=10**40), "'category_id' is 1e+40"),
        (_result(category_id=-1), "'category_id' is -1"),
        (_result(score=math.nan), "'score' is nan"),
        (_result(score=math.inf), "'score' is inf"),
        (_result(score=10**400), "'score' is inf"),
        (_result(score="1"), "'score' is '1'"),
        (_result(score=True), "'score' is True"),
        (_result(score=None), "'score' is None"),
        (_result(score="drop"), "entry 0 has a score and entry 1 has none"),
        (_result(segmentation="drop", bbox=[1, 2, 3, 4]), "Boxes (bbox) alone cannot be scored as masks"),
        (_result(segmentation=_SQUARE), "'segmentation' is"),
        (_result(segmentation={"size": [4, 5]}), "'counts' is missing"),
        (_result(segmentation={"size": [4, 5], "counts": 5}), "'counts' is 5"),
        (_result(segmentation={"size": [4, "5"], "counts": "d0"}), "'size' is"),
        (_result(segmentation={"size": [5, 4], "counts": "d0"}), "entry 1: its mask is 5 x 4"),
        (_result(segmentation={"size": [4, 5], "counts": "d1"}), "entry 1: no sound run-length encoding"),
        (_result(segmentation={"size": [4, 5], "counts": [21]}), "entry 1: no sound run-length encoding"),
    ],
)
def test_broken_results_are_named_with_their_entry(entry: Any, words: str, tmp_path: Path) -> None:
    dataset = _one_image(tmp_path, _truth())
    path = tmp_path / "results.json"
    path.write_text(json.dumps([_result(), entry]))
    with pytest.raises(UserError, match=r"results\.json") as caught:
        evaluate(dataset, [METRIC], find_results(dataset, dataset.ids("val"), path).files.items())
    assert words in str(caught.value)
    assert "entry 1" in str(caught.value)


def test_images_of_results_are_matched_by_number_or_text(tmp_path: Path) -> None:
    dataset = _one_image(tmp_path, _truth())
    path = tmp_path / "results.json"
    own = [_result(image_id=name) for name in (9, "9", "000000000009")]
    path.write_text(json.dumps([*own, _result(image_id=10), _result(image_id="other"), _result(image_id="9" * 5000)]))
    found = find_results(dataset, dataset.ids("val"), path)
    assert found.kind == "objects"
    assert found.paths == {path}
    objects = found.files["000000000009"].read(dataset).objects
    assert objects is not None
    assert [(o.label, o.score) for o in objects] == [(0, 0.5)] * 3
    assert len(found.warnings) == 1
    assert "3 entries of 3 images" in found.warnings[0]
    assert "10, 'other'" in found.warnings[0]
    path.write_text(json.dumps([_result(image_id=10)]))
    with pytest.raises(UserError, match="names no image of the split, only others: 10"):
        find_results(dataset, dataset.ids("val"), path)


def test_a_file_without_entries_holds_no_objects(tmp_path: Path) -> None:
    dataset = _one_image(tmp_path, _truth())
    path = tmp_path / "results.json"
    path.write_text("[]")
    found = find_results(dataset, dataset.ids("val"), path)
    assert found.files["000000000009"].read(dataset).objects == ()
    assert "no entry" in found.warnings[0]
    with pytest.raises(UserError, match="names no image"):
        find_results(dataset, dataset.ids("val"), path, partial=True)
    for text, words in (("{}", "expected a list"), ("[", "is no JSON"), ("\xff", "is no JSON")):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(UserError, match=words):
            find_results(dataset, dataset.ids("val"), path)


# Golden COCO-Stuff, and stuff results

FIRST = tuple(f"pair{n}" for n in range(5))


def _golden(group: str) -> tuple[tuple[str, ...], dict[str, Any], dict[str, Any]]:
    """Names of the pairs, and their official scores under the 182 and the 171 convention."""
    official_scores = json.loads((GOLDEN / "results.json").read_text())[group]
    second = next(value for key, value in official_scores.items() if key.startswith("mmseg_171"))
    return FIRST if group == "pairs0_4" else ("pair5",), official_scores["thing_stuff_182"], second


GROUPS = ("pairs0_4", "pair5_with_removed_ids_predicted")


@pytest.mark.parametrize("group", GROUPS)
def test_golden_scores_through_the_command_line(bench: Run, tmp_path: Path, group: str) -> None:
    names, first, second = _golden(group)
    (tmp_path / "predictions").mkdir()
    for name in names:
        (tmp_path / "predictions" / f"{name}.png").write_bytes((GOLDEN / "predictions" / f"{name}.png").read_bytes())
    arguments = ("evaluate", "-d", "cocostuff", "--root", GOLDEN, "-p", "predictions", "--partial", "--json")
    record = printed_json(bench(*arguments))
    assert record["dataset"]["n"] == len(names)
    assert not record["complete"]
    scores = {name: score["value"] for name, score in record["scores"].items()}
    assert scores["miou_182"] == pytest.approx(first["Mean IoU"], abs=1e-9)
    assert scores["miou_171"] == pytest.approx(second["mIoU"], abs=1e-9)
    assert scores["pixel_accuracy"] == pytest.approx(first["Pixel Accuracy"], abs=1e-9)
    assert scores["pixel_accuracy"] == pytest.approx(second["aAcc"], abs=1e-9)
    assert scores["mean_accuracy"] == pytest.approx(first["Mean Accuracy"], abs=1e-9)
    assert scores["mean_accuracy"] == pytest.approx(second["mAcc"], abs=1e-9)
    assert scores["fwiou"] == pytest.approx(first["Frequency Weighted IoU"], abs=1e-9)
    assert scores["fwiou"] == pytest.approx(second["FWIoU"], abs=1e-9)
    table = {name: row["iou"] for name, row in record["per_class"].items()}
    assert len(table) == 171
    assert table == pytest.approx(_official_171(second["IoU"]), abs=1e-9)


def _official_171(values: dict[str, float | None]) -> dict[str, float | None]:
    """Official IoU by class name; keys are train ids 0 to 170, which count the classes that exist."""
    return {c.name: values.get(str(number)) for number, c in enumerate(INFO.classes)}


@pytest.mark.parametrize("group", GROUPS)
def test_golden_scores_and_classes_of_the_182_convention(group: str) -> None:
    names, first, second = _golden(group)
    dataset = COCOStuff(GOLDEN)
    metric = COCOStuffOverlap()
    pairs = ((name, Prediction(labels=read_array(GOLDEN / "predictions" / f"{name}.png"))) for name in names)
    statistics = evaluate(dataset, [metric], pairs).of(metric.name)
    scores = metric.compute(statistics, INFO)
    assert scores["miou_182"] == pytest.approx(first["Mean IoU"], abs=1e-9)
    assert scores["miou_171"] == pytest.approx(second["mIoU"], abs=1e-9)
    everything = sorted((*INFO.classes, *INFO.unscored), key=lambda c: c.id)
    assert [c.id + 1 for c in INFO.unscored] == sorted(REMOVED)
    right, truth, predicted = class_counts(statistics, ranks(everything)).sum(axis=0).T
    iou = ratio(right, truth + predicted - right)
    theirs = [first["Class IoU"][str(c.id)] for c in everything]
    assert len(theirs) == 182
    assert iou.tolist() == pytest.approx([math.nan if v is None else v for v in theirs], abs=1e-9, nan_ok=True)


def test_golden_data_conforms() -> None:
    check_dataset(COCOStuff(GOLDEN))
    assert [m.name for m in metrics_of(INFO, kind="objects")] == ["coco-ap"]


def _stuff(path: Path) -> Path:
    maps = ((f"pair{n}", read_array(GOLDEN / "predictions" / f"pair{n}.png")) for n in range(6))
    write_stuff_results(path, maps, INFO)
    return path


def test_label_maps_come_back_from_stuff_results(bench: Run, tmp_path: Path) -> None:
    path = _stuff(tmp_path / "stuff.json")
    dataset, ids = COCOStuff(GOLDEN), [f"pair{n}" for n in range(6)]
    maps = find_results(dataset, ids, path).files
    assert list(maps) == ids
    for name, results in maps.items():
        labels = results.read(dataset).labels
        assert labels is not None
        assert np.array_equal(labels, read_array(GOLDEN / "predictions" / f"{name}.png"))
    entry = json.loads(path.read_text())[0]
    assert set(entry) == {"image_id", "category_id", "segmentation"}
    records = [
        printed_json(bench("evaluate", "-d", "cocostuff", "--root", GOLDEN, "-p", source, "--json"))
        for source in (GOLDEN / "predictions", path)
    ]
    assert records[0]["scores"] == records[1]["scores"]
    assert records[0]["per_class"] == records[1]["per_class"]
    assert [list(tmp_path.glob("*.tmp")), list(tmp_path.glob(".*"))] == [[], []]


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "stuff.json"
    write_stuff_results(path, iter(()), INFO)
    assert json.loads(path.read_text()) == []
    with pytest.raises(UserError, match="label value 200"):
        write_stuff_results(path, [("9", np.full((2, 3), 0)), ("8", np.full((2, 3), 200))], INFO)
    assert json.loads(path.read_text()) == []
    write_stuff_results(path, [("000000000139", np.array([[3, 255], [3, 181]], np.uint8))], INFO)
    assert [(e["image_id"], e["category_id"]) for e in json.loads(path.read_text())] == [(139, 4), (139, 182)]


def test_stuff_results_that_overlap_or_lack_images_or_pixels_are_named(tmp_path: Path) -> None:
    dataset = _one_image(tmp_path, _truth())
    ids = dataset.ids("val")
    path = tmp_path / "stuff.json"
    whole, half = {"size": [4, 5], "counts": [0, 20]}, {"size": [4, 5], "counts": [10, 10]}

    def read(*entries: dict[str, Any]) -> Any:
        path.write_text(json.dumps([_result(score="drop", **entry) for entry in entries]))
        found = find_results(dataset, ids, path)
        assert found.kind == "maps"
        return found.files[ids[0]].read(dataset).labels

    assert np.array_equal(read({"segmentation": whole}, {"segmentation": half}), np.zeros((4, 5)))
    with pytest.raises(UserError, match="entry 1: in image '000000000009' 10 pixels are both 'person' and 'wood'"):
        read({"segmentation": whole}, {"segmentation": half, "category_id": 182})
    with pytest.raises(UserError, match=r"entry 0: 'category_id' 183 is no class of cocostuff. 183 \('other'\)"):
        read({"segmentation": whole, "category_id": 183})
    labels = read({"segmentation": half})
    assert labels.ravel(order="F").tolist() == [255] * 10 + [0] * 10
    with pytest.raises(UserError, match="label value 255"):
        evaluate(dataset, [COCOStuffOverlap()], [(ids[0], Prediction(labels=labels))])
    path.write_text(json.dumps([_result(score="drop", image_id="pair0")]))
    with pytest.raises(UserError, match="names no image"):
        find_results(dataset, ids, path)
    golden = COCOStuff(GOLDEN)
    path.write_text(json.dumps(json.loads(_stuff(tmp_path / "all.json").read_text())[-3:]))
    with pytest.raises(UserError, match="5 of 6 samples have no label map: pair0"):
        find_results(golden, golden.ids("val"), path)
    assert list(find_results(golden, golden.ids("val"), path, partial=True).files) == ["pair5"]
