"""Drawn cases in nnU-Net's layout: a large region with a small one inside, in volumes of thick slices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from segbench.types import Array

SPACING = (0.8, 0.7, 3.0)
SHAPE = (24, 20, 6)
LABELS: Mapping[str, Any] = {"background": 0, "liver": 1, "tumour": 2}


def case(seed: int, shape: Sequence[int] = SHAPE) -> tuple[Array, Array]:
    """Intensities (X, Y, Z) int16 and labels (X, Y, Z) uint8."""
    random = np.random.default_rng(seed)
    x, y, z = np.mgrid[: shape[0], : shape[1], : shape[2]]
    middle = [side / 2 + random.uniform(-1, 1) for side in shape]
    far = ((x - middle[0]) / 8) ** 2 + ((y - middle[1]) / 6) ** 2 + ((z - middle[2]) / 3) ** 2
    labels = (far < 1).astype(np.uint8) + (far < 0.15)
    return (-100 + 80.0 * labels + random.normal(0, 5, shape)).astype(np.int16), labels.astype(np.uint8)


def save(path: Path, values: Array, codes: str = "RAS") -> Path:
    """Write values that run to the right, anterior and superior in another order of axes, such as `PIL`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ras = np.array([[0, 1], [1, 1], [2, 1]])
    library: Any = nibabel
    turned = library.orientations.ornt_transform(ras, library.orientations.axcodes2ornt(codes))
    stored = library.apply_orientation(values, turned)
    affine = np.diag([*SPACING, 1.0]) @ library.orientations.inv_ornt_aff(turned, values.shape[:3])
    library.save(library.Nifti1Image(stored, affine), path)
    return path


def data_set(
    root: Path, *, train: int = 4, test: int = 2, channels: str = "CT", codes: str = "RAS", **more: Any
) -> dict[str, Array]:
    """Write a data set; the labels of its test cases by name."""
    found = {}
    for number in range(train + test):
        part = "Tr" if number < train else "Ts"
        image, labels = case(number)
        name = f"case_{number:03d}"
        save(root / f"images{part}" / f"{name}_0000.nii.gz", image, codes)
        save(root / f"labels{part}" / f"{name}.nii.gz", labels, codes)
        if part == "Ts":
            found[name] = labels
    content = {"channel_names": {"0": channels}, "labels": dict(LABELS), "file_ending": ".nii.gz", **more}
    (root / "dataset.json").write_text(json.dumps(content))
    return found
