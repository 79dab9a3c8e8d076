"""Networks that exist, small enough for a test: each pixel is the class whose colour is nearest to its own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from segbench.datasets.camvid import CamVid
from segbench.types import Array

COLORS = np.array([each.color for each in CamVid.info.classes])
"""Of CamVid's classes, in their order."""
NAMES = [each.name for each in CamVid.info.classes]


class NearestColor(nn.Module):
    """Logits (B, classes, H, W) of images (B, 3, H, W) in 0..`white`: the highest is that of the nearest colour."""

    def __init__(self, colors: Array = COLORS, white: float = 1.0) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, len(colors), 1)
        with torch.no_grad():
            unit = torch.tensor(colors / 255.0, dtype=torch.float32)
            self.layer.weight.copy_((2 * unit / white)[:, :, None, None])
            self.layer.bias.copy_(-unit.square().sum(1))  # type: ignore[union-attr]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = 50 * self.layer(images)
        return logits


def save_torchscript(path: Path, network: nn.Module | None = None) -> Path:
    """Write a network as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace: Any = torch.jit.trace
        trace((network or NearestColor()).eval(), torch.rand(1, 3, 8, 12)).save(str(path))
    return path


def save_program(path: Path, network: nn.Module | None = None) -> Path:
    """Write a network as an exported program for images of any size."""
    sides = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    program = torch.export.export(
        (network or NearestColor()).eval(), (torch.rand(1, 3, 8, 12),), dynamic_shapes=(sides,)
    )
    torch.export.save(program, path)
    return path


def save_onnx(path: Path, network: nn.Module | None = None, size: Sequence[int] | None = None) -> Path:
    """Write a network as ONNX, for images of any size or of one."""
    free = {"image": {0: "batch", 2: "height", 3: "width"}, "out": {0: "batch", 2: "height", 3: "width"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            (network or NearestColor()).eval(),
            (torch.rand(1, 3, *(size or (8, 12))),),
            str(path),
            dynamo=False,
            input_names=["image"],
            output_names=["out"],
            dynamic_axes={} if size else free,
        )
    return path


def write_colored_camvid(root: Path, count: int = 4, shape: tuple[int, int] = (24, 36), seed: int = 0) -> Path:
    """CamVid's layout, `count` samples a split: label maps of blocks, and pictures of them in the classes' colours."""
    random = np.random.default_rng(seed)
    for split, name in (("train", "0006R0_f{:05d}"), ("val", "0016E5_{:05d}"), ("test", "Seq05VD_f{:05d}")):
        for number in range(count):
            labels = _blocks(random, shape)
            stem = name.format(7959 + number if split == "val" else 30 * number)
            _save(root / "CamVid" / f"{split}annot" / f"{stem}.png", labels.astype(np.uint8))
            _save(root / "CamVid" / split / f"{stem}.png", COLORS[labels].astype(np.uint8))
    return root


def _blocks(random: np.random.Generator, shape: tuple[int, int]) -> Array:
    """(H, W) integer: every class, in blocks of 6 x 6 pixels."""
    rows, columns = -(-shape[0] // 6), -(-shape[1] // 6)
    blocks = np.concatenate([np.arange(len(COLORS)), random.integers(0, len(COLORS), rows * columns)])[: rows * columns]
    return np.kron(random.permutation(blocks).reshape(rows, columns), np.ones((6, 6), int))[: shape[0], : shape[1]]


def _save(path: Path, values: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
