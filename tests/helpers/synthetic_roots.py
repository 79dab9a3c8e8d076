"""Small SYNTHETIC datasets in their official layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image


def write_stacks(root: Path, slices: int = 30, size: int = 48, seed: int = 0) -> Path:
    """A SYNTHETIC stack in the ISBI 2012 layout: grey cells between dark straight membranes."""
    random = np.random.default_rng(seed)
    labels = np.full((slices, size, size), 255, np.uint8)
    for page in range(slices):
        for line in random.integers(4, size - 4, 3):
            labels[page, line : line + 2] = 0
            labels[page, :, line : line + 2] = 0
    noise = random.integers(-25, 26, labels.shape)
    images = np.clip(np.where(labels > 0, 170, 70) + noise, 0, 255).astype(np.uint8)
    root.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(root / "train-volume.tif", images, photometric="minisblack")
    tifffile.imwrite(root / "train-labels.tif", labels, photometric="minisblack")
    tifffile.imwrite(root / "test-volume.tif", images[::-1].copy(), photometric="minisblack")
    return root


def write_hearts(root: Path, sequences: int = 6, frames: int = 5) -> Path:
    """SYNTHETIC bright discs that grow and shrink, in the HeartSeg layout: training and test, lateral view."""
    y, x = np.mgrid[:60, :80]
    random = np.random.default_rng(1)
    for folder, offset in (("train_images", 0), ("test_images", 50)):
        masks, images = (root / folder / name for name in ("lateral_mask", "lateral_sample_gray"))
        masks.mkdir(parents=True)
        images.mkdir(parents=True)
        for sequence in range(sequences):
            for frame in range(frames):
                radius = 12 + 4 * np.sin(frame)
                disc = (y - 30) ** 2 + (x - 35 - sequence) ** 2 < radius**2
                number = offset + 100 * sequence + frame
                rgb = np.repeat((disc * 255).astype(np.uint8)[:, :, None], 3, axis=2)
                Image.fromarray(rgb).save(masks / f"{number:04d}_mask.tif", compression="tiff_lzw")
                grey = np.where(disc, 180, 60) + random.integers(-20, 21, disc.shape)
                Image.fromarray(grey.astype(np.uint8)).save(images / f"{number:04d}_sample.tif")
    return root
