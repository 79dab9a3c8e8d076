"""Which files of your own folder belong to which sample, by their names and subfolders. Nothing is decoded."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...errors import UserError
from ...io.atomic import MAX_NAME_BYTES
from ...io.images.picture import PICTURE_SUFFIXES
from ...io.listing import files_below

IMAGES = PICTURE_SUFFIXES
MASKS = frozenset({".png", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".npy"})
JPEG = frozenset({".jpg", ".jpeg"})
MASK_SUFFIX = re.compile(r"(?<=.)_(mask|L|gt|labels?|seg|segmentation)$", re.IGNORECASE)
_INSTANCES_SUFFIX = re.compile(r"(?<=.)_(instances?|inst|mask|labels?)$", re.IGNORECASE)
_SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
MAX_ID_BYTES = MAX_NAME_BYTES - len(".png")
"""Longest id of a sample: predictions are files named by it."""
_UNSAFE = frozenset('\\:*?"<>|')


def scan(root: Path) -> tuple[dict[str, Path], dict[str, Path], dict[str, Path]]:
    """Images, masks and instance maps by sample id.

    Raises UserError naming a mask in JPEG, two files of one sample, and a name that not every system takes.
    """
    images = _named(root / "images", IMAGES, None, ())
    masks = _named(root / "masks", MASKS | JPEG, MASK_SUFFIX, images)
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
    if len(name.encode()) > MAX_ID_BYTES:
        raise UserError(
            f"'{path}': its sample would be called '{name[:60]}…', which is {len(name.encode())} bytes long with its "
            f"subfolders, and a prediction could not be named by it: at most {MAX_ID_BYTES} are taken. Shorten them."
        )
    return name


def places(files: Mapping[str, Path], root: Path, *, film: bool) -> dict[str, tuple[str, int]]:
    """Group of every sample, and its place in the group or among those that stand alone.

    Of a `film` all that stand alone are frames of one group.
    """
    counts: Counter[str] = Counter()
    found = {}
    for sample_id, path in files.items():
        together = group_of(path, root)
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
