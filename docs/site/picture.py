"""The picture of the README: three samples of a run, each with its truth above and the run's errors below.

Run: python docs/site/picture.py [RUN ROOT]

Shown are the samples whose Dice is the best, the median and the 10th percentile of the run. RUN is a folder of
`bench run --dataset medaka --method unet --save-predictions`, ROOT the data that it was scored on: their masks and what
was scored are stored beside the picture, in `first-look/`. Without both, the words are written again from these masks.
"""

from __future__ import annotations

import base64
import io
import json
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

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "first-look.svg"
MASKS = PICTURE.with_suffix("")

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
    """A sample, the word for its place among all, and its masks (H, W), 1 where there is a ventricle."""

    word: str
    sample: str
    truth: Uint8
    predicted: Uint8

    @property
    def dice(self) -> float:
        """Twice the shared pixels over those of both masks."""
        return float(2 * (self.truth & self.predicted).sum() / (int(self.truth.sum()) + int(self.predicted.sum())))


def stored_samples() -> list[Shown]:
    """The samples whose masks are stored."""
    samples = json.loads((MASKS / "shown.json").read_text(encoding="utf-8"))["samples"]
    return [
        Shown(word, sample, *(read_png(MASKS / f"{word}-{what}.png") for what in ("truth", "predicted")))
        for word, sample in samples.items()
    ]


def read_png(path: Path) -> Uint8:
    """A mask (H, W) of 0 and 1."""
    return np.asarray(Image.open(path)).astype(np.uint8)


def store(run_folder: Path, root: Path) -> list[str]:
    """Store masks of a run, and give two images for each sample as data addresses: its truth, and what is wrong."""
    run, dataset = load_run(run_folder), make_dataset("medaka", root)
    scored = run.per_sample("dice").dropna().sort_values()
    found = find_predictions(dataset, dataset.ids(run.record.dataset.split), run_folder / "predictions")
    MASKS.mkdir(exist_ok=True)
    made, samples = [], {}
    for word, part in PLACES.items():
        samples[word] = name = str(scored.index[round(part * (len(scored) - 1))])
        sample = dataset.load(name, ("image", "labels"))
        truth = np.asarray(sample.labels)
        predicted = class_labels(sample, found.files[sample.id].read(dataset), dataset.info)
        for what, labels in (("truth", truth), ("predicted", predicted)):
            Image.fromarray(labels == 1).save(MASKS / f"{word}-{what}.png", optimize=True)
        cut = around(truth)
        for layer in (paint(truth, dataset.info), _wrong(truth, predicted, dataset)):
            made.append(_address(_blend(np.asarray(sample.image), layer)[cut]))
    said = {"dice": run.record.main_value, "n": len(scored), "samples": samples}
    (MASKS / "shown.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
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


def around(truth: Array) -> tuple[slice, slice]:
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
        "<desc>Samples of a run of `bench run --dataset medaka --method unet`.</desc>",
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
    if len(sys.argv) == 3:
        panes = store(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        panes = stored_panes(PICTURE.read_text(encoding="utf-8"))
    PICTURE.write_text(compose(stored_samples(), panes), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
