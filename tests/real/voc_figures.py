"""440 images of VOC 2012 val from published figures, with official truth: the release `figures-274` of voc2012.

    python tests/real/voc_figures.py --figures FIGURES.git --truth TRUTH.git --out .real/voc2012

Each figure shows a photograph, a prediction and the truth side by side, every one squeezed into 274 x 274 pixels. The
photograph is cut out as it is. Labels are the official ones, reduced to that size by the nearest pixel: those in the
figure are blurred where they were scaled. Predictions are read from their colours and go to OUT/predictions.

FIGURES.git is a clone of riji-2006/DINOv3-PSPNet, TRUTH.git one of zzq96/Nested-unet; what is read of them is fixed by
their commits.
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
from scipy import ndimage

from segbench.datasets.voc2012 import FIGURES, NAMES, VOID
from segbench.io.images.read import palette_color
from segbench.types import Array, Uint8

FIGURES_COMMIT = "91f0bbbcd1c9aa8c8050dd02b8dd72a495f7862d"
TRUTH_COMMIT = "925924621b3a12e441e9f00e06d5c2a40ec25505"
SIDE = 274
TOP = 166
LEFT = {"image": 150, "prediction": 478, "truth": 806}
PURE = 12
"""How far a channel may be from a class's colour in a pixel that is of this class alone."""
COLORS = np.array([palette_color(label) for label in range(len(NAMES))], np.int16)


def contents(repository: Path, commit: str, folder: str) -> Iterator[tuple[str, bytes]]:
    """Stem and content of the PNG files that a folder of a commit holds."""
    words = ["git", "-C", str(repository), "archive", commit, folder]
    packed = subprocess.run(words, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".png") else None
            if file is not None:
                yield Path(member.name).stem, file.read()


def labels_of(colors: Array) -> Uint8:
    """(H, W) labels of (H, W, 3) colours that are blurred between two regions.

    A pixel is of the nearest colour among the classes that have a pure pixel at most three pixels away: the middle of
    two colours is often the colour of a third class.
    """
    apart = np.abs(colors[:, :, None].astype(np.int16) - COLORS).astype(np.int32)
    near = np.stack([ndimage.maximum_filter(pure, 7) for pure in (apart.max(axis=3) <= PURE).transpose(2, 0, 1)], 2)
    distance = (apart**2).sum(axis=3)
    distance[~near] += 10**6
    return np.asarray(distance.argmin(axis=2), np.uint8)


def reduced(labels: Array) -> Uint8:
    """(H, W) labels at 274 x 274, by the pixel that holds the middle of the new one."""
    rows, columns = (((np.arange(SIDE) + 0.5) * side / SIDE).astype(int) for side in labels.shape)
    return np.ascontiguousarray(labels[np.ix_(rows, columns)], np.uint8)


def main() -> None:
    """Lay out images, labels, list and predictions; say how far the truth of the figures agrees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(".real/voc2012"))
    given = parser.parse_args()
    images, labels, predictions = (
        given.out / name for name in (f"{FIGURES}/images", f"{FIGURES}/labels", "predictions")
    )
    for folder in (images, labels, predictions):
        folder.mkdir(parents=True, exist_ok=True)
    truths = dict(contents(given.truth, TRUTH_COMMIT, "SegmentationClassAug"))
    names, same, known = [], 0, 0
    for name, content in contents(given.figures, FIGURES_COMMIT, "results"):
        figure = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        parts = {what: figure[TOP : TOP + SIDE, left : left + SIDE] for what, left in LEFT.items()}
        truth = reduced(np.asarray(Image.open(io.BytesIO(truths[name]))))
        shown = labels_of(parts["truth"])
        scored = (truth != VOID) & (parts["truth"].min(axis=2) < 192)
        same, known = same + int((shown == truth)[scored].sum()), known + int(scored.sum())
        Image.fromarray(parts["image"]).save(images / f"{name}.png")
        Image.fromarray(truth).save(labels / f"{name}.png")
        Image.fromarray(labels_of(parts["prediction"])).save(predictions / f"{name}.png")
        names.append(name)
    (given.out / FIGURES / "val.txt").write_text("\n".join([*sorted(names), ""]), encoding="utf-8")
    print(f"{len(names)} images; their truth agrees with the official one in {same / known:.2%} of the pixels")


if __name__ == "__main__":
    main()
