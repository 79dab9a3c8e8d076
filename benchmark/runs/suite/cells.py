"""Running the cells of a suite: each in a process of its own, through an engine that is a map over cells."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from ...text import printable

POLL_S = 0.1

_CELL = "from segbench.io.processes import end_with_stdin; end_with_stdin(); from segbench.cli import main; main()"


@dataclass(frozen=True)
class Job:
    """One cell as a process: the words after `bench`, and the file that takes all that it prints."""

    name: str
    arguments: tuple[str, ...]
    log: Path
    append: bool = False


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
    """How the cells under way are told to end: `stop` asks them to, in order; `killed` ends them at once."""

    stop: Callable[[], bool] = lambda: False
    killed: threading.Event = field(default_factory=threading.Event)


Work: TypeAlias = Callable[[Job, Mapping[str, str]], Outcome]


class Engine(Protocol):
    """A map over cells. `work(job, environment)` runs one to its end; an engine says where, and how many at a time."""

    def __call__(self, work: Work, jobs: Sequence[Job], abort: Callable[[], None]) -> Iterator[Outcome]:
        """Outcomes as they come; `abort` is called when the caller does not wait for the rest."""


@dataclass(frozen=True)
class LocalEngine:
    """Cells on this machine, `slots` at a time, each slot with one of the GPUs (the identifiers that CUDA knows)."""

    slots: int = 1
    gpus: tuple[str, ...] = ()

    def __call__(self, work: Work, jobs: Sequence[Job], abort: Callable[[], None]) -> Iterator[Outcome]:
        """Run the cells in their order."""
        free: queue.SimpleQueue[Mapping[str, str]] = queue.SimpleQueue()
        for slot in range(self.slots):
            free.put(self._environment(slot))

        def one(job: Job) -> Outcome:
            environment = free.get()
            try:
                return work(job, environment)
            finally:
                free.put(environment)

        with ThreadPoolExecutor(self.slots) as pool:
            try:
                for future in as_completed([pool.submit(one, job) for job in jobs]):
                    yield future.result()
            except BaseException:
                abort()
                raise

    def _environment(self, slot: int) -> dict[str, str]:
        own = {}
        if self.gpus:
            own["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        if self.slots > 1 and "OMP_NUM_THREADS" not in os.environ:
            # Side by side on one machine, each with as many threads as cores, cells would slow each other down.
            own["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // self.slots))
        return own


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that CUDA may use here, as `CUDA_VISIBLE_DEVICES` names them."""
    import torch

    count = torch.cuda.device_count()
    named = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    return tuple(named[:count]) if named else tuple(map(str, range(count)))


def run_cells(
    jobs: Sequence[Job],
    engine: Engine,
    control: Control,
    started: Callable[[Job], None] = lambda _: None,
) -> Iterator[Outcome]:
    """Run every job through the engine; a failed one does not stop the rest.

    `started` is called when a cell begins. The first Ctrl-C ends the cells under way in order and starts no others.
    """

    def work(job: Job, environment: Mapping[str, str]) -> Outcome:
        if control.stop() or control.killed.is_set():
            return Outcome(job.name, "unstarted")
        started(job)
        return run_cell(job, environment, control)

    yield from engine(work, jobs, control.killed.set)


def run_cell(job: Job, environment: Mapping[str, str], control: Control) -> Outcome:
    """Run one cell as a process to its end; all that it prints goes into its log."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with job.log.open("ab" if job.append else "wb") as log:
        log.write(f"$ bench {shlex.join(job.arguments)}\n".encode(errors="surrogateescape"))
        log.flush()
        start = log.tell()
        process = subprocess.Popen(
            # -P: a user's own files in the current folder, such as random.py, are not to be imported.
            [sys.executable, "-P", "-c", _CELL, *job.arguments],
            # Nothing is written: its end tells the cell that the suite is gone.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "120", **environment},
            # Ctrl-C at the terminal is for the suite, which passes it on once: a second one would end a run at once.
            start_new_session=True,
        )
        with process:
            asked = _wait(process, control)
    seconds = time.monotonic() - begun
    code = process.returncode
    if code == 0:
        return Outcome(job.name, "done", 0, seconds)
    if asked:
        return Outcome(job.name, "interrupted", code, seconds, "interrupted")
    return Outcome(job.name, "failed", code, seconds, _last_line(job.log, start) if code > 0 else _signal_name(-code))


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
    """The last line of a log that says something, without what would move a terminal's cursor."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - 8192))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return printable(said[-1].removeprefix("bench: ")) if said else "it said nothing"


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
