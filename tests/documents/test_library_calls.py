"""The table of calls in docs/metrics.md: each row is computed, on maps that tell every rule from the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from places import ROOT
from segbench import Evaluator

Maps = NDArray[np.int64]
ROW = re.compile(r"^\| (?:torchmetrics|MONAI) `([^`]+)` \| (.+) \|$", re.MULTILINE)
NAMES = ["background", "a", "b"]


def maps(classes: int) -> tuple[Maps, Maps]:
    """Truth and prediction (6, 24, 24): of two images one side alone has the last class, of one neither."""
    random = np.random.default_rng(0)
    truth = random.integers(0, classes, (6, 24, 24))
    predicted = np.where(random.random(truth.shape) < 0.7, truth, random.integers(0, classes, truth.shape))
    last = classes - 1
    truth[0][truth[0] == last] = predicted[0][predicted[0] == last] = 0
    truth[1][truth[1] == last] = 0
    predicted[2][predicted[2] == last] = 0
    return truth, predicted


def scores(classes: int, *metrics: str) -> dict[str, float]:
    """Our scores of the maps."""
    truth, predicted = maps(classes)
    evaluator = Evaluator(
        classes=NAMES[:classes], task="binary" if classes == 2 else "multiclass", metrics=list(metrics)
    )
    evaluator.update(predicted.astype(np.uint8), truth.astype(np.uint8))
    return dict(evaluator.compute())


def binary(name: str) -> float:
    return scores(2)[name]


def several(name: str, *metrics: str) -> float:
    return scores(3, *metrics)[name]


def every_dice(truth: Maps, predicted: Maps, label: int) -> NDArray[np.float64]:
    """Dice of a class in each image by hand; NaN where neither side holds it."""
    both = ((truth == label) & (predicted == label)).sum(axis=(1, 2))
    each = (truth == label).sum(axis=(1, 2)) + (predicted == label).sum(axis=(1, 2))
    return np.where(each > 0, 2 * both / np.maximum(each, 1), np.nan)


def every_iou() -> float:
    dice = np.array([every_dice(*maps(3), label) for label in range(3)])
    return float(np.nanmean(dice / (2 - dice)))


def with_empty_as_one() -> float:
    dice = np.array([every_dice(*maps(3), label) for label in (1, 2)])
    return float(np.nan_to_num(dice, nan=1).mean())


EQUAL: Mapping[str, Callable[[], float]] = {
    "MulticlassJaccardIndex(C)": lambda: several("miou"),
    "MulticlassF1Score(C)": lambda: several("dice"),
    'DiceScore(C, average="macro")': lambda: several("dice_per_image"),
    'DiceScore(C, average="micro")': lambda: several("pixel_accuracy"),  # images of one size
    "MeanIoU(C)": every_iou,
    "BinaryF1Score()": lambda: binary("dice"),
    "DiceScore(2, include_background=False)": lambda: binary("dice_per_image"),
    "DiceMetric(include_background=False)": lambda: several("foreground_dice_true", "foreground-overlap"),
    "DiceMetric(include_background=False, ignore_empty=False)": with_empty_as_one,
}


def library(call: str) -> float:
    """What the call gives, as a user types it."""
    import torch
    from monai.metrics.meandice import DiceMetric
    from torchmetrics.classification import BinaryF1Score, MulticlassF1Score, MulticlassJaccardIndex
    from torchmetrics.segmentation import DiceScore, MeanIoU

    known = [BinaryF1Score, MulticlassF1Score, MulticlassJaccardIndex, DiceScore, MeanIoU, DiceMetric]
    places = {each.__name__: each for each in known}
    classes = 2 if "Binary" in call or "(2" in call else 3
    truth, predicted = (torch.tensor(each) for each in maps(classes))
    metric = eval(call, {"__builtins__": {}}, {**places, "C": classes})  # our own page
    if "DiceMetric" in call:
        metric(*(torch.nn.functional.one_hot(each, classes).movedim(-1, 1) for each in (predicted, truth)))
        return float(metric.aggregate())
    if call.startswith(("DiceScore", "MeanIoU")):
        metric.input_format = "index"
    return float(metric(predicted, truth))


def test_the_table_names_the_calls_that_are_computed_here() -> None:
    rows = dict(ROW.findall((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")))
    assert rows.keys() == EQUAL.keys()
    for call, text in rows.items():
        named = re.match(r"(?:the mean of every image's )?`(\w+)`", text)
        assert (named is None) == text.startswith("no score")
        if named is not None:
            assert named[1] in EQUAL[call].__code__.co_consts


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("call", EQUAL)
def test_a_call_of_a_library_equals_what_the_table_says(call: str) -> None:
    assert library(call) == pytest.approx(EQUAL[call](), abs=1e-6)  # the libraries count in 32-bit floats


def test_the_maps_tell_the_rules_apart() -> None:
    values = [round(each(), 4) for each in EQUAL.values()]
    assert len(set(values)) == len(values)
