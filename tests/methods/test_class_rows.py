"""The last layer of a network that exists, carried over to other classes by a class map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from commands import Run
from segbench.errors import UserError
from segbench.methods.training.class_rows import ClassRows, class_axes
from segbench.methods.training.transfer import begin_from
from segbench.registry import dataset_class, make_method
from segbench.types import ClassInfo, DatasetInfo, FitContext
from tiny_models import write_colored_camvid

CAMVID = dataset_class("camvid").info
ISBI = dataset_class("isbi2012").info


class Head(nn.Module):
    """Two layers per class, one of them transposed, beside others of as many channels."""

    def __init__(self, outputs: int, channels: int = 4) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, channels, 3, padding=1)
        self.same = nn.Conv2d(channels, channels, 1)
        self.score = nn.Conv2d(channels, outputs, 1)
        self.up = nn.ConvTranspose2d(channels, outputs, 2, 2)
        self.each = nn.ConvTranspose2d(outputs, outputs, 2, 2, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.score(torch.relu(self.same(torch.relu(self.encoder(images)))))
        return found


def of_whole_numbers(network: Head) -> Head:
    """With small whole numbers as weights, of which sums are exact in whatever order a processor adds."""
    for weights in network.parameters():
        weights.data = torch.randint(-3, 4, weights.shape).float()
    return network


def started(theirs: nn.Module, mine: nn.Module, classes: Mapping[int, int | str], dataset: DatasetInfo) -> str:
    outputs = 1 if dataset.task == "binary" else len(dataset.classes)
    rows = ClassRows(class_axes(Head, outputs), classes, dataset)
    return begin_from(mine, dict(theirs.state_dict()), "--init file", rows)


def three_classes() -> DatasetInfo:
    names = ("sky", "road", "car")
    known = tuple(ClassInfo(place, name, (place, 0, 0)) for place, name in enumerate(names))
    three: DatasetInfo = replace(CAMVID, classes=known)
    return three


@pytest.mark.parametrize("outputs", [1, 3, 4, 11])
def test_layers_that_count_the_classes_are_found_whatever_else_has_as_many_channels(outputs: int) -> None:
    one = {"score.weight": (0,), "score.bias": (0,), "up.weight": (1,), "up.bias": (0,)}
    assert class_axes(Head, outputs) == {**one, "each.weight": (0, 1)}


@pytest.mark.parametrize("outputs", [3, 5])
def test_a_new_network_scores_its_classes_as_the_old_one_scored_what_is_mapped(outputs: int) -> None:
    """Also where both have as many classes in another order, so that the shapes alone would fit."""
    torch.manual_seed(2)
    theirs, mine, images = of_whole_numbers(Head(outputs)), Head(3), torch.randint(-3, 4, (2, 3, 6, 7)).float()
    fresh = mine.each.weight.detach().clone()
    told = started(theirs, mine, {2: "sky", 0: "ROAD", 1: "car"}, three_classes())
    assert torch.equal(mine(images), theirs(images)[:, [2, 0, 1]])
    assert torch.equal(mine.up.weight, theirs.up.weight[:, [2, 0, 1]])
    assert torch.equal(mine.each.weight, fresh)
    assert "3 of 3 classes from an output of the file" in told
    assert "score.weight 3x4x1x1 here" not in told


def test_of_several_outputs_of_a_class_the_first_begins_and_a_class_without_any_is_never_the_likeliest() -> None:
    torch.manual_seed(3)
    theirs, mine, images = of_whole_numbers(Head(6)), Head(3), torch.randint(-3, 4, (4, 3, 8, 8)).float()
    told = started(theirs, mine, {4: "sky", 1: "sky", 5: 1}, three_classes())
    logits, old = mine(images), theirs(images)
    assert torch.equal(logits[:, :2], old[:, [1, 5]])
    torch.testing.assert_close(logits[:, 2], old.mean(1))
    assert "2 of 3 classes from an output of the file, without one: car" in told


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_binary_network_keeps_the_probability_of_its_foreground(outputs: int) -> None:
    """Exactly, from a softmax over two classes and from a single logit, and the other way round."""
    torch.manual_seed(4)
    other = next(each.id for each in ISBI.classes if each.id != ISBI.foreground)
    theirs, mine, images = Head(outputs), Head(1), torch.randn(2, 3, 5, 5)
    started(theirs, mine, {0: ISBI.foreground} if outputs == 1 else {1: ISBI.foreground, 0: other}, ISBI)
    old = theirs(images)
    wanted = old.sigmoid()[:, 0] if outputs == 1 else old.softmax(1)[:, 1]
    torch.testing.assert_close(mine(images).sigmoid()[:, 0], wanted)


def test_a_class_of_several_begins_with_a_single_logit() -> None:
    torch.manual_seed(5)
    two = replace(three_classes(), classes=three_classes().classes[:2])
    theirs, mine, images = Head(1), Head(2), torch.randn(2, 3, 5, 5)
    rows = ClassRows(class_axes(Head, 2), {0: "road"}, two)
    begin_from(mine, dict(theirs.state_dict()), "--init file", rows)
    torch.testing.assert_close(mine(images).softmax(1)[:, 1], theirs(images).sigmoid()[:, 0])


def test_what_cannot_be_carried_over_is_an_error_that_names_the_shapes() -> None:
    theirs = nn.Module()
    theirs.score, theirs.encoder = nn.Conv2d(5, 6, 1), nn.Conv2d(3, 4, 3)
    with pytest.raises(UserError, match=r"score.weight 3x4x1x1 here, 6x5x1x1 there: give the settings"):
        started(theirs, Head(3), {0: "sky"}, three_classes())
    del theirs.score
    with pytest.raises(UserError, match=r"The file has none of score.weight"):
        started(theirs, Head(3), {0: "sky"}, three_classes())
    with pytest.raises(UserError, match=r"names output 6, but the model has 6"):
        started(Head(6), Head(3), {6: "sky"}, three_classes())


def test_a_method_begins_as_the_network_that_its_class_map_reads(tmp_path: Path) -> None:
    """A network of seven classes, told by a card which of CamVid's they are, before and without any training."""
    root = write_colored_camvid(tmp_path / "camvid")
    data = dataset_class("camvid")(root=root)
    small: dict[str, Any] = {"base_channels": 4, "depth": 2, "size": [24, 36], "input": "rgb", "precision": "fp32"}
    torch.manual_seed(6)
    method: Any = make_method("unet", small)
    seven = method.build(method.settings, 3, 7, pretrained=False)
    save_file(seven.state_dict(), tmp_path / "seven.safetensors")
    (tmp_path / "seven.yaml").write_text("classes: {0: road, 2: sky, 3: tree, 6: car}\nscale: 255\n", encoding="utf-8")
    method = make_method(
        "unet",
        {**small, "init": str(tmp_path / "seven.safetensors"), "init_classes": str(tmp_path / "seven.yaml")},
    )
    method = make_method("unet", method.resolved(data.info))
    assert method.config["init_classes"] == {"0": "road", "2": "sky", "3": "tree", "6": "car"}
    network = method._build(data.info, pretrained=False)
    said: list[str] = []
    state = torch.get_rng_state()
    method._begin_from(network, FitContext(seed=0, device="cpu", folder=tmp_path, dataset=data.info, say=said.append))
    assert torch.equal(torch.get_rng_state(), state)
    image = torch.from_numpy(np.random.default_rng(1).random((1, 3, 24, 36), dtype=np.float32))
    with torch.no_grad():
        new, old = network.eval()(image), seven.eval()(image)
    names = [each.name for each in data.info.classes]
    for output, name in ((0, "road"), (2, "sky"), (3, "tree"), (6, "car")):
        torch.testing.assert_close(new[:, names.index(name)], old[:, output])
    assert "4 of 11 classes from an output of the file" in said[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("init_classes={0: road}",), "no weights of a network are named"),
        (("init=run/x", "init_classes={0: raod}"), "Did you mean 'road'"),
        (("init=run/x", "init_classes={}"), "'classes' without any"),
        (("init=run/x", "init_classes={first: road}"), "'first' is no output of a model"),
        (("init=run/x", "init_classes=gone.yaml"), "gone.yaml: cannot be read as a model card"),
        (("init=run/x", "init_classes=bare.yaml"), "this model card has no 'classes'"),
        (("init=run/x", "init_classes=3"), "the path of a model card with 'classes'"),
    ],
)
def test_a_class_map_that_cannot_be_is_told_before_any_training(
    settings: tuple[str, ...], words: str, bench: Run, tmp_path: Path
) -> None:
    root = write_colored_camvid(tmp_path / "camvid")
    (tmp_path / "bare.yaml").write_text("scale: 255\n", encoding="utf-8")
    given = [word for pair in settings for word in ("--set", pair)]
    done = bench("run", "-d", "camvid", "-m", "unet", "--root", root, *given)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
