"""`objects.json` of an imported folder: every object whole, also where others cover it, as COCO has annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pycocotools import mask as mask_api

from ...io.images.picture import turn
from ...io.images.rle import CheckedRLE, check_rle, decode_rle, encode_rle
from ..own_folder.objects import OBJECTS
from .items import Item, Shape, Size, SourceClass


@dataclass
class ObjectsFile:
    """The file while it is written; those of a picture go to the disk at once, since a large source has millions.

    n : number of objects so far.
    """

    root: Path
    categories: dict[str, int]
    n: int = 0
    _pictures: list[tuple[PurePosixPath, dict[str, Any]]] = field(default_factory=list)

    def add(self, item: Item, shapes: Sequence[Shape], name: PurePosixPath, size: Size, orientation: int) -> None:
        """Add a picture, called `name` in the folder, and its objects; `size` is that of the shapes.

        orientation : EXIF's, 1 where the shapes are not to be turned.
        """
        height, width = size if orientation < 5 else size[::-1]
        number = len(self._pictures) + 1
        told = {"id": number, "height": height, "width": width, "source_id": item.source_id}
        self._pictures.append((name, {**told, "source_name": item.name.as_posix()}))
        entries: list[dict[str, Any]] = []
        for first, together in _objects(shapes, self.categories):
            mask = together[0].mask if len(together) == 1 else _united(together)
            if orientation > 1:
                mask = check_rle(encode_rle(turn(decode_rle(mask, item.where), orientation)), item.where)
            entry = {
                "id": self.n + len(entries) + 1,
                "image_id": number,
                "category_id": self.categories[first.name],
                "iscrowd": int(first.crowd),
                "segmentation": {"size": [height, width], "counts": mask["counts"].decode("ascii")},
            }
            entries.append(entry if first.area is None or len(together) > 1 else {**entry, "area": first.area})
        if entries:
            self._write(entries)

    def close(self, strip: Callable[[PurePosixPath], PurePosixPath]) -> None:
        """Finish the file, which there is none of without an object; `strip` gives the last names of pictures."""
        if not self.n:
            return
        images = [{**told, "file_name": strip(name).as_posix()} for name, told in self._pictures]
        categories = [{"id": category, "name": name} for name, category in self.categories.items()]
        self._append(f'\n], "images": {json.dumps(images)}, "categories": {json.dumps(categories)}}}\n')

    def _write(self, entries: Sequence[dict[str, Any]]) -> None:
        before = ",\n" if self.n else '{"annotations": [\n'
        self._append(before + ",\n".join(json.dumps(entry, allow_nan=False) for entry in entries))
        self.n += len(entries)

    def _append(self, text: str) -> None:
        with (self.root / OBJECTS).open("a", encoding="ascii", newline="\n") as file:
            file.write(text)


def categories_of(classes: Sequence[SourceClass], labels: Callable[[str], int]) -> dict[str, int]:
    """The category of every class of things: that of the source, else its label value."""
    return {
        each.name: labels(each.name) if each.category_id is None else each.category_id
        for each in classes
        if each.kind == "thing"
    }


def _objects(shapes: Sequence[Shape], names: dict[str, int]) -> list[tuple[Shape, list[Shape]]]:
    """Objects in the order of their first shape, each with all its shapes."""
    found: dict[str, list[Shape]] = {}
    for place, shape in enumerate(shapes):
        if shape.name in names:
            found.setdefault(shape.object if shape.object is not None else f"\0{place}", []).append(shape)
    return [(together[0], together) for together in found.values()]


def _united(shapes: Sequence[Shape]) -> CheckedRLE:
    merged = mask_api.merge([dict(shape.mask) for shape in shapes])
    return CheckedRLE(size=list(merged["size"]), counts=merged["counts"])
