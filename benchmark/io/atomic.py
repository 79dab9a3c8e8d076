"""Writing files so that a reader sees the old content or the new, never half of either."""

from __future__ import annotations

import ctypes
import errno
import functools
import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MAX_NAME_BYTES = 255
"""Longest name of a file, of file systems in use."""

_OF_DISKS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG})
_MAX_SHOWN = 40
_TEMPORARY = re.compile(r"\..*\.([0-9a-f]{8})-([0-9]+)-([^.]+)\.tmp")
_ASIDE = "aside-"
"""How the last part of a temporary name begins, of a folder with one that another is about to replace."""
_ABANDONED_S = 7 * 24 * 3600
"""Age after which a temporary file is left over whose process cannot be asked for."""
_BOOT, _PROCESSES = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
_swept: set[Path] = set()


def temporary_prefix(path: Path) -> str:
    """How the temporary file or folder that becomes `path` is called: its name, this machine and this process."""
    return f".{path.name[:_MAX_SHOWN]}.{machine()}-{os.getpid()}-"


@functools.cache
def machine() -> str:
    """8 hexadecimal digits for where the number of a process stands for one process.

    On Linux that is one start of one machine, and one container on it: others have processes of the same numbers.
    """
    parts = [socket.gethostname()]
    if sys.platform == "linux":
        try:
            parts += [_BOOT.read_text(encoding="ascii"), str(_PROCESSES.readlink())]
        except OSError:
            parts.append(secrets.token_hex())  # nobody can tell whose processes these are
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def sweep(folder: Path) -> None:
    """Take away what processes that are no more have left half-made in a folder, and put back what they were replacing.

    A process of another machine, of another container or of before the last start cannot be asked for: what it made
    stays for a week. Looked for once in every folder that this process writes into.
    """
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _TEMPORARY.fullmatch(entry.name) if entry.name.endswith(".tmp") else None
            if found and _is_left_over(entry, found[1], int(found[2])):
                take_away(Path(entry))


def take_away(left: Path) -> None:
    """Remove a temporary file or folder that was left half-made; a folder that was moved aside in it goes back."""
    found = _TEMPORARY.fullmatch(left.name)
    if left.is_symlink() or not left.is_dir():
        left.unlink(missing_ok=True)
        return
    for old in left.iterdir() if found and found[3].startswith(_ASIDE) else ():
        if not os.path.lexists(left.with_name(old.name)):
            old.rename(left.with_name(old.name))
    shutil.rmtree(left, ignore_errors=True)


def _is_left_over(entry: os.DirEntry[str], where: str, process: int) -> bool:
    if where == machine():
        return not is_alive(process)
    try:
        return entry.stat(follow_symlinks=False).st_mtime < time.time() - _ABANDONED_S
    except FileNotFoundError:
        return False


def is_temporary(path: Path) -> bool:
    """Whether a file or folder is one that a process is about to put, or would have put, in the place of another."""
    return _TEMPORARY.fullmatch(path.name) is not None


def of_this_machine(path: Path) -> bool:
    """Whether a temporary file or folder is of a process of this machine: then `sweep` knows when it is left over."""
    found = _TEMPORARY.fullmatch(path.name)
    return found is not None and found[1] == machine()


def is_alive(process: int) -> bool:
    """Whether a process of this machine with this number has not ended."""
    if sys.platform == "win32":
        return True  # there a process cannot be asked for without more rights
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's
    return True


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name this path in an error of a disk that names none, such as that of a full one, or a temporary file's."""
    try:
        yield
    except OSError as error:
        passing = error.filename is not None and os.fsdecode(error.filename).endswith(".tmp")
        if error.errno is None or not (passing or (error.filename is None and error.errno in _OF_DISKS)):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


@contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """A folder to make something in that is to take the place of `beside`; it is gone when the block ends."""
    with naming(beside):
        beside.parent.mkdir(parents=True, exist_ok=True)
        sweep(beside.parent)
        made = Path(tempfile.mkdtemp(prefix=temporary_prefix(beside), suffix=".tmp", dir=beside.parent))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends without an error.

    A link there is replaced, and what it leads to stays: a folder may be a stranger's. `output_path` follows it.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        handle, name = tempfile.mkstemp(prefix=temporary_prefix(path), suffix=".tmp", dir=path.parent)
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


@contextmanager
def output_path(path: Path) -> Iterator[Path]:
    """A temporary path that becomes a file whose path the user named, when the block ends without an error.

    Of a link, what it leads to is replaced. What is neither a file nor a folder, such as `/dev/null` or a named pipe,
    stays, and the content is written to it.
    """
    if not _is_special(path):
        with atomic_path(Path(os.path.realpath(path)) if _may_be_followed(path) else path) as temporary:
            yield temporary
        return
    handle, name = tempfile.mkstemp(suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        with naming(path):
            yield temporary
            with temporary.open("rb") as content, path.open("wb") as special:
                shutil.copyfileobj(content, special)
    finally:
        temporary.unlink(missing_ok=True)


def _is_special(path: Path) -> bool:
    """Whether there is something, at the end of links too, that is neither a file nor a folder."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _may_be_followed(path: Path) -> bool:
    """Whether it is a link, and none that somebody else put into a folder where everybody may write, such as `/tmp`."""
    if not path.is_symlink():
        return False
    if sys.platform == "win32":
        return True
    folder, owner = path.parent.stat(), path.lstat().st_uid
    shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    return not shared or owner in (os.geteuid(), folder.st_uid)


def write_text(path: Path, text: str) -> None:
    """Write a text file by `atomic_path`, as UTF-8; what has no place there (a path of odd bytes) is escaped."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded(text))


def write_output(path: Path, text: str) -> None:
    """Write a text file by `output_path`, as `write_text` does."""
    with output_path(path) as temporary:
        temporary.write_bytes(encoded(text))


def encoded(text: str) -> bytes:
    """Text as UTF-8; what has no place there (a path of odd bytes) is escaped."""
    return text.encode("utf-8", "backslashreplace")


def replace_folder(new: Path, target: Path) -> None:
    """Put a folder in the place of another of the same file system; afterwards `new` is what `target` was, if anything.

    One step where the system has one for it (Linux, macOS): whoever looks, or comes after a kill, finds the old folder
    or the new one. Elsewhere, as on NFS, it is two: an error in the second one is undone, and after a kill between them
    `sweep` puts the old folder back.

    Raises
    ------
    OSError
        Where a folder cannot be moved; nothing has changed then.
    """
    if not os.path.lexists(target):
        try:
            new.rename(target)
        except OSError:
            if not os.path.lexists(target):
                raise
        else:
            return  # else another process was quicker, and its folder is replaced
    if not _exchange(new, target):
        _replace_in_two_steps(new, target)


def _replace_in_two_steps(new: Path, target: Path) -> None:
    aside = Path(tempfile.mkdtemp(prefix=temporary_prefix(target) + _ASIDE, suffix=".tmp", dir=target.parent))
    old = aside / target.name
    try:
        target.rename(old)
        try:
            new.rename(target)
        except OSError:
            old.rename(target)
            raise
        old.rename(new)
    finally:
        with suppress(OSError):
            aside.rmdir()


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
