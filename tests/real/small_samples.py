"""The few images of COCO-Stuff and Cityscapes that lie in public repositories, in the official layouts.

    python tests/real/small_samples.py --spade SPADE.git --pix2pixhd PIX2PIXHD.git --out .real

SPADE.git is a clone of NVlabs/SPADE (13 train and 8 val images of COCO-Stuff with their label maps), PIX2PIXHD.git
one of NVIDIA/pix2pixHD (label and instance maps of 15 val images of Cityscapes, and 8 train images with theirs); what
is read of them is fixed by their commits. Of the 15 there is also written what is left of the truth at a quarter of the
side, enlarged again: the label maps of a network that is perfect at that size.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SPADE = "fecacc920c1367a038995c45a39c15f6521ca64f"
PIX2PIXHD = "14b3b3c7fff413086e3b58df52096f16b6891172"
FACTOR = 4


def files(repository: Path, commit: str, folder: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of the files in a folder of a commit."""
    words = ["git", "-C", str(repository), "archive", commit, folder]
    packed = subprocess.run(words, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                yield Path(member.name).name, file.read()


def put(place: Path, content: bytes) -> None:
    """Write a file, with its folder."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def cocostuff(repository: Path, out: Path) -> None:
    """Lay out COCO-Stuff's images and label maps."""
    for split in ("train", "val"):
        for kind, folder in (("img", "images"), ("label", "stuffthingmaps")):
            for name, content in files(repository, SPADE, f"datasets/coco_stuff/{split}_{kind}"):
                put(out / folder / f"{split}2017" / name, content)


def cityscapes(repository: Path, out: Path) -> None:
    """Lay out Cityscapes' images, label and instance maps, and the truth of val at a quarter of its size."""
    for source, split, kind in (
        *(("train_img", "train", "leftImg8bit"), ("train_label", "train", "gtFine"), ("train_inst", "train", "gtFine")),
        *(("test_label", "val", "gtFine"), ("test_inst", "val", "gtFine")),
    ):
        for name, content in files(repository, PIX2PIXHD, f"datasets/cityscapes/{source}"):
            put(out / kind / split / name.partition("_")[0] / name, content)
    for path in sorted(out.glob("gtFine/val/*/*_labelIds.png")):
        labels = np.asarray(Image.open(path))
        small = labels[FACTOR // 2 :: FACTOR, FACTOR // 2 :: FACTOR]
        place = out / "quarter" / path.name.replace("_gtFine_labelIds", "")
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(np.repeat(np.repeat(small, FACTOR, 0), FACTOR, 1)).save(place)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spade", type=Path, required=True)
    parser.add_argument("--pix2pixhd", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(".real"))
    given = parser.parse_args()
    cocostuff(given.spade, given.out / "cocostuff")
    cityscapes(given.pix2pixhd, given.out / "cityscapes")
