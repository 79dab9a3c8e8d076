"""FCN: an image classifier made convolutional, whose coarse scores are upsampled to the image's size.

Long et al. turn VGG-16's two large fully connected layers into convolutions (fc6: 7x7, fc7: 1x1), so that the
classifier gives a map of scores, one for every 32 pixels. FCN-32s interpolates that map. FCN-16s and FCN-8s add scores
read from pool4 and pool3, which are finer: where an object ends is seen there. All layers that score start at zero, as
in the authors' code; the upsampling inside starts as bilinear interpolation and is learned, the last one stays fixed.

Other than in the paper, the three variants are trained at once instead of one after the other, and convolutions keep
their maps' size, in place of 100 pixels of padding around the image and a crop of the scores. `batch_norm` adds what
the paper did not have and a network without pretrained weights does better with.

`fcn-resnet50` is torchvision's FCN: a dilated ResNet-50, a head of two convolutions, interpolation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from segbench.methods import LearnedMethod, TrainingConfig
from segbench.settings import NonNegative
from segbench.types import MethodInfo

if TYPE_CHECKING:
    import torch
    from torch import nn


class FCNConfig(TrainingConfig):
    """Training settings plus the network's own."""

    variant: Literal["8s", "16s", "32s"] = "8s"
    """Distance in pixels of the finest scores that are used."""
    width: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Fraction of VGG-16's channels that the network has."""
    batch_norm: bool = False
    """Whether batch norm follows the convolutions; the paper has none."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the features that dropout leaves out after fc6 and fc7."""
    weights: Literal["imagenet"] | None = None
    """Weights that training starts from; null is random ones."""


class FCN(LearnedMethod):
    """FCN-32s, FCN-16s and FCN-8s on VGG-16, as a `segbench` method."""

    info = MethodInfo(
        name="fcn",
        family="learned",
        summary="VGG-16 as a convolutional network, its scores joined with those of pool4 and pool3 (FCN-8s)",
        reference="Long, Shelhamer, Darrell: Fully convolutional networks for semantic segmentation, 2015",
        settings=FCNConfig,
        tasks=("binary", "multiclass"),
    )

    def stride(self, settings: FCNConfig) -> int:  # noqa: ARG002 (five poolings, whatever is scored)
        """VGG-16 halves its input five times."""
        return 32

    def build(self, settings: FCNConfig, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        """The network; `channels` may be 1 or 3."""
        return build_network(settings, outputs, pretrained=pretrained)


class FCNResNetConfig(TrainingConfig):
    """Training settings plus the network's own."""

    output_stride: Literal[8, 16, 32] = 8
    """Distance in pixels of the backbone's features."""
    auxiliary: NonNegative = 0.0
    """Weight of an auxiliary head's loss; 0 is no such head."""
    weights: Literal["imagenet"] | None = None
    """Weights that training starts from; null is random ones."""


class FCNResNet50(LearnedMethod):
    """torchvision's FCN on ResNet-50."""

    info = MethodInfo(
        name="fcn-resnet50",
        family="learned",
        summary="torchvision's FCN: dilated ResNet-50, two convolutions, interpolation",
        reference="Long, Shelhamer, Darrell, 2015; torchvision.models.segmentation.fcn_resnet50",
        settings=FCNResNetConfig,
        tasks=("binary", "multiclass"),
    )

    def stride(self, settings: FCNResNetConfig) -> int:
        """The distance of the features."""
        return settings.output_stride

    def build(self, settings: FCNResNetConfig, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        """The network; `channels` may be 1 or 3."""
        from torchvision.models.segmentation import fcn

        from segbench.methods.training.networks import dilated_resnet, torchvision_segmenter

        auxiliary = settings.auxiliary > 0
        weights = settings.weights if pretrained else None
        backbone, deep, middle = dilated_resnet("resnet50", settings.output_stride, weights, auxiliary=auxiliary)
        head = fcn.FCNHead(middle, outputs) if auxiliary else None
        network = fcn.FCN(backbone, fcn.FCNHead(deep, outputs), head)
        return torchvision_segmenter(network, settings.auxiliary)


def build_network(config: FCNConfig, outputs: int, *, pretrained: bool = False) -> nn.Module:
    """The network: (B, 1 or 3, H, W) images in 0..1, sides multiples of 32, to (B, outputs, H, W) logits.

    The module is defined inside, so that importing this file needs no torch.
    """
    from torch import nn

    from segbench.methods.training.networks import (
        BilinearUpsampling,
        ImageNetInput,
        block,
        interpolate,
        load_vgg16,
        scaled,
        vgg16_stages,
    )

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            wide = scaled(4096, config.width)
            self.normalise = ImageNetInput()
            self.stages = nn.ModuleList(
                nn.Sequential(*stage, nn.MaxPool2d(2)) for stage in vgg16_stages(config.width, config.batch_norm)
            )
            self.fc6 = nn.Sequential(*block(scaled(512, config.width), wide, 7, False), nn.Dropout(config.dropout))
            self.fc7 = nn.Sequential(*block(wide, wide, 1, False), nn.Dropout(config.dropout))
            self.score = self._scores(wide)
            self.up = nn.ModuleList(BilinearUpsampling(outputs, 2) for _ in range(self._skips()))
            self.skips = nn.ModuleList(
                self._scores(scaled(channels, config.width)) for channels in (512, 256)[: self._skips()]
            )

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            features = self.normalise(images)
            pooled = []
            for stage in self.stages:
                features = stage(features)
                pooled.append(features)
            scores = self.score(self.fc7(self.fc6(features)))
            # pool4 first, then pool3, each twice as fine as the scores so far.
            for finer, up, skip in zip(pooled[-2::-1], self.up, self.skips, strict=False):
                scores = up(scores) + skip(finer)
            return interpolate(scores, 32 // 2 ** len(self.skips))

        def _skips(self) -> int:
            return {"32s": 0, "16s": 1, "8s": 2}[config.variant]

        def _scores(self, channels: int) -> nn.Conv2d:
            scores = nn.Conv2d(channels, outputs, 1)
            for parameter in scores.parameters():
                nn.init.zeros_(parameter)
            return scores

    network = Network()
    if pretrained and config.weights:
        load_vgg16(
            network.stages,
            width=config.width,
            batch_norm=config.batch_norm,
            classifier=(*network.fc6[:1], *network.fc7[:1]),
        )
    return network
