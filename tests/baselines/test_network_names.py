"""Families of networks by name (`smp:`, `torchvision:`), and settings that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from segbench.errors import UserError
from segbench.methods.training.networks import Segmenter
from segbench.registry import method_class
from small_networks import configured, make

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smp:Unot/resnet18", "Did you mean 'Unet'"),
        ("smp:Unet/resnet19", "Did you mean 'resnet1"),
        ("smp:Unet/convnext_tiny", "'tu-convnext_tiny'"),
        ("smp:Unet/tu-convnext_tinny", "'tu-convnext_tiny'"),
        ("smp:Unet", "names no encoder"),
        ("torchvision:fcn_resnet51", "Did you mean 'fcn_resnet50'"),
    ],
)
def test_wrong_names_are_told_with_near_ones(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        method_class(name)


def test_names_of_families_are_those_of_the_libraries() -> None:
    import segmentation_models_pytorch as smp
    import torchvision

    from segbench.baselines.smp_models import ARCHITECTURES
    from segbench.baselines.torchvision_models import NAMES

    assert sorted(NAMES) == sorted(torchvision.models.list_models(torchvision.models.segmentation))
    assert sorted(name.lower() for name in ARCHITECTURES) == sorted(smp.MODEL_ARCHITECTURES_MAPPING)
    assert method_class("smp:unet/resnet18").info.name == "smp:Unet/resnet18"
    assert method_class("smp:unet/resnet18") is method_class("smp:Unet/resnet18")


@pytest.mark.parametrize(
    "name",
    [
        "smp:PAN/resnet18",
        "smp:PSPNet/resnet18",
        "smp:UPerNet/tu-convnext_atto",
        "smp:DPT/tu-vit_tiny_patch16_224",
        "smp:DeepLabV3Plus/mobilenet_v2",
        "smp:FPN/tu-swin_tiny_patch4_window7_224",
    ],
)
def test_architectures_with_wishes_of_their_own_take_any_multiple_of_the_stride(name: str) -> None:
    network, stride = make(name)
    assert isinstance(network, Segmenter)
    with torch.no_grad():
        assert network.eval()(torch.rand(1, 3, stride, 3 * stride)).shape == (1, 1, stride, 3 * stride)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("smp:Unet/resnet18", {"arguments": {"decoder_chanels": [8]}}, "Did you mean 'decoder_channels'"),
        ("smp:Unet/resnet18", {"arguments": {"classes": 3}}, "Unknown argument"),
        ("smp:Linknet/mit_b0", {}, "cannot be built"),
        ("smp:Unet/tu-vit_tiny_patch16_224", {}, "smp:Unet/tu-vit_tiny_patch16_224"),
        ("fpn", {"encoder": "resnet19"}, "Did you mean 'resnet1"),
        ("deeplabv3", {"library": "torchvision", "encoder": "resnet18"}, "--set library=smp"),
        ("deeplabv3", {"auxiliary": 0.4}, "has no auxiliary head"),
        ("torchvision:lraspp_mobilenet_v3_large", {"auxiliary": 0.4}, "has no auxiliary head"),
        ("maskrcnn", {"encoder": "vgg16"}, "Available: mobilenet_v3_large"),
    ],
)
def test_settings_that_do_not_fit_are_explained(name: str, settings: dict[str, Any], words: str) -> None:
    method, config = configured(name, **settings)
    with pytest.raises(UserError, match=words):
        method.build(config, 3, 1, pretrained=False)
