"""Model cards: what they say, what is wrong with one, and what is asked for where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from segbench.datasets.camvid import CamVid
from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.methods.existing.card import ModelCard, card_of, card_path, labels_of, read_card
from segbench.methods.existing.inputs import prepared
from segbench.methods.existing.outputs import of_image, prediction

INFO = CamVid.info


def test_a_card_reads_back_as_it_was_written(tmp_path: Path) -> None:
    card = card_of({"classes": {0: "sky", 7: 3}, "channels": "bgr", "scale": 255, "mean": [1, 2, 3]}, "card")
    path = tmp_path / "net.pt.yaml"
    path.write_text(card.to_yaml(), encoding="utf-8")
    assert read_card(path) == card
    assert card.scale == 255.0
    assert card.mean == [1.0, 2.0, 3.0]


def test_the_card_of_one_file_goes_before_that_of_all_its_forms(tmp_path: Path) -> None:
    model = tmp_path / "net.pt"
    assert card_path(model) is None
    (tmp_path / "net.yaml").write_text("channels: bgr")
    assert card_path(model) == tmp_path / "net.yaml" == card_path(tmp_path / "net.onnx")
    (tmp_path / "net.pt.yaml").write_text("channels: rgb")
    assert card_path(model) == tmp_path / "net.pt.yaml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1", "holds a list of 1; expected a model card, such as\nclasses:"),
        ("", "holds nothing"),
        ("clases: {0: sky}", "Did you mean 'classes'"),
        ("classes: {sky: 0}", "the key 'sky' is no output of a model"),
        ("classes: {-1: sky}", "the key -1 is no output"),
        ("classes: {0: [sky]}", "'classes[0]' is a list of 1"),
        ("channels: hsv", "'channels' is \"hsv\""),
        ("scale: 0", "'scale' is 0.0"),
        ("std: [1, 0, 1]", "expected numbers above 0"),
        ("mean: [0.5, 0.5]", "mean has 2 values; expected 1 or 3"),
        ("channels: grey\nmean: [1, 2, 3]", "mean has 3 values; expected 1 or 1"),
        ("size: [512]", "'size' is a list of 1"),
        ("size: [64, 64]\nstride: 32", "size and stride exclude each other"),
        ("stride: 0", "'stride' is 0"),
        ("channels: rgb\nchannels: bgr", "a second time"),
        ("mean: .nan", "'mean[0]'"),
    ],
)
def test_what_is_wrong_with_a_card_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_card(path)
    assert str(path) in str(error.value)
    assert words in str(error.value)


def test_without_a_card_outputs_are_the_classes_in_order() -> None:
    assert labels_of(ModelCard(), INFO, 11, "net.pt") == {n: each.id for n, each in enumerate(INFO.classes)}
    assert labels_of(ModelCard(), ISBI2012.info, 1, "net.pt") == {0: ISBI2012.info.foreground}


def test_what_is_missing_is_asked_for_with_an_example_that_is_a_card(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"net\.pt gives 19 outputs, camvid has 11 classes") as error:
        labels_of(ModelCard(), INFO, 19, "net.pt", {0: "Road", 8: "tree", 11: "person"})
    message = str(error.value)
    path = tmp_path / "net.yaml"
    path.write_text(message[message.index("classes:") :], encoding="utf-8")
    assert read_card(path).classes == {0: "road", 8: "tree"}


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({0: "skye"}, "Did you mean 'sky'"),
        ({0: 11}, "Unknown class of camvid '11'"),
        ({12: "sky"}, "names output 12, but the model has 11"),
        ({}, "'classes' without any"),
    ],
)
def test_a_card_that_does_not_fit_the_dataset(classes: dict[int, int | str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        labels_of(card_of({"classes": classes}, "card"), INFO, 11, "net.pt")


def test_pixels_arrive_as_the_card_says() -> None:
    image = np.zeros((5, 7, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 255, 51, 0
    assert prepared(image, ModelCard())[0, :, 0, 0].tolist() == pytest.approx([1, 0.2, 0])
    assert prepared(image, card_of({"channels": "bgr", "scale": 255}, ""))[0, :, 0, 0].tolist() == [0, 51, 255]
    normalised = prepared(image, card_of({"mean": [0.5, 0.2, 0], "std": [0.5, 1, 2]}, ""))
    assert normalised[0, :, 0, 0].tolist() == pytest.approx([1, 0, 0], abs=1e-6)
    assert prepared(image, card_of({"channels": "grey"}, "")).shape == (1, 1, 5, 7)
    assert prepared(image[..., 0], ModelCard())[0, :, 0, 0].tolist() == [1, 1, 1]
    assert prepared(image, card_of({"stride": 4}, "")).shape == (1, 3, 8, 8)
    assert prepared(image, card_of({"size": [16, 32]}, "")).shape == (1, 3, 16, 32)


def test_outputs_are_resized_and_what_was_filled_up_is_cut() -> None:
    image = torch.full((1, 2, 4, 6), 0.5)
    image[:, 1] = 0
    image[:, 1, :, 3:] = 1  # the right half is class 1
    whole = of_image(image, card_of({"size": [8, 12]}, ""), (8, 12), (40, 60), "net")
    assert whole.classes().mean(0).tolist() == [0] * 30 + [1] * 30
    cut = of_image(image, card_of({"stride": 8}, ""), (8, 12), (7, 9), "net")
    assert cut.classes().shape == (7, 9)
    assert cut.classes()[0].tolist() == [0] * 6 + [1] * 3


def test_two_outputs_of_a_binary_task_are_its_classes_and_one_is_the_foreground() -> None:
    info = ISBI2012.info
    logits = torch.tensor([0.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3)
    found = prediction(of_image(logits, ModelCard(), (3, 3), (3, 3), "net"), ModelCard(), info, "net")
    position = [each.id for each in info.classes].index(info.foreground)
    share = 1 / (1 + np.exp(-2 if position else 2))
    assert found.probabilities is not None
    assert found.probabilities[0, 0] == pytest.approx(share, abs=1e-6)
    single = of_image(logits[:, 1:], ModelCard(), (3, 3), (3, 3), "net")
    assert prediction(single, ModelCard(), info, "net").probabilities is not None
    background = next(each.name for each in info.classes if each.id != info.foreground)
    inverted = prediction(single, card_of({"classes": {0: background}}, ""), info, "net").probabilities
    assert inverted is not None
    assert inverted[0, 0] == pytest.approx(1 / (1 + np.exp(2)), abs=1e-6)


def test_outputs_without_a_class_are_never_predicted() -> None:
    logits = torch.tensor([1.0, 9.0, 2.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    card = card_of({"classes": {0: "sky", 2: "road"}}, "")
    found = prediction(of_image(logits, card, (2, 2), (2, 2), "net"), card, INFO, "net")
    assert found.labels is not None
    assert set(found.labels.ravel().tolist()) == {3}


def test_a_map_of_classes_is_taken_as_one() -> None:
    classes = torch.tensor([[[0, 2]]])
    card = card_of({"classes": {0: "sky", 2: "road"}}, "")
    outputs = of_image(classes, card, (1, 2), (2, 4), "net")
    found = prediction(outputs, card, INFO, "net").labels
    assert found is not None
    assert found.tolist() == [[0, 0, 3, 3]] * 2
    with pytest.raises(UserError, match="value 2, for which its card names no class"):
        prediction(outputs, card_of({"classes": {0: "sky"}}, ""), INFO, "net")


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (3, 4, 4), (1, 0, 4, 4)])
def test_outputs_of_another_form_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"net returned an array of shape .* expected"):
        of_image(torch.zeros(shape), ModelCard(), (4, 4), (4, 4), "net")
