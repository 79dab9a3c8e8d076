"""`classes.yaml` says where files lie: folders as others publish them need no script."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foreign_layouts import SHAPE, blocks, camvid, cwfid, disc, drive, photo, save, vnc
from own_folders import QUIET
from segbench.commands.data import verify
from segbench.data.index import DataIndex
from segbench.data.own_folder.classes_file import parse_classes
from segbench.data.own_folder.grouping import grouped, parse_group
from segbench.datasets.folder import Folder
from segbench.errors import UserError

BINARY = "classes: {0: background, 1: vessel}\n"


def defined(root: Path, text: str) -> Folder:
    (root / "classes.yaml").write_text(text)
    return Folder(root)


CAMVID = (
    "name: roads\nimages: {train: train/*.png, val: val/*.png, test: test/*.png}\n"
    "masks: {train: 'trainannot/{stem}.png', val: 'valannot/{stem}.png', test: 'testannot/{stem}.png'}\n"
    "group: '^(.+?)_'\nclasses: {" + ", ".join(f"{n}: class {n}" for n in range(11)) + "}\nignore: 11\n"
)
DRIVE = (
    "name: retina\nimages: {train: 'training/images/{name}_training.tif', test: 'test/images/{name}_test.tif'}\n"
    "masks: {train: 'training/1st_manual/{name}_manual1.gif', test: 'test/1st_manual/{name}_manual1.gif'}\n"
    "region: {train: 'training/mask/{stem}_mask.gif', test: 'test/mask/{stem}_mask.gif'}\n" + BINARY
)
CWFID = (
    "name: carrots\nimages: images/{name}_image.png\nmasks: annotations/{name}_annotation.png\ncoding: colors\n"
    "classes:\n- {id: 0, name: soil, color: [0, 0, 0]}\n- {id: 1, name: crop, color: [0, 255, 0]}\n"
    "- {id: 2, name: weed, color: [255, 0, 0]}\n"
)
VNC = "name: nerve\nimages: '{group}/raw/*.tif'\nmasks: '{group}/mitochondria/{stem}.png'\n" + BINARY


def test_camvid_as_it_lies(tmp_path: Path) -> None:
    dataset = defined(camvid(tmp_path), CAMVID)
    assert [len(dataset.ids(split)) for split in ("train", "val", "test")] == [6, 3, 4]
    sample_id = dataset.ids("val")[0]
    sample = dataset.load(sample_id)
    np.testing.assert_array_equal(sample.labels, blocks(int(sample_id[-6:]), 12))
    assert sample.group == sample_id.split("_")[0]
    assert dataset.match_prediction(Path(f"{sample_id}.png"), dataset.ids("val")) == sample_id


def test_drive_as_it_lies_and_nothing_outside_of_the_field_of_view_counts(tmp_path: Path) -> None:
    dataset = defined(drive(tmp_path), DRIVE)
    assert dataset.ids("train") == ("21", "22", "23", "24", "25", "26")
    assert dataset.ids("test") == ("01", "02", "03", "04")
    assert dataset.info.ignore_label == 255
    labels = dataset.load("21").labels
    assert labels is not None
    np.testing.assert_array_equal(labels == 255, disc() == 0)
    np.testing.assert_array_equal(labels[disc() > 0], blocks(21, 2)[disc() > 0])
    assert {path.name for path in dataset.files("21", "labels")} == {"21_manual1.gif", "21_training_mask.gif"}
    assert dataset.match_prediction(Path("21_manual1.png"), dataset.ids("train")) == "21"


def test_cwfid_as_it_lies(tmp_path: Path) -> None:
    dataset = defined(cwfid(tmp_path), CWFID)
    assert len(dataset.ids("all")) == 10
    np.testing.assert_array_equal(dataset.load("001").labels, blocks(1, 3))


def test_vnc_as_it_lies_a_stack_is_a_group(tmp_path: Path) -> None:
    dataset = defined(vnc(tmp_path), VNC)
    assert dataset.ids("all")[:2] == ("stack1__00", "stack1__01")
    assert {dataset.group(i) for i in dataset.ids("all")} == {"stack1", "stack2", "stack3"}
    np.testing.assert_array_equal(dataset.load("stack2__03").labels, blocks(13, 2))


@pytest.mark.parametrize(
    ("make", "text"),
    [(camvid, CAMVID), (drive, DRIVE), (cwfid, CWFID), (vnc, VNC)],
    ids=["camvid", "drive", "cwfid", "vnc"],
)
def test_each_is_sound_and_its_definition_makes_it_again(make, text: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    dataset = defined(make(tmp_path), text)
    report = verify("folder", tmp_path, QUIET, cache=False)
    assert report.faults == []
    assert report.n == len(dataset.ids("all"))
    again = parse_classes(dict(dataset.definition()), "classes.yaml", "x")
    assert again.version == dataset.info.version
    assert Folder.info_of(dataset.definition()).ignore_label == dataset.info.ignore_label


def test_names_that_splits_share_are_told_apart(tmp_path: Path) -> None:
    for split in ("train", "test"):
        save(tmp_path / split / "a.png", photo(1))
        save(tmp_path / f"{split}_gt" / "a.png", blocks(1, 2) * np.uint8(255))
    images = "images: {train: train/*.png, test: test/*.png}\n"
    text = images + "masks: {train: 'train_gt/{stem}.png', test: 'test_gt/{stem}.*'}\n"
    dataset = defined(tmp_path, text + BINARY)
    assert dataset.ids("all") == ("test__a", "train__a")


def test_a_split_without_masks_has_none(tmp_path: Path) -> None:
    text = DRIVE.replace(", test: 'test/1st_manual/{name}_manual1.gif'", "")
    dataset = defined(drive(tmp_path), text.replace(", test: 'test/mask/{stem}_mask.gif'", ""))
    assert not dataset.info.splits["test"].labelled
    assert dataset.load("01", ("labels",)).labels is None


def test_a_region_in_the_usual_layout(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photo(1))
    save(tmp_path / "masks" / "a.png", blocks(1, 2))
    save(tmp_path / "instances" / "a.png", blocks(1, 2))
    save(tmp_path / "fov" / "a.png", disc())
    sample = defined(tmp_path, BINARY + "region: fov/{stem}.png\n").load("a", ("labels", "instances"))
    assert sample.labels is not None
    assert sample.instances is not None
    np.testing.assert_array_equal(sample.labels == 255, disc() == 0)
    assert not sample.instances[disc() == 0].any()


def test_masks_of_255_keep_their_foreground_beside_a_region(tmp_path: Path) -> None:
    """255 is what masks store for the foreground, and the label of what a region leaves out."""
    dataset = defined(drive(tmp_path), DRIVE)
    labels = dataset.load("21", ("labels",)).labels
    assert labels is not None
    assert (labels == 1).any()


def test_another_region_is_other_data(tmp_path: Path) -> None:
    dataset = defined(drive(tmp_path), DRIVE)
    before = DataIndex(dataset).data_sha256(dataset.ids("all"))
    save(tmp_path / "training" / "mask" / "21_training_mask.gif", np.roll(disc(), 1, 1))
    assert DataIndex(Folder(tmp_path)).data_sha256(dataset.ids("all")) != before


def test_regions_that_are_missing_or_of_another_size_are_named(tmp_path: Path) -> None:
    root = drive(tmp_path)
    Image.fromarray(disc()[:-1]).save(root / "training" / "mask" / "21_training_mask.gif")
    with pytest.raises(UserError, match="the region is 47 x 64"):
        defined(root, DRIVE).load("21")
    (root / "training" / "mask" / "21_training_mask.gif").unlink()
    with pytest.raises(UserError, match=r"1 of 10 samples have no region .* first '21'"):
        Folder(root)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("images: ../*.png\nmasks: 'm/{stem}.png'", "expected a path below the folder"),
        ("images: /etc/*.png\nmasks: 'm/{stem}.png'", "expected a path below the folder"),
        ("images: 'C:\\*.png'\nmasks: 'm/{stem}.png'", "expected a path below the folder"),
        ("images: train/*.png", "not where masks do"),
        ("masks: 'm/{stem}.png'", "not where images do"),
        ("images: train/*.png\nmasks: 'm/{name}.png'", "holds {name}"),
        ("images: train/*.png\nmasks: m/a.png", "one file for all images"),
        ("images: train/*.png\nmasks: m/*.png", "holds *"),
        ("images: {training: train/*.png}\nmasks: 'm/{stem}.png'", "one for each of train, val, test"),
        ("images: {train: train/*.png}\nmasks: {val: 'm/{stem}.png'}", "which images does not"),
        ("images: 'train/*a*b*.png'\nmasks: 'm/{stem}.png'", "more than 2"),
        ("images: 'train/**'\nmasks: 'm/{stem}.png'", "ends in **"),
        ("images: nowhere/*.png\nmasks: 'm/{stem}.png'", "finds no image"),
        ("images: train/*.png\nmasks: 'nowhere/{stem}.png'", "has a mask at 'nowhere/{stem}.png'"),
        ("images: train/*.png\nmasks: 'm/{stem}.png'\nnames: {image: 'x{name}'}", "leave out 'names'"),
        ("images: train/*.png\nmasks: 'm/{stem}.png'\nmask: x", "Unknown key"),
        ("coding: values", "write 'masks: values'"),
        ("masks: colours", "expected one of auto, values, colors"),
        ("group: 5", "expected a regular expression"),
        ("group: '('", "is no regular expression"),
    ],
)
def test_a_wrong_place_is_named_with_its_key(text: str, says: str, tmp_path: Path) -> None:
    save(tmp_path / "train" / "a.png", photo(1))
    save(tmp_path / "m" / "a.png", blocks(1, 2))
    with pytest.raises(UserError) as caught:
        defined(tmp_path, f"{text}\n{BINARY}")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "expression",
    [
        "(a+)+$",
        "(a|a)*$",
        "(a|aa)+$",
        "(.*)*x",
        "a?a?a?a?a?aaaaa",
        "(a|b)(a|b)(a|b)(a|b)",
        r"(a)\1",
        "(?=a+)b",
        "(?<=a)b",
        "x" * 201,
    ],
)
def test_an_expression_that_may_take_without_end_is_refused(expression: str) -> None:
    with pytest.raises(UserError, match="group"):
        parse_group(expression, "classes.yaml: group")


@pytest.mark.parametrize(
    ("expression", "group"),
    [("^(.+?)_", "0001TP"), (r"^([A-Z0-9]+)_\d{6}$", "0001TP"), ("^.{4}", "0001"), (r"^\d+(TP|R0)_", "TP")],
)
def test_usual_expressions_give_groups(expression: str, group: str) -> None:
    assert grouped({"a": "0001TP_006690"}, parse_group(expression, "g"), "g") == {"a": group}


def test_the_worst_expression_that_is_taken_is_quick_or_refused() -> None:
    names = {str(n): "a" * 200 + str(n) for n in range(200)}
    started = time.monotonic()
    with pytest.raises(UserError, match="may take too long"):
        grouped(names, parse_group("a*a*a*b", "g"), "g")
    with pytest.raises(UserError, match="finds nothing"):
        grouped(dict(list(names.items())[:1]), parse_group("^a*a*a*b", "g"), "g")
    assert time.monotonic() - started < 20


def test_a_name_without_group_is_named(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a1.png", photo(1))
    save(tmp_path / "masks" / "a1.png", blocks(1, 2))
    with pytest.raises(UserError, match="finds nothing in 'a1'"):
        defined(tmp_path, BINARY + "group: '^(.+?)_'\n")


def test_groups_by_name_keep_splits_whole_in_the_usual_layout(tmp_path: Path) -> None:
    for n in range(24):
        save(tmp_path / "images" / f"fish{n // 4}_{n % 4}.png", photo(n))
        save(tmp_path / "masks" / f"fish{n // 4}_{n % 4}.png", blocks(n, 2))
    dataset = defined(tmp_path, BINARY + "group: '^(fish[0-9]+)_'\n")
    members = {split: {dataset.group(i) for i in dataset.ids(split)} for split in ("train", "val", "test")}
    assert sum(map(len, members.values())) == len(set().union(*members.values())) == 6
    assert SHAPE == (48, 64)
