"""ROIs of ImageJ and Fiji: `.roi` files, or the `.zip` of a ROI Manager, beside the picture of their name.

Reference: ij.io.RoiDecoder of ImageJ 1.54, for the positions of all values.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...io.archive_errors import DAMAGED
from ...io.images.rle import CheckedRLE, check_rle, decode_rle, encode_rle
from ...types import Array, Float64, UserError
from .beside import Beside
from .items import Item, Notes, Order, Shape, Size, SourceClass
from .outlines import check_canvas, ellipse, polygon, rectangle
from .places import Places

SUFFIXES = frozenset({".roi", ".zip"})
_MAGIC = b"Iout"
_MAX_ROIS, _MAX_BYTES = 1_000_000, 20_000_000
_POLYGON, _RECTANGLE, _OVAL, _FREEHAND, _TRACED = 0, 1, 2, 7, 8
_NAMES = {
    _POLYGON: "polygon", _RECTANGLE: "rectangle", _OVAL: "oval", 3: "line", 4: "freehand line", 5: "polyline",
    6: "no ROI", _FREEHAND: "freehand outline", _TRACED: "traced outline", 9: "angle", 10: "points",
}  # fmt: skip
_SUB_PIXEL = 128
_VALUES = {0: 2, 1: 2, 4: 0}
"""Numbers behind the beginning of a path, a line, and its end."""


@dataclass(frozen=True)
class Roi:
    """One ROI: its kind, outlines (N, 2) of x, y, of which those inside others are holes, slice from 1, and group."""

    kind: str
    outlines: tuple[Float64, ...]
    position: int
    group: int


@dataclass
class ImageJ:
    """Pictures with ROIs of ImageJ."""

    files: Sequence[Path]
    places: Places
    notes: Notes = field(default_factory=Notes)
    format: ClassVar[str] = "imagej"
    order: ClassVar[Order] = "area"
    categories: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __post_init__(self) -> None:
        self._beside = Beside(self.places)
        self._rois = {path: [(where, read_roi(data, where)) for where, data in members(path)] for path in self.files}
        groups = {roi.group for found in self._rois.values() for _, roi in found}
        self.classes = [SourceClass(_class_name(group)) for group in sorted(groups)]

    def items(self) -> Iterator[Item]:
        """The pictures by the names of their files of ROIs; raises UserError for a file whose picture is not known."""
        for path, rois in self._rois.items():
            picture = self._beside.picture(path)
            item = self._beside.item(path, (), picture)
            assert item.size is not None
            check_canvas(item.size, str(picture))
            found = [shape for where, roi in rois if (shape := self._shape(roi, item.size, where)) is not None]
            yield self._beside.item(path, found, picture)
        self._beside.note_rest(self.notes, "file of ROIs")

    def _shape(self, roi: Roi, size: Size, where: str) -> Shape | None:
        if not roi.outlines:
            self.notes.skip(roi.kind, "has no area", where)
            return None
        if roi.position > 1:
            self.notes.skip(roi.kind, "lies on another slice than the first", where)
            return None
        return Shape(_class_name(roi.group), roi.kind, _mask(roi.outlines, size, where))


def _class_name(group: int) -> str:
    return f"group {group}" if group else "object"


def holds_rois(path: Path) -> bool:
    """Whether a file is a ROI, or a `.zip` that lists some."""
    if path.suffix.lower() == ".roi":
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(".roi") for name in archive.namelist())
    except (OSError, *DAMAGED):
        return False


def members(path: Path) -> list[tuple[str, bytes]]:
    """The place and the bytes of every ROI in a file; none of a `.zip` that holds no ROIs.

    Raises UserError for a file that is broken, or of more than one may hold.
    """
    try:
        if path.suffix.lower() == ".roi":
            with path.open("rb") as file:
                return [(str(path), _bounded(file.read(_MAX_BYTES + 1), str(path)))]
        with zipfile.ZipFile(path) as archive:
            names = [info for info in archive.infolist() if info.filename.lower().endswith(".roi")]
            if len(names) > _MAX_ROIS or sum(info.file_size for info in names) > 50 * _MAX_BYTES:
                raise UserError(f"{path}: holds {len(names)} ROIs, which is more than is read")
            found = []
            for info in names:
                where = f"{path}: {info.filename[:80]!r}"
                with archive.open(info) as member:
                    found.append((where, _bounded(member.read(_MAX_BYTES + 1), where)))
            return found
    except (OSError, *DAMAGED) as error:
        raise UserError(f"{path}: cannot be read ({error}); expected ROIs of ImageJ") from error


def read_roi(data: bytes, where: str) -> Roi:
    """One ROI. Raises UserError, beginning with `where`, for bytes that are none."""
    try:
        return _decoded(data)
    except (struct.error, ValueError, IndexError) as error:
        raise UserError(f"{where}: is no ROI of ImageJ that can be read ({error})") from error


def _decoded(data: bytes) -> Roi:
    if data[:4] != _MAGIC:
        raise ValueError(f"it begins with {data[:4]!r}")
    version, kind = _short(data, 4), data[6]
    top, left, bottom, right = struct.unpack_from(">4h", data, 8)
    options, position, second = _short(data, 50), _int(data, 56), _int(data, 60)
    group = 0
    if 0 < second <= len(data) - 31:
        position = max(position, _int(data, second + 8), _int(data, second + 12))
        group = data[second + 30] if version >= 228 else 0
    exact = bool(options & _SUB_PIXEL) and version >= 222
    x, y, width, height = struct.unpack_from(">4f", data, 18) if exact else (left, top, right - left, bottom - top)
    name = _NAMES.get(kind, f"ROI of type {kind}")
    if composite := _int(data, 36):
        return Roi("composite", tuple(_paths(data, composite)), position, group)
    if kind == _RECTANGLE:
        outline = rectangle(np.array([x, y], np.float64), np.array([x + width, y + height], np.float64))
    elif kind == _OVAL:
        outline = ellipse(np.array([x + width / 2, y + height / 2]), (width / 2, height / 2))
    elif kind in (_POLYGON, _FREEHAND, _TRACED):
        outline = _points(data, exact, left, top)
    else:
        return Roi(name, (), position, group)
    return Roi(name, (outline,) if len(outline) > 2 else (), position, group)


def _points(data: bytes, exact: bool, left: int, top: int) -> Float64:
    """Points (N, 2): floats of the picture, or whole numbers from the corner of the ROI."""
    number = _short(data, 16) or _int(data, 18)
    if not 0 <= number <= len(data) // 4:
        raise ValueError(f"it says that it has {number} points in {len(data)} bytes")
    form, start = (">f4", 64 + 4 * number) if exact else (">i2", 64)
    values = np.frombuffer(data, form, 2 * number, start).astype(np.float64).reshape(2, number).T
    if not np.isfinite(values).all():
        raise ValueError("a point is no number")
    return values if exact else values + np.array([left, top])


def _paths(data: bytes, number: int) -> Iterator[Float64]:
    """Outlines of a composite ROI, which is stored as a path of lines."""
    if not 0 < number <= len(data) // 4:
        raise ValueError(f"it says that its path has {number} numbers in {len(data)} bytes")
    values = np.frombuffer(data, ">f4", number, 64).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("its path holds what is no number")
    points: list[Any] = []
    place = 0
    while place < number:
        step = int(values[place])
        if step not in _VALUES:
            raise ValueError(f"its path has a segment of type {step}, and only lines are read")
        if place + _VALUES[step] >= number:
            raise ValueError("its path ends within a point")
        if step == 0 and len(points) > 2:
            yield np.array(points)
        if step == 0:
            points = []
        if step != 4:
            points.append(values[place + 1 : place + 3])
        place += 1 + _VALUES[step]
    if len(points) > 2:
        yield np.array(points)


def _mask(outlines: Sequence[Float64], size: Size, where: str) -> CheckedRLE:
    """What lies inside an odd number of outlines, as ImageJ fills them."""
    if len(outlines) == 1:
        return polygon(outlines[0], size, where)
    mask: Array = np.zeros(size, np.uint8)
    for outline in outlines:
        mask ^= decode_rle(polygon(outline, size, where), where)
    return check_rle(encode_rle(mask), where)


def _bounded(data: bytes, where: str) -> bytes:
    if len(data) > _MAX_BYTES:
        raise UserError(f"{where}: has more than {_MAX_BYTES} bytes; no ROI does")
    return data


def _short(data: bytes, place: int) -> int:
    return int(struct.unpack_from(">H", data, place)[0])


def _int(data: bytes, place: int) -> int:
    return int(struct.unpack_from(">i", data, place)[0])
