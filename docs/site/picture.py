"""The picture of the README: three samples of a committed run, each with its truth above and the run's errors below.

Run: python docs/site/picture.py [PREDICTED ROOT]

Shown are the samples whose Dice is the best, the median and the 10th percentile of the run. Without arguments the
images stay and the words around them are written anew. With PREDICTED, the folder of the same run made again with its
predictions (`bench run --dataset medaka --method unet --save-predictions`), and ROOT, the data that it was
scored on, the images are drawn anew too.
"""

from __future__ import annotations

import base64
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from segbench import load_run
from segbench.metrics.label_checks import class_labels
from segbench.predictions.find import find_predictions
from segbench.registry import make_dataset
from segbench.report.overlays import errors, paint
from segbench.types import Array, Dataset, Uint8

ROOT = Path(__file__).parents[2]
RUN = ROOT / "leaderboards" / "records" / "medaka-unet-ce343251"
PICTURE = ROOT / "docs" / "images" / "first-look.svg"

PLACES = {"best": 1.0, "median": 0.5, "hard": 0.1}
"""Samples that are shown, by the part of all samples that score lower."""
LEGEND = (
    "SYNTHETIC hearts, made by segbench: no real images.",
    "Blue: ventricle. Orange: wrongly added. Dark blue: missed.",
)
SIDE, GAP, LINE = 156, 6, 20
CROP = 0.62
"""Side of a pane in parts of the image's height."""


@dataclass(frozen=True)
class Shown:
    """A sample, the word for its place among all, and its Dice."""

    word: str
    sample: str
    dice: float


def shown_samples(run_folder: Path) -> list[Shown]:
    """The samples of a run that the picture shows."""
    scored = load_run(run_folder).per_sample("dice").dropna().sort_values()
    places = {word: round(part * (len(scored) - 1)) for word, part in PLACES.items()}
    return [Shown(word, str(scored.index[place]), float(scored.iloc[place])) for word, place in places.items()]


def drawn_panes(shown: list[Shown], predicted: Path, root: Path) -> list[str]:
    """Two images for each sample as data addresses: its truth, and where the run is wrong.

    Raises SystemExit where the run made again scores other than the committed one.
    """
    run, dataset = load_run(predicted), make_dataset("medaka", root)
    again = run.per_sample("dice")
    for each in shown:
        if abs(again[each.sample] - each.dice) > 5e-4:
            sys.exit(f"{predicted} has Dice {again[each.sample]:.4f} for {each.sample}, {RUN.name} {each.dice:.4f}.")
    found = find_predictions(dataset, dataset.ids(run.record.dataset.split), predicted / "predictions")
    made = []
    for each in shown:
        sample = dataset.load(each.sample, ("image", "labels"))
        truth = np.asarray(sample.labels)
        predicted_labels = class_labels(sample, found.files[sample.id].read(dataset), dataset.info)
        cut = _around(truth)
        for layer in (paint(truth, dataset.info), _wrong(truth, predicted_labels, dataset)):
            made.append(_address(_blend(np.asarray(sample.image), layer)[cut]))
    return made


def _wrong(truth: Array, predicted: Array, dataset: Dataset) -> Uint8:
    """A prediction in the colour of its class, and over it what is wrong about it, (H, W, 4) uint8."""
    layer, wrong = paint(predicted, dataset.info), errors(truth, predicted, dataset.info)
    return np.where(wrong[:, :, 3:] > 0, wrong, layer)


def _blend(image: Uint8, layer: Uint8) -> Uint8:
    """A layer (H, W, 4) over an image (H, W) or (H, W, 3), half transparent."""
    base = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
    strength = layer[:, :, 3:] / 255 * 0.55
    return np.asarray(base * (1 - strength) + layer[:, :, :3] * strength).round().astype(np.uint8)


def _around(truth: Array) -> tuple[slice, slice]:
    """A square about the foreground of labels (H, W)."""
    side = round(truth.shape[0] * CROP)
    corner = []
    for places, length in zip(np.nonzero(truth), truth.shape, strict=True):
        low = int(places.mean()) - side // 2
        corner.append(min(max(low, 0), length - side))
    return slice(corner[0], corner[0] + side), slice(corner[1], corner[1] + side)


def _address(picture: Uint8) -> str:
    """A picture (H, W, 3) as a data address."""
    stream = io.BytesIO()
    Image.fromarray(picture).resize((252, 252), Image.Resampling.LANCZOS).save(stream, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def stored_panes(picture: str) -> list[str]:
    """The images of a picture as data addresses."""
    return re.findall(r'href="(data:image/jpeg;base64,[^"]+)"', picture)


def compose(shown: list[Shown], panes: list[str]) -> str:
    """One SVG: a column for each sample, its truth above the prediction, on an opaque ground."""
    width = len(shown) * (SIDE + GAP) + GAP
    height = 2 * (LINE + SIDE) + 2 * LINE + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">',
        f"<desc>Samples of the run {RUN.name}.</desc>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for column, each in enumerate(shown):
        x = GAP + column * (SIDE + GAP)
        for row, title in enumerate((f"{each.word}: truth", f"U-Net, Dice {each.dice:.2f}")):
            y = row * (LINE + SIDE)
            parts.append(f'<text x="{x}" y="{y + LINE - 6}" fill="#222222">{title}</text>')
            parts.append(
                f'<image x="{x}" y="{y + LINE}" width="{SIDE}" height="{SIDE}" href="{panes[2 * column + row]}">'
                f"<title>{each.sample}</title></image>"
            )
    foot = 2 * (LINE + SIDE) + LINE - 4
    for line, says in enumerate(LEGEND):
        parts.append(f'<text x="{GAP}" y="{foot + line * (LINE - 4)}" fill="#444444">{says}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Write the picture."""
    if len(sys.argv) not in (1, 3):
        sys.exit(__doc__)
    shown = shown_samples(RUN)
    panes = stored_panes(PICTURE.read_text(encoding="utf-8"))
    if len(sys.argv) == 3:
        panes = drawn_panes(shown, Path(sys.argv[1]), Path(sys.argv[2]))
    PICTURE.write_text(compose(shown, panes), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
