"""`bench suite`: plan a grid of runs, run what is missing or stale, and make tables and plots of what came out."""

from __future__ import annotations

import shlex
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from ..boards.suite_results import results_of, write_results
from ..data.index import DataIndex
from ..data.locations import Location, Source, locate
from ..data.splits import plan_folds, plan_split
from ..io.interrupts import stoppable
from ..io.locks import LOCK, exclusive
from ..io.reporter import Reporter
from ..registry import dataset_class, method_class, metrics_of
from ..runs.code_hash import code_sha256
from ..runs.environment import describe
from ..runs.folder import refuse_foreign
from ..runs.open_data import open_dataset
from ..runs.presets import resolve
from ..runs.record import Record, read_record
from ..runs.request import RunRequest, SuiteRequest
from ..runs.suite.cells import Control, Engine, Job, LocalEngine, Outcome, run_cells
from ..runs.suite.spec import Cell, Changes, Plan, find_suite, make_plan, parse_suite
from ..runs.suite.state import CellState, Data, Standing, SuiteState, now, read_state, standing
from ..types import Dataset, UserError, parts_of

CELLS, LOGS = "cells", "logs"


class Watcher(Protocol):
    """Who shows what happens; called from several threads."""

    def begin(self, cells: Sequence[Cell], done: Sequence[str], log_of: Callable[[str], Path]) -> None:
        """All cells of the plan, and the names of those that need not be run."""

    def started(self, name: str) -> None:
        """A cell begins."""

    def ended(self, outcome: Outcome, record: Record | None) -> None:
        """A cell has ended; its record where it has a complete one."""


@dataclass
class _Sitting:
    """A suite under way: its plan, folder, data and state."""

    request: SuiteRequest
    plan: Plan
    folder: Path
    state: SuiteState
    data: dict[str, tuple[Dataset, Location]]
    reporter: Reporter
    lock: Any = field(default_factory=threading.Lock)
    indexes: dict[str, DataIndex] = field(default_factory=dict)

    def folder_of(self, name: str) -> Path:
        return self.folder / CELLS / name

    def log_of(self, name: str) -> Path:
        return self.folder / LOGS / f"{name}.log"

    def index_of(self, data: str) -> DataIndex:
        """The index of a dataset of the plan, one for all of its cells."""
        if data not in self.indexes:
            self.indexes[data] = DataIndex.of(self.data[data][0])
        return self.indexes[data]


def plan_of(request: SuiteRequest) -> Plan:
    """The plan of a suite; nothing of it is run, no data is read."""
    name, path, text = find_suite(request.file)
    return make_plan(parse_suite(text, path), name, path, Changes(request.roots, request.source, request.preset))


def dry_run(request: SuiteRequest) -> dict[str, Any]:
    """The plan for people and machines: every cell with its command, where data would come from, and limits of time."""
    plan = plan_of(request)
    folder = _folder(request, plan)
    cells = []
    for cell in plan.cells:
        job = _job(cell, request, folder, resume=False, origin=cell.source)
        entry: dict[str, Any] = {"name": cell.name, "dataset": cell.data, "method": cell.method, "label": cell.label}
        entry |= {"preset": cell.preset, "seed": cell.seed, "folds": cell.folds, "train_fraction": cell.train_fraction}
        cells.append({**entry, "limit_minutes": _limit_minutes(cell), "command": shlex.join(["bench", *job.arguments])})
    return {
        "suite": plan.name,
        "file": str(plan.path),
        "summary": plan.summary,
        "folder": str(folder),
        "n": len(cells),
        "excluded": plan.excluded,
        "unable": list(plan.unable),
        "data": {cell.data: _where(cell) for cell in plan.cells},
        "cells": cells,
    }


def run_suite(request: SuiteRequest, reporter: Reporter, watcher: Watcher) -> tuple[Path, dict[str, Any]]:
    """Run a suite and return its folder and its results (what `results.json` holds).

    Raises
    ------
    UserError
        For anything wrong in the suite, before a cell runs.
    KeyboardInterrupt
        After Ctrl-C; the cells under way have ended in order, and `--resume` goes on.
    """
    plan = plan_of(request)
    folder = _folder(request, plan)
    engine = _engine(request, plan)
    earlier = read_state(folder)
    if earlier is not None and not request.resume and any(c.status != "waiting" for c in earlier.cells.values()):
        raise UserError(
            f"'{folder}' holds cells of suite {earlier.suite} already. Add --resume to run only what is missing or "
            "stale, or choose another folder with --out."
        )
    busy = f"another suite is running in '{folder}'. Wait for it to end, or choose another --out."
    with exclusive(folder / LOCK, busy):
        sitting = _sit_down(request, plan, folder, earlier, reporter)
        jobs = _jobs(sitting)
        waiting = {job.name for job in jobs}
        watcher.begin(plan.cells, [cell.name for cell in plan.cells if cell.name not in waiting], sitting.log_of)
        _run(sitting, jobs, engine, watcher)
        found = results_of(plan, sitting.state, folder, _records(sitting))
        write_results(folder, found)
    return folder, found


def _folder(request: SuiteRequest, plan: Plan) -> Path:
    return request.out or Path("runs") / f"suite-{plan.name}"


def _sit_down(
    request: SuiteRequest, plan: Plan, folder: Path, earlier: SuiteState | None, reporter: Reporter
) -> _Sitting:
    """Find or make all data once, before several cells want to, and write down what is planned."""
    data: dict[str, tuple[Dataset, Location]] = {}
    for cell in plan.cells:
        if cell.data not in data:
            root = Path(cell.root) if cell.root else None
            data[cell.data] = open_dataset(cell.dataset, root, cell.source, cell.options, reporter, may_synthesize=True)
    state = earlier or SuiteState(suite=plan.name, file=str(plan.path), created=now(), updated=now())
    state.environment = describe()
    sitting = _Sitting(request, plan, folder, state, data, reporter)
    for cell in plan.cells:
        own = state.cells.setdefault(cell.name, CellState(name=cell.name))
        own.folder, own.log = f"{CELLS}/{cell.name}", f"{LOGS}/{cell.name}.log"
    state.write(folder)
    return sitting


def _jobs(sitting: _Sitting) -> list[Job]:
    """What is to be run: cells that are missing, unfinished (gone on with) or stale (begun anew)."""
    jobs, counts = [], dict.fromkeys(("done", "missing", "unfinished", "stale"), 0)
    for cell in sitting.plan.cells:
        folder, own = sitting.folder_of(cell.name), sitting.state.cells[cell.name]
        dataset, location = sitting.data[cell.data]
        code = code_sha256(dataset.info, cell.method, location.origin)
        place, why = _standing(sitting, cell, None if sitting.request.any_code else code)
        counts[place] += 1
        if place == "done":
            own.status = "done"
            continue
        if place == "stale":
            sitting.reporter.say(f"{cell.short} is stale: {why}")
            refuse_foreign(folder)
            shutil.rmtree(folder)
        if place != "unfinished":
            own.code_sha256 = code
        own.status = "waiting"
        resume = place == "unfinished"
        jobs.append(_job(cell, sitting.request, sitting.folder, resume=resume, origin=location.origin))
        own.command = shlex.join(["bench", *jobs[-1].arguments])
    if sitting.request.resume:
        sitting.reporter.say("cells: " + ", ".join(f"{n} {place}" for place, n in counts.items() if n))
    sitting.state.write(sitting.folder)
    return jobs


def _standing(sitting: _Sitting, cell: Cell, code: str | None) -> tuple[Standing, str]:
    def data() -> Data:
        dataset = sitting.data[cell.data][0]
        split = "all" if cell.folds else cell.split or dataset.info.default_split
        plan = (
            plan_folds(dataset, cell.folds, split, cell.train_fraction, cell.seed)
            if cell.folds
            else plan_split(dataset, split, cell.train_fraction, cell.seed)
        )
        scored = tuple(i for fold in plan for i in fold.evaluate)
        used = tuple(dict.fromkeys(i for fold in plan for i in (*fold.train, *fold.val, *fold.evaluate)))
        families = metrics_of(dataset.info)
        with sitting.index_of(cell.data) as index:
            return Data(
                index.data_sha256(scored, parts_of(families)),
                index.data_sha256(used, ("image", "labels")),
                {family.name: family.version for family in families},
            )

    return standing(cell, sitting.folder_of(cell.name), sitting.state.cells[cell.name], code, data)


def _job(cell: Cell, request: SuiteRequest, folder: Path, *, resume: bool, origin: Source) -> Job:
    run = RunRequest(
        dataset=cell.dataset,
        method=cell.method,
        split=cell.split,
        preset=cell.preset,
        seed=cell.seed,
        device=request.device,
        root=Path(cell.root) if cell.root else None,
        source=origin,
        folds=cell.folds,
        train_fraction=cell.train_fraction,
        settings={**cell.settings, **cell.options},
    )
    words = [*shlex.split(run.command())[1:], "--out", str(folder / CELLS / cell.name)]
    return Job(cell.name, (*words, *(["--resume"] if resume else [])), folder / LOGS / f"{cell.name}.log", resume)


def _run(sitting: _Sitting, jobs: Sequence[Job], engine: Engine, watcher: Watcher) -> None:
    """Run the cells, keeping `suite.json` up to date."""

    def started(job: Job) -> None:
        with sitting.lock:
            own = sitting.state.cells[job.name]
            own.status, own.started, own.error, own.exit_status = "running", now(), "", None
            sitting.state.write(sitting.folder)
        watcher.started(job.name)

    with stoppable(sitting.reporter) as stop, _ended_like_ctrl_c():
        control = Control(stop)
        try:
            for outcome in run_cells(jobs, engine, control, started):
                checked = _checked(outcome, sitting)
                with sitting.lock:
                    _note(checked, sitting.state.cells[checked.name])
                    sitting.state.write(sitting.folder)
                watcher.ended(checked, _complete(sitting.folder_of(checked.name)))
        finally:
            for own in sitting.state.cells.values():
                own.status = "interrupted" if own.status == "running" else own.status
            sitting.state.write(sitting.folder)
        if stop() and any(sitting.state.cells[job.name].status != "done" for job in jobs):
            raise KeyboardInterrupt


def _checked(outcome: Outcome, sitting: _Sitting) -> Outcome:
    """A process that ended well without a complete record has not done its work."""
    if outcome.status != "done" or _complete(sitting.folder_of(outcome.name)) is not None:
        return outcome
    return replace(outcome, status="failed", error="it ended well, but left no complete record")


def _note(outcome: Outcome, own: CellState) -> None:
    if outcome.status == "unstarted":
        return
    own.status, own.exit_status, own.error = outcome.status, outcome.exit_status, outcome.error
    own.seconds = round(outcome.seconds, 3)


def _complete(folder: Path) -> Record | None:
    try:
        record = read_record(folder)
    except UserError:
        return None
    return record if record.complete else None


def _records(sitting: _Sitting) -> dict[str, Record]:
    """Complete records of the cells that are done, by name."""
    done = [cell.name for cell in sitting.plan.cells if sitting.state.cells[cell.name].status == "done"]
    found = {name: _complete(sitting.folder_of(name)) for name in done}
    return {name: record for name, record in found.items() if record is not None}


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """A scheduler that ends the suite, or a terminal that is closed, ends the cells in order too."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        names = []
    before = {
        name: signal.signal(getattr(signal, name), lambda *_: signal.raise_signal(signal.SIGINT)) for name in names
    }
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _engine(request: SuiteRequest, plan: Plan) -> LocalEngine:
    """One cell at a time on the CPU, or one on every GPU that is visible, unless `--jobs` says otherwise."""
    learned = any(method_class(cell.method).info.family == "learned" for cell in plan.cells)
    gpus = visible_gpus() if learned and request.device in ("auto", "cuda") else ()
    return LocalEngine(request.jobs or len(gpus) or 1, gpus)


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that CUDA may use here, as `CUDA_VISIBLE_DEVICES` names them."""
    import os

    import torch

    count = torch.cuda.device_count()
    named = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    return tuple(named[:count]) if named else tuple(map(str, range(count)))


def _where(cell: Cell) -> str:
    """Where a cell's data would come from."""
    info = dataset_class(cell.dataset).info
    try:
        found = locate(info, Path(cell.root) if cell.root else None, cell.source, None)
    except UserError as error:
        if info.synthesizable and cell.source != "real" and cell.root is None:
            return "a small SYNTHETIC sample, to be made"
        return f"not there: {error}"
    return f"{'SYNTHETIC' if found.origin == 'synthetic' else 'real'}, {found.root}"


def _limit_minutes(cell: Cell) -> float | None:
    """The longest that a cell trains, where its configuration says so."""
    data, method = dataset_class(cell.dataset).info, method_class(cell.method).info
    config = resolve(cell.preset, method, data, cell.settings)[0]
    limit = config.get("time_limit_minutes")
    if limit is None and config.get("max_seconds") is not None:
        limit = config["max_seconds"] / 60
    return None if limit is None else round(limit * (cell.folds or 1), 2)
