"""The folder that an import writes: what may be replaced, and how files come into it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

from ...types import UserError
from ..own_folder.classes_file import FILE
from ..own_folder.objects import OBJECTS

REPORT = "import.json"
"""What became of what; it marks a folder that an import made."""
FLAGS = "flags.csv"
"""What is said of pictures as wholes, a column each."""

_MADE = frozenset({"images", "masks", "instances", "splits", "panoptic", "panoptic.json", FILE, OBJECTS, REPORT, FLAGS})


def refuse_target(place: Path, out: Path, *, overwrite: bool) -> None:
    """Raise UserError for a folder that may not be written: something lies there, or it is a part of the source."""
    source, target = place.resolve(), out.resolve()
    folder = source if source.is_dir() else source.parent
    if target == folder or folder.is_relative_to(target) or (source.is_dir() and target.is_relative_to(folder)):
        raise UserError(f"--out '{out}' and the source '{place}' lie in one another; choose a folder beside the source")
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise UserError(f"--out '{out}' is a file; expected a new folder")
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    if not names:
        return
    if not overwrite:
        raise UserError(f"--out '{out}' is not empty. Choose a new folder, or add --overwrite to replace it.")
    foreign = sorted(names - _MADE)
    if foreign or not names & {REPORT, FILE, "masks"}:
        what = f"'{foreign[0]}', which no import makes" if foreign else "nothing that an import made"
        raise UserError(f"--out '{out}' holds {what}, and it would be lost. Move it away, or choose another folder.")


def below(folder: Path, name: PurePosixPath, suffix: str) -> Path:
    """The path of a sample's file, in a folder that is made."""
    path = folder.joinpath(*name.parts[:-1], f"{name.name}{suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def link_or_copy(picture: Path, path: Path, copy: bool) -> str:
    """Link a file to a path, or copy it where that is asked for or nothing else works; says how it came."""
    origin = picture.resolve()
    if not copy:
        try:
            os.link(origin, path)
            return "hard links"
        except OSError:  # another disk, or one that knows no links
            pass
        try:
            path.symlink_to(origin)
            return "symbolic links"
        except OSError:
            pass
    shutil.copyfile(origin, path)
    return "copies"
