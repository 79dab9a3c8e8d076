"""Targets of label maps, and images as a network gets them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_trainings import settings

from segbench.datasets.cityscapes import Cityscapes
from segbench.datasets.cocostuff import COCOStuff
from segbench.datasets.isbi2012 import ISBI2012
from segbench.datasets.voc2012 import VOC2012
from segbench.errors import UserError
from segbench.methods.targets import prepare_image, prepare_target, resize_probabilities
from segbench.methods.training.losses import IGNORE
from segbench.types import ClassInfo, DatasetInfo
from small_stack import write_stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ISBI2012:
    return write_stack(tmp_path_factory.mktemp("isbi2012"))


def test_targets_of_ignored_pixels_and_of_a_foreground_that_is_not_1(dataset: ISBI2012) -> None:
    info = replace(dataset.info, foreground=7, ignore_label=9)
    target = prepare_target(np.array([[0, 7, 9]]), settings(), info)
    assert target.tolist() == [[0, 1, IGNORE]]
    wide = prepare_target(np.array([[0, 7, 9]]).repeat(10, axis=1), settings(size=[8, 17]), info)
    assert set(np.unique(wide)) == {0, 1, IGNORE}


def test_unscored_labels_of_two_classes_are_ignored_as_their_pixels_are_not_scored() -> None:
    info = replace(ISBI2012.info, foreground=7, ignore_label=9, unscored=(ClassInfo(3, "blur", (0, 0, 0)),))
    assert prepare_target(np.array([[0, 7, 9, 3]]), settings(), info).tolist() == [[0, 1, IGNORE, IGNORE]]


@pytest.mark.parametrize("info", [VOC2012.info, COCOStuff.info, Cityscapes.info], ids=lambda info: info.name)
def test_targets_of_many_classes_are_positions_and_void_is_ignored(info: DatasetInfo) -> None:
    for dtype in (np.uint8, np.int32) if min(info.void) >= 0 else (np.int32,):
        values = np.array([*(c.id for c in info.classes), *sorted(info.void)], dtype=dtype)
        target = prepare_target(values[None], settings(), info)
        assert target.dtype == np.uint8
        assert target[0].tolist() == [*range(len(info.classes)), *[IGNORE] * len(info.void)]
    labels = np.array([[info.classes[3].id, *info.void]], dtype=np.int16).repeat(20, axis=1)
    wide = prepare_target(labels, settings(size=[9, 37]), info)
    assert wide.shape == (9, 37)
    assert set(np.unique(wide)) == {3, IGNORE}


def test_unsigned_labels_of_a_dataset_with_a_negative_void_value() -> None:
    """Cityscapes' license plate is -1 in its table; the files hold unsigned values."""
    info = replace(Cityscapes.info, ignore_label=-1)
    labels = np.array([[7, 33, 0]], dtype=np.uint8)
    assert prepare_target(labels, settings(), info).tolist() == [[0, 18, IGNORE]]
    assert prepare_target(labels.astype(np.int16) * 0 - 1, settings(), info).tolist() == [[IGNORE] * 3]


@pytest.mark.parametrize("value", [21, 254, 300, -1])
def test_a_label_value_that_is_no_class_is_a_message(value: int) -> None:
    with pytest.raises(UserError, match=rf"label value {value} is neither a class nor void of 'voc2012'"):
        prepare_target(np.array([[0, value]]), settings(), VOC2012.info)


def test_more_classes_than_a_target_can_tell_from_void_are_refused() -> None:
    classes = tuple(ClassInfo(n, f"class {n}", (0, 0, 0)) for n in range(IGNORE + 1))
    info = replace(VOC2012.info, classes=classes, ignore_label=None)
    with pytest.raises(UserError, match="256 classes; at most 255"):
        prepare_target(np.zeros((2, 2), np.uint8), settings(), info)
    fits = replace(info, classes=classes[:IGNORE])
    assert prepare_target(np.array([[254]]), settings(), fits).tolist() == [[254]]


@pytest.mark.parametrize(("kind", "shape"), [("grey", (8, 12, 1)), ("rgb", (8, 12, 3))])
def test_images_are_prepared_alike_from_grey_and_colour(kind: str, shape: tuple[int, ...]) -> None:
    config = settings(input=kind, size=[8, 12])
    grey = np.full((30, 30), 77, dtype=np.uint8)
    from_grey, from_color = prepare_image(grey, config), prepare_image(np.dstack([grey] * 3), config)
    assert from_grey.shape == shape
    assert (from_grey == 77).all()
    assert np.array_equal(from_grey, from_color)


@pytest.mark.parametrize("shape", [(9, 11), (9, 11, 3)])
def test_an_image_that_must_not_be_written_to_is_copied(shape: tuple[int, ...]) -> None:
    image = np.zeros(shape, np.uint8)
    image.flags.writeable = False
    prepared = prepare_image(image, settings(input="grey" if len(shape) == 2 else "rgb"))
    assert prepared.flags.writeable
    assert prepared.flags.c_contiguous
    assert not np.shares_memory(prepared, image)


def test_resized_probabilities_stay_in_range() -> None:
    small = np.random.default_rng(0).random((5, 9), dtype=np.float32)
    large = resize_probabilities(small, (31, 17))
    assert large.shape == (31, 17)
    assert small.min() <= large.min()
    assert large.max() <= small.max()
