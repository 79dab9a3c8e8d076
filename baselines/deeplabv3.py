"""DeepLabv3: features are kept dense by dilation, and read at several scales at once.

The last stages of a ResNet are dilated instead of strided, so that features lie 8 or 16 pixels apart (`output_stride`)
where a classifier's would lie 32 apart. Atrous spatial pyramid pooling reads them with four dilations (1 and `rates`)
and with their mean over the image; the result is classified and interpolated to the image's size. The paper's rates
are 6, 12 and 18 at output stride 16, and twice that at 8.

`library: torchvision` takes ResNets with bottleneck blocks (and an auxiliary head where `auxiliary` > 0), `library:
smp` every encoder of segmentation_models_pytorch that can be dilated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from segbench.errors import UserError
from segbench.methods import LearnedMethod, TrainingConfig
from segbench.settings import Count, NonNegative
from segbench.text import unknown
from segbench.types import MethodInfo

if TYPE_CHECKING:
    from torch import nn

BOTTLENECKS = ("resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2")
"""torchvision's networks that it can dilate."""


class DeepLabV3Config(TrainingConfig):
    """Training settings plus the network's own."""

    library: Literal["torchvision", "smp"] = "torchvision"
    """Library whose encoders and head are used."""
    encoder: str = "resnet50"
    """Name of the encoder in its library."""
    weights: Literal["imagenet"] | None = None
    """Weights that training starts from; null is random ones."""
    output_stride: Literal[8, 16] = 16
    """Distance in pixels of the encoder's features."""
    rates: Annotated[list[Count], Field(min_length=3, max_length=3)] | None = None
    """Dilations of the pyramid pooling; null are the paper's for the output stride."""
    auxiliary: NonNegative = 0.0
    """Weight of an auxiliary head's loss; 0 is no such head."""
    head_channels: Count = 256
    """Channels of the head."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the features that dropout leaves out before the scores."""

    def dilations(self) -> tuple[int, ...]:
        """The three rates of the pyramid pooling."""
        return tuple(self.rates or (rate * 16 // self.output_stride for rate in (6, 12, 18)))


class DeepLabV3(LearnedMethod):
    """DeepLabv3, as a `segbench` method."""

    info = MethodInfo(
        name="deeplabv3",
        family="learned",
        summary="dilated ResNet with atrous spatial pyramid pooling, output stride 16 or 8",
        reference="Chen, Papandreou, Schroff, Adam: Rethinking atrous convolution for semantic segmentation, 2017",
        settings=DeepLabV3Config,
        tasks=("binary", "multiclass"),
    )

    def stride(self, settings: DeepLabV3Config) -> int:
        """The distance of the features."""
        return settings.output_stride

    def build(self, settings: DeepLabV3Config, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        """The network; `channels` may be 1 or 3. Raises UserError for an output stride that it cannot have."""
        weights = settings.weights if pretrained else None
        if settings.library == "torchvision":
            return _torchvision(settings, outputs, weights)
        from segbench.baselines.smp_models import build_network

        if settings.auxiliary:
            raise UserError("deeplabv3 with library=smp has no auxiliary head: set auxiliary=0 or library=torchvision")
        arguments = {
            "encoder_output_stride": settings.output_stride,
            "decoder_atrous_rates": settings.dilations(),
            "decoder_channels": settings.head_channels,
            "decoder_aspp_dropout": settings.dropout,
        }
        return build_network("DeepLabV3", settings.encoder, outputs, weights, arguments)


def _torchvision(config: DeepLabV3Config, outputs: int, weights: str | None) -> nn.Module:
    """torchvision's DeepLabv3 at the configured output stride, which torchvision itself fixes at 8."""
    if config.encoder not in BOTTLENECKS:
        raise UserError(
            unknown("encoder of deeplabv3 with library=torchvision", config.encoder, BOTTLENECKS)
            + " More are there with --set library=smp."
        )
    if config.head_channels != 256:
        raise UserError("deeplabv3 with library=torchvision has head_channels=256; others need --set library=smp")
    from torch import nn
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead
    from torchvision.models.segmentation.deeplabv3 import DeepLabV3 as Network
    from torchvision.models.segmentation.fcn import FCNHead

    from segbench.methods.training.networks import dilated_resnet, torchvision_segmenter

    auxiliary = config.auxiliary > 0
    backbone, deep, middle = dilated_resnet(config.encoder, config.output_stride, weights, auxiliary=auxiliary)
    head = DeepLabHead(deep, outputs, config.dilations())
    for module in head.modules():
        if isinstance(module, nn.Dropout):
            module.p = config.dropout
    network = Network(backbone, head, FCNHead(middle, outputs) if auxiliary else None)
    return torchvision_segmenter(network, config.auxiliary)
