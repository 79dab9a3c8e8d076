"""SYNTHETIC label maps in the official layouts of the multi-class datasets, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segbench.types import DatasetInfo


def label_map(info: DatasetInfo, random: np.random.Generator, shape: tuple[int, int] = (24, 32)) -> Any:
    """Blocks of labels of a dataset with some void, (H, W) uint8."""
    labels = sorted(info.predictable | info.void)
    blocks = random.choice(labels, size=(-(-shape[0] // 6), -(-shape[1] // 8)))
    return np.kron(blocks, np.ones((6, 8), np.int64))[: shape[0], : shape[1]].astype(np.uint8)


def disturbed(labels: Any, info: DatasetInfo, random: np.random.Generator, part: float = 0.3) -> Any:
    """A prediction: the truth with a part of the pixels replaced by random classes; void is predicted as a class."""
    classes = [c.id for c in info.classes]
    wrong = (random.random(labels.shape) < part) | np.isin(labels, sorted(info.void))
    return np.where(wrong, random.choice(classes, size=labels.shape), labels).astype(np.uint8)


def write_voc(root: Path, maps: dict[str, Any]) -> Path:
    """Label maps as the val split of a VOCdevkit."""
    base = root / "VOCdevkit" / "VOC2012"
    (base / "SegmentationClass").mkdir(parents=True)
    (base / "ImageSets" / "Segmentation").mkdir(parents=True)
    (base / "ImageSets" / "Segmentation" / "val.txt").write_text("".join(f"{name}\n" for name in maps))
    for name, labels in maps.items():
        write_png(base / "SegmentationClass" / f"{name}.png", labels)
    return root


def write_pngs(folder: Path, maps: dict[str, Any]) -> Path:
    """Grey PNG files named by sample id."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, labels in maps.items():
        write_png(folder / f"{name}.png", labels)
    return folder


def write_png(path: Path, labels: Any) -> None:
    Image.fromarray(labels).save(path)


def write_cocostuff(root: Path, maps: dict[str, Any]) -> Path:
    """Label maps as stuffthingmaps/val2017."""
    write_pngs(root / "stuffthingmaps" / "val2017", maps)
    return root


def write_camvid(root: Path, maps: dict[str, Any], split: str = "val") -> Path:
    """Label maps as those of a split of SegNet's CamVid folder, with pictures of them."""
    write_pngs(root / "CamVid" / f"{split}annot", maps)
    write_pngs(root / "CamVid" / split, {name: np.stack([labels * 20] * 3, axis=-1) for name, labels in maps.items()})
    return root


def write_cityscapes(root: Path, maps: dict[str, Any]) -> Path:
    """Label maps as gtFine/val, with instance maps in which every label map is one instance per thing class."""
    from segbench.datasets.cityscapes import CLASSES

    things = [c.id for c in CLASSES if c.kind == "thing"]
    for name, labels in maps.items():
        folder = root / "gtFine" / "val" / name.split("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"{name}_gtFine_labelIds.png", labels)
        wide = labels.astype(np.uint16)
        write_png(folder / f"{name}_gtFine_instanceIds.png", np.where(np.isin(labels, things), wide * 1000, wide))
    return root
