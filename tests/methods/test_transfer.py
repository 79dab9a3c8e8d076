"""A training that starts from the weights of another: what matches, what is frozen, and what learns more slowly."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from commands import Run
from segbench.errors import UserError
from segbench.methods.training.config import TrainingConfig
from segbench.methods.training.transfer import (
    begin_from,
    encoder_of,
    freeze,
    hold_frozen,
    match,
    parameter_groups,
    read_weights,
    weights_at,
)
from tiny_models import write_colored_camvid

SMALL = "epochs=1 iterations_per_epoch=2 base_channels=4 depth=2 size=[24,36] input=rgb precision=fp32"


class Tiny(nn.Module):
    """An encoder with batch norm, and a head for some classes."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Conv2d(4, classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.encoder(images))
        return found


def test_weights_match_by_name_and_shape_and_the_rest_is_told(tmp_path: Path) -> None:
    torch.manual_seed(1)
    theirs, mine = Tiny(classes=5), Tiny(classes=3)
    save_file({**theirs.state_dict(), "more": torch.zeros(2)}, tmp_path / "w.safetensors")
    head = mine.head.weight.detach().clone()
    told = begin_from(mine, read_weights(tmp_path / "w.safetensors"), "w.safetensors")
    assert torch.equal(mine.encoder.state_dict()["0.weight"], theirs.encoder.state_dict()["0.weight"])
    assert torch.equal(mine.head.weight, head)
    assert "took 7 of the network's 9 tensors" in told
    assert "of another shape, left as they are: head.weight 3x4x1x1 here, 5x4x1x1 there" in told
    assert "in the file, and not in the network: more" in told


@pytest.mark.parametrize("prefix", ["", "module.", "network.model.", "encoder."])
def test_a_part_or_another_prefix_is_found(prefix: str) -> None:
    source = Tiny().encoder if prefix == "encoder." else Tiny()
    start = "" if prefix == "encoder." else prefix
    tensors = {start + name: tensor for name, tensor in source.state_dict().items()}
    taken = match(tensors, Tiny()).taken
    wanted = {name for name in Tiny().state_dict() if prefix != "encoder." or name.startswith("encoder.")}
    assert set(taken) == wanted
    wrapped = nn.Sequential(Tiny())
    assert set(match(tensors, wrapped).taken) == {f"0.{name}" for name in wanted}


def test_state_dicts_are_read_alone_or_wrapped_and_nothing_else_is(tmp_path: Path) -> None:
    state = Tiny().state_dict()
    torch.save(state, tmp_path / "plain.pth")
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "wrapped.pth")
    for name in ("plain", "wrapped"):
        assert set(read_weights(tmp_path / f"{name}.pth")) == set(state)
    torch.save(Tiny(), tmp_path / "module.pth")
    (tmp_path / "raw.pth").write_bytes(pickle.dumps({"a": 1}))
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    for name, words in (
        ("module", "without running code"),
        ("raw", "no weights|no state dict"),
        ("empty", "no state dict"),
    ):
        with pytest.raises(UserError, match=words):
            read_weights(tmp_path / f"{name}.pth")
    with pytest.raises(UserError, match="there is no such run or file"):
        weights_at(tmp_path / "gone")
    with pytest.raises(UserError, match="holds no network of a finished run"):
        weights_at(tmp_path)


def test_weights_of_another_architecture_are_an_error(tmp_path: Path) -> None:
    save_file({"conv.weight": torch.zeros(8, 3, 5, 5)}, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"none of its 1 tensor has the name and shape .*'conv.weight' 8x3x5x5"):
        begin_from(Tiny(), read_weights(tmp_path / "w.safetensors"), "w.safetensors")


def test_a_frozen_encoder_keeps_weights_and_statistics() -> None:
    network = Tiny()
    freeze(network, TrainingConfig(freeze="encoder"))
    before = {name: tensor.clone() for name, tensor in network.encoder.state_dict().items()}
    network.train()
    hold_frozen(network)
    groups = parameter_groups(network, TrainingConfig(freeze="encoder"))
    optimizer = torch.optim.SGD(groups, lr=1.0)
    network(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    assert all(torch.equal(before[name], tensor) for name, tensor in network.encoder.state_dict().items())
    assert {id(each) for each in groups} == {id(each) for each in network.head.parameters()}


def test_the_encoder_learns_more_slowly_in_a_group_of_its_own() -> None:
    network = Tiny()
    slow, rest = parameter_groups(network, TrainingConfig(encoder_learning_rate_factor=0.1))
    assert (slow["factor"], rest["factor"]) == (0.1, 1.0)
    assert [id(each) for each in slow["params"]] == [id(each) for each in network.encoder.parameters()]
    assert parameter_groups(network, TrainingConfig()) == list(network.parameters())


def test_a_network_without_an_encoder_cannot_be_frozen() -> None:
    with pytest.raises(UserError, match="no part called encoder or backbone"):
        encoder_of(nn.Sequential(nn.Conv2d(3, 3, 1)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["unet", "fcn", "smp:Unet/resnet18", "torchvision:lraspp_mobilenet_v3_large", "fpn", "espnetv2"]
)
def test_networks_have_an_encoder(name: str) -> None:
    from small_networks import make

    network, _ = make(name)
    inside = sum(each.numel() for each in encoder_of(network).parameters())
    assert 0 < inside < sum(each.numel() for each in network.parameters())


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    return write_colored_camvid(tmp_path / "camvid")


def trained(bench: Run, camvid: Path, out: Path, *more: str | Path) -> tuple[Any, str]:
    arguments = ["run", "-d", "camvid", "-m", "unet", "--root", camvid, "--no-plots", "--json", "--out", out]
    done = bench(*arguments, *(word for pair in SMALL.split() for word in ("--set", pair)), *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.slow
def test_a_run_starts_from_another_run_and_its_identity_is_the_content(
    bench: Run, camvid: Path, tmp_path: Path
) -> None:
    trained(bench, camvid, tmp_path / "first")
    record, told = trained(bench, camvid, tmp_path / "second", "--init", tmp_path / "first", "--freeze", "encoder")
    assert "(100.0 % of its values)" in told
    first, second = (load_file(tmp_path / run / "checkpoint" / "model.safetensors") for run in ("first", "second"))
    same = {name for name in first if torch.equal(first[name], second[name])}
    assert {name for name in first if name.startswith("down.")} <= same
    assert same != set(first)
    assert record["method"]["config"]["freeze"] == "encoder"
    assert record["cost"]["parameters"] < sum(each.numel() for each in first.values())
    (tmp_path / "first").rename(tmp_path / "moved")
    again, told = trained(bench, camvid, tmp_path / "second", "--init", tmp_path / "moved", "--freeze", "encoder")
    assert again["run_id"] == record["run_id"]
    assert bench("verify", tmp_path / "second", "--root", camvid).returncode == 0
    checked = bench("leaderboard", "--validate", tmp_path / "second", "--root", camvid).stdout
    assert "settings: the command makes this configuration" in checked
    assert bench("predict", tmp_path / "second", camvid / "CamVid" / "test", "--out", tmp_path / "maps").returncode == 0
    scratch, _ = trained(bench, camvid, tmp_path / "third", "--freeze", "encoder")
    assert scratch["run_id"] != record["run_id"]


@pytest.mark.slow
def test_the_network_of_a_run_comes_with_its_weights(bench: Run, camvid: Path, tmp_path: Path) -> None:
    trained(bench, camvid, tmp_path / "first", "--set", "input=grey")
    short = ["--set", "epochs=1", "--set", "iterations_per_epoch=1", "--set", "batch_size=1"]
    common = ["run", "-d", "camvid", "-m", "unet", "--root", camvid, "--no-plots", "--json", *short]
    done = bench(*common, "--init", tmp_path / "first", "--out", tmp_path / "second")
    assert done.returncode == 0, done.stderr
    assert "as the network of --init: input=grey, base_channels=4, depth=2" in done.stderr
    assert "(100.0 % of its values)" in done.stderr
    record = json.loads(done.stdout)
    assert [record["method"]["config"][name] for name in ("base_channels", "depth", "input")] == [4, 2, "grey"]
    assert "--set base_channels=4" in record["command"]
    own = bench(*common, "--init", tmp_path / "first", "--set", "base_channels=6", "--out", tmp_path / "third")
    assert "base_channels=4" not in own.stderr


@pytest.mark.slow
def test_a_slowed_encoder_learns_otherwise(bench: Run, camvid: Path, tmp_path: Path) -> None:
    slow = ("--set", "encoder_learning_rate_factor=0.1", "--set", "ghost_batches=2", "--set", "batch_size=2")
    whole, _ = trained(bench, camvid, tmp_path / "whole", *slow)
    assert whole["complete"]
    trained(bench, camvid, tmp_path / "plain", *slow[2:])
    first, second = (load_file(tmp_path / run / "checkpoint" / "model.safetensors") for run in ("whole", "plain"))
    assert any(not torch.equal(first[name], second[name]) for name in first if name.startswith("down."))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-m", "constant", "--init", "x.pth"), "trains no network that could start from weights"),
        (("-m", "unet", "--init", "x.pth"), "there is no such run or file"),
        (("-m", "unet", "--set", "init_sha256=abc"), "no weights are named"),
        (("-m", "unet", "--freeze", "encoder", "--set", "encoder_learning_rate_factor=0.5"), "has no meaning"),
        (("-m", "smp:Unet/resnet18", "--set", "weights=coco"), "expected imagenet, or the path"),
        (("-m", "smp:Unet/resnet18", "--set", "weights=imagnet"), "expected imagenet, or the path"),
        (("-m", "smp:Unet/resnet18", "--set", "weights=a.pth", "--init", "b.pth"), "both name weights"),
    ],
)
def test_what_cannot_be_started_from_is_told(arguments: tuple[str, ...], words: str, bench: Run, camvid: Path) -> None:
    done = bench("run", "-d", "camvid", "--root", camvid, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
