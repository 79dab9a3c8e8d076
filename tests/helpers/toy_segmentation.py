"""A network of one layer and a few small images: what training loops of other packages are tested with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from segbench import Evaluator
from segbench.evaluation.scores import Score

CLASSES, VOID, SAMPLES, SIDE = 3, 255, 8, 32


class Toy(nn.Module):
    """One convolution from 3 channels to the classes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, CLASSES, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layer(images)
        return logits

    def loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(self(images), labels, ignore_index=VOID)


def toy_samples() -> list[dict[str, Any]]:
    """Noisy images whose channels lean to their label, with some void pixels, and a number each."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for number in range(SAMPLES):
        coarse = torch.randint(0, CLASSES, (4, 4), generator=generator)
        labels = coarse.repeat_interleave(SIDE // 4, 0).repeat_interleave(SIDE // 4, 1)
        images = F.one_hot(labels, 3).permute(2, 0, 1).float() + torch.randn(3, SIDE, SIDE, generator=generator)
        labels[0, : 2 + number] = VOID
        found.append({"pixel_values": images, "labels": labels, "ids": number})
    return found


def toy_loader(batch_size: int) -> Any:
    """The samples in batches, as a loader of torch."""
    samples: Any = toy_samples()
    return torch.utils.data.DataLoader(samples, batch_size=batch_size)


def expected_scores(network: Toy) -> Mapping[str, Score]:
    """The scores of a network on all samples, by segbench alone."""
    evaluator = Evaluator(num_classes=CLASSES, ignore_index=VOID)
    with torch.inference_mode():
        for sample in toy_samples():
            evaluator.update(network(sample["pixel_values"][None]), sample["labels"][None], [sample["ids"]])
    return evaluator.scores()
