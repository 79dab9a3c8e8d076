"""The training engine beyond the basics: several classes, early stopping, memory, windows, and several processes."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import nn

import tiny_roots
from linear_network import CPU, TINY, Linear, fit
from segbench.baselines.unet import UNet, UNetConfig, build_network
from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.methods.training.config import TrainingConfig
from segbench.methods.training.inference import _starts, _windowed, predict
from segbench.methods.training.macs import macs_of_prediction
from segbench.methods.training.networks import NetworkWithLoss
from segbench.methods.training.precision import Compute
from segbench.registry import dataset_class, make_dataset
from segbench.types import FitContext, Samples
from small_stack import context, samples, write_stack
from warm_processes import WarmProcess

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ISBI2012:
    return write_stack(tmp_path_factory.mktemp("isbi2012"))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "poly"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_every_optimizer_and_schedule_lowers_the_loss(
    optimizer: str, schedule: str, dataset: ISBI2012, tmp_path: Path
) -> None:
    rate = {"adam": 0.1, "sgd": 1.0}[optimizer]
    _, said = fit(dataset, tmp_path, optimizer=optimizer, schedule=schedule, learning_rate=rate, loss="ce", epochs=6)
    losses = [float(line.split("loss ")[1]) for line in said if "loss" in line]
    assert losses[-1] < 0.8 * losses[0]


def test_training_ends_when_the_score_gets_no_better(dataset: ISBI2012, tmp_path: Path) -> None:
    """A learning rate of nearly nothing: the first epoch's score is never beaten."""
    _, said = fit(dataset, tmp_path, patience=2, epochs=50, learning_rate=1e-30)
    assert said[-1] == "no better validation score since epoch 1: training ends"
    assert sum("loss" in line for line in said) == 3


class Hungry(Linear):
    """Memory for three images and no more."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return super().forward(images)


def test_a_batch_that_does_not_fit_names_one_that_does(dataset: ISBI2012, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"batch_size=16 does not fit\. Use --set batch_size=2"):
        fit(dataset, tmp_path, Hungry(), batch_size=16)
    fit(dataset, tmp_path, Hungry(), batch_size=2)


def test_an_image_that_does_not_fit_names_its_size(dataset: ISBI2012, tmp_path: Path) -> None:
    class Starved(Linear):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {images.shape}")

    with pytest.raises(UserError, match="not even one image of 48 x 48 fits"):
        fit(dataset, tmp_path, Starved())


def test_other_errors_of_a_network_are_not_taken_for_memory(dataset: ISBI2012, tmp_path: Path) -> None:
    class Broken(Linear):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied: {images.shape}")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        fit(dataset, tmp_path, Broken())


def test_a_network_may_have_a_loss_of_its_own(dataset: ISBI2012, tmp_path: Path) -> None:
    class Own(Linear, NetworkWithLoss):
        def training_loss(self, images: torch.Tensor, targets: torch.Tensor, loss: Any) -> torch.Tensor:
            seen.append(float(loss(self(images), targets).detach()))
            return 0 * self.layer.weight.sum() + 7.0

    seen: list[float] = []
    _, said = fit(dataset, tmp_path, Own(), epochs=1)
    assert "loss 7.0000" in said[0]
    assert len(seen) == 2


def test_half_precision_is_refused_on_a_processor() -> None:
    with pytest.raises(UserError, match="fp16 is for a GPU"):
        Compute.choose("cpu", "fp16")


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="the processor's flags are read from /proc/cpuinfo")
def test_automatic_precision_is_float32_where_bf16_is_slower() -> None:
    """Also on a processor that has the instructions, where the environment forbids them: CI runs it both ways."""
    has = {"amx_bf16"} & set(Path("/proc/cpuinfo").read_text().split())
    allowed = os.environ.get("ATEN_CPU_CAPABILITY", "avx512") == "avx512" and "ONEDNN_MAX_CPU_ISA" not in os.environ
    assert Compute.choose("cpu", "auto").dtype == (torch.bfloat16 if has and allowed else torch.float32)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_precision_is_called_what_it_was_asked_by(precision: Literal["fp32", "tf32", "bf16"]) -> None:
    assert Compute.choose("cpu", precision).arithmetic_name == precision


@pytest.fixture
def settings_of_torch() -> Iterator[None]:
    """Global settings as other tests expect them, whatever a test sets."""
    exact, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    tried, threads = torch.backends.cudnn.benchmark, torch.get_num_threads()
    rounds = torch.get_float32_matmul_precision()
    yield
    torch.use_deterministic_algorithms(exact, warn_only=warns)
    torch.backends.cudnn.benchmark = tried
    torch.set_float32_matmul_precision(rounds)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("warns", [False, True])
@pytest.mark.parametrize("rounds", ["highest", "high", "medium"])
@pytest.mark.usefixtures("settings_of_torch")
def test_global_settings_are_those_of_before(
    dataset: ISBI2012, tmp_path: Path, exact: bool, warns: bool, rounds: str
) -> None:
    def settings() -> list[object]:
        return [
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.allow_tf32,
            torch.backends.cuda.matmul.allow_tf32,
            torch.get_float32_matmul_precision(),
            torch.get_num_threads(),
        ]

    torch.use_deterministic_algorithms(exact, warn_only=warns)
    torch.backends.cudnn.benchmark = not exact
    torch.set_float32_matmul_precision(rounds)
    torch.set_num_threads(2)
    before = settings()
    fit(dataset, tmp_path, deterministic=not exact, epochs=1, ghost_batches=2)
    fit(dataset, tmp_path, deterministic=True, epochs=1)
    assert settings() == before


@pytest.mark.parametrize("said", ["backends.fp32_precision", "backends.cuda.matmul.fp32_precision"])
def test_a_precision_that_was_set_in_pytorchs_newer_way_is_kept_and_no_hindrance(tmp_path: Path, said: str) -> None:
    """In a process of its own: PyTorch has no way back to its older settings."""
    code = (
        "import torch, sys\n"
        "from segbench.methods.training.precision import Compute\n"
        f"torch.{said} = 'tf32'\n"
        "with Compute.choose('cpu', 'fp32').arithmetic():\n"
        "    inside = torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision\n"
        f"print(*inside, torch.{said})"
    )
    process = WarmProcess.start(code, [], tmp_path)
    assert process.communicate()[0].split() == ["ieee", "ieee", "tf32"]


# Windows


@pytest.mark.parametrize("side", [1, 5, 8, 9, 15, 16, 23, 100])
def test_windows_reach_from_border_to_border_and_overlap(side: int) -> None:
    starts = _starts(side, 8)
    assert starts[0] == 0
    assert starts[-1] == max(0, side - 8)
    assert all(second - first <= 6 for first, second in pairwise(starts))


@pytest.mark.parametrize("shape", [(40, 56), (8, 50), (33, 7), (16, 16)])
def test_windows_of_a_network_that_looks_nowhere_else_change_nothing(shape: tuple[int, int]) -> None:
    model = nn.Conv2d(1, 3, 1)
    images = torch.rand(2, 1, *shape)
    with torch.inference_mode():
        whole, parts = (_windowed(model, images, window, CPU, 4) for window in (None, 16))
    assert torch.allclose(whole, parts, atol=1e-6)


def test_a_constant_image_has_no_seams(dataset: ISBI2012) -> None:
    """What differs from window to window fades, so that no border stands out."""
    model = nn.Conv2d(1, 1, 9, padding=4)
    image = np.full((1, 96, 96), 128, np.uint8)[0]
    config = TrainingConfig.model_validate({"size": None, "window": 32})
    values = predict(model, [image], config, CPU, 1, dataset.info)[0].probabilities
    assert values is not None
    inner = values[8:-8, 8:-8]
    assert np.abs(np.diff(inner, axis=0)).max() < 0.25 * float(values.max() - values.min() + 1e-6) + 1e-3


# Several classes


@pytest.mark.parametrize("name", ["voc2012", "cityscapes", "cocostuff"])
def test_several_classes_are_learned_and_predicted_as_label_values(name: str, tmp_path: Path) -> None:
    tiny = getattr(tiny_roots, name)(tmp_path / "data")
    data = make_dataset(name, tiny.root)
    train_set = Samples(data, data.ids("train")[:2])
    config = {**UNet.info.defaults, **TINY, "input": "rgb", "loss": "ce+dice", "size": [32, 32], "select": "best"}
    method = UNet(config)
    (tmp_path / "fit").mkdir()
    method.fit(train_set, train_set, FitContext(data.info, "cpu", 0, tmp_path / "fit"))
    image = np.asarray(train_set[0].image)
    (prediction,) = method.predict([image])
    assert prediction.labels is not None
    assert prediction.labels.shape == image.shape[:2]
    assert set(np.unique(prediction.labels).tolist()) <= {c.id for c in data.info.classes}
    method.save(tmp_path / "fit")
    other = UNet(UNet.info.defaults)
    other.load(tmp_path / "fit", data.info, "cpu")
    assert np.array_equal(np.asarray(other.predict([image])[0].labels), prediction.labels)
    with pytest.raises(UserError, match="output channels"):
        other.load(tmp_path / "fit", dataset_class("isbi2012").info, "cpu")


def test_an_image_of_many_classes_is_learned_by_heart(tmp_path: Path) -> None:
    data = make_dataset("voc2012", tiny_roots.voc2012(tmp_path / "data").root)
    one = Samples(data, data.ids("train")[:1])
    settings = {"iterations_per_epoch": 120, "epochs": 1, "learning_rate": 0.02, "loss": "ce", "base_channels": 8}
    method = UNet({**UNet.info.defaults, **TINY, **settings, "input": "rgb", "batch_size": 1})
    (tmp_path / "fit").mkdir()
    method.fit(one, one[:0], FitContext(data.info, "cpu", 0, tmp_path / "fit"))
    sample = one[0]
    labels, truth = np.asarray(method.predict([np.asarray(sample.image)])[0].labels), np.asarray(sample.labels)
    known = np.isin(truth, [c.id for c in data.info.classes])
    # From six seeds, with AVX-512 and with AVX2, every pixel; after half as many steps 0.82 to 0.93 of them.
    assert (labels == truth)[known].mean() > 0.98


# U-Net's building blocks


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("up", ["transposed", "nearest", "bilinear", "nails", "unpool"])
@pytest.mark.parametrize(("down", "norm"), [("max", "batch"), ("strided", "instance")])
def test_every_building_block_learns(
    down: str, norm: str, up: str, skip: bool, dataset: ISBI2012, tmp_path: Path
) -> None:
    blocks = {"down": down, "norm": norm, "up": up, "skip": skip, "bottleneck_dilation": 2}
    values = {**UNet.info.defaults, **TINY, **blocks}
    if (down, up) == ("strided", "unpool"):
        with pytest.raises(UserError, match="needs down=max"):
            UNet(values)
        return
    network = build_network(UNetConfig.model_validate(values), 1, 3)
    network(torch.rand(2, 1, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters() if p.ndim == 4)
    UNet(values).fit(samples(dataset, "train", 2), samples(dataset, "val", 0), context(dataset, tmp_path))


def test_without_skips_a_decoder_sees_the_coarse_features_alone() -> None:
    """The first convolution of each block on the way up reads half as many channels: 9 * fine^2 weights less."""

    def count(skip: bool) -> int:
        network = build_network(UNetConfig.model_validate({"base_channels": 4, "depth": 3, "skip": skip}))
        return sum(p.numel() for p in network.parameters())

    assert count(True) - count(False) == 9 * (4**2 + 8**2 + 16**2)


def test_nails_and_unpooling_put_values_where_they_belong() -> None:
    for up, expected in (("nails", 0.0), ("unpool", 3.0)):
        network: Any = build_network(UNetConfig.model_validate({"base_channels": 1, "depth": 1, "up": up}))
        nn.init.ones_(network.up[0].mix.weight)
        nn.init.zeros_(network.up[0].mix.bias)
        coarse = torch.tensor([[[[1.0]], [[2.0]]]])
        fine = network.up[0](coarse, torch.tensor([[[[3]]]]))
        assert fine.flatten().tolist() == ([3.0, 0, 0, 0] if up == "nails" else [0, 0, 0, expected])


# Arithmetic


def test_operations_are_those_of_the_textbook() -> None:
    """A 3x3 convolution from 1 to 5 channels on 20 x 24 pixels: 9 * 5 * 480 multiplications."""
    model = nn.Conv2d(1, 5, 3, padding=1)
    config = TrainingConfig.model_validate({"size": None})
    assert macs_of_prediction(model, (20, 24), config, 1) == 9 * 5 * 20 * 24
    assert macs_of_prediction(model, (17, 24), config, 4) == 9 * 5 * 20 * 24
    flips = config.model_copy(update={"tta": "flips"})
    assert macs_of_prediction(model, (20, 24), flips, 1) == 4 * 9 * 5 * 20 * 24
    assert next(model.parameters()).device.type == "cpu"


# Several processes

TEAM = """
import json, sys
from pathlib import Path
import torch
from linear_network import fit
from segbench.datasets.isbi2012 import ISBI2012
root, folder, rank = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
values = json.loads(sys.argv[4])
model, said = fit(ISBI2012(root), folder / "fit", batch_size=4, optimizer="sgd", **values)
torch.save(model.state_dict(), folder / f"{rank}.pt")
"""


@pytest.mark.parametrize("values", [{"loss": "ce"}, {"loss": "ce+focal", "class_weights": "median", "crop": 16}])
def test_two_processes_train_what_one_does(dataset: ISBI2012, tmp_path: Path, values: dict[str, Any]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in ("0", "1"):
        team = {"WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1"}
        environment = {**team, "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
        processes.append(
            WarmProcess.start(TEAM, (dataset.root, tmp_path, rank, json.dumps(values)), tmp_path, environment)
        )
    for process in processes:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
    alone, _ = fit(dataset, tmp_path / "alone", batch_size=4, optimizer="sgd", **values)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for name, tensor in alone.state_dict().items():
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], tensor, atol=1e-6)
    assert not torch.allclose(alone.state_dict()["layer.weight"], Linear().state_dict()["layer.weight"], atol=1e-4)


def test_a_batch_that_cannot_be_shared_is_a_message(
    dataset: ISBI2012, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segbench.methods.training.precision.Stepper.count", 2)
    with pytest.raises(UserError, match="batch_size=3 cannot be shared by 2 processes"):
        fit(dataset, tmp_path, batch_size=3)
