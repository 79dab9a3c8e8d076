"""Ctrl-C and SIGTERM: the first asks, the second ends, and a scheduler that sends both at once has asked once."""

from __future__ import annotations

import signal
import sys

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
