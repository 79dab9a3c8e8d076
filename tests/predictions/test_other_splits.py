"""Predictions of other splits in the same folder: which split they belong to is said, in warnings and in refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenes import label_map, write_camvid, write_pngs
from segbench.datasets.camvid import CamVid
from segbench.predictions.find import find_predictions
from segbench.types import UserError

FRAMES = {
    "train": ("0001TP_006690", "0006R0_f00930", "0016E5_08190"),
    "val": ("0016E5_07959", "0016E5_08159"),
    "test": ("0001TP_008550", "Seq05VD_f00000", "Seq05VD_f05100"),
}


@pytest.fixture
def camvid(tmp_path: Path) -> CamVid:
    """SYNTHETIC label maps of some frames of every split."""
    random = np.random.default_rng(5)
    for split, names in FRAMES.items():
        write_camvid(tmp_path, {name: label_map(CamVid.info, random, (36, 48)) for name in names}, split)
    return CamVid(tmp_path)


def written(folder: Path, *names: str) -> Path:
    write_pngs(folder, {name: np.zeros((36, 48), np.uint8) for name in names})
    return folder


def test_files_of_other_splits_are_named_by_their_split(camvid: CamVid, tmp_path: Path) -> None:
    place = written(tmp_path / "mine", *FRAMES["test"], *FRAMES["val"], *FRAMES["train"], "notes")
    (warning,) = find_predictions(camvid, FRAMES["test"], place).warnings
    assert warning.startswith("6 files belong to no sample of the split and took no part in the scores: ")
    assert warning.endswith(
        "Of these 6, 3 to split 'train' and 2 to split 'val' of camvid (choose a split with --split)"
    )


def test_a_wrong_split_is_named_where_nothing_fits(camvid: CamVid, tmp_path: Path) -> None:
    place = written(tmp_path / "mine", *FRAMES["val"])
    with pytest.raises(UserError, match=r"Of these 2, 2 to split 'val' of camvid \(choose a split with --split\)\."):
        find_predictions(camvid, FRAMES["test"], place)


def test_strange_files_alone_are_of_no_split(camvid: CamVid, tmp_path: Path) -> None:
    place = written(tmp_path / "mine", *FRAMES["test"], "notes")
    (warning,) = find_predictions(camvid, FRAMES["test"], place).warnings
    assert warning == "1 file belongs to no sample of the split and took no part in the scores: notes.png"
