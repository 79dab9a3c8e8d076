"""`smp:` and `torchvision:` with `weights=`: from a file on disk end to end, and where the hub cannot be reached."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from commands import Run, printed_json
from segbench.methods.training.checkpoint import load_tensors
from segbench.registry import dataset_class, make_method
from tiny_models import write_colored_camvid

pytestmark = pytest.mark.slow

SETTINGS: dict[str, dict[str, Any]] = {
    "smp:Unet/resnet18": {"arguments": {"decoder_channels": [16, 8, 8, 8, 8]}},
    "torchvision:lraspp_mobilenet_v3_large": {},
}
STILL = ["epochs=1", "iterations_per_epoch=1", "batch_size=1", "size=[32,48]", "learning_rate=1e-12", "precision=fp32"]


def run(name: str, root: Path, *more: str) -> list[Any]:
    given = [f"{key}={json.dumps(value, separators=(',', ':'))}" for key, value in SETTINGS[name].items()]
    pairs = [word for pair in (*given, *STILL, *more) for word in ("--set", pair)]
    return ["run", "-d", "camvid", "-m", name, "--root", root, "--device", "cpu", *pairs]


@pytest.mark.parametrize("name", list(SETTINGS))
def test_training_starts_from_a_state_dict_of_the_same_architecture(bench: Run, tmp_path: Path, name: str) -> None:
    root = write_colored_camvid(tmp_path / "camvid")
    method: Any = make_method(name, SETTINGS[name])
    torch.manual_seed(5)
    network = method.build(method.settings, 3, len(dataset_class("camvid").info.classes), pretrained=False)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    done = bench(*run(name, root, "weights=weights.pth", "input=rgb"), "--out", "run", "--json")
    assert printed_json(done)["complete"]
    count = len(network.state_dict())
    assert f"took {count} of the network's {count} tensors (100.0 % of its values)" in done.stderr
    tensors, _ = load_tensors(tmp_path / "run" / "checkpoint" / "model.safetensors")
    for key, value in network.named_parameters():
        assert torch.allclose(tensors[key], value, atol=1e-6), key


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("smp:Unet/resnet18", "imagenet"),
        ("torchvision:lraspp_mobilenet_v3_large", "imagenet"),
        ("torchvision:lraspp_mobilenet_v3_large", "coco"),
    ],
)
def test_a_hub_out_of_reach_is_told_and_leaves_nothing_half_written(
    bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, weights: str
) -> None:
    root = write_colored_camvid(tmp_path / "camvid")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, proxy)  # nobody answers there any more
    done = bench(*run(name, root, f"weights={weights}", "input=rgb"), "--out", "run")
    assert done.returncode == 2
    for words in ("cannot be had", "elsewhere and put it into", str(tmp_path / "cache" / "weights"), "weights=null"):
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    left = [path.name for path in (tmp_path / "cache" / "weights").iterdir() if path.suffix != ".lock"]
    assert left == []


def test_published_weights_on_voc_begin_with_the_classes_that_a_map_names(bench: Run, tmp_path: Path) -> None:
    """Weights as a user puts them into the cache: those of 21 classes start a network of CamVid's eleven."""
    name = "torchvision:lraspp_mobilenet_v3_large"
    root = write_colored_camvid(tmp_path / "camvid")
    method: Any = make_method(name, {})
    torch.manual_seed(7)
    theirs = method.build(method.settings, 3, 21, pretrained=False).network.state_dict()
    folder = tmp_path / "cache" / "weights"
    folder.mkdir(parents=True)
    torch.save(theirs, folder / "lraspp_mobilenet_v3_large-d234d4ea.pth")
    mapped = ("weights=coco", "input=rgb", "init_classes={7: car, 15: pedestrian}")
    done = bench(*run(name, root, *mapped), "--out", "run", "--json")
    assert printed_json(done)["method"]["config"]["init_classes"] == {"7": "car", "15": "pedestrian"}
    assert "weights=coco: took" in done.stderr
    assert "2 of 11 classes from an output of the file" in done.stderr
    tensors, _ = load_tensors(tmp_path / "run" / "checkpoint" / "model.safetensors")
    names = [each.name for each in dataset_class("camvid").info.classes]
    mine, old = tensors["network.classifier.high_classifier.weight"], theirs["classifier.high_classifier.weight"]
    for output, label in ((7, "car"), (15, "pedestrian")):
        assert torch.allclose(mine[names.index(label)], old[output], atol=1e-6)
    assert torch.allclose(mine[names.index("sky")], old.mean(0), atol=1e-6)
