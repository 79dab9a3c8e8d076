"""COCO's panoptic format: a JSON of segments, and for each image a PNG whose colours are their ids.

The files are laid out as they are; what they mean is read where a folder with `panoptic.json` is.
Reference: cocodataset.org, "Data format", 4. Panoptic Segmentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from ...io.images.rle import short
from ...types import UserError
from ..coco_annotations import is_whole
from .coco import categories_of, images_of, read_coco, split_of
from .items import Item, Notes, Order, Segments, Size, SourceClass
from .pictures import stored_size
from .places import Places


@dataclass
class Panoptic:
    """One panoptic JSON, or several with the same categories."""

    files: Sequence[Path]
    places: Places
    notes: Notes = field(default_factory=Notes)
    format: ClassVar[str] = "coco"
    order: ClassVar[Order] = "drawn"

    def __post_init__(self) -> None:
        contents = [read_coco(path) for path in self.files]
        self._contents = dict(zip(self.files, contents, strict=True))
        self._names = categories_of(contents[0], self.files[0])
        for path, content in self._contents.items():
            if content["categories"] != contents[0]["categories"]:
                raise UserError(f"{path}: its categories are not those of '{self.files[0]}'; import one of them")
        entries = sorted(contents[0]["categories"], key=lambda entry: int(entry["id"]))
        self.classes = [
            SourceClass(entry["name"], "thing" if entry.get("isthing", 1) == 1 else "stuff", value=entry["id"])
            for entry in entries
        ]
        self.categories: Sequence[Mapping[str, Any]] = contents[0]["categories"]

    def items(self) -> Iterator[Item]:
        """The images of every file, in its order; raises UserError for segments that do not fit their picture."""
        for path, content in self._contents.items():
            images = images_of(content, path)
            split = split_of(path, self.places) if len(self.files) > 1 else ""
            for number, entry in enumerate(content["annotations"]):
                where = f"{path}: annotations[{number}]"
                image = entry.get("image_id")
                if not is_whole(image) or image not in images:
                    raise UserError(f"{where}: 'image_id' is {short(image)}; expected the id of one of 'images', once")
                _, name, size = images.pop(image)
                yield self._item(entry, name, size, path, where, split)
            for place, name, _ in images.values():
                self.notes.skip("picture", "has no segments", f"{path}: images[{place}], '{short(name)}'")

    def _item(self, entry: Mapping[str, Any], name: str, size: Size, path: Path, where: str, split: str) -> Item:
        relative = self.places.relative(name, where)
        file = self.places.relative(entry.get("file_name"), f"{where}: 'file_name'")
        folders = (path.with_suffix(""), path.parent)
        of_segments = [each.with_suffix("") for each in self.files]
        picture = self.places.named(name, path.parent, where, split=split_of(path, self.places), besides=of_segments)
        found = (self.places.named(file.as_posix(), folder, where) for folder in folders)
        segments = next((one for one in found if one is not None), None)
        if segments is None or segments == picture:
            raise UserError(f"{where}: there is no file of segments {short(file.as_posix())} in the source")
        stored, _ = stored_size(segments)
        if stored != size:
            raise UserError(f"{segments}: is {stored[0]} x {stored[1]}; '{path}' says {size[0]} x {size[1]}")
        infos = self._infos(entry, where)
        named = relative if ".." not in relative.parts else PurePosixPath(relative.name)
        return Item(named, picture, size, Segments(segments, infos), where, split)

    def _infos(self, entry: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
        infos = entry.get("segments_info")
        if not isinstance(infos, list) or not all(isinstance(info, dict) for info in infos):
            raise UserError(f"{where}: 'segments_info' is {short(infos)}; expected a list of segments")
        for number, info in enumerate(infos):
            here = f"{where}: segments_info[{number}]"
            if not is_whole(info.get("id"), 1, (1 << 24) - 1):
                raise UserError(f"{here}: 'id' is {short(info.get('id'))}; expected 1 to 16777215")
            category = info.get("category_id")
            if not is_whole(category) or category not in self._names:
                raise UserError(f"{here}: 'category_id' is {short(category)}; expected one of 'categories'")
        return infos
