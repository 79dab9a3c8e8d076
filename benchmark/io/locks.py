"""Locks on folders: one process at a time; a lock is freed when its process dies."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import UserError
from .atomic import naming

LOCK = ".lock"
"""The lock's file in a folder that is kept to one process."""

_LOOKS_S = 0.5
"""How long somebody who only looks whether a lock is held may keep others from it: a thousandth of that is usual."""


_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""How file systems answer that have no locks, such as Lustre and NFS mounted without.

After ENOSYS filelock makes do with a file that is there as long as the lock is held, or until somebody deletes it.
"""


class BusyError(UserError):
    """Another process holds a lock."""


def is_held(path: Path) -> bool | None:
    """Whether a process holds the lock that this file stands for, on any machine whose file system shares locks.

    None where the file system has no locks. Nothing is written, so that it works where one may only read.
    """
    if not path.exists():
        return False
    if sys.platform == "win32":
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False
    import fcntl

    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    finally:
        os.close(handle)
    return False


@contextmanager
def exclusive(path: Path, busy: str, say: Callable[[str], None] | None = None, *, stays: bool = True) -> Iterator[None]:
    """Hold the lock that this file stands for while the block runs.

    Parameters
    ----------
    path : Path
        The lock's file; it and its folder are made where they are missing.
    busy : str
        Told to whoever comes while another process holds the lock: what that process does, and what to do now.
    say : callable, optional
        Takes `busy`, and the block then waits for the lock. Without it nobody waits.
    stays : bool
        Whether the file stays when the lock is freed.

    Raises
    ------
    BusyError
        `busy`, where another process holds the lock and there is no `say`.
    UserError
        Where the file system has no locks and nothing stands in for them.
    """
    with naming(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    with _naming_what_has_no_locks(path):
        try:
            lock.acquire(timeout=_LOOKS_S)
        except Timeout:
            if is_held(path) is None:  # a file that a killed process of another machine has left looks the same
                busy += f" Its file system has no locks: if nothing runs there any more, delete '{path}'."
            if say is None:
                raise BusyError(busy) from None
            say(busy)
            lock.acquire()
    try:
        with naming(path.parent):
            yield
    finally:
        if not stays:
            with suppress(OSError):
                path.unlink()  # while it is held: whoever has opened it meanwhile sees that it is gone, and opens again
        lock.release()


@contextmanager
def _naming_what_has_no_locks(path: Path) -> Iterator[None]:
    """Raises UserError for what a file system without locks answers."""
    try:
        yield
    except (OSError, NotImplementedError) as error:  # the second one by versions of filelock for ENOSYS
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        why = getattr(error, "strerror", None) or error
        raise UserError(
            f"'{path.parent}' is on a file system without locks ({why}), which keep two processes from writing there "
            "at once. Choose a place on another one, or have it mounted with locks (on Lustre: flock)."
        ) from error
