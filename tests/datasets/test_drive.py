"""drive: the official layout in miniature, the field of view, splits by number, and the second observer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segbench
from segbench.datasets.drive import DRIVE, NUMBERS, VOID, folder_of
from segbench.io.fingerprints import ids_sha256
from segbench.predictions.find import find_predictions
from segbench.types import UserError
from tiny_roots import drive


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return drive(tmp_path / "root").root / "DRIVE"


def test_splits_are_the_official_numbers(root: Path) -> None:
    dataset = DRIVE(root.parent)
    assert dataset.root == DRIVE(root).root == root
    train, val, test = (dataset.ids(split) for split in ("train", "val", "test"))
    assert train + val == tuple(f"{n}" for n in range(21, 41))
    assert test == tuple(f"{n:02d}" for n in range(1, 21))
    assert dataset.ids("all") == train + val + test
    for split in ("train", "val", "test", "all"):
        assert DRIVE.info.official_ids[split] == ids_sha256(dataset.ids(split))
    assert {split: len(numbers) for split, numbers in NUMBERS.items()} == {
        split: info.official_size for split, info in DRIVE.info.splits.items()
    }


def test_what_lies_outside_of_the_field_of_view_is_void(root: Path) -> None:
    path = root / "test" / "1st_manual" / "01_manual1.gif"
    everywhere = np.full((16, 18), 255, np.uint8)
    Image.fromarray(everywhere).save(path)
    inside = np.asarray(Image.open(root / "test" / "mask" / "01_test_mask.gif")) > 0
    labels = DRIVE(root).load("01").labels
    assert labels is not None
    assert labels.dtype == np.uint8
    assert (labels == np.where(inside, 1, VOID)).all()
    assert 0 < inside.mean() < 1


@pytest.mark.parametrize("name", ["", "1", "001", "00", "41", "0a", "٢١", "-1", "21_training"])
def test_other_names_are_no_samples(name: str, root: Path) -> None:
    assert folder_of(name) is None
    assert DRIVE(root).files(name, "image") == ()
    with pytest.raises(UserError, match="has no sample"):
        DRIVE(root).load(name)


def test_a_mask_in_the_wrong_folder_and_a_field_of_view_that_lacks_are_named(root: Path) -> None:
    manual = root / "training" / "1st_manual"
    shutil.copy(manual / "21_manual1.gif", root / "test" / "1st_manual" / "21_manual1.gif")
    with pytest.raises(UserError, match=r"test/1st_manual/21_manual1\.gif: expected a number from 01 to 20"):
        DRIVE(root).ids("test")
    (root / "test" / "1st_manual" / "21_manual1.gif").unlink()
    (root / "training" / "mask" / "22_training_mask.gif").unlink()
    assert len(DRIVE(root).ids("test")) == 20
    with pytest.raises(UserError, match=r"22_manual1\.gif: has no field of view; fetch .*22_training_mask\.gif"):
        DRIVE(root).ids("train")
    with pytest.raises(UserError, match=r"22_training_mask\.gif' is missing: the field of view"):
        DRIVE(root).load("22")


def test_a_field_of_view_of_another_size_is_refused(root: Path) -> None:
    Image.fromarray(np.full((8, 9), 255, np.uint8)).save(root / "test" / "mask" / "03_test_mask.gif")
    said = r"03_manual1\.gif and its field of view: .*03_test_mask\.gif: the region is 8 x 9, the labels are 16 x 18"
    with pytest.raises(UserError, match=said):
        DRIVE(root).load("03")


def test_the_official_test_images_without_masks_are_no_split(root: Path) -> None:
    """As the challenge hands them out today."""
    shutil.rmtree(root / "test" / "1st_manual")
    assert len(DRIVE(root).ids("train")) == 16
    with pytest.raises(UserError, match="split 'test' of drive is empty"):
        DRIVE(root).ids("test")


@pytest.mark.parametrize("name", ["{n:02d}_manual2.gif", "{n:02d}_test.png", "{n:02d}.png"])
def test_a_second_observer_is_scored_inside_the_field_of_view(name: str, root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    inside = np.asarray(Image.open(root / "test" / "mask" / "01_test_mask.gif")) > 0
    hits = false = missed = 0
    for n in range(1, 21):
        true = np.asarray(Image.open(root / "test" / "1st_manual" / f"{n:02d}_manual1.gif")) > 0
        found = np.roll(true, 1, axis=0) | ~inside
        Image.fromarray(np.where(found, 255, 0).astype(np.uint8)).save(folder / name.format(n=n))
        hits += int(np.count_nonzero(true & found & inside))
        false += int(np.count_nonzero(~true & found & inside))
        missed += int(np.count_nonzero(true & ~found & inside))
    assert len(find_predictions(DRIVE(root), DRIVE(root).ids("test"), folder).files) == 20
    run = segbench.evaluate("drive", folder, root=root, out=tmp_path / "run", progress=False)
    assert run.scores["dice"].value == pytest.approx(2 * hits / (2 * hits + false + missed), abs=1e-12)
    assert run.scores["sensitivity"].value == pytest.approx(hits / (hits + missed), abs=1e-12)
