"""Splits of your own folder: listed, by subfolder, or by a hash that keeps groups whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from own_folders import (
    QUIET,
    THREE,
    write_folder,
)
from segbench.commands.data import verify
from segbench.datasets.folder import Folder
from segbench.testing import check_dataset
from segbench.types import UserError


def test_subfolders_are_groups_and_stay_whole(tmp_path: Path) -> None:
    names = [f"video {v}/day/{n:02d}" for v in range(9) for n in range(4)]
    dataset = Folder(write_folder(tmp_path, names))
    check_dataset(dataset)
    assert dataset.group("video 3__day__02") == "video 3/day"
    assert dataset.load("video 3__day__02").index == 2
    groups = [{dataset.group(i) for i in dataset.ids(split)} for split in ("train", "val", "test")]
    assert all(groups)
    assert sum(map(len, groups)) == len(set.union(*groups)) == 9
    assert "stays whole" in dataset.info.splits["test"].summary
    ids = dataset.ids("all")
    assert dataset.match_prediction(Path("out/video 3/day/02_mask.png"), ids) == "video 3__day__02"
    assert dataset.match_prediction(Path("02.png"), ids) is None


@pytest.mark.slow
def test_the_hash_split_is_stable_and_about_70_15_15(tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    (tmp_path / "classes.yaml").write_text(THREE)
    for number in range(1000):
        (masks / f"{number}.png").touch()
    before = Folder(tmp_path)
    for number in range(1000, 2000):
        (masks / f"{number}.png").touch()
    after = Folder(tmp_path)
    for split, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        assert set(before.ids(split)) <= set(after.ids(split))
        assert abs(len(after.ids(split)) / 2000 - share) < 0.04  # three standard deviations of 0.7 are 0.031
    assert "hash" in after.info.splits["test"].summary
    assert sorted(i for split in after.info.splits for i in after.ids(split)) == sorted(after.ids("all"))


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_a_few_samples_still_give_every_split_one(count: int, tmp_path: Path) -> None:
    for start in range(8):
        dataset = Folder(write_folder(tmp_path / str(start), [f"s{start * 10 + n}" for n in range(count)]))
        assert dataset.ids("train")
        assert dataset.ids("test")
        if count > 2:
            assert dataset.ids("val")
        else:
            with pytest.raises(UserError, match=r"'val'.*is empty"):
                dataset.ids("val")


def test_listed_splits(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b b", "v/c", "d"])
    (root / "splits").mkdir()
    (root / "splits" / "train.txt").write_text("\ufeffd\r\n\r\nv/c.png\r\n", encoding="utf-8")
    (root / "splits" / "test.txt").write_text("a_mask\n")
    dataset = Folder(root)
    check_dataset(dataset)
    assert (dataset.ids("train"), dataset.ids("test")) == (("d", "v__c"), ("a",))
    assert dataset.info.splits.keys() == {"train", "test"}
    assert "splits/test.txt" in dataset.info.splits["test"].summary
    assert any(
        "in no split (first: 'b b')" in warning for warning in verify("folder", root, QUIET, cache=False).warnings
    )
    with pytest.raises(UserError, match="no split 'val'"):
        dataset.ids("val")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("../x", "leads out of the folder"),
        ("v/../../x", "leads out of the folder"),
        ("/etc/passwd", "leads out of the folder"),
        ("..\\x", "leads out of the folder"),
        ("C:\\x", "leads out of the folder"),
        ("nobody", "no sample 'nobody'"),
        ("b", "named before, by train.txt, line 1"),
    ],
)
def test_wrong_lines_of_a_split_are_named(line: str, words: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b"])
    (root / "splits").mkdir()
    (root / "splits" / "train.txt").write_text("b\n")
    (root / "splits" / "test.txt").write_text(f"a\n{line}\n")
    with pytest.raises(UserError, match=re.escape("test.txt, line 2: ") + f".*{words}"):
        Folder(root)


def test_splits_of_other_names_are_not_passed_over(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b"])
    (root / "splits").mkdir()
    (root / "splits" / "training.txt").write_text("a\n")
    with pytest.raises(UserError, match=r"holds none of train.txt"):
        Folder(root)


def test_subfolders_called_train_and_test_are_the_splits(tmp_path: Path) -> None:
    dataset = Folder(write_folder(tmp_path, ["train/a", "train/b", "test/a", "valid/x/a"]))
    check_dataset(dataset)
    assert dataset.ids("train") == ("train__a", "train__b")
    assert (dataset.ids("val"), dataset.ids("test")) == (("valid__x__a",), ("test__a",))
    (tmp_path / "masks" / "test" / "a.png").unlink()
    blind = Folder(tmp_path)
    assert not blind.info.splits["test"].labelled
    assert blind.ids("test") == ("test__a",)
    assert blind.check() == []
