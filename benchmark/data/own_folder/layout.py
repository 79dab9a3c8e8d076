"""Patterns of paths for the files of your own folder when they are not in images/ and masks/.

`train/*.png` finds images: `*` stands for any characters of a name, `**` for any folders, and `{word}` for characters
that are used again. `trainannot/{stem}.png` says where what belongs to an image lies: `{stem}` is the name of its file
without ending, `{folder}` the folders below the fixed part of its pattern, and `{word}` what stood there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import UserError
from ...io.listing import files_below
from ...text import some
from .grouping import GuessedGroup
from .names import IMAGES, JPEG, MASKS, checked_id, normal, refuse_jpeg
from .splits import SPLITS

KEYS = ("images", "masks", "instances", "region")
"""Keys of `classes.yaml` that say where files lie."""

MAX_PATTERN = 300
_MAX_WILDCARDS = 2
"""Wildcards in one name: a name is compared with them in time that grows with the square of its length."""

_WORD = re.compile(r"\{([a-z][a-z0-9_]{0,30})\}")
_WILDCARD = re.compile(r"\*|\{[a-z][a-z0-9_]{0,30}\}")
_OWN_WORDS = frozenset({"stem", "folder"})
_ANY_SUFFIX = ".*"

Patterns = Mapping[str, str]
"""A pattern for each split, or one for all under the name ""."""


@dataclass(frozen=True)
class Layout:
    """Patterns of the images, and of what belongs to them."""

    images: Patterns = field(default_factory=dict)
    masks: Patterns = field(default_factory=dict)
    instances: Patterns = field(default_factory=dict)
    region: Patterns = field(default_factory=dict)

    def written(self) -> dict[str, Any]:
        """The patterns as `classes.yaml` holds them."""
        found = {key: dict(getattr(self, key)) for key in KEYS if getattr(self, key)}
        return {key: value.get("", value) for key, value in found.items()}

    def lines(self) -> list[str]:
        """The patterns as lines of `classes.yaml`."""
        lines = []
        for key, value in self.written().items():
            if isinstance(value, str):
                lines.append(f"{key}: {json.dumps(value, ensure_ascii=False)}")
            else:
                rows = (f"  {split}: {json.dumps(text, ensure_ascii=False)}" for split, text in value.items())
                lines += [f"{key}:", *rows]
        return lines


@dataclass(frozen=True)
class Places:
    """A layout, masks by it, what it rests on, and other folders that would fit as masks."""

    layout: Layout
    masks: Sequence[Path]
    pairs: int
    images: int
    group: GuessedGroup | None = None
    others: Sequence[str] = ()


@dataclass
class Located:
    """Files by sample, and of each sample the group that its path says and the split."""

    images: dict[str, Path] = field(default_factory=dict)
    masks: dict[str, Path] = field(default_factory=dict)
    instances: dict[str, Path] = field(default_factory=dict)
    regions: dict[str, Path] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    own_names: dict[str, str] = field(default_factory=dict)


def is_place(value: object) -> bool:
    """Whether the value of `masks` says where they lie; else it says how they hold classes."""
    return isinstance(value, dict) or (isinstance(value, str) and bool(set(value) & set("/{.*")))


def parse_layout(values: Mapping[str, Any], where: str) -> Layout:
    """The layout that `classes.yaml` gives, empty where it gives none.

    Raises UserError naming the key: for a pattern that leads out of the folder or is no pattern, and for images without
    masks or masks without images.
    """
    given = {key: values[key] for key in KEYS if key in values and (key != "masks" or is_place(values[key]))}
    layout = Layout(**{key: _patterns(value, f"{where}: {key}") for key, value in given.items()})
    if bool(layout.images) != bool(layout.masks) or (layout.instances and not layout.images):
        missing = "masks" if layout.images else "images"
        raise UserError(
            f"{where}: says where {', '.join(given)} lie, and not where {missing} do. Write both, such as "
            "'images: train/*.png' and 'masks: trainannot/{stem}.png'"
        )
    if layout.images and "names" in values:
        raise UserError(f"{where}: gives 'images' and 'names'; the first says how files are called: leave out 'names'")
    for key in ("masks", "instances", "region"):
        _check_words(layout, key, where)
    return layout


def _patterns(value: Any, where: str) -> dict[str, str]:
    if isinstance(value, str):
        return {"": _pattern(value, where)}
    if not isinstance(value, dict) or not value or not set(value) <= set(SPLITS):
        raise UserError(
            f"{where} is {value!r:.60}; expected a path such as train/*.png, or one for each of {some(SPLITS)}"
        )
    return {split: _pattern(text, f"{where}.{split}") for split, text in value.items()}


def _pattern(text: Any, where: str) -> str:
    parts = text.split("/") if isinstance(text, str) else []
    plain = "".join(_WILDCARD.sub("", part) for part in parts)
    bad = (
        not parts or not plain.strip("/") or len(text) > MAX_PATTERN or not text.isprintable()
        or set(plain) & set('{}\\:"<>|?') or any(part in ("", ".", "..") for part in parts)
    )  # fmt: skip
    if bad:
        raise UserError(
            f"{where} is {text!r:.80}; expected a path below the folder with / between its parts, in which * stands "
            "for any characters and {word} for what is used again"
        )
    for part in parts:
        if part != "**" and len(_WILDCARD.findall(part)) > _MAX_WILDCARDS:
            raise UserError(f"{where}: '{part[:60]}' has more than {_MAX_WILDCARDS} of * and {{word}} in one name")
    if parts[-1] == "**":
        raise UserError(
            f"{where}: ends in **, which stands for folders; write ** and then how files are called, as *.png"
        )
    return str(text)


def _check_words(layout: Layout, key: str, where: str) -> None:
    """Words of a place are those of the images' pattern; in the usual layout `{stem}` alone."""
    for split, text in getattr(layout, key).items():
        source = layout.images.get(split, layout.images.get("")) if layout.images else ""
        if layout.images and source is None:
            raise UserError(f"{where}: {key} names the split '{split}', which images does not")
        known = _OWN_WORDS | set(_WORD.findall(source or ""))
        strange = [word for word in _WORD.findall(text) if word not in known]
        stars = "*" in text.removesuffix(_ANY_SUFFIX)
        if strange or stars or not _WORD.search(text):
            found = f"holds {{{strange[0]}}}" if strange else "holds *" if stars else "is one file for all images"
            words = ", ".join(f"{{{word}}}" for word in sorted(known))
            raise UserError(
                f"{where}: {key} '{text}' {found}; expected the place of one file for each image, by {words}"
            )


def locate(root: Path, layout: Layout, where: str) -> Located:
    """The files of a layout below a root, where `images` says where these lie.

    Raises UserError for a pattern that finds nothing, files of one name, a mask in JPEG, and a region that is missing.
    """
    found = Located()
    matches = {split: _matching(root, text, f"{where}: images", root) for split, text in layout.images.items()}
    ids = [match.sample_id for each in matches.values() for match in each]
    clash = len(set(ids)) < len(ids) and len(matches) > 1
    for split, each in matches.items():
        for match in each:
            sample_id = checked_id(f"{split}__{match.sample_id}" if clash else match.sample_id, match.path)
            if sample_id in found.images:
                raise UserError(
                    f"'{found.images[sample_id]}' and '{match.path}' are both of the sample '{sample_id}'; make the "
                    f"pattern of images in {where} say which is meant"
                )
            found.images[sample_id], found.splits[sample_id] = match.path, split
            found.groups[sample_id], found.own_names[sample_id] = match.group, match.name
            for key, files in (("masks", found.masks), ("instances", found.instances), ("region", found.regions)):
                place = getattr(layout, key).get(split, getattr(layout, key).get(""))
                path = None if place is None else _belonging(root, place, match.words)
                if path is not None:
                    files[sample_id] = path
    refuse_jpeg(found.masks.values())
    if not found.masks:
        text = some([f"'{text}'" for text in layout.masks.values()], 3)
        raise UserError(f"{where}: none of {len(found.images)} images has a mask at {text}")
    refuse_without_region(found.masks, found.regions, layout.region, found.splits, where)
    return found


def regions_beside(root: Path, layout: Layout, files: Mapping[str, Path], where: str) -> dict[str, Path]:
    """The region of every sample of the usual layout, by the names of its files; raises UserError for a missing one."""
    if not layout.region:
        return {}
    place = layout.region.get("")
    if place is None:
        raise UserError(f"{where}: region names splits; expected one path, such as region: fov/{{stem}}.png")
    words = {}
    for sample_id, path in files.items():
        folder = "/".join(path.relative_to(root).parent.parts[1:])
        words[sample_id] = {"stem": path.stem, "folder": folder}
    found = {i: file for i, each in words.items() if (file := _belonging(root, place, each)) is not None}
    refuse_without_region(files, found, layout.region, dict.fromkeys(files, ""), where)
    return found


def refuse_without_region(
    samples: Mapping[str, Path], regions: Mapping[str, Path], patterns: Patterns, splits: Mapping[str, str], where: str
) -> None:
    """Raise UserError where a sample lacks its region: all of its pixels would count, and nobody would know."""
    wanted = [i for i in samples if splits[i] in patterns or "" in patterns]
    lost = [i for i in wanted if i not in regions]
    if lost:
        place = patterns.get(splits[lost[0]], patterns.get("", ""))
        raise UserError(
            f"{where}: {len(lost)} of {len(wanted)} samples have no region at '{place}', first '{lost[0]}' "
            f"({samples[lost[0]]})"
        )


@dataclass(frozen=True)
class _Match:
    path: Path
    sample_id: str
    name: str
    group: str
    words: Mapping[str, str]


def _matching(root: Path, pattern: str, where: str, below: Path) -> list[_Match]:
    parts = pattern.split("/")
    fixed = next(n for n, part in enumerate(parts) if part == "**" or _WILDCARD.search(part) or n == len(parts) - 1)
    start = below.joinpath(*parts[:fixed])
    rest = parts[fixed:]
    found = []
    for path in files_below(start, IMAGES) if start.is_dir() else []:
        names = path.relative_to(start).parts
        bound = _bound(rest, [normal(name) for name in names])
        if bound is not None:
            found.append(_match(path, names, rest, bound))
    if not found:
        beside = sorted(each.name for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))
        raise UserError(f"{where}: '{pattern}' finds no image below '{root}'. There are the folders {some(beside)}.")
    return found


def _match(path: Path, names: tuple[str, ...], rest: list[str], bound: Mapping[str, str]) -> _Match:
    stem, folders = normal(path.stem), [normal(name) for name in names[:-1]]
    variable = [name for name in folders if not any(name == part for part in rest[:-1])]
    name = bound.get("name", stem) if "{name}" in rest[-1] else stem
    words = {**bound, "stem": stem, "folder": "/".join(folders)}
    group = bound.get("group", "/".join(variable))
    return _Match(path, "__".join((*variable, name)), name, group, words)


def _bound(parts: list[str], names: list[str]) -> dict[str, str] | None:
    """What stands for the words of a pattern in the names of a path; None where it does not fit."""
    if not parts:
        return {} if not names else None
    if parts[0] == "**":
        tries = (_bound(parts[1:], names[skip:]) for skip in range(len(names)))
        return next((each for each in tries if each is not None), None)
    inside = _name_of(parts[0]).fullmatch(names[0]) if names else None
    rest = _bound(parts[1:], names[1:]) if inside is not None else None
    if inside is None or rest is None:
        return None
    own = inside.groupdict()
    return None if any(rest.get(word, value) != value for word, value in own.items()) else {**rest, **own}


def _name_of(part: str) -> re.Pattern[str]:
    """The expression of one name; of repeated words the first binds."""
    seen: set[str] = set()
    text, position = "", 0
    for wildcard in _WILDCARD.finditer(part):
        word = wildcard[0].strip("{}*")
        text += re.escape(part[position : wildcard.start()])
        text += ".*" if not word else f"(?P={word})" if word in seen else f"(?P<{word}>.+)"
        seen.add(word)
        position = wildcard.end()
    return re.compile(text + re.escape(part[position:]), re.DOTALL)


def _belonging(root: Path, place: str, words: Mapping[str, str]) -> Path | None:
    """The file at a place; of one that leaves the ending open the only one that is a picture of labels."""
    relative = PurePosixPath(_WORD.sub(lambda word: words[word[1]], place.removesuffix(_ANY_SUFFIX)))
    path = root / relative
    if not place.endswith(_ANY_SUFFIX):
        return path if path.is_file() else None
    named = [path.with_name(path.name + suffix) for suffix in sorted(MASKS | JPEG)]
    there = [each for each in named if each.is_file()]
    if len(there) > 1:
        raise UserError(f"'{there[0]}' and '{there[1]}' are both at '{place}'; keep one of them, or write its ending")
    return there[0] if there else None
