"""Your own dataset: a folder with `images/`, `masks/` and a list of its classes, `classes.yaml`."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from segbench.data import FileDataset
from segbench.data.frame_numbers import natural
from segbench.data.locations import read_all
from segbench.data.own_folder.classes_file import FILE, Classes, parse_classes, parse_text, read_classes
from segbench.data.own_folder.masks import decode_mask, decode_prediction
from segbench.data.self_defined import Proposal
from segbench.io.images.read import read_array, read_image
from segbench.io.listing import files_below
from segbench.types import Array, DatasetInfo, Part, Prediction, Sample, SplitInfo, UserError

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
MASKS = frozenset({".png", ".tif", ".tiff", ".bmp", ".npy"})
JPEG = frozenset({".jpg", ".jpeg"})
_MASK_SUFFIX = re.compile(r"(?<=.)_(mask|L|gt|labels?|seg|segmentation)$", re.IGNORECASE)
_INSTANCES_SUFFIX = re.compile(r"(?<=.)_(instances?|inst|mask|labels?)$", re.IGNORECASE)
_UNSAFE = frozenset('\\:*?"<>|')

SPLITS = ("train", "val", "test")
_SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_BOUNDS = {"train": 0.7, "val": 0.85, "test": 1.0}
_LIST_BYTES = 50_000_000
_NOT_STATED = f"not stated in {FILE}"


@dataclass(frozen=True)
class Folder(FileDataset):
    """Your own folder; samples are named by file, in subfolders `<subfolder>__<file>`, which are groups.

    Labels: the ids of `classes.yaml`. `info` of the class knows no classes, that of an instance does.
    """

    _images: Mapping[str, Path] = field(default_factory=dict, repr=False, compare=False)
    _masks: Mapping[str, Path] = field(default_factory=dict, repr=False, compare=False)
    _instances: Mapping[str, Path] = field(default_factory=dict, repr=False, compare=False)
    _index: Mapping[str, tuple[str, int]] = field(default_factory=dict, repr=False, compare=False)
    _splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)
    _classes: Classes = field(default=Classes("", "multiclass", ()), repr=False, compare=False)

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="folder",
        version="1",
        summary="Your own folder with images, masks and a list of classes",
        task="multiclass",
        classes=(),
        splits={
            "train": SplitInfo(None, "splits/train.txt, else masks/train/, else about 70 % by a hash of the name"),
            "val": SplitInfo(None, "splits/val.txt, else masks/val/, else about 15 % by a hash of the name"),
            "test": SplitInfo(None, "splits/test.txt, else masks/test/, else about 15 % by a hash of the name"),
        },
        default_split="test",
        metrics=("overlap",),
        main_score="miou",
        licence=_NOT_STATED,
        citation=_NOT_STATED,
        homepage=_NOT_STATED,
        layout=f"masks/ (PNG, TIFF, BMP, .npy), images/ (also JPEG) with the same names, {FILE} (made by 'bench data "
        "describe folder --root DIR --write'), and if there are any instances/ and splits/{train,val,test}.txt",
    )

    parts: ClassVar[tuple[Part, ...]] = ("image", "labels", "instances")
    self_defined = True

    def __post_init__(self) -> None:
        images, masks, instances = _scan(self.root)
        if not masks:
            raise UserError(f"no masks below '{self.root / 'masks'}'. Expected {self.info.layout}.")
        path = self.root / FILE
        if not self.is_defined(self.root):
            command = shlex.join(["bench", "data", "describe", "folder", "--root", str(self.root), "--write"])
            raise UserError(f"'{path}' is missing, so the classes are not known. Run '{command}', then read it over.")
        classes = read_classes(path, _own_name(self.root))
        everything = sorted(images.keys() | masks.keys(), key=natural)
        files = {sample_id: (masks if sample_id in masks else images)[sample_id] for sample_id in everything}
        splits, texts = _split(self.root, files, masks.keys())
        info = replace(
            self.info_of(classes.definition()),
            splits={name: SplitInfo(None, text, labelled) for name, (text, labelled) in texts.items()},
            default_split=next(name for name in (*reversed(SPLITS), *texts) if name in texts),
        )
        found = (images, masks, instances, _places(files, self.root), splits, classes, info)
        names = ("_images", "_masks", "_instances", "_index", "_splits", "_classes", "info")
        for name, value in zip(names, found, strict=True):
            object.__setattr__(self, name, value)

    @staticmethod
    def info_of(definition: Mapping[str, Any]) -> DatasetInfo:
        """The info that a definition (the content of `classes.yaml`) stands for."""
        classes = parse_classes(dict(definition), FILE, "folder")
        binary = classes.task == "binary"
        kind = "binary masks" if binary else f"{len(classes.classes)} classes"
        return replace(
            Folder.info,
            version=classes.version,
            summary=classes.texts.get("summary", f"{classes.name}: your own folder, {kind}"),
            task=classes.task,
            classes=classes.classes,
            ignore_label=classes.ignore_label,
            metrics=("binary-overlap", "boundary") if binary else ("overlap",),
            main_score="dice" if binary else "miou",
            pixel_size_um=classes.pixel_size_um,
            frames_per_second=classes.frames_per_second,
            licence=classes.texts.get("licence", _NOT_STATED),
            citation=classes.texts.get("citation", _NOT_STATED),
            homepage=classes.texts.get("homepage", _NOT_STATED),
        )

    @staticmethod
    def is_defined(root: Path) -> bool:
        """Whether there is a `classes.yaml`, right or wrong."""
        return os.path.lexists(root / FILE)

    @staticmethod
    def propose(root: Path, progress: Callable[[int, int], None] | None = None) -> Proposal:
        """Guess `classes.yaml` from the masks below a root.

        Raises UserError where there are no masks, or none that can be read.
        """
        from segbench.data.own_folder.inspection import inspect

        masks = _scan(root)[1]
        if not masks:
            raise UserError(f"no masks below '{root / 'masks'}'. Expected {Folder.info.layout}.")
        text = inspect(_own_name(root), list(masks.values()), progress)
        path = root / FILE
        classes = parse_text(text, str(path), _own_name(root))
        return Proposal(path, text, classes.definition())

    def definition(self) -> Mapping[str, Any]:
        """The content of `classes.yaml`, for the record."""
        return self._classes.definition()

    def ids(self, split: str) -> tuple[str, ...]:
        """Samples of a split, by group and name with numbers in their order; `all` is all that have a mask."""
        if split == "all":
            return tuple(i for i in self._index if i in self._masks)
        if split not in self.info.splits:
            raise UserError(
                f"'{self.root}' has no split '{split}'. Available: {', '.join(self.info.splits)}, all. Name its "
                f"samples in splits/{{{','.join(SPLITS)}}}.txt, one per line."
            )
        if not self._splits[split]:
            raise UserError(
                f"split '{split}' of '{self.root}' is empty: there are too few samples or subfolders. Use --split all, "
                f"--folds K, or name its samples in splits/{split}.txt, one per line."
            )
        return self._splits[split]

    def group(self, sample_id: str) -> str:
        """The subfolder; samples outside of one are of one group."""
        return self._place(sample_id)[0]

    def load(self, sample_id: str, parts: Sequence[Part] = ("image", "labels")) -> Sample:
        """One sample: image (H, W) or (H, W, 3) uint8, labels (H, W) uint8 or uint16, instances (H, W) int32."""
        group, index = self._place(sample_id)
        image = labels = instances = None
        if "image" in parts and sample_id in self._images:
            image = read_image(self._images[sample_id])
        if "labels" in parts and sample_id in self._masks:
            path = self._masks[sample_id]
            labels = decode_mask(read_array(path), str(path), self._classes)
        if "instances" in parts and sample_id in self._instances:
            instances = _numbers(self._instances[sample_id])
        return Sample(sample_id, group, index, image, labels, instances)

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The one file of a part, if it exists."""
        self._place(sample_id)
        found: dict[str, Mapping[str, Path]] = {
            "image": self._images,
            "labels": self._masks,
            "instances": self._instances,
        }
        path = found.get(part, {}).get(sample_id)
        return (path,) if path is not None else ()

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By the name of the file with or without an ending such as _mask, and for groups that of its subfolders."""
        stem = unicodedata.normalize("NFC", path.stem)
        folders = [unicodedata.normalize("NFC", part) for part in path.parent.parts]
        for name in dict.fromkeys((stem, _MASK_SUFFIX.sub("", stem))):
            for start in range(len(folders) + 1):
                sample_id = "__".join((*folders[start:], name))
                if sample_id in ids:
                    return sample_id
        return None

    def decode_prediction(self, values: Array, where: str) -> Prediction:
        """Label values or colours as in the masks, or probabilities as float, (H, W) or (C, H, W) in class order."""
        return decode_prediction(values, where, self._classes)

    def check(self, progress: Callable[[int, int], None] | None = None) -> list[str]:
        """Pairs, and every file's decoding, size and label values, also of images without a mask."""
        return self.check_pairs() + read_all(self, tuple(self._index), self.parts, progress)

    def check_pairs(self) -> list[str]:
        """Masks without image, images of labelled splits without mask, and instance maps without either."""
        faults = []
        images, masks = self._images.keys(), self._masks.keys()
        if images:
            faults += [f"{self._masks[i]}: has no image" for i in self._index if i not in images]
        unlabelled = {i for name, s in self.info.splits.items() if not s.labelled for i in self._splits[name]}
        faults += [f"{self._images[i]}: has no mask" for i in self._index if i not in masks and i not in unlabelled]
        return faults + [f"{path}: belongs to no mask" for i, path in self._instances.items() if i not in masks]

    def readable(self) -> tuple[str, ...]:
        """Every sample that has a mask."""
        return self.ids("all")

    def _place(self, sample_id: str) -> tuple[str, int]:
        if sample_id not in self._index:
            raise UserError(f"there is no sample '{sample_id}' below '{self.root}'")
        return self._index[sample_id]


def _scan(root: Path) -> tuple[dict[str, Path], dict[str, Path], dict[str, Path]]:
    """Images, masks and instance maps by sample id."""
    images = _named(root / "images", IMAGES, None, ())
    masks = _named(root / "masks", MASKS | JPEG, _MASK_SUFFIX, images)
    lossy = next((path for path in masks.values() if path.suffix.lower() in JPEG), None)
    if lossy is not None:
        raise UserError(
            f"{lossy}: is a JPEG. JPEG changes pixels, above all at borders, so it cannot hold label values or class "
            "colours. Export the masks again as PNG; to turn this JPEG into a PNG does not bring the labels back."
        )
    return images, masks, _named(root / "instances", MASKS, _INSTANCES_SUFFIX, images.keys() | masks.keys())


def _named(
    folder: Path, suffixes: frozenset[str], ending: re.Pattern[str] | None, known: Iterable[str]
) -> dict[str, Path]:
    """Files below a folder by sample id, without the ending unless an image is called so."""
    found: dict[str, Path] = {}
    known = set(known)
    for path in files_below(folder, suffixes) if folder.is_dir() else ():
        sample_id = _sample_id(path, folder)
        if ending is not None and sample_id not in known:
            sample_id = ending.sub("", sample_id)
        other = found.setdefault(sample_id, path)
        if other != path:
            raise UserError(f"'{other}' and '{path}' are both of the sample '{sample_id}'; keep or rename one of them")
    return found


def _sample_id(path: Path, folder: Path) -> str:
    relative = path.relative_to(folder)
    # The same letter may be stored in two ways, and a copy from another system is stored in the other.
    name = unicodedata.normalize("NFC", "__".join((*relative.parent.parts, path.stem)))
    if not name.isprintable() or _UNSAFE & set(name):
        raise UserError(f"'{path}': its name holds a character that not every system allows in file names; rename it")
    return name


def _places(files: Mapping[str, Path], root: Path) -> dict[str, tuple[str, int]]:
    """Group and place in the group of every sample."""
    counts: dict[str, int] = {}
    places = {}
    for sample_id, path in files.items():
        group = "/".join(_folders(path, root)) or "folder"
        places[sample_id] = (group, counts.get(group, 0))
        counts[group] = counts.get(group, 0) + 1
    return places


def _folders(path: Path, root: Path) -> tuple[str, ...]:
    """Subfolders of images/ or masks/ that a file lies in."""
    return path.relative_to(root).parent.parts[1:]


def _own_name(root: Path) -> str:
    name = root.resolve().name
    return name if name.strip() and name.isprintable() else "folder"


def _numbers(path: Path) -> Array:
    values = read_array(path)
    if values.ndim != 2 or values.dtype.kind not in "biu" or int(values.max(initial=0)) >= 2**31:
        raise UserError(
            f"{path}: is of shape {values.shape} and {values.dtype}; expected a grey image of instance numbers"
        )
    return values.astype(np.int32)


_Splits = tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, bool]]]
"""Samples of every split; and of every split what it is, and whether it has masks."""


def _split(root: Path, files: Mapping[str, Path], labelled: Collection[str]) -> _Splits:
    """By splits/*.txt, else by subfolders called train, val and test, else by a hash of the names."""
    folder = root / "splits"
    lists = {name: folder / f"{name}.txt" for name in SPLITS if (folder / f"{name}.txt").is_file()}
    if lists:
        return _listed(lists, files, labelled)
    if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise UserError(f"'{folder}' holds none of {', '.join(f'{name}.txt' for name in SPLITS)}; rename what is there")
    tops = {i: _SPLIT_FOLDERS.get((*_folders(path, root), "")[0].lower()) for i, path in files.items()}
    if all(tops.values()):
        members = {name: tuple(i for i in files if tops[i] == name) for name in SPLITS}
        return _with_masks({name: ids for name, ids in members.items() if ids}, "the subfolder of this name", labelled)
    return _hashed(root, {i: path for i, path in files.items() if i in labelled})


def _with_masks(members: Mapping[str, tuple[str, ...]], what: str, labelled: Collection[str]) -> _Splits:
    """Splits without the samples that have no mask; where none has one, the split is one without labels."""
    with_masks = {name: tuple(i for i in ids if i in labelled) for name, ids in members.items()}
    splits = {name: with_masks[name] or ids for name, ids in members.items()}
    return splits, {
        name: (what if with_masks[name] else f"{what}; its images have no masks", bool(with_masks[name]))
        for name in members
    }


def _listed(lists: Mapping[str, Path], files: Mapping[str, Path], labelled: Collection[str]) -> _Splits:
    members: dict[str, tuple[str, ...]] = {}
    places: dict[str, str] = {}
    for name, path in lists.items():
        if path.stat().st_size > _LIST_BYTES:
            raise UserError(f"{path}: has {path.stat().st_size} bytes; a list of samples has at most {_LIST_BYTES}")
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read ({error}); expected one sample per line, in UTF-8") from error
        chosen = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            sample_id = _listed_sample(line.strip(), f"{path}, line {number}", files)
            if sample_id in places:
                raise UserError(f"{path}, line {number}: '{sample_id}' is named before, by {places[sample_id]}")
            places[sample_id] = f"{path.name}, line {number}"
            chosen.append(sample_id)
        bare = [i for i in chosen if i not in labelled]
        if bare and (name == "train" or len(bare) < len(chosen)):
            raise UserError(f"{places[bare[0]]}: the image '{bare[0]}' has no mask below '{path.parents[1] / 'masks'}'")
        members[name] = tuple(chosen)
    splits, texts = _with_masks(members, "", labelled)
    return splits, {name: (f"splits/{name}.txt{text}", with_masks) for name, (text, with_masks) in texts.items()}


def _listed_sample(line: str, where: str, files: Collection[str]) -> str:
    """The sample that a line names: by name, with its subfolders, with or without the ending of the file."""
    parts = unicodedata.normalize("NFC", line).replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or ":" in parts[0]:
        raise UserError(f"{where}: '{line[:100]}' leads out of the folder; expected the name of a sample")
    name = "__".join(part for part in parts if part != ".")
    stem, dot, ending = name.rpartition(".")
    bare = stem if dot and f".{ending.lower()}" in IMAGES | MASKS else name
    for candidate in (name, bare, _MASK_SUFFIX.sub("", bare)):
        if candidate in files:
            return candidate
    raise UserError(f"{where}: there is no sample '{line[:100]}' in images/ and masks/")


def _hashed(root: Path, files: Mapping[str, Path]) -> _Splits:
    """About 70, 15 and 15 % by a hash: subfolders stay whole, for neighbouring frames look alike."""
    unit_of = {i: "/".join(_folders(path, root)) or i for i, path in files.items()}
    position = {unit: _hash(unit) for unit in unit_of.values()}
    order = sorted(position, key=lambda unit: (position[unit], unit))
    split_of = {unit: next(name for name, bound in _BOUNDS.items() if position[unit] < bound) for unit in order}
    # A few samples may leave a split empty; the nearest to its bounds fill it.
    if len(order) > 1:
        split_of[order[0]], split_of[order[-1]] = "train", "test"
    if len(order) > 2 and "val" not in split_of.values():
        train = [unit for unit in order[1:-1] if split_of[unit] == "train"]
        split_of[train[-1] if train else order[1]] = "val"
    grouped = len(set(unit_of.values())) < len(files)
    what = "subfolder, which stays whole" if grouped else "file"
    splits = {name: tuple(i for i in files if split_of[unit_of[i]] == name) for name in SPLITS}
    how = f"by a hash of the name of the {what}; samples stay where they are when more are added"
    return splits, {
        name: (f"about {share} %, {how}", True) for name, share in (("train", 70), ("val", 15), ("test", 15))
    }


def _hash(text: str) -> float:
    """A number in 0..1 that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48
