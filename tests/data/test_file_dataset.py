"""A dataset that declares its files and lists, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from segbench.data import FileDataset
from segbench.registry import dataset_class
from segbench.testing import check_dataset
from segbench.types import Part, SplitInfo, UserError


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


def test_a_root_without_labels_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no label maps of listed below .* Run 'bench data describe listed'"):
        Listed(tmp_path)
