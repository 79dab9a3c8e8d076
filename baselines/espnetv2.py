"""ESPNetv2: small spatial pyramids of dilated depth-wise convolutions, with a light decoder on top.

A unit reduces its channels by a grouped 1x1 convolution, looks at them through four depth-wise 3x3 convolutions of
growing dilation, adds each result to that of the smaller dilation before (which removes the grid that dilation leaves),
and merges all four by another grouped 1x1 convolution. Where a unit halves the resolution, the pooled input is joined
to it and the image itself, pooled as far, is added. The decoder goes up again by pyramids of pooled and enlarged maps,
and weighs what it takes from the encoder by each channel's mean.

Parts and weights are named as in the files that the authors published (sacmehta/EdgeNets), so that
`--init espnetv2_s_2.0_city_1024x512.pth` starts from them: the encoder whatever the classes, the decoder where they are
as many.

Reference: Mehta, Rastegari, Shapiro, Hajishirzi: ESPNetv2, 2019; decoder: Mehta, Hajishirzi, Rastegari: DiCENet, 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from segbench.methods import LearnedMethod, TrainingConfig
from segbench.settings import Count
from segbench.types import MethodInfo

if TYPE_CHECKING:
    from torch import nn

CHANNELS = {0.5: (16, 32, 64, 128), 1.0: (32, 64, 128, 256), 1.5: (32, 96, 192, 384), 2.0: (32, 128, 256, 512)}
"""Channels of the encoder's four levels by its width."""


def _known_width(value: float) -> float:
    if value not in CHANNELS:
        raise ValueError(f"expected one of {', '.join(map(str, CHANNELS))}")
    return value


class ESPNetv2Config(TrainingConfig):
    """Training settings plus the network's own."""

    width: Annotated[float, AfterValidator(_known_width)] = Field(
        default=1.0, json_schema_extra={"expected": f"one of {', '.join(map(str, CHANNELS))}"}
    )
    """Width of the encoder as a factor on its channels."""
    decoder_channels: Count = 16
    """Channels that the decoder's widths are multiples of."""
    pyramid_channels: Count | None = None
    """Channels of the decoder's pyramids; null is half the number of outputs, at most decoder_channels."""


class ESPNetv2(LearnedMethod):
    """ESPNetv2 as a `segbench` method."""

    info = MethodInfo(
        name="espnetv2",
        family="learned",
        summary="pyramids of dilated depth-wise convolutions, made for small devices",
        reference="Mehta, Rastegari, Shapiro, Hajishirzi: ESPNetv2, 2019",
        settings=ESPNetv2Config,
        tasks=("binary", "multiclass"),
    )

    def stride(self, settings: ESPNetv2Config) -> int:  # noqa: ARG002 (four halvings)
        """The encoder halves its input four times."""
        return 16

    def build(self, settings: ESPNetv2Config, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        """The network; `channels` may be 1 or 3."""
        from segbench.methods.training.networks import Segmenter

        return Segmenter(build_network(settings, outputs))


def build_network(config: ESPNetv2Config, outputs: int) -> nn.Module:
    """The network: normalised (B, 3, H, W), sides multiples of 16, to logits (B, outputs, H, W)."""
    from segbench.methods.training.espnetv2_network import ESPNetv2Network

    narrow = config.pyramid_channels or max(1, min(outputs // 2, config.decoder_channels))
    return ESPNetv2Network(CHANNELS[config.width], config.decoder_channels, narrow, outputs)
