"""The picture of the README: three samples with their truth and a run's errors, above the plot of a board.

Run: python docs/site/picture.py RUN ROOT BOARD.svg OUT.svg

RUN kept its predictions (`bench run … --save-predictions`), ROOT is the data it was scored on. Shown are the samples
whose Dice is the best, the median and the 10th percentile of the run.
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

PLACES = {"best": 1.0, "median": 0.5, "hard": 0.1}
"""Samples that are shown, by the part of all samples that score lower."""
SIDE, GAP, TOP = 126, 6, 22
CROP = 0.62
"""Side of a pane in parts of the image's height."""


@dataclass(frozen=True)
class Pane:
    """A square picture with what is written above it."""

    title: str
    picture: Uint8


def panes(run_folder: Path, root: Path) -> list[Pane]:
    """Two panes for each sample: its truth, and where the run is wrong."""
    run, dataset = load_run(run_folder), make_dataset("medaka", root)
    scored = run.per_sample("dice").dropna().sort_values()
    found = find_predictions(dataset, dataset.ids(run.record.dataset.split), run_folder / "predictions")
    made = []
    for word, part in PLACES.items():
        place = round(part * (len(scored) - 1))
        sample = dataset.load(str(scored.index[place]), ("image", "labels"))
        truth = np.asarray(sample.labels)
        prediction = found.files[sample.id].read(dataset)
        predicted = class_labels(sample, prediction, dataset.info)
        layers = (paint(truth, dataset.info), _wrong(truth, predicted, dataset))
        cut = _around(truth)
        made += [
            Pane(title, _blend(np.asarray(sample.image), layer)[cut])
            for title, layer in zip((f"{word}: truth", f"U-Net, Dice {scored.iloc[place]:.2f}"), layers, strict=True)
        ]
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


def compose(shown: list[Pane], board: str) -> str:
    """One SVG: a row of panes, and below it the SVG of a plot."""
    width, height = (float(found) for found in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', board)[0])
    plot = board[board.index("<svg") :]
    plot = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", plot, count=1)
    below = TOP + SIDE + 18
    step = (width - SIDE) / (len(shown) - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height + below:g}" '
        'font-family="DejaVu Sans, Verdana, sans-serif" font-size="10">',
        f'<rect width="{width:g}" height="{height + below:g}" fill="#ffffff"/>',
    ]
    for place, pane in enumerate(shown):
        x = place * step + (GAP if place % 2 == 0 else -GAP) * 0.5
        parts.append(f'<text x="{x:.1f}" y="{TOP - 7}" fill="#222222">{pane.title}</text>')
        parts.append(f'<image x="{x:.1f}" y="{TOP}" width="{SIDE}" height="{SIDE}" href="{_address(pane.picture)}"/>')
    says = "SYNTHETIC hearts. Blue: ventricle. Orange: wrongly added. Dark blue: missed."
    parts.append(f'<text x="{GAP / 2}" y="{TOP + SIDE + 14}" fill="#555555" font-size="9">{says}</text>')
    placed = plot.replace("<svg ", f'<svg y="{below}" width="{width:g}" height="{height:g}" ', 1)
    return "\n".join([*parts, placed.strip(), "</svg>", ""])


def _address(picture: Uint8) -> str:
    """A picture (H, W, 3) as a data address."""
    stream = io.BytesIO()
    Image.fromarray(picture).resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS).save(stream, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def main() -> None:
    """Write the picture that the arguments name."""
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    run, root, board, out = (Path(word) for word in sys.argv[1:])
    out.write_text(compose(panes(run, root), board.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
