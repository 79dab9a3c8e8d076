"""FPN: a feature pyramid whose levels all vote on every pixel.

The encoder's features of four sizes are brought to the same number of channels, from coarse to fine each level adding
the one above it; then each level is brought to a quarter of the image's size and their sum is classified. This is the
semantic branch of panoptic feature pyramid networks, as segmentation_models_pytorch builds it, on any of its encoders
(timm's are called `tu-<name>`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from segbench.methods import LearnedMethod, TrainingConfig
from segbench.settings import Count
from segbench.types import MethodInfo

if TYPE_CHECKING:
    from torch import nn


class FPNConfig(TrainingConfig):
    """Training settings plus the network's own."""

    encoder: str = "resnet34"
    """Name of an encoder of segmentation_models_pytorch."""
    weights: Literal["imagenet"] | None = None
    """Weights that training starts from; null is random ones."""
    pyramid_channels: Count = 256
    """Channels of each level of the pyramid."""
    # Each branch has group norm with 32 groups, and PyTorch refuses groups of a single value.
    segmentation_channels: Annotated[int, Field(ge=64, multiple_of=32)] = 128
    """Channels of the branches that bring each level to a quarter of the image's size."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of the features that dropout leaves out before the scores."""


class FPN(LearnedMethod):
    """Feature pyramid network, as a `segbench` method."""

    info = MethodInfo(
        name="fpn",
        family="learned",
        summary="feature pyramid network of segmentation_models_pytorch (default encoder: ResNet-34)",
        reference="Kirillov, Girshick, He, Dollar: Panoptic feature pyramid networks, 2019; Lin et al., 2017",
        settings=FPNConfig,
        tasks=("binary", "multiclass"),
    )

    def stride(self, settings: FPNConfig) -> int:  # noqa: ARG002 (encoders halve five times)
        """Encoders halve their input five times."""
        return 32

    def build(self, settings: FPNConfig, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        """The network; `channels` may be 1 or 3."""
        from segbench.baselines.smp_models import build_network

        arguments = {
            "decoder_pyramid_channels": settings.pyramid_channels,
            "decoder_segmentation_channels": settings.segmentation_channels,
            "decoder_dropout": settings.dropout,
        }
        return build_network("FPN", settings.encoder, outputs, settings.weights if pretrained else None, arguments)
