"""Files below a folder."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from ..text import counted
from ..types import UserError

_MAX_ENDINGS = 3
_OTHER_PICTURES = frozenset({
    ".avif", ".heic", ".heif", ".hif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpf", ".jpx", ".jxl", ".jxr", ".ico",
    ".pbm", ".pcx", ".pgm", ".pnm", ".ppm", ".psd", ".svg", ".tga", ".exr", ".hdr", ".eps", ".pdf", ".arw", ".cr2",
    ".cr3", ".dng", ".nef", ".orf", ".raf", ".raw", ".rw2", ".czi", ".ims", ".lif", ".lsm", ".nd2", ".ndpi", ".oib",
    ".oif", ".svs", ".scn", ".vsi", ".stk", ".dcm", ".dicom", ".gz", ".mha", ".mhd", ".nii", ".nrrd", ".mrc", ".h5",
    ".hdf5", ".mat",
})  # fmt: skip
"""Endings of files that hold pictures of kinds that are not read."""


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Files with one of these suffixes in any depth, through links too, without hidden ones.

    Raises UserError for a folder that cannot be listed, and for a pipe or a device, which may have no end.
    """
    found: list[Path] = []
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise UserError(f"'{error.filename}' cannot be listed: {error.strerror}") from error

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(place) / name for name in names if not name.startswith("."))
        wanted = [path for path in paths if path.suffix.lower() in suffixes]
        for path in wanted:
            _refuse_endless(path)
        found += wanted
    return sorted(found)


def _refuse_endless(path: Path) -> None:
    """Raise UserError for what is neither a file nor a folder; of a link to nothing the readers tell."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UserError(f"'{path}' is a pipe or a device, which may have no end. Put a file there, or take it away.")


def unread_files(paths: Iterable[Path], suffixes: Collection[str]) -> str:
    """The files that have none of these suffixes, for a sentence about what is not read; "" where there are none.

    >>> unread_files([Path("a.heic"), Path("b.HEIC"), Path("c.png")], {".png"})
    '2 .heic files, which are not read'
    """
    endings = Counter(path.suffix.lower() for path in paths if path.suffix.lower() not in suffixes)
    most = endings.most_common(_MAX_ENDINGS)
    listed = [counted(n, f"{ending} file" if ending else "file without an ending") for ending, n in most]
    listed += [counted(endings.total() - sum(n for _, n in most), "other file")] if len(endings) > len(most) else []
    if not listed:
        return ""
    one = endings.total() == 1
    return f"{', '.join(listed)}, which {'is' if one else 'are'} not read"


def unread_images(root: Path) -> str:
    """The files below a folder that hold images of kinds that are not read, for a sentence; "" where there are none."""
    return unread_pictures(files_below(root, _OTHER_PICTURES) if root.is_dir() else [])


def unread_pictures(paths: Iterable[Path]) -> str:
    """Those of these files that hold images of kinds that are not read, for a sentence; "" where there are none.

    >>> unread_pictures([Path("a.heic"), Path("notes.txt"), Path("c.png")])
    '1 .heic file, which is not read'
    """
    return unread_files((path for path in paths if path.suffix.lower() in _OTHER_PICTURES), ())


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; a path that a stranger's file names may be one that no file system has."""
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long a name, or one with a null byte
        return False


def resolved(named: str) -> Path | None:
    """A path that a stranger's file names, without links; None of one that no file system has."""
    try:
        return Path(named).resolve()
    except (OSError, ValueError):
        return None
