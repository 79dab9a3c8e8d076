"""Reading COCO results files: detected objects, and stuff (a label map as one mask for each class).

References: cocodataset.org, "Results format"; nightrome/cocostuffapi for stuff.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ..data.coco_annotations import is_finite, is_whole, load_json
from ..io.images.limits import open_image
from ..io.images.rle import CheckedRLE, check_rle, decode_rle, rle_size, short
from ..text import some
from ..types import Dataset, DatasetInfo, Object, Prediction, PredictionSource, Uint8, UserError
from .matching import Found

_METRIC = "coco-ap"
"""Datasets that name this family in `object_metrics` take COCO results."""

_VOID = 255

ImageId = int | str


@dataclass(frozen=True)
class Entry:
    """One result: its place in the file, category, claimed height and width, counts, and score where it has one."""

    index: int
    category: int
    size: tuple[int, int]
    counts: str | list[int]
    score: float | None

    def rle(self, path: Path, sample_id: str, size: tuple[int, int]) -> CheckedRLE:
        """Its mask. Raises UserError where it is not of the image's size."""
        where = f"{path}: entry {self.index}"
        if self.size != size:
            raise UserError(
                f"{where}: its mask is {self.size[0]} x {self.size[1]}, image '{sample_id}' is {size[0]} x {size[1]} "
                "(height x width). Write masks at the size of the image."
            )
        return check_rle({"size": list(self.size), "counts": self.counts}, where)


@dataclass(frozen=True)
class _ImageResults:
    """The entries of one image in a COCO results file."""

    path: Path
    sample_id: str
    entries: tuple[Entry, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)


@dataclass(frozen=True)
class ObjectResults(_ImageResults):
    """The detections of one image in a COCO results file; `labels` are label values by category id."""

    labels: Mapping[int, int]

    def read(self, dataset: Dataset) -> Prediction:
        """Objects in the order of the file. Raises UserError naming the entry whose mask is unsound."""
        return Prediction(objects=self.objects(image_size(dataset, self.sample_id) if self.entries else None))

    def objects(self, size: tuple[int, int] | None = None) -> tuple[Object, ...]:
        """The same, masks of `size` (by default that of the first)."""
        size = size or (self.entries[0].size if self.entries else (0, 0))
        return tuple(
            Object(self.labels[entry.category], entry.rle(self.path, self.sample_id, size), float(entry.score or 0))
            for entry in self.entries
        )


@dataclass(frozen=True)
class StuffResults(_ImageResults):
    """The label map of one image in a COCO results file: a mask for each of its classes."""

    def read(self, dataset: Dataset) -> Prediction:
        """The label map as a prediction, at the size of the image; raises UserError as `label_map` does."""
        return Prediction(labels=self.label_map(dataset.info, image_size(dataset, self.sample_id)))

    def label_map(self, info: DatasetInfo, size: tuple[int, int] | None = None) -> Uint8:
        """Label values (H, W) uint8 = category id - 1. A pixel without a mask holds 255: wrong, unless void in truth.

        Raises
        ------
        UserError
            Naming the entry whose mask is unsound or not of `size` (by default that of the first), or the classes of
            two masks that overlap.
        """
        size = size or self.entries[0].size
        labels = np.full(size, _VOID, np.uint8)
        names = {c.id: c.name for c in (*info.classes, *info.unscored)}
        for entry in self.entries:
            label = label_of(f"{self.path}: entry {entry.index}", entry.category, names, info, "class")
            mask = decode_rle(entry.rle(self.path, self.sample_id, size), "") > 0
            others = labels[mask & (labels != _VOID) & (labels != label)]
            if len(others):
                raise UserError(
                    f"{self.path}: entry {entry.index}: in image '{self.sample_id}' {len(others)} pixels are both "
                    f"'{names[int(others[0])]}' and '{names[label]}'; a label map has one class for each pixel"
                )
            labels[mask] = label
        return labels


def takes_results(info: DatasetInfo) -> bool:
    """Whether the objects of a dataset are COCO results."""
    return _METRIC in info.object_metrics


def find_results(dataset: Dataset, ids: Sequence[str], path: Path, *, partial: bool = False) -> Found:
    """Match a COCO results file with samples: objects where its entries have scores, label maps where none has.

    Parameters
    ----------
    dataset : Dataset
    ids : sequence of str
        The samples of the split; `image_id` is one of them, its number, or what `Dataset.image_ids` says.
    path : Path
        JSON: a list of {image_id, category_id, segmentation, score}, the segmentation run-length encoded.
    partial : bool
        Score only images that are named in the file. Without it an image without an entry has no objects; among label
        maps it is missing.

    Raises
    ------
    UserError
        Naming the entry that is broken, or samples without a label map.
    """
    if not takes_results(dataset.info):
        raise UserError(f"{path}: {dataset.info.name} takes no COCO results; see 'bench data describe'")
    entries = _read_entries(path)
    objects = _are_objects(path, entries)
    wanted = dataset.info.classes if objects else (*dataset.info.classes, *dataset.info.unscored)
    names = {c.id: c.name for c in wanted if not objects or c.kind == "thing"}
    matched: dict[str, list[Entry]] = {}
    foreign: dict[ImageId, int] = {}
    lookup = _Lookup(ids, dataset.image_ids(ids))
    what = "thing" if objects else "class"
    for image_id, entry in entries:
        label_of(f"{path}: entry {entry.index}", entry.category, names, dataset.info, what)
        sample_id = lookup.find(image_id)
        if sample_id is None:
            foreign[image_id] = foreign.get(image_id, 0) + 1
        else:
            matched.setdefault(sample_id, []).append(entry)
    _refuse_unmatched(path, ids, matched, foreign, objects, partial)
    files: dict[str, PredictionSource] = {}
    for i in ids:
        mine = tuple(matched.get(i, ()))
        if mine or not partial:
            results = ObjectResults(path, i, mine, dataset.info.label_of_category)
            files[i] = results if objects else StuffResults(path, i, mine)
    return Found(files, tuple(_warnings(path, entries, foreign)), kind="objects" if objects else "maps")


def read_object_results(path: Path, info: DatasetInfo) -> dict[str, ObjectResults]:
    """Objects of a COCO results file, by image id as text; images without any are not in it.

    Raises UserError for a file that is no COCO results file, lacks scores, or names an unknown category.
    """
    entries = _read_entries(path)
    if not _are_objects(path, entries):
        raise UserError(f"{path}: its entries have no scores: it holds label maps, not objects")
    things = {c.id: c.name for c in info.classes if c.kind == "thing"}
    for _, entry in entries:
        label_of(f"{path}: entry {entry.index}", entry.category, things, info, "thing")
    labels = info.label_of_category
    return {name: ObjectResults(path, name, mine, labels) for name, mine in _by_image(entries).items()}


def _by_image(entries: Iterable[tuple[ImageId, Entry]]) -> dict[str, tuple[Entry, ...]]:
    grouped: dict[str, list[Entry]] = {}
    for image_id, entry in entries:
        grouped.setdefault(str(image_id), []).append(entry)
    return {name: tuple(mine) for name, mine in grouped.items()}


class _Lookup:
    """Sample ids by themselves, by further names that they have, and by their number where no such name is one."""

    def __init__(self, ids: Sequence[str], others: Mapping[ImageId, str]) -> None:
        self._names = frozenset(ids)
        numbered = any(isinstance(name, int) for name in others)
        self._others: dict[ImageId, str] = {} if numbered else {int(name): name for name in ids if is_number(name)}
        self._others.update(others)

    def find(self, image_id: ImageId) -> str | None:
        """The sample of an image id, None for none."""
        if image_id in self._names:
            return str(image_id)
        if image_id in self._others or isinstance(image_id, int):
            return self._others.get(image_id)
        return self._others.get(int(image_id)) if is_number(image_id) else None


def is_number(name: str) -> bool:
    """Whether a sample id is a whole number, as image ids of COCO are."""
    return name.isascii() and name.isdigit() and len(name) < 20


def _read_entries(path: Path) -> list[tuple[ImageId, Entry]]:
    """Every entry with its image id; nothing but the runs of the masks is left to check."""
    content = load_json(path)
    if not isinstance(content, list):
        raise UserError(f"{path}: holds {short(content)}; expected a list of COCO results, one entry for each mask")
    return [_entry(f"{path}: entry {index}", index, raw) for index, raw in enumerate(content)]


def _entry(where: str, index: int, raw: object) -> tuple[ImageId, Entry]:
    if not isinstance(raw, dict):
        raise UserError(f"{where} is {short(raw)}; expected an object with image_id, category_id and segmentation")
    image_id, category = raw.get("image_id"), raw.get("category_id")
    if not is_whole(image_id) and not isinstance(image_id, str):
        _refuse(where, "image_id", raw, "an integer or text")
    if not is_whole(category):
        _refuse(where, "category_id", raw, "an integer")
    if "score" in raw and not is_finite(raw["score"]):
        _refuse(where, "score", raw, "a finite number")
    mask = raw.get("segmentation")
    if not isinstance(mask, Mapping):
        hint = " Boxes (bbox) alone cannot be scored as masks." if "bbox" in raw and not mask else ""
        _refuse(where, "segmentation", raw, f"a run-length encoding {{size, counts}}.{hint}")
    size = rle_size(mask, where)
    if not isinstance(mask.get("counts"), str | list):
        _refuse(where, "counts", mask, "compressed text, or a list of run lengths")
    score = float(raw["score"]) if "score" in raw else None
    return image_id, Entry(index, category, size, mask["counts"], score)


def _are_objects(path: Path, entries: Sequence[tuple[ImageId, Entry]]) -> bool:
    """Whether entries have scores; a file without any entry holds no objects, rather than no label maps."""
    kinds: dict[bool, int] = {}
    for _, entry in entries:
        kinds.setdefault(entry.score is not None, entry.index)
    if len(kinds) == 2:
        raise UserError(
            f"{path}: entry {kinds[True]} has a score and entry {kinds[False]} has none. Objects all have a score; "
            "the masks of label maps have none."
        )
    return kinds.keys() != {False}


def label_of(where: str, category: int, names: Mapping[int, str], info: DatasetInfo, what: str) -> int:
    """Label value of a category; raises UserError, beginning with `where`, for one that is not among `names`."""
    label = info.label_of_category.get(category)
    if label is not None and label in names:
        return label
    hint = " 183 ('other') merges all things, which are scored one by one here." if category == 183 else ""
    known = [f"{n} ({names[k]})" for n, k in sorted(info.label_of_category.items()) if k in names]
    raise UserError(
        f"{where}: 'category_id' {category} is no {what} of {info.name}.{hint} Expected one of {some(known)}."
    )


def _refuse_unmatched(
    path: Path,
    ids: Sequence[str],
    matched: Mapping[str, object],
    foreign: Mapping[ImageId, int],
    objects: bool,
    partial: bool,
) -> None:
    if not matched and (foreign or partial):
        named = f"only others: {_named(foreign)}" if foreign else "nothing"
        raise UserError(f"{path}: names no image of the split, {named}. Expected image ids such as {ids[0]}")
    missing = [] if objects or partial else [i for i in ids if i not in matched]
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of {len(ids)} samples have no label map: {some(missing)}. To score a subset on "
            "purpose, add --partial."
        )


def _warnings(path: Path, entries: Sequence[tuple[ImageId, Entry]], foreign: Mapping[ImageId, int]) -> Iterator[str]:
    if not entries:
        yield f"{path}: holds no entry, so every image is scored as one without detections"
    if foreign:
        yield (
            f"{sum(foreign.values())} entries of {len(foreign)} images that are not in the split were not scored: "
            f"{_named(foreign)}"
        )


def _named(images: Iterable[ImageId]) -> str:
    return some([short(i) if isinstance(i, str) else str(i) for i in images])


def image_size(dataset: Dataset, sample_id: str) -> tuple[int, int]:
    """Height and width of a sample, from the head of its label file."""
    path = dataset.files(sample_id, "labels")[0]
    try:
        with open_image(path) as image:
            return image.height, image.width
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path}: cannot be read as an image ({error})") from error


def _refuse(where: str, field: str, raw: Mapping[str, Any], expected: str) -> NoReturn:
    found = f"is {short(raw[field])}" if field in raw else "is missing"
    raise UserError(f"{where}: '{field}' {found}; expected {expected}")
