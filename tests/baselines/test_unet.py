"""U-Net as a method: it learns, predicts every size, saves and loads, refuses wrong settings, imports without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from places import SHARED
from segbench.baselines.unet import UNet, UNetConfig, build_network
from segbench.datasets.isbi2012 import ISBI2012
from segbench.datasets.medaka import Medaka
from segbench.errors import UserError
from segbench.runs.presets import preset_names, resolve
from segbench.types import DatasetInfo, Method, Samples, Uint8
from small_stack import context, samples, write_stack
from stack_scores import stack_scores

pytestmark = pytest.mark.slow

REAL = SHARED / "data" / "isbi2012"
SMALL: dict[str, Any] = {"size": None, "base_channels": 8, "depth": 2, "batch_size": 4, "dropout": 0.0}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ISBI2012:
    return write_stack(tmp_path_factory.mktemp("isbi2012"))


@pytest.fixture(scope="module")
def fitted(dataset: ISBI2012, tmp_path_factory: pytest.TempPathFactory) -> UNet:
    """A U-Net that has seen four slices often, without augmentation."""
    still = {"flip": False, "rotation": 0.0, "zoom": 0.0, "shift": 0.0, "shear": 0.0}
    method = UNet({**UNet.info.defaults, **SMALL, **still, "epochs": 1, "iterations_per_epoch": 150,
                   "learning_rate": 0.01})  # fmt: skip
    method.fit(samples(dataset, "train", 4), samples(dataset, "val", 0), context(dataset, tmp_path_factory.mktemp("f")))
    return method


def images_of(chosen: Samples) -> list[Uint8]:
    return [np.asarray(sample.image) for sample in chosen]


def dice(method: UNet, chosen: Samples) -> float:
    masks = [np.asarray(prediction.probabilities) > 0.5 for prediction in method.predict(images_of(chosen))]
    cells = [np.asarray(sample.labels) == 1 for sample in chosen]
    return float(np.mean([2 * (p & y).sum() / (p.sum() + y.sum()) for p, y in zip(masks, cells, strict=True)]))


def test_it_is_a_method() -> None:
    assert isinstance(UNet(UNet.info.defaults), Method)


def test_it_learns_four_images_by_heart(dataset: ISBI2012, fitted: UNet) -> None:
    assert dice(fitted, samples(dataset, "train", 4)) >= 0.98


def test_a_saved_one_predicts_the_same(dataset: ISBI2012, fitted: UNet, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    other = UNet(UNet.info.defaults)
    other.load(tmp_path, dataset.info, "cpu")
    image = samples(dataset, "val")[0].image
    one, again = fitted.predict([image])[0].probabilities, other.predict([image])[0].probabilities
    assert np.array_equal(np.asarray(one), np.asarray(again))
    assert other.config == fitted.config
    assert other.parameters() == fitted.parameters()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (37, 1), (5, 3), (33, 47), (48, 48, 3), (20, 9, 3)])
@pytest.mark.parametrize("change", [{}, {"size": [24, 40]}, {"tta": "d4"}, {"tta": "flips"}], ids=str)
def test_every_size_has_a_prediction_of_its_own_size(
    fitted: UNet, shape: tuple[int, ...], change: dict[str, Any]
) -> None:
    method = UNet({**fitted.config, **change})
    method._network, method._compute, method._dataset = fitted._fitted()
    for image in (np.zeros(shape, np.uint8), np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)):
        probabilities = method.predict([image])[0].probabilities
        assert probabilities is not None
        assert probabilities.shape == shape[:2]
        assert probabilities.dtype == np.float32
        assert np.isfinite(probabilities).all()
        assert probabilities.min() >= 0
        assert probabilities.max() <= 1


def test_predictions_do_not_depend_on_their_company(dataset: ISBI2012, fitted: UNet) -> None:
    images = [*images_of(samples(dataset, "val")), np.zeros((9, 50), np.uint8)]
    together = fitted.predict(images)
    for image, prediction in zip(images, together, strict=True):
        alone = fitted.predict([image])[0]
        assert np.array_equal(np.asarray(alone.probabilities), np.asarray(prediction.probabilities))
    assert fitted.predict([]) == []


@pytest.mark.parametrize(("tta", "axes"), [("horizontal", [1]), ("flips", [0, 1])])
def test_averaged_predictions_are_mirrored_with_the_image(
    dataset: ISBI2012, fitted: UNet, tta: str, axes: list[int]
) -> None:
    method = UNet({**fitted.config, "tta": tta, "precision": "fp32"})
    method._network, method._compute, method._dataset = fitted._fitted()
    image = images_of(samples(dataset, "val"))[0]
    first = np.asarray(method.predict([image])[0].probabilities)
    for axis in (0, 1):
        mirrored = np.asarray(method.predict([np.ascontiguousarray(np.flip(image, axis))])[0].probabilities)
        assert np.allclose(np.flip(mirrored, axis), first, atol=1e-5) == (axis in axes)


def test_d4_predictions_turn_with_the_image(dataset: ISBI2012, fitted: UNet) -> None:
    method = UNet({**fitted.config, "tta": "d4", "precision": "fp32"})
    method._network, method._compute, method._dataset = fitted._fitted()
    image = samples(dataset, "val")[0].image
    straight, turned = method.predict([image, np.rot90(image)])
    assert np.allclose(np.rot90(np.asarray(straight.probabilities)), np.asarray(turned.probabilities), atol=0.02)


def test_colour_input(dataset: ISBI2012, tmp_path: Path) -> None:
    method = UNet({**UNet.info.defaults, **SMALL, "input": "rgb", "color": 0.1, "epochs": 1, "iterations_per_epoch": 1})
    method.fit(samples(dataset, "train", 2), samples(dataset, "val", 0), context(dataset, tmp_path))
    assert np.asarray(method.predict([np.zeros((20, 20, 3), np.uint8)])[0].probabilities).shape == (20, 20)


def test_the_network_of_the_paper_preset_is_the_original_size() -> None:
    config = UNetConfig.model_validate({"base_channels": 64, "depth": 4})
    count = sum(parameter.numel() for parameter in build_network(config).parameters())
    assert count == pytest.approx(31.0e6, rel=0.01)


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("data", [ISBI2012.info, Medaka.info], ids=["isbi2012", "medaka"])
def test_every_preset_is_accepted(preset: str, data: DatasetInfo) -> None:
    config, _ = resolve(preset, UNet.info, data, {})
    assert UNet(config).config == config


def test_dropout_is_in_the_bottleneck_alone() -> None:
    network = build_network(UNetConfig.model_validate({"dropout": 0.25, "base_channels": 2, "depth": 2}))
    dropouts = [module for module in network.modules() if isinstance(module, torch.nn.Dropout2d)]
    assert [module.p for module in dropouts] == [0.25]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"epochs": "three"}, "epochs of method unet is 'three'"),
        ({"loss": "dyce"}, "'dice'"),
        ({"size": [256]}, "size"),
        ({"size": [256, 2]}, r"size\[1\] of method unet is 2"),
        ({"flip": 1}, "flip"),
        ({"depth": 0}, "depth"),
    ],
)
def test_wrong_settings_are_messages(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        UNet({**UNet.info.defaults, **change})


def test_predicting_before_fitting_is_a_message() -> None:
    with pytest.raises(UserError, match="fit it, or load a fitted one"):
        UNet(UNet.info.defaults).predict([np.zeros((8, 8), np.uint8)])


def test_images_of_several_sizes_need_a_crop_or_a_size(fitted: UNet, tmp_path: Path) -> None:
    for name, side in (("small", 32), ("large", 48)):
        (tmp_path / name).mkdir()
        write_stack(tmp_path / name, side)

    class Mixed(ISBI2012):
        """Every other slice comes from the stack of smaller slices."""

        def load(self, sample_id: str, parts: Any = ("image", "labels")) -> Any:
            even = int(sample_id[-1]) % 2 == 0
            return ISBI2012(tmp_path / ("small" if even else "large")).load(sample_id, parts)

    mixed = Mixed(tmp_path / "large")
    base = {**fitted.config, "epochs": 1, "iterations_per_epoch": 1}
    with pytest.raises(UserError, match="set crop, or size"):
        UNet(base).fit(samples(mixed, "train", 4), samples(mixed, "val", 0), context(mixed, tmp_path / "f"))
    for change in ({"crop": 16}, {"size": [32, 32]}):
        method = UNet({**base, **change})
        method.fit(samples(mixed, "train", 4), samples(mixed, "val", 0), context(mixed, tmp_path / "f"))


def test_importing_it_needs_no_torch() -> None:
    code = "import sys, segbench.baselines.unet, segbench.baselines.threshold; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real ISBI 2012 stack is not at {REAL}")
def test_a_few_seconds_of_the_real_stack_are_worth_something(tmp_path: Path) -> None:
    """A tiny network and few steps, yet above 0.55: images, labels and their polarity belong together."""
    dataset = ISBI2012(REAL)
    config = {**UNet.info.defaults, **SMALL, "crop": 128, "loss": "bce", "background_weight": 3.0, "epochs": 1,
              "iterations_per_epoch": 60, "learning_rate": 0.01}  # fmt: skip
    method = UNet(config)
    method.fit(samples(dataset, "train"), samples(dataset, "val", 0), context(dataset, tmp_path))
    sample = samples(dataset, "val")[0]
    probabilities = np.asarray(method.predict([sample.image])[0].probabilities)
    assert probabilities[sample.labels == 1].mean() > probabilities[sample.labels == 0].mean() + 0.3
    assert stack_scores([sample.labels], [probabilities])[0] > 0.55


@pytest.mark.parametrize("reduction", [2, 3])
def test_a_reduced_network_is_smaller_inside_and_as_large_outside(reduction: int) -> None:
    config = UNetConfig.model_validate({"base_channels": 4, "depth": 2, "reduction": reduction})
    network = build_network(config, channels=3, outputs=2).eval()
    seen: list[torch.Size] = []
    network.first.register_forward_hook(lambda _module, _inputs, found: seen.append(found.shape))  # type: ignore[union-attr]
    images = torch.rand(1, 3, 8 * reduction, 12 * reduction)
    logits = network(images)
    assert logits.shape == (1, 2, 8 * reduction, 12 * reduction)
    assert seen == [(1, 4, 8, 12)]
    assert UNet({**UNet.info.defaults}).stride(config) == 4 * reduction
    # Every square of pixels is seen by its mean alone.
    means = images.unfold(2, reduction, reduction).unfold(3, reduction, reduction).mean((-1, -2))
    flat = means.repeat_interleave(reduction, 2).repeat_interleave(reduction, 3)
    assert torch.allclose(network(flat), logits, atol=1e-5)


def test_a_reduced_network_draws_outlines_between_its_pixels() -> None:
    torch.manual_seed(0)
    config = UNetConfig.model_validate({"base_channels": 8, "depth": 1, "reduction": 4, "dropout": 0.0})
    network = build_network(config).train()
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    # Discs whose edges lie anywhere between coarse pixels.
    centres = 20 + 24 * torch.rand(16, 2)
    radii = 9 + 6 * torch.rand(16)
    away = torch.hypot(y - centres[:, :1, None], x - centres[:, 1:, None])
    images = (radii[:, None, None] + 0.5 - away).clamp(0, 1)[:, None]
    targets = (away <= radii[:, None, None]).float()[:, None]
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    for _ in range(120):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(images), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = network(images) > 0
    dice = float(2 * (found & (targets > 0)).sum() / (found.sum() + targets.sum()))
    coarse = targets[:, :, 2::4, 2::4].repeat_interleave(4, 2).repeat_interleave(4, 3)
    blocks = float(2 * ((coarse > 0) & (targets > 0)).sum() / (coarse.sum() + targets.sum()))
    assert dice > blocks + 0.02
