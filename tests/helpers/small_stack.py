"""A small ISBI 2012 stack on disk, read by the real adapter: what the tests of learning learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from segbench.datasets.isbi2012 import ISBI2012
from segbench.types import FitContext, Samples

SIDE = 48


def write_stack(root: Path, side: int = SIDE) -> ISBI2012:
    """30 slices of round bright cells (truth) on a dark ground with noise, the last slice without any."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    images, labels = [], []
    for page in range(30):
        cells = np.zeros((side, side), dtype=bool)
        for _ in range(3 if page < 29 else 0):
            row, column, radius = generator.integers(8, side - 8), generator.integers(8, side - 8), 4 + page % 4
            cells |= (y - row) ** 2 + (x - column) ** 2 < radius**2
        images.append(np.clip(60 + 110 * cells + generator.normal(0, 15, cells.shape), 0, 255).astype(np.uint8))
        labels.append(np.where(cells, 255, 0).astype(np.uint8))
    tifffile.imwrite(root / "train-volume.tif", np.stack(images))
    tifffile.imwrite(root / "train-labels.tif", np.stack(labels))
    return ISBI2012(root)


def samples(dataset: ISBI2012, split: str, count: int | None = None) -> Samples:
    return Samples(dataset, dataset.ids(split)[:count])


def context(dataset: ISBI2012, folder: Path, seed: int = 0, resume: bool = False) -> FitContext:
    folder.mkdir(parents=True, exist_ok=True)
    return FitContext(dataset.info, "cpu", seed, folder, resume)
