"""COCO JSON: polygons, run-length encodings, crowds, and several files as splits.

Reference: cocodataset.org, "Data format". A `segmentation` means the union of its polygons.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from ...io.images.limits import check_bytes
from ...io.images.rle import rle_size, short
from ...text import some
from ...types import UserError
from ..coco_annotations import compact, is_finite, is_whole, load_json, segmentation_mask
from .items import Item, Notes, Order, Shape, Size, SourceClass, kind_of
from .outlines import check_canvas, inner_outlines
from .places import Places, split_in

KEYS = ("images", "annotations", "categories")
"""What every file of COCO annotations has at its top."""


@dataclass
class Coco:
    """One COCO file or several, whose categories are the same; no picture lies in the folders `besides`."""

    files: Sequence[Path]
    places: Places
    besides: Sequence[Path] = ()
    notes: Notes = field(default_factory=Notes)
    format: ClassVar[str] = "coco"
    order: ClassVar[Order] = "area"
    categories: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __post_init__(self) -> None:
        self._categories: dict[int, str] = {}
        self._first = read_coco(self.files[0])
        for number, path in enumerate(self.files):
            content = self._first if number == 0 else read_coco(path)
            for category, name in categories_of(content, path).items():
                if self._categories.setdefault(category, name) != name:
                    raise UserError(
                        f"{path}: the category {category} is '{name}'; in '{self.files[0].name}' it is "
                        f"'{self._categories[category]}'. Import files of different categories one by one."
                    )
        self.classes = [
            SourceClass(name, kind_of(name), category_id=category)
            for category, name in sorted(self._categories.items())
        ]

    def items(self) -> Iterator[Item]:
        """The images of every file, in its order; raises UserError for a file that is no sound COCO."""
        for number, path in enumerate(self.files):
            content = self._first if number == 0 else read_coco(path)
            yield from self._items_of(content, path)

    def _items_of(self, content: Mapping[str, Any], path: Path) -> Iterator[Item]:
        own = split_of(path, self.places)
        split = own if len(self.files) > 1 else ""
        images = images_of(content, path)
        annotations: dict[int, list[tuple[int, Mapping[str, Any]]]] = {image: [] for image in images}
        for number, entry in enumerate(content["annotations"]):
            image = entry.get("image_id")
            if not is_whole(image) or image not in images:
                raise UserError(
                    f"{path}: annotations[{number}]: 'image_id' is {short(image)}; expected the id of one of 'images'"
                )
            annotations[image].append((number, entry))
        for image, (place, name, size) in images.items():
            where = f"{path}: images[{place}]"
            relative = self.places.relative(name, where)
            picture = self.places.named(name, path.parent, where, split=own, besides=self.besides)
            shapes = self._shapes(annotations[image], size, path)
            named = relative if ".." not in relative.parts else PurePosixPath(relative.name)
            yield Item(named, picture, size, shapes, where, split, source_id=image)

    def _shapes(self, annotations: list[tuple[int, Mapping[str, Any]]], size: Size, path: Path) -> list[Shape]:
        shapes = []
        for number, entry in annotations:
            where = f"{path}: annotations[{number}]"
            category, crowd, value = entry.get("category_id"), entry.get("iscrowd", 0), entry.get("segmentation")
            if not is_whole(category) or category not in self._categories:
                raise UserError(f"{where}: 'category_id' is {short(category)}; expected the id of one of 'categories'")
            if not is_whole(crowd, 0, 1):
                raise UserError(f"{where}: 'iscrowd' is {short(crowd)}; expected 0 or 1")
            if value is None or value == []:
                self.notes.skip("annotation", "has no segmentation: a box or points alone", where)
                continue
            value, inner = self._without_degenerate(value, where)
            if value == []:
                continue
            mask = segmentation_mask(value, size, f"{where}: 'segmentation'")
            kind = "polygon" if isinstance(value, list) else "RLE"
            area = self._area(entry, where)
            shapes.append(Shape(self._categories[category], kind, mask, crowd=bool(crowd), inner=inner, area=area))
        return shapes

    def _area(self, entry: Mapping[str, Any], where: str) -> float | None:
        """The area that the file gives, by which AP of small and large objects goes; None where it gives none."""
        area = entry.get("area")
        if area is None or (is_finite(area) and area >= 0):
            return None if area is None else float(area)
        self.notes.skip("area", "is no number of pixels, so that those of the mask count", where)
        return None

    def _without_degenerate(self, value: Any, where: str) -> tuple[Any, int]:
        """Polygons of three points or more, and how many of them lie inside another."""
        if not isinstance(value, list) or not all(isinstance(outline, array) for outline in value):
            return value, 0
        sound = [outline for outline in value if len(outline) >= 6 or len(outline) % 2]
        for _ in range(len(value) - len(sound)):
            self.notes.skip("polygon", "has fewer than 3 points", where)
        whole = [np.asarray(outline, np.float64).reshape(-1, 2) for outline in sound if len(outline) % 2 == 0]
        return sound, inner_outlines(whole)


def split_of(path: Path, places: Places) -> str:
    """The split that a file of annotations stands for, by its name and its folders; "" for none."""
    return split_in([*path.relative_to(places.root).parts[:-1], path.stem])


def read_coco(path: Path) -> dict[str, Any]:
    """The content of a COCO file, its three lists made sure of; raises UserError for anything else."""
    try:
        check_bytes(path, path.stat().st_size)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    content = load_json(path, compact)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds {short(content)} at the top; expected an object with {', '.join(KEYS)}")
    for key in KEYS:
        entries = content.get(key)
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise UserError(f"{path}: '{key}' is {short(entries)}; expected a list of objects as in COCO annotations")
    return content


def categories_of(content: Mapping[str, Any], path: Path) -> dict[int, str]:
    """Names of categories by their ids; raises UserError for one that is given twice, or is no name."""
    names: dict[int, str] = {}
    for number, entry in enumerate(content["categories"]):
        category, name, where = entry.get("id"), entry.get("name"), f"{path}: categories[{number}]"
        if not is_whole(category) or category in names:
            raise UserError(f"{where}: 'id' is {short(category)}; expected an integer that no other category has")
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or name in names.values():
            raise UserError(f"{where}: 'name' is {short(name)}; expected a name that no other category has")
        names[category] = name
    if not names:
        raise UserError(f"{path}: 'categories' is empty; expected the classes of the annotations")
    return names


def images_of(content: Mapping[str, Any], path: Path) -> dict[int, tuple[int, str, Size]]:
    """Place, name of the file, and size of every image by its id.

    Raises UserError for an image without one of them, and for an id or a file that is there twice.
    """
    images: dict[int, tuple[int, str, Size]] = {}
    seen: dict[str, int] = {}
    for number, entry in enumerate(content["images"]):
        where = f"{path}: images[{number}]"
        image, name = entry.get("id"), entry.get("file_name")
        if not is_whole(image) or image in images:
            raise UserError(f"{where}: 'id' is {short(image)}; expected an integer that no other image has")
        if not isinstance(name, str) or not name:
            raise UserError(f"{where}: 'file_name' is {short(name)}; expected the name of a file")
        if name in seen:
            raise UserError(f"{where}: 'file_name' is {short(name)}, which images[{seen[name]}] has too")
        size = rle_size({"size": [entry.get("height"), entry.get("width")]}, where)
        check_canvas(size, where)
        seen[name] = number
        images[image] = (number, name, size)
    return images


def instance_files(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """COCO files that hold objects, and others beside them (captions, key points, boxes of other tasks), left out.

    >>> found, left = instance_files([Path("captions_val.json"), Path("instances_val.json")])
    >>> [path.name for path in found], [path.name for path in left]
    (['instances_val.json'], ['captions_val.json'])
    """
    named = [path for path in files if holds_instances(path)]
    return named or list(files), [path for path in files if named and not holds_instances(path)]


def holds_instances(path: Path) -> bool:
    """Whether a file is called as COCO calls those of objects."""
    return path.stem.lower().startswith("instances")


def left_out(files: Sequence[Path]) -> list[str]:
    """The remark on files that are not read, none where all are."""
    return (
        [f"not read: {some([f.name for f in files], 5)}; give such a file itself as SOURCE to import it"]
        if files
        else []
    )
