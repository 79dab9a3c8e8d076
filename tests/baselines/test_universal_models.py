"""`hf:` with Mask2Former and OneFormer: small networks in transformers' format, for all three tasks, offline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from commands import Run, printed_json
from segbench.baselines.hugging_face import masks_of_queries
from segbench.datasets.cityscapes import CLASSES
from tiny_roots import cityscapes

transformers: Any = pytest.importorskip("transformers", reason="needs the extra hf")
pytestmark = pytest.mark.slow

NAMES = ["road", "sky", "car", "person"]
SHARED = {
    "num_labels": len(NAMES),
    "id2label": dict(enumerate(NAMES)),
    "hidden_dim": 32,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "num_queries": 2,
    "encoder_feedforward_dim": 16,
    "dim_feedforward": 16,
    "num_attention_heads": 2,
}


def backbone() -> Any:
    stages = [f"stage{number}" for number in (1, 2, 3, 4)]
    return transformers.SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=4, out_features=stages
    )


def find_something(network: Any, classes: torch.nn.Linear) -> None:
    """Make queries of random weights find a class each, never none of them, in masks that cover the image."""
    with torch.no_grad():
        classes.weight.mul_(20)
        classes.bias[-1] = -100
        for name, parameter in network.named_parameters():
            if name.endswith(("mask_projection.bias", "mask_embedder.2.0.bias", "mask_embed.layers.2.0.bias")):
                parameter.fill_(1)


def save_mask2former(folder: Path) -> None:
    config = transformers.Mask2FormerConfig(backbone_config=backbone(), feature_size=32, mask_feature_size=32, **SHARED)
    network = transformers.Mask2FormerForUniversalSegmentation(config)
    find_something(network, network.class_predictor)
    network.save_pretrained(folder)
    transformers.Mask2FormerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


def save_oneformer(folder: Path) -> None:
    """As the published ones are: their processors name a table of classes that lies on the hub."""
    text = {"text_encoder_width": 16, "text_encoder_num_layers": 1, "text_encoder_vocab_size": 200}
    config = transformers.OneFormerConfig(
        backbone_config=backbone(), conv_dim=32, mask_dim=32, query_dec_layers=1, **text, **SHARED
    )
    network = transformers.OneFormerForUniversalSegmentation(config)
    find_something(network, network.model.transformer_module.decoder.class_embed)
    network.save_pretrained(folder)
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    table = {str(number): {"name": name, "isthing": int(number > 1)} for number, name in enumerate(NAMES)}
    (folder / "table.json").write_text(json.dumps(table))
    images = transformers.OneFormerImageProcessor(
        repo_path=str(folder), class_info_file="table.json", size={"height": 64, "width": 64}, num_text=2
    )
    tokens = transformers.CLIPTokenizer.from_pretrained(folder)
    transformers.OneFormerProcessor(images, tokens).save_pretrained(folder)
    (folder / "table.json").unlink()
    written = folder / "processor_config.json"
    content = json.loads(written.read_text())
    content["image_processor"] |= {
        "repo_path": "shi-labs/oneformer_demo",
        "class_info_file": "cityscapes_panoptic.json",
    }
    written.write_text(json.dumps(content))


@pytest.mark.parametrize("save", [save_mask2former, save_oneformer])
def test_each_task_is_scored_by_its_own_family(bench: Run, tmp_path: Path, save: Callable[[Path], None]) -> None:
    root = cityscapes(tmp_path / "cityscapes").root
    torch.manual_seed(0)
    save(tmp_path / "model")
    (tmp_path / "model.yaml").write_text(f"classes: {json.dumps(dict(enumerate(NAMES)))}\n".replace('"', ""))
    families = {
        "semantic": ("cityscapes-overlap", "iou_class"),
        "instance": ("cityscapes-ap", "ap"),
        "panoptic": ("panoptic", "pq"),
    }
    for task, (family, score) in families.items():
        command = ["run", "-d", "cityscapes", "-m", f"hf:{tmp_path / 'model'}", "--root", root, "--device", "cpu"]
        command += ["--set", f"task={task}", "--set", "segment_threshold=0", "--out", task, "--save-predictions"]
        record = printed_json(bench(*command, "--json"))
        assert family in record["metrics"]
        assert record["main_score"] == score
        assert record["cost"]["macs_per_image"] > 1000
        # What was stored, scored as anybody's, gives the same numbers.
        scored = ("evaluate", "-d", "cityscapes", "--root", root, "-p", tmp_path / task / "predictions", "--json")
        assert printed_json(bench(*scored))["scores"] == record["scores"]
        assert bench("verify", task).returncode == 0
    segments = json.loads((tmp_path / "panoptic" / "predictions" / "panoptic.json").read_text())
    known = {each.id for each in CLASSES if each.name in NAMES}
    found = [segment["category_id"] for each in segments["annotations"] for segment in each["segments_info"]]
    assert found
    assert set(found) <= known
    objects = "".join(
        path.read_text() for path in sorted((tmp_path / "instance" / "predictions").rglob("*_pred.txt"))
    ).splitlines()
    things = {each.id for each in CLASSES if each.name in NAMES and each.kind == "thing"}
    assert {int(line.split()[1]) for line in objects} <= things


def test_queries_become_masks_with_scores() -> None:
    """By hand: two queries, two classes, masks of 2 x 2 pixels."""
    classes = torch.tensor([[[0.5, 0.3, 0.2], [0.1, 0.05, 0.85]]]).log()
    masks = torch.tensor([[[[2.0, -1.0], [1.0, -1.0]], [[-1.0, -1.0], [-1.0, -1.0]]]])
    given = SimpleNamespace(class_queries_logits=classes, masks_queries_logits=masks)
    found = masks_of_queries(given, (2, 2))
    mean = float(torch.tensor([2.0, 1.0]).sigmoid().mean())
    assert [output for output, _, _ in found] == [0, 1]  # the two best pairs, both of the first query
    assert [score for _, _, score in found] == pytest.approx([0.5 * mean, 0.3 * mean], rel=1e-6)
    for _, mask, _ in found:
        assert np.array_equal(mask, [[True, False], [True, False]])
    # The second query would be next, but its mask is empty.
    classes = torch.tensor([[[0.01, 0.02, 0.97], [0.1, 0.85, 0.05]]]).log()
    given = SimpleNamespace(class_queries_logits=classes, masks_queries_logits=masks)
    assert masks_of_queries(given, (2, 2)) == []


def test_a_network_without_masks_says_so(bench: Run, tmp_path: Path) -> None:
    root = cityscapes(tmp_path / "cityscapes").root
    config = transformers.SegformerConfig(
        num_labels=4, depths=[1] * 4, hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1] * 4, decoder_hidden_size=16
    )
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(tmp_path / "model")
    transformers.SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path / "model")
    (tmp_path / "model.yaml").write_text("classes: {0: road}\n")
    command = ["run", "-d", "cityscapes", "-m", f"hf:{tmp_path / 'model'}", "--root", root, "--device", "cpu"]
    for task in ("instance", "panoptic"):
        done = bench(*command, "--set", f"task={task}")
        assert done.returncode == 2
        assert f"segformer finds no masks. Leave out --set task={task}" in done.stderr
