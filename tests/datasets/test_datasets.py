"""The dataset adapters: conformance, layouts, splits and damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segbench.data.splits import plan_folds, plan_split, take_fraction
from segbench.datasets.medaka import Medaka
from segbench.errors import UserError
from segbench.registry import make_dataset
from segbench.testing import check_dataset
from synthetic_roots import write_hearts, write_stacks


@pytest.mark.slow
def test_isbi2012_conforms(stacks: Path) -> None:
    dataset = make_dataset("isbi2012", stacks)
    check_dataset(dataset)
    assert dataset.check() == []
    assert dataset.check_counts() == []


def test_the_real_isbi2012_conforms(real_isbi: Path) -> None:
    dataset = make_dataset("isbi", real_isbi)
    check_dataset(dataset, most=4)
    assert dataset.check_counts() == []
    assert [len(dataset.ids(s)) for s in ("train", "val", "test", "all", "challenge")] == [20, 5, 5, 30, 30]
    assert dataset.load("slice-00", ("labels",)).labels is not None
    assert dataset.load("challenge-07").labels is None


def test_isbi2012_splits_are_the_slices_of_the_contract(stacks: Path) -> None:
    dataset = make_dataset("isbi2012", stacks)
    assert dataset.ids("train") == tuple(f"slice-{n:02d}" for n in range(20))
    assert dataset.ids("val") == tuple(f"slice-{n:02d}" for n in range(20, 25))
    assert dataset.ids("test") == tuple(f"slice-{n:02d}" for n in range(25, 30))
    labels = tifffile.imread(stacks / "train-labels.tif")
    loaded = dataset.load("slice-26")
    assert loaded.labels is not None
    assert np.array_equal(loaded.labels * 255, labels[26])


def test_a_stack_of_another_length_has_no_named_splits(tmp_path: Path) -> None:
    dataset = make_dataset("isbi2012", write_stacks(tmp_path / "short", slices=4))
    assert len(dataset.ids("all")) == 4
    with pytest.raises(UserError, match=r"has 4.*--split all"):
        dataset.ids("test")


@pytest.mark.slow
def test_isbi2012_damage_is_named(stacks: Path) -> None:
    images = tifffile.imread(stacks / "train-volume.tif")
    tifffile.imwrite(stacks / "train-volume.tif", images[:29])
    cut = make_dataset("isbi2012", stacks)
    assert cut.load("slice-29", ("labels",)).labels is not None  # truth alone can still be scored against
    with pytest.raises(UserError, match=r"29 pages.*30"):
        cut.load("slice-00")
    tifffile.imwrite(stacks / "train-volume.tif", images[:, :40])
    assert "40 x 48" in make_dataset("isbi2012", stacks).check()[0]
    tifffile.imwrite(stacks / "train-volume.tif", images)
    labels = tifffile.imread(stacks / "train-labels.tif")
    labels[3, 0, 0] = 7
    tifffile.imwrite(stacks / "train-labels.tif", labels)
    (fault,) = make_dataset("isbi2012", stacks).check()
    assert "train-labels.tif, page 3: holds 3 different values (0, 7, 255)" in fault
    (stacks / "train-labels.tif").write_bytes((stacks / "train-labels.tif").read_bytes()[:-2000])
    assert any("truncated" in fault for fault in make_dataset("isbi2012", stacks).check())


@pytest.mark.slow
def test_medaka_conforms(hearts: Path) -> None:
    dataset = make_dataset("medaka", hearts)
    check_dataset(dataset)
    assert dataset.check() == []


def test_the_real_masks_are_24_sequences(real_masks: Path) -> None:
    dataset = make_dataset("medaka", real_masks)
    check_dataset(dataset, most=10)
    ids = dataset.ids("all")
    assert len(ids) == 503
    assert len({dataset.group(i) for i in ids}) == 24
    after_the_gap = dataset.load("lateral-train-2509", ("labels",))
    assert (after_the_gap.group, after_the_gap.index) == ("lateral-train-2500", 9)
    assert len(dataset.ids("val")) == 5 * 21


def test_medaka_validates_on_the_last_fifth_of_the_sequences(hearts: Path) -> None:
    dataset = make_dataset("heartseg", hearts)
    train, val, test = (dataset.ids(split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (25, 5, 30)
    assert {dataset.group(i) for i in val} == {"lateral-train-0500"}
    assert {dataset.group(i) for i in train}.isdisjoint(dataset.group(i) for i in val)


def test_medaka_missing_frames_keep_their_slot_and_gaps_of_three_split(hearts: Path) -> None:
    masks = hearts / "train_images" / "lateral_mask"
    for number in (102, 103):
        (masks / f"{number:04d}_mask.tif").unlink()
    dataset = make_dataset("medaka", hearts)
    assert dataset.load("lateral-train-0104").index == 4
    for number in (201, 202, 203):
        (masks / f"{number:04d}_mask.tif").unlink()
    dataset = make_dataset("medaka", hearts)
    assert dataset.group("lateral-train-0200") == "lateral-train-0200"
    assert dataset.group("lateral-train-0204") == "lateral-train-0204"


def test_medaka_views_are_options(hearts: Path) -> None:
    assert make_dataset("medaka", hearts, {"view": "lateral"}).ids("test")
    with pytest.raises(UserError, match="view ventral"):
        make_dataset("medaka", hearts, {"view": "ventral"})
    with pytest.raises(
        UserError, match="Setting view of dataset medaka is 'dorsal': expected one of ventral, lateral, both"
    ):
        make_dataset("medaka", hearts, {"view": "dorsal"})


def test_medaka_damage_is_named(hearts: Path) -> None:
    train = hearts / "train_images"
    (train / "lateral_sample_gray" / "0001_sample.tif").unlink()
    mask = train / "lateral_mask" / "0100_mask.tif"
    values = np.asarray(Image.open(mask)).copy()
    values[0, 0] = 99
    Image.fromarray(values).save(mask, compression="tiff_lzw")
    broken = train / "lateral_mask" / "0201_mask.tif"
    broken.write_bytes(broken.read_bytes()[:60])
    faults = make_dataset("medaka", hearts).check()
    assert len(faults) == 3
    for fault, words in zip(faults, ("mask 0001 has no image", "0100_mask.tif: holds 3", "0201_mask.tif"), strict=True):
        assert words in fault
    shutil.copy(mask, train / "lateral_mask" / "copy_of_0100.tif")
    with pytest.raises(UserError, match="both have the number 100"):
        make_dataset("medaka", hearts)


def test_predictions_are_matched_by_number_and_folder(hearts: Path) -> None:
    dataset = make_dataset("medaka", hearts)
    ids = dataset.ids("test")
    assert dataset.match_prediction(Path("lateral_mask/0052_mask.tif"), ids) == "lateral-test-0052"
    assert dataset.match_prediction(Path("0052.png"), ids) == "lateral-test-0052"
    assert dataset.match_prediction(Path("9999.png"), ids) is None
    assert dataset.match_prediction(Path("readme.png"), ids) is None


def test_folds_hold_out_every_sample_once(stacks: Path, hearts: Path) -> None:
    for dataset in (make_dataset("isbi2012", stacks), make_dataset("medaka", hearts)):
        folds = plan_folds(dataset, 5, "all", 1.0, 0)
        assert sorted(i for fold in folds for i in fold.evaluate) == sorted(dataset.ids("all"))
        for fold in folds:
            assert not set(fold.train) & set(fold.evaluate)
            assert len(fold.train) + len(fold.evaluate) == len(dataset.ids("all"))
    for fold in folds:  # medaka: whole videos are held out
        assert not {dataset.group(i) for i in fold.train} & {dataset.group(i) for i in fold.evaluate}


def test_a_split_that_holds_training_samples_is_refused(stacks: Path) -> None:
    dataset = make_dataset("isbi2012", stacks)
    for split in ("train", "all"):
        with pytest.raises(UserError, match="training samples"):
            plan_split(dataset, split, 1.0, 0)
    (fold,) = plan_split(dataset, "val", 1.0, 0)
    assert fold.val == ()


@pytest.mark.slow
def test_a_last_training_learns_from_val_too_and_scores_neither(stacks: Path) -> None:
    dataset = make_dataset("isbi2012", stacks)
    (usual,), (last,) = (plan_split(dataset, "test", 1.0, 0, splits) for splits in ("train", "train+val"))
    assert last.train == (*usual.train, *usual.val)
    assert (last.val, last.evaluate) == ((), usual.evaluate)
    assert len(plan_split(dataset, "test", 0.2, 0, "train+val")[0].train) == 5
    for split in ("train", "val", "all"):
        with pytest.raises(UserError, match=r"training samples.*Use --split test, or --folds K"):
            plan_split(dataset, split, 1.0, 0, "train+val")


def test_a_smaller_fraction_is_part_of_a_larger_one() -> None:
    ids = [f"s{n}" for n in range(40)]
    small, large = (set(take_fraction(ids, part, seed=3)) for part in (0.1, 0.5))
    assert (len(small), len(large)) == (4, 20)
    assert small < large
    assert take_fraction(ids, 0.001, 0) != ()
    for wrong in (0.0, 1.5, float("nan")):
        with pytest.raises(UserError, match="train-fraction"):
            take_fraction(ids, wrong, 0)


def test_medaka_trains_on_one_view_and_tests_on_the_other(tmp_path: Path) -> None:
    write_hearts(tmp_path)
    for folder in ("train_images", "test_images"):
        for kind in ("mask", "sample_gray"):
            shutil.copytree(tmp_path / folder / f"lateral_{kind}", tmp_path / folder / f"ventral_{kind}")
    crossed = Medaka(tmp_path, train_view="ventral", test_view="lateral")
    assert {i.split("-")[0] for split in ("train", "val") for i in crossed.ids(split)} == {"ventral"}
    assert {i.split("-")[0] for i in crossed.ids("test")} == {"lateral"}
    assert len(crossed.ids("all")) == 60
    with pytest.raises(UserError, match="leave one of them out"):
        Medaka(tmp_path, view="lateral", test_view="lateral")
    with pytest.raises(UserError, match=r"train_view of dataset medaka is 'above': expected one of .*, or null"):
        Medaka(tmp_path, train_view="above")


def test_medaka_masks_in_the_folders_of_the_archive(tmp_path: Path) -> None:
    """A number alone may be that of a frame of the single video too, whose masks lie in a folder of their own."""
    hearts = write_hearts(tmp_path / "hearts")
    test = hearts / "test_images"
    for part, name in (("lateral_mask", "label_masks_N0092"), ("lateral_sample_gray", "frames_N0092")):
        shutil.copytree(test / part, test / name)
    dataset = make_dataset("medaka", hearts)
    ids = dataset.ids("test")
    assert {"lateral-test-0050", "lateral-N0092-0050"} <= set(ids)
    for path, sample_id in (
        ("mine/lateral_mask/0050_mask.tif", "lateral-test-0050"),
        ("mine/label_masks_N0092/0050_mask.tif", "lateral-N0092-0050"),
        ("mine/lateral/0050.png", None),
        ("mine/0050.png", None),
    ):
        assert dataset.match_prediction(Path(path), ids) == sample_id
