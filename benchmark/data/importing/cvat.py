"""CVAT's XML for images, version 1.1: polygons, boxes, ellipses, masks and tags, in the order in which they are drawn.

Reference: docs.cvat.ai, "CVAT for image". A mask's `rle` alternates lengths of background and foreground, row by row,
in its own box.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import numpy as np

from ...io.images.limits import check_bytes
from ...io.images.rle import CheckedRLE, short
from ...types import Float64, UserError
from ..frame_numbers import natural
from .items import Item, Notes, Order, Shape, Size, SourceClass, kind_of
from .outlines import MAX_POINTS, check_canvas, ellipse, placed, polygon, rectangle, turned
from .places import Places, split_in

Element = ElementTree.Element

_WITHOUT_AREA = frozenset({"polyline", "points", "skeleton", "cuboid"})
_CHUNK = 1 << 20
_MAX_DEPTH = 20


@dataclass
class Cvat:
    """One XML file of CVAT or several."""

    files: Sequence[Path]
    places: Places
    notes: Notes = field(default_factory=Notes)
    format: ClassVar[str] = "cvat"
    order: ClassVar[Order] = "drawn"
    categories: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __post_init__(self) -> None:
        colors: dict[str, tuple[int, int, int] | None] = {}
        drawn: set[str] = set()
        for path in self.files:
            for element in elements(path):
                if element.tag == "meta":
                    colors.update(_declared(element))
                elif element.tag == "image":
                    drawn |= {_name(shape, str(path)) for shape in element if shape.tag in _MASKS}
        rest = sorted(drawn - colors.keys(), key=natural)
        names = [*colors, *rest]
        self.classes = [SourceClass(name, kind_of(name), colors.get(name)) for name in names]

    def items(self) -> Iterator[Item]:
        """The images of every file, in its order; raises UserError for what is no sound XML of CVAT."""
        for path in self.files:
            for number, element in enumerate(e for e in elements(path) if e.tag == "image"):
                yield self._item(element, path, f"{path}: image {number + 1}")

    def _item(self, element: Element, path: Path, where: str) -> Item:
        name = element.get("name")
        size = (_whole(element, "height", where), _whole(element, "width", where))
        check_canvas(size, where)
        relative = self.places.relative(name, where)
        where = f"{where} '{relative.name}'"
        shapes, flags = [], {}
        for number, shape in enumerate(element):
            here = f"{where}, {shape.tag} {number + 1}"
            if shape.tag == "tag":
                flags[_name(shape, here)] = "true"
            elif shape.tag in _WITHOUT_AREA:
                self.notes.skip(shape.tag, "has no area", here)
            elif shape.tag in _MASKS:
                mask = self._mask(shape, size, here)
                if mask is not None:
                    shapes.append(_shape(shape, mask, here))
            else:
                raise UserError(f"{here}: is no shape that is known; expected {', '.join(_MASKS)}")
        picture = self.places.named(name, path.parent, where)
        stems = [path.stem] if len(self.files) > 1 else []
        split = split_in([*stems, element.get("subset") or ""])
        return Item(relative, picture, size, shapes, where, split, flags)

    def _mask(self, shape: Element, size: Size, where: str) -> CheckedRLE | None:
        if shape.tag == "polygon" and len(_points(shape, where)) < 3:
            self.notes.skip("polygon", "has fewer than 3 points", where)
            return None
        return _MASKS[shape.tag](shape, size, where)


class _Target:
    """What the parser hands its events to: whole elements below the top, and no document type."""

    def __init__(self, where: Path) -> None:
        self.whole: list[Element] = []
        self._where, self._open = where, list[Element]()

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _MAX_DEPTH:
            raise UserError(f"{self._where}: is nested more than {_MAX_DEPTH} levels deep")
        element = ElementTree.Element(tag, attributes)
        if len(self._open) > 1:
            self._open[-1].append(element)
        if not self._open and tag != "annotations":
            raise UserError(f"{self._where}: begins with <{tag[:40]}>; expected <annotations>, as CVAT writes it")
        self._open.append(element)

    def data(self, text: str) -> None:
        if len(self._open) > 1:
            self._open[-1].text = (self._open[-1].text or "") + text

    def end(self, tag: str) -> None:
        del tag
        element = self._open.pop()
        if len(self._open) == 1:
            self.whole.append(element)

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        del name, public, system
        raise UserError(f"{self._where}: declares a document type (DTD), through which entities come; CVAT writes none")

    def close(self) -> None:
        """Nothing is left to do."""


def elements(path: Path) -> Iterator[Element]:
    """The elements below the top of an XML file, one by one: `meta`, then every `image`.

    Raises UserError for what is no XML of CVAT's for images, and for a document type or entities.
    """
    check_bytes(path, path.stat().st_size)
    target = _Target(path)
    parser = ElementTree.XMLParser(target=target)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                parser.feed(chunk)
                yield from _taken(target, path)
        parser.close()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UserError(f"{path}: is no sound XML ({error})") from error
    yield from _taken(target, path)


def _taken(target: _Target, path: Path) -> Iterator[Element]:
    whole, target.whole = target.whole, []
    for element in whole:
        if element.tag == "track":
            raise UserError(
                f"{path}: holds tracks, as 'CVAT for video' does; export the task as 'CVAT for images 1.1', in which "
                "every frame has its shapes"
            )
        yield element


def _declared(meta: Element) -> Iterator[tuple[str, tuple[int, int, int] | None]]:
    """Labels of the task with their colours, without those of shapes that have no area."""
    for label in meta.iter("label"):
        name, color = label.findtext("name"), label.findtext("color") or ""
        if name and name.strip() and name.isprintable() and label.findtext("type") not in (*_WITHOUT_AREA, "tag"):
            digits = color.removeprefix("#")
            try:
                value = int(digits, 16) if len(digits) == 6 else None
            except ValueError:
                value = None
            yield name.strip(), None if value is None else (value >> 16, value >> 8 & 255, value & 255)


def _shape(element: Element, mask: CheckedRLE, where: str) -> Shape:
    group = element.get("group_id") or "0"
    name = _name(element, where)
    level = _number(element, "z_order", where) if element.get("z_order") else 0.0
    return Shape(name, element.tag, mask, level, object=f"{name} {group}" if group != "0" else None)


def _name(element: Element, where: str) -> str:
    name = element.get("label")
    if name is None or not name.strip() or not name.isprintable():
        raise UserError(f"{where}: 'label' of a {element.tag} is {short(name)}; expected the name of a class")
    return name.strip()


def _number(element: Element, key: str, where: str) -> float:
    text = element.get(key)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: '{key}' is {short(text)}; expected a number")
    return value


def _whole(element: Element, key: str, where: str) -> int:
    value = _number(element, key, where)
    if not value.is_integer() or not 0 <= value <= 1 << 20:
        raise UserError(f"{where}: '{key}' is {short(element.get(key))}; expected a whole number of pixels")
    return int(value)


def _points(element: Element, where: str) -> Float64:
    """Points (N, 2) of `points="x,y;x,y"`."""
    text = element.get("points") or ""
    try:
        pairs = [tuple(map(float, pair.split(","))) for pair in text.split(";")]
        points = np.array(pairs, np.float64)
    except ValueError:
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) > MAX_POINTS:
        raise UserError(f"{where}: 'points' is {short(text)}; expected x,y;x,y;…")
    return points


def _polygon(element: Element, size: Size, where: str) -> CheckedRLE:
    return polygon(_points(element, where), size, where)


def _box(element: Element, size: Size, where: str) -> CheckedRLE:
    first = np.array([_number(element, key, where) for key in ("xtl", "ytl")])
    second = np.array([_number(element, key, where) for key in ("xbr", "ybr")])
    center = (first + second) / 2
    degrees = _number(element, "rotation", where) if element.get("rotation") else 0.0
    return polygon(center + turned(rectangle(first, second) - center, degrees), size, where)


def _ellipse(element: Element, size: Size, where: str) -> CheckedRLE:
    center = np.array([_number(element, key, where) for key in ("cx", "cy")])
    radii = (_number(element, "rx", where), _number(element, "ry", where))
    if not all(0 <= radius <= 4 * max(size) for radius in radii):
        raise UserError(f"{where}: its radii are {radii}; expected pixels, not far beyond the picture")
    degrees = _number(element, "rotation", where) if element.get("rotation") else 0.0
    return polygon(ellipse(center, radii, degrees), size, where)


def _mask(element: Element, size: Size, where: str) -> CheckedRLE:
    top, left, height, width = (_whole(element, key, where) for key in ("top", "left", "height", "width"))
    text = element.get("rle") or ""
    if height * width > size[0] * size[1]:
        raise UserError(f"{where}: its mask of {height} x {width} is larger than the picture ({size[0]} x {size[1]})")
    try:
        runs = np.array([int(word) for word in text.split(",")] if len(text) < 50_000_000 else [], np.int64)
    except (ValueError, OverflowError):
        runs = np.zeros(0, np.int64)
    if not runs.size or runs.min() < 0 or runs.max() > height * width or int(runs.sum()) != height * width:
        raise UserError(f"{where}: 'rle' is {short(text)}; expected run lengths that cover {height} x {width} pixels")
    values = np.repeat((np.arange(runs.size) % 2).astype(np.uint8), runs).reshape(height, width)
    return placed(values, top, left, size, where)


_MASKS: Mapping[str, Callable[[Element, Size, str], CheckedRLE]] = {
    "polygon": _polygon,
    "box": _box,
    "ellipse": _ellipse,
    "mask": _mask,
}
