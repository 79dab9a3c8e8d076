"""Your own folder with segments instead of masks: `panoptic.json` and `panoptic/`, in COCO's panoptic format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...text import some
from ...types import Array, ClassInfo, UserError
from ..panoptic_annotations import Annotated, category_map, read_annotations
from .checked_values import MAX_LABEL
from .classes_file import Classes, parse_classes
from .names import normal

ANNOTATIONS = "panoptic.json"
SEGMENTS = "panoptic"


@dataclass(frozen=True)
class PanopticTruth:
    """True segments by sample, the classes that they have, and the images' names; label maps follow from them.

    files : of every sample its PNG file. pictures : the stem of the picture of a sample where the JSON names one.
    image_ids : samples by their image id as text.
    """

    path: Path
    classes: Classes
    files: Mapping[str, Path]
    annotated: Mapping[Path, Annotated]
    pictures: Mapping[str, str]
    image_ids: Mapping[str, str]

    @classmethod
    def at(cls, root: Path, name: str) -> PanopticTruth | None:
        """The segments below a root; None where there are masks, or no `panoptic.json`.

        Raises UserError for a file that cannot be used, and for PNG files that are missing.
        """
        path, folder = root / ANNOTATIONS, root / SEGMENTS
        if not path.is_file() or (root / "masks").is_dir():
            return None
        found = read_annotations(path)
        if not found.categories:
            raise UserError(f"{path}: lists no 'categories'; expected id, name and isthing of each class")
        annotated = {_sample_id(each, path): each for each in found.images.values()}
        files = {sample_id: folder / each.file_name for sample_id, each in annotated.items()}
        lost = [file.name for file in files.values() if not file.is_file()]
        if lost or not files:
            raise UserError(f"{path}: names {len(lost)} PNG files that are not in '{folder}': {some(lost, 5)}")
        if len(annotated) < len(found.images):
            raise UserError(f"{path}: two images have PNG files of one name; expected different ones")
        return cls(
            path,
            _classes(found.categories, path, name),
            files,
            {files[sample_id]: each for sample_id, each in annotated.items()},
            {
                i: Path(found.pictures[each.image_id]).stem
                for i, each in annotated.items()
                if each.image_id in found.pictures
            },
            {str(each.image_id): sample_id for sample_id, each in annotated.items()},
        )

    def images(self, found: Mapping[str, Path]) -> dict[str, Path]:
        """Images by sample: those of the sample's name, or of the picture's that the JSON gives it."""
        names = {sample_id: (sample_id, normal(self.pictures.get(sample_id, ""))) for sample_id in self.files}
        return {i: found[name] for i, both in names.items() for name in reversed(both) if name in found}

    def labels(self, path: Path) -> Array:
        """Category of every pixel (H, W) uint8 or uint16; the label to ignore where no segment is."""
        void = self.classes.ignore_label
        assert void is not None
        return category_map(self.annotated[path].read(path), void)

    def instances(self, path: Path) -> Array:
        """Numbers of things from 1 on (H, W) int32, 0 where none is; crowds are no instances."""
        panoptic = self.annotated[path].read(path)
        things = {c.id for c in self.classes.classes if c.kind == "thing"}
        single = sorted(s.id for s in panoptic.segments if s.category in things and not s.crowd)
        numbers = np.array([0, *single], np.int64)
        place = np.minimum(np.searchsorted(numbers, panoptic.ids), len(numbers) - 1)
        return np.where(numbers[place] == panoptic.ids, place, 0).astype(np.int32)


def _sample_id(annotated: Annotated, path: Path) -> str:
    file = Path(annotated.file_name)
    name = normal("__".join((*file.parent.parts, file.stem)))
    if set(name) & set('\\:*?"<>|') or len(name.encode()) > 200:
        raise UserError(f"{path}: 'file_name' {file.name[:60]!r} is no name that every system allows; rename the file")
    return name


def _classes(categories: tuple[ClassInfo, ...], path: Path, name: str) -> Classes:
    """The categories as classes; void gets a label of its own."""
    own = len({each.color for each in categories}) == len(categories)
    rows = [
        {"id": c.id, "name": c.name, "kind": c.kind, **({"color": list(c.color)} if own else {})} for c in categories
    ]
    taken = {c.id for c in categories}
    void = next(label for label in (255, *range(MAX_LABEL, -1, -1)) if label not in taken)
    content = {"name": name, "task": "multiclass", "masks": "values", "classes": rows, "ignore": void, "panoptic": True}
    return parse_classes(content, str(path), name)
