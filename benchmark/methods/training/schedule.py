"""How far training has come, by steps or by the clock, and the learning rate that follows from it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal

from ...text import duration

_MEASURED_STEPS, _MEASURED_SECONDS = 5, 4.0
"""What a forecast is made from, at least."""
_WORTH_TELLING_SECONDS = 20.0
_CLOCK_FROM = 0.1
"""The clock counts from this part of the limit on: start-up jitter must not touch a run that is in time."""


class Pace:
    """Progress in 0..1: the larger of steps done and time used, so that a slow machine anneals early and ends in time.

    `cut` says whether the clock has ever been ahead of the steps: such a run depends on the machine's speed.
    """

    def __init__(self, steps: int, limit_minutes: float | None, seconds_before: float = 0.0, cut: bool = False) -> None:
        self.steps, self.cut = steps, cut
        self._limit = None if limit_minutes is None else limit_minutes * 60
        self._start = time.monotonic() - seconds_before

    def elapsed(self) -> float:
        """Seconds of training, those before a resume included."""
        return time.monotonic() - self._start

    def fraction(self, step: int) -> float:
        done = step / self.steps
        if self._limit is not None:
            clock = self.elapsed() / self._limit
            if clock > max(done, _CLOCK_FROM):
                self.cut = True
                return min(clock, 1.0)
        return done

    def seconds_to_limit(self) -> float:
        """How long until the clock ends training; endless without a limit."""
        return math.inf if self._limit is None else max(0.0, self._limit - self.elapsed())


class Forecast:
    """How long a training takes on this machine, measured from its second step on."""

    def __init__(self, pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace, self._clock = pace, clock
        self._first: tuple[int, float] | None = None
        self._said = False

    def message(self, step: int) -> str | None:
        """To be asked after every step: what to tell the user, once, where there is long to wait; else None.

        The first step is not measured: it starts workers, reads the first images and chooses algorithms.
        """
        if self._first is None:
            self._first = step, self._clock()
        per_step = None if self._said else self._seconds_per_step(step)
        if per_step is None:
            return None
        self._said = True
        steps, limit = self._pace.steps - step, self._pace.seconds_to_limit()
        if min(steps * per_step, limit) < _WORTH_TELLING_SECONDS:
            return None
        again = "stop it with Ctrl-C, go on with --resume"
        if limit < steps * per_step:
            return (
                f"training takes about {duration(limit)} more: on this machine its time limit ends it after about "
                f"{step + limit / per_step:,.0f} of {self._pace.steps:,} iterations, which would take "
                f"{duration(steps * per_step)} (--set time_limit_minutes=null); {again}"
            )
        return f"training takes about {duration(steps * per_step)} more on this machine ({steps} iterations): {again}"

    def seconds_left(self, step: int) -> float | None:
        """How long until the clock ends training; None where the steps end it, or nobody can tell yet."""
        per_step, limit = self._seconds_per_step(step), self._pace.seconds_to_limit()
        return None if per_step is None or limit > (self._pace.steps - step) * per_step else limit

    def _seconds_per_step(self, step: int) -> float | None:
        if self._first is None:
            return None
        done, seconds = step - self._first[0], self._clock() - self._first[1]
        return None if done < _MEASURED_STEPS or seconds < _MEASURED_SECONDS else seconds / done


def learning_rate_factor(schedule: Literal["constant", "cosine", "poly"], warmup: float, fraction: float) -> float:
    """Learning rate relative to its peak at a progress in 0..1: linear warm-up, then constant, half a cosine or poly.

    poly is (1 - progress)^0.9, the schedule of DeepLab (Chen et al. 2017) and ParseNet.
    """
    if fraction < warmup:
        # Never 0, or the first step would be lost.
        return max(fraction / warmup, 0.01)
    if schedule == "constant":
        return 1.0
    rest = min((fraction - warmup) / (1 - warmup), 1.0) if warmup < 1 else 1.0
    return float((1 - rest) ** 0.9) if schedule == "poly" else 0.5 * (1 + math.cos(math.pi * rest))
