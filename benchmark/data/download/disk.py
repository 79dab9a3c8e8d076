"""Room on disks: whether there is enough of it, and what to say where it ran out."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from ...types import UserError

FULL_DISK = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})


def byte_count(size: float) -> str:
    """A number of bytes for people.

    >>> byte_count(815585330)
    '816 MB'
    """
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def need_space(folder: Path, needed: int, what: str) -> None:
    """Raise UserError if a folder's disk has less room than `needed` bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{what} needs {byte_count(needed)} in '{folder}', where {byte_count(free)} are free. Make room, or choose "
            "another folder with --root."
        )


def disk_error(error: OSError, path: Path) -> UserError:
    """What a failed write means to the user."""
    if error.errno in FULL_DISK:
        return UserError(
            f"the disk is full, or the largest allowed file size is reached, at '{path}' ({error.strerror}). Make room "
            "and give the same command again: it goes on from there."
        )
    return UserError(f"'{path}' cannot be written ({error.strerror or error})")
