"""Writing COCO results files: detected objects, and stuff (a label map as one mask for each class).

References: cocodataset.org, "Results format"; nightrome/cocostuffapi for stuff.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..io.atomic import output_path
from ..io.images.rle import check_rle, encode_rle
from ..types import Array, DatasetInfo, Object, UserError
from .coco_results import ImageId, is_number


def write_stuff_results(path: Path, pairs: Iterable[tuple[str, Array]], info: DatasetInfo) -> None:
    """Write label maps as results of stuff, one entry for each class of each image, image by image.

    Parameters
    ----------
    path : Path
        JSON file, replaced when all is written.
    pairs : iterable of (sample id, labels (H, W) integer)
        Label values of classes; the ignore label is left out.
    info : DatasetInfo

    Raises
    ------
    UserError
        For a label value of no class.
    """
    _write_entries(path, (entry for sample_id, labels in pairs for entry in _stuff_entries(sample_id, labels, info)))


def write_object_results(
    path: Path, pairs: Iterable[tuple[str, Sequence[Object]]], categories: Mapping[int, int] | None = None
) -> None:
    """Write objects as COCO results, in the order given: it decides between equal scores.

    Parameters
    ----------
    path : Path
        JSON file, replaced when all is written.
    pairs : iterable of (sample id, objects)
        An image without objects has no entry. An unsound mask is a UserError.
    categories : mapping, optional
        `DatasetInfo.category_ids`: the category of each label value, by default the label value + 1. Of a dataset that
        has its own, samples are named by text: its file of annotations may number them otherwise.
    """
    _write_entries(path, (entry for i, objects in pairs for entry in _object_entries(i, objects, categories)))


def _write_entries(path: Path, entries: Iterable[dict[str, Any]]) -> None:
    with output_path(path) as temporary, temporary.open("w", encoding="ascii") as file:
        separator = "[\n"
        for entry in entries:
            file.write(separator + json.dumps(entry, allow_nan=False))
            separator = ",\n"
        file.write("[]\n" if separator == "[\n" else "\n]\n")


def _object_entries(
    sample_id: str, objects: Iterable[Object], categories: Mapping[int, int] | None
) -> Iterator[dict[str, Any]]:
    for number, found in enumerate(objects):
        if isinstance(found.mask, np.ndarray):
            mask = encode_rle(found.mask)
        else:
            checked = check_rle(found.mask, f"object {number} of '{sample_id}'")
            mask = {"size": checked["size"], "counts": checked["counts"].decode("ascii")}
        yield {
            "image_id": sample_id if categories else _image_id(sample_id),
            "category_id": categories[int(found.label)] if categories else int(found.label) + 1,
            "segmentation": mask,
            "score": float(found.score),
        }


def _stuff_entries(sample_id: str, labels: Array, info: DatasetInfo) -> Iterator[dict[str, Any]]:
    for value in np.unique(labels).tolist():
        if value == info.ignore_label:
            continue
        if value not in info.predictable:
            raise UserError(f"prediction of sample '{sample_id}' holds label value {value}, no class of {info.name}")
        segmentation = encode_rle(labels == value)
        yield {"image_id": _image_id(sample_id), "category_id": value + 1, "segmentation": segmentation}


def _image_id(sample_id: str) -> ImageId:
    return int(sample_id) if is_number(sample_id) else sample_id
