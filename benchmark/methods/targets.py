"""Samples as small arrays for training: input and target of one size, prepared alike for learning and predicting."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from ..errors import UserError
from ..types import Array, DatasetInfo, Float32, Sample, Uint8
from .training.config import IGNORE, TrainingConfig


class Pair(NamedTuple):
    """One training example: image (H, W, C) uint8 and target (H, W) uint8, see `prepare_target`."""

    image: Uint8
    target: Uint8

    @property
    def nbytes(self) -> int:
        """Bytes of both arrays."""
        return self.image.nbytes + self.target.nbytes


def prepare_pair(sample: Sample, config: TrainingConfig, dataset: DatasetInfo) -> Pair:
    """The training example of a sample that has image and labels of one size; a UserError names one that has not."""
    if sample.image is None or sample.labels is None:
        raise UserError(f"sample '{sample.id}' has no image or no labels, so it cannot be learned from")
    if sample.image.shape[:2] != sample.labels.shape:
        found = f"image {sample.image.shape[:2]}, labels {sample.labels.shape}"
        raise UserError(f"sample '{sample.id}': image and labels differ in size ({found})")
    try:
        target = prepare_target(sample.labels, config, dataset)
    except UserError as error:
        raise UserError(f"sample '{sample.id}': {error}") from None
    return Pair(prepare_image(sample.image, config), target)


def prepare_image(image: Uint8, config: TrainingConfig) -> Uint8:
    """Grey or colour as configured, resized to `config.size`: (H, W) or (H, W, 3) uint8 to (H', W', C) uint8."""
    if config.input == "grey" and image.ndim == 3:
        image = _uint8(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    elif config.input == "rgb" and image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if config.size is not None and image.shape[:2] != tuple(config.size):
        height, width = config.size
        shrinks = height <= image.shape[0] and width <= image.shape[1]
        mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = _uint8(cv2.resize(image, (width, height), interpolation=mode))
    # Decoders may give arrays that must not be written to, which torch does not take.
    return np.require(image if image.ndim == 3 else image[..., None], requirements=["C", "W"])


def prepare_target(labels: Array, config: TrainingConfig, dataset: DatasetInfo) -> Uint8:
    """Label values to what is learned, resized to `config.size` without values in between.

    Parameters
    ----------
    labels : (H, W) integer label values of the dataset.
    config : `size` (height, width), or None for the labels' own.
    dataset : its task says how: binary to 1 (foreground) or 0, multiclass to the class's position in
        `dataset.classes`, and all void values (`dataset.void`) to `IGNORE`.

    Returns
    -------
    (H', W') uint8

    Raises
    ------
    UserError : a label value that is neither a class nor void, or so many classes that `IGNORE` would be one of them.
    """
    target = _positions(labels, dataset) if dataset.task == "multiclass" else _foreground(labels, dataset)
    if config.size is not None and target.shape != tuple(config.size):
        target = _uint8(cv2.resize(target, (config.size[1], config.size[0]), interpolation=cv2.INTER_NEAREST_EXACT))
    return target


def _foreground(labels: Array, dataset: DatasetInfo) -> Uint8:
    target: Uint8 = (labels == dataset.foreground).astype(np.uint8)
    for void in dataset.void:
        target[labels == void] = IGNORE
    return target


def _positions(labels: Array, dataset: DatasetInfo) -> Uint8:
    if len(dataset.classes) > IGNORE:
        raise UserError(f"'{dataset.name}' has {len(dataset.classes)} classes; at most {IGNORE} can be learned")
    position = dict.fromkeys(dataset.void, IGNORE) | {c.id: place for place, c in enumerate(dataset.classes)}
    if labels.dtype.kind == "u":
        position = {value: place for value, place in position.items() if value >= 0}
    low, high = min(0, *position), max(position)
    if labels.size and (labels.min() < low or labels.max() > high):
        raise _unknown_label(labels, position, dataset)
    # One look into a table is quicker than one comparison per class.
    table = np.full(high - low + 1, -1, dtype=np.int16)
    table[np.array(list(position)) - low] = list(position.values())
    target = table[labels if low == 0 else labels.astype(np.int64) - low]
    if target.min(initial=0) < 0:
        raise _unknown_label(labels, position, dataset)
    return target.astype(np.uint8)


def _unknown_label(labels: Array, known: dict[int, int], dataset: DatasetInfo) -> UserError:
    strange = sorted(set(np.unique(labels).tolist()) - set(known))
    more = " and others" if len(strange) > 1 else ""
    return UserError(
        f"label value {strange[0]}{more} is neither a class nor void of '{dataset.name}'. "
        f"Run 'bench data verify {dataset.name}'."
    )


def resize_probabilities(probabilities: Float32, shape: tuple[int, int]) -> Float32:
    """Bilinear resize of an (H, W) map to `shape`; values stay within those of the map."""
    if probabilities.shape == shape:
        return probabilities
    return np.asarray(cv2.resize(probabilities, shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _uint8(array: Array) -> Uint8:
    return np.asarray(array, dtype=np.uint8)
