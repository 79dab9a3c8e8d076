"""Writing files so that a reader sees the old content or the new, never half of either."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_NAME_BYTES = 255
"""Longest name of a file, of file systems in use."""

_MAX_SHOWN = 40


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:_MAX_SHOWN]}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; a result is for others to read as the user's umask says.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8; what has no place there (a path of odd bytes) is escaped."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


def replace_folder(new: Path, target: Path) -> None:
    """Put a folder in the place of another of the same file system; afterwards `new` is what `target` was, if anything.

    One step where the system has one for it (Linux, macOS): whoever looks, or comes after a kill, finds the old folder
    or the new one. Elsewhere it is two, and an error in the second one is undone.

    Raises
    ------
    OSError
        Where a folder cannot be moved; nothing has changed then.
    """
    if not target.exists():
        new.rename(target)
    elif not _exchange(new, target):
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
        aside.rmdir()
        target.rename(aside)
        try:
            new.rename(target)
        except OSError:
            aside.rename(target)
            raise
        aside.rename(new)


_AT_FDCWD = {"linux": -100, "darwin": -2}
_EXCHANGE = {"linux": ("renameat2", 2), "darwin": ("renameatx_np", 2)}
"""The function that exchanges two paths, and its flag (RENAME_EXCHANGE, RENAME_SWAP)."""


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where this system or file system cannot."""
    if sys.platform not in _EXCHANGE:
        return False
    name, flag = _EXCHANGE[sys.platform]
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        return False
    here = ctypes.c_int(_AT_FDCWD[sys.platform])
    return bool(function(here, os.fsencode(one), here, os.fsencode(other), ctypes.c_uint(flag)) == 0)
