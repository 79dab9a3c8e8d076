"""SYNTHETIC folders of images and masks in every kind of file: what the tests of the dataset `folder` read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from segbench.datasets.folder import Folder
from segbench.io.reporter import Reporter
from segbench.types import Array

SHAPE = (24, 32)
QUIET = Reporter(quiet=True)
THREE = """
classes:
  - {id: 0, name: background, color: [0, 0, 0], kind: background}
  - {id: 1, name: cell, color: [255, 0, 0], kind: thing}
  - {id: 2, name: nucleus, color: "#0000ff", kind: thing}
ignore: {id: 255, color: [255, 255, 255]}
"""
BINARY = "classes: {0: background, 1: cell}\n"
Write = Callable[[Path, Array], None]


def labels_of(number: int, values: tuple[int, ...] = (0, 1, 2)) -> Array:
    """Random blocks of these label values."""
    small = np.random.default_rng(number).choice(np.array(values, np.uint16), (3, 4))
    return np.asarray(np.kron(small, np.ones((8, 8), np.uint16)))


def labels_in(dataset: Folder, sample_id: str) -> Array:
    """The labels of a sample."""
    labels = dataset.load(sample_id, ("labels",)).labels
    assert labels is not None
    return labels


def decoded(dataset: Folder, values: Array) -> Array:
    """The labels that a prediction file means."""
    labels = dataset.decode_prediction(values, "p").labels
    assert labels is not None
    return labels


def write_grey(path: Path, labels: Array) -> None:
    """8-bit label values."""
    Image.fromarray(labels.astype(np.uint8)).save(path)


def write_palette(path: Path, labels: Array) -> None:
    """A palette whose colours are nobody's business."""
    image = Image.fromarray(labels.astype(np.uint8), mode="P")
    image.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
    image.save(path)


def write_rgb(path: Path, labels: Array) -> None:
    """Colours of THREE."""
    table = np.zeros((256, 3), np.uint8)
    table[[1, 2, 255]] = [[255, 0, 0], [0, 0, 255], [255, 255, 255]]
    Image.fromarray(table[labels]).save(path)


def write_255(path: Path, labels: Array) -> None:
    """0 and 255."""
    Image.fromarray((labels * 255).astype(np.uint8)).save(path)


def write_grey_as_rgb(path: Path, labels: Array) -> None:
    """0 and 255 in three equal channels."""
    Image.fromarray(np.repeat((labels * 255).astype(np.uint8)[:, :, None], 3, axis=2)).save(path)


def write_1_bit(path: Path, labels: Array) -> None:
    """One bit a pixel."""
    Image.fromarray(labels > 0).save(path)


def write_16_bit(path: Path, labels: Array) -> None:
    """16-bit label values."""
    Image.fromarray(labels.astype(np.uint16)).save(path)


def write_npy(path: Path, labels: Array) -> None:
    """64-bit label values."""
    np.save(path.with_suffix(".npy"), labels.astype(np.int64))


def write_tiff(path: Path, labels: Array) -> None:
    """8-bit label values as TIFF."""
    tifffile.imwrite(path.with_suffix(".tif"), labels.astype(np.uint8))


def write_folder(
    root: Path,
    names: list[str],
    classes: str = THREE,
    values: tuple[int, ...] = (0, 1, 2),
    write: Write = write_grey,
    mask_name: str = "{}.png",
) -> Path:
    """A SYNTHETIC folder: blocks of labels, and images that are as bright as their labels."""
    for number, name in enumerate(names):
        image, mask = root / "images" / f"{name}.png", root / "masks" / mask_name.format(name)
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        labels = labels_of(number, values)
        noise = np.random.default_rng(number).integers(-9, 10, labels.shape)
        place = np.searchsorted(values, labels)
        Image.fromarray((40 + place * 160 // len(values) + noise).astype(np.uint8)).save(image)
        write(mask, labels)
    if classes:
        (root / "classes.yaml").write_text(classes, encoding="utf-8")
    return root
