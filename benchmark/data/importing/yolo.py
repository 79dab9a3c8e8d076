"""YOLO's folders for segmentation: data.yaml, pictures, and beside them text files with polygons in parts of the size.

Reference: docs.ultralytics.com, "Instance Segmentation Datasets Overview": `images` in a path becomes `labels`, a line
is a class and x, y of each point, and a picture without a text file holds no object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from ...io.images.rle import short
from ...io.listing import files_below
from ...io.text_files import read_bounded_text, read_text
from ...io.yaml import Limits, read_yaml
from ...text import some
from ...types import UserError
from .items import Item, Notes, Order, Shape, Size, SourceClass, kind_of
from .outlines import MAX_POINTS, check_canvas, polygon
from .pictures import stored_size, upright
from .places import Places, pictures_below

_SPLITS = {"train": "train", "val": "val", "valid": "val", "test": "test"}
_MAX_YAML = 1_000_000
_FARTHEST = 1.5
"""Parts of the size that a point may lie outside of the picture."""


def data_file(source: Path) -> Path | None:
    """The YAML file of a data set, with `names` and splits; None where there is none.

    Raises UserError where there are several.
    """
    files = [source] if source.is_file() else files_below(source, {".yaml", ".yml"})
    found = [path.resolve() for path in files if path.suffix.lower() in (".yaml", ".yml") and _names_classes(path)]
    if len(found) > 1:
        texts = some([path.name for path in found], 3)
        raise UserError(f"'{source}' holds several files that name classes ({texts}); give one")
    return found[0] if found else None


def _names_classes(path: Path) -> bool:
    try:
        lines = read_text(path).splitlines() if path.stat().st_size <= _MAX_YAML else []
    except (OSError, UnicodeDecodeError):
        return False
    keys = {line.partition(":")[0].strip() for line in lines if ":" in line and not line[:1].isspace()}
    return "names" in keys and bool(keys & _SPLITS.keys())


@dataclass
class Yolo:
    """One data set of YOLO polygons."""

    file: Path
    places: Places
    notes: Notes = field(default_factory=Notes)
    format: ClassVar[str] = "yolo"
    order: ClassVar[Order] = "area"
    categories: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __post_init__(self) -> None:
        content = read_yaml(read_bounded_text(self.file, _MAX_YAML), self.file, Limits(text=20_000))
        if not isinstance(content, dict):
            raise UserError(f"{self.file}: is no mapping; expected names, train and val")
        self._content: Mapping[str, Any] = content
        self._names = self._class_names(content.get("names"))
        self.classes = [
            SourceClass(name, kind_of(name), category_id=index + 1)  # as Ultralytics writes COCO results
            for index, name in self._names.items()
        ]

    def items(self) -> Iterator[Item]:
        """The pictures of every split; raises UserError for a picture or a line that cannot be read."""
        taken: set[Path] = set()
        for key, split in _SPLITS.items():
            pictures = self._pictures(key)
            labels = {picture: _label_file(picture) for picture in pictures}
            unlabelled = not any(path.is_file() for path in labels.values())
            if pictures and unlabelled:
                self.notes.remarks.append(f"no picture of '{key}' has a text file, so it has no masks")
            for picture, path in labels.items():
                if picture in taken:
                    raise UserError(f"{self.file}: '{picture}' is in two splits, '{key}' and another; expected one")
                taken.add(picture)
                yield self._item(picture, None if unlabelled else path, split)

    def _item(self, picture: Path, path: Path | None, split: str) -> Item:
        size = upright(*stored_size(picture))
        relative = picture.relative_to(self.places.root)
        check_canvas(size, str(picture))
        shapes = None if path is None else self._shapes(path, size) if path.is_file() else []
        return Item(PurePosixPath(relative.as_posix()), picture, size, shapes, str(path or picture), split)

    def _shapes(self, path: Path, size: Size) -> list[Shape]:
        shapes = []
        for number, line in enumerate(read_bounded_text(path).splitlines(), 1):
            where = f"{path}, line {number}"
            words = line.split()
            if not words:
                continue
            try:
                values = np.array([float(word) for word in words[: 2 * MAX_POINTS]])
            except ValueError:
                raise UserError(f"{where}: is {short(line)}; expected a class and x, y of each point") from None
            index = int(values[0]) if np.isfinite(values[0]) and values[0].is_integer() else -1
            if index not in self._names:
                raise UserError(f"{where}: the class is {words[0][:20]}; expected 0 to {len(self._names) - 1}")
            if len(values) == 5:
                self.notes.skip("box", "has no outline", where)
                continue
            if len(values) < 7:
                self.notes.skip("polygon", "has fewer than 3 points", where)
                continue
            shapes.append(Shape(self._names[index], "polygon", self._mask(values[1:], size, where)))
        return shapes

    def _mask(self, values: Any, size: Size, where: str) -> Any:
        if len(values) % 2 or not (np.abs(values) <= _FARTHEST).all():
            raise UserError(
                f"{where}: holds {len(values)} numbers from {values.min():g} to {values.max():g}; expected "
                "pairs of x, y between 0 and 1, in parts of the picture's width and height"
            )
        height, width = size
        return polygon(np.clip(values.reshape(-1, 2), 0, 1) * (width, height), size, where)

    def _class_names(self, names: Any) -> dict[int, str]:
        if isinstance(names, list):
            names = dict(enumerate(names))
        if not isinstance(names, dict) or sorted(map(str, names)) != sorted(map(str, range(len(names)))) or not names:
            raise UserError(f"{self.file}: 'names' is {short(names)}; expected the names of the classes from 0")
        found = {int(number): str(name).strip() for number, name in names.items()}
        wrong = next((name for name in found.values() if not name or not name.isprintable()), None)
        if wrong is not None or len(set(found.values())) < len(found):
            raise UserError(f"{self.file}: 'names' holds {short(wrong)}, or a name twice; expected one name per class")
        return dict(sorted(found.items()))

    def _pictures(self, key: str) -> list[Path]:
        """Pictures of a split: of a folder, of several, or of a list of files."""
        value = self._content.get(key)
        if value is None:
            return []
        found: dict[Path, None] = {}
        for entry in value if isinstance(value, list) else [value]:
            where = f"{self.file}: '{key}'"
            place = self._place(entry, where)
            if place.is_dir():
                found.update(dict.fromkeys(path.resolve() for path in pictures_below(place)))
                continue
            for number, line in enumerate(read_bounded_text(place).splitlines(), 1):
                if line.strip():
                    here = f"{place}, line {number}"
                    picture = self.places.named(line.strip(), place.parent, here)
                    if picture is None:
                        raise UserError(f"{here}: there is no picture {short(line.strip())} below '{self.places.root}'")
                    found[picture] = None
        return list(found)

    def _place(self, entry: object, where: str) -> Path:
        """The folder or list that an entry names: from `path`, or from where the file lies, however it was moved."""
        relative = self.places.relative(entry, where)
        base = self._content.get("path", "")
        bases = [PurePosixPath(".")]
        if _is_relative(base):  # where it was on another machine says nothing
            bases.append(self.places.relative(base, f"{self.file}: 'path'"))
        below = PurePosixPath(*[part for part in relative.parts if part not in ("..", ".")])
        for start in (self.file.parent, self.places.root):
            for folder in bases:
                for wanted in (relative, *([below] if below.parts else [])):
                    path = (start / folder / wanted).resolve()
                    if path.exists() and path.is_relative_to(self.places.root):
                        return path
        raise UserError(f"{where} is {short(entry)}; there is no such folder or list below '{self.places.root}'")


def _is_relative(base: object) -> bool:
    return isinstance(base, str) and bool(base.strip()) and not base.startswith(("/", "\\")) and ":" not in base


def _label_file(picture: Path) -> Path:
    """Where the text file of a picture lies: the last `images` of its path is `labels`, or beside it."""
    parts = list(picture.parts)
    places = [n for n, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")
