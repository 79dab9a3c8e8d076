"""Small forms of every network, and small images with their truth: what the tests of networks build and learn."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from segbench.methods.training.config import TrainingConfig
from segbench.methods.training.method import LearnedMethod
from segbench.methods.training.networks import allow_single_values
from segbench.registry import method_class
from small_settings import SMALL


def make(name: str, outputs: int = 1, channels: int = 3, **settings: Any) -> tuple[nn.Module, int]:
    """The network of a method with its small settings, and its stride; weights follow from a fixed seed."""
    method, config = configured(name, **settings)
    torch.manual_seed(0)
    return allow_single_values(method.build(config, channels, outputs, pretrained=False)), method.stride(config)


def configured(name: str, **settings: Any) -> tuple[LearnedMethod, TrainingConfig]:
    """A method and its settings: the defaults, changed by the small ones and by those given."""
    cls = method_class(name)
    method: LearnedMethod = cls({**cls.info.defaults, **SMALL.get(name, {}), **settings})
    return method, method.settings


def discs(side: int = 64, count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (count, 3, side, side) with one bright disc each on a noisy ground, and 1 where it is."""
    generator = torch.Generator().manual_seed(0)
    images = 0.3 + 0.1 * torch.rand(count, 3, side, side, generator=generator)
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    targets = torch.zeros(count, side, side, dtype=torch.uint8)
    for target in targets:
        y, x, radius = torch.tensor([0.45, 0.45, 0.32]) * side + torch.rand(3, generator=generator) * 0.06 * side
        target[(row - y) ** 2 + (column - x) ** 2 < radius**2] = 1
    return (images + 0.5 * targets[:, None]).clamp(0, 1), targets


def bands(side: int = 64, count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of three classes: noisy bands of three colours, lying and standing in turn, of unequal breadth."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.tensor([[0.2, 0.3, 0.7], [0.7, 0.3, 0.2], [0.4, 0.8, 0.4]])
    targets = torch.zeros(count, side, side, dtype=torch.uint8)
    for number, target in enumerate(targets):
        lines = target if number % 2 else target.T
        lines[side // 4 + 4 * number :] = 1
        lines[5 * side // 8 + 4 * number :] = 2
    noise = 0.1 * torch.rand(count, 3, side, side, generator=generator)
    return colours[targets.long()].permute(0, 3, 1, 2) + noise, targets
