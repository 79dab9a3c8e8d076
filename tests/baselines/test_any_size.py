"""Every network on any size of image, crop, batch and window, on any device, seen without computing a number.

Under PyTorch's fake tensors each operation checks shapes and devices and stores no data: a tensor that was left on the
processor is found on a machine without a GPU. Mask R-CNN's forward pass depends on the numbers, so it runs for real.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from segbench.methods.training.augmentation import ViewKey, augment
from segbench.methods.training.config import LOSSES, TrainingConfig
from segbench.methods.training.engine import TrainingStep
from segbench.methods.training.inference import averaged_views
from segbench.methods.training.losses import BINARY_ONLY, make_loss
from segbench.methods.training.networks import reflect_up
from segbench.methods.training.precision import Compute
from segbench.registry import make_method
from small_networks import configured, make
from small_settings import SMALL
from small_stack import context, samples, write_stack

pytestmark = pytest.mark.slow

FAKEABLE = ["unet", *(name for name in SMALL if name != "maskrcnn")]
SIDES = [(8, 8), (16, 16), (33, 47)]
STRONG: dict[str, Any] = {
    "rotate90": True, "elastic": 2.0, "brightness": 0.1, "contrast": 0.1, "gamma": 0.1, "color": 0.1
}  # fmt: skip
"""Every augmentation but noise, whose generator exists on a real device only."""

Fake: TypeAlias = tuple[FakeTensorMode, nn.Module, int, TrainingConfig]
"""The mode that the network's tensors belong to, the network, its stride and its settings."""


@pytest.fixture(autouse=True)
def _not_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake tensors have no memory that could be pinned; what is sent from there still has to arrive on the device."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)


def network_on(device: str, name: str, outputs: int) -> Fake:
    """A fake copy of a network's small form: what `Module.to` moves is on the device, anything else where it was."""
    network, stride = make(name, outputs)
    mode = FakeTensorMode()

    def moved(tensor: torch.Tensor) -> torch.Tensor:
        copy = mode.from_tensor(tensor.detach())
        with mode:
            return copy.to(device)

    for module in network.modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[key] = nn.Parameter(moved(parameter), requires_grad=parameter.requires_grad)
        for key, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[key] = moved(buffer)
    return mode, network, stride, configured(name)[1]


@pytest.mark.parametrize(("device", "outputs"), [("cpu", 1), ("cuda", 3)])
@pytest.mark.parametrize("name", FAKEABLE)
def test_every_size_is_trained_on_and_predicted(name: str, outputs: int, device: str) -> None:
    mode, network, stride, config = network_on(device, name, outputs)
    compute = Compute(torch.device(device), torch.float32)
    step = TrainingStep(network, make_loss(config, outputs), compute, False, stride)
    with mode:
        for height, width in SIDES:
            images = torch.empty(1, 3, height, width, device=device)
            network.train()
            loss = step(images, torch.empty(1, height, width, dtype=torch.uint8, device=device))
            assert loss.shape == ()
            assert loss.device.type == device
            network.eval()
            with torch.inference_mode():
                averaged = averaged_views(network, images, config, compute, stride)
            assert averaged.shape == (1, outputs, height, width)
            assert averaged.device.type == device


def test_every_augmentation_is_made_where_the_images_are() -> None:
    config = TrainingConfig.model_validate(STRONG | {"crop": 21})
    with FakeTensorMode():
        images = [torch.empty(3, side, 40, dtype=torch.uint8, device="cuda") for side in (30, 40)]
        targets = [torch.empty(side, 40, dtype=torch.uint8, device="cuda") for side in (30, 40)]
        views, truth = augment(images, targets, config, [ViewKey(1, 0), ViewKey(1, 1)])
    assert views.shape == (2, 3, 21, 21)
    assert truth.shape == (2, 21, 21)
    assert views.device.type == truth.device.type == "cuda"


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_computed_where_the_logits_are(name: str, outputs: int) -> None:
    if outputs > 1 and name in BINARY_ONLY:
        pytest.skip("a loss of one sigmoid")
    loss = make_loss(TrainingConfig(loss=name), outputs)
    with FakeTensorMode():
        value = loss(torch.empty(2, outputs, 8, 8, device="cuda"), torch.ones(2, 8, 8, dtype=torch.uint8).to("cuda"))
    assert value.device.type == "cuda"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("unet", {"size": [33, 47], "batch_size": 1, "depth": 5, "base_channels": 2}),
        ("unet", {"size": [8, 8], "batch_size": 1, "depth": 7, "base_channels": 1, "up": "unpool"}),
        ("unet", {"size": [8, 8], "batch_size": 2, "depth": 3, "base_channels": 2, "norm": "instance"}),
        ("unet", {"size": None, "crop": 21, "batch_size": 3, "base_channels": 2, "window": 20}),
        ("unet", {"size": None, "crop": 100, "batch_size": 1, "base_channels": 2, "loss": "dice+ce", "window": 8}),
        ("fcn", {"size": [20, 20], "batch_size": 1}),
        ("maskrcnn", {"size": [40, 50], "batch_size": 1}),
        ("maskrcnn", {"size": None, "crop": 21, "batch_size": 1, "window": 40}),
    ],
)
def test_odd_sizes_are_trained_on_and_predicted_for_real(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    dataset = write_stack(tmp_path)
    small = {"epochs": 1, "iterations_per_epoch": 1, "precision": "fp32", **SMALL.get(name, {}), **settings}
    method = make_method(name, small)
    train, val = samples(dataset, "train", 3), samples(dataset, "val", 1)
    method.fit(train, val, context(dataset, tmp_path / "fit"))
    image = val[0].image
    assert image is not None
    (prediction,) = method.predict([image])
    assert prediction.probabilities is not None
    assert prediction.probabilities.shape == image.shape[:2]


def test_what_is_filled_up_teaches_nothing() -> None:
    """A loss of an image whose size does not fit is the loss of its own pixels."""
    method, config = configured("unet", base_channels=2, dropout=0.0, loss="ce")
    torch.manual_seed(0)
    network = method.build(config, 3, 1, pretrained=False).eval()
    loss = make_loss(config)
    images, targets = torch.rand(2, 3, 21, 30), torch.randint(0, 2, (2, 21, 30), dtype=torch.uint8)
    step = TrainingStep(network, loss, Compute.choose("cpu", "fp32"), False, method.stride(config))
    logits = network(reflect_up(images, 16))
    assert logits.shape[-2:] == (32, 32)
    assert step(images, targets).item() == pytest.approx(loss(logits[..., :21, :30], targets).item(), rel=1e-6)
