"""Batches in parts: the gradients of the whole, statistics of their own, and one result on any machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from linear_network import Linear, fit
from segbench.datasets.isbi2012 import ISBI2012
from segbench.methods.training.config import TrainingConfig
from segbench.methods.training.ghost_batches import GhostBatches
from small_stack import write_stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ISBI2012:
    return write_stack(tmp_path_factory.mktemp("isbi2012"))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


threads_seen: set[str] = set()


class Normed(nn.Module):
    """A convolution and a batch norm; remembers which threads it ran in."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(8, 1, 1)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            threads_seen.add(threading.current_thread().name)
        logits: torch.Tensor = self.layers(images)
        return logits


def weights(dataset: ISBI2012, folder: Path, model: nn.Module, **values: Any) -> dict[str, torch.Tensor]:
    threads_seen.clear()
    return fit(dataset, folder, model, loss="bce", **values)[0].state_dict()


@pytest.mark.parametrize(("batch_size", "parts"), [(4, 2), (3, 2), (2, 5), (5, 3)])
def test_without_batch_norm_parts_train_what_the_whole_does(
    batch_size: int, parts: int, dataset: ISBI2012, tmp_path: Path
) -> None:
    """Also where the parts differ in size, or are more than images."""
    # A rate at which a wrong share of one image would show.
    values = {"optimizer": "sgd", "learning_rate": 1.0, "batch_size": batch_size}
    whole = weights(dataset, tmp_path / "whole", Linear(), **values)
    cut = weights(dataset, tmp_path / "cut", Linear(), **values, ghost_batches=parts)
    for name, tensor in whole.items():
        assert torch.allclose(cut[name], tensor, atol=1e-5)
        assert not torch.allclose(tensor, Linear().state_dict()[name], atol=1e-3)


@pytest.mark.usefixtures("two_threads")
def test_side_by_side_and_in_turn_give_the_same_bits(dataset: ISBI2012, tmp_path: Path) -> None:
    parallel = weights(dataset, tmp_path / "parallel", Normed(), ghost_batches=2, ema=0.9)
    assert any(name.startswith("ghost-batch") for name in threads_seen)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    in_turn = weights(dataset, tmp_path / "turn", Normed(), ghost_batches=2, ema=0.9)
    assert threads_seen == {"MainThread"}
    assert all(torch.equal(tensor, in_turn[name]) for name, tensor in parallel.items())


@pytest.mark.usefixtures("two_threads")
def test_parts_that_draw_random_numbers_take_turns(dataset: ISBI2012, tmp_path: Path) -> None:
    first = weights(dataset, tmp_path / "1", Normed(dropout=0.5), ghost_batches=2)
    assert threads_seen == {"MainThread"}
    again = weights(dataset, tmp_path / "2", Normed(dropout=0.5), ghost_batches=2)
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())


def test_each_part_has_its_own_statistics_and_their_mean_is_kept() -> None:
    model = Normed()
    norm = model.layers[1]
    assert isinstance(norm, nn.BatchNorm2d)
    bright, dark = torch.ones(1, 1, 8, 8) * torch.rand(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    alone = []
    for images in (bright, dark):
        twin = Normed().train()
        twin(images)
        alone.append([buffer for name, buffer in twin.named_buffers() if "running" in name])
    with GhostBatches(model, 2) as ghosts:
        parts = [lambda network, images=images: (network(images).mean(), 1) for images in (bright, dark)]
        loss = ghosts.gradients(parts, lambda loss: loss)
        joined = [
            [buffer for name, buffer in network.named_buffers() if "running" in name] for network in ghosts.models
        ]
    for first, second, *means in zip(*alone, *joined, strict=True):
        assert not torch.equal(first, second)
        assert all(torch.allclose(mean, (first + second) / 2) for mean in means)
    assert loss.dim() == 0
    assert all(weight.grad is not None for weight in model.parameters())


def test_compiling_is_for_whole_batches() -> None:
    with pytest.raises(ValidationError, match="needs ghost_batches=1"):
        TrainingConfig(compile=True, ghost_batches=2)
