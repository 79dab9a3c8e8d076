"""Watching a suite's jobs in SLURM: how each ended, from the reports that they write and from the queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from ....text import printable
from ..cells import Control, Job, Outcome, last_line
from . import slurm_queue as queue
from .slurm_job import Report, read_report

MAX_RETRIES = 3
"""How often a cell is submitted again whose job was lost: its node died, or SLURM took it away."""

GRACE_S = 60.0
"""How long a file that another machine has written may stay unseen: network file systems remember folders so long."""

TICK_S = 0.5

FIRST_POLL_S = 1.0
"""Between two looks at the queue at first, when cells begin; later they become as rare as the engine says."""

_USUAL = frozenset({
    "", "None", "BeginTime", "Cleaning", "Dependency", "JobArrayTaskLimit", "NodeDown", "Prolog", "Priority",
    "ReqNodeNotAvail", "Reservation", "Resources",
})  # fmt: skip
"""Reasons to wait that pass by themselves."""

_LOST = frozenset({"BOOT_FAIL", "NODE_FAIL", "PREEMPTED", "REVOKED", "TIMEOUT"})
"""States of jobs that ended through no fault of theirs."""

Verdict: TypeAlias = Outcome | Literal["lost"] | None
"""How a cell ended; "lost": it is to be submitted again; None: it has not ended, or nothing is known yet."""

Judgement: TypeAlias = Verdict | Literal["silent"]


@dataclass
class Task:
    """A cell in the queue: its job, SLURM's name for it, where it was last seen to run, and how often it was lost."""

    job: Job
    id: str = ""
    place: str = ""
    retries: int = 0
    silent_since: float | None = None


class Watch:
    """Looks at the folder of reports often and at the queue seldom, but for the first seconds.

    `logs` holds what jobs print beside their cells; `warn` is told once of what may keep cells waiting for ever.
    """

    def __init__(self, reports: Path, logs: Path, poll_s: float, control: Control, warn: Callable[[str], None]) -> None:
        self._folder, self._logs, self._poll_s, self._control = reports, logs, poll_s, control
        self._warn, self._warned = warn, {""}
        self._entries: dict[str, queue.Entry] = {}
        self._reports: dict[str, Report] = {}
        self._begun, self._next_look = time.monotonic(), 0.0

    def look(self, tasks: Iterable[Task]) -> None:
        """See what is new. Once the caller wants to end, those that wait are cancelled and the others asked to end."""
        there = list(tasks)
        ids = [task.id for task in there]
        if self._control.killed.is_set():
            queue.cancel(queue.arrays(ids))
        if time.monotonic() >= self._next_look or self._control.ending:
            if self._control.ending:
                queue.cancel_waiting(queue.arrays(ids))
                queue.ask_to_end(queue.arrays(ids))
            found = queue.look()
            if found is not None:
                self._entries = found
                gone = [task.id for task in there if task.id not in found and _is_over(task.silent_since)]
                self._entries |= queue.look_back(gone)
            age = time.monotonic() - self._begun
            self._next_look = time.monotonic() + min(self._poll_s, max(FIRST_POLL_S, age / 4))
            self.tell("SLURM does not answer (squeue failed); jobs run on meanwhile" if found is None else "")
            waiting = [self._entries[name] for name in ids if name in self._entries]
            for reason in {entry.reason for entry in waiting if entry.state == "PENDING"} - _USUAL:
                self.tell(f"cells wait in SLURM's queue for the reason that it calls {printable(reason)}")
        written = {path.stem for path in self._folder.glob("*.json")}
        read = {name: read_report(self._folder / f"{name}.json") for name in ids if name in written}
        self._reports = {name: report for name, report in read.items() if report is not None}

    def wait(self) -> None:
        """Wait until it is worth looking again; a wish to end is noticed at once."""
        if self._control.ending:
            time.sleep(2 * TICK_S)
            return
        self._control.killed.wait(TICK_S)

    def tell(self, what: str) -> None:
        """Say it, once."""
        if what not in self._warned:
            self._warned.add(what)
            self._warn(what)

    def place(self, task: Task) -> str:
        """Where a cell runs or ran, for people; "" before it has begun."""
        report, entry = self._reports.get(task.id), self._entries.get(task.id)
        node = entry.node if entry is not None and entry.state in queue.BEGUN else ""
        if report is not None and not node:
            node = report.node
        return f"slurm {task.id} on {node}" if node else task.place

    def verdict(self, task: Task) -> Verdict:
        """How a cell stands; a job that has ended without a word is `silent` until it has had time to be heard of."""
        report, entry = self._reports.get(task.id), self._entries.get(task.id)
        found = judge(task, report, entry, self._control.ending, self._logs)
        if found != "silent":
            return found
        task.silent_since = task.silent_since or time.monotonic()
        return None


def judge(task: Task, report: Report | None, entry: queue.Entry | None, ending: bool, logs: Path) -> Judgement:
    """How a cell stands, from what its job has reported and its place in the queue (None: it is in it no more).

    `ending`: the caller has asked all cells to end.
    """
    name = task.job.name
    if report is not None and report.status != "stranded":
        return report.outcome(name)
    if entry is not None and entry.state in queue.UNDER_WAY:
        task.silent_since = None
        return None
    if ending:
        return Outcome(name, "interrupted" if task.place else "unstarted", error="interrupted")
    if entry is not None and entry.state == "CANCELLED":
        return Outcome(name, "interrupted", error="cancelled in SLURM's queue (scancel)")
    if report is not None or (entry is not None and entry.state in _LOST):
        return _lost(task, entry)
    if not _is_over(task.silent_since):
        return "silent"
    return _lost(task, entry) if entry is None else _failed(task, entry, logs)


def _lost(task: Task, entry: queue.Entry | None) -> Judgement:
    if task.retries < MAX_RETRIES:
        return "lost"
    why = "it is no longer in the queue" if entry is None else entry.state
    return Outcome(task.job.name, "failed", error=f"SLURM lost its job {task.retries + 1} times (last: {why})")


def _failed(task: Task, entry: queue.Entry, logs: Path) -> Outcome:
    """A job that ended without a word: what it printed, and SLURM's word."""
    if entry.state == "OUT_OF_MEMORY":
        asked = task.job.resources.memory_gb
        error = f"out of memory: it needs more than {asked:g} GB (resources: {{memory_gb: …}})"
    else:
        error = f"its job ended without a result ({entry.state}): {last_line(logs / f'{task.id}_0_log.out')}"
    return Outcome(task.job.name, "failed", error=error)


def _is_over(since: float | None) -> bool:
    return since is not None and time.monotonic() - since > GRACE_S
