"""True objects of your own folder: `objects.json` as COCO has annotations, in which objects may cover one another.

`classes.yaml` says with the key `objects` which category of that file each class is. An image of the file belongs to
the sample that its `file_name` means, relative to `images/`. An import also keeps what the source called it:
`source_id`, null where the source has no numbers, and `source_name`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...io.images.rle import short
from ...io.read_once import ReadOnce
from ...types import ClassInfo, DatasetInfo, Object, UserError
from ..coco_annotations import AnnotatedImage, annotated_images, is_whole, objects_of
from .checked_values import as_shown, mapping_of
from .names import normal

OBJECTS = "objects.json"

ImageId = int | str


@dataclass(frozen=True)
class _Listed:
    """An image of the file, and the names that results may give it."""

    image: AnnotatedImage
    names: tuple[ImageId, ...]


def true_objects(path: Path, sample_id: str, info: DatasetInfo) -> tuple[Object, ...]:
    """The objects of a sample, in the order of the file.

    Raises UserError naming what is broken in the file, or a sample that it does not list.
    """
    listed = _by_sample(path).get(sample_id)
    if listed is None:
        raise UserError(
            f"{path}: 'images' has no image of the sample '{sample_id}'; expected one for each that is scored"
        )
    return objects_of(listed.image, path, info)


def image_ids(path: Path, ids: Sequence[str]) -> dict[ImageId, str]:
    """The samples by what COCO results may call them: the numbers of the source, and the names of its files.

    A name of several of these samples stands for none of them. Raises UserError for a file that is broken.
    """
    found: dict[ImageId, str | None] = {}
    samples = _by_sample(path)
    for sample_id in ids:
        for name in samples[sample_id].names if sample_id in samples else ():
            found[name] = None if name in found else sample_id
    return {name: sample_id for name, sample_id in found.items() if sample_id is not None}


def parse_categories(content: Any, where: str, classes: Sequence[ClassInfo]) -> dict[int, int]:
    """The key `objects`: by label value of each class of things the id of its category in `objects.json`.

    Raises UserError for anything but classes of `kind: thing` with different ids.
    """
    if content is None:
        return {}
    things = {c.name: c.id for c in classes if c.kind == "thing"}
    categories: dict[int, int] = {}
    for name, category in mapping_of(content, where, "objects", tuple(things)).items():
        if not is_whole(category) or category in categories.values():
            raise UserError(
                f"{where}: objects.{name} is {as_shown(category)}; expected the id of the class in {OBJECTS}, a whole "
                "number that no other class has"
            )
        categories[things[name]] = category
    return categories


def _read(path: Path) -> Mapping[str, _Listed]:
    found: dict[str, _Listed] = {}
    for image_id, image in annotated_images(path).items():
        name = image.fields.get("file_name")
        if not isinstance(name, str) or not name:
            raise UserError(f"{path}: image {image_id}: 'file_name' is {short(name)}; expected the name of a file")
        inside = PurePosixPath(name.replace("\\", "/"))
        sample_id = normal("__".join((*inside.parts[:-1], inside.stem)))
        if sample_id in found:
            raise UserError(f"{path}: image {image_id}: 'file_name' {short(name)} is that of an earlier image")
        found[sample_id] = _Listed(image, tuple(_names(path, image_id, image, inside)))
    return found


def _names(path: Path, image_id: int, image: AnnotatedImage, inside: PurePosixPath) -> list[ImageId]:
    """What results call an image: its number in the source, else that of its name; its name with and without ending."""
    number, name = image.fields.get("source_id", image_id), image.fields.get("source_name", inside.as_posix())
    if not isinstance(name, str) or not (number is None or is_whole(number)):
        raise UserError(
            f"{path}: image {image_id}: 'source_id' is {short(number)} and 'source_name' {short(name)}; expected a "
            "whole number or null, and a name"
        )
    stem = PurePosixPath(name).stem
    if number is None and stem.isascii() and stem.isdigit() and len(stem) < 20:
        number = int(stem)  # as Ultralytics does
    return list(dict.fromkeys([*([] if number is None else [number]), stem, name]))


_by_sample = ReadOnce(_read, files=2)
