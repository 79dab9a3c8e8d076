"""True and predicted masks of the classes that an image holds, and the rows that are made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from ..types import Array, ClassInfo, DatasetInfo, Metric, Prediction, Sample, Statistic
from .class_maps import class_maps
from .class_means import named_classes
from .joint_counts import shared_counts
from .label_checks import check_labels, class_labels, true_labels

Box = tuple[slice, slice]


def class_masks(sample: Sample, prediction: Prediction, info: DatasetInfo) -> Iterator[tuple[int, Array, Array, Box]]:
    """Of each class that either side holds its label, both masks (h, w) bool, and the part of the image that they are.

    The part is the smallest box that holds the class on both sides. Void pixels of the truth belong to no mask.

    Raises
    ------
    UserError
        For a prediction of another size, or a label value that the dataset does not know.
    """
    classes = named_classes(info)
    true, found = checked_maps(sample, prediction, info, classes)
    held = np.union1d(*(np.unique(each) for each in (true, found)))
    for place in held[held > 0].tolist():
        masks = true == place, found == place
        left, top, width, height = cv2.boundingRect((masks[0] | masks[1]).view(np.uint8))
        box = slice(top, top + height), slice(left, left + width)
        yield classes[place - 1].id, masks[0][box], masks[1][box], box


def checked_maps(
    sample: Sample, prediction: Prediction, info: DatasetInfo, classes: Sequence[ClassInfo]
) -> tuple[Array, Array]:
    """The true and the predicted map of these classes, as `class_maps` has them.

    Raises
    ------
    UserError
        For a prediction of another size, or a label value that the dataset does not know.
    """
    labels = true_labels(sample), class_labels(sample, prediction, info)
    check_labels(sample.id, *shared_counts(*labels)[:2], info)
    return class_maps(*labels, classes, info.void)


def statistic_of_rows(metric: Metric, sample: Sample, rows: Sequence[tuple[int, ...]]) -> Statistic:
    """The statistic of a family of int64 columns from its rows, in the order of the columns."""
    table = np.array(rows, np.int64).reshape(len(rows), len(metric.columns))
    columns = {name: np.ascontiguousarray(table[:, place]) for place, name in enumerate(metric.columns)}
    return Statistic(metric.name, sample.id, sample.group, sample.index, columns)
