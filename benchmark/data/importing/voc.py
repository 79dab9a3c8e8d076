"""Folders in the layout of PASCAL VOC: SegmentationClass, SegmentationObject, JPEGImages, ImageSets, labelmap.txt.

CVAT ("Segmentation mask 1.1") and other tools write it, with masks as palette images or as RGB colours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from ...io.images.masks import refuse_inks
from ...io.images.read import palette_color, read_array
from ...io.images.rle import short
from ...io.listing import files_below
from ...io.text_files import read_bounded_text
from ...text import some
from ...types import Array, UserError
from ..own_folder.masks import color_runs
from .items import Item, Notes, Order, Raster, SourceClass, kind_of
from .outlines import check_canvas
from .places import Places, pictures_below

_MASKS, _OBJECTS, _IMAGES = "SegmentationClass", "SegmentationObject", "JPEGImages"
_LABELS = "labelmap.txt"
NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""Classes of the challenge itself, where a folder brings no names of its own."""
_SPLITS = ("train", "val", "test")
_MAX_DEPTH = 5
_VOID = 255

Color = tuple[int, int, int]


def voc_root(source: Path) -> Path | None:
    """The folder that holds SegmentationClass, which the source is or holds; None where there is none.

    Raises UserError where several do.
    """
    if not source.is_dir():
        return None
    found = []
    for folder, names, _ in os.walk(source):
        depth = len(Path(folder).relative_to(source).parts)
        if _MASKS in names:
            found.append(Path(folder))
        names[:] = [name for name in names if not name.startswith(".")] if depth < _MAX_DEPTH else []
    if len(found) > 1:
        texts = some([f"'{path}'" for path in sorted(found)], 3)
        raise UserError(f"'{source}' holds {len(found)} folders with {_MASKS} ({texts}); give one of them")
    return found[0].resolve() if found else None


@dataclass
class Voc:
    """One folder in VOC's layout."""

    root: Path
    places: Places
    notes: Notes = field(default_factory=Notes)
    format: ClassVar[str] = "voc"
    order: ClassVar[Order] = "drawn"
    categories: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __post_init__(self) -> None:
        path = self.root / _LABELS
        colors = _label_map(path) if path.is_file() else {}
        names = list(colors) or list(NAMES)
        if not colors:
            self.notes.remarks.append(f"there is no {_LABELS}, so the classes are those of VOC 2012")
        self.classes = []
        for value, name in enumerate(n for n in names if kind_of(n) != "ignored"):
            kind = "background" if value == 0 and colors.get(name, (0, 0, 0)) == (0, 0, 0) else kind_of(name)
            self.classes.append(SourceClass(name, kind, colors.get(name), value))
        ignored = [name for name in names if kind_of(name) == "ignored"]
        self.classes += [SourceClass(name, "ignored", colors.get(name), _VOID) for name in ignored[:1] or ["void"]]
        self._values = {each.color: each.value for each in self.classes if each.color is not None}
        self._values |= {palette_color(_VOID): _VOID, **({colors[n]: _VOID for n in ignored})}
        if not colors:
            self._values |= {palette_color(v): v for v in range(len(names))}

    def items(self) -> Iterator[Item]:
        """The masks in their order, with the pictures of their names; raises UserError for what is no mask."""
        masks = self._by_name(files_below(self.root / _MASKS, {".png"}), self.root / _MASKS)
        objects = self.root / _OBJECTS
        of_objects = self._by_name(files_below(objects, {".png"}) if objects.is_dir() else [], objects)
        images = self.root / _IMAGES
        pictures = self._by_name(pictures_below(images) if images.is_dir() else [], images)
        splits = self._splits()
        for name, path in masks.items():
            labels = self._decoded(path)
            instances = _objects(of_objects[name], labels.shape) if name in of_objects else None
            picture = pictures.get(name)
            suffix = ".png" if picture is None else picture.suffix.lower()
            yield Item(
                PurePosixPath(f"{name}{suffix}"),
                picture,
                (labels.shape[0], labels.shape[1]),
                Raster(labels, instances),
                str(path),
                splits.get(name, ""),
            )
        for name, picture in pictures.items():
            if name not in masks:
                self.notes.skip("picture", f"has no mask in {_MASKS}", str(picture))

    def _by_name(self, files: list[Path], folder: Path) -> dict[str, Path]:
        return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}

    def _splits(self) -> dict[str, str]:
        """Split of every sample that a list of `ImageSets/Segmentation` names; the first one where several do."""
        found: dict[str, str] = {}
        for split in _SPLITS:
            path = self.root / "ImageSets" / "Segmentation" / f"{split}.txt"
            if not path.is_file():
                continue
            for name in read_bounded_text(path).split("\n"):
                if name.strip() and found.setdefault(name.strip(), split) != split:
                    raise UserError(f"{path}: names '{short(name.strip())}', which {found[name.strip()]}.txt names too")
        return found

    def _decoded(self, path: Path) -> Array:
        """Label values (H, W) of a mask, by its palette indices or by the colours of the label map."""
        values = read_array(path)
        check_canvas((values.shape[0], values.shape[1]), str(path))
        if values.ndim == 2 and values.dtype == np.uint8:
            return self._known(values, path)
        refuse_inks(path)
        if values.ndim != 3 or values.shape[2] not in (3, 4) or values.dtype != np.uint8:
            raise UserError(
                f"{path}: has shape {values.shape} and type {values.dtype}; expected a palette or RGB image"
            )
        return self._of_colors(values, path)

    def _known(self, values: Array, path: Path) -> Array:
        known = [each.value for each in self.classes if each.value is not None]
        unknown = sorted(set(np.unique(values).tolist()) - set(known))
        if unknown:
            raise UserError(
                f"{path}: holds the value {unknown[0]}; expected one of the {len(known) - 1} classes of {_LABELS} (0 "
                f"to {len(known) - 2}), or {_VOID}"
            )
        return values

    def _of_colors(self, values: Array, path: Path) -> Array:
        starts, lengths, keys = color_runs(values)
        of_key = {(r << 16 | g << 8 | b): value for (r, g, b), value in self._values.items()}
        found, places = np.unique(keys, return_inverse=True)
        wrong = [int(key) for key in found if int(key) not in of_key]
        if wrong:
            color = [wrong[0] >> 16, wrong[0] >> 8 & 255, wrong[0] & 255]
            start = int(starts[np.flatnonzero(keys == wrong[0])[0]])
            row, column = divmod(start, values.shape[1])
            raise UserError(
                f"{path}: the pixel at row {row}, column {column} has the colour {color}, which {_LABELS} gives to no "
                "class"
            )
        labels = np.array([of_key[int(key)] for key in found], np.uint16)[places]
        return np.repeat(labels, lengths).reshape(values.shape[:2])


def _objects(path: Path, shape: tuple[int, ...]) -> Array:
    """Numbers of objects (H, W) int32; background and void are 0."""
    values = read_array(path)
    if values.ndim == 3 and values.shape[2] in (3, 4) and values.dtype == np.uint8:
        void = 0xE0E0C0
        values = values[:, :, :3].astype(np.int32)
        values = values[:, :, 0] << 16 | values[:, :, 1] << 8 | values[:, :, 2]
    else:
        void = _VOID
    if values.shape != shape[:2] or values.dtype.kind not in "iu":
        raise UserError(f"{path}: has shape {values.shape}; expected numbers of objects of the mask's size {shape}")
    found, places = np.unique(np.where(values == void, 0, values), return_inverse=True)
    first = 0 if found[0] == 0 else 1
    return (places.reshape(values.shape) + first).astype(np.int32)


def _label_map(path: Path) -> dict[str, Color]:
    """Colours by names, of lines such as `cat:64,0,0::`."""
    colors: dict[str, Color] = {}
    for number, line in enumerate(read_bounded_text(path).split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        parts = rest.split(":")[0].split(",")
        if not all(part.strip().isdecimal() and int(part) < 256 for part in parts[:3]) or len(parts) != 3:
            raise UserError(f"{path}, line {number}: is {short(line)}; expected NAME:RED,GREEN,BLUE:parts:actions")
        color = (int(parts[0]), int(parts[1]), int(parts[2]))
        if not name.strip() or not name.isprintable() or name in colors or color in colors.values():
            raise UserError(f"{path}, line {number}: {short(line)} repeats a name or a colour, or names no class")
        colors[name] = color
    if not colors:
        raise UserError(f"{path}: names no class; expected lines NAME:RED,GREEN,BLUE:parts:actions")
    return colors
