"""voc2012, cocostuff, cityscapes and camvid: official tables, splits, pairing, conformance."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segbench
from commands import Run
from places import GOLDEN, SHARED
from scenes import label_map, write_camvid, write_cityscapes, write_cocostuff, write_pngs, write_voc
from segbench.datasets.camvid import CamVid
from segbench.datasets.cityscapes import Cityscapes, train_ids
from segbench.datasets.cocostuff import CLASSES, REMOVED, COCOStuff
from segbench.datasets.voc2012 import VOC2012
from segbench.io.images.read import palette_color
from segbench.testing import check_dataset
from segbench.types import Dataset, UserError

NAMES: dict[type[Any], list[str]] = {
    VOC2012: ["2007_000001", "2008_000002"],
    COCOStuff: ["000000000139", "000000000285"],
    Cityscapes: ["aachen_000000_000019", "bad-honnef_000001_000020"],
    CamVid: ["0016E5_07959", "0016E5_08001"],
}
WRITERS: dict[type[Any], Callable[[Path, dict[str, Any]], Path]] = {
    VOC2012: write_voc,
    COCOStuff: write_cocostuff,
    Cityscapes: write_cityscapes,
    CamVid: write_camvid,
}


@pytest.fixture(params=list(NAMES), ids=lambda cls: cls.info.name)
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    """A SYNTHETIC val split of two images."""
    cls = request.param
    random = np.random.default_rng(2)
    maps = {name: label_map(cls.info, random) for name in NAMES[cls]}
    made: Dataset = cls(WRITERS[cls](tmp_path, maps))
    return made


def test_conformance(dataset: Dataset) -> None:
    check_dataset(dataset)
    assert dataset.ids("val") == dataset.ids("all") == tuple(NAMES[type(dataset)])
    assert dataset.check() == []
    assert any("official" in fault or "cannot be read" in fault for fault in dataset.check_counts())


@pytest.mark.parametrize(
    ("cls", "photographs", "told"),
    [
        (VOC2012, "VOCdevkit/VOC2012/JPEGImages", False),
        (COCOStuff, "images/val2017", False),
        (CamVid, "", True),
    ],
)
def test_folds_of_single_photographs_cut_through_no_video(
    cls: type[Any], photographs: str, told: bool, tmp_path: Path
) -> None:
    """Of VOC and COCO-Stuff nobody says which belong together; CamVid's names say it, and here all are of one film."""
    random = np.random.default_rng(2)
    names = [f"0016E5_{number:05d}" for number in range(4)]
    maps = {name: label_map(cls.info, random) for name in names}
    root = WRITERS[cls](tmp_path / "data", maps)
    if photographs:
        (root / photographs).mkdir(parents=True, exist_ok=True)
        for name, labels in maps.items():
            Image.new("RGB", labels.shape[::-1]).save(root / photographs / f"{name}.jpg")
    made = segbench.run(cls.info.name, "constant", root=root, folds=2, out=tmp_path / "run", progress=False)
    assert any("cut through a video" in each for each in made.record.warnings) is told


def test_an_empty_root_is_named(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match="Expected"):
        type(dataset)(tmp_path / "nothing")  # type: ignore[call-arg]


def test_a_colour_image_in_place_of_labels_is_named(dataset: Dataset) -> None:
    path = dataset.files(dataset.ids("val")[0], "labels")[0]
    Image.new("RGB", (32, 24)).save(path)
    with pytest.raises(UserError, match=path.name):
        dataset.load(dataset.ids("val")[0], ("labels",))
    assert any(path.name in fault for fault in dataset.check())


def test_the_real_photographs_of_voc() -> None:
    root = SHARED / "data" / "voc_sample"
    if not root.is_dir():
        pytest.skip(f"{root} is not there: real data is not part of the project")
    voc = VOC2012(root)
    check_dataset(voc)
    sample = voc.load("2011_000003", ("image", "labels", "instances"))
    assert sample.image is not None
    assert sample.labels is not None
    assert sample.instances is not None
    assert sample.image.shape[:2] == sample.labels.shape == sample.instances.shape
    assert set(np.unique(sample.labels)) <= {*range(21), 255}
    assert 255 in sample.labels
    inside = (sample.labels != 255) & (sample.instances != 255)
    assert ((sample.labels > 0) == (sample.instances > 0))[inside].all()


def test_voc_finds_its_folder_from_above_and_below(tmp_path: Path) -> None:
    write_voc(tmp_path, {"a": np.zeros((2, 2), np.uint8)})
    roots = (tmp_path, tmp_path / "VOCdevkit", tmp_path / "VOCdevkit" / "VOC2012")
    assert {VOC2012(root).ids("val") for root in roots} == {("a",)}


def test_the_reduced_release_of_voc_is_a_part_and_says_so(bench: Run, tmp_path: Path) -> None:
    """A dataset of its own beside the official one below the same root: other files, another hash, 440 of 1 449."""
    random = np.random.default_rng(5)
    maps = {name: label_map(VOC2012.info, random) for name in ("2007_000001", "2008_000002", "2008_000003")}
    root = write_voc(tmp_path, maps)
    with pytest.raises(UserError, match="no VOC 2012, release figures-274, below"):
        VOC2012(root, release="figures-274")
    folder = root / "figures-274"
    small = {name: np.ascontiguousarray(values[::2, ::2]) for name, values in list(maps.items())[:2]}
    write_pngs(folder / "labels", small)
    write_pngs(folder / "images", {name: np.zeros((*values.shape, 3), np.uint8) for name, values in small.items()})
    (folder / "val.txt").write_text("2007_000001\n2008_000002\n")
    reduced = VOC2012(root, release="figures-274")
    check_dataset(reduced)
    assert reduced.ids("val") == tuple(small)
    assert np.array_equal(np.asarray(reduced.load("2007_000001", ("labels",)).labels), small["2007_000001"])
    assert VOC2012(root).ids("val") == tuple(maps)
    words = ("-d", "voc2012", "--root", root, "-p", folder / "labels", "--set", "release=figures-274")
    done = bench("evaluate", *words, "--out", tmp_path / "run", "--no-plots")
    assert done.returncode == 0
    assert "split 'val' has 2 samples" in done.stderr
    assert "the official one has 440" in done.stderr
    block = json.loads((tmp_path / "run" / "record.json").read_text())["dataset"]
    assert (block["n"], block["whole_n"], block["options"]) == (2, 1449, {"release": "figures-274"})
    done = bench("leaderboard", "--validate", tmp_path / "run")
    assert done.returncode == 1
    assert "2 samples, official 440" in done.stdout
    found = bench("data", "verify", "voc2012", "--root", root, "--set", "release=figures-274", "--json")
    (fault,) = json.loads(found.stdout)["faults"]
    assert fault.endswith("split 'val' has 2 names; official 440")
    assert json.loads(found.stdout)["splits"]["val"]["official"] == 440
    assert found.returncode == 1
    assert bench("data", "verify", "voc2012", "--root", root, "--set", "release=2012").returncode == 2


def test_the_voc_palette() -> None:
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 7: (128, 128, 128), 15: (192, 128, 128), 20: (0, 64, 128)}
    assert {index: palette_color(index) for index in known} == known
    assert palette_color(255) == (224, 224, 192)


def test_the_tables_of_cocostuff() -> None:
    info = COCOStuff.info
    table = json.loads((GOLDEN / "cocostuff" / "labels.json").read_text())
    named = {entry["id"]: entry for entry in table["labels"] if 1 <= entry["id"] <= 182}
    assert {c.id + 1: (c.name, c.kind) for c in CLASSES} == {i: (e["name"], e["kind"]) for i, e in named.items()}
    assert sorted(REMOVED) == table["removed_thing_ids"]
    assert [c.id + 1 for c in info.classes] == table["used_ids"]
    place = {c.id: position for position, c in enumerate(info.classes)}
    assert {int(k): v for k, v in table["png_value_to_train_id_171"].items()} == place


def test_the_tables_of_cityscapes() -> None:
    info = Cityscapes.info
    assert len(info.classes) == 19
    assert len(info.unscored) == 15
    assert info.predictable == frozenset(range(34))
    assert [c.name for c in info.classes][:3] == ["road", "sidewalk", "building"]
    assert {c.category for c in info.classes} == {
        *("flat", "construction", "object", "nature", "sky", "human", "vehicle"),
    }


@pytest.mark.parametrize(
    ("cls", "name", "wanted"),
    [
        (VOC2012, "deep/2007_000001.png", "2007_000001"),
        (VOC2012, "2007_000001_pred.png", None),
        (COCOStuff, "139.png", "000000000139"),
        (COCOStuff, "000000000139.png", "000000000139"),
        (COCOStuff, "140.png", None),
        (Cityscapes, "x/aachen_000000_000019_pred_labelIds.png", "aachen_000000_000019"),
        (Cityscapes, "run7_bad-honnef_000001_000020.png", "bad-honnef_000001_000020"),
        (Cityscapes, "aachen_000000_0000199.png", None),
        (CamVid, "x/0016E5_07959.png", "0016E5_07959"),
        (CamVid, "0016E5_08001_L.png", "0016E5_08001"),
        (CamVid, "0016E5_08003.png", None),
    ],
)
def test_predictions_are_matched_by_name(cls: type[Any], name: str, wanted: str | None, tmp_path: Path) -> None:
    maps = {sample_id: np.zeros((2, 2), np.uint8) for sample_id in NAMES[cls]}
    made = cls(WRITERS[cls](tmp_path, maps))
    assert made.match_prediction(Path(name), made.ids("val")) == wanted


def test_a_dataset_is_sent_to_workers(dataset: Dataset) -> None:
    assert pickle.loads(pickle.dumps(dataset)).ids("val") == dataset.ids("val")


def test_train_aug_adds_the_maps_of_sbd_that_are_not_in_val(tmp_path: Path) -> None:
    official = {name: np.full((2, 2), 1, np.uint8) for name in ("a", "b", "c")}
    root = write_voc(tmp_path, official)
    base = root / "VOCdevkit" / "VOC2012"
    lists = base / "ImageSets" / "Segmentation"
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("b\nc\n")
    with pytest.raises(UserError, match="needs the label maps of SBD"):
        VOC2012(root).ids("train_aug")
    write_pngs(base / "SegmentationClassAug", {name: np.full((2, 2), 2, np.uint8) for name in ("a", "b", "x", "y")})
    voc = VOC2012(root)
    assert voc.ids("train_aug") == ("a", "x", "y")
    assert np.unique(np.asarray(voc.load("a", ("labels",)).labels)).tolist() == [1]  # the official map wins
    assert np.unique(np.asarray(voc.load("x", ("labels",)).labels)).tolist() == [2]
    (lists / "train_aug.txt").write_text("x\n")
    assert VOC2012(root).ids("train_aug") == ("x",)
    assert voc.ids("all") == ("a", "b", "c")


def test_coarse_cityscapes_has_train_extra(tmp_path: Path) -> None:
    maps = {"aachen_000000_000019": np.full((2, 4), 7, np.uint8)}
    write_cityscapes(tmp_path, maps)
    folder = tmp_path / "gtCoarse" / "train_extra" / "bayreuth"
    folder.mkdir(parents=True)
    for kind in ("labelIds", "instanceIds"):
        Image.fromarray(np.full((2, 4), 26, np.uint8)).save(folder / f"bayreuth_000000_000001_gtCoarse_{kind}.png")
    coarse = Cityscapes(tmp_path, annotations="coarse")
    assert coarse.ids("train_extra") == coarse.ids("all") == ("bayreuth_000000_000001",)
    assert coarse.load("bayreuth_000000_000001", ("labels", "instances")).instances is not None
    assert Cityscapes(tmp_path).ids("all") == ("aachen_000000_000019",)
    with pytest.raises(
        UserError, match="Setting annotations of dataset cityscapes is 'rough': expected one of fine, coarse"
    ):
        Cityscapes(tmp_path, annotations="rough")


def test_train_ids_of_cityscapes() -> None:
    labels = np.array([[c.id for c in Cityscapes.info.classes], [c.id for c in Cityscapes.info.unscored] + [0] * 4])
    assert train_ids(labels[0]).tolist() == list(range(19))
    assert set(train_ids(labels[1]).tolist()) == {255}
