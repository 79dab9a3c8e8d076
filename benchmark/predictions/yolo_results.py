"""Predicted objects as YOLO's text files: one for each image, a line `class x1 y1 x2 y2 … confidence` for each object.

Ultralytics writes them with `save_txt=True save_conf=True`; coordinates are parts of the image's width and height. What
they hold is an outline, not the mask itself. An image without a file has no objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.importing.outlines import MAX_POINTS, polygon
from ..io.images.read import IMAGE_SUFFIXES
from ..io.images.rle import short
from ..io.listing import files_below
from ..io.text_files import read_bounded_text
from ..text import some
from ..types import Dataset, DatasetInfo, Object, Prediction, PredictionSource, UserError
from .coco_results import image_size
from .matching import Found, SampleIds, extra_warnings, match_files, refuse_duplicates
from .other_splits import of_other_splits

_FARTHEST = 1.5
"""Parts of the size that a point may lie outside of the image."""


@dataclass(frozen=True)
class YoloResults:
    """The objects of one image: its text file, None where there is none."""

    sample_id: str
    path: Path | None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The text file."""
        return () if self.path is None else (self.path,)

    def read(self, dataset: Dataset) -> Prediction:
        """Objects in the order of the file, at the size of the truth; raises UserError naming a line that is wrong."""
        if self.path is None:
            return Prediction(objects=())
        size, labels = image_size(dataset, self.sample_id), labels_in_order(dataset.info)
        lines = enumerate(read_bounded_text(self.path).splitlines(), 1)
        found = (_object(line, labels, size, f"{self.path}, line {number}") for number, line in lines if line.strip())
        return Prediction(objects=tuple(found))


def find_yolo(
    dataset: Dataset, ids: Sequence[str], candidates: Sequence[Path], folder: Path, *, partial: bool = False
) -> Found | None:
    """Match text files below a folder with samples; None where none is of a sample, but images are: a note beside maps.

    Without `partial` an image without a file has no objects. Raises UserError where no file is of a sample, or several
    are.
    """
    others = dataset.image_ids(ids)
    matched, extra = match_files(dataset, SampleIds(ids), candidates, folder)
    lost = set(extra)
    for path in candidates:
        name, sample_id = str(path.relative_to(folder)), others.get(path.stem)
        if name in lost and sample_id is not None:
            matched.setdefault(sample_id, []).append(path)
            extra.remove(name)
    refuse_duplicates(matched, folder)
    if not matched:
        if match_files(dataset, SampleIds(ids), files_below(folder, IMAGE_SUFFIXES), folder)[0]:
            return None
        raise UserError(
            f"'{folder}' holds {len(candidates)} text files, and none is called as a sample of the split: "
            f"{some(extra, 5)}. Expected names such as {ids[0]}.txt"
        )
    files: dict[str, PredictionSource] = {
        i: YoloResults(i, matched[i][0] if i in matched else None) for i in ids if i in matched or not partial
    }
    where = of_other_splits(dataset, ids, extra, folder)
    empty = len(ids) - len(matched)
    without = (
        () if partial or not empty else (f"{empty} of {len(ids)} images have no text file: no objects were found",)
    )
    return Found(files, (*without, *extra_warnings(extra, where)), kind="objects")


def labels_in_order(info: DatasetInfo) -> list[int]:
    """The label value of every class number: things by their category, which YOLO counts from 0 without gaps."""
    things = {c.id for c in info.classes if c.kind == "thing"}
    return [label for _, label in sorted(info.label_of_category.items()) if label in things]


def _object(line: str, labels: Sequence[int], size: tuple[int, int], where: str) -> Object:
    words = line.split()
    try:
        values = np.array([float(word) for word in words[: 2 * MAX_POINTS]])
    except ValueError:
        raise UserError(
            f"{where}: is {short(line)}; expected a class, x and y of each point, and a confidence"
        ) from None
    if not values[0].is_integer() or not 0 <= values[0] < len(labels):
        raise UserError(f"{where}: the class is {words[0][:20]}; expected 0 to {len(labels) - 1}")
    if len(values) in (5, 6):
        raise UserError(
            f"{where}: is a box, which is no mask; expected outlines, as a network for segmentation has them"
        )
    if len(values) < 8 or len(values) % 2:
        hint = "" if len(values) < 7 else ". Predict again with save_conf=True"
        raise UserError(
            f"{where}: holds {len(values)} numbers; expected a class, x, y of 3 points or more and a confidence{hint}"
        )
    points, score = values[1:-1].reshape(-1, 2), float(values[-1])
    if not ((np.abs(points) <= _FARTHEST).all() and 0 <= score <= 1):
        raise UserError(
            f"{where}: points are from {points.min():g} to {points.max():g} and the confidence is {score:g}; expected "
            "parts of the image's width and height, and a number from 0 to 1"
        )
    height, width = size
    return Object(labels[int(values[0])], polygon(np.clip(points, 0, 1) * (width, height), size, where), score)
