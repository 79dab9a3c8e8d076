"""DeconvNet: VGG-16 up to one vector for a large window, then the same network mirrored, back to every pixel.

Noh et al. remember at each max pooling where the maximum was (the switch). On the way up, unpooling puts each value
back to that place and leaves zeros around it; transposed convolutions fill them in. Fine outlines thus return to where
they were seen. Batch norm follows every convolution, without which so deep a network does not train.

fc6 is a 7x7 convolution without padding, as in the paper, so at least 224x224 pixels are needed: smaller images are
filled up. `fc6_side` makes fc6 smaller. The paper's two-stage training on object proposals is left out: the network is
trained on images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from segbench.errors import UserError
from segbench.methods import LearnedMethod, TrainingConfig
from segbench.types import MethodInfo

if TYPE_CHECKING:
    import torch
    from torch import nn


class DeconvNetConfig(TrainingConfig):
    """Training settings plus the network's own."""

    width: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Fraction of VGG-16's channels that the network has."""
    fc6_side: Annotated[int, Field(ge=1, le=7)] = 7
    """Side of the convolution fc6 in features, each 32 pixels wide; the paper's is 7."""
    weights: Literal["imagenet"] | None = None
    """Weights that training starts from; null is random ones."""


class DeconvNet(LearnedMethod):
    """DeconvNet, as a `segbench` method."""

    info = MethodInfo(
        name="deconvnet",
        family="learned",
        summary="VGG-16 and its mirror image: unpooling by the pooling's switches, transposed convolutions",
        reference="Noh, Hong, Han: Learning deconvolution network for semantic segmentation, 2015",
        settings=DeconvNetConfig,
        tasks=("binary", "multiclass"),
    )

    def stride(self, settings: DeconvNetConfig) -> int:  # noqa: ARG002 (five poolings)
        """VGG-16 halves its input five times."""
        return 32

    def build(self, settings: DeconvNetConfig, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        """The network; `channels` may be 1 or 3."""
        return build_network(settings, outputs, pretrained=pretrained)


def build_network(config: DeconvNetConfig, outputs: int, *, pretrained: bool = False) -> nn.Module:
    """The network: (B, 1 or 3, H, W) images in 0..1, sides multiples of 32, to (B, outputs, H, W) logits.

    Raises UserError for weights that it has not.

    The module is defined inside, so that importing this file needs no torch.
    """
    import torch.nn.functional as F
    from torch import nn

    from segbench.methods.training.networks import (
        ImageNetInput,
        block,
        fill_up,
        load_vgg16,
        scaled,
        start_for_relu,
        vgg16_stages,
    )

    def mirrored(layers: list[nn.Module]) -> nn.Sequential:
        """The convolutions of a stage backwards, transposed; the last one gives the stage's input channels."""
        result: list[nn.Module] = []
        for layer in reversed(layers):
            if isinstance(layer, nn.Conv2d):
                result += deconvolution(layer.out_channels, layer.in_channels, 3, padding=1)
        return nn.Sequential(*result)

    def deconvolution(inputs: int, outputs: int, kernel: int, padding: int = 0) -> list[nn.Module]:
        layer = nn.ConvTranspose2d(inputs, outputs, kernel, padding=padding)
        start_for_relu(layer)
        return [layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            deep, wide = scaled(512, config.width), scaled(4096, config.width)
            self.normalise = ImageNetInput()
            stages = vgg16_stages(config.width, batch_norm=True)
            self.down = nn.ModuleList(nn.Sequential(*stage) for stage in stages)
            self.fc6 = nn.Sequential(*block(deep, wide, config.fc6_side, True, padding=0))
            self.fc7 = nn.Sequential(*block(wide, wide, 1, True))
            self.fc6_back = nn.Sequential(*deconvolution(wide, deep, config.fc6_side))
            self.up = nn.ModuleList(mirrored(stage) for stage in stages[:0:-1])
            # The first stage's mirror ends in 64 channels, not in the image's three.
            first = scaled(64, config.width)
            self.up.append(nn.Sequential(*(layer for _ in range(2) for layer in deconvolution(first, first, 3, 1))))
            self.score = nn.Conv2d(first, outputs, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            features = self.normalise(fill_up(images, 32, 32 * config.fc6_side))
            switches = []
            for stage in self.down:
                features, places = F.max_pool2d(stage(features), 2, return_indices=True)
                switches.append(places)
            features = self.fc6_back(self.fc7(self.fc6(features)))
            for stage in self.up:
                features = stage(F.max_unpool2d(features, switches.pop(), [2, 2]))
            scores: torch.Tensor = self.score(features)
            return scores[..., : images.shape[-2], : images.shape[-1]]

    network = Network()
    if pretrained and config.weights:
        if config.fc6_side != 7:
            raise UserError("ImageNet weights fit VGG-16 as it is: set fc6_side=7, or weights=null")
        load_vgg16(network.down, width=config.width, batch_norm=True, classifier=(*network.fc6[:1], *network.fc7[:1]))
    return network
