"""Synthetic voc2012, cocostuff, cityscapes and camvid: layout, truth, statistics of the labels, repeatability."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as mask_api

from commands import Run, printed_json
from segbench.data.locations import MARKER, origin_of
from segbench.datasets.camvid import CamVid
from segbench.datasets.cityscapes import CLASSES, Cityscapes
from segbench.datasets.cocostuff import COCOStuff
from segbench.datasets.voc2012 import VOC2012
from segbench.errors import UserError
from segbench.io.images.read import palette_color
from segbench.synthetic import camvid, cityscapes, cocostuff, voc2012
from segbench.synthetic.cocostuff.surfaces import STUFF, THINGS
from segbench.synthetic.painting.outlines import ROLES
from segbench.synthetic.painting.silhouettes import SILHOUETTES
from segbench.synthetic.painting.textures import KINDS
from segbench.testing import check_dataset
from segbench.types import Dataset

pytestmark = pytest.mark.slow

Counts = NDArray[np.int64]
Labelled = tuple[NDArray[np.uint8], NDArray[np.uint8]]

VOC_PLAN = voc2012.Plan(train=12, val=4, side=128)
COCO_PLAN = cocostuff.Plan(train=12, val=4, side=128)
CITY_PLAN = cityscapes.Plan(6, 4, 96, ("aachen", "bochum"), ("frankfurt", "lindau"))
CAM_PLAN = camvid.Plan(5, 2, 5, 96, camvid.FILMS)
MAKERS: dict[str, tuple[Any, Any, Callable[[Path], Dataset]]] = {
    "voc2012": (voc2012, VOC_PLAN, VOC2012),
    "cocostuff": (cocostuff, COCO_PLAN, COCOStuff),
    "cityscapes": (cityscapes, CITY_PLAN, Cityscapes),
    "camvid": (camvid, CAM_PLAN, CamVid),
}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("synthetic")
    for name, (maker, plan, _) in MAKERS.items():
        maker.synthesize(folder / name, seed=3, plan=plan, workers=1)
    return {name: folder / name for name in MAKERS}


@pytest.fixture(scope="module")
def voc_scenes() -> list[Labelled]:
    return [voc2012.scene(0, 0, index, 160)[1:] for index in range(60)]


@pytest.fixture(scope="module")
def streets() -> list[tuple[NDArray[np.uint8], NDArray[np.uint16]]]:
    return [cityscapes.scene(0, 0, index, index // 10, 128)[1:] for index in range(40)]


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def pixels(maps: Iterable[NDArray[np.uint8]]) -> Counts:
    return np.asarray(sum(np.bincount(labels.ravel(), minlength=256) for labels in maps))


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    name: str, roots: dict[str, Path], tmp_path: Path
) -> None:
    maker, plan, _ = MAKERS[name]
    # Only once with two processes: they take their time to start.
    maker.synthesize(tmp_path / "again", seed=3, plan=plan, workers=2 if name == "voc2012" else 1)
    before, again = digests(roots[name]), digests(tmp_path / "again")
    assert again == before
    maker.synthesize(tmp_path / "again", seed=4, plan=plan, workers=1)
    other = digests(tmp_path / "again")
    assert other.keys() == before.keys()
    pictures = [path for path in before if path.endswith((".jpg", ".png"))]
    assert all(other[path] != before[path] for path in pictures)


def test_bytes_do_not_depend_on_the_processor() -> None:
    """Another process, in which NumPy, OpenCV and the JPEG encoder may not use vector instructions, makes the same."""
    code = """if True:
        import hashlib, io
        from PIL import Image
        from segbench.synthetic import camvid, cityscapes, cocostuff, isbi2012, voc2012
        made = [voc2012.scene(1, 0, n, 200) for n in range(6)]
        made += [cocostuff.scene(1, 0, n, 200)[:2] for n in range(6)]
        made += [cityscapes.scene(1, 0, n, 0, 128) for n in range(3)]
        made += [camvid.scene(1, 0, n, 0, 96) for n in range(3)] + [isbi2012.section(1, 0, 1, 2)]
        total = hashlib.sha256()
        for photo, *maps in made:
            file = io.BytesIO()
            Image.fromarray(photo).save(file, "JPEG", quality=92)
            total.update(file.getvalue() + b"".join(values.tobytes() for values in maps))
        print(total.hexdigest())
    """
    plain = {
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR AVX2 FMA3 AVX512F AVX512_SKX",
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,AVX,FMA3,FP16,SSE4.2,SSE4.1",
        "JSIMD_FORCENONE": "1",
    }
    digests = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env={**os.environ, **extra},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for extra in ({}, plain)
    ]
    assert len(digests[0]) == 65
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", MAKERS)
def test_it_conforms_and_every_file_is_sound(name: str, roots: dict[str, Path]) -> None:
    maker, plan, make = MAKERS[name]
    dataset = make(roots[name])
    check_dataset(dataset, most=6)
    assert dataset.check() == []
    assert dataset.info.synthesizable
    assert (len(dataset.ids("train")), len(dataset.ids("val"))) == (plan.train, plan.val)
    for plan, official in ((maker.FULL, True), (maker.SMALL, False)):
        sizes = {split: info.official_size for split, info in dataset.info.splits.items()}
        assert ((plan.train, plan.val) == (sizes["train"], sizes["val"])) == official


@pytest.mark.parametrize("name", MAKERS)
def test_marker_says_what_it_is(name: str, roots: dict[str, Path]) -> None:
    marker = json.loads((roots[name] / MARKER).read_text(encoding="utf-8"))
    assert marker["origin"] == "synthetic"
    assert marker["generator"] == f"segbench.synthetic.{name}"
    assert "synthetic" in marker["notice"].lower()
    assert marker["seed"] == 3
    assert marker["n_files"] == len(digests(roots[name])) - 1
    assert origin_of(MAKERS[name][2](roots[name]).root) == "synthetic"


@pytest.mark.parametrize("name", MAKERS)
def test_only_earlier_synthetic_data_is_replaced(name: str, tmp_path: Path) -> None:
    maker = MAKERS[name][0]
    one = {
        "voc2012": voc2012.Plan(1, 1, 64),
        "cocostuff": cocostuff.Plan(1, 1, 64),
        "cityscapes": cityscapes.Plan(1, 1, 64, ("ulm",), ("bonn",)),
        "camvid": camvid.Plan(1, 1, 0, 60, camvid.FILMS),
    }[name]
    root = tmp_path / "data"

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        maker.synthesize(root, plan=one, workers=1, progress=interrupt)
    assert not root.exists()
    steps: list[tuple[int, int]] = []
    maker.synthesize(root, plan=one, workers=1, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    (root / "mine.txt").write_text("precious")
    with pytest.raises(UserError, match=r"mine\.txt"):
        maker.synthesize(root, plan=one, workers=1)
    (root / MARKER).unlink()
    with pytest.raises(UserError, match="was not made by segbench"):
        maker.synthesize(root, plan=one, workers=1)
    assert (root / "mine.txt").read_text() == "precious"


def test_silhouettes_fill_their_boxes_with_known_materials() -> None:
    for name, silhouette in SILHOUETTES.items():
        points = np.array([point for part in silhouette.parts for point in part.points])
        assert points.min() > -0.15, name
        assert points.max() < 1.15, name
        assert (np.ptp(points, axis=0) > 0.5).all(), name
        assert {part.role for part in silhouette.parts} <= {"body", "second", *ROLES}, name
    assert {*(thing.look.texture for thing in THINGS), *(stuff.look.texture for stuff in STUFF)} <= KINDS


def test_voc2012_files_are_the_official_ones(roots: dict[str, Path]) -> None:
    folder = roots["voc2012"] / "VOCdevkit" / "VOC2012"
    lists = {
        name: (folder / "ImageSets" / "Segmentation" / f"{name}.txt").read_text().split()
        for name in ("train", "val", "trainval")
    }
    assert lists["trainval"] == sorted(lists["train"] + lists["val"])
    assert lists["trainval"][0] == "2007_000001"
    for name in lists["trainval"]:
        with Image.open(folder / "JPEGImages" / f"{name}.jpg") as photo:
            assert photo.format == "JPEG"
            assert max(photo.size) == VOC_PLAN.side
        for kind in ("SegmentationClass", "SegmentationObject"):
            with Image.open(folder / kind / f"{name}.png") as labels:
                palette = labels.getpalette()
                assert labels.mode == "P"
                assert labels.size == photo.size
                assert palette is not None
                assert tuple(palette[3 * 15 : 3 * 16]) == palette_color(15)
                assert tuple(palette[3 * 255 :]) == palette_color(255)


def test_voc2012_objects_and_classes_agree_and_are_bordered(voc_scenes: list[Labelled]) -> None:
    several = 0
    for classes, things in voc_scenes:
        assert ((classes == 255) == (things == 255)).all()
        assert ((classes == 0) == (things == 0)).all()
        numbers = sorted(set(np.unique(things).tolist()) - {0, 255})
        assert numbers == list(range(1, len(numbers) + 1))
        several += len(numbers) > 1
        for number in numbers:
            assert len(np.unique(classes[things == number])) == 1
        for a, b in ((things[1:], things[:-1]), (things[:, 1:], things[:, :-1])):
            # Two things, or a thing and the background, never touch.
            assert ((a == b) | (a == 255) | (b == 255)).all()
    assert several > len(voc_scenes) / 3


def test_voc2012_labels_are_as_unequal_as_the_real_ones(voc_scenes: list[Labelled]) -> None:
    counts = pixels(classes for classes, _ in voc_scenes)
    share = counts / counts.sum()
    # The real trainval set: background 69 %, void 5 %.
    assert 0.6 < share[0] < 0.8
    assert 0.03 < share[255] < 0.09
    assert (share[1:21] > 0).all()
    assert not share[21:255].any()
    assert share[1:21].argmax() == 14
    assert share[1:21].max() > 5 * share[1:21].min()


def test_cityscapes_instances_carry_their_labels(
    streets: list[tuple[NDArray[np.uint8], NDArray[np.uint16]]],
) -> None:
    things = {c.id for c in CLASSES if c.kind == "thing"}
    singles, groups = 0, 0
    for labels, instances in streets:
        numbered = instances >= 1000
        assert (instances[numbered] // 1000 == labels[numbered]).all()
        assert (instances[~numbered] == labels[~numbered]).all()
        found = np.unique(instances[numbered]).tolist()
        singles += len(found)
        assert {number // 1000 for number in found} <= things | {4, 5}
        groups += len(set(np.unique(instances[~numbered]).tolist()) & things)
        for label in {number // 1000 for number in found}:
            numbers = [number % 1000 for number in found if number // 1000 == label]
            assert numbers == list(range(len(numbers)))
    assert singles > 5 * len(streets)
    assert groups > 5


def test_cityscapes_has_every_label_and_the_borders(
    streets: list[tuple[NDArray[np.uint8], NDArray[np.uint16]]],
) -> None:
    counts = pixels(labels for labels, _ in streets)
    assert (counts[:34] > 0).all()
    assert not counts[34:].any()
    scored = counts[[c.id for c in Cityscapes.info.classes]] / counts.sum()
    # Road, buildings and vegetation are most of a street, as in the real set.
    assert 0.2 < counts[7] / counts.sum() < 0.45
    assert 0.08 < counts[21] / counts.sum() < 0.3
    assert scored.max() > 50 * scored.min()
    for labels, _ in streets:
        assert (labels[-1] == 2).all()
        assert (labels[0] == 3).all()
        assert (labels[-6, 20:-20] == 1).mean() > 0.9


def test_cityscapes_files_are_the_official_ones(roots: dict[str, Path]) -> None:
    path = "val/lindau/lindau_000001_000019"
    labels, instances, photo = (
        Image.open(roots["cityscapes"] / name)
        for name in (
            f"gtFine/{path}_gtFine_labelIds.png",
            f"gtFine/{path}_gtFine_instanceIds.png",
            f"leftImg8bit/{path}_leftImg8bit.png",
        )
    )
    assert (labels.mode, instances.mode, photo.mode) == ("L", "I;16", "RGB")
    assert labels.size == instances.size == photo.size == (192, 96)
    dataset = Cityscapes(roots["cityscapes"])
    assert [dataset.group(i) for i in dataset.ids("val")] == ["frankfurt", "frankfurt", "lindau", "lindau"]
    # Intervals of val scores come from resampling cities.
    assert len(cityscapes.SMALL.val_cities) >= 5
    assert not set(cityscapes.SMALL.val_cities) & set(cityscapes.SMALL.train_cities)


def test_camvid_files_are_as_segnets(roots: dict[str, Path]) -> None:
    folder = roots["camvid"] / "CamVid"
    assert {path.name for path in folder.iterdir()} == {
        *("train", "trainannot", "val", "valannot", "test", "testannot"),
    }
    for split, count in (("train", CAM_PLAN.train), ("val", CAM_PLAN.val), ("test", CAM_PLAN.test)):
        names = sorted(path.name for path in (folder / split).iterdir())
        assert len(names) == count
        assert names == sorted(path.name for path in (folder / f"{split}annot").iterdir())
        for name in names:
            with Image.open(folder / split / name) as photo, Image.open(folder / f"{split}annot" / name) as labels:
                assert (photo.mode, labels.mode) == ("RGB", "L")
                assert photo.size == labels.size == (128, 96)
    dataset = CamVid(roots["camvid"])
    # Intervals of test scores come from resampling films.
    assert {dataset.group(i) for i in dataset.ids("test")} == set(camvid.FILMS[2])
    assert len(set(camvid.FILMS[2])) >= 5
    assert not set(camvid.FILMS[2]) & {*camvid.FILMS[0], *camvid.FILMS[1]}
    assert (camvid.FULL.test, camvid.FULL.height) == (dataset.info.splits["test"].official_size, 360)


def test_camvid_has_every_class_as_unequally_as_the_real_one() -> None:
    counts = pixels(camvid.scene(0, 0, index, index // 10, 96)[1] for index in range(30))
    assert (counts[:12] > 0).all()
    assert not counts[12:].any()
    share = counts[:11] / counts[:11].sum()
    # Road, building and sky are most of the real train set, poles and bicyclists the least.
    assert share[[0, 1, 3, 5]].sum() > 0.5
    assert share[[2, 6, 9, 10]].max() < 0.1
    assert 0.01 < counts[11] / counts.sum() < 0.2


def test_cocostuff_looks_are_of_the_classes_of_the_dataset() -> None:
    looks = {*((thing.label, thing.name) for thing in THINGS), *((stuff.label, stuff.name) for stuff in STUFF)}
    assert looks == {(c.id, c.name) for c in COCOStuff.info.classes}
    assert {entry.label for entry in THINGS} == {c.id for c in COCOStuff.info.classes if c.kind == "thing"}


def test_cocostuff_annotations_are_the_things_of_the_label_maps(roots: dict[str, Path]) -> None:
    root, seen = roots["cocostuff"], set()
    for split in ("train2017", "val2017"):
        content = json.loads((root / "annotations" / f"instances_{split}.json").read_text())
        assert len(content["categories"]) == 80
        for image in content["images"]:
            with Image.open(root / "stuffthingmaps" / split / image["file_name"].replace(".jpg", ".png")) as file:
                labels = np.asarray(file)
            assert labels.shape == (image["height"], image["width"])
            annotated = np.zeros(labels.shape, dtype=bool)
            for entry in (entry for entry in content["annotations"] if entry["image_id"] == image["id"]):
                rle = entry["segmentation"]
                if entry["iscrowd"]:
                    rle = mask_api.frPyObjects(rle, *rle["size"])
                mask = mask_api.decode(rle) > 0
                assert (labels[mask] == entry["category_id"] - 1).all()
                assert entry["area"] == mask.sum() > 0
                rows, columns = np.nonzero(mask)
                x, y = columns.min(), rows.min()
                assert entry["bbox"] == [x, y, columns.max() + 1 - x, rows.max() + 1 - y]
                assert not (annotated & mask).any()
                annotated |= mask
                assert entry["id"] not in seen
                seen.add(entry["id"])
            assert (annotated == (labels <= 90)).all()
    assert len(seen) > 30


def test_cocostuff_shows_every_class_unequally_often_and_groups() -> None:
    scenes = [cocostuff.scene(0, 0, index, 128)[1:] for index in range(182)]
    counts = pixels(labels for labels, _ in scenes)
    share = counts / counts.sum()
    ids = [c.id for c in COCOStuff.info.classes]
    assert (share[ids] > 0).all()
    assert share[[*ids, 255]].sum() == pytest.approx(1)
    assert 0.02 < share[255] < 0.08
    assert share[ids].max() > 100 * share[ids].min()
    images = [sum((labels == c).any() for labels, _ in scenes) for c in ids]
    assert images[0] == max(images) > 0.4 * len(scenes)
    assert np.median(images) < 0.1 * len(scenes)
    members = [member for _, objects in scenes for member, _ in objects]
    assert sum(member.crowd for member in members) > 5
    assert len(members) > 2 * len(scenes)


def test_colour_and_place_tell_something_of_the_class_but_not_all() -> None:
    """A table from (colour, height in the image) to class, made on some streets, is used on streets of other cities."""

    def bins(photo: NDArray[np.uint8]) -> NDArray[np.int64]:
        coarse = photo.astype(np.int64) // 32
        row = np.arange(len(photo))[:, None] * 8 // len(photo)
        return np.asarray(((coarse[..., 0] * 8 + coarse[..., 1]) * 8 + coarse[..., 2]) * 8 + row)

    table = np.zeros((4096, 34), dtype=np.int64)
    for index in range(24):
        photo, labels, _ = cityscapes.scene(0, 0, index, index // 4, 128)
        np.add.at(table, (bins(photo), labels), 1)
    right = usual = total = 0
    for index in range(12):
        photo, labels, _ = cityscapes.scene(0, 1, index, index // 2, 128)
        counted = labels > 3
        right += int((table.argmax(axis=1)[bins(photo)] == labels)[counted].sum())
        usual += int((labels == table.sum(axis=0).argmax())[counted].sum())
        total += int(counted.sum())
    assert usual / total + 0.2 < right / total < 0.85


def test_the_command_makes_what_it_then_finds_sound(bench: Run, tmp_path: Path) -> None:
    root = tmp_path / "voc"
    made = printed_json(bench("data", "synthesize", "voc2012", "--root", root, "--json"))
    assert made["n"] == voc2012.SMALL.train + voc2012.SMALL.val
    verified = bench("data", "verify", "voc2012", "--root", root, "--json")
    assert printed_json(verified)["faults"] == []
    assert printed_json(verified)["origin"] == "synthetic"
