"""Ctrl-C during long work: the first one ends it in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .reporter import Reporter


@contextmanager
def stoppable(reporter: Reporter) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks the run to stop at the next step; a second one stops it at once."""
    asked = threading.Event()
    said = False

    def stop() -> bool:
        nonlocal said
        if asked.is_set() and not said:
            said = True
            reporter.say("stopping (Ctrl-C again stops at once)")
        return asked.is_set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_interrupt(number: int, frame: Any) -> None:
        if asked.is_set():
            previous(number, frame) if callable(previous) else signal.default_int_handler(number, frame)
        asked.set()

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Start worker processes with Ctrl-C blocked: it is for this process, which then ends them in order."""
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    before = mask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)
