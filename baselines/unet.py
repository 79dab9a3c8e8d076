"""U-Net: an encoder that sees what, a decoder that says where, and skip connections between them.

The network halves the image `depth` times while doubling its channels, then goes the same way back up. Each step up
joins the features of the same size from the way down, so that fine outlines survive. Ronneberger et al. wrote it for
the ISBI 2012 stack; the form used here is symmetric (padded convolutions, output as large as the input),
with batch norm in the blocks, dropout in the bottleneck, a sigmoid or softmax output and the soft Dice loss.

How it goes down, how it goes up, and whether it has skip connections can be set, so that each part's worth can be
measured. The loop that trains it is `segbench.methods.training.engine`, shared by all learned methods.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from segbench.methods import LearnedMethod, TrainingConfig
from segbench.settings import Count
from segbench.types import MethodInfo

if TYPE_CHECKING:
    from torch import nn


class UNetConfig(TrainingConfig):
    """Training settings plus the network's own."""

    base_channels: Count = 16
    """Channels of the first block; they double with every halving."""
    depth: Annotated[int, Field(ge=1, le=7)] = 4
    """Number of halvings."""
    reduction: Annotated[int, Field(ge=1, le=16)] = 1
    """Side of the squares of pixels that the network sees as one; its logits are interpolated to all pixels, so that
    outlines are learned and drawn finer than it looks, and a processor's time does not go into the finest level.
    """
    norm: Literal["batch", "instance"] = "batch"
    """What features are normalised by: statistics of the batch, and of the training images once it is trained; or those
    of each image alone, which are the same in training and prediction however small the batch is.
    """
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the channels that dropout leaves out in the bottleneck."""
    bottleneck_dilation: Annotated[int, Field(ge=1, le=16)] = 1
    """Dilation of the bottleneck's convolutions."""
    down: Literal["max", "strided"] = "max"
    """How the image is halved: by the maximum, or by a strided convolution."""
    up: Literal["transposed", "nearest", "bilinear", "nails", "unpool"] = "transposed"
    """How it is doubled: a transposed convolution, or a 1x1 convolution and then repeating (nearest), interpolating
    (bilinear), zeros between (nails), or values put where their maxima were (unpool).
    """
    skip: bool = True
    """Whether features of the way down are joined on the way up."""

    @model_validator(mode="after")
    def _unpool_needs_maxima(self) -> UNetConfig:
        if self.up == "unpool" and self.down != "max":
            raise ValueError("up=unpool puts values where the maxima were, so it needs down=max")
        return self


class UNet(LearnedMethod):
    """U-Net as a `segbench` method."""

    info = MethodInfo(
        name="unet",
        family="learned",
        summary="symmetric U-Net with batch norm, bottleneck dropout and soft Dice loss",
        reference="Ronneberger, Fischer, Brox: U-Net: Convolutional networks for biomedical image segmentation, 2015",
        settings=UNetConfig,
        tasks=("binary", "multiclass"),
    )

    def stride(self, settings: UNetConfig) -> int:
        """One halving per level, after the reduction."""
        return int(settings.reduction * 2**settings.depth)

    def build(self, settings: UNetConfig, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        """See `LearnedMethod.build`; there are no published weights."""
        return build_network(settings, channels, outputs)


def build_network(config: UNetConfig, channels: int = 1, outputs: int = 1) -> nn.Module:
    """The network: (B, channels, H, W) images in 0..1, sides multiples of 2**depth, to (B, outputs, H, W) logits.

    The modules are defined inside, so that importing this file needs no torch.
    """
    import torch
    import torch.nn.functional as F
    from torch import nn

    from segbench.methods.training.networks import InstanceNorm

    def block(inputs: int, outputs: int, dilation: int = 1) -> nn.Module:
        """Twice: 3x3 convolution, norm, ReLU. The norm has the bias, so the convolution needs none."""
        layers: list[nn.Module] = []
        for width in (inputs, outputs):
            convolution = nn.Conv2d(width, outputs, 3, padding=dilation, dilation=dilation, bias=False)
            norm = nn.BatchNorm2d(outputs) if config.norm == "batch" else InstanceNorm(outputs)
            layers += [convolution, norm, nn.ReLU()]
        return nn.Sequential(*layers)

    class Up(nn.Module):
        """(B, coarse, h, w) to (B, fine, 2h, 2w)."""

        def __init__(self, coarse: int, fine: int) -> None:
            super().__init__()
            transposed = config.up == "transposed"
            self.mix = nn.ConvTranspose2d(coarse, fine, 2, stride=2) if transposed else nn.Conv2d(coarse, fine, 1)

        def forward(self, features: torch.Tensor, maxima: torch.Tensor | None) -> torch.Tensor:
            features = self.mix(features)
            if config.up == "transposed":
                return features
            if config.up == "unpool":
                assert maxima is not None
                return F.max_unpool2d(features, maxima, [2, 2])
            if config.up == "nails":
                nails = features.new_zeros(*features.shape[:2], 2 * features.shape[2], 2 * features.shape[3])
                nails[..., ::2, ::2] = features
                return nails
            corners = None if config.up == "nearest" else False
            return F.interpolate(features, scale_factor=2, mode=config.up, align_corners=corners)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = [config.base_channels * 2**level for level in range(config.depth + 1)]
            levels = list(pairwise(widths))
            dilations = [1] * (config.depth - 1) + [config.bottleneck_dilation]
            self.first = block(channels, widths[0])
            self.halve = nn.ModuleList(
                nn.Conv2d(fine, fine, 3, stride=2, padding=1) if config.down == "strided" else nn.Identity()
                for fine in widths[:-1]
            )
            self.down = nn.ModuleList(
                block(*level, dilation) for level, dilation in zip(levels, dilations, strict=True)
            )
            self.dropout = nn.Dropout2d(config.dropout)
            self.up = nn.ModuleList(Up(coarse, fine) for fine, coarse in reversed(levels))
            joined = 2 if config.skip else 1
            self.join = nn.ModuleList(block(joined * fine, fine) for fine, _ in reversed(levels))
            self.last = nn.Conv2d(widths[0], outputs, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            # Centred input: a norm follows the first convolution, so only its zero padding notices.
            reduced = F.avg_pool2d(images, config.reduction) if config.reduction > 1 else images
            features = self.first(2 * reduced - 1)
            passed: list[tuple[torch.Tensor, torch.Tensor | None]] = []
            for halve, down in zip(self.halve, self.down, strict=True):
                maxima = None
                fine = features
                if config.up == "unpool":
                    features, maxima = F.max_pool2d(features, 2, return_indices=True)
                elif config.down == "max":
                    features = F.max_pool2d(features, 2)
                passed.append((fine, maxima))
                features = down(halve(features))
            features = self.dropout(features)
            for up, join in zip(self.up, self.join, strict=True):
                fine, maxima = passed.pop()
                features = up(features, maxima)
                features = join(torch.cat([fine, features], dim=1) if config.skip else features)
            logits: torch.Tensor = self.last(features)
            if config.reduction > 1:
                logits = F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)
            return logits

    return Network()
