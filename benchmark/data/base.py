"""The base of datasets whose samples are files: declare where they are, and everything else has a default."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..io.images.masks import read_labels
from ..io.images.picture import read_picture
from ..io.images.read import binary_mask, binary_prediction, label_map, read_array
from ..io.native import empty
from ..types import Array, DatasetInfo, Object, Panoptic, Part, Prediction, Sample, Uint8, UserError
from .file_layout import FileLayout
from .locations import read_all
from .self_defined import Proposal


class FileDataset(FileLayout):
    """One file per part and sample below a root folder. A subclass sets `info` and `paths`.

    Every method is a default that may be overridden. The defaults know two layouts: a folder per split, where the paths
    hold `{split}`; else a list per split, `split_lists`.

    Attributes
    ----------
    root : the folder that holds the layout, as `layout_root` finds it.
    settings : the checked options, of the type `info.settings`.
    info : the description of the dataset, known before any file is read.
    paths : path of each part below the root, such as `{"image": "images/{split}/{group}/{id}.jpg"}`. `{id}` begins
        the file's name, `{split}` is the folder of a split, and `{group}` any folder in it, one for each group.
    parts : the parts that its files hold; by default those of `paths`.
    split_lists : path of the list of a split, one sample per line, such as `splits/{split}.txt`.
    split_folders : folders of splits whose names differ from the split's.
    images_labelled : whether every image has a label map; if not, the lists say which do.
    sought : what was looked for, for the message when nothing is found; settings appear in it as `{view}`.
    label_bits : largest number of bits of a stored label value.
    example : a sample id, for messages.
    rule_parts : further parts that all samples have if one does, and that `check_sample` compares with the labels.
    self_defined : whether the classes are known only once the root is read; see `definition`.
    """

    parts: ClassVar[tuple[Part, ...]] = ()
    label_bits: ClassVar[int] = 16

    def load(self, sample_id: str, parts: Sequence[Part] = ("image", "labels")) -> Sample:
        """The parts asked for that exist: image (H, W[, 3]) uint8, labels (H, W), instances (H, W) int32, objects,
        panoptic.

        Raises UserError for an unknown sample, and for a file that cannot be read.
        """
        self.refuse_unknown(sample_id)
        found = {part: files[0] for part in parts if (files := self.files(sample_id, part))}
        if "labels" in parts and "labels" not in found and self.pattern("labels"):
            found["labels"] = self._path(sample_id, "labels")  # reading it says that it is missing
        return Sample(
            sample_id,
            self.group(sample_id),
            self.place(sample_id),
            self.read_image(found["image"]) if "image" in found else None,
            self.read_labels(found["labels"]) if "labels" in found else None,
            self.read_instances(found["instances"]) if "instances" in found else None,
            self.read_objects(found["objects"], sample_id) if "objects" in found else None,
            self.read_panoptic(found["panoptic"], sample_id) if "panoptic" in found else None,
        )

    def read_image(self, path: Path) -> Uint8:
        """(H, W) or (H, W, 3) uint8."""
        return read_picture(path, upright=self.info.upright, grey=self.info.grey)

    def read_labels(self, path: Path) -> Array:
        """(H, W) label values: as they are stored, or of a binary dataset 1 where a file holds 1 or 255."""
        if self.info.task == "binary":
            return binary_mask(read_labels(path, binary=True, upright=self.info.upright), str(path))
        expected = f"an image of one label value of {self.label_bits} bits or fewer per pixel"
        return stored_values(path, expected, np.dtype(f"u{self.label_bits // 8}"))

    def read_instances(self, path: Path) -> Array:
        """(H, W) int32 instance numbers."""
        stored = stored_values(path, "an image of one instance number per pixel", np.dtype(np.uint16))
        numbers = empty(stored.shape, np.int32)
        numbers[...] = stored
        return numbers

    def read_objects(self, path: Path, sample_id: str) -> tuple[Object, ...]:
        """Annotated objects of a sample; there is no default."""
        raise NotImplementedError(f"{type(self).__name__} names files of objects and does not read them")

    def read_panoptic(self, path: Path, sample_id: str) -> Panoptic:
        """True segments of a sample; there is no default."""
        raise NotImplementedError(f"{type(self).__name__} names files of segments and does not read them")

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By the name of the file, which may be called as the label map of the sample is."""
        ending = Path(self.pattern("labels")).stem.removeprefix("{id}")
        names = (path.stem, path.stem.removesuffix(ending))
        return next((name for name in names if name in ids), None)

    def decode_prediction(self, values: Array, where: str) -> Prediction:
        """Label values (H, W) or probabilities (C, H, W); of a binary dataset a mask or a probability map (H, W)."""
        if self.info.task == "binary":
            return binary_prediction(values, where)
        return label_map(values, where, self.info.classes)

    def check(self, progress: Callable[[int, int], None] | None = None) -> list[str]:
        """Every file: pairs, decoding, sizes, label values, and the dataset's own rules."""
        return self.check_pairs() + read_all(self, self.readable(), self.parts or tuple(self.paths), progress)

    @staticmethod
    def info_of(definition: Mapping[str, Any]) -> DatasetInfo:
        """The info that a record's definition stands for, of a dataset that is `self_defined`."""
        raise NotImplementedError

    @staticmethod
    def is_defined(root: Path) -> bool:
        """Whether there is a definition below a root, right or wrong."""
        del root
        return True

    @staticmethod
    def propose(root: Path, progress: Callable[[int, int], None] | None = None) -> Proposal:
        """Look at the data below a root that has no definition yet, and guess it."""
        raise NotImplementedError


def stored_values(path: Path, expected: str, largest: np.dtype[Any]) -> Array:
    """(H, W) integer values as an image file stores them, of at most this many bytes.

    Raises UserError for a file of another shape or type; `expected` says what it should be.
    """
    values = read_array(path)
    if values.ndim != 2 or values.dtype.kind not in "iu" or values.dtype.itemsize > largest.itemsize:
        raise UserError(f"{path}: has shape {values.shape} and type {values.dtype}; expected {expected}")
    return values
