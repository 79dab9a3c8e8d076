"""Panoptic truth and predictions as files: every way to give them, what is refused, and what a run keeps."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from random_panoptic import CLASSES, random_pairs, write_coco

from places import GOLDEN
from segbench import evaluate
from segbench.commands.verify import verify
from segbench.datasets.cityscapes import Cityscapes
from segbench.datasets.cocostuff import PANOPTIC_CLASSES, COCOStuff
from segbench.datasets.folder import Folder
from segbench.errors import UserError
from segbench.io.images.segment_ids import read_segment_ids, write_segment_ids
from segbench.io.reporter import Reporter
from segbench.metrics.panoptic import PanopticQuality
from segbench.predictions.find import find_predictions
from segbench.testing import check_dataset
from segbench.types import Panoptic, Prediction, Segment

PAIRS = random_pairs(6, 500)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_coco(tmp_path / "root", PAIRS)
    return tmp_path / "root"


def _edit(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_segment_numbers_come_back(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 255, 256], [65535, 65536, 1 << 23, (1 << 24) - 1]])
    write_segment_ids(tmp_path / "a.png", ids)
    assert read_segment_ids(tmp_path / "a.png").tolist() == ids.tolist()
    with Image.open(tmp_path / "a.png") as image:
        red, green, blue = image.split()
    assert (np.asarray(red) + 256 * np.asarray(green, int) + 65536 * np.asarray(blue, int)).tolist() == ids.tolist()
    with pytest.raises(UserError, match="16777216"):
        write_segment_ids(tmp_path / "b.png", ids + 1)
    Image.fromarray(ids.astype(np.uint8)).save(tmp_path / "grey.png")
    with pytest.raises(UserError, match=r"grey\.png: .*expected a colour PNG"):
        read_segment_ids(tmp_path / "grey.png")


def test_a_folder_of_segments_needs_nothing_else(root: Path) -> None:
    dataset = Folder(root)
    check_dataset(dataset)
    assert dataset.ids("test") == dataset.ids("all") == tuple(sample.id for sample, _ in PAIRS)
    assert {c.id: (c.name, c.kind) for c in dataset.info.classes} == {c.id: (c.name, c.kind) for c in CLASSES}
    for sample, _ in PAIRS:
        truth = dataset.load(sample.id, ("labels", "instances", "panoptic"))
        assert sample.panoptic is not None
        assert truth.panoptic is not None
        assert np.array_equal(truth.panoptic.ids, sample.panoptic.ids)
        assert truth.panoptic.segments == sample.panoptic.segments
        assert truth.labels is not None
        assert truth.instances is not None
        void = sample.panoptic.ids == 0
        assert (truth.labels[void] == dataset.info.ignore_label).all()
        for segment in sample.panoptic.segments:
            mine = sample.panoptic.ids == segment.id
            assert (truth.labels[mine] == segment.category).all()
            single = segment.category < 6 and not segment.crowd
            assert len(set(truth.instances[mine].tolist())) == 1
            assert (truth.instances[mine] > 0).all() == single
        assert truth.instances.max() == sum(s.category < 6 and not s.crowd for s in sample.panoptic.segments)
    assert Folder.info_of(dataset.definition()).classes == dataset.info.classes


@pytest.mark.parametrize("given", ["predictions.json", "predictions", "mine", "deep", "."])
def test_every_way_to_give_them_scores_the_same(given: str, root: Path) -> None:
    place = root / given
    if given == "mine":  # a folder with both
        place.mkdir()
        shutil.copy(root / "predictions.json", place / "results.json")
        shutil.copytree(root / "predictions", place / "results")
    if given == "deep":  # the PNG files beside the JSON, some folders down
        shutil.copytree(root / "predictions", place / "a" / "b")
        shutil.copy(root / "predictions.json", place / "a" / "b" / "x.json")
    dataset = Folder(root)
    found = find_predictions(dataset, dataset.ids("all"), place)
    assert found.kind == "panoptic"
    for sample, prediction in PAIRS:
        mine = found.files[sample.id].read(dataset).panoptic
        assert mine is not None
        assert prediction.panoptic is not None
        assert np.array_equal(mine.ids, prediction.panoptic.ids)
        assert mine.segments == prediction.panoptic.segments


def test_label_maps_of_categories_are_scored_too(root: Path, tmp_path: Path) -> None:
    dataset = Folder(root)
    for sample_id in dataset.ids("all"):
        labels = dataset.load(sample_id, ("labels",)).labels
        assert labels is not None
        (tmp_path / "maps").mkdir(exist_ok=True)
        Image.fromarray(labels).save(tmp_path / "maps" / f"{sample_id}.png")
    run = evaluate("folder", tmp_path / "maps", root=root, out=tmp_path / "run", progress=False)
    assert run.record.scores["miou"].value == 1


@pytest.mark.slow
def test_a_run_keeps_segments_and_instances(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    given: dict[str, Any] = {"root": root, "out": out, "progress": False}
    run = evaluate("folder", root / "predictions.json", save_predictions=True, instances=True, **given)
    assert run.record.main_score == "pq"
    assert run.record.metrics == {"panoptic": "1"}
    assert {"pq", "sq", "rq", "pq_things", "sq_stuff", "rq_things"} <= run.record.scores.keys()
    metric = PanopticQuality()
    expected = metric.compute([metric.measure(*pair, Folder(root).info) for pair in PAIRS], Folder(root).info)
    assert {name: run.record.scores[name].value for name in expected} == expected
    with (out / "instances.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["outcome"] == "matched" for row in rows) == sum(
        row["tp"] or 0 for row in run.record.per_class.values()
    )
    checks = verify(out, root, Reporter(quiet=True))
    assert checks.ok
    assert any(check.name == "predictions" and check.ok for check in checks.checks)
    again = evaluate("folder", root / "predictions.json", save_predictions=True, instances=True, **given)
    assert again.record.created == run.record.created  # complete and current


def test_instances_are_refused_where_none_are_scored(root: Path, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    for sample, _ in PAIRS:
        Image.fromarray(np.ones((60, 80), np.uint8)).save(tmp_path / "maps" / f"{sample.id}.png")
    with pytest.raises(UserError, match="--instances"):
        evaluate("folder", tmp_path / "maps", root=root, out=tmp_path / "run", instances=True, progress=False)


def _drop(content: Any) -> None:
    content["annotations"][1]["segments_info"].pop()


def _add(content: Any) -> None:
    content["annotations"][1]["segments_info"].append({"id": 77, "category_id": 1})


def _twice(content: Any) -> None:
    content["annotations"][1]["segments_info"].append(content["annotations"][1]["segments_info"][0])


def _category(content: Any) -> None:
    content["annotations"][1]["segments_info"][0]["category_id"] = 99


def _no_id(content: Any) -> None:
    del content["annotations"][1]["segments_info"][0]["id"]


def _void(content: Any) -> None:
    content["annotations"][1]["segments_info"][0]["id"] = 0


def _outside(content: Any) -> None:
    content["annotations"][1]["file_name"] = "../panoptic/000000000501.png"


def _missing(content: Any) -> None:
    content["annotations"].pop()


def _lost(content: Any) -> None:
    content["annotations"][1]["file_name"] = "other.png"


def _repeated(content: Any) -> None:
    content["annotations"].append(content["annotations"][0])


def _same_image(content: Any) -> None:
    content["images"] = [{"id": 500, "file_name": "a.jpg"}, {"id": 500, "file_name": "b.jpg"}]


def _no_list(content: Any) -> None:
    content["annotations"] = {"segments_info": []}


FAULTS: dict[Callable[[Any], object], str] = {
    _drop: "in the PNG and not in the JSON",
    _add: "segments 77 of image 501 are in the JSON and not in the PNG",
    _twice: "earlier segment",
    _category: "category 99",
    _no_id: "'id' is missing",
    _void: "0 is void",
    _outside: "leads out of its folder",
    _missing: "1 of 6 samples have no prediction",
    _lost: "names 1 PNG files that are not in",
    _repeated: "annotated before",
    _same_image: "images[1]: 'id' 500 is that of an earlier image",
    _no_list: "expected a list of objects",
}


@pytest.mark.parametrize("change", FAULTS, ids=lambda change: change.__name__)
def test_what_is_wrong_is_named(change: Callable[[Any], object], root: Path, tmp_path: Path) -> None:
    _edit(root / "predictions.json", change)
    with pytest.raises(UserError) as caught:
        evaluate("folder", root / "predictions.json", root=root, out=tmp_path / "run", progress=False)
    assert FAULTS[change] in str(caught.value)
    assert not (tmp_path / "run" / "record.json").exists()


def test_two_files_of_segments_in_one_folder_are_told_apart_by_the_user(root: Path) -> None:
    dataset = Folder(root)
    shutil.copy(root / "predictions.json", root / "others.json")
    with pytest.raises(UserError, match=r"holds 2 files of segments"):
        find_predictions(dataset, dataset.ids("all"), root)


def test_masks_beside_segments_are_the_truth_and_that_is_told(root: Path) -> None:
    (root / "masks").mkdir()
    Image.fromarray(np.eye(60, dtype=np.uint8)).save(root / "masks" / "a.png")
    (root / "classes.yaml").write_text("classes: {0: ground, 1: line}\n")
    dataset = Folder(root)
    assert dataset.ids("all") == ("a",)
    assert dataset.info.panoptic_metrics == ()
    assert any("panoptic.json' is not read" in hint for hint in dataset.hints())


def test_truth_without_categories_is_refused(root: Path) -> None:
    _edit(root / "panoptic.json", lambda content: content.pop("categories"))
    with pytest.raises(UserError, match="'categories'"):
        Folder(root)


@pytest.mark.slow
def test_coco_reads_its_own_layout(tmp_path: Path) -> None:
    root = tmp_path / "coco"
    (root / "stuffthingmaps/val2017").mkdir(parents=True)
    (root / "annotations").mkdir()
    category = {
        c.id: each.id
        for c, each in zip(CLASSES, (PANOPTIC_CLASSES[k] for k in (0, 1, 2, 3, 4, 90, 131, 132)), strict=True)
    }
    pairs = []
    for sample, prediction in PAIRS:
        sides = []
        for side in (sample.panoptic, prediction.panoptic):
            assert side is not None
            sides.append(Panoptic(side.ids, tuple(Segment(s.id, category[s.category], s.crowd) for s in side.segments)))
        pairs.append((type(sample)(sample.id, "g", 0, panoptic=sides[0]), Prediction(panoptic=sides[1])))
        Image.fromarray(np.zeros((60, 80), np.uint8)).save(root / "stuffthingmaps/val2017" / f"{sample.id}.png")
    write_coco(tmp_path / "made", pairs, PANOPTIC_CLASSES)
    shutil.move(tmp_path / "made/panoptic", root / "annotations/panoptic_val2017")
    shutil.move(tmp_path / "made/panoptic.json", root / "annotations/panoptic_val2017.json")
    run = evaluate("cocostuff", tmp_path / "made", root=root, out=tmp_path / "run", progress=False)
    metric = PanopticQuality()
    info = COCOStuff.info
    assert len(info.segment_classes) == 133
    expected = metric.compute([metric.measure(*pair, info) for pair in pairs], info)
    assert {name: run.record.scores[name].value for name in expected} == expected


@pytest.mark.slow
def test_cityscapes_takes_its_official_names(tmp_path: Path) -> None:
    root = GOLDEN / "cityscapes"
    dataset = Cityscapes(root)
    (tmp_path / "cityscapes_panoptic_val").mkdir()
    annotations = []
    for sample_id in dataset.ids("val"):
        truth = dataset.load(sample_id, ("panoptic",)).panoptic
        assert truth is not None
        name = f"{sample_id}_gtFine_panoptic.png"
        write_segment_ids(tmp_path / "cityscapes_panoptic_val" / name, truth.ids)
        segments = [{"id": s.id, "category_id": s.category} for s in truth.segments if not s.crowd]
        dropped = [s.id for s in truth.segments if s.crowd]
        ids = np.where(np.isin(truth.ids, dropped), 0, truth.ids)
        write_segment_ids(tmp_path / "cityscapes_panoptic_val" / name, ids)
        annotations.append({"image_id": sample_id, "file_name": name, "segments_info": segments})
    (tmp_path / "cityscapes_panoptic_val.json").write_text(json.dumps({"annotations": annotations}))
    out = tmp_path / "run"
    run = evaluate("cityscapes", tmp_path / "cityscapes_panoptic_val.json", root=root, out=out, progress=False)
    assert run.record.scores["pq"].value == 1
    assert run.record.main_score == "pq"
