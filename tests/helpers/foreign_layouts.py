"""SYNTHETIC data in the layouts in which CamVid, DRIVE, CWFID and VNC are published: what the tests of places read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from segbench.types import Array

SHAPE = (48, 64)


def photo(seed: int, *, grey: bool = False) -> Array:
    """A picture of many values, whose left half is brighter."""
    values = np.random.default_rng(seed).integers(0, 120, SHAPE if grey else (*SHAPE, 3), np.uint8)
    values[:, : SHAPE[1] // 2] += 100
    return values


def blocks(seed: int, classes: int) -> Array:
    """Label values from 0 in squares of 8 pixels, all of them there."""
    small = np.random.default_rng(seed).integers(0, classes, (SHAPE[0] // 8, SHAPE[1] // 8))
    small.reshape(-1)[:classes] = range(classes)
    return np.asarray(np.kron(small, np.ones((8, 8), int)), np.uint8)


def disc() -> Array:
    """What DRIVE calls a mask: the round field of view, 0 and 255."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    inside = (y - SHAPE[0] / 2) ** 2 + (x - SHAPE[1] / 2) ** 2 < (SHAPE[0] / 2 - 1) ** 2
    return np.where(inside, 255, 0).astype(np.uint8)


def save(path: Path, values: Array) -> None:
    """Write a picture, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def camvid(root: Path) -> Path:
    """`train/` and `trainannot/`, and so on: names begin with that of the film."""
    numbers = {"train": range(6), "val": range(6, 9), "test": range(9, 13)}
    for split, some in numbers.items():
        for n in some:
            name = f"{['0001TP', '0006R0', '0016E5'][n % 3]}_{n:06d}.png"
            save(root / split / name, photo(n))
            save(root / f"{split}annot" / name, blocks(n, 12))
    return root


def drive(root: Path) -> Path:
    """`training/` and `test/`, each with images, the field of view in `mask/`, and vessels by one or two people."""
    for split, some in (("training", range(21, 27)), ("test", range(1, 5))):
        for n in some:
            save(root / split / "images" / f"{n:02d}_{split}.tif", photo(n))
            save(root / split / "mask" / f"{n:02d}_{split}_mask.gif", disc())
            vessels = np.where((blocks(n, 2) > 0) & (disc() > 0), 255, 0).astype(np.uint8)
            save(root / split / "1st_manual" / f"{n:02d}_manual1.gif", vessels)
            if split == "test":
                save(root / split / "2nd_manual" / f"{n:02d}_manual2.gif", np.roll(vessels, 1, 0) & disc())
    return root


def cwfid(root: Path) -> Path:
    """`annotations/` are crop and weed in colours; `masks/` are plants against soil, of two tones."""
    colors = np.array([[0, 0, 0], [0, 255, 0], [255, 0, 0]], np.uint8)
    for n in range(1, 11):
        labels = blocks(n, 3)
        save(root / "images" / f"{n:03d}_image.png", photo(n))
        save(root / "annotations" / f"{n:03d}_annotation.png", colors[labels])
        save(root / "masks" / f"{n:03d}_mask.png", np.where(labels > 0, 255, 0).astype(np.uint8))
    return root


def vnc(root: Path, stacks: int = 3) -> Path:
    """Stacks, each with `raw/` (TIFF) and `mitochondria/` (PNG), numbered from 00."""
    for stack in range(1, stacks + 1):
        for n in range(5):
            seed = n + 10 * (stack - 1)
            save(root / f"stack{stack}" / "raw" / f"{n:02d}.tif", photo(seed, grey=True))
            save(root / f"stack{stack}" / "mitochondria" / f"{n:02d}.png", blocks(seed, 2) * np.uint8(255))
    return root
