"""Parts that several networks share: ImageNet's normalisation, VGG-16, bilinear upsampling, norms.

Imports torch: networks import it inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ...errors import UserError
from .losses import Loss

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Red, green and blue of ImageNet's training images, in 0..1."""

_VGG16: tuple[tuple[int, int], ...] = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of VGG-16's five stages (Simonyan and Zisserman 2014, configuration D)."""

_SUSPENDED = "_segbench_suspended"
"""Attribute of a batch norm that does not train for one forward pass."""


class ImageNetInput(nn.Module):
    """(B, 1 or 3, H, W) images in 0..1 to (B, 3, H, W) as an ImageNet network expects them.

    A grey image is shown as three equal channels, so that pretrained filters mean what they meant. Mean and standard
    deviation are part of the saved weights: a network that was pretrained otherwise brings its own.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        normalised: torch.Tensor = (images - self.mean) / self.std
        return normalised


class Segmenter(nn.Module):
    """A library's network between images in 0..1 and logits of the images' own size.

    Parameters
    ----------
    network : maps normalised (B, 3, H, W) to logits (B, outputs, H, W), or to a mapping with them under `"out"`.
    multiple, minimum : sides are filled up to a multiple, and to a least length, and the logits are cut again.
    mean, std : of the images that the network was pretrained on.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        multiple: int = 1,
        minimum: int = 1,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.normalise = ImageNetInput(mean, std)
        self.network = network
        self.multiple, self.minimum = multiple, minimum

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.network(self.normalise(fill_up(images, self.multiple, self.minimum)))
        logits: torch.Tensor = found["out"] if isinstance(found, Mapping) else found
        return logits[..., : images.shape[-2], : images.shape[-1]]


class InstanceNorm(nn.Module):
    """Normalises each channel of each image by its own mean and variance, then scales and shifts it as learned.

    (B, channels, H, W) of any layout; a channel of one value has no variance and is scaled and shifted as it is.

    Reference: Ulyanov, Vedaldi, Lempitsky: Instance normalization, 2016.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if features.shape[-2:].numel() == 1:
            return features * self.weight[:, None, None] + self.bias[:, None, None]
        if len(features) == 1:
            # The same of one image, without the copies by which instance norm changes the layout.
            return F.batch_norm(features, None, None, self.weight, self.bias, training=True)
        return F.instance_norm(features, weight=self.weight, bias=self.bias)


class NetworkWithLoss(nn.Module):
    """The base of networks that are trained by another loss than that of their logits."""

    def training_loss(self, images: torch.Tensor, targets: torch.Tensor, loss: Loss) -> torch.Tensor:
        """What is minimised: a scalar, of images (B, C, H, W) in 0..1 and targets (B, H, W) uint8.

        loss : of logits (B, outputs, H, W) and targets, as the settings say.
        """
        raise NotImplementedError


class AuxiliarySegmenter(NetworkWithLoss):
    """A torchvision network with an auxiliary head (`"aux"`), whose loss counts `auxiliary` times in training."""

    def __init__(self, network: nn.Module, auxiliary: float) -> None:
        super().__init__()
        self.normalise = ImageNetInput()
        self.network = network
        self.auxiliary = auxiliary

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(self.normalise(images))["out"]
        return logits

    def training_loss(self, images: torch.Tensor, targets: torch.Tensor, loss: Loss) -> torch.Tensor:
        """The loss of the logits of images (B, C, H, W), plus the weighted loss of the auxiliary head's."""
        found = self.network(self.normalise(images))
        return loss(found["out"], targets) + self.auxiliary * loss(found["aux"], targets)


def torchvision_segmenter(network: nn.Module, auxiliary: float) -> nn.Module:
    """A torchvision network as images to logits; `auxiliary` is the weight of its auxiliary head's loss, 0 for none."""
    return AuxiliarySegmenter(network, auxiliary) if auxiliary else Segmenter(network)


def fill_up(images: torch.Tensor, multiple: int, minimum: int = 1) -> torch.Tensor:
    """Repeat last row and column of (B, C, H, W) until both sides are multiples of `multiple`, at least `minimum`."""
    down, right = (max(-side % multiple, -(-minimum // multiple) * multiple - side) for side in images.shape[-2:])
    return F.pad(images, (0, right, 0, down), mode="replicate") if down or right else images


def reflect_up(images: torch.Tensor, multiple: int) -> torch.Tensor:
    """Reflect (B, C, H, W) at its lower and right border until both sides are multiples of `multiple`.

    What is filled up beyond the image's own length repeats the last row or column, for want of pixels to reflect.
    """
    height, width = images.shape[-2:]
    down, right = -height % multiple, -width % multiple
    if not down and not right:
        return images
    mode = "reflect" if down < height and right < width else "replicate"
    return F.pad(images, (0, right, 0, down), mode=mode)


class BilinearUpsampling(nn.Module):
    """Transposed convolution that starts as bilinear interpolation and is learned from there.

    Every channel is interpolated by itself at the start. The border is repeated outwards first, so that the start
    equals bilinear interpolation with half-pixel centres (`align_corners=False`) up to the last pixel.

    Parameters
    ----------
    channels : of input and output.
    factor : even; (B, C, H, W) becomes (B, C, factor*H, factor*W).

    Reference
    ---------
    Long, Shelhamer, Darrell: Fully convolutional networks for semantic segmentation, 2015, section 3.3.
    """

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        if factor % 2:
            raise ValueError(f"factor is {factor}, and must be even: the kernel has no centre otherwise")
        self.up = nn.ConvTranspose2d(channels, channels, 2 * factor, factor, padding=3 * factor // 2, bias=False)
        slope = 1 - (torch.arange(2 * factor) + 0.5 - factor).abs() / factor
        with torch.no_grad():
            self.up.weight.zero_()
            self.up.weight[range(channels), range(channels)] = slope[:, None] * slope[None, :]

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        upsampled: torch.Tensor = self.up(F.pad(maps, (1, 1, 1, 1), mode="replicate"))
        return upsampled


def interpolate(maps: torch.Tensor, factor: int) -> torch.Tensor:
    """Fixed bilinear interpolation of maps (B, C, H, W) with half-pixel centres."""
    return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)


def scaled(channels: int, width: float) -> int:
    """A fraction of a number of channels, at least one."""
    return max(1, round(channels * width))


def vgg16_stages(width: float, batch_norm: bool) -> list[list[nn.Module]]:
    """The convolutions of VGG-16: five stages of layers without their pooling, in torchvision's order.

    Weights start as He et al. propose for ReLU networks, which VGG-16 needs to train without batch norm.
    """
    stages: list[list[nn.Module]] = []
    inputs = 3
    for channels, convolutions in _VGG16:
        stage: list[nn.Module] = []
        for _ in range(convolutions):
            stage += block(inputs, scaled(channels, width), 3, batch_norm)
            inputs = scaled(channels, width)
        stages.append(stage)
    return stages


def block(inputs: int, outputs: int, kernel: int, batch_norm: bool, **options: Any) -> list[nn.Module]:
    """Convolution that keeps the size unless `options` say otherwise, batch norm where wanted, ReLU."""
    options.setdefault("padding", kernel // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, **options)
    start_for_relu(convolution)
    return [convolution, *([nn.BatchNorm2d(outputs)] if batch_norm else []), nn.ReLU(inplace=True)]


def start_for_relu(convolution: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """He et al.'s initial weights, zero bias."""
    transposed = isinstance(convolution, nn.ConvTranspose2d)
    # A transposed convolution's fan-in is what PyTorch calls its fan-out.
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out" if transposed else "fan_in", nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)


def load_vgg16(stages: nn.Module, *, width: float, batch_norm: bool, classifier: Sequence[nn.Module] = ()) -> None:
    """Fill the convolutions and batch norms in `stages` with ImageNet's weights of VGG-16 or VGG-16-BN.

    `classifier` are fc6 and fc7 as convolutions: they take the weights of the two fully connected layers in their own
    shape (Long, Shelhamer and Darrell 2015, section 3.1).

    Raises
    ------
    UserError : the network is narrower than VGG-16, or the weights cannot be fetched.
    """
    from .weights import torchvision_weights

    if width != 1:
        raise UserError(f"ImageNet weights fit VGG-16 as it is: set width=1 (it is {width:g}), or weights=null")
    weights = torchvision_weights("vgg16_bn" if batch_norm else "vgg16")
    numbers = sorted({int(name.split(".")[1]) for name in weights if name.startswith("features.")})
    learned = [layer for layer in stages.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    pairs = list(zip(learned, (f"features.{number}" for number in numbers), strict=True))
    with torch.no_grad():
        for layer, source in (*pairs, *zip(classifier, ("classifier.0", "classifier.3"), strict=False)):
            for name, tensor in layer.state_dict(keep_vars=True).items():
                if name != "num_batches_tracked":
                    tensor.copy_(weights[f"{source}.{name}"].view_as(tensor))


def allow_single_values(network: nn.Module) -> nn.Module:
    """Let batch norm train on one value per channel (a batch of one, pooled to 1x1) instead of refusing it.

    One value has no variance: it is normalised with the running statistics, which it leaves as they are.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.register_forward_pre_hook(_suspend)
            module.register_forward_hook(_resume)
    return network


def _suspend(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    if module.training and inputs[0].numel() == inputs[0].shape[1]:
        module.training = False
        module.__dict__[_SUSPENDED] = True


def _resume(module: nn.Module, _inputs: Any, _output: Any) -> None:
    if module.__dict__.pop(_SUSPENDED, False):
        module.training = True


def dilated_resnet(
    name: str, output_stride: int, weights: str | None, *, auxiliary: bool = False
) -> tuple[nn.Module, int, int]:
    """A torchvision ResNet without its classifier, whose last stages are dilated instead of strided.

    Parameters
    ----------
    name : of a torchvision ResNet with bottleneck blocks, which are the ones that it dilates.
    output_stride : 8, 16 or 32: how many pixels of the image lie between two features.
    weights : `"imagenet"` or None.
    auxiliary : give the features of the third stage as well.

    Returns
    -------
    The backbone, which gives a mapping with `"out"` (and `"aux"`), and the channels of the two.
    """
    from torchvision.models import get_model_builder
    from torchvision.models._utils import IntermediateLayerGetter

    dilation = [False, output_stride <= 8, output_stride <= 16]
    network: Any = get_model_builder(name)(weights=None, replace_stride_with_dilation=dilation)
    if weights:
        from .weights import torchvision_weights

        network.load_state_dict(torchvision_weights(name))
    layers = {"layer3": "aux", "layer4": "out"} if auxiliary else {"layer4": "out"}
    return IntermediateLayerGetter(network, layers), network.inplanes, network.inplanes // 2
