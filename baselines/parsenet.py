"""ParseNet: every pixel also sees a summary of the whole image.

A convolution sees its surroundings only. Liu et al. average the last features over the image and hand that context to
every position beside its own features. Features of two layers differ in scale, and the larger would drown the smaller:
so each of the two is divided by its length (L2 over channels, position by position) and multiplied by a learned factor
per channel before they are joined ("early fusion"). A linear classifier then scores each position.

The base is the paper's for PASCAL VOC: VGG-16 in DeepLab's large-field-of-view form (pool4 and pool5 do not halve,
conv5 is dilated by 2, fc6 is 3x3 dilated by 12 with 1024 channels, fc7 1x1 with 1024), features every 8 pixels, and
interpolation to the image's size. Pretrained weights fill the convolutions; fc6 and fc7 start from random weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from segbench.methods import LearnedMethod, TrainingConfig
from segbench.settings import Positive
from segbench.types import MethodInfo

if TYPE_CHECKING:
    import torch
    from torch import nn


class ParseNetConfig(TrainingConfig):
    """Training settings plus the network's own."""

    width: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Fraction of VGG-16's channels that the network has."""
    batch_norm: bool = False
    """Whether batch norm follows the convolutions; the paper has none."""
    context: bool = True
    """Whether every pixel is told the image's average features."""
    scale: Positive = 10.0
    """First value of the factors of L2-normalised features."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the features that dropout leaves out after fc6 and fc7."""
    weights: Literal["imagenet"] | None = None
    """Weights that training starts from; null is random ones."""


class ParseNet(LearnedMethod):
    """ParseNet on VGG-16, as a `segbench` method."""

    info = MethodInfo(
        name="parsenet",
        family="learned",
        summary="VGG-16 with the image's average features, L2-normalised and rescaled, beside those of each pixel",
        reference="Liu, Rabinovich, Berg: ParseNet: Looking wider to see better, 2015",
        settings=ParseNetConfig,
        tasks=("binary", "multiclass"),
    )

    def stride(self, settings: ParseNetConfig) -> int:  # noqa: ARG002 (three poolings halve)
        """Features are 8 pixels apart."""
        return 8

    def build(self, settings: ParseNetConfig, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        """The network; `channels` may be 1 or 3."""
        return build_network(settings, outputs, pretrained=pretrained)


def build_network(config: ParseNetConfig, outputs: int, *, pretrained: bool = False) -> nn.Module:
    """The network: (B, 1 or 3, H, W) images in 0..1, sides multiples of 8, to (B, outputs, H, W) logits.

    The modules are defined inside, so that importing this file needs no torch.
    """
    import torch
    import torch.nn.functional as F
    from torch import nn

    from segbench.methods.training.networks import (
        ImageNetInput,
        block,
        interpolate,
        load_vgg16,
        scaled,
        vgg16_stages,
    )

    class ScaledNorm(nn.Module):
        """Each position's features divided by their L2 norm, times a learned factor per channel (equations 1, 2)."""

        def __init__(self, channels: int) -> None:
            super().__init__()
            self.factors = nn.Parameter(torch.full((channels,), config.scale))

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return F.normalize(features, dim=1) * self.factors.view(1, -1, 1, 1)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            wide = scaled(1024, config.width)
            self.normalise = ImageNetInput()
            stages = vgg16_stages(config.width, config.batch_norm)
            for layer in stages[4]:
                if isinstance(layer, nn.Conv2d):
                    layer.dilation = layer.padding = (2, 2)
            poolings = [nn.MaxPool2d(2), nn.MaxPool2d(2), nn.MaxPool2d(2), *(nn.MaxPool2d(3, 1, 1) for _ in range(2))]
            self.stages = nn.Sequential(
                *(nn.Sequential(*stage, pool) for stage, pool in zip(stages, poolings, strict=True))
            )
            fc6 = block(scaled(512, config.width), wide, 3, config.batch_norm, padding=12, dilation=12)
            self.fc6 = nn.Sequential(*fc6, nn.Dropout(config.dropout))
            self.fc7 = nn.Sequential(*block(wide, wide, 1, config.batch_norm), nn.Dropout(config.dropout))
            self.local_norm = ScaledNorm(wide)
            self.global_norm = ScaledNorm(wide) if config.context else None
            self.score = nn.Conv2d(wide * (2 if config.context else 1), outputs, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            features = self.fc7(self.fc6(self.stages(self.normalise(images))))
            joined = self.local_norm(features)
            if self.global_norm is not None:
                context = self.global_norm(features.mean(dim=(-2, -1), keepdim=True))
                joined = torch.cat([joined, context.expand_as(features)], dim=1)
            return interpolate(self.score(joined), 8)

    network = Network()
    if pretrained and config.weights:
        load_vgg16(network.stages, width=config.width, batch_norm=config.batch_norm)
    return network
