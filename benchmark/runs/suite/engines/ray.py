"""Cells as tasks of a Ray cluster: each reserves what it asks for, and goes to another node when its own dies."""

from __future__ import annotations

import os
import secrets
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ....io.atomic import write_text
from ....io.reporter import Reporter
from ....types import UserError
from ...on_ray.cluster import Cluster, connected
from ...on_ray.node import Stopping, Unfit, iterated_on_node
from ..cells import Control, Job, Outcome
from . import ray_cell
from .engine import Started
from .parcels import packed, unpacked
from .ray_cell import Began, Ended, Logged, NeedsParcels, Part, Sent, needed, value_of

MAX_RETRIES = 3
"""How often a cell whose node or worker died is begun again."""
MAX_WAITING = 100
"""Cells that the cluster knows of beside those that have a place."""
POLL_S = 0.2
GIB = 1024**3


@dataclass(frozen=True)
class RayEngine:
    """Cells on the nodes of a cluster (see `connected` for its address); `jobs` bounds how many at a time."""

    folder: Path
    reporter: Reporter
    address: str | None = None
    jobs: int | None = None
    on_gpus: bool = True

    @property
    def sequential(self) -> bool:
        """Whether `--jobs 1` was asked for."""
        return self.jobs == 1

    def run(self, jobs: Sequence[Job], control: Control, started: Started) -> Iterator[Outcome]:
        """Run the cells, on any node that sees the same code."""
        with connected(self.address, self.reporter) as cluster, _token(self.folder) as (token, secret):
            suite = _Cells(self, cluster, control, started, Sent(jobs[0], self.folder, token, secret, None))
            yield from suite.outcomes(jobs)


@contextmanager
def _token(folder: Path) -> Iterator[tuple[str, str]]:
    """A file in the suite's folder, with content that nobody guesses: a node that reads it sees this very folder."""
    name, secret = f".seen-by-nodes-{secrets.token_hex(4)}", secrets.token_hex(16)
    write_text(folder / name, secret)
    try:
        yield name, secret
    finally:
        (folder / name).unlink(missing_ok=True)


@dataclass
class _Attempt:
    """A cell that is to begin, or under way; `parts` and what is `logged` come from a node that sees no folder."""

    job: Job
    deaths: int = 0
    node: str = ""
    parts: list[Any] = field(default_factory=list)
    logged: bool = False


@dataclass
class _Cells:
    """The cells of a suite on their way through a cluster."""

    engine: RayEngine
    cluster: Cluster
    control: Control
    started: Started
    sent: Sent
    waiting: deque[_Attempt] = field(default_factory=deque)
    under_way: dict[Any, _Attempt] = field(default_factory=dict)
    parcels: bool = False
    """Whether a node was met that does not see the suite's folder."""

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """How each cell ended, as it comes."""
        self._refuse_what_no_node_has(jobs)
        self.waiting.extend(map(_Attempt, jobs))
        task, stopping = self.cluster.remote(iterated_on_node), self.cluster.beside_me(Stopping)
        told = False
        try:
            while (self.waiting or self.under_way) and not self.control.killed.is_set():
                if self.control.stop() and not told:
                    told = True
                    stopping.stop.remote()
                    yield from self._withdrawn()
                self._submit(task, stopping)
                for generator in self.cluster.ray.wait([*self.under_way], timeout=POLL_S)[0] if self.under_way else ():
                    outcome = self._next(generator)
                    if outcome is not None:
                        yield outcome
            for attempt in (*self.under_way.values(), *self.waiting):
                yield Outcome(attempt.job.name, "interrupted" if attempt.node else "unstarted")
        finally:
            for generator in self.under_way:
                self.cluster.ray.cancel(generator, force=True)

    def _refuse_what_no_node_has(self, jobs: Sequence[Job]) -> None:
        """Raise UserError for a job that no node can ever take."""
        for job in jobs:
            asked, there = job.resources.gpus or 0, int(self.cluster.most("GPU"))
            if self.engine.on_gpus and asked > there:
                raise UserError(
                    f"{job.name} asks for {asked} GPUs, and no node of the Ray cluster has more than {there}"
                )
        if not self.cluster.slots():
            raise UserError("no node of the Ray cluster has a CPU for cells; join one: ray start --address HOST:PORT")
        cpus = max(job.resources.cpus for job in jobs)
        most = int(self.cluster.most("CPU"))
        if cpus > most:
            self.engine.reporter.say(
                f"cells ask for up to {cpus} CPUs; no node has more than {most}, and they get those"
            )

    def _withdrawn(self) -> Iterator[Outcome]:
        """Cells that have not begun, once no other is to."""
        pending = [generator for generator, attempt in self.under_way.items() if not attempt.node]
        withdrawn = [*self.waiting, *(self.under_way.pop(generator) for generator in pending)]
        self.waiting.clear()
        for generator in pending:
            self.cluster.ray.cancel(generator)
        yield from (Outcome(attempt.job.name, "unstarted") for attempt in withdrawn)

    def _submit(self, task: Any, stopping: Any) -> None:
        """Hand out cells, a few more than have a place."""
        most = self.engine.jobs or self.cluster.slots() + MAX_WAITING
        while self.waiting and len(self.under_way) < most:
            attempt = self.waiting.popleft()
            options, environment = self._reserved(attempt.job)
            sent = replace(self.sent, job=attempt.job, parcels=self._parcels(attempt.job) if self.parcels else None)
            call = (self.cluster.caller, ray_cell.__name__, ray_cell.cell_on_node.__name__, sent, environment, stopping)
            self.under_way[task.options(**options).remote(*call)] = attempt

    def _reserved(self, job: Job) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Ray's options of a job's task, and what the cell's environment says of them.

        More CPUs or memory than any node has are a wish that is met as far as it can be; GPUs were looked at before.
        """
        asked = job.resources
        cpus = max(1, min(asked.cpus, int(self.cluster.most("CPU"))))
        memory = int(min(asked.memory_gb * GIB, self.cluster.most("memory")))
        gpus = asked.gpus_where(self.cluster.most("GPU") >= 1) if self.engine.on_gpus else 0
        options = self.cluster.options(num_cpus=cpus, num_gpus=gpus, memory=memory, num_returns="streaming")
        environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(asked.threads(cpus)))}
        return options, environment | ({} if gpus else {"CUDA_VISIBLE_DEVICES": ""})

    def _parcels(self, job: Job) -> Mapping[str, Sequence[Any]]:
        folders = {name: self.sent.folder / name for name in needed(job, self.sent.folder)}
        return {name: [self.cluster.ray.put(part) for part in packed(folder)] for name, folder in folders.items()}

    def _next(self, generator: Any) -> Outcome | None:
        """Take in the next message of a cell; how it ended, where it has."""
        attempt, ray = self.under_way[generator], self.cluster.ray
        try:
            reference = next(generator)
            message = ray.get(reference)
            if isinstance(message, Ended) and attempt.parts:
                unpacked((ray.get(part).content for part in attempt.parts), Path(value_of(attempt.job, "--out")))
        except self.cluster.deaths as error:
            return self._died(self.under_way.pop(generator), error)
        except (StopIteration, ray.exceptions.RayError, UserError) as error:
            attempt = self.under_way.pop(generator)
            return Outcome(attempt.job.name, "failed", error=_last_line(error))
        if isinstance(message, Ended | Unfit | NeedsParcels):
            del self.under_way[generator]
        return self._taken(message, reference, attempt)

    def _taken(self, message: Any, reference: Any, attempt: _Attempt) -> Outcome | None:
        if isinstance(message, Ended):
            return message.outcome
        if isinstance(message, Began):
            attempt.node = self.cluster.name_of(message.node)
            self.started(attempt.job, attempt.node)
        elif isinstance(message, Logged):
            _write_log(attempt, message.content)
        elif isinstance(message, Part):
            attempt.parts.append(reference)
        else:
            if isinstance(message, Unfit):
                self.cluster.leave_out(message)
            self.parcels |= isinstance(message, NeedsParcels)
            self.waiting.appendleft(attempt)
        return None

    def _died(self, attempt: _Attempt, error: Exception) -> Outcome | None:
        """What becomes of a cell whose node or worker died."""
        name, why = attempt.job.name, type(error).__name__
        if self.control.stop():
            return Outcome(name, "interrupted", error=why)
        if attempt.deaths >= MAX_RETRIES:
            return Outcome(name, "failed", error=f"its node or worker died {attempt.deaths + 1} times ({why})")
        where = f" on {attempt.node}" if attempt.node else ""
        self.engine.reporter.say(f"{name}: its node or worker{where} died ({why}); it goes on elsewhere")
        self.waiting.appendleft(_Attempt(attempt.job.resumed() if attempt.node else attempt.job, attempt.deaths + 1))
        return None


def _write_log(attempt: _Attempt, content: bytes) -> None:
    """Add to the log of a cell on a node that does not see it."""
    attempt.job.log.parent.mkdir(parents=True, exist_ok=True)
    with attempt.job.log.open("ab" if attempt.job.append or attempt.logged else "wb") as log:
        log.write(content)
    attempt.logged = True


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
