"""Locks on folders: one process at a time; a lock is freed when its process dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import UserError
from .atomic import naming

LOCK = ".lock"
"""The lock's file in a folder that is kept to one process."""

_LOOKS_S = 0.5
"""How long somebody who only looks whether a lock is held may keep others from it: a thousandth of that is usual."""


def is_held(path: Path) -> bool:
    """Whether a process holds the lock that this file stands for, on any machine whose file system shares locks.

    Nothing is written, so that it works where one may only read.
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
    finally:
        os.close(handle)
    return False


@contextmanager
def exclusive(path: Path, busy: str, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock that this file stands for while the block runs.

    Parameters
    ----------
    path : Path
        The lock's file; it and its folder are made where they are missing, and it stays when the lock is freed.
    busy : str
        Told to whoever comes while another process holds the lock: what that process does, and what to do now.
    say : callable, optional
        Takes `busy`, and the block then waits for the lock. Without it nobody waits.

    Raises
    ------
    UserError
        `busy`, where another process holds the lock and there is no `say`.
    """
    with naming(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_LOOKS_S)
    except Timeout:
        if say is None:
            raise UserError(busy) from None
        say(busy)
        lock.acquire()
    try:
        with naming(path.parent):
            yield
    finally:
        lock.release()
