"""The networks: structure as published, gradients that reach every weight, any size, and four images by heart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segbench.datasets.voc2012 import VOC2012
from segbench.methods.training.losses import IGNORE
from segbench.methods.training.networks import (
    BilinearUpsampling,
    ImageNetInput,
    InstanceNorm,
    NetworkWithLoss,
    allow_single_values,
    fill_up,
    interpolate,
)
from segbench.registry import make_method, method_class
from segbench.testing import check_method
from segbench.types import Samples
from small_networks import bands, discs, make
from small_settings import ONE_STEP, SMALL
from tiny_roots import voc2012

pytestmark = pytest.mark.slow

LEARNED = 0.98
"""The score on the images that were trained on from which they count as learned by heart."""
MAX_CYCLES = 4
"""Number of learning-rate cycles within which a network has to reach `LEARNED`."""


def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of one sigmoid or of a softmax."""
    if logits.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(logits[:, 0], (targets == 1).float())
    return F.cross_entropy(logits, targets.long(), ignore_index=IGNORE)


def step(network: nn.Module, images: torch.Tensor, targets: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    own = network.training_loss if isinstance(network, NetworkWithLoss) else None
    value: Any = own(images, targets, loss) if own else loss(network(images), targets)
    value.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def published(name: str, outputs: int = 21, **settings: Any) -> nn.Module:
    """A network in the size of its paper, without memory."""
    cls = method_class(name)
    method = cls({**cls.info.defaults, **settings})
    with torch.device("meta"):
        network: nn.Module = method.build(method.settings, 3, outputs, pretrained=False)
    return network


# Structure


def test_listing_methods_imports_no_torch() -> None:
    code = "import sys; from segbench.registry import methods; methods(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "torchvision", "segmentation_models_pytorch", "timm"} & set(loaded)
    assert "segbench.baselines.fcn" in loaded


@pytest.mark.parametrize(
    ("name", "settings", "millions"),
    [
        # 134 M: Long et al. 2015, table 1. Skips add 21 scores per channel and upsampling of 4x4.
        ("fcn", {"variant": "32s"}, 134.35),
        ("fcn", {"variant": "8s"}, 134.38),
        # DeepLab's large field of view: 20.5 M (Chen et al. 2015, table 3b).
        ("parsenet", {"context": False}, 20.5),
        # "approximately 252M": Noh et al. 2015 as counted by the survey of Garcia-Garcia et al.
        ("deconvnet", {}, 251.9),
        # torchvision's num_params, of which 2.3 M are an auxiliary head, and batch norms' statistics are none.
        ("fcn-resnet50", {"auxiliary": 0.5}, 35.32),
        ("deeplabv3", {"auxiliary": 0.5}, 42.00),
        ("torchvision:lraspp_mobilenet_v3_large", {}, 3.22),
        ("torchvision:deeplabv3_mobilenet_v3_large", {"auxiliary": 0.5}, 11.03),
    ],
)
def test_as_many_parameters_as_published(name: str, settings: dict[str, Any], millions: float) -> None:
    assert parameters(published(name, **settings)) / 1e6 == pytest.approx(millions, rel=0.001)


def test_maskrcnn_has_as_many_parameters_as_torchvisions() -> None:
    # torchvision's num_params of 91 classes, frozen batch norms included.
    network = published("maskrcnn", outputs=91, weights="imagenet")
    assert parameters(network) == 44401393


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize(("library", "encoder"), [("torchvision", "resnet50"), ("smp", "resnet18")])
def test_deeplab_features_are_as_far_apart_as_configured(library: str, encoder: str, stride: int) -> None:
    network: Any = published("deeplabv3", library=library, encoder=encoder, output_stride=stride)
    seen: list[torch.Size] = []
    head = network.network.classifier[0] if library == "torchvision" else network.network.decoder.aspp
    head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    logits = network(torch.zeros(2, 3, 64, 96, device="meta"))
    assert seen[0][-2:] == (64 // stride, 96 // stride)
    assert logits.shape == (2, 21, 64, 96)
    rates = {module.dilation for module in head.modules() if isinstance(module, nn.Conv2d)}
    assert rates == {(rate * 16 // stride,) * 2 for rate in (6, 12, 18)} | {(1, 1)}


def test_deconvnet_sees_the_papers_window_through_one_vector() -> None:
    network: Any = published("deconvnet")
    seen: list[torch.Size] = []
    network.fc7.register_forward_hook(lambda *call: seen.append(call[2].shape))
    assert network(torch.zeros(2, 3, 224, 224, device="meta")).shape == (2, 21, 224, 224)
    assert seen == [(2, 4096, 1, 1)]
    # Smaller images are filled up to the window.
    assert network(torch.zeros(2, 3, 64, 96, device="meta")).shape == (2, 21, 64, 96)
    assert seen[1] == (2, 4096, 1, 1)


# Parts


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_learned_upsampling_starts_as_bilinear_interpolation(factor: int) -> None:
    maps = torch.rand(2, 3, 5, 7)
    assert torch.allclose(BilinearUpsampling(3, factor)(maps), interpolate(maps, factor), atol=1e-6)


def test_learned_upsampling_continues_a_ramp_exactly() -> None:
    ramp = torch.arange(6.0).expand(1, 1, 4, 6)
    finer = BilinearUpsampling(1, 2)(ramp)
    # Centres of the finer pixels lie at (k + 0.5) / 2 - 0.5; beyond the outermost centres nothing is extrapolated.
    wanted = ((torch.arange(12) + 0.5) / 2 - 0.5).clamp(0, 5)
    assert torch.equal(finer, wanted.expand(1, 1, 8, 12))


def test_grey_is_three_equal_channels() -> None:
    grey = torch.rand(2, 1, 4, 4)
    assert torch.equal(ImageNetInput()(grey), ImageNetInput()(grey.expand(-1, 3, -1, -1)))
    assert torch.allclose(
        ImageNetInput()(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)), torch.zeros(1, 3, 1, 1)
    )


def test_filling_up_repeats_the_border() -> None:
    images = torch.arange(6.0).view(1, 1, 2, 3)
    filled = fill_up(images, 4, minimum=5)
    assert filled.shape == (1, 1, 8, 8)
    assert torch.equal(filled[0, 0, :2, :3], images[0, 0])
    assert torch.equal(filled[0, 0, 1:, 2:], torch.full((7, 6), 5.0))
    assert fill_up(filled, 4) is filled


def test_batch_norm_of_a_single_value_uses_and_keeps_running_statistics() -> None:
    with pytest.raises(ValueError, match="more than 1 value"):
        nn.BatchNorm2d(2)(torch.ones(1, 2, 1, 1))
    norm = allow_single_values(nn.BatchNorm2d(2))
    norm(torch.rand(4, 2, 8, 8))
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    single = torch.rand(1, 2, 1, 1, requires_grad=True)
    norm(single).sum().backward()
    assert norm.training
    assert single.grad is not None
    assert (single.grad != 0).all()
    assert all(torch.equal(tensor, before[name]) for name, tensor in norm.state_dict().items())
    norm(torch.rand(1, 2, 1, 2))
    assert not torch.equal(norm.state_dict()["running_mean"], before["running_mean"])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_sees_each_image_alone(layout: torch.memory_format) -> None:
    norm, known = InstanceNorm(3), nn.InstanceNorm2d(3, affine=True)
    with torch.no_grad():
        for parameter, other in zip(norm.parameters(), known.parameters(), strict=True):
            other.copy_(parameter.add_(torch.rand(3)))
    images = torch.rand(4, 3, 5, 7).contiguous(memory_format=layout)
    alone = torch.cat([norm(image[None]) for image in images])
    assert torch.allclose(norm(images), known(images), atol=1e-6)
    assert torch.allclose(alone, known(images), atol=1e-6)
    assert torch.equal(norm.eval()(images[:1]), norm.train()(images[:1]))


@pytest.mark.parametrize("count", [1, 2])
def test_instance_norm_leaves_a_single_value_as_it_is(count: int) -> None:
    values = torch.rand(count, 2, 1, 1)
    assert torch.equal(InstanceNorm(2)(values), values)


# FCN, ParseNet, DeconvNet: what is special in each


@pytest.mark.parametrize(("variant", "skips"), [("32s", 0), ("16s", 1), ("8s", 2)])
def test_fcn_skips_start_without_a_say_and_get_one(variant: str, skips: int) -> None:
    network: Any = make("fcn", variant=variant)[0].eval()
    images, _ = discs()
    assert len(network.skips) == skips
    with torch.no_grad():
        network.score.weight.normal_()
        scores = network.score(network.fc7(network.fc6(_trunk(network, images))))
        assert scores.shape[-2:] == (2, 2)
        for _ in range(skips):
            scores = interpolate(scores, 2)
        before = network(images)
        assert torch.allclose(before, interpolate(scores, 32 // 2**skips), atol=1e-4)
        for skip in network.skips:
            skip.weight.normal_()
            after = network(images)
            assert (after - before).abs().max() > 1e-3
            before = after


def _trunk(network: Any, images: torch.Tensor) -> torch.Tensor:
    features: torch.Tensor = network.normalise(images)
    for stage in network.stages:
        features = stage(features)
    return features


def test_deconvnet_unpooling_puts_values_where_they_came_from() -> None:
    network: Any = make("deconvnet")[0].eval()
    pooled: list[torch.Tensor] = []
    unpooled: list[torch.Tensor] = []
    for stage in network.down:
        stage.register_forward_hook(lambda *call: pooled.append(call[2].detach()))
    for stage in network.up:
        stage.register_forward_pre_hook(lambda _, inputs: unpooled.append(inputs[0].detach()))
    with torch.no_grad():
        network(discs()[0])
    for before, after in zip(pooled, unpooled[::-1], strict=True):
        assert before.shape == after.shape
        assert (after != 0).any()
        # Wherever something was put, the features on the way down had their window's maximum.
        largest = F.interpolate(F.max_pool2d(before, 2), scale_factor=2)
        assert torch.equal(before[after != 0], largest[after != 0])
        assert ((after != 0).float().unfold(2, 2, 2).unfold(3, 2, 2).sum((-1, -2)) <= 1).all()


def test_parsenet_tells_every_pixel_of_the_whole_image() -> None:
    images, _ = discs(192, 1)
    changed = images.clone()
    changed[..., -16:, -16:] = 1.0
    difference = {}
    for context in (True, False):
        network = make("parsenet", context=context, batch_norm=False)[0].eval()
        # Without context and dilation's far reach, the other corner would not notice.
        weight = next(network.get_submodule("fc6").parameters()).data
        weight *= torch.tensor([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
        with torch.no_grad():
            difference[context] = float((network(images) - network(changed))[..., :8, :8].abs().max())
    assert difference[True] > 1e-4
    assert difference[False] < 1e-6


def test_parsenet_joins_features_of_the_same_length() -> None:
    network: Any = make("parsenet", scale=7.0)[0].eval()
    seen: list[torch.Tensor] = []
    network.score.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    with torch.no_grad():
        network(discs()[0])
    local, context = seen[0].chunk(2, dim=1)
    assert torch.allclose(local.norm(dim=1), torch.full((4, 8, 8), 7.0), atol=1e-4)
    assert torch.allclose(context.norm(dim=1), torch.full((4, 8, 8), 7.0), atol=1e-4)
    assert torch.equal(context, context[..., :1, :1].expand_as(context))


# Every network


@pytest.mark.parametrize("name", SMALL)
def test_gradients_reach_every_weight(name: str) -> None:
    # Segformer attends to every eighth position: of 32 pixels to one, which leaves nothing to choose.
    images, targets = bands(64 if "Segformer" in name else 32, 2)
    network, _ = make(name, outputs=3)
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    # Scores that start at zero let nothing through before their first step.
    for _ in range(3):
        step(network, images, targets, optimizer)
    untouched = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert untouched == []


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("outputs", "channels"), [(1, 1), (3, 3)])
def test_one_small_image_is_enough_to_train_and_logits_have_its_size(name: str, outputs: int, channels: int) -> None:
    network, stride = make(name, outputs, channels)
    height, width = stride, 2 * stride
    targets = torch.zeros(1, height, width, dtype=torch.uint8)
    targets[:, : height // 2] = 1
    targets[:, 0] = IGNORE
    step(network.train(), torch.rand(1, channels, height, width), targets, torch.optim.SGD(network.parameters(), 1e-3))
    with torch.no_grad():
        logits = network.eval()(torch.rand(1, channels, height, width))
    assert logits.shape == (1, outputs, height, width)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", SMALL)
def test_a_multiclass_dataset_is_learned_and_predicted(name: str, tmp_path: Path) -> None:
    root = tmp_path / "voc"
    root.mkdir()
    voc2012(root)
    train, val = (Samples(VOC2012(root), VOC2012(root).ids(split)) for split in ("train", "val"))
    settings = {**SMALL[name], **ONE_STEP, "input": "rgb", "loss": "ce+dice"}
    check_method(lambda: make_method(name, settings), train, val, tmp_path)


def learned(name: str, images: torch.Tensor, targets: torch.Tensor, steps: int, rate: float, **settings: Any) -> float:
    """Dice of one class, or the mean IoU of several, on the images that were trained on: the best seen on the way.

    Rounding differs between processors, and a short training amplifies it: some reach the bound in one cosine of
    `steps` steps and others in the next, so training is restarted warm (Loshchilov and Hutter 2017) until the bound or
    the budget of `MAX_CYCLES` cycles is reached.
    """
    outputs = 1 if int(targets.max()) == 1 else int(targets.max()) + 1
    network, _ = make(name, outputs, **settings)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Some follow the batches so slowly that a short training would be judged by their first values.
            module.momentum = 0.1
    optimizer = torch.optim.Adam(network.parameters(), rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, steps)
    best = 0.0
    for number in range(1, MAX_CYCLES * steps + 1):
        step(network.train(), images, targets, optimizer)
        schedule.step()
        if number % 10 == 0:
            best = max(best, score(network.eval(), images, targets))
            if best >= LEARNED:
                break
    return best


@torch.no_grad()
def score(network: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> float:
    logits = network(images)
    if logits.shape[1] == 1:
        found, true = logits[:, 0] > 0, targets == 1
        return float(2 * (found & true).sum() / (found.sum() + true.sum()))
    found = logits.argmax(1)
    pairs = [(found == label, targets == label) for label in range(logits.shape[1])]
    return float(torch.stack([(a & b).sum() / (a | b).sum() for a, b in pairs]).mean())


@pytest.mark.parametrize(
    ("name", "side", "rate", "settings"),
    [
        ("fcn", 64, 1e-3, {"width": 0.125}),
        ("fcn-resnet50", 32, 1e-3, {}),
        ("parsenet", 64, 3e-3, {"width": 0.125}),
        ("deconvnet", 64, 3e-3, {}),
        ("fpn", 64, 1e-3, {}),
        ("deeplabv3", 64, 1e-3, {}),
        ("maskrcnn", 64, 2e-3, {}),
        ("smp:Unet/resnet18", 32, 3e-3, {}),
        ("smp:Segformer/mit_b0", 64, 1e-3, {}),
        ("torchvision:lraspp_mobilenet_v3_large", 64, 3e-3, {}),
    ],
)
def test_four_images_are_learned_by_heart(name: str, side: int, rate: float, settings: dict[str, Any]) -> None:
    assert learned(name, *discs(side), 150, rate, **settings) >= LEARNED


@pytest.mark.parametrize(
    ("name", "rate", "settings"),
    [
        ("fcn", 1e-3, {"width": 0.125}),
        ("fcn", 1e-3, {"width": 0.125, "variant": "16s"}),
        ("parsenet", 3e-3, {"width": 0.125}),
        ("deconvnet", 3e-3, {}),
    ],
)
def test_three_classes_are_learned_by_heart(name: str, rate: float, settings: dict[str, Any]) -> None:
    assert learned(name, *bands(64), 200, rate, **settings) >= LEARNED
