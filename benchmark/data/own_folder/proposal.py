"""Guessing where images, masks and regions lie in a folder that is not laid out as images/ and masks/."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from ...io.images.masks import read_labels
from ...io.images.read import binary_mask
from ...io.listing import files_below
from ...types import UserError
from .grouping import guessed_group
from .layout import Layout, Places
from .mask_contents import are_numbers, read_contents
from .names import IMAGES, MASKS, normal, split_of_folder
from .naming import PLACE, guess_names, named_by
from .splits import SPLITS

_MAX_FILES = 200_000
_SAMPLED = 6
"""Files of a folder whose pixels say what it holds."""
_MAX_VALUES = 64
"""Values or colours of a label map."""
_MIN_PAIRED = 0.5
_MIN_REGION, _MIN_SOLIDITY = 0.3, 0.9
"""A region of interest is a large part of the image, and of one piece without dents."""
_NUMBERS = "instances"
"""Holds numbers of objects beside masks, and neither these nor images."""
_SPLIT_WORDS = {"training": "train", "testing": "test"}
_ENDING = re.compile(r"_[A-Za-z]+$")
_TRUTH = re.compile(r"annot|label|manual|truth|gt|seg", re.IGNORECASE)
_REGION = re.compile(r"mask|fov|roi|region|valid", re.IGNORECASE)


@dataclass(frozen=True)
class _Folder:
    """Pictures of one folder, by stem."""

    path: Path
    parts: tuple[str, ...]
    files: Mapping[str, Path]

    @cached_property
    def sampled(self) -> list[Path]:
        paths = list(self.files.values())
        return [paths[n * len(paths) // min(len(paths), _SAMPLED)] for n in range(min(len(paths), _SAMPLED))]

    @cached_property
    def values(self) -> int:
        """Values or colours of its label maps, or numbers of objects; 0 of pictures."""
        found: set[int] = set()
        seen = []
        for path in self.sampled:
            if path.suffix.lower() not in MASKS:
                return 0
            try:
                one = read_contents(path)
            except UserError:
                return 0
            found |= one.pixels.keys()
            seen.append(one)
            if one.pieces is not None and one.pieces > 2 * len(one.pixels) > 2 * _MAX_VALUES:
                return 0
        return len(found) if len(found) <= _MAX_VALUES or are_numbers(seen) else 0

    @cached_property
    def is_region(self) -> bool:
        """Whether each of its files is one large piece of two tones, as a field of view is."""
        return self.values == 2 and all(map(_is_region, self.sampled))

    @property
    def split(self) -> str:
        words = (word for part in self.parts for word in (part.lower(), *re.split(r"[^a-z]+", part.lower())))
        return next((split for word in words if (split := _SPLIT_WORDS.get(word) or split_of_folder(word))), "")

    def pattern(self, name: str | None) -> str:
        """Its files as a pattern; `name` says how they are called, None as the images."""
        suffixes = {path.suffix for path in self.files.values()}
        ending = next(iter(suffixes)) if len(suffixes) == 1 else ".*"
        return "/".join((*self.parts, f"{name or '*'}{ending}"))


@dataclass(frozen=True)
class _Pair:
    """An images' folder with that of its masks, and of its regions; how files are called in each."""

    images: _Folder
    masks: _Folder
    image: str
    mask: str
    pairs: int
    region: str = ""
    others: Sequence[tuple[_Folder, str]] = ()


def propose_places(root: Path) -> Places | None:
    """Where images and masks seem to lie; None where none seem to. Raises UserError for a folder of too many files."""
    folders = _folders(root)
    folders = [each for each in folders if each.path.name.lower() != _NUMBERS] or folders
    maps = [each for each in folders if each.values >= 2]
    pairs = []
    for images in folders:
        if images.values == 0 and (pair := _paired(images, maps)) is not None:
            pairs.append(pair)
    if not pairs:
        return None
    chosen, key = _alike(pairs)
    if not chosen:
        chosen = {"": max(pairs, key=lambda pair: pair.pairs)}
    return _places(chosen, pairs if key else list(chosen.values()), key)


def _folders(root: Path) -> list[_Folder]:
    found: dict[Path, dict[str, Path]] = defaultdict(dict)
    files = files_below(root, IMAGES | MASKS)
    if len(files) > _MAX_FILES:
        raise UserError(
            f"'{root}' holds {len(files)} pictures; at most {_MAX_FILES} are looked at. Write classes.yaml."
        )
    for path in files:
        found[path.parent].setdefault(normal(path.stem), path)
    every = (
        _Folder(path, path.relative_to(root).parts, stems) for path, stems in sorted(found.items()) if path != root
    )
    return [part for folder in every for part in _parts(folder)]


def _parts(folder: _Folder) -> list[_Folder]:
    """A folder as it is, or one for each ending of its names where that tells images from masks, as in `1_img.png` and
    `1_masks.png`."""
    by_ending: dict[str, dict[str, Path]] = defaultdict(dict)
    for stem, path in folder.files.items():
        ending = _ENDING.search(stem)
        by_ending[ending[0] if ending else ""][stem] = path
    parts = [replace(folder, files=files) for files in by_ending.values()]
    told = "" not in by_ending and {part.values >= 2 for part in parts} == {False, True}
    return parts if told else [folder]


def _paired(images: _Folder, maps: Iterable[_Folder]) -> _Pair | None:
    """The folder of label maps that fits the images best, and beside it that of their regions."""
    fits: list[tuple[_Folder, str, str, int]] = []
    for masks in maps:
        names = _names(images, masks)
        if names is not None:
            fits.append((masks, *names))
    regions = [fit for fit in fits if fit[0].is_region and _REGION.search(fit[0].path.name)]
    truths = [fit for fit in fits if fit not in regions] or fits
    if not truths:
        return None
    masks, image, mask, pairs = max(truths, key=lambda fit: _rank(images, fit[0], fit[3]))
    beside = [fit for fit in regions if fit[0] is not masks and fit[1] in (PLACE, image)]
    region = beside[0][0].pattern(_of_stem(beside[0][1], beside[0][2])) if beside else ""
    others = [(fit[0], _of_stem(fit[1], fit[2])) for fit in truths if fit[0] is not masks]
    return _Pair(images, masks, image, mask, pairs, region, others)


def _rank(images: _Folder, masks: _Folder, pairs: int) -> tuple[object, ...]:
    """How well a folder of label maps goes with one of images: by names, place, what it is called, and its values."""
    near = images.split == masks.split
    shared = sum(a == b for a, b in zip(images.parts, masks.parts, strict=False))
    called = bool(_TRUTH.search(masks.path.name))
    return (near, pairs, shared, called, masks.values, [-ord(c) for c in masks.path.name])


def _names(images: _Folder, masks: _Folder) -> tuple[str, str, int] | None:
    """How images and masks of a sample are called, and how many pairs that gives."""
    same = len(images.files.keys() & masks.files.keys())
    least = _MIN_PAIRED * min(len(images.files), len(masks.files))
    guess = guess_names([("", stem) for stem in images.files], [("", stem) for stem in masks.files], same)
    if guess is not None:
        return guess.names.get("image", PLACE), guess.names.get("mask", PLACE), guess.pairs
    return (PLACE, PLACE, same) if same and same > least else None


def _is_region(path: Path) -> bool:
    try:
        inside = binary_mask(read_labels(path, binary=True, upright=True), str(path))
    except UserError:
        return False
    outlines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    pixels = int(inside.sum())
    if not outlines or pixels < _MIN_REGION * inside.size or pixels == inside.size:
        return False
    largest = max(outlines, key=cv2.contourArea)
    hull = cv2.contourArea(cv2.convexHull(largest))
    return cv2.contourArea(largest) > 0.95 * pixels * 0.9 and cv2.contourArea(largest) > _MIN_SOLIDITY * hull


def _alike(pairs: Sequence[_Pair]) -> tuple[dict[str, _Pair], str]:
    """Pairs by split where each is of another one; or under one pattern, where a folder's name alone differs."""
    splits = {pair.images.split: pair for pair in pairs}
    if len(pairs) == len(splits) > 1 and "" not in splits:
        return {split: splits[split] for split in SPLITS if split in splits}, "split"
    if len(pairs) == 1:
        return {"": pairs[0]}, ""
    first = pairs[0]
    for place, part in enumerate(first.images.parts):
        if part not in first.masks.parts:
            continue
        if all(_but_for(pair, first, place, part) for pair in pairs):
            return {"": first}, part
    return {}, ""


def _but_for(pair: _Pair, first: _Pair, place: int, part: str) -> bool:
    """Whether a pair is the first one with another name in the place of this part."""
    if len(pair.images.parts) != len(first.images.parts) or (pair.image, pair.mask) != (first.image, first.mask):
        return False
    other = pair.images.parts[place]

    def renamed(parts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(other if each == part else each for each in parts)

    return renamed(first.images.parts) == pair.images.parts and renamed(first.masks.parts) == pair.masks.parts


def _of_stem(image: str, called: str) -> str:
    """How a file is called, by the stem of the image where these are alike."""
    return called.replace(PLACE, "{stem}") if image == PLACE else called


def _places(chosen: Mapping[str, _Pair], pairs: Sequence[_Pair], group_part: str) -> Places:
    images, masks, regions = {}, {}, {}
    for split, pair in chosen.items():
        images[split] = pair.images.pattern(None if pair.image == PLACE else pair.image)
        masks[split] = pair.masks.pattern(_of_stem(pair.image, pair.mask))
        if pair.region:
            regions[split] = pair.region
    if "" in chosen and group_part:
        images, masks, regions = (
            {"": _with_group(each[""], group_part)} if each else {} for each in (images, masks, regions)
        )
    layout = Layout(images, masks, {}, regions if regions.keys() == images.keys() else {})
    own = {pair.masks.path for pair in pairs}
    files = [path for pair in pairs for path in _masks_of(pair)]
    stems = [stem for pair in pairs for stem in pair.images.files]
    return Places(
        layout,
        files,
        sum(pair.pairs for pair in pairs),
        sum(len(pair.images.files) for pair in pairs),
        None if group_part not in ("", "split") else guessed_group(stems),
        [fit.pattern(called) for pair in pairs for fit, called in pair.others if fit.path not in own],
    )


def _with_group(pattern: str, part: str) -> str:
    return "/".join("{group}" if each == part else each for each in pattern.split("/"))


def _masks_of(pair: _Pair) -> list[Path]:
    names = {named_by(stem, pair.image) for stem in pair.images.files}
    return [path for stem, path in pair.masks.files.items() if named_by(stem, pair.mask) in names]
