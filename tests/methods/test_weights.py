"""Pretrained weights: fetched once, put where they belong, and a clear message where they cannot be had."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from file_server import Server, serving
from segbench.errors import UserError
from segbench.methods.training.networks import load_vgg16
from segbench.methods.training.weights import timm_file, weights_file, weights_folder
from segbench.registry import method_class

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "cache"))
    weights_folder().mkdir(parents=True)
    return tmp_path / "cache"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def put(name: str, tensors: dict[str, torch.Tensor]) -> None:
    """As a user does who fetched the file elsewhere."""
    path = weights_folder() / name
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)


def built(name: str, **settings: Any) -> Any:
    cls = method_class(name)
    method = cls({**cls.info.defaults, "weights": "imagenet", **settings})
    return method.build(method.settings, 3, 1, pretrained=True)


def test_weights_are_fetched_once(server: Server) -> None:
    content = b"weights"
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    server.add(name, content)
    for _ in range(2):
        assert weights_file("net", server.url(name), name).read_bytes() == content
    assert len(server.requests) == 1


def test_other_bytes_than_the_name_promises_are_refused(server: Server) -> None:
    server.add("net-00000000.pth", b"something else")
    with pytest.raises(UserError, match=r"SHA-256 begins with \w{8}, expected 00000000"):
        weights_file("net", server.url("net-00000000.pth"), "net-00000000.pth")
    assert [path.suffix for path in weights_folder().iterdir()] == [".lock"]


def test_a_file_that_has_changed_since_its_first_use_is_refused(server: Server) -> None:
    server.add("model.safetensors", b"first")
    weights_file("net", server.url("model.safetensors"), "model.safetensors")
    (weights_folder() / "own.safetensors").write_bytes(b"put here")
    weights_file("net", server.url("own.safetensors"), "own.safetensors")
    for name in ("model.safetensors", "own.safetensors"):
        (weights_folder() / name).write_bytes(b"second")
        with pytest.raises(UserError, match=rf"{name}' is not the file that was first used"):
            weights_file("net", server.url(name), name)


def test_what_cannot_be_fetched_is_named_with_its_place(server: Server) -> None:
    with pytest.raises(UserError) as raised:
        weights_file("resnet18", server.url("resnet18.pth"), "resnet18.pth")
    message = str(raised.value)
    for words in ("resnet18", server.url("resnet18.pth"), str(weights_folder()), "'resnet18.pth'", "weights=null"):
        assert words in message


def test_a_damaged_file_is_named() -> None:
    (weights_folder() / "mobilenet_v3_large-8738ca79.pth").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"mobilenet_v3_large-8738ca79\.pth' does not hold the weights"):
        built("torchvision:lraspp_mobilenet_v3_large")


def test_fully_connected_layers_become_convolutions() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(2 * 7 * 7, 8), nn.Linear(8, 8)
    layers = {"classifier.0": first, "classifier.3": second}
    put(
        "vgg16-397923af.pth",
        {f"{key}.{n}": tensor for key, layer in layers.items() for n, tensor in layer.state_dict().items()},
    )
    fc6, fc7 = nn.Conv2d(2, 8, 7), nn.Conv2d(8, 8, 1)
    load_vgg16(nn.Sequential(), width=1, batch_norm=False, classifier=(fc6, fc7))
    images = torch.rand(3, 2, 7, 7)
    assert torch.allclose(fc7(fc6(images)).flatten(1), second(first(images.flatten(1))), atol=1e-5)


@pytest.mark.parametrize(("batch_norm", "name"), [(False, "vgg16-397923af.pth"), (True, "vgg16_bn-6c64b313.pth")])
def test_vgg_stages_compute_what_torchvisions_do(batch_norm: bool, name: str) -> None:
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(0)
    features = make_layers(cfgs["D"], batch_norm).eval()
    put(name, {f"features.{key}": tensor for key, tensor in features.state_dict().items()})
    network = built("parsenet", batch_norm=batch_norm).eval()
    images = torch.rand(1, 3, 16, 16)
    # pool4 is the first that differs: ParseNet's keeps the size.
    upto = [number for number, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)][2]
    with torch.no_grad():
        assert torch.allclose(network.stages[:3](images), features[: upto + 1](images), atol=1e-5)
        last = [layer for layer in features if isinstance(layer, nn.Conv2d)][-1]
        assert torch.equal(network.stages[4][-3 - batch_norm].weight, last.weight)


@pytest.mark.parametrize("name", ["fcn", "parsenet", "deconvnet"])
def test_narrow_networks_have_no_pretrained_weights(name: str) -> None:
    with pytest.raises(UserError, match="set width=1"):
        built(name, width=0.0625)


def test_a_torchvision_backbone_takes_its_classifiers_weights() -> None:
    import torchvision

    torch.manual_seed(0)
    classifier = torchvision.models.mobilenet_v3_large().eval()
    put("mobilenet_v3_large-8738ca79.pth", classifier.state_dict())
    for name, settings in (
        ("torchvision:lraspp_mobilenet_v3_large", {}),
        ("maskrcnn", {"encoder": "mobilenet_v3_large"}),
    ):
        network = built(name, **settings)
        first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
        assert torch.equal(first.weight, classifier.features[0][0].weight)
        assert first.weight.requires_grad == (name != "maskrcnn")


def test_a_resnet_takes_its_classifiers_weights() -> None:
    import torchvision

    torch.manual_seed(0)
    classifier = torchvision.models.resnet50()
    put("resnet50-0676ba61.pth", classifier.state_dict())
    for name in ("fcn-resnet50", "deeplabv3"):
        assert torch.equal(built(name).network.backbone.layer4[2].conv3.weight, classifier.layer4[2].conv3.weight)


def test_an_smp_encoder_takes_its_weights_and_its_normalisation() -> None:
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    encoder = smp.encoders.get_encoder("resnet18", weights=None)
    put("smp-hub--resnet18.imagenet-model.safetensors", encoder.state_dict())
    looks = {"mean": [127.5, 51.0, 0.0], "std": [255.0, 51.0, 25.5], "input_range": [0, 255]}
    (weights_folder() / "smp-hub--resnet18.imagenet-config.json").write_text(json.dumps(looks))
    network = built("smp:Unet/resnet18")
    assert torch.equal(network.network.encoder.conv1.weight, encoder.conv1.weight)
    assert torch.allclose(network.normalise.mean.flatten(), torch.tensor([0.5, 0.2, 0.0]))
    assert torch.allclose(network.normalise.std.flatten(), torch.tensor([1.0, 0.2, 0.1]))
    # A saved network brings its normalisation along: nothing is fetched for it.
    cls = method_class("smp:Unet/resnet18")
    other = cls({**cls.info.defaults, "weights": "imagenet"})
    loaded: Any = other.build(other.settings, 3, 1, pretrained=False)
    loaded.load_state_dict(network.state_dict())
    assert torch.equal(loaded.normalise.mean, network.normalise.mean)


def test_a_timm_encoder_takes_its_weights() -> None:
    import timm

    torch.manual_seed(0)
    model: Any = timm.create_model("mobilenetv3_small_050")
    repository = model.pretrained_cfg["hf_hub_id"].replace("/", "--")
    put(f"{repository}-model.safetensors", model.state_dict())
    network = built("smp:Unet/tu-mobilenetv3_small_050")
    assert torch.equal(network.network.encoder.model.conv_stem.weight, model.conv_stem.weight)


def test_encoders_without_weights_are_told() -> None:
    with pytest.raises(UserError, match="has no pretrained weights"):
        timm_file("vit_tiny_r_s16_p8_224.nothing")
