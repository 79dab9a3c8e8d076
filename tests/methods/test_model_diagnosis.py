"""`bench doctor -m`: what a model is given or read wrongly is found, and what is right is left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import tiny_roots
from commands import Run
from tiny_models import COLORS, NAMES, NearestColor, save_onnx, save_torchscript, write_colored_camvid

pytestmark = pytest.mark.slow


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    return write_colored_camvid(tmp_path / "camvid", count=10, shape=(36, 48))


def diagnosed(bench: Run, camvid: Path, model: Path, kind: str = "torch") -> Any:
    done = bench("doctor", "-d", "camvid", "-m", f"{kind}:{model}", "--root", camvid, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == bool(found["findings"]), done.stderr
    return found


def score_with(bench: Run, camvid: Path, model: Path, card: str) -> float:
    (model.parent / f"{model.name}.yaml").write_text(card)
    done = bench("run", "-d", "camvid", "-m", f"torch:{model}", "--root", camvid, "--json", "--no-plots")
    assert done.returncode == 0, done.stderr
    return float(json.loads(done.stdout)["scores"]["miou"]["value"])


class Normalised(nn.Module):
    """A network that expects ImageNet's mean and standard deviation, and blue before green and red where `bgr`."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, bgr: bool = False) -> None:
        super().__init__()
        self.network, self.bgr = NearestColor(), bgr
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = images.flip(1) if self.bgr else images
        found: torch.Tensor = self.network(images * self.std + self.mean)
        return found


def test_a_model_that_is_right_is_left_alone(bench: Run, camvid: Path, tmp_path: Path) -> None:
    found = diagnosed(bench, camvid, save_torchscript(tmp_path / "net.pt"))
    assert (found["score"], found["findings"], found["card"]) == (1.0, [], None)
    assert found["n_scored"] == 5


@pytest.mark.parametrize(
    ("network", "kinds"),
    [
        (NearestColor(COLORS[:, ::-1]), ["model_channels"]),
        (NearestColor(COLORS, white=255), ["model_scaling"]),
        (NearestColor(COLORS[np.random.default_rng(5).permutation(11)]), ["model_classes"]),
        (NearestColor(np.concatenate([[[255, 0, 255]], COLORS])), ["model_classes"]),
        (Normalised(), ["model_scaling"]),
        (Normalised(bgr=True), ["model_channels", "model_scaling"]),
        (NearestColor(COLORS[::-1, ::-1], white=255), ["model_channels", "model_scaling", "model_classes"]),
    ],
    ids=["bgr", "0..255", "permuted", "one more", "normalised", "normalised bgr", "all at once"],
)
def test_each_usual_mistake_is_found_and_the_card_mends_it(
    network: nn.Module, kinds: list[str], bench: Run, camvid: Path, tmp_path: Path
) -> None:
    model = save_torchscript(tmp_path / "net.pt", network)
    found = diagnosed(bench, camvid, model)
    assert [finding["kind"] for finding in found["findings"]] == kinds
    last = found["findings"][-1]
    assert last["score_after"] > 0.99
    assert (last["score_before"] or 0) < 0.9
    assert score_with(bench, camvid, model, found["card"]) > 0.99


def test_what_is_printed_ends_with_the_card(bench: Run, camvid: Path, tmp_path: Path) -> None:
    model = save_torchscript(tmp_path / "net.pt", NearestColor(COLORS[:, ::-1]))
    done = bench("doctor", "-d", "camvid", "-m", f"torch:{model}", "--root", camvid)
    assert done.returncode == 1
    assert "torch:net.pt on 10 samples" in done.stdout
    assert "to be written beside the model as net.pt.yaml:\n\nchannels: bgr" in done.stdout


def test_a_model_of_something_else_gets_no_advice(bench: Run, camvid: Path, tmp_path: Path) -> None:
    """Whatever classes its outputs were called, they would agree with the truth by chance alone."""
    random = np.random.default_rng(3)
    for labels in (camvid / "CamVid" / "testannot").iterdir():
        values = np.asarray(Image.open(labels))
        Image.fromarray(random.integers(0, 256, (*values.shape, 3)).astype(np.uint8)).save(
            camvid / "CamVid" / "test" / labels.name
        )
    found = diagnosed(bench, camvid, save_torchscript(tmp_path / "net.pt"))
    assert found["findings"] == []


def test_a_card_that_is_wrong_is_told_too(bench: Run, camvid: Path, tmp_path: Path) -> None:
    model = save_torchscript(tmp_path / "net.pt")
    names = [*NAMES[1:], NAMES[0]]
    (tmp_path / "net.pt.yaml").write_text("classes:\n" + "".join(f"  {n}: {name}\n" for n, name in enumerate(names)))
    found = diagnosed(bench, camvid, model)
    assert [finding["kind"] for finding in found["findings"]] == ["model_classes"]
    assert "{0: sky, 1: building" in found["findings"][0]["remedy"]


def test_the_form_of_the_file_does_not_matter(bench: Run, camvid: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    model = save_onnx(tmp_path / "net.onnx", NearestColor(COLORS[:, ::-1]))
    found = diagnosed(bench, camvid, model, "onnx")
    assert [finding["kind"] for finding in found["findings"]] == ["model_channels"]


def test_probabilities_taken_for_logits(bench: Run, tmp_path: Path) -> None:
    """One output that went through a sigmoid already is above one half after another: foreground everywhere."""

    class Bright(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return (12 * (images.mean(1, keepdim=True) - 0.5)).sigmoid()

    model = save_torchscript(tmp_path / "net.pt", Bright())
    root = tiny_roots.medaka(tmp_path / "medaka").root
    done = bench("doctor", "-d", "medaka", "-m", f"torch:{model}", "--root", root, "--split", "train", "--json")
    found = json.loads(done.stdout)
    assert [finding["kind"] for finding in found["findings"]] == ["model_outputs"], done.stderr
    assert found["findings"][0]["score_after"] > 0.99
    assert found["card"] == "outputs: probabilities\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say what to look at"),
        (("-m", "unet"), "looks at models that exist"),
        (("-m", "command:x {images} {out}"), "looks at models that exist"),
        (("-m", "torch:gone.pt"), "there is no such file"),
        (("-m", "torch:gone.pt", "-p", "maps"), "give one of them"),
    ],
)
def test_what_cannot_be_looked_at(arguments: tuple[str, ...], words: str, bench: Run, camvid: Path) -> None:
    done = bench("doctor", "-d", "camvid", "--root", camvid, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
