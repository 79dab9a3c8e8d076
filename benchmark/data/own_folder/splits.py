"""Splits of your own folder: by lists, by subfolders, else by a rule that keeps groups whole."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import groupby
from pathlib import Path

from ...errors import UserError
from ...io.text_files import read_text
from .names import IMAGES, MASK_SUFFIX, MASKS

SPLITS = ("train", "val", "test")
_LIST_BYTES = 50_000_000
_HELD_OUT = 0.15
"""Share of the samples to choose by, and of those to score."""
RULE = 2
"""Version of the rule by which samples get groups and splits; other ones make other runs."""

Splits = tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, bool]]]
"""Samples of every split; and of every split what it is, and whether it has masks."""


def split_samples(
    root: Path,
    groups: Mapping[str, str],
    labelled: Collection[str],
    called: Mapping[str, str],
    places: Mapping[str, str],
    *,
    whole: bool = False,
) -> Splits:
    """By splits/*.txt, else by where every sample lies, else by `cut`.

    Parameters
    ----------
    root : of the folder.
    groups : of every sample what it shares with others of its group, "" of one that stands alone.
    labelled : samples that have a mask.
    called : samples by the names of their files.
    places : the split of a sample by the folder that it lies in, "" where that says none.
    whole : without lists all samples are one split, test.

    Raises
    ------
    UserError
        For lists of other names, and with the line for what a list names wrongly.
    """
    folder = root / "splits"
    lists = {name: folder / f"{name}.txt" for name in SPLITS if (folder / f"{name}.txt").is_file()}
    if lists:
        return _listed(lists, groups, labelled, called)
    if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise UserError(f"'{folder}' holds none of {', '.join(f'{name}.txt' for name in SPLITS)}; rename what is there")
    if whole:
        return _with_masks({"test": tuple(i for i in groups if i in labelled)}, "all that is annotated", labelled)
    if all(places.values()):
        members = {name: tuple(i for i in groups if places[i] == name) for name in SPLITS}
        return _with_masks({name: ids for name, ids in members.items() if ids}, "the subfolder of this name", labelled)
    return _by_rule({i: group for i, group in groups.items() if i in labelled})


def _with_masks(members: Mapping[str, tuple[str, ...]], what: str, labelled: Collection[str]) -> Splits:
    """Splits without the samples that have no mask; where none has one, the split is one without labels."""
    with_masks = {name: tuple(i for i in ids if i in labelled) for name, ids in members.items()}
    splits = {name: with_masks[name] or ids for name, ids in members.items()}
    return splits, {
        name: (what if with_masks[name] else f"{what}; its images have no masks", bool(with_masks[name]))
        for name in members
    }


def _listed(
    lists: Mapping[str, Path], files: Collection[str], labelled: Collection[str], called: Mapping[str, str]
) -> Splits:
    members: dict[str, tuple[str, ...]] = {}
    places: dict[str, str] = {}
    for name, path in lists.items():
        if path.stat().st_size > _LIST_BYTES:
            raise UserError(f"{path}: has {path.stat().st_size} bytes; a list of samples has at most {_LIST_BYTES}")
        try:
            lines = read_text(path).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read ({error}); expected one sample per line, in UTF-8") from error
        chosen = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            sample_id = _listed_sample(line.strip(), f"{path}, line {number}", files, called)
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


def _listed_sample(line: str, where: str, files: Collection[str], called: Mapping[str, str]) -> str:
    """The sample that a line names: by name, with its subfolders, with or without the ending of the file."""
    parts = unicodedata.normalize("NFC", line).replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or ":" in parts[0]:
        raise UserError(f"{where}: '{line[:100]}' leads out of the folder; expected the name of a sample")
    name = "__".join(part for part in parts if part != ".")
    stem, dot, ending = name.rpartition(".")
    bare = stem if dot and f".{ending.lower()}" in IMAGES | MASKS else name
    for candidate in (name, bare, MASK_SUFFIX.sub("", bare), called.get(bare, "")):
        if candidate in files:
            return candidate
    raise UserError(f"{where}: there is no sample '{line[:100]}' in images/ and masks/")


def _by_rule(groups: Mapping[str, str]) -> Splits:
    """70, 15 and 15 % of the samples as near as whole groups allow, for neighbouring frames look alike."""
    unit_of = {i: group or i for i, group in groups.items()}
    split_of = cut(Counter(unit_of.values()))
    splits = {name: tuple(i for i in groups if split_of[unit_of[i]] == name) for name in SPLITS}
    whole = " of the subfolder, which stays whole" if len(split_of) < len(groups) else ""
    how = f"by the rank of a hash of the name{whole}"
    return splits, {
        name: (f"about {share} %, {how}", True) for name, share in (("train", 70), ("val", 15), ("test", 15))
    }


def cut(sizes: Mapping[str, int]) -> dict[str, str]:
    """The split of every unit (a group, or a sample that stands alone), from the number of its samples.

    Units of a size are ranked by a hash of their names, and each split gets as many as bring it nearest to its share:
    the larger ones first, so that the small ones even it out. Every split gets one where there are three, train and
    test where there are two.

    >>> from collections import Counter
    >>> Counter(cut({f"image {n}": 1 for n in range(40)}).values())
    Counter({'train': 28, 'val': 6, 'test': 6})
    """
    units = sorted(sizes, key=lambda unit: (-sizes[unit], _hash(unit), unit))
    missing = dict.fromkeys(SPLITS, round(_HELD_OUT * sum(sizes.values())))
    missing["train"] = sum(sizes.values()) - 2 * missing["test"]
    # Of equal needs the first: what is scored goes before what is only chosen by.
    empty = ["train", "test", "val"][: len(units)]
    names = tuple(empty)
    split_of: dict[str, str] = {}
    for size, same in groupby(units, sizes.__getitem__):
        alike = list(same)
        counts = dict.fromkeys(SPLITS, 0)
        for _ in alike:
            left = len(units) - len(split_of) - sum(counts.values())
            name = max(empty if left <= len(empty) else names, key=missing.__getitem__)
            counts[name] += 1
            missing[name] -= size
            empty = [other for other in empty if other != name]
        members = [name for name in SPLITS for _ in range(counts[name])]
        split_of |= dict(zip(alike, members, strict=True))
    return split_of


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
