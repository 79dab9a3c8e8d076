"""A network of one layer, and how it is fitted in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from segbench.datasets.isbi2012 import ISBI2012
from segbench.methods.training.config import TrainingConfig
from segbench.methods.training.engine import train
from segbench.methods.training.inference import validation_score
from segbench.methods.training.precision import Compute
from small_stack import context, samples

CPU = Compute.choose("cpu", "fp32")


STILL = {"size": None, "flip": False, "rotation": 0.0, "zoom": 0.0, "shift": 0.0, "shear": 0.0}


TINY = {**STILL, "precision": "fp32", "base_channels": 4, "depth": 2, "dropout": 0.0, "batch_size": 2, "epochs": 2,
        "iterations_per_epoch": 2}  # fmt: skip


class Linear(nn.Module):
    """One 3x3 convolution; no batch norm, so that parts of a batch add up to the whole."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layer(images)
        return logits


def fit(dataset: ISBI2012, folder: Path, model: nn.Module | None = None, **values: Any) -> tuple[nn.Module, list[str]]:
    """A trained model, and what the log and the warnings said."""
    said: list[str] = []
    situation = context(dataset, folder)
    situation.log = situation.warn = said.append
    config = TrainingConfig.model_validate({**STILL, "batch_size": 4, "epochs": 3, "iterations_per_epoch": 2, **values})
    val = samples(dataset, "val", 2)

    def validate(network: nn.Module) -> float:
        return validation_score(network, val, config, CPU, 1, dataset.info)

    trained = train(model or Linear(), 1, samples(dataset, "train", 6), config, situation, CPU, validate)
    return trained, said
