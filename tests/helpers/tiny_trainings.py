"""Trainings of a second on a small SYNTHETIC stack, and what came of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from segbench.baselines.unet import UNet
from segbench.datasets.isbi2012 import ISBI2012
from segbench.methods.training.config import TrainingConfig
from small_stack import context, samples

OFF: dict[str, Any] = {
    "flip": False, "rotate90": False, "rotation": 0.0, "zoom": 0.0, "shift": 0.0, "shear": 0.0, "elastic": 0.0,
}  # fmt: skip

TINY: dict[str, Any] = {
    "size": None, "crop": 32, "batch_size": 2, "epochs": 4, "iterations_per_epoch": 3, "base_channels": 4, "depth": 2,
    "ema": 0.9, "noise": 0.05, "elastic": 1.0,
}  # fmt: skip


def settings(**values: Any) -> TrainingConfig:
    return TrainingConfig.model_validate({"size": None, **OFF, **values})


def fit(
    dataset: ISBI2012, folder: Path, resume: bool = False, stop: Callable[[], bool] | None = None, **values: Any
) -> UNet:
    method = UNet({**UNet.info.defaults, **TINY, **values})
    situation = context(dataset, folder, resume=resume)
    situation.stop = stop or situation.stop
    method.fit(samples(dataset, "train", 5), samples(dataset, "val", 2), situation)
    return method


def weights(method: UNet) -> dict[str, torch.Tensor]:
    return method._fitted()[0].state_dict()
