"""Six small frames on disk, and the pairs that are loaded of them: what the tests of loading and of its cache share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segbench.datasets.medaka import Medaka
from segbench.methods.targets import Pair
from segbench.methods.training.cache import DecodedCache
from segbench.methods.training.config import TrainingConfig
from segbench.methods.training.loading import PairDataset, PairLoader
from segbench.types import Samples


def settings(**values: Any) -> TrainingConfig:
    """Of a training on images of their own size."""
    return TrainingConfig.model_validate({"size": None, **values})


def write_frames(root: Path) -> Medaka:
    """Six frames of 40 x 50 in files of their own."""
    generator = np.random.default_rng(0)
    base = root / "train_images"
    for folder in ("ventral_sample_gray", "ventral_mask"):
        (base / folder).mkdir(parents=True)
        for number in range(1, 7):
            values = generator.integers(0, 256, (40, 50)).astype(np.uint8)
            values = np.where(values > 200, 255, 0).astype(np.uint8) if folder == "ventral_mask" else values
            Image.fromarray(values).save(base / folder / f"{number:04d}.png")
    return Medaka(root)


def of(frames: Medaka) -> Samples:
    """All samples."""
    return Samples(frames, frames.ids("all"))


def same(one: Pair, other: Pair) -> bool:
    """Whether two pairs hold the same image and the same target."""
    return np.array_equal(one.image, other.image) and np.array_equal(one.target, other.target)


def load(dataset: PairDataset, plan: Sequence[Sequence[int]], *arguments: Any, **options: Any) -> list[list[Pair]]:
    """The batches of a plan."""
    with PairLoader(dataset, *arguments, **options) as pairs:
        return list(pairs.batches(plan))


def cached(frames: Medaka, folder: Path, limit: int = 10**9, **values: Any) -> PairDataset:
    """Pairs of all frames, which are kept in a folder once they were decoded."""
    return PairDataset(of(frames), settings(**values), frames.info, DecodedCache(folder, limit))
