"""Files that the tools wrote themselves (`tests/golden/imports`) become folders that are read as any other."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as mask_api
from pycocotools.coco import COCO

from commands import Run, printed_json
from places import ROOT
from segbench.commands.data import describe, verify
from segbench.commands.import_data import ImportRequest, import_data
from segbench.data.importing.documents import ImportedData
from segbench.datasets.folder import Folder
from segbench.errors import UserError
from segbench.io.reporter import Reporter
from segbench.types import Array

FILES = ROOT / "tests" / "golden" / "imports"
QUIET = Reporter(quiet=True)


def imported(name: str, out: Path) -> ImportedData:
    """What an import of one of the folders makes."""
    return import_data(ImportRequest(FILES / name, out), QUIET)


def labels(root: Path, sample_id: str) -> Array:
    found = Folder(root).load(sample_id, ("labels",)).labels
    assert found is not None
    return found


def instances(root: Path, sample_id: str) -> Array:
    found = Folder(root).load(sample_id, ("instances",)).instances
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "form", "n"),
    [
        ("labelme", "labelme", 3),
        ("datumaro_coco", "coco", 4),
        ("datumaro_cvat", "cvat", 3),
        ("datumaro_voc", "voc", 3),
        ("ultralytics_yolo", "yolo", 4),
        ("huggingface_saved", "huggingface", 5),
        ("huggingface_parquet", "huggingface", 5),
    ],
)
def test_every_tool_is_recognised_and_what_it_wrote_is_sound(name: str, form: str, n: int, tmp_path: Path) -> None:
    found = imported(name, tmp_path / "out")
    assert (found.format, found.n, found.masks) == (form, n, n)
    assert sum(found.images.values()) == n
    report = verify("folder", tmp_path / "out", QUIET, cache=False)
    assert report.faults == []
    assert report.n == n
    assert json.loads((tmp_path / "out" / "import.json").read_text()) == found.model_dump(mode="json")


def test_labelme_is_drawn_as_labelme_draws_it_but_for_the_rim(tmp_path: Path) -> None:
    """labelme's own rule also takes the pixels of the outline, so its shapes are larger by a rim, and never smaller."""
    found = imported("labelme", tmp_path / "out")
    own = np.load(FILES / "labelme" / "shapes_to_label.npz")
    for name in ("one", "two", "three"):
        here, there = labels(tmp_path / "out", name), own[name]
        assert here.shape == there.shape
        different = here != there
        assert different.mean() < 0.06
        inner = np.zeros_like(different)
        inner[1:-1, 1:-1] = True
        for shift in ((1, 0), (-1, 0), (0, 1), (0, -1)):  # where all neighbours agree in labelme's own map
            inner &= np.roll(there, shift, (0, 1)) == there
        assert not (different & inner).any()
    assert found.shapes == {"polygon": 2, "rectangle": 1, "circle": 1, "mask": 1}
    assert {(each.what, each.n) for each in found.skipped} == {("point", 1), ("linestrip", 1)}
    assert (found.holes, found.blank, found.images) == (1, 1, {"hard links": 2, "from the annotations": 1})


def test_labelme_groups_are_objects_holes_stay_and_flags_are_a_table(tmp_path: Path) -> None:
    imported("labelme", tmp_path / "out")
    numbers, found = instances(tmp_path / "out", "one"), labels(tmp_path / "out", "one")
    assert len(np.unique(numbers[found == 1])) == 1  # the polygon and the rectangle of group 1
    assert set(np.unique(numbers)) == {0, 1, 2}
    ring = labels(tmp_path / "out", "two")
    assert (ring[15:24, 20:31] == 1).sum() == 9 * 11 - 3 * 4 - 2 * 2  # less the hole, and a corner cut out by hand
    with (tmp_path / "out" / "flags.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"sample": "one", "blurred": "true", "checked": "true"}


def test_coco_masks_are_those_of_pycocotools(tmp_path: Path) -> None:
    found = imported("datumaro_coco", tmp_path / "out")
    for split in ("train", "val"):
        coco = COCO(str(FILES / "datumaro_coco" / "annotations" / f"instances_{split}.json"))
        for image in coco.imgs.values():
            entries = [e for e in coco.imgToAnns[image["id"]] if e["segmentation"]]
            masks = [coco.annToMask(entry).astype(bool) for entry in entries]
            expected = np.zeros((image["height"], image["width"]), np.uint8)
            order = sorted(range(len(masks)), key=lambda n: (not entries[n]["iscrowd"], -masks[n].sum()))
            for n in order:
                expected[masks[n]] = entries[n]["category_id"] - 1
            np.testing.assert_array_equal(labels(tmp_path / "out", Path(image["file_name"]).stem), expected)
    assert (found.crowds, found.overlaps, found.splits) == (1, 3, {"train": 2, "val": 2})


def test_a_crowd_is_of_its_class_and_no_object(tmp_path: Path) -> None:
    imported("datumaro_coco", tmp_path / "out")
    found, numbers = labels(tmp_path / "out", "val_4"), instances(tmp_path / "out", "val_4")
    assert (found == 2).any()
    assert not numbers[found == 2].any()
    assert numbers[found == 1].all()


def test_cvat_is_drawn_by_its_levels_and_coco_by_area_which_here_agree(tmp_path: Path) -> None:
    imported("datumaro_cvat", tmp_path / "cvat")
    imported("datumaro_coco", tmp_path / "coco")
    np.testing.assert_array_equal(labels(tmp_path / "cvat", "train_2"), labels(tmp_path / "coco", "train_2"))
    boxed = labels(tmp_path / "cvat", "train_1")
    assert (boxed[5:13, 35:45] == 2).all()


def test_yolo_polygons_are_those_that_were_converted(tmp_path: Path) -> None:
    imported("ultralytics_yolo", tmp_path / "yolo")
    imported("datumaro_coco", tmp_path / "coco")
    for name in ("train_2", "val_3"):
        np.testing.assert_array_equal(labels(tmp_path / "yolo", name), labels(tmp_path / "coco", name))


def test_voc_colours_are_the_classes_of_the_label_map_and_colours_of_objects_their_numbers(tmp_path: Path) -> None:
    found = imported("datumaro_voc", tmp_path / "out")
    ring = np.zeros((40, 52), np.uint8)
    ring[5:25, 5:30] = 1
    ring[10:15, 12:20] = 0
    ring[30:36, 10:45] = 2
    np.testing.assert_array_equal(labels(tmp_path / "out", "train_1"), ring)
    numbers = instances(tmp_path / "out", "train_1")
    assert sorted(len(np.unique(numbers[ring == label])) for label in (0, 1, 2)) == [1, 1, 1]
    assert sorted(np.unique(numbers)) == [0, 1, 2]
    assert not numbers[ring == 0].any()
    assert [(c.label, c.name, c.kind) for c in found.classes] == [
        (0, "background", "background"),
        (1, "cell", "thing"),
        (2, "nucleus", "thing"),
    ]


@pytest.mark.parametrize("name", ["huggingface_saved", "huggingface_parquet"])
def test_hugging_face_label_maps_keep_their_values(name: str, tmp_path: Path) -> None:
    found = imported(name, tmp_path / "out")
    for number, split in ((1, "train"), (0, "val")):
        random = np.random.default_rng(number if split == "train" else 3 + number)
        blocks = random.choice([0, 1, 2, 255], (5, 4), p=[0.5, 0.2, 0.2, 0.1])
        expected = np.kron(blocks, np.ones((8, 13))).astype(np.uint8)
        sample_id = Folder(tmp_path / "out").ids(split)[number]
        np.testing.assert_array_equal(labels(tmp_path / "out", sample_id), expected)
    assert found.ignore_label == 255
    named = [each.name for each in found.classes]
    assert named == (["background", "cell", "nucleus"] if "parquet" in name else ["background", "class 1", "class 2"])


def test_panoptic_files_are_laid_out_as_they_are(tmp_path: Path) -> None:
    found = imported("datumaro_coco_panoptic", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "panoptic.json").read_text())
    assert {path.name for path in (tmp_path / "out" / "panoptic").iterdir()} == {
        entry["file_name"] for entry in content["annotations"]
    }
    files = {entry["id"]: entry["file_name"] for entry in content["images"]}
    for entry in content["annotations"]:
        assert Path(entry["file_name"]).stem == Path(files[entry["image_id"]]).stem
        assert entry["segments_info"]
    assert (found.panoptic, found.masks, found.images) == (3, 0, {"hard links": 3})
    assert not (tmp_path / "out" / "masks").exists()


def test_a_copy_shares_nothing_and_a_link_does(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(FILES / "labelme", source)
    import_data(ImportRequest(source, tmp_path / "linked"), QUIET)
    import_data(ImportRequest(source, tmp_path / "copied", copy=True), QUIET)
    assert (tmp_path / "linked" / "images" / "one.jpg").samefile(source / "one.jpg")
    assert not (tmp_path / "copied" / "images" / "one.jpg").samefile(source / "one.jpg")


def test_the_pixel_rule_is_that_of_pycocotools(tmp_path: Path) -> None:
    imported("ultralytics_yolo", tmp_path / "out")
    outline = [[12, 12, 18, 12, 18, 20, 12, 20]]
    expected = mask_api.decode(mask_api.merge(mask_api.frPyObjects(outline, 40, 52)))
    np.testing.assert_array_equal(labels(tmp_path / "out", "train_2") == 2, expected.astype(bool))


@pytest.mark.parametrize(
    ("name", "form"), [("datumaro_coco", "coco"), ("datumaro_voc", "voc"), ("datumaro_cvat", "cvat")]
)
def test_cvats_other_exports_are_taken_as_its_own(name: str, form: str, tmp_path: Path) -> None:
    found = import_data(ImportRequest(FILES / name, tmp_path / "out", format="cvat"), QUIET)
    assert found.format == form


def test_segments_are_recognised_behind_long_lists_of_images(tmp_path: Path) -> None:
    source = tmp_path / "in"
    shutil.copytree(FILES / "datumaro_coco_panoptic", source)
    path = source / "annotations" / "panoptic_val.json"
    content = json.loads(path.read_text())
    long = {"info": {"about": "x" * 3_000_000}, "images": content["images"], "annotations": content["annotations"]}
    path.write_text(json.dumps({**long, "categories": content["categories"]}))
    assert import_data(ImportRequest(source, tmp_path / "out"), QUIET).panoptic == 3


def test_a_table_with_a_column_called_as_a_key_of_coco_is_a_table(tmp_path: Path) -> None:
    source = tmp_path / "in"
    shutil.copytree(FILES / "huggingface_saved" / "train", source)
    info = json.loads((source / "dataset_info.json").read_text())
    info["features"]["annotations"] = {"dtype": "string", "_type": "Value"}
    (source / "dataset_info.json").write_text(json.dumps(info))
    assert import_data(ImportRequest(source, tmp_path / "out"), QUIET).format == "huggingface"


def test_a_panoptic_folder_is_read_as_it_is(tmp_path: Path) -> None:
    imported("datumaro_coco_panoptic", tmp_path / "out")
    report = verify("folder", tmp_path / "out", QUIET, cache=False)
    assert report.faults == []
    dataset = Folder(tmp_path / "out")
    assert (len(dataset.ids("train")), len(dataset.ids("val"))) == (2, 1)
    sample = dataset.load(dataset.ids("train")[0], ("image", "panoptic"))
    assert sample.image is not None
    assert sample.panoptic is not None


def test_segments_of_pictures_in_one_folder_keep_their_pictures(tmp_path: Path) -> None:
    """Their common folder is left out of all names, those of the segments too; the folders in it are groups."""
    source = tmp_path / "in"
    shutil.copytree(FILES / "datumaro_coco_panoptic", source)
    for split, animals in (("train", {"train_1": "one", "train_2": "two"}), ("val", {"val_3": "two"})):
        path = source / "annotations" / f"panoptic_{split}.json"
        content = json.loads(path.read_text())
        for picture in content["images"]:
            stem = Path(picture["file_name"]).stem
            picture["file_name"] = f"lab/{animals[stem]}/{stem}.png"
            moved = source / "images" / picture["file_name"]
            moved.parent.mkdir(parents=True, exist_ok=True)
            (source / "images" / split / f"{stem}.png").rename(moved)
        path.write_text(json.dumps(content))
    import_data(ImportRequest(source, tmp_path / "out"), QUIET)
    dataset = Folder(tmp_path / "out")
    assert dataset.ids("train") == ("one__train_1", "two__train_2")
    assert dataset.ids("val") == ("two__val_3",)
    for sample_id in dataset.ids("all"):
        name = "/".join(sample_id.split("__"))
        assert dataset.files(sample_id, "image") == (tmp_path / "out" / "images" / f"{name}.png",)
        assert dataset.load(sample_id, ("panoptic",)).panoptic is not None


def test_the_command_prints_a_table_or_one_document(bench: Run, tmp_path: Path) -> None:
    source, out = str(FILES / "labelme"), str(tmp_path / "out")
    said = bench("data", "import", source, "--out", out)
    assert said.returncode == 0
    for word in ("hard links", "polygons", "left out: has no area", "bench data verify folder --root"):
        assert word in said.stdout
    again = bench("data", "import", source, "--out", out)
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert "Traceback" not in again.stderr
    found = printed_json(bench("data", "import", source, "--out", out, "--overwrite", "--copy", "--json"))
    assert found == json.loads((tmp_path / "out" / "import.json").read_text())
    assert found["images"]["copies"] == 2


@pytest.mark.slow
def test_an_imported_folder_trains_and_scores_a_network(bench: Run, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert bench("data", "import", str(FILES / "ultralytics_yolo"), "--out", out).returncode == 0
    settings = ("--set", "epochs=1", "--set", "base_channels=4", "--set", "depth=2", "--set", "iterations_per_epoch=2")
    run = ("run", "--dataset", "folder", "--root", out, "-m", "unet", "--no-plots", "--json", *settings)
    record = printed_json(bench(*run, "--out", str(tmp_path / "run")))
    assert record["dataset"]["origin"] == "real"
    assert record["scores"]["miou"]["n"] == record["dataset"]["n"] == 2


@pytest.mark.parametrize("name", ["labelme", "datumaro_coco", "datumaro_cvat", "datumaro_voc", "ultralytics_yolo"])
def test_who_takes_annotations_for_a_folder_is_told_of_the_import(name: str, tmp_path: Path) -> None:
    source = tmp_path / "in"
    shutil.copytree(FILES / name, source)
    with pytest.raises(UserError, match=r"bench data import .*--out DIR"):
        Folder(source)
    if name != "datumaro_voc":  # whose label maps lie in a folder that is found
        with pytest.raises(UserError, match=r"bench data import .*--out DIR"):
            describe("folder", source, write=True, reporter=QUIET)
