"""A cell of a suite as a process of its own: started, watched, ended, and how it ended."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ...io.interrupts import interrupts_let_through
from ...text import printable
from .resources import Resources

POLL_S = 0.1

_CELL = "segbench.cli.cell"

_ERROR = "bench: "
_INTERRUPTED = 130
"""The exit status of `bench` after Ctrl-C."""
_LAUNCH = ("torch.distributed.run", "--standalone", "--signals-to-handle=SIGINT,SIGTERM")
"""What `accelerate launch` uses itself for several GPUs; for several processes on the CPU it would start one."""


@dataclass(frozen=True)
class Job:
    """One cell as a process: the words after `bench`, and the file that takes all that it prints.

    `queued_as` is what a scheduler calls it, where an earlier call has put it into a queue that outlives the suite.
    """

    name: str
    arguments: tuple[str, ...]
    log: Path
    append: bool = False
    resources: Resources = field(default_factory=Resources)
    queued_as: str = ""

    def resumed(self) -> Job:
        """The same job, going on with what it has done."""
        more = () if "--resume" in self.arguments else ("--resume",)
        return replace(self, arguments=tuple(a for a in self.arguments if a != "--overwrite") + more, append=True)


@dataclass(frozen=True)
class Outcome:
    """How a cell ended; `error` is the last line that it printed, `unstarted` one that was asked to stop before."""

    name: str
    status: Literal["done", "failed", "interrupted", "unstarted"]
    exit_status: int | None = None
    seconds: float = 0.0
    error: str = ""


@dataclass
class Control:
    """How the cells under way are told to end: `stop` asks them to, in order; `killed` ends them at once.

    `queued` is told what a scheduler calls cells, by their names, as soon as they are in its queue.
    """

    stop: Callable[[], bool] = lambda: False
    killed: threading.Event = field(default_factory=threading.Event)
    queued: Callable[[Mapping[str, str]], None] = lambda _: None

    @property
    def ending(self) -> bool:
        """Whether no other cell may begin."""
        return self.killed.is_set() or self.stop()


def run_cell(job: Job, environment: Mapping[str, str], control: Control) -> Outcome:
    """Run one cell as a process to its end; all that it prints goes into its log."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with job.log.open("ab" if job.append else "wb") as log:
        log.write(f"$ bench {shlex.join(job.arguments)}\n".encode(errors="surrogateescape"))
        log.flush()
        start = log.tell()
        with interrupts_let_through():
            process = subprocess.Popen(
                _program(job),
                # Nothing is written: its end tells the cell that the suite is gone.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # PYTHONSAFEPATH: a user's own files in the current folder, such as random.py, are not to be imported.
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1", "COLUMNS": "120", **environment},
                # Ctrl-C at the terminal is for the suite, which passes it on once: a second one would end it at once.
                start_new_session=True,
            )
        with process:
            asked = _wait(process, control)
    seconds = time.monotonic() - begun
    code = process.returncode
    if code == 0:
        return Outcome(job.name, "done", 0, seconds)
    # Not only the suite ends cells: schedulers and people send signals to the cell itself.
    if asked or code == _INTERRUPTED:
        return Outcome(job.name, "interrupted", code, seconds, "interrupted")
    return Outcome(job.name, "failed", code, seconds, _last_line(job.log, start) if code > 0 else _signal_name(-code))


def _program(job: Job) -> list[str]:
    """The command line of a cell: one process, or as many as it asks for."""
    if job.resources.processes == 1:
        return [sys.executable, "-m", _CELL, *job.arguments]
    shape = f"--nproc-per-node={job.resources.processes}"
    return [sys.executable, "-m", *_LAUNCH, shape, "--module", _CELL, *job.arguments]


def last_line(log: Path) -> str:
    """What a cell said last."""
    return _last_line(log, 0)


def _wait(process: subprocess.Popen[bytes], control: Control) -> bool:
    """Wait for a process, passing on a wish to stop; whether there was one."""
    asked = False
    while True:
        try:
            process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            pass
        else:
            return asked
        if control.killed.is_set():
            _end(process, at_once=True)
            process.wait()
            return True
        if control.stop() and not asked:
            asked = True
            _end(process, at_once=False)


def _end(process: subprocess.Popen[bytes], *, at_once: bool) -> None:
    try:
        if not at_once and sys.platform != "win32":
            process.send_signal(signal.SIGINT)
        elif sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)  # with the workers that it has started
        else:
            process.kill()
    except ProcessLookupError:
        pass


def _last_line(log: Path, start: int) -> str:
    """The last line of a log that says something, without what would move a terminal's cursor.

    Where `bench` says what is wrong, that is taken: what has launched several processes goes on talking.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - 8192))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    told = [line for line in said if line.startswith(_ERROR)] or said
    return printable(told[-1].removeprefix(_ERROR)) if told else "it said nothing"


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
