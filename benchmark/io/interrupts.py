"""Ctrl-C during long work: the first one ends it in order."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .reporter import Reporter

AGAIN_S = 0.01
"""An interrupt that Python ignored, because it came in a destructor, comes again after this time."""

ONE_WISH_S = 2.0
"""A scheduler ends all processes of a job, and the one that has started this one passes that on within this time."""


@contextmanager
def stoppable(reporter: Reporter) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks the run to stop at the next step; a second one stops it at once.

    A Ctrl-C and a SIGTERM that come together are one wish.
    """
    asked = threading.Event()
    said = False
    first, first_at = 0, 0.0

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
        nonlocal first, first_at
        if not asked.is_set():
            first, first_at = number, time.monotonic()
            asked.set()
        elif number == first or time.monotonic() - first_at > ONE_WISH_S:
            previous(number, frame) if callable(previous) else signal.default_int_handler(number, frame)

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """A scheduler or a shell that ends this process, or a terminal that is closed, is answered as Ctrl-C is.

    No interrupt is lost in a destructor or at the end of an import, where Python prints it and goes on.
    """
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        names = []
    numbers = [getattr(signal, name) for name in names]
    # What is ignored, as by nohup, stays so.
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}

    def on_end(number: int, frame: Any) -> None:
        # Of a process in the background Ctrl-C itself may be ignored.
        current = signal.getsignal(signal.SIGINT)
        current(number, frame) if callable(current) else signal.default_int_handler(number, frame)

    def on_ignored(ignored: Any) -> None:
        if not issubclass(ignored.exc_type, KeyboardInterrupt):
            usual(ignored)
            return
        number = signal.SIGINT if callable(signal.getsignal(signal.SIGINT)) else signal.SIGTERM
        again = threading.Timer(AGAIN_S, _thread.interrupt_main, (number,))
        again.daemon = True
        again.start()

    for number in before:
        signal.signal(number, on_end)
    usual, sys.unraisablehook = sys.unraisablehook, on_ignored
    try:
        yield
    finally:
        sys.unraisablehook = usual
        for number, handler in before.items():
            signal.signal(number, handler)


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


@contextmanager
def interrupts_let_through() -> Iterator[None]:
    """Start a process that is to hear Ctrl-C from a program that may block it: a process inherits what is blocked."""
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    before = mask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)
