"""A dataset that declares its files and lists, and nothing else."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest
from PIL import Image

from segbench.data import FileDataset
from segbench.registry import dataset_class
from segbench.settings import Settings
from segbench.testing import check_dataset
from segbench.types import DatasetInfo, Part, SplitInfo, UserError


class Listed(FileDataset):
    """Binary masks of 0 and 255, with a list for each split."""

    info = replace(
        dataset_class("medaka").info,
        name="listed",
        splits={
            "train": SplitInfo(2, "two"),
            "test": SplitInfo(1, "one"),
            "both": SplitInfo(3, "all", holds=("train",)),
        },
        metrics=("binary-overlap",),
    )
    paths: ClassVar[Mapping[Part, str]] = {"image": "images/{id}.png", "labels": "masks/{id}_mask.png"}
    split_lists = "lists/{split}.txt"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("images", "masks", "lists"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate("abc"):
        mask = np.zeros((20, 30), np.uint8)
        mask[4 : 10 + number, 5:20] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}_mask.png")
        Image.fromarray(mask // 2 + 40).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "lists" / "train.txt").write_text("b\n\na\n")
    (tmp_path / "lists" / "test.txt").write_text("c\n")
    return tmp_path


def test_lists_give_the_splits_in_their_order(root: Path) -> None:
    dataset = Listed(root)
    check_dataset(dataset)
    assert dataset.ids("train") == ("b", "a")
    assert dataset.ids("all") == ("a", "b", "c")
    assert dataset.check() == dataset.check_counts() == []
    assert set(np.unique(np.asarray(dataset.load("a").labels))) == {0, 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\na\n", "names an image twice"),
        ("", "is empty"),
        ("../a\n", "'../a' is no image name; expected one such as image_001 per line"),
    ],
)
def test_a_bad_list_is_refused(root: Path, text: str, message: str) -> None:
    (root / "lists" / "test.txt").write_text(text)
    with pytest.raises(UserError, match=message.replace(".", r"\.")):
        Listed(root).ids("test")
    assert any(message in fault for fault in Listed(root).check_counts())


def test_what_has_no_counterpart_is_named(root: Path) -> None:
    (root / "masks" / "b_mask.png").unlink()
    (root / "images" / "c.png").unlink()
    dataset = Listed(root)
    faults = dataset.check_pairs()
    assert any("b.png: has no label map" in fault for fault in faults)
    assert any("c_mask.png: has no image; fetch it" in fault for fault in faults)
    with pytest.raises(UserError, match=r"b\.png: has no label map"):
        dataset.ids("all")
    with pytest.raises(UserError, match="b_mask"):
        dataset.load("b")


def test_predictions_may_be_called_as_label_maps_are(root: Path) -> None:
    dataset = Listed(root)
    names = {"a.png": "a", "out/b_mask.png": "b", "b_pred.png": None}
    assert {name: dataset.match_prediction(Path(name), dataset.ids("all")) for name in names} == names


def test_listed_names_without_files_are_named(root: Path) -> None:
    (root / "lists" / "train.txt").write_text("b\nA\nzebra\n")
    faults = Listed(root).check_pairs()
    assert any("train.txt: 'zebra' has no label map" in fault for fault in faults)
    assert any(
        "train.txt: 'A' has no label map" in fault and "There is 'a', which differs" in fault for fault in faults
    )
    with pytest.raises(UserError, match="'A' has no label map"):
        Listed(root).ids("all")


def test_a_part_that_every_label_map_has(root: Path) -> None:
    (root / "objects").mkdir()
    for name in "abx":
        Image.fromarray(np.zeros((20, 30), np.uint16)).save(root / "objects" / f"{name}.png")
    whole = {**Listed.paths, "instances": "objects/{id}.png"}
    dataset = type("WithObjects", (Listed,), {"paths": whole, "rule_parts": ("instances",)})(root)
    faults = dataset.check_pairs()
    assert any("c_mask.png: has no instance map; fetch it into" in fault for fault in faults)
    assert any("x.png: has no label map" in fault for fault in faults)
    with pytest.raises(UserError, match=r"x\.png: has no label map"):
        dataset.ids("all")


def test_a_root_without_labels_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no label maps of listed below .* Run 'bench data describe listed'"):
        Listed(tmp_path)


class Scans(FileDataset):
    """Label maps of 8 bits in a folder for each patient, whose reader may be chosen."""

    class Readers(Settings):
        """Whose annotations."""

        reader: Literal["first", "second"] = "first"
        """Whose annotations are the truth."""

    info = DatasetInfo(
        "scans",
        "1",
        "scans",
        "binary",
        classes=dataset_class("medaka").info.classes,
        splits={name: SplitInfo(None, name) for name in ("train", "test")},
        settings=Readers,
    )
    paths: ClassVar[Mapping[Part, str]] = {
        "image": "images/{split}/{group}/{id}.png",
        "labels": "first/{split}/{group}/{id}_mask.png",
    }

    def pattern(self, part: Part) -> str:
        """By the reader."""
        return super().pattern(part).replace("first", self.settings.reader)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    for number, place in enumerate(("train/p2/b", "train/p1/c", "train/p2/a", "test/p3/d")):
        for reader in ("first", "second"):
            mask = np.zeros((20, 30), np.uint8)
            mask[4 : 10 + number, 5 : 20 if reader == "first" else 12] = 255
            path = tmp_path / reader / f"{place}_mask.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)
        path = tmp_path / "images" / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask // 2 + 40).save(path)
    return tmp_path


def test_a_folder_for_each_group(scans: Path) -> None:
    dataset = Scans(scans)
    check_dataset(dataset)
    assert dataset.ids("all") == ("c", "a", "b", "d")
    assert [dataset.group(i) for i in dataset.ids("all")] == ["p1", "p2", "p2", "p3"]
    assert dataset.check() == dataset.check_counts() == []
    (scans / "images" / "train" / "p4").mkdir()
    (scans / "images" / "train" / "p2" / "a.png").rename(scans / "images" / "train" / "p4" / "a2.png")
    shutil.copy(scans / "first" / "test" / "p3" / "d_mask.png", scans / "first" / "test" / "p3" / "c_mask.png")
    faults = "\n".join(Scans(scans).check_pairs())
    assert "a2.png: has no label map" in faults
    assert "a_mask.png: has no image; fetch it into" in faults
    assert "c_mask.png' both give the sample 'c'" in faults


def test_settings_of_a_dataset_are_checked_and_told(scans: Path) -> None:
    second = Scans(scans, reader="second")
    assert second.settings.reader == "second"
    assert Scans(scans) == Scans(str(scans)) != second
    assert pickle.loads(pickle.dumps(second)) == second
    assert np.asarray(Scans(scans).load("a").labels).sum() > np.asarray(second.load("a").labels).sum() > 0
    with pytest.raises(UserError, match="reader of dataset scans is 'third': expected one of first, second"):
        Scans(scans, reader="third")
    with pytest.raises(UserError, match=r"Unknown setting of dataset scans 'readr'\. Did you mean 'reader'"):
        Scans(scans, readr="first")
    assert Scans.info.layout == "images/<split>/<group>/<id>.png and first/<split>/<group>/<id>_mask.png"
    assert (Scans.info.metrics, Scans.info.main_score) == (("binary-overlap",), "dice")
    assert Scans.info.options == {"reader": "Whose annotations are the truth. Takes one of first, second."}


@pytest.mark.parametrize("path", ["masks/{group}/{id}.png", "masks/{group}/{split}/{id}.png"])
def test_groups_are_the_folders_that_hold_the_files_of_a_split(path: str) -> None:
    with pytest.raises(UserError, match=r"expected \{group\} as the folder that holds the files, below \{split\}"):
        type("Wrong", (FileDataset,), {"paths": {"labels": path}})
