"""What every decoder of pixels shares: how large a file may be, and the sentence for one that cannot be read."""

from __future__ import annotations

from pathlib import Path

from ...types import UserError

MAX_PIXELS = 300_000_000
"""Larger files are refused before they are decoded: a small file must not fill the memory."""


def check_size(path: Path, pixels: int) -> None:
    """Raise UserError for more values than are read."""
    if pixels > MAX_PIXELS:
        raise UserError(f"{path}: holds {pixels} values a page; more than {MAX_PIXELS} are not read")


def unreadable(path: Path, error: Exception) -> UserError:
    """The error that names a file which cannot be decoded, and says why."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: no such file")
    if isinstance(error, PermissionError):
        return UserError(f"{path}: may not be read (permission denied)")
    if path.is_dir():
        return UserError(f"{path}: is a folder; expected a file")
    if path.is_symlink() and not path.is_file():
        return UserError(f"{path}: is a link that leads to no file. Put the file itself there.")
    size = path.stat().st_size if path.is_file() else 0
    if size == 0:
        return UserError(f"{path}: is empty (0 bytes). Fetch or write it again.")
    return UserError(
        f"{path}: cannot be decoded ({type(error).__name__}: {error}; the file has {size} bytes). "
        "It is truncated, corrupt or no image: fetch or write it again."
    )
