"""Weights of rare classes against values computed by hand, and what they do to the losses that take them."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch

from segbench.methods.training.class_weights import class_pixels, class_weights
from segbench.methods.training.config import IGNORE, TrainingConfig
from segbench.methods.training.losses import make_loss

pytestmark = pytest.mark.slow

PIXELS = np.array([[60, 40, 0], [30, 60, 10], [90, 10, 0]])
"""Of three images of 100 pixels: the last class is in one of them."""


def test_pixels_are_counted_without_void() -> None:
    targets = [np.array([[0, 1, IGNORE], [1, 1, 2]], np.uint8), np.full((2, 2), IGNORE, np.uint8)]
    assert class_pixels(targets, 4).tolist() == [[1, 3, 1, 0], [0, 0, 0, 0]]


def test_median_frequencies_are_balanced() -> None:
    """Frequencies 180/300, 110/300 and 10/100, since the last class is in images of 100 pixels in all."""
    expected = [(110 / 300) / (180 / 300), 1.0, (110 / 300) / (10 / 100)]
    assert class_weights(PIXELS, "median") == pytest.approx(expected, rel=1e-12)


def test_log_weights() -> None:
    expected = [1 / math.log(1.02 + part) for part in (180 / 300, 110 / 300, 10 / 300)]
    assert class_weights(PIXELS, "log") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rule", ["median", "log"])
def test_a_class_that_no_image_has_weighs_nothing_and_changes_nothing(rule: Literal["median", "log"]) -> None:
    more = class_weights(np.c_[PIXELS, np.zeros(3, int)], rule)
    assert more[:3].tolist() == class_weights(PIXELS, rule).tolist()
    assert more[3] == 0


@pytest.mark.parametrize("name", ["ce", "focal"])
def test_a_loss_is_the_mean_weighted_by_the_true_class(name: str) -> None:
    weights = [1.0, 2.0, 5.0]
    logits = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    target = torch.arange(40).reshape(2, 4, 5) % 3
    target[0, 0] = IGNORE
    single = make_loss(TrainingConfig(loss=name), 3)
    total = weight = 0.0
    for image, row, column in (target != IGNORE).nonzero().tolist():
        place = (slice(image, image + 1), slice(row, row + 1), slice(column, column + 1))
        own = weights[int(target[image, row, column])]
        total += own * single(logits[:, :][place[0], :, place[1], place[2]], target[place]).item()
        weight += own
    found = make_loss(TrainingConfig(loss=name), 3, weights)(logits, target).item()
    assert found == pytest.approx(total / weight, rel=1e-12)


def test_one_sigmoid_weighs_background_and_foreground() -> None:
    logits, target = torch.tensor([[[0.3, -1.0, 0.8]]], dtype=torch.float64), torch.tensor([[[1, 0, 0]]])
    expected = make_loss(TrainingConfig(loss="bce", background_weight=0.25))(logits, target).item()
    weighted = make_loss(TrainingConfig(loss="bce", class_weights="log"), 1, [0.5, 2.0])(logits, target).item()
    assert weighted == pytest.approx(expected, rel=1e-12)


def test_weights_ask_for_a_loss_of_pixels() -> None:
    with pytest.raises(ValueError, match="class_weights=median weighs pixels in ce, bce and focal, not in dice"):
        TrainingConfig(class_weights="median")
