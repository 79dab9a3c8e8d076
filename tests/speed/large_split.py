"""Memory and time of an evaluation as large as COCO-Stuff's training split: python tests/speed/large_split.py.

`bench evaluate` of 10 000, 30 000 and 118 287 generated label maps (64 x 64, the 171 classes of COCO-Stuff, a dozen
regions each), each in a process of its own: its processor time, and the most memory that it held. Maps are SYNTHETIC:
the first ones are drawn, the others links to them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from measured import measure
from PIL import Image
from tabulate import tabulate

from segbench.registry import dataset_class

NUMBERS = (10_000, 30_000, 118_287)
DIFFERENT = 500
SIDE = 64
REGIONS = 12


def write_maps(root: Path, number: int) -> None:
    """Truth and predictions in the layout of COCO-Stuff; a prediction is right on two pixels of three."""
    values = np.array([entry.id for entry in dataset_class("cocostuff").info.classes], np.uint8)
    truth, predicted = root / "stuffthingmaps" / "train2017", root / "predictions"
    for folder in (truth, predicted, root / "stuffthingmaps" / "val2017"):
        folder.mkdir(parents=True)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for number_of in range(number):
        paths = [folder / f"{number_of:012d}.png" for folder in (truth, predicted)]
        if number_of >= DIFFERENT:
            for path in paths:
                path.hardlink_to(path.with_name(f"{number_of % DIFFERENT:012d}.png"))
            continue
        random = np.random.default_rng(number_of)
        centres, chosen = random.integers(0, SIDE, (2, REGIONS, 1, 1)), random.choice(len(values), REGIONS, False)
        regions = ((rows - centres[0]) ** 2 + (columns - centres[1]) ** 2).argmin(axis=0)
        labels = values[chosen[regions]]
        wrong = np.where(random.random(labels.shape) < 1 / 3, values[random.permutation(chosen)[regions]], labels)
        for path, content in zip(paths, (labels, wrong), strict=True):
            Image.fromarray(content).save(path)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=NUMBERS)
    arguments = parser.parse_args()
    rows = []
    for number in arguments.images:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            write_maps(root, number)
            words: list[str | Path] = [
                "evaluate",
                "-d",
                "cocostuff",
                "--split",
                "train",
                "--root",
                root,
                "-p",
                root / "predictions",
            ]
            words += ["--workers", "1", "--quiet", "--no-plots", "--out", root / "run"]
            seconds, memory = measure(["-m", "segbench", *words], root / "cache")
        rows.append([f"{number:,}", seconds, memory])
        print(tabulate(rows, ["maps", "processor, s", "memory at most, MB"], floatfmt=".0f"), flush=True)


if __name__ == "__main__":
    main()
