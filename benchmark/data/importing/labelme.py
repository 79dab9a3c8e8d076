"""labelme: a JSON file for each picture, with shapes in the order in which they were drawn."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from ...io.images.limits import check_bytes, open_image
from ...io.images.picture import PICTURE_SUFFIXES
from ...io.images.png import SIGNATURE, decode_png
from ...io.images.rle import CheckedRLE, short
from ...types import Array, UserError
from ..coco_annotations import is_whole, load_json
from ..frame_numbers import natural
from .items import Item, Notes, Order, Shape, Size, SourceClass, kind_of
from .outlines import ellipse, placed, points_of, polygon, rectangle
from .pictures import suffix_of, upright_size
from .places import Places, pictures_below

_WITHOUT_AREA = frozenset({"point", "points", "line", "linestrip"})
_AREAS = frozenset({"polygon", "rectangle", "rotation", "oriented_rectangle", "circle", "mask"})
_OBJECT = "group_id"


@dataclass
class Labelme:
    """Pictures annotated with labelme, one JSON file each."""

    files: Sequence[Path]
    places: Places
    notes: Notes = field(default_factory=Notes)
    format: ClassVar[str] = "labelme"
    order: ClassVar[Order] = "drawn"
    categories: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __post_init__(self) -> None:
        names = {name for path in self.files for name in _names(_read(path), path)}
        self.classes = [SourceClass(name, kind_of(name)) for name in sorted(names, key=natural)]

    def items(self) -> Iterator[Item]:
        """The pictures by the names of their JSON files; raises UserError for a file that is none of labelme's."""
        taken: set[Path] = set()
        for path in self.files:
            item = self._item(_read(path), path)
            if isinstance(item.picture, Path):
                taken.add(item.picture)
            yield item
        for picture in pictures_below(self.places.root):
            if picture.resolve() not in taken and not picture.with_suffix(".json").exists():
                self.notes.skip("picture", "no JSON file belongs to it", str(picture))

    def _item(self, content: Mapping[str, Any], path: Path) -> Item:
        named = content.get("imagePath")
        picture: Path | bytes | None = None
        if named is not None:
            picture = self.places.named(named, path.parent, f"{path}: 'imagePath'")
        data = content.get("imageData")
        if picture is None and data is None:  # renamed since: labelme itself opens it by the name in the file alone
            beside = (path.with_suffix(suffix) for suffix in sorted(PICTURE_SUFFIXES))
            picture = next((each.resolve() for each in beside if each.is_file()), None)
        if picture is None and data is not None:
            picture = _embedded(data, f"{path}: 'imageData'")
        size = self._size(content, picture, path)
        suffix = (
            picture.suffix
            if isinstance(picture, Path)
            else suffix_of(picture, f"{path}: 'imageData'")
            if picture
            else ".png"
        )
        relative = path.resolve().relative_to(self.places.root)
        shapes = [
            shape
            for number, entry in enumerate(_shapes(content, path))
            if (shape := self._shape(entry, size, f"{path}: shapes[{number}]")) is not None
        ]
        return Item(
            PurePosixPath(relative.with_suffix(suffix.lower()).as_posix()),
            picture,
            size,
            shapes,
            str(path),
            flags=_flags(content.get("flags"), path),
        )

    def _size(self, content: Mapping[str, Any], picture: Path | bytes | None, path: Path) -> Size:
        height, width = content.get("imageHeight"), content.get("imageWidth")
        if is_whole(height, 1, 1 << 20) and is_whole(width, 1, 1 << 20):
            return height, width
        if height is not None or width is not None or picture is None:
            raise UserError(
                f"{path}: 'imageHeight' and 'imageWidth' are {short(height)} and {short(width)}; expected the "
                "picture's size in pixels"
            )
        return upright_size(picture, f"{path}: 'imageData'")

    def _shape(self, entry: Mapping[str, Any], size: Size, where: str) -> Shape | None:
        kind, label = entry.get("shape_type", "polygon"), _label(entry, where)
        if kind in _WITHOUT_AREA:
            self.notes.skip(f"{kind}", "has no area", where)
            return None
        if kind not in _AREAS:
            raise UserError(f"{where}: 'shape_type' is {short(kind)}; expected one of {', '.join(sorted(_AREAS))}")
        mask = self._mask(kind, entry, size, where)
        if mask is None:
            return None
        if any(value is True for value in _shape_flags(entry)):
            self.notes.skip("shape flag", "is said of a shape, not of the picture", where)
        group = entry.get(_OBJECT)
        together = f"{label} {group}" if isinstance(group, int | str) and not isinstance(group, bool) else None
        return Shape(label, kind, mask, object=together)

    def _mask(self, kind: str, entry: Mapping[str, Any], size: Size, where: str) -> CheckedRLE | None:
        points = points_of(entry.get("points"), where)
        needed = 2 if kind in ("rectangle", "circle", "mask") else 3
        if len(points) < needed:
            self.notes.skip(kind, f"has fewer than {needed} points", where)
            return None
        if kind == "rectangle":
            return polygon(rectangle(points[0], points[1]), size, where)
        if kind == "circle":
            radius = float(np.hypot(*(points[1] - points[0])))
            if radius > 4 * max(size):
                raise UserError(f"{where}: the circle's radius is {radius:.0f} pixels; the picture is {size}")
            return polygon(ellipse(points[0], (radius, radius)), size, where)
        if kind == "mask":
            left, top = (int(value) for value in points[0])
            return placed(_drawn(entry.get("mask"), size, where), top, left, size, where)
        return polygon(points, size, where)


def _read(path: Path) -> dict[str, Any]:
    check_bytes(path, path.stat().st_size)
    content = load_json(path)
    if not isinstance(content, dict) or "shapes" not in content:
        raise UserError(f"{path}: is no file of labelme; expected a JSON object with 'shapes' and 'imagePath'")
    return content


def _shapes(content: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    shapes = content["shapes"]
    if not isinstance(shapes, list) or not all(isinstance(entry, dict) for entry in shapes):
        raise UserError(f"{path}: 'shapes' is {short(shapes)}; expected a list of shapes")
    return shapes


def _names(content: Mapping[str, Any], path: Path) -> Iterator[str]:
    for number, entry in enumerate(_shapes(content, path)):
        if entry.get("shape_type", "polygon") not in _WITHOUT_AREA:
            yield _label(entry, f"{path}: shapes[{number}]")


def _label(entry: Mapping[str, Any], where: str) -> str:
    label = entry.get("label")
    if not isinstance(label, str) or not label.strip() or not label.isprintable():
        raise UserError(f"{where}: 'label' is {short(label)}; expected the name of a class")
    return label.strip()


def _flags(flags: object, path: Path) -> dict[str, str]:
    """What is ticked for the picture as a whole."""
    if not flags:
        return {}
    if not isinstance(flags, dict) or not all(isinstance(value, bool | str | int | float) for value in flags.values()):
        raise UserError(f"{path}: 'flags' is {short(flags)}; expected names with true or false")
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in flags.items()}


def _shape_flags(entry: Mapping[str, Any]) -> list[object]:
    flags = entry.get("flags")
    return list(flags.values()) if isinstance(flags, dict) else []


def _embedded(data: object, where: str) -> bytes:
    if not isinstance(data, str):
        raise UserError(f"{where} is {short(data)}; expected a picture in base64")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"{where} is no base64 ({error})") from error


def _drawn(data: object, size: Size, where: str) -> Array:
    """The small picture (h, w) that a mask was drawn as; no larger than the whole one."""
    content = _embedded(data, f"{where}: 'mask'")

    def check(needed: int) -> None:
        if needed > 8 * size[0] * size[1]:
            raise UserError(f"{where}: 'mask' needs {needed} bytes; the picture is {size[0]} x {size[1]}")

    try:
        if content.startswith(SIGNATURE):
            values = decode_png(content, check)
        else:
            with open_image(io.BytesIO(content), ("BMP", "TIFF")) as image:
                check(image.width * image.height)
                values = np.asarray(image)
    except UserError:
        raise
    except Exception as error:  # every decoder raises its own kinds
        raise UserError(f"{where}: 'mask' cannot be decoded ({type(error).__name__}: {error})") from error
    if values.ndim != 2:
        raise UserError(f"{where}: 'mask' has shape {values.shape}; expected a grey picture of height x width")
    return values
