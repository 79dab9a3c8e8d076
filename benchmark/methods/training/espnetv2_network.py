"""The layers of ESPNetv2 (`baselines/espnetv2.py`), which is described there.

Imports torch: the method imports it inside functions.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .networks import start_for_relu

BRANCHES = 4
REPEATS = (3, 7)
"""Units that follow the halving at the third and the fourth level."""
FIELDS = {"level2_0": 13, "level3_0": 11, "level3": 9, "level4_0": 9, "level4": 7}
"""Widest receptive field of a unit's branches, in pixels of its level."""
PYRAMID = (2.0, 1.5, 1.0, 0.5, 0.1)
MIN_PYRAMID_SIDE = 5


class ESPNetv2Network(nn.Module):
    """The whole network: normalised (B, 3, H, W), sides multiples of 16, to logits (B, outputs, H, W).

    Parameters
    ----------
    levels : four int
        Channels of the encoder's levels.
    decoder : int
        Channels that the decoder's widths are multiples of.
    narrow : int
        Channels of the decoder's pyramids.
    outputs : int
    """

    def __init__(self, levels: tuple[int, int, int, int], decoder: int, narrow: int, outputs: int) -> None:
        super().__init__()
        self.base_net = Encoder(levels)
        widths = [factor * decoder for factor in (4, 3, 2)]
        self.bu_dec_l1 = Pyramid(levels[3], narrow, widths[0])
        self.bu_dec_l2 = Pyramid(widths[0], narrow, widths[1])
        self.bu_dec_l3 = Pyramid(widths[1], narrow, widths[2])
        self.bu_dec_l4 = Pyramid(widths[2], narrow, outputs, last=True)
        for place, (inputs, out) in enumerate(zip(levels[2::-1], widths, strict=True), 2):
            setattr(self, f"merge_enc_dec_l{place}", Weighed(inputs, out))
            setattr(self, f"bu_br_l{place}", nn.Sequential(nn.BatchNorm2d(out), nn.PReLU(out)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        *levels, deepest = self.base_net(images)
        found = self.bu_dec_l1(deepest)
        for place, features in enumerate(levels[::-1], 2):
            part: dict[str, Any] = dict(self.named_children())
            larger = _enlarged(found, (features.shape[-2], features.shape[-1]))
            joined = part[f"bu_br_l{place}"](part[f"merge_enc_dec_l{place}"](features) + larger)
            found = part[f"bu_dec_l{place}"](joined)
        return _enlarged(found, (images.shape[-2], images.shape[-1]))


def _convolution(inputs: int, out: int, kernel: int, groups: int = 1, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, out, kernel, stride, dilation * (kernel // 2), dilation, groups, bias=False)
    start_for_relu(layer)
    return layer


class Conv(nn.Sequential):
    """A convolution with what follows it: batch norm, and PReLU where it is `active`."""

    def __init__(self, inputs: int, out: int, kernel: int, *, active: bool = True, **how: int) -> None:
        super().__init__()
        self.conv = _convolution(inputs, out, kernel, **how)
        self.bn = nn.BatchNorm2d(out)
        if active:
            self.act = nn.PReLU(out)


class Norm(nn.Sequential):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn, self.act = nn.BatchNorm2d(channels), nn.PReLU(channels)


class Mixed(nn.Module):
    """As `Conv`, in the names of the decoder's files."""

    def __init__(self, inputs: int, out: int, kernel: int, groups: int = 1) -> None:
        super().__init__()
        self.cbr = nn.Sequential(_convolution(inputs, out, kernel, groups=groups), nn.BatchNorm2d(out), nn.PReLU(out))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.cbr(features)
        return found


class MixedNorm(nn.Module):
    """As `Norm`, in the names of the decoder's files."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.br = nn.Sequential(nn.BatchNorm2d(channels), nn.PReLU(channels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.br(features)
        return found


class Branch(nn.Sequential):
    def __init__(self, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv = _convolution(channels, channels, 3, groups=channels, stride=stride, dilation=dilation)


class Unapplied(nn.Module):
    """An activation that the published files hold and their network does not apply: nothing to be trained."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.full((channels,), 0.25))


class Unit(nn.Module):
    """Reduce, look through growing dilations, merge; with `halve` for a caller that joins more to it."""

    def __init__(self, inputs: int, out: int, field: int, *, halve: bool = False) -> None:
        super().__init__()
        narrow = out // BRANCHES
        self.proj_1x1 = Conv(inputs, narrow, 1, groups=BRANCHES)
        self.spp_dw = nn.ModuleList(Branch(narrow, 1 + halve, dilation) for dilation in dilations(field))
        self.br_after_cat = Norm(out)
        self.conv_1x1_exp = Conv(out, out, 1, active=False, groups=BRANCHES)
        self.module_act = Unapplied(out) if halve else nn.PReLU(out)
        self.halve = halve

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        narrow = self.proj_1x1(features)
        seen = [self.spp_dw[0](narrow)]
        for branch in self.spp_dw[1:]:
            seen.append(branch(narrow) + seen[-1])
        merged: torch.Tensor = self.conv_1x1_exp(self.br_after_cat(torch.cat(seen, 1)))
        if self.halve:
            return merged
        if merged.shape == features.shape:
            merged = merged + features
        active: torch.Tensor = self.module_act(merged)
        return active


class Halving(nn.Module):
    """Half the resolution: the pooled input beside a unit, and the pooled image added to both."""

    def __init__(self, inputs: int, out: int, field: int) -> None:
        super().__init__()
        self.eesp = Unit(inputs, out - inputs, field, halve=True)
        self.inp_reinf = nn.Sequential(Conv(3, 3, 3), Conv(3, out, 1, active=False))
        self.act = nn.PReLU(out)

    def forward(self, features: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        both = torch.cat([_halved(features), self.eesp(features)], 1)
        while image.shape[-1] > both.shape[-1]:
            image = _halved(image)
        found: torch.Tensor = self.act(both + self.inp_reinf(image))
        return found


class Shuffle(nn.Module):
    """Channels of `groups` maps in turn, so that what follows sees one of each beside the other."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = features.shape
        parts = features.reshape(batch, self.groups, channels // self.groups, height, width)
        return parts.transpose(1, 2).reshape(batch, channels, height, width)


class Pyramid(nn.Module):
    """A map seen at five sizes, each through a depth-wise convolution, and merged."""

    def __init__(self, inputs: int, narrow: int, out: int, *, last: bool = False) -> None:
        super().__init__()
        count = len(PYRAMID)
        self.projection_layer = Mixed(inputs, narrow, 1)
        self.stages = nn.ModuleList(_convolution(narrow, narrow, 3, groups=narrow) for _ in PYRAMID)
        final = nn.Conv2d(narrow, out, 1, bias=last)
        start_for_relu(final)
        mixed = Mixed(narrow * count, narrow, 3, groups=narrow)
        self.merge_layer = nn.Sequential(MixedNorm(narrow * count), Shuffle(count), mixed, final)
        self.br = nn.Identity() if last else MixedNorm(out)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        narrow = self.projection_layer(features)
        size = (int(narrow.shape[-2]), int(narrow.shape[-1]))
        seen = []
        for scale, stage in zip(PYRAMID, self.stages, strict=True):
            other = tuple(max(math.ceil(side * scale), MIN_PYRAMID_SIDE) for side in size)
            if scale == 1:
                seen.append(stage(narrow))
            elif scale < 1:
                seen.append(_enlarged(stage(_pooled(narrow, other)), size))
            else:
                seen.append(_pooled(stage(_enlarged(narrow, other)), size))
        found: torch.Tensor = self.br(self.merge_layer(torch.cat(seen, 1)))
        return found


class Weighed(nn.Module):
    """What the decoder takes from the encoder: projected, and each channel weighed by the means of all."""

    def __init__(self, inputs: int, out: int) -> None:
        super().__init__()
        self.wt_layer = nn.Sequential(nn.AdaptiveAvgPool2d(1), _convolution(inputs, out, 1), nn.Sigmoid())
        self.expansion_layer = Mixed(inputs, out, 3, groups=math.gcd(inputs, out))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        weighed: torch.Tensor = self.expansion_layer(features) * self.wt_layer(features)
        return weighed


class Encoder(nn.Module):
    """Four levels of features, (B, C, H / 2, W / 2) to (B, C, H / 16, W / 16), of normalised images (B, 3, H, W)."""

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        one, two, three, four = channels
        self.level1 = Conv(3, one, 3, stride=2)
        self.level2_0 = Halving(one, two, FIELDS["level2_0"])
        self.level3_0 = Halving(two, three, FIELDS["level3_0"])
        self.level3 = nn.Sequential(*(Unit(three, three, FIELDS["level3"]) for _ in range(REPEATS[0])))
        self.level4_0 = Halving(three, four, FIELDS["level4_0"])
        self.level4 = nn.Sequential(*(Unit(four, four, FIELDS["level4"]) for _ in range(REPEATS[1])))

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        found = [self.level1(image)]
        found.append(self.level2_0(found[-1], image))
        found.append(self.level3(self.level3_0(found[-1], image)))
        found.append(self.level4(self.level4_0(found[-1], image)))
        return found


def _pooled(features: torch.Tensor, size: Any) -> torch.Tensor:
    """Adaptive average pooling of (B, C, H, W) into `size`."""
    down, across = (
        torch.tensor(pooling_matrix(int(side), into), dtype=features.dtype, device=features.device)
        for side, into in zip(features.shape[-2:], size, strict=True)
    )
    return down @ features @ across.T


def _enlarged(features: torch.Tensor, size: Any) -> torch.Tensor:
    return F.interpolate(features, size, mode="bilinear", align_corners=True)


def _halved(features: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(features, 3, 2, 1)


def dilations(field: int) -> list[int]:
    """Dilations of a unit's four 3x3 convolutions, in rising order; one that would see more than `field` has none.

    >>> dilations(9), dilations(7)
    ([1, 2, 3, 4], [1, 1, 2, 3])
    """
    return sorted(step if 1 + 2 * step <= field else 1 for step in range(1, BRANCHES + 1))


def pooling_matrix(size: int, into: int) -> list[list[float]]:
    """Adaptive average pooling of `size` values into `into`, as a matrix: exporters know matrix products of any sizes.

    >>> pooling_matrix(3, 2)
    [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    """
    rows = []
    for place in range(into):
        first, last = place * size // into, -(-(place + 1) * size // into)
        rows.append([1 / (last - first) if first <= column < last else 0.0 for column in range(size)])
    return rows
