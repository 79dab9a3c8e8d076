"""Annotated objects of COCO: `annotations/instances_*.json`, which is read with suspicion and once per process.

Reference: cocodataset.org, "Data format"; masks are made as `COCO.annToRLE` of pycocotools makes them.
"""

from __future__ import annotations

import contextlib
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

import numpy as np
from pycocotools import mask as mask_api

from ..io.images.rle import CheckedRLE, check_rle, rle_size, short
from ..io.read_once import ReadOnce
from ..io.text_files import parse_json
from ..text import some
from ..types import Array, DatasetInfo, Float64, Object, UserError

_MAX_LENGTH = 2_000_000
"""Pixels that an outline may be long."""
_KEPT = ("image_id", "category_id", "segmentation", "iscrowd", "area")
_NAMES = ("file_name", "source_id", "source_name")
"""What may be told of an image beside its id and size."""


def true_objects(path: Path, sample_id: str, info: DatasetInfo) -> tuple[Object, ...]:
    """Annotated objects of the image whose id is the number of a sample, in the order of the file.

    Raises
    ------
    UserError
        Naming the file and the field that is broken, or an image that it does not list.
    """
    images = annotated_images(path)
    image = images.get(int(sample_id)) if sample_id.isdecimal() and len(sample_id) < 20 else None
    if image is None:
        raise UserError(f"{path}: 'images' has no image of id {sample_id}; expected every image of the split there")
    return objects_of(image, path, info)


def objects_of(image: AnnotatedImage, path: Path, info: DatasetInfo) -> tuple[Object, ...]:
    """The objects of one image of a file, in its order; raises UserError naming the field that is broken."""
    things = {c.id for c in info.classes if c.kind == "thing"}
    labels = {category: label for category, label in info.label_of_category.items() if label in things}
    return tuple(
        _object(raw, image.size, labels, f"{path}: annotations[{number}]") for number, raw in image.annotations
    )


def annotated_sizes(path: Path) -> Mapping[int, tuple[int, int]]:
    """Height and width of every image that a file of annotations lists, by its id; raises as `true_objects`."""
    return {image_id: image.size for image_id, image in annotated_images(path).items()}


def agreement(objects: Sequence[Object], labels: Array, void: int) -> tuple[int, int]:
    """How many pixels of objects bear the label of an object there, and how many there are; crowds and void left out.

    Objects may cover one another; a pixel agrees with any of them.

    Parameters
    ----------
    objects : of one image, with checked masks of the size of `labels`.
    labels : (H, W) uint8
    """
    masks: dict[int, list[Any]] = {}
    for item in objects:
        if not item.crowd:
            masks.setdefault(item.label, []).append(item.mask)
    merged = {label: mask_api.merge(those) for label, those in masks.items()}
    if not merged:
        return 0, 0
    alike = sum(_shared(mask, labels == label) for label, mask in merged.items())
    return alike, _shared(mask_api.merge(list(merged.values())), labels != void)


def _shared(mask: Any, where: Array) -> int:
    encoded = mask_api.encode(np.asfortranarray(where, np.uint8))
    return int(mask_api.area(mask_api.merge([mask, encoded], intersect=True)))


def load_json(path: Path, object_hook: Any = None) -> Any:
    """The content of a JSON file, in which absurdly long integers become doubles.

    Raises UserError for what `parse_json` refuses.
    """
    try:
        return parse_json(path.read_bytes(), object_hook=object_hook, parse_int=_integer)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON that can be read ({error})") from error


def is_whole(value: object, low: int = 0, high: int = 2**53) -> TypeGuard[int]:
    """Whether a JSON value is an integer in a range (true and false are none)."""
    return type(value) is int and low <= value <= high


def is_finite(value: object) -> TypeGuard[float]:
    """Whether a JSON value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class AnnotatedImage:
    """An image of a file of annotations: height and width, its other fields, and its annotations with their places."""

    size: tuple[int, int]
    fields: Mapping[str, Any]
    annotations: list[tuple[int, Mapping[str, Any]]]


def _read_index(path: Path) -> Mapping[int, AnnotatedImage]:
    content = load_json(path, compact)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds {type(content).__name__} at the top; expected an object of COCO annotations")
    images: dict[int, AnnotatedImage] = {}
    for number, entry in enumerate(_list(path, content, "images")):
        where = f"{path}: images[{number}]"
        if not is_whole(entry.get("id")):
            _refuse(where, "id", entry, "an integer")
        if entry["id"] in images:
            raise UserError(f"{where}: 'id' {entry['id']} is that of an earlier image; expected different ones")
        size = rle_size({"size": [entry.get("height"), entry.get("width")]}, where)
        images[entry["id"]] = AnnotatedImage(size, {name: entry[name] for name in _NAMES if name in entry}, [])
    for number, entry in enumerate(_list(path, content, "annotations")):
        image_id = entry.get("image_id")
        image = images.get(image_id) if is_whole(image_id) else None
        if image is None:
            _refuse(f"{path}: annotations[{number}]", "image_id", entry, "the id of one of 'images'")
        image.annotations.append((number, entry))
    return images


annotated_images = ReadOnce(_read_index, files=2)  # train and val
"""Every image of a file of annotations, by its id; raises UserError as `true_objects` does."""


def _list(path: Path, content: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    entries = content.get(field)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{path}: '{field}' is {short(entries)}; expected a list of objects as in COCO annotations")
    return entries


def compact(entry: dict[str, Any]) -> dict[str, Any]:
    """What is needed of an annotation, polygons as arrays of doubles: those of train2017 fill gigabytes as lists."""
    outlines = entry.get("segmentation")
    if outlines is None:
        return entry
    kept = {name: entry[name] for name in _KEPT if name in entry}
    if isinstance(outlines, list):
        with contextlib.suppress(TypeError, OverflowError):  # named with its place when the image is read
            kept["segmentation"] = [array("d", outline) for outline in outlines]
    return kept


def _object(raw: Mapping[str, Any], size: tuple[int, int], labels: Mapping[int, int], where: str) -> Object:
    category, crowd, area = raw.get("category_id"), raw.get("iscrowd", 0), raw.get("area")
    if not is_whole(category) or category not in labels:
        _refuse(where, "category_id", raw, f"the id of a thing: {some([str(each) for each in sorted(labels)])}")
    if not is_whole(crowd, 0, 1):
        _refuse(where, "iscrowd", raw, "0 or 1")
    if area is not None and not (is_finite(area) and area >= 0):
        _refuse(where, "area", raw, "a number of pixels")
    mask = segmentation_mask(raw.get("segmentation"), size, f"{where}: 'segmentation'")
    return Object(labels[category], mask, crowd=bool(crowd), area=None if area is None else float(area))


def segmentation_mask(value: Any, size: tuple[int, int], where: str) -> CheckedRLE:
    """The mask that a `segmentation` means: the union of polygons (arrays of x, y), or a run-length encoding.

    Raises UserError, beginning with `where`, for anything else, and for one of another size than the image's.
    """
    if isinstance(value, Mapping):
        if rle_size(value, where) != size:
            raise UserError(f"{where}: its size is {value['size']}; the image is {list(size)} (height, width)")
        return check_rle(value, where)
    if not isinstance(value, list) or not value:
        raise UserError(f"{where} is {short(value)}; expected polygons or a run-length encoding")
    for number, outline in enumerate(value):
        if not isinstance(outline, array) or len(outline) < 6 or len(outline) % 2:
            raise UserError(f"{where}: polygon {number} is {short(outline)}; expected x, y of at least 3 points")
        check_outline(np.asarray(outline, np.float64).reshape(-1, 2), size, f"{where}: polygon {number}")
    merged = mask_api.merge(mask_api.frPyObjects([outline.tolist() for outline in value], *size))
    return CheckedRLE(size=list(size), counts=merged["counts"])


def check_outline(points: Float64, size: tuple[int, int], where: str) -> None:
    """Refuse an outline, points (N, 2) of x, y, that does not belong to an image of this height and width.

    Rasterising takes memory and time in proportion to its length. Raises UserError, beginning with `where`.
    """
    if not (np.abs(points) <= 2 * max(size)).all():
        raise UserError(f"{where} has a point far outside of the image, or NaN")
    if np.abs(points - np.roll(points, 1, axis=0)).sum() > _MAX_LENGTH + 100 * max(size):
        raise UserError(f"{where} is longer than {_MAX_LENGTH} pixels; no outline of an object is")


def _refuse(where: str, field: str, entry: Mapping[str, Any], expected: str) -> NoReturn:
    found = f"is {short(entry[field])}" if field in entry else "is missing"
    raise UserError(f"{where}: '{field}' {found}; expected {expected}")


def _integer(text: str) -> int | float:
    return int(text) if len(text) < 25 else float(text)
