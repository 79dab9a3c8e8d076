"""Ctrl-C and SIGTERM: the first asks, the second ends, and a scheduler that sends both at once has asked once."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import pytest

from segbench.io import interrupts
from segbench.io.interrupts import ended_like_ctrl_c, stoppable
from segbench.io.reporter import Reporter

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.mark.parametrize("both", [(signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGTERM)])
def test_sigterm_and_ctrl_c_that_come_together_are_one_wish(both: tuple[int, int]) -> None:
    with ended_like_ctrl_c(), stoppable(Reporter(quiet=True)) as stop:
        assert not stop()
        for number in both:
            signal.raise_signal(number)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(both[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_same_signal_twice_ends_at_once(number: int) -> None:
    with ended_like_ctrl_c(), stoppable(Reporter(quiet=True)) as stop:
        signal.raise_signal(number)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_sigterm_some_time_after_ctrl_c_is_a_second_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "ONE_WISH_S", 0.0)
    with ended_like_ctrl_c(), stoppable(Reporter(quiet=True)):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_that_python_ignores_in_a_destructor_comes_again(
    number: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)
            time.sleep(0)

    def interrupted() -> None:
        Interrupted()
        ended = time.monotonic() + 20
        while time.monotonic() < ended:
            time.sleep(0.001)

    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    with ended_like_ctrl_c(), pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err == ""


def test_other_errors_of_destructors_are_printed_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        def __del__(self) -> None:
            raise ValueError("seen")

    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with ended_like_ctrl_c():
        Wrong()
    assert [str(one.exc_value) for one in told] == ["seen"]
