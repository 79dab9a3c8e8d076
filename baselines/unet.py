"""U-Net: an encoder that sees what, a decoder that says where, and skip connections between them.

The network halves the image `depth` times while doubling its channels, then goes the same way back up. Each step up
joins the features of the same size from the way down, so that fine outlines survive. Ronneberger et al. wrote it for
the ISBI 2012 stack; the lecture's form, used here, is symmetric (padded convolutions, output as large as the input),
with batch norm in the blocks, dropout in the bottleneck, a sigmoid output and the soft Dice loss.

The loop that trains it is `segbench.training.engine`, shared by all learned methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from segbench.errors import UserError
from segbench.training.config import TrainingConfig, parse_config
from segbench.types import DatasetInfo, FitContext, MethodInfo, Prediction, Samples, Uint8

if TYPE_CHECKING:
    from torch import nn

    from segbench.training.compute import Compute


class UNetConfig(TrainingConfig):
    """Training settings plus the network's own: channels of the first block, halvings, dropout in the bottleneck."""

    base_channels: Annotated[int, Field(ge=1)] = 16
    depth: Annotated[int, Field(ge=1, le=7)] = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5


class UNet:
    """U-Net for one foreground class, as a `segbench` method."""

    info = MethodInfo(
        name="unet",
        family="learned",
        summary="symmetric U-Net with batch norm, bottleneck dropout and soft Dice loss",
        reference="Ronneberger, Fischer, Brox: U-Net: Convolutional networks for biomedical image segmentation, 2015",
        defaults=UNetConfig().model_dump(),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._settings = parse_config(UNetConfig, self.info.name, config)
        self.config: Mapping[str, Any] = self._settings.model_dump()
        self.chosen: Mapping[str, Any] = {}
        self._network: nn.Module | None = None
        self._compute: Compute | None = None

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Learn from `train`; `val` is looked at with `select: best` only."""
        import torch

        from segbench.training.compute import Compute
        from segbench.training.engine import train as train_network
        from segbench.training.inference import validation_dice

        settings = self._settings
        compute = Compute.choose(context.device, settings.precision)

        def validate(network: nn.Module) -> float:
            return validation_dice(network, val, context.dataset, settings, compute, self._stride)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            network = build_network(settings)
        self._network = train_network(network, train, settings, context, compute, validate if len(val) else None)
        self._compute = compute

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Foreground probabilities of each image, in its own size."""
        from segbench.training.inference import predict_probabilities

        network, compute = self._fitted()
        maps = predict_probabilities(network, images, self._settings, compute, self._stride)
        return [Prediction(probabilities=probabilities) for probabilities in maps]

    def save(self, folder: Path) -> None:
        """Write `model.safetensors`: the weights, with the configuration in its header."""
        from segbench.training.checkpoint import save_tensors

        network, _ = self._fitted()
        document = {"method": self.info.name, "config": dict(self.config)}
        save_tensors(folder / "model.safetensors", dict(network.state_dict()), document)

    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:  # noqa: ARG002 (weights say it all)
        """Become the U-Net that was saved in `folder`, whatever this one was configured as."""
        from segbench.training.checkpoint import load_tensors
        from segbench.training.compute import Compute

        weights, document = load_tensors(folder / "model.safetensors")
        if document.get("method") != self.info.name:
            raise UserError(f"'{folder}' holds a saved '{document.get('method')}', not a '{self.info.name}'")
        self._settings = parse_config(UNetConfig, self.info.name, document["config"])
        self.config = self._settings.model_dump()
        network = build_network(self._settings)
        network.load_state_dict(weights)
        self._compute = Compute.choose(device, self._settings.precision)
        self._network = self._compute.place(network).eval()

    def parameters(self) -> int:
        """Number of trained parameters; known before fitting."""
        network = build_network(self._settings) if self._network is None else self._network
        return sum(parameter.numel() for parameter in network.parameters())

    @property
    def _stride(self) -> int:
        return int(2**self._settings.depth)

    def _fitted(self) -> tuple[nn.Module, Compute]:
        if self._network is None or self._compute is None:
            raise UserError("this U-Net has no weights yet: fit it, or load a fitted one")
        return self._network, self._compute


def build_network(config: UNetConfig) -> nn.Module:
    """The network: (B, C, H, W) images in 0..1, sides multiples of 2**depth, to (B, H, W) logits.

    The module is defined inside, so that importing this file needs no torch.
    """
    import torch
    import torch.nn.functional as F
    from torch import nn

    def block(inputs: int, outputs: int) -> nn.Module:
        """Twice: 3x3 convolution, batch norm, ReLU. Batch norm has the bias, so the convolution needs none."""
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        return nn.Sequential(*layers)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = [config.base_channels * 2**level for level in range(config.depth + 1)]
            channels = 1 if config.input == "grey" else 3
            steps = list(pairwise(widths))
            self.first = block(channels, widths[0])
            self.down = nn.ModuleList(block(fine, coarse) for fine, coarse in steps)
            self.dropout = nn.Dropout2d(config.dropout)
            self.up = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in reversed(steps))
            self.join = nn.ModuleList(block(2 * fine, fine) for fine, _ in reversed(steps))
            self.last = nn.Conv2d(widths[0], 1, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            # Centred input: batch norm follows the first convolution, so only its zero padding notices.
            features = self.first(2 * images - 1)
            skips = []
            for down in self.down:
                skips.append(features)
                features = down(F.max_pool2d(features, 2))
            features = self.dropout(features)
            for up, join in zip(self.up, self.join, strict=True):
                features = join(torch.cat([skips.pop(), up(features)], dim=1))
            logits: torch.Tensor = self.last(features)
            return logits[:, 0]

    return Network()
