"""GeoJSON as QuPath exports objects: a file for each picture, with polygons in pixels.

Reference: RFC 7946 for geometries; qupath.readthedocs.io, "Exporting annotations": a feature's class is
`properties.classification`, with `name` and `color`, and its plane stands in `geometry.plane`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...io.images.limits import check_bytes
from ...io.images.rle import CheckedRLE, check_rle, decode_rle, encode_rle, short
from ...types import Float64, UserError
from ..coco_annotations import is_whole, load_json
from ..frame_numbers import natural
from .beside import Beside
from .items import Item, Notes, Order, Shape, Size, SourceClass, kind_of
from .outlines import check_canvas, points_of, union
from .places import Places

SUFFIX = ".geojson"
_UNNAMED = "object"
"""The class of what has none."""
_MAX_PARTS = 100_000


@dataclass
class GeoJson:
    """Pictures with objects of QuPath."""

    files: Sequence[Path]
    places: Places
    notes: Notes = field(default_factory=Notes)
    format: ClassVar[str] = "geojson"
    order: ClassVar[Order] = "area"
    categories: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __post_init__(self) -> None:
        self._beside = Beside(self.places)
        colors: dict[str, tuple[int, int, int] | None] = {}
        for path in self.files:
            for number, feature in enumerate(_features(path)):
                name, color = _class_of(feature, f"{path}: features[{number}]")
                colors[name] = colors.get(name) or color
        self.classes = [
            SourceClass(name, kind_of(name.rstrip("*")), colors[name]) for name in sorted(colors, key=natural)
        ]  # QuPath leaves out of measurements what ends with a star, such as Ignore*

    def items(self) -> Iterator[Item]:
        """The pictures by the names of their files; raises UserError for a file that is no GeoJSON."""
        for path in self.files:
            picture = self._beside.picture(path)
            item = self._beside.item(path, (), picture)
            assert item.size is not None
            check_canvas(item.size, str(picture))
            shapes = [
                shape
                for number, feature in enumerate(_features(path))
                if (shape := self._shape(feature, item.size, f"{path}: features[{number}]")) is not None
            ]
            yield self._beside.item(path, shapes, picture)
        self._beside.note_rest(self.notes, f"file {SUFFIX}")

    def _shape(self, feature: Mapping[str, Any], size: Size, where: str) -> Shape | None:
        geometry = feature.get("geometry")
        kind = geometry.get("type") if isinstance(geometry, dict) else None
        if not isinstance(geometry, dict) or not isinstance(kind, str):
            raise UserError(f"{where}: 'geometry' is {short(geometry)}; expected a geometry of GeoJSON")
        if kind not in ("Polygon", "MultiPolygon"):
            self.notes.skip(f"geometry of type {kind[:40]}", "is no polygon", where)
            return None
        plane = geometry.get("plane")
        if isinstance(plane, dict) and any(is_whole(plane.get(axis), 1) for axis in ("z", "t")):
            self.notes.skip("polygon", "lies in another plane than the first", where)
            return None
        if feature.get("nucleusGeometry") is not None:
            self.notes.skip("nucleus", "of a cell, whose outline is taken", where)
        parts = geometry.get("coordinates")
        parts = [parts] if kind == "Polygon" else parts
        if not isinstance(parts, list) or len(parts) > _MAX_PARTS:
            raise UserError(f"{where}: 'coordinates' is {short(parts)}; expected polygons")
        return Shape(_class_of(feature, where)[0], kind.lower(), _mask(parts, size, f"{where}: 'coordinates'"))


def _mask(parts: Sequence[Any], size: Size, where: str) -> CheckedRLE:
    """The union of polygons, each a ring and further ones that are its holes."""
    rings = [_rings(part, where) for part in parts]
    if all(len(each) == 1 for each in rings):
        return union([each[0] for each in rings], size, where)
    mask = np.zeros(size, np.uint8)
    for outer, *holes in rings:
        inside = decode_rle(union([outer], size, where), where)
        mask |= inside & ~decode_rle(union(holes, size, where), where) if holes else inside
    return check_rle(encode_rle(mask), where)


def _rings(part: Any, where: str) -> list[Float64]:
    if not isinstance(part, list) or not part or len(part) > _MAX_PARTS:
        raise UserError(f"{where}: holds {short(part)}; expected a polygon, a list of rings")
    rings = [
        points_of([p[:2] if isinstance(p, list) else p for p in ring] if isinstance(ring, list) else ring, where)
        for ring in part
    ]
    if any(len(ring) < 3 for ring in rings):
        raise UserError(f"{where}: holds a ring of {min(map(len, rings))} points; expected 3 or more")
    return rings


def _class_of(feature: Mapping[str, Any], where: str) -> tuple[str, tuple[int, int, int] | None]:
    """Name and colour of a feature's class."""
    properties = feature.get("properties")
    found = properties.get("classification") if isinstance(properties, dict) else None
    name = found.get("name") if isinstance(found, dict) else found
    if name is None:
        return _UNNAMED, None
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise UserError(f"{where}: 'classification' is {short(found)}; expected a name")
    color = found.get("color") if isinstance(found, dict) else None
    known = isinstance(color, list) and len(color) == 3 and all(is_whole(value, 0, 255) for value in color)
    return name.strip(), (color[0], color[1], color[2]) if known and isinstance(color, list) else None


def _features(path: Path) -> list[Mapping[str, Any]]:
    """The features of a file: of a collection, a list of them, or one alone."""
    try:
        check_bytes(path, path.stat().st_size)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    content = load_json(path)
    if isinstance(content, dict):
        content = content.get("features") if content.get("type") == "FeatureCollection" else [content]
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise UserError(f"{path}: holds {short(content)}; expected a FeatureCollection, or a list of features")
    return content
