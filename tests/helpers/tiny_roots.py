"""SYNTHETIC data in every official layout, small enough to be damaged one file at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from scenes import label_map
from segbench.datasets.camvid import CamVid
from segbench.datasets.cityscapes import CLASSES, Cityscapes
from segbench.datasets.cocostuff import COCOStuff
from segbench.datasets.voc2012 import VOC2012

# Enough of a method to run on any dataset: it learns nothing and says the first class everywhere.
METHOD = """
import numpy as np
from segbench.methods import BaseMethod
from segbench.types import MethodInfo, Prediction

class Same(BaseMethod):
    info = MethodInfo("same", "classical", "one class everywhere", "a test", {}, ("binary", "multiclass"))

    def __init__(self, config):
        self.config, self.chosen, self.label = config, {}, 0

    def fit(self, train, val, context):
        self.label = context.dataset.classes[0].id

    def predict(self, images):
        return [Prediction(labels=np.full(image.shape[:2], self.label, np.uint8)) for image in images]

    def save(self, folder):
        pass

    def load(self, folder, dataset, device):
        pass

    def parameters(self):
        return 0
"""


@dataclass
class Tiny:
    """A root, the split that is scored, and the files of two of its samples: the victim and another one."""

    name: str
    root: Path
    n: int
    image: Path
    labels: Path
    other: Path

    @property
    def stacked(self) -> bool:
        return self.name == "isbi2012"


def voc2012(root: Path) -> Tiny:
    random = np.random.default_rng(3)
    base = root / "VOCdevkit" / "VOC2012"
    (base / "ImageSets" / "Segmentation").mkdir(parents=True)
    splits = {"train": ["2007_000001", "2007_000002"], "val": ["2008_000001", "2008_000002"]}
    both = "".join(f"{name}\n" for names in splits.values() for name in names)
    (base / "ImageSets" / "Segmentation" / "trainval.txt").write_text(both)
    for split, names in splits.items():
        (base / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for n, name in enumerate(names):
            labels = label_map(VOC2012.info, random, (24, 32 + 8 * n))  # photographs differ in size
            save(base / "JPEGImages" / f"{name}.jpg", photo(labels, random))
            save(base / "SegmentationClass" / f"{name}.png", labels)
            save(base / "SegmentationObject" / f"{name}.png", np.where(labels % 255 > 0, 1, labels).astype(np.uint8))
    maps = base / "SegmentationClass"
    return Tiny(
        "voc2012", root, 2, base / "JPEGImages/2008_000001.jpg", maps / "2008_000001.png", maps / "2008_000002.png"
    )


def cocostuff(root: Path) -> Tiny:
    random = np.random.default_rng(4)
    for folder, first in (("train2017", 30), ("val2017", 139)):
        for n in range(2):
            labels = label_map(COCOStuff.info, random, (24, 32 + 8 * n))
            save(root / "stuffthingmaps" / folder / f"{first + n:012d}.png", labels)
            save(root / "images" / folder / f"{first + n:012d}.jpg", photo(labels, random))
    maps = root / "stuffthingmaps" / "val2017"
    return Tiny(
        *("cocostuff", root, 2, root / "images/val2017/000000000139.jpg"),
        *(maps / "000000000139.png", maps / "000000000140.png"),
    )


def cityscapes(root: Path) -> Tiny:
    random = np.random.default_rng(5)
    things = [c.id for c in CLASSES if c.kind == "thing"]
    for split, city in (("train", "ulm"), ("val", "bonn")):
        for n in range(2):
            name = f"{city}_{n:06d}_000019"
            labels = label_map(Cityscapes.info, random)
            numbered = np.where(np.isin(labels, things), labels.astype(np.uint16) * 1000 + n, labels)
            base = root / "gtFine" / split / city
            save(base / f"{name}_gtFine_labelIds.png", labels)
            save(base / f"{name}_gtFine_instanceIds.png", numbered.astype(np.uint16))
            save(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", photo(labels, random))
    maps = root / "gtFine/val/bonn"
    return Tiny(
        *("cityscapes", root, 2, root / "leftImg8bit/val/bonn/bonn_000000_000019_leftImg8bit.png"),
        *(maps / "bonn_000000_000019_gtFine_labelIds.png", maps / "bonn_000001_000019_gtFine_labelIds.png"),
    )


def camvid(root: Path) -> Tiny:
    random = np.random.default_rng(7)
    splits = {
        "train": "0006R0_f00930 0006R0_f00960",
        "val": "0016E5_07959 0016E5_07961",
        "test": "Seq05VD_f00000 0001TP_008550",
    }
    for split, names in splits.items():
        for name in names.split():
            labels = label_map(CamVid.info, random)
            save(root / "CamVid" / f"{split}annot" / f"{name}.png", labels)
            save(root / "CamVid" / split / f"{name}.png", photo(20 * labels, random))
    base = root / "CamVid"
    return Tiny(
        *("camvid", root, 2, base / "test" / "Seq05VD_f00000.png"),
        *(base / "testannot" / "Seq05VD_f00000.png", base / "testannot" / "0001TP_008550.png"),
    )


def drive(root: Path) -> Tiny:
    random = np.random.default_rng(9)
    y, x = np.mgrid[:16, :18]
    disc = np.where((y - 7.5) ** 2 + (x - 8.5) ** 2 < 60, 255, 0).astype(np.uint8)
    for folder, numbers in (("training", range(21, 41)), ("test", range(1, 21))):
        for n in numbers:
            vessels = np.where((random.random(disc.shape) < 0.2) & (disc > 0), 255, 0).astype(np.uint8)
            save(root / "DRIVE" / folder / "1st_manual" / f"{n:02d}_manual1.gif", vessels)
            save(root / "DRIVE" / folder / "mask" / f"{n:02d}_{folder}_mask.gif", disc)
            save(root / "DRIVE" / folder / "images" / f"{n:02d}_{folder}.tif", photo(vessels, random))
    base = root / "DRIVE" / "test"
    return Tiny(
        *("drive", root, 20, base / "images" / "01_test.tif"),
        *(base / "1st_manual" / "01_manual1.gif", base / "1st_manual" / "02_manual1.gif"),
    )


def isbi2012(root: Path) -> Tiny:
    random = np.random.default_rng(6)
    labels = np.where(random.random((30, 16, 16)) < 0.7, 255, 0).astype(np.uint8)
    root.mkdir(parents=True)
    for name in ("train-volume.tif", "test-volume.tif"):
        noise = random.integers(0, 60, labels.shape)
        tifffile.imwrite(root / name, (labels // 2 + noise).astype(np.uint8), photometric="minisblack")
    tifffile.imwrite(root / "train-labels.tif", labels, photometric="minisblack")
    return Tiny("isbi2012", root, 5, root / "train-volume.tif", root / "train-labels.tif", root / "train-volume.tif")


def medaka(root: Path) -> Tiny:
    random = np.random.default_rng(8)
    y, x = np.mgrid[:24, :32]
    for folder, numbers in (("train_images", (0, 1, 100, 101)), ("test_images", (50, 51))):
        for number in numbers:
            disc = (y - 12) ** 2 + (x - 12 - number % 9) ** 2 < 40 + number % 7
            mask = np.repeat((disc * 255).astype(np.uint8)[:, :, None], 3, axis=2)
            save(root / folder / "lateral_mask" / f"{number:04d}_mask.tif", mask)
            grey = (np.where(disc, 180, 60) + random.integers(-20, 21, disc.shape)).astype(np.uint8)
            save(root / folder / "lateral_sample_gray" / f"{number:04d}_sample.tif", grey)
    base = root / "test_images"
    masks = base / "lateral_mask"
    return Tiny(
        *("medaka", root, 2, base / "lateral_sample_gray" / "0050_sample.tif"),
        *(masks / "0050_mask.tif", masks / "0051_mask.tif"),
    )


MAKERS: dict[str, Callable[[Path], Tiny]] = {
    maker.__name__: maker for maker in (camvid, cityscapes, cocostuff, drive, isbi2012, medaka, voc2012)
}


def photo(labels: Any, random: np.random.Generator) -> Any:
    """A picture (H, W, 3) uint8 that is brighter where labels are higher."""
    noise = random.integers(0, 40, (*labels.shape, 3))
    return np.clip(labels[:, :, None] // 2 + noise, 0, 255).astype(np.uint8)


def save(path: Path, values: Any) -> None:
    """Write an image, and the folder that holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def stored(path: Path) -> Any:
    """The values of a file, of a palette image its indices."""
    return tifffile.imread(path) if path.name.startswith("t") else np.asarray(Image.open(path)).copy()


def store(path: Path, values: Any) -> None:
    """Write the values of a file again; a stack stays a stack."""
    if path.name.startswith("t"):
        tifffile.imwrite(path, values, photometric="rgb" if values.shape[-1] == 3 else "minisblack")
    else:
        Image.fromarray(values).save(path)
