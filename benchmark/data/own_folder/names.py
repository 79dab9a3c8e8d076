"""Which files of your own folder belong to which sample, by their names and subfolders. Nothing is decoded."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from ...errors import UserError
from ...io.atomic import MAX_NAME_BYTES
from ...io.images.picture import PICTURE_SUFFIXES
from ...io.listing import files_below, unread_images
from ...text import counted, some
from .naming import Guess, Names, guess_names, named_by

IMAGES = PICTURE_SUFFIXES
MASKS = frozenset({".png", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".npy"})
JPEG = frozenset({".jpg", ".jpeg"})
MASK_SUFFIX = re.compile(r"(?<=.)_(cp_masks|masks?|L|gt|labels?|seg|segmentation)$", re.IGNORECASE)
_INSTANCES_SUFFIX = re.compile(r"(?<=.)_(instances?|inst|mask|labels?)$", re.IGNORECASE)
_SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
MAX_ID_BYTES = MAX_NAME_BYTES - len(".png")
"""Longest id of a sample: predictions are files named by it."""
UNSAFE = frozenset('\\:*?"<>|')


def scan(root: Path, names: Names = MappingProxyType({})) -> tuple[dict[str, Path], dict[str, Path], dict[str, Path]]:
    """Images, masks and instance maps by sample id; `names` says how they are called where that differs.

    Masks and instance maps that are not called so are left out. Raises UserError naming a mask in JPEG, two files of
    one sample, and a name that not every system takes.
    """
    images = _named(root / "images", IMAGES, names.get("image"), None, ())
    masks = _named(root / "masks", MASKS | JPEG, names.get("mask"), MASK_SUFFIX, images)
    refuse_jpeg(masks.values())
    known = images.keys() | masks.keys()
    return images, masks, _named(root / "instances", MASKS, names.get("instances"), _INSTANCES_SUFFIX, known)


def refuse_jpeg(masks: Iterable[Path]) -> None:
    """Raise UserError for a mask in JPEG."""
    lossy = next((path for path in masks if path.suffix.lower() in JPEG), None)
    if lossy is not None:
        raise UserError(
            f"{lossy}: is a JPEG. JPEG changes pixels, above all at borders, so it cannot hold label values or class "
            "colours. Export the masks again as PNG; to turn this JPEG into a PNG does not bring the labels back."
        )


def guess(root: Path, paired: int) -> Guess | None:
    """How images and masks seem to be called, where more masks than the `paired` ones then have an image."""

    def stems(folder: Path, suffixes: frozenset[str]) -> list[tuple[str, str]]:
        files = files_below(folder, suffixes) if folder.is_dir() else []
        return [(path.relative_to(folder).parent.as_posix(), normal(path.stem)) for path in files]

    return guess_names(stems(root / "images", IMAGES), stems(root / "masks", MASKS), paired)


def none_paired(images: Mapping[str, Path], masks: Mapping[str, Path], root: Path) -> list[str]:
    """The sentence for a folder in which no mask has an image, and so no image a mask; nothing for any other."""
    if images.keys() & masks.keys():
        return []
    if not images:
        there = f"'{root / 'images'}' holds {counted(0, 'image')}"
        return [f"{there}, so that only predictions from elsewhere can be scored: {_instead_of_images(root)}"]
    of_masks, of_images = (some([f"'{path.name}'" for path in files.values()], 3) for files in (masks, images))
    return [
        f"none of {counted(len(masks), 'mask')} ({of_masks}) has an image, and none of {counted(len(images), 'image')} "
        f"({of_images}) a mask: both are to have the same names, or classes.yaml to say how they are called, as in "
        '\'names: {image: "{name}_raw", mask: "{name}_labels"}\''
    ]


def _instead_of_images(root: Path) -> str:
    unread = unread_images(root / "images") if (root / "images").is_dir() else ""
    return f"it holds {unread}; save them as PNG" if unread else "put there the images that are to be predicted"


def called(files: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """Sample ids by the names of their files, with subfolders as an id has them."""
    return {_sample_id(path, folder): sample_id for sample_id, path in files.items()}


def normal(text: str) -> str:
    """The one way of two in which a letter is stored here: a copy from another system stores it in the other."""
    return unicodedata.normalize("NFC", text)


def _named(
    folder: Path,
    suffixes: frozenset[str],
    pattern: str | None,
    ending: re.Pattern[str] | None,
    known: Iterable[str],
) -> dict[str, Path]:
    """Files below a folder by sample id, without the ending unless an image is called so.

    With a pattern it alone says what is left of a name. An image that is called otherwise is the sample of its name.
    """
    found: dict[str, Path] = {}
    known = set(known)
    for path in files_below(folder, suffixes) if folder.is_dir() else ():
        name = named_by(normal(path.stem), pattern)
        if name is None and ending is not None:
            continue
        sample_id = _sample_id(path if name is None else path.with_name(f"{name}{path.suffix}"), folder)
        if pattern is None and ending is not None and sample_id not in known:
            sample_id = ending.sub("", sample_id)
        other = found.setdefault(sample_id, path)
        if other != path:
            raise UserError(f"'{other}' and '{path}' are both of the sample '{sample_id}'; keep or rename one of them")
    return found


def _sample_id(path: Path, folder: Path) -> str:
    relative = path.relative_to(folder)
    return checked_id(normal("__".join((*relative.parent.parts, path.stem))), path)


def checked_id(name: str, path: Path) -> str:
    """A sample id, if every system takes it as the name of a file; else raises UserError naming the `path`."""
    if not name.isprintable() or UNSAFE & set(name):
        raise UserError(f"'{path}': its name holds a character that not every system allows in file names; rename it")
    if len(name.encode()) > MAX_ID_BYTES:
        raise UserError(
            f"'{path}': its sample would be called '{name[:60]}…', which is {len(name.encode())} bytes long with its "
            f"subfolders, and a prediction could not be named by it: at most {MAX_ID_BYTES} are taken. Shorten them."
        )
    return name


def places(groups: Mapping[str, str], *, film: bool) -> dict[str, tuple[str, int]]:
    """Group of every sample, and its place in the group or among those that stand alone, whose group is "".

    Of a `film` all that stand alone are frames of one group.
    """
    counts: Counter[str] = Counter()
    found = {}
    for sample_id, together in groups.items():
        found[sample_id] = (together or ("folder" if film else sample_id), counts[together])
        counts[together] += 1
    return found


def group_of(path: Path, root: Path) -> str:
    """The subfolder that a file shares with its group; "" of one that stands alone, there or in that of a split."""
    inside = folders(path, root)
    return "" if len(inside) == 1 and split_of_folder(inside[0]) else "/".join(inside)


def split_of_folder(name: str) -> str:
    """The split that a subfolder of this name is, "" where it is none."""
    return _SPLIT_FOLDERS.get(name.lower(), "")


def folders(path: Path, root: Path) -> tuple[str, ...]:
    """Subfolders of images/ or masks/ that a file lies in."""
    return path.relative_to(root).parent.parts[1:]


def own_name(root: Path) -> str:
    """The name of a folder that is given none: its own, where that can be one."""
    name = root.resolve().name
    return name if name.strip() and name.isprintable() else "folder"
