"""What an `Evaluator` takes: tensors, arrays, logits, masks, numbers of instances, and what it refuses."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

from segbench import Evaluator
from segbench.errors import UserError

LABELS = np.zeros((2, 4, 5), np.int64)


def _scores_of(prediction: Any, target: Any, **arguments: Any) -> tuple[Evaluator, dict[str, float]]:
    evaluator = Evaluator(**arguments)
    evaluator.update(prediction, target)
    return evaluator, evaluator.compute()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "float64"])
def test_tensors_arrays_logits_and_labels_are_one(kind: str) -> None:
    import torch

    generator = torch.Generator().manual_seed(1)
    logits = (20 * torch.randn(2, 3, 5, 4, generator=generator)).to(getattr(torch, kind)).requires_grad_()
    target = torch.randint(0, 3, (2, 5, 4), generator=generator)
    labels = logits.argmax(1).numpy().astype(np.uint8)
    set_ = {"num_classes": 3}
    _, expected = _scores_of(labels, target.numpy(), **set_)
    assert _scores_of(logits, target, **set_)[1] == expected
    assert _scores_of(logits.detach().float().numpy(), target[:, None], **set_)[1] == expected
    if torch.cuda.is_available():
        assert _scores_of(logits.cuda(), target.cuda(), **set_)[1] == expected
    one = Evaluator(num_classes=3)
    for image, truth in zip(logits, target, strict=True):
        one.update(image, truth.to(torch.uint8))  # (C, H, W) and (H, W)
    assert one.compute() == expected
    assert len(one) == 2


def test_class_positions_of_logits_become_label_values_of_the_dataset() -> None:
    evaluator = Evaluator("cityscapes")
    positions = np.arange(19).reshape(1, 19)
    logits = np.eye(19, dtype=np.float32)[positions].transpose(2, 0, 1)
    target = np.array([[c.id for c in evaluator.info.classes]], np.uint8)
    evaluator.update(logits, target, "aachen_000000_000019")
    assert evaluator.compute()["iou_class"] == 1.0
    assert math.isnan(evaluator.compute()["iiou_class"])  # no instances were given


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (3, 1, 4, 5)])
def test_binary_probabilities_masks_and_logits(shape: tuple[int, ...]) -> None:
    import torch

    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    target = (torch.randn(shape, generator=torch.Generator().manual_seed(1)) > 0).long()
    _, expected = _scores_of((logits > 0).numpy(), target, num_classes=1)
    assert 0 < expected["dice"] < 1
    for form in (logits.sigmoid(), (logits > 0).to(torch.int32), logits.sigmoid().double().numpy()):
        assert _scores_of(form, target, classes=["cell"])[1] == expected
    with pytest.raises(UserError, match=r"sigmoid.*logits > 0"):
        _scores_of(logits, target, num_classes=1)


def test_exactly_one_half_is_background_in_every_precision() -> None:
    import torch

    half = torch.full((1, 2), 0.5, dtype=torch.bfloat16)
    assert _scores_of(half, torch.ones(1, 2, dtype=torch.long), num_classes=1)[1]["dice"] == 0.0


def test_void_of_a_binary_task_is_dropped() -> None:
    _, scores = _scores_of(np.array([[1, 1, 0]]), np.array([[1, -100, 0]]), num_classes=1, ignore_index=-100)
    assert scores["dice"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "exactly one"),
        ({"num_classes": 3, "classes": ["a"]}, "exactly one"),
        ({"dataset": "citiscapes"}, "Did you mean 'cityscapes'"),
        ({"dataset": "voc2012", "ignore_index": 255}, "its own classes"),
        ({"num_classes": 0}, "from 1"),
        ({"num_classes": 2.0}, "from 1"),
        ({"classes": []}, "classes is empty"),
        ({"classes": "cat"}, "sequence of names"),
        ({"classes": ["a", "a"]}, "different names"),
        ({"num_classes": 3, "task": "binary"}, "does not fit 3 classes"),
        ({"num_classes": 3, "ignore_index": 2}, "is a class"),
        ({"num_classes": 3, "metrics": ("overlop",)}, "Did you mean 'overlap'"),
        ({"num_classes": 3, "metrics": ("partition",)}, "scores binary tasks"),
        ({"num_classes": 3, "metrics": "overlap"}, "expected a sequence"),
    ],
    ids=str,
)
def test_no_evaluator_of_nonsense(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Evaluator(**arguments)


@pytest.mark.parametrize(
    ("prediction", "target", "more", "words"),
    [
        (np.zeros((2, 4, 6), int), LABELS, {}, r"4 x 6.*4 x 5"),
        (np.zeros((3, 4, 5), int), LABELS, {}, "3 x 4 x 5.*N = 2"),
        (np.zeros((2, 4, 5)), LABELS, {}, "float64 of shape 2 x 4 x 5.*integer labels"),
        (np.zeros((2, 3, 4, 5), int), LABELS, {}, "int64 of shape 2 x 3 x 4 x 5"),
        (np.zeros((2, 7, 4, 5)), LABELS, {}, "3 classes along axis 1"),
        (np.full((2, 3, 4, 5), np.nan), LABELS, {}, "NaN"),
        (np.full((2, 4, 5), 3), LABELS, {}, "label value 3"),
        (LABELS, LABELS + 3, {}, "ground truth.*label value 3"),
        (LABELS, LABELS.astype(float), {}, "target holds float64"),
        (LABELS, np.zeros(5, int), {}, "target has shape 5"),
        (LABELS, LABELS, {"ids": ["a"]}, "1 ids for 2 samples"),
        (LABELS, LABELS, {"ids": ["a", "a"]}, "'a' was counted before"),
        (LABELS, LABELS, {"ids": [1.5, 2]}, "an id is a text or a whole number"),
        (LABELS, LABELS, {"instances": LABELS[:1]}, "instances are of shape"),
        (LABELS, LABELS, {"groups": ["g"]}, "1 groups for 2 samples"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_of_it_is_counted(
    prediction: Any, target: Any, more: dict[str, Any], words: str
) -> None:
    evaluator = Evaluator(num_classes=3)
    with pytest.raises(UserError, match=words):
        evaluator.update(prediction, target, **more)
    assert len(evaluator) == 0
    assert len(evaluator.statistics) == 0
    evaluator.update(LABELS, LABELS, ["a", "b"])
    assert evaluator.compute()["miou"] == 1.0


@pytest.mark.parametrize("whole", [np.int64, np.uint8, np.array])
def test_whole_numbers_of_numpy_are_whole_numbers(whole: Any) -> None:
    evaluator = Evaluator(num_classes=whole(3), ignore_index=whole(255))
    assert evaluator.info == Evaluator(num_classes=3, ignore_index=255).info
    evaluator.update(LABELS, LABELS)
    assert evaluator.compute()["miou"] == 1.0


@pytest.mark.parametrize("odd", [True, np.True_, 3.0, np.float64(3), "3", 0, np.int64(-1)])
def test_other_numbers_of_classes_are_refused(odd: Any) -> None:
    with pytest.raises(UserError, match=r"num_classes is .*; expected a whole number"):
        Evaluator(num_classes=odd)


def test_a_sample_counts_once() -> None:
    import torch

    evaluator = Evaluator(num_classes=3)
    evaluator.update(LABELS, LABELS, torch.tensor([7, 8]))
    assert 7 in evaluator
    assert "8" in evaluator
    assert 9 not in evaluator
    with pytest.raises(UserError, match="'8' was counted before"):
        evaluator.update(LABELS, LABELS, [9, 8])
    assert 9 not in evaluator
    with pytest.raises(UserError, match="some samples were given with ids"):
        evaluator.update(LABELS, LABELS)
    evaluator.reset()
    assert len(evaluator) == 0
    assert all(math.isnan(value) for value in evaluator.compute().values())
    assert evaluator.per_class() == {}
    with pytest.raises(UserError, match="no sample"):
        evaluator.scores()
    evaluator.update(LABELS, LABELS)
    assert len(evaluator) == 2


def test_without_the_instances_of_every_sample_their_scores_are_undefined() -> None:
    evaluator = Evaluator("cityscapes")
    labels = np.full((2, 3), 26, np.uint8)
    evaluator.update(labels, labels, "a", instances=np.full((2, 3), 26001, np.int32))
    assert evaluator.compute()["iiou_class"] == 1.0
    evaluator.update(labels, labels, "b")
    assert math.isnan(evaluator.compute()["iiou_class"])
    assert evaluator.compute()["iou_class"] == 1.0


def test_numbers_of_predicted_instances_are_taken_where_the_true_ones_are_given() -> None:
    true = np.kron(np.arange(1, 5).reshape(2, 2), np.ones((6, 6), int))
    true[:, 5] = true[5] = 0
    predicted = np.where(true == 4, 3, true)  # two that are one
    evaluator = Evaluator(num_classes=2, task="binary", metrics=["binary-overlap", "instance-matching"])
    evaluator.update(predicted[None], (true > 0)[None].astype(int), ["a"], instances=true[None])
    found = evaluator.compute()
    assert found["dice"] == 1
    assert (found["precision_50"], found["recall_50"], found["count_error"]) == (1, 3 / 4, 1)
    evaluator.reset()
    with pytest.raises(UserError, match="prediction"):
        evaluator.update(predicted, (true > 0).astype(int), "a")


TWO_PIECES = np.array([[1, 0, 1]])


@pytest.mark.parametrize("number", [1, 2, 255])
def test_numbers_of_one_instance_are_no_mask_where_that_is_said(number: int) -> None:
    evaluator = Evaluator(num_classes=1, metrics=["instance-matching"])
    evaluator.update(TWO_PIECES * number, TWO_PIECES, instances=TWO_PIECES, numbered=True)
    assert evaluator.compute()["f1_50"] == 1


@pytest.mark.parametrize("number", [1, 2, 255])
def test_numbers_of_a_batch_are_told_by_all_of_its_images(number: int) -> None:
    several = np.array([[3, 0, 4]])
    evaluator = Evaluator(num_classes=1, metrics=["instance-matching"])
    truth = np.stack([TWO_PIECES, several])
    evaluator.update(np.stack([TWO_PIECES * number, several]), (truth > 0).astype(int), instances=truth)
    found = evaluator.compute()
    assert (found["f1_50"], found["count_error"]) == (1, 0)


def test_masks_are_masks_and_what_was_assumed_of_integers_is_said() -> None:
    def f1(prediction: Any, **values: Any) -> float:
        evaluator = Evaluator(num_classes=1, metrics=["instance-matching"])
        evaluator.update(prediction, TWO_PIECES, instances=TWO_PIECES, **values)
        return evaluator.compute()["f1_50"]

    with pytest.warns(UserWarning, match="numbered=True"):
        as_mask = f1(TWO_PIECES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f1(TWO_PIECES > 0) == f1(TWO_PIECES, numbered=False) == as_mask < 1
        assert f1(TWO_PIECES.astype(float)) == as_mask
    with pytest.raises(UserError, match="numbered=True: the prediction holds float64; expected integers"):
        f1(TWO_PIECES.astype(float), numbered=True)
    with pytest.raises(UserError, match="label value 255"):
        f1(TWO_PIECES * 255)
    with pytest.raises(UserError, match="label values 3-4"):
        f1(np.array([[3, 0, 4]]), numbered=False)
    with pytest.raises(UserError, match="labels of several classes"):
        Evaluator(num_classes=3).update(LABELS, LABELS, numbered=True)
