"""Mask R-CNN made semantic: objects from label maps, and label maps from objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from segbench.baselines.maskrcnn import components, place
from segbench.methods.training.losses import IGNORE
from small_networks import bands, make

pytestmark = pytest.mark.slow


def test_objects_are_the_connected_components_of_each_class() -> None:
    target = np.zeros((8, 10), np.uint8)
    target[0:2, 0:3] = 1
    target[2, 3] = 1  # touches by its corner
    target[5:8, 7:10] = 1
    target[4, 0:2] = 2
    target[0, 9] = 2
    target[3:5, 5:7] = IGNORE
    values, boxes, masks = components(target, first=1, smallest=2, most=10)
    assert values.tolist() == [1, 1, 2]
    assert boxes.tolist() == [[7, 5, 10, 8], [0, 0, 4, 3], [0, 4, 2, 5]]
    assert masks.sum((1, 2)).tolist() == [9, 7, 2]
    assert masks[1, 2, 3]
    assert np.array_equal(target * (masks[:2].sum(0) > 0), (masks[:2].sum(0) > 0).astype(np.uint8))
    assert components(target, first=1, smallest=1, most=2)[0].tolist() == [1, 1]
    assert 0 in components(target, first=0, smallest=1, most=10)[0]


@pytest.mark.parametrize("value", [0, IGNORE])
def test_an_image_without_objects(value: int) -> None:
    values, boxes, masks = components(np.full((4, 6), value, np.uint8), 1, 1, 10)
    assert (values.shape, boxes.shape, masks.shape) == ((0,), (0, 4), (0, 4, 6))


def test_a_mask_fills_its_box_and_nothing_else() -> None:
    rows, columns, placed = place(torch.ones(28, 28), [2.0, 1.0, 8.0, 5.0], (10, 12))
    assert (rows, columns) == (slice(1, 5), slice(2, 8))
    assert torch.allclose(placed, torch.ones(4, 6))
    # Beyond the image nothing is placed.
    rows, columns, placed = place(torch.ones(28, 28), [-4.0, -4.0, 20.0, 6.0], (10, 12))
    assert (rows, columns) == (slice(0, 6), slice(0, 12))
    assert placed.shape == (6, 12)


def test_a_mask_is_read_at_the_centres_of_the_images_pixels() -> None:
    ramp = ((torch.arange(28) + 0.5) / 28).expand(28, 28)
    for left in (3.0, 3.25, 2.8):
        _, columns, placed = place(ramp, [left, 0.0, left + 14, 14.0], (16, 20))
        wanted = (torch.arange(columns.start, columns.stop) + 0.5 - left) / 14
        assert torch.allclose(placed[4, 2:-2], wanted[2:-2], atol=1e-5)


def found(*objects: tuple[int, float, list[float]]) -> dict[str, torch.Tensor]:
    """What the detector says: label, score and box of objects whose masks are full."""
    return {
        "labels": torch.tensor([label for label, _, _ in objects], dtype=torch.int64),
        "scores": torch.tensor([score for _, score, _ in objects]),
        "boxes": torch.tensor([box for *_, box in objects]).reshape(-1, 4),
        "masks": torch.ones(len(objects), 1, 28, 28),
    }


def test_probabilities_are_the_largest_score_times_mask_and_the_background_has_the_rest() -> None:
    objects = found((1, 0.6, [0.0, 0.0, 4.0, 4.0]), (1, 0.9, [2.0, 0.0, 6.0, 4.0]), (2, 0.5, [2.0, 0.0, 4.0, 4.0]))
    network: Any = make("maskrcnn", outputs=3)[0]
    logits = network._logits(objects, (4, 8))
    weights = logits.exp()[:, 0]
    assert weights[1].tolist() == pytest.approx([0.6, 0.6, 0.9, 0.9, 0.9, 0.9, 0, 0], abs=1e-5)
    assert weights[2].tolist() == pytest.approx([0, 0, 0.5, 0.5, 0, 0, 0, 0], abs=1e-5)
    assert weights[0].tolist() == pytest.approx([0.4, 0.4, 0.1, 0.1, 0.1, 0.1, 1, 1], abs=1e-5)
    binary: Any = make("maskrcnn", outputs=1)[0]
    probabilities = binary._logits(found((1, 0.6, [0.0, 0.0, 4.0, 4.0])), (4, 8)).sigmoid()
    assert probabilities.shape == (1, 4, 8)
    assert probabilities[0, 0].tolist() == pytest.approx([0.6] * 4 + [0] * 4, abs=1e-5)


def test_without_a_background_every_class_has_objects() -> None:
    network: Any = make("maskrcnn", outputs=3, background="none")[0]
    assert network.detector.roi_heads.box_predictor.cls_score.out_features == 4
    objects = network._objects(bands(64)[1][0])
    assert sorted(objects["labels"].tolist()) == [1, 2, 3]
    logits = network._logits(found((1, 0.7, [0.0, 0.0, 8.0, 4.0])), (4, 8))
    assert logits.shape == (3, 4, 8)
    assert (logits.argmax(0) == 0).all()


def test_a_batch_without_any_object_trains_the_proposals() -> None:
    network: Any = make("maskrcnn")[0].train()
    loss = network.training_loss(torch.rand(2, 1, 64, 64), torch.zeros(2, 64, 64, dtype=torch.uint8), None)
    loss.backward()
    assert loss.isfinite()
    assert network.detector.rpn.head.cls_logits.weight.grad.abs().sum() > 0


def test_nothing_found_is_background() -> None:
    network: Any = make("maskrcnn", outputs=3)[0]
    assert (network._logits(found(), (4, 8)).argmax(0) == 0).all()
