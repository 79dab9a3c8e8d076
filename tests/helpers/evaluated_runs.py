"""Run folders of predictions that are the truth with some pixels wrong: made in a moment, with no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from own_folders import BINARY, QUIET, write_folder
from segbench.commands.evaluate import EvaluateRequest, evaluate_files


def truth(root: Path, count: int, first: int = 0) -> Path:
    """A SYNTHETIC folder of binary masks."""
    return write_folder(root, [f"s{number:03d}" for number in range(first, first + count)], BINARY, (0, 1))


def predictions(root: Path, folder: Path, wrong: Sequence[float], seed: int = 0) -> Path:
    """The masks below a root with this part of the pixels of each one wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for mask, part in zip(sorted((root / "masks").glob("*.png")), wrong, strict=True):
        labels = np.asarray(Image.open(mask))
        Image.fromarray(np.where(random.random(labels.shape) < part, 1 - labels, labels).astype(np.uint8)).save(
            folder / mask.name
        )
    return folder


def evaluated(root: Path, out: Path, wrong: Sequence[float], name: str = "model", **more: Any) -> Path:
    """The run folder of such predictions, scored on all masks below the root."""
    seed = more.pop("seed", 0)
    made = predictions(root, out.parent.parent / "predicted" / f"{out.parent.name}-{out.name}", wrong, seed)
    options = {"split": "all", "plots": False, **more}
    evaluate_files(EvaluateRequest("folder", made, name=name, root=root, out=out, **options), QUIET)
    return out
