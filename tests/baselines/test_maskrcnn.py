"""Mask R-CNN made semantic: objects from label maps, and label maps from objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from segbench.baselines.maskrcnn import MaskRCNN, components, place, segments
from segbench.datasets.cityscapes import Cityscapes
from segbench.datasets.cocostuff import COCOStuff
from segbench.methods.training.losses import IGNORE
from segbench.methods.training.precision import Compute
from segbench.types import ClassInfo, DatasetInfo
from small_networks import bands, configured, make

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


@pytest.mark.parametrize("box", [[2.0, 13.0, 8.0, 16.0], [13.5, 1.0, 15.0, 5.0], [13.0, 11.0, 16.0, 16.0]])
def test_nothing_is_left_of_an_object_beyond_the_image(box: list[float]) -> None:
    """Images are filled up to multiples of 32 for the network, which may find what it mirrored there."""
    rows, columns, placed = place(torch.ones(28, 28), box, (10, 12))
    assert placed.numel() == 0
    assert np.zeros((10, 12))[rows, columns].shape == placed.shape


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


def _class(info: DatasetInfo, name: str) -> ClassInfo:
    return next(each for each in info.classes if each.name == name)


def _method(info: DatasetInfo, task: str, objects: dict[str, torch.Tensor]) -> MaskRCNN:
    """A method whose network finds these objects in any image of 64 x 64."""
    method: Any = configured("maskrcnn", size=[64, 64], background="none", task=task)[0]
    network: Any = make("maskrcnn", outputs=len(info.classes), background="none")[0]
    network.objects = lambda images: [objects for _ in images]
    method._network, method._compute, method._dataset = network, Compute.choose("cpu", "fp32"), info
    found: MaskRCNN = method
    return found


def test_objects_are_the_things_in_the_size_of_the_image_the_surest_first() -> None:
    info = Cityscapes.info
    labels = [info.classes.index(_class(info, name)) + 1 for name in ("car", "person", "road")]
    boxes = ([0.0, 0.0, 16.0, 32.0], [32.0, 0.0, 64.0, 64.0], [0.0, 32.0, 64.0, 64.0])
    given = found(*zip(labels, (0.4, 0.8, 0.9), boxes, strict=True))
    (prediction,) = _method(info, "instance", given).predict([np.zeros((128, 256), np.uint8)])
    assert prediction.objects is not None
    assert [one.label for one in prediction.objects] == [_class(info, name).id for name in ("person", "car")]
    assert [one.score for one in prediction.objects] == pytest.approx([0.8, 0.4])
    masks = [np.asarray(one.mask) for one in prediction.objects]
    assert all(mask.shape == (128, 256) and mask.dtype == np.bool_ for mask in masks)
    # Twice as high and four times as wide as what the network saw; corners of a mask fade.
    for mask, rows, columns in ((masks[0], 128, slice(128, 256)), (masks[1], 64, slice(0, 64))):
        inside = mask[:rows, columns]
        assert inside[2:-2].all()
        assert inside[:, 2:-2].all()
        assert mask.sum() == inside.sum()


def test_segments_do_not_overlap_and_stuff_is_one_for_each_class() -> None:
    info = Cityscapes.info
    car, road = _class(info, "car"), _class(info, "road")

    def at(columns: slice) -> Any:
        mask = np.zeros((4, 12), np.bool_)
        mask[:, columns] = True
        return mask

    given = [
        *((car, 0.9, at(slice(0, 4))), (car, 0.8, at(slice(3, 6))), (car, 0.75, at(slice(1, 5)))),
        *((road, 0.7, at(slice(5, 8))), (road, 0.6, at(slice(9, 12))), (car, 0.4, at(slice(8, 9)))),
    ]
    made = segments(given, (4, 12), info, 0.5)
    # The third car keeps nothing, the last one is not sure enough.
    assert made.ids[0].tolist() == [1, 1, 1, 1, 2, 2, 3, 3, 0, 3, 3, 3]
    assert [(one.id, one.category) for one in made.segments] == [(1, car.id), (2, car.id), (3, road.id)]


def test_segments_are_of_the_classes_that_segments_have() -> None:
    info = COCOStuff.info
    person = _class(info, "person")
    category = next(each.id for each in info.segment_classes if each.name == "person")
    nameless = next(each for each in info.classes if each.name not in {one.name for one in info.segment_classes})
    mask = np.ones((2, 2), np.bool_)
    assert segments([(nameless, 0.9, mask)], (2, 2), info, 0.5).segments == ()
    (only,) = segments([(person, 0.9, mask)], (2, 2), info, 0.5).segments
    assert only.category == category


def test_what_was_trained_once_predicts_objects_too() -> None:
    method: Any = configured("maskrcnn", size=[64, 64])[0]
    assert method.predicts == "maps"
    method.predict_as({**method.config, "task": "panoptic"})
    assert method.predicts == "panoptic"
