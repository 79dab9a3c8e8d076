"""Processes that end by themselves when the one that started them has died, however it died."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import wait

GRACE_S = 3.0
"""Seconds in which a process may end in order once the one that started it is gone."""


def can_share_locks() -> bool:
    """Whether worker processes can be had: they share locks, for which some systems have no place (no `/dev/shm`)."""
    try:
        multiprocessing.get_context("spawn").Lock()
    except (OSError, ImportError):
        return False
    return True


def end_with_parent() -> None:
    """End this worker of `multiprocessing` as soon as its parent has died. Called in the worker, once."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel
        threading.Thread(target=lambda: (wait([sentinel]), os._exit(1)), name="parent", daemon=True).start()


def end_with_stdin() -> None:
    """End this process when its standard input does: its parent holds the other end of that pipe, and writes nothing.

    It is asked to as by Ctrl-C, and ended with the processes of its session if it has not after `GRACE_S`.
    """
    source = os.dup(sys.stdin.fileno())

    def watch() -> None:
        while os.read(source, 1024):
            pass
        signal.raise_signal(signal.SIGINT) if sys.platform == "win32" else os.kill(os.getpid(), signal.SIGINT)
        time.sleep(GRACE_S)
        if sys.platform != "win32" and os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
