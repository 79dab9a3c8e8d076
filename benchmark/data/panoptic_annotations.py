"""COCO's panoptic format: a JSON file that says what the segments are, and a folder of PNG files that say where.

True annotations and results have the same form; only annotations list images and categories. The file is read with
suspicion and once per process. Reference: cocodataset.org, "Data format" and "Results format", Panoptic Segmentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, NoReturn

import numpy as np

from ..io.images.rle import short
from ..io.images.segment_ids import MAX_ID, read_segment_ids, write_segment_ids
from ..io.read_once import ReadOnce
from ..metrics.label_checks import label_counts
from ..text import runs_of
from ..types import ClassInfo, Panoptic, Segment, UserError
from .coco_annotations import is_whole, load_json

ImageId = int | str


@dataclass(frozen=True)
class Annotated:
    """The segments of one image, and the name of its PNG file."""

    image_id: ImageId
    file_name: str
    segments: tuple[Segment, ...]

    def read(self, path: Path) -> Panoptic:
        """Decode its PNG file. Raises UserError where that and the JSON do not name the same segments."""
        return panoptic_of(path, self.segments, f"image {self.image_id}")


@dataclass(frozen=True)
class Annotations:
    """What a file says: images by id in the order of their annotations, names of their pictures, and categories.

    pictures : file names of the pictures by image id, where the file lists them. categories : empty of results.
    """

    path: Path
    images: Mapping[ImageId, Annotated]
    pictures: Mapping[ImageId, str]
    categories: tuple[ClassInfo, ...]


def true_segments(png: Path, json_file: Path, image_id: ImageId) -> Panoptic:
    """True segments of one image. Raises UserError as `read_annotations` and `panoptic_of` do, and for a new image."""
    annotated = read_annotations(json_file).images.get(image_id)
    if annotated is None:
        raise UserError(f"{json_file}: has no annotation of image {image_id}; expected one of every image of the split")
    return annotated.read(png)


def panoptic_of(path: Path, segments: tuple[Segment, ...], what: str) -> Panoptic:
    """The segments of a PNG file. Raises UserError where it holds others than these."""
    ids = read_segment_ids(path)
    held, listed = set(label_counts(ids)) - {0}, {segment.id for segment in segments}
    for odd, where in ((held - listed, "the PNG and not in the JSON"), (listed - held, "the JSON and not in the PNG")):
        if odd:
            raise UserError(f"{path}: segments {runs_of(sorted(odd))} of {what} are in {where}; expected each in both")
    return Panoptic(ids, segments)


def is_panoptic_json(path: Path) -> bool:
    """Whether a JSON file is an object that names segments; a list, as other results are, is not read to its end."""
    try:
        with path.open("rb") as file:
            if not file.read(4096).lstrip().startswith(b"{"):
                return False
        return b'"segments_info"' in path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def read_annotations(path: Path) -> Annotations:
    """Read a JSON file of annotations or results; again only when it has changed.

    Raises
    ------
    UserError
        Naming the file and the field that is broken.
    """
    return _known(path)


def _read(path: Path) -> Annotations:
    content = load_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds {short(content)}; expected an object with 'annotations', as COCO's format has")
    categories = tuple(_categories(path, content))
    known = {each.id for each in categories} if categories else None
    pictures = {}
    listed: set[ImageId] = set()
    for number, entry in enumerate(_list(path, content, "images", required=False)):
        image_id = _image_id(f"{path}: images[{number}]", "id", entry)
        if image_id in listed:
            raise UserError(
                f"{path}: images[{number}]: 'id' {short(image_id)} is that of an earlier image; expected different ones"
            )
        listed.add(image_id)
        if isinstance(entry.get("file_name"), str):
            pictures[image_id] = entry["file_name"]
    images: dict[ImageId, Annotated] = {}
    for number, entry in enumerate(_list(path, content, "annotations")):
        where = f"{path}: annotations[{number}]"
        image_id = _image_id(where, "image_id", entry)
        if image_id in images:
            raise UserError(f"{where}: image {image_id} was annotated before; expected one annotation of each image")
        images[image_id] = Annotated(image_id, _file_name(where, entry), tuple(_segments(where, entry, known)))
    return Annotations(path, images, pictures, categories)


_known = ReadOnce(_read, files=4)  # truth and results of two splits


def _list(path: Path, content: Mapping[str, Any], field: str, *, required: bool = True) -> list[dict[str, Any]]:
    entries = content.get(field, None if required else [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{path}: '{field}' is {short(entries)}; expected a list of objects, as COCO's format has")
    return entries


def _image_id(where: str, field: str, entry: Mapping[str, Any]) -> ImageId:
    image_id: Any = entry.get(field)
    if not is_whole(image_id) and not (isinstance(image_id, str) and image_id):
        _refuse(where, field, entry, "an integer or text")
    return image_id


def _file_name(where: str, entry: Mapping[str, Any]) -> str:
    """The PNG file's name, which stays inside its folder."""
    name: Any = entry.get("file_name")
    if not isinstance(name, str) or not name.lower().endswith(".png") or not name.isprintable():
        _refuse(where, "file_name", entry, "the name of a PNG file")
    if Path(name).is_absolute() or PureWindowsPath(name).anchor or ".." in Path(name).parts or "\\" in name:
        raise UserError(f"{where}: 'file_name' {short(name)} leads out of its folder; expected a name inside it")
    return name


def _segments(where: str, entry: Mapping[str, Any], known: set[int] | None) -> Iterator[Segment]:
    raw = entry.get("segments_info")
    if not isinstance(raw, list) or not all(isinstance(each, dict) for each in raw):
        _refuse(where, "segments_info", entry, "a list of objects")
    seen: set[int] = set()
    for number, each in enumerate(raw):
        place = f"{where}: segments_info[{number}]"
        if not is_whole(each.get("id"), 1, MAX_ID):
            _refuse(place, "id", each, f"an integer from 1 to {MAX_ID} (0 is void)")
        if not is_whole(each.get("category_id")) or (known is not None and each["category_id"] not in known):
            _refuse(place, "category_id", each, "the id of one of 'categories'" if known else "an integer")
        if not is_whole(each.get("iscrowd", 0), 0, 1):
            _refuse(place, "iscrowd", each, "0 or 1")
        if each["id"] in seen:
            raise UserError(f"{place}: 'id' {each['id']} is that of an earlier segment; expected different ones")
        seen.add(each["id"])
        yield Segment(each["id"], each["category_id"], bool(each.get("iscrowd", 0)))


def _categories(path: Path, content: Mapping[str, Any]) -> Iterator[ClassInfo]:
    seen: set[object] = set()
    for number, entry in enumerate(_list(path, content, "categories", required=False)):
        where = f"{path}: categories[{number}]"
        if not is_whole(entry.get("id"), 0, (1 << 16) - 2):
            _refuse(where, "id", entry, "an integer from 0 to 65534")
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 200:
            _refuse(where, "name", entry, "one line of text")
        if not is_whole(entry.get("isthing"), 0, 1):
            _refuse(where, "isthing", entry, "1 of a thing, 0 of stuff")
        if {entry["id"], name} & seen:
            raise UserError(f"{where}: its id or name is that of an earlier category; expected different ones")
        seen |= {entry["id"], name}
        yield ClassInfo(entry["id"], name.strip(), _color(entry), "thing" if entry["isthing"] else "stuff")


def _color(entry: Mapping[str, Any]) -> tuple[int, int, int]:
    """The colour of a category; one of its own where it gives none."""
    given = entry.get("color")
    if isinstance(given, list) and len(given) == 3 and all(is_whole(each, 0, 255) for each in given):
        return given[0], given[1], given[2]
    mixed = (entry["id"] + 1) * 2_654_435_761 % 2**32
    return mixed >> 24 & 255, mixed >> 16 & 255, mixed >> 8 & 255


def _refuse(where: str, field: str, entry: Mapping[str, Any], expected: str) -> NoReturn:
    found = f"is {short(entry[field])}" if field in entry else "is missing"
    raise UserError(f"{where}: '{field}' {found}; expected {expected}")


def category_map(panoptic: Panoptic, void: int) -> np.ndarray[Any, Any]:
    """Category of every pixel (H, W) uint8, or uint16 where one needs it; `void` where no segment is."""
    found = {0: void} | {segment.id: segment.category for segment in panoptic.segments}
    numbers = np.array(sorted(found), np.int64)
    values = np.array([found[number] for number in numbers.tolist()], np.uint8 if max(found.values()) < 256 else "u2")
    return np.asarray(values[np.searchsorted(numbers, panoptic.ids)])


def write_panoptic(folder: Path, name: str, images: Iterator[tuple[ImageId, str, Panoptic]]) -> None:
    """Write results: `<name>.json` and `<name>/*.png` below a folder, from image ids, names of PNG files and segments.

    Raises UserError for a segment number that no PNG can hold.
    """
    (folder / name).mkdir()
    annotations = []
    for image_id, file_name, panoptic in images:
        write_segment_ids(folder / name / file_name, panoptic.ids)
        segments = [{"id": s.id, "category_id": s.category} for s in panoptic.segments]
        annotations.append({"image_id": image_id, "file_name": file_name, "segments_info": segments})
    (folder / f"{name}.json").write_text(json.dumps({"annotations": annotations}), encoding="ascii")
