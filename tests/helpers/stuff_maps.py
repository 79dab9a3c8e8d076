"""Generated label maps as many as COCO-Stuff has, in its layout: SYNTHETIC, some are drawn, the others are links."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from segbench.registry import dataset_class

_SIDE = 64
_REGIONS = 12


def write_stuff_maps(root: Path, number: int, different: int = 500) -> Path:
    """Write so many true maps and predictions (their folder is returned); a prediction is right on two pixels of three.

    Maps are of 64 x 64 pixels, in a dozen regions of the 171 classes; `different` of them are drawn.
    """
    values = np.array([entry.id for entry in dataset_class("cocostuff").info.classes], np.uint8)
    truth, predictions = root / "stuffthingmaps" / "train2017", root / "predictions"
    for folder in (truth, predictions, root / "stuffthingmaps" / "val2017"):
        folder.mkdir(parents=True)
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    for index in range(number):
        paths = [folder / f"{index:012d}.png" for folder in (truth, predictions)]
        if index >= different:
            for path in paths:
                path.hardlink_to(path.with_name(f"{index % different:012d}.png"))
            continue
        random = np.random.default_rng(index)
        centres, chosen = random.integers(0, _SIDE, (2, _REGIONS, 1, 1)), random.choice(len(values), _REGIONS, False)
        regions = ((rows - centres[0]) ** 2 + (columns - centres[1]) ** 2).argmin(axis=0)
        labels = values[chosen[regions]]
        wrong = np.where(random.random(labels.shape) < 1 / 3, values[random.permutation(chosen)[regions]], labels)
        for path, content in zip(paths, (labels, wrong), strict=True):
            Image.fromarray(content).save(path)
    return predictions


def evaluation_of(root: Path, predictions: Path) -> list[str | Path]:
    """What follows `python` to evaluate them in one thread, into a run folder beside them."""
    data: list[str | Path] = ["-d", "cocostuff", "--split", "train", "--root", root, "-p", predictions]
    return ["-m", "segbench", "evaluate", *data, "--workers", "1", "--quiet", "--no-plots", "--out", root / "run"]
