"""Running a suite: every missing, unfinished or stale cell is run, and `suite.json` records the progress."""

from __future__ import annotations

import os
import shlex
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ...data.locations import Location
from ...io.collector import collector_paused
from ...io.interrupts import stoppable
from ...io.locks import LOCK, BusyError, exclusive
from ...io.reporter import Reporter
from ...text import counted
from ...types import Dataset, UserError
from ..environment import describe
from ..folder import RECORD
from ..open_data import open_dataset
from ..record import Record
from ..request import SuiteRequest
from ..stored import read_whole_record
from .cells import Control, Job, Outcome
from .end_request import EndRequested, forget_request
from .engines import slurm_queue
from .engines.engine import Engine
from .engines.slurm import cancel_jobs, end_forgotten_jobs
from .estimates import longest_first
from .ingredients import SharedIngredients
from .planned import CELLS, LOGS, cell_job, expected_times
from .spec import Cell, Plan
from .state import STATE, CellState, Driver, Standing, SuiteState, is_whole, now, standing
from .storage import Storage


class Watcher(Protocol):
    """Who shows what happens; called from several threads."""

    def begin(self, cells: Sequence[Cell], done: Sequence[str], log_of: Callable[[str], Path]) -> None:
        """All cells of the plan, and the names of those that need not be run."""

    def started(self, name: str, place: str) -> None:
        """A cell begins; `place` says where, "" on this machine."""

    def ended(self, outcome: Outcome, record: Record | None) -> None:
        """A cell has ended; its record where it has a complete one."""


@dataclass
class SuiteUnderWay:
    """A suite under way: its plan, folder, data and state."""

    request: SuiteRequest
    plan: Plan
    folder: Path
    state: SuiteState
    data: SharedIngredients
    reporter: Reporter
    lock: Any = field(default_factory=threading.Lock)
    storage: Storage | None = None

    def folder_of(self, name: str) -> Path:
        return self.folder / CELLS / name

    def log_of(self, name: str) -> Path:
        return self.folder / LOGS / f"{name}.log"


@contextmanager
def driving(plan: Plan, folder: Path, earlier: SuiteState | None) -> Iterator[SuiteState]:
    """The state of a suite that this process runs while the block does, and whoever looks into the folder sees that.

    A new suite is written down once its data are found, see `begin_suite`.
    """
    state = earlier or SuiteState(suite=plan.name, file=str(plan.path), created=now(), updated=now())
    driver = state.driver = Driver(host=socket.gethostname(), process=os.getpid(), begun=now())
    _forget_killed(state)
    forget_request(folder)
    if earlier is not None:
        state.write(folder)
    try:
        yield state
    finally:
        for own in state.cells.values():
            own.status = "interrupted" if own.status == "running" else own.status
        driver.ended = now()
        if (folder / STATE).is_file():
            state.write(folder)
        forget_request(folder)


def begin_suite(
    request: SuiteRequest, plan: Plan, folder: Path, state: SuiteState, reporter: Reporter
) -> SuiteUnderWay:
    """Find or make all data once, before several cells want to, and write down what is planned."""
    data: dict[str, tuple[Dataset, Location]] = {}
    for cell in plan.cells:
        if cell.data not in data:
            root = Path(cell.root) if cell.root else None
            data[cell.data] = open_dataset(cell.dataset, root, cell.source, cell.options, reporter, may_synthesize=True)
    state.environment, state.resume = describe(), request.resume_command()
    storage = None if request.storage is None else Storage.of(request.storage, folder)
    suite = SuiteUnderWay(request, plan, folder, state, SharedIngredients(data), reporter, storage=storage)
    for cell in plan.cells:
        own = state.cells.setdefault(cell.name, CellState(name=cell.name))
        own.short, own.folder, own.log = cell.short, f"{CELLS}/{cell.name}", f"{LOGS}/{cell.name}.log"
    state.write(folder)
    return suite


def _forget_killed(state: SuiteState) -> None:
    """Cells that seem to run because the process was killed that ran them."""
    for own in state.cells.values():
        if own.status == "running" and not own.job:
            own.status = "interrupted"


def jobs_of(suite: SuiteUnderWay) -> list[Job]:
    """What is to be run: cells that are missing, unfinished (resumed) or stale (made again, beside what is there)."""
    _leave_other_queues(suite)
    _end_forgotten_jobs(suite)
    _wait_for_earlier_cells(suite)
    return _jobs_to_run(suite)


@collector_paused()
def _jobs_to_run(suite: SuiteUnderWay) -> list[Job]:
    jobs, counts = [], dict.fromkeys(("done", "missing", "unfinished", "stale"), 0)
    for cell in suite.plan.cells:
        own = suite.state.cells[cell.name]
        location, origin = suite.data.location_of(cell), suite.data.origin_of(cell)
        place, why, code = _standing(suite, cell, own)
        counts[place] += 1
        if place == "done":
            # It may have ended well after the suite that had started it was gone.
            own.status, own.exit_status, own.error = "done", 0, ""
            continue
        if place == "stale":
            suite.reporter.say(f"{cell.short} is stale: {why}")
        if place != "unfinished":
            own.code_sha256 = code
        own.status = "waiting"
        how = {"resume": place in ("unfinished", "stale"), "overwrite": place == "stale"}
        source = location.origin if location.origin == origin else cell.source
        job = cell_job(cell, suite.request, suite.folder, **how, origin=source)
        jobs.append(replace(job, queued_as=own.job))
        own.command = shlex.join(["bench", *jobs[-1].arguments])
    for job, seconds in _measured_times(suite, jobs):
        suite.state.cells[job.name].expected_s = seconds
    if suite.request.resume:
        suite.reporter.say("cells: " + ", ".join(f"{n} {place}" for place, n in counts.items() if n))
    suite.state.write(suite.folder)
    return jobs


def _standing(suite: SuiteUnderWay, cell: Cell, own: CellState) -> tuple[Standing, str, str | None]:
    """Where a cell stands, why it is stale, and the hash of the code that it would run.

    Of a cell that cannot be made now, as a run that it joins is gone, no hash is known: one that is whole stays so, any
    other is run, which says for that cell alone what is missing.
    """
    folder = suite.folder_of(cell.name)
    try:
        code = suite.data.code_of(cell)
        current = suite.data.configured(cell, None if suite.request.any_code else code)
    except UserError as error:
        if not is_whole(folder):
            return ("unfinished" if (folder / RECORD).is_file() else "missing"), "", None
        suite.reporter.warn(f"{cell.short} counts as done, but whether it is current cannot be told: {error}")
        return "done", "", None
    return *standing(folder, own, current, partial(suite.data.with_data, cell)), code


def _measured_times(suite: SuiteUnderWay, jobs: Sequence[Job]) -> Iterator[tuple[Job, float | None]]:
    """What jobs are expected to take, as far as cells like them have run."""
    expected = expected_times(suite.plan.cells, suite.state) if jobs else {}
    for job in jobs:
        found = expected.get(job.name)
        yield job, None if found is None or found.basis == "its time limit" else round(found.seconds, 1)


def longest_jobs_first(suite: SuiteUnderWay, jobs: Sequence[Job]) -> list[Job]:
    """Jobs as they are best begun where several run at once."""
    expected = expected_times(suite.plan.cells, suite.state)
    by_name = {job.name: job for job in jobs}
    return [by_name[name] for name in longest_first(list(by_name), expected)]


def _leave_other_queues(suite: SuiteUnderWay) -> None:
    """Cells that wait in SLURM's queue, or run there, end before another engine runs them."""
    if suite.request.engine == "slurm":
        return
    queued = [own for own in suite.state.cells.values() if own.job]
    left = [own.job for own in queued if own.status in ("waiting", "running", "interrupted")]
    if left and not slurm_queue.installed():
        suite.reporter.warn(f"{counted(len(left), 'cell')} may wait in SLURM's queue, which cannot be asked from here")
    elif left and (ended := cancel_jobs(left)):
        suite.reporter.say(f"{counted(len(ended), 'cell')} taken out of SLURM's queue")
    for own in queued:
        own.job = ""


def _end_forgotten_jobs(suite: SuiteUnderWay) -> None:
    """Jobs end that a process has put into SLURM's queue and was killed before it wrote down what they are called."""
    known = {own.job for own in suite.state.cells.values()}
    if slurm_queue.installed():
        try:
            end_forgotten_jobs(suite.folder, known, suite.reporter.say)
        except UserError as error:
            if suite.request.engine == "slurm":
                raise
            suite.reporter.warn(f"jobs of this suite may wait or run in SLURM's queue: {error}")


def _wait_for_earlier_cells(suite: SuiteUnderWay) -> None:
    """Wait until no cell runs any more that an earlier suite, killed since, had started: they end by themselves.

    Those in SLURM's queue go on; the engine waits for them with all others. Raises KeyboardInterrupt where `--cancel`
    asks for the end meanwhile.
    """
    requested = EndRequested(suite.folder, suite.reporter.say)
    for cell in suite.plan.cells:
        lock = suite.folder_of(cell.name) / LOCK
        if suite.state.cells[cell.name].job or not lock.is_file():
            continue
        told: set[str] = set()
        while not _is_free(lock, f"{cell.short} still runs from before; waiting for it to end", told, suite.reporter):
            if requested():
                raise KeyboardInterrupt


def _is_free(lock: Path, busy: str, told: set[str], reporter: Reporter) -> bool:
    """Whether a lock is free by now; `busy` is said once."""
    try:
        with exclusive(lock, busy):
            return True
    except BusyError as error:
        if not told:
            reporter.say(str(error))
        told.add(busy)
        return False


def run_jobs(suite: SuiteUnderWay, jobs: Sequence[Job], engine: Engine, watcher: Watcher) -> None:
    """Run the cells, keeping `suite.json` up to date."""

    def started(job: Job, place: str) -> None:
        with suite.lock:
            own = suite.state.cells[job.name]
            own.status, own.started, own.error, own.exit_status = "running", now(), "", None
            own.place = place
            suite.state.note(suite.folder, own)
        watcher.started(job.name, place)

    def queued(names: Mapping[str, str]) -> None:
        with suite.lock:
            for name, job in names.items():
                suite.state.cells[name].job = job
            suite.state.write(suite.folder)

    with stoppable(suite.reporter) as interrupted:
        requested = EndRequested(suite.folder, suite.reporter.say)

        def stop() -> bool:
            return interrupted() or requested()

        control = Control(stop, queued=queued)
        for wave in _waves(suite, jobs):
            for outcome in engine.run(wave, control, started):
                checked = _checked(outcome, suite)
                with suite.lock:
                    own = suite.state.cells[checked.name]
                    _note(checked, own)
                    suite.state.note(suite.folder, own)
                watcher.ended(checked, _complete(suite.folder_of(checked.name)))
                store(suite, [checked.name])
        if stop() and any(suite.state.cells[job.name].status != "done" for job in jobs):
            raise KeyboardInterrupt


def store(suite: SuiteUnderWay, names: Iterable[str]) -> None:
    """Copy what is done of these cells to the suite's storage, where it has one; what fails is tried again later."""
    for name in names:
        if suite.storage is not None and suite.state.cells[name].status == "done":
            try:
                suite.storage.copy_run(suite.folder_of(name), f"{CELLS}/{name}")
            except UserError as error:
                suite.reporter.warn(f"{name} is not copied: {error}")


def _waves(suite: SuiteUnderWay, jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs in the order that they need: what takes the method of another cell comes after all that are fitted."""
    later = {cell.name for cell in suite.plan.cells if cell.weights_of is not None}
    waves = [[job for job in jobs if (job.name in later) == second] for second in (False, True)]
    return [wave for wave in waves if wave]


def _checked(outcome: Outcome, suite: SuiteUnderWay) -> Outcome:
    """A process that ended well without a complete record has not done its work."""
    if outcome.status != "done" or _complete(suite.folder_of(outcome.name)) is not None:
        return outcome
    return replace(outcome, status="failed", error="it ended well, but left no complete record")


def _note(outcome: Outcome, own: CellState) -> None:
    if outcome.status == "unstarted":
        return
    own.status, own.exit_status, own.error = outcome.status, outcome.exit_status, outcome.error
    own.seconds = round(outcome.seconds, 3)


def _complete(folder: Path) -> Record | None:
    try:
        record = read_whole_record(folder)
    except UserError:
        return None
    return record if record.complete else None


@collector_paused()
def complete_records(suite: SuiteUnderWay) -> dict[str, Record]:
    """Complete records of the cells that are done, by name."""
    done = [cell.name for cell in suite.plan.cells if suite.state.cells[cell.name].status == "done"]
    found = {name: _complete(suite.folder_of(name)) for name in done}
    return {name: record for name, record in found.items() if record is not None}
