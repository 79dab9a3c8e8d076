"""Properties of samples by which results can be told apart: how bright and sharp an image is, what objects it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from ..evaluation.anatomy import object_labels
from ..types import Array, DatasetInfo, Part, Sample

_ZONES = (("top left", "top", "top right"), ("left", "middle", "right"), ("bottom left", "bottom", "bottom right"))


@dataclass(frozen=True)
class Attribute:
    """One property: what it is, in a sentence, the part of a sample that it needs, and its value; None without one."""

    meaning: str
    part: Part
    of: Callable[[Sample, DatasetInfo], str | float | None]


def brightness(sample: Sample, info: DatasetInfo) -> float | None:
    """Mean luma of the image, 0 to 1."""
    del info
    grey = _grey(sample)
    return None if grey is None else float(grey.mean()) / 255


def sharpness(sample: Sample, info: DatasetInfo) -> float | None:
    """Variance of the Laplacian of the image's luma: low where it is blurred."""
    del info
    grey = _grey(sample)
    return None if grey is None else float(cv2.Laplacian(grey, cv2.CV_64F).var())


def object_size(sample: Sample, info: DatasetInfo) -> float | None:
    """Median number of pixels of the true objects; None without one."""
    found = _objects(sample, info)
    return float(np.median([pixels for pixels, _, _ in found])) if found else None


def object_position(sample: Sample, info: DatasetInfo) -> str | None:
    """The ninth of the image in which the middle of the largest true object lies; None without one."""
    found = _objects(sample, info)
    if not found or sample.labels is None:
        return None
    height, width = sample.labels.shape
    _, y, x = max(found)
    return _ZONES[min(2, int(3 * y / height))][min(2, int(3 * x / width))]


ATTRIBUTES: Mapping[str, Attribute] = {
    "size": Attribute("median pixels of the true objects", "labels", object_size),
    "position": Attribute("where the middle of the largest true object lies", "labels", object_position),
    "brightness": Attribute("mean luma of the image, 0 to 1", "image", brightness),
    "blur": Attribute("variance of the image's Laplacian (low: blurred)", "image", sharpness),
}
"""What can be asked for by name. Objects are connected regions (8 neighbours) of one class: of things where the dataset
has such, else of all but the background."""


def _grey(sample: Sample) -> Array | None:
    if sample.image is None:
        return None
    return sample.image if sample.image.ndim == 2 else np.asarray(cv2.cvtColor(sample.image, cv2.COLOR_RGB2GRAY))


def _objects(sample: Sample, info: DatasetInfo) -> list[tuple[int, float, float]]:
    """Pixels, row and column of the middle of every true object."""
    if sample.labels is None:
        return []
    found: list[tuple[int, float, float]] = []
    held = set(np.unique(sample.labels).tolist())
    for label in object_labels(info):
        if label not in held:
            continue
        count, _, stats, centres = cv2.connectedComponentsWithStats((sample.labels == label).astype(np.uint8))
        for number in range(1, count):
            x, y = centres[number].tolist()
            found.append((int(stats[number, cv2.CC_STAT_AREA]), y, x))
    return found
