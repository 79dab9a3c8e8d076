"""The plan of a suite as it was asked for: its cells as commands, and where their data would come from."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ...data.locations import Source, locate
from ...data.splits import TrainOn
from ...io.documents import Document
from ...registry import dataset_class, method_class
from ...types import UserError
from ..presets import resolve
from ..request import RunRequest, SuiteRequest
from .cells import Job
from .engines import slurm_queue
from .engines.slurm_options import sbatch_options
from .estimates import Estimate, estimates
from .grid import make_plan
from .spec import Cell, Changes, Plan, find_suite, parse_suite
from .state import STATE, SuiteState, read_state

CELLS, LOGS = "cells", "logs"
RUNS = Path("runs")


def plan_of(request: SuiteRequest) -> Plan:
    """The plan of a suite; nothing of it is run, no data is read.

    Raises UserError for anything wrong in it, and for one that names programs or files with code and is not trusted.
    """
    plan = untrusted_plan_of(request)
    running = sorted(name for name in {cell.method for cell in plan.cells} if method_class(name).info.runs_code)
    if running and not request.trust:
        raise UserError(
            f"{plan.path}: would run what it names: {', '.join(running[:3])}{' …' * (len(running) > 3)}. Programs and "
            "model files with code have all your rights: look at them, then add --trust."
        )
    return plan


def untrusted_plan_of(request: SuiteRequest) -> Plan:
    """As `plan_of`, also of a suite that is not trusted, for those who run nothing of it."""
    name, path, text = find_suite(request.file)
    return make_plan(parse_suite(text, path), name, path, Changes(request.roots, request.source, request.preset))


class PlannedResources(Document):
    """What a cell asks of an engine; `gpus` null: one, where the engine has any."""

    cpus: int
    gpus: int | None
    memory_gb: float
    minutes: float | None
    processes: int


class PlannedCell(Document):
    """One cell as it would be run.

    `limit_minutes` bounds its training, where its configuration does. `expected_s` is what it will take, as
    `expected_from` says: cells of this suite, earlier runs below `runs/`, or that limit.
    """

    name: str
    dataset: str
    method: str
    label: str
    preset: str
    seed: int
    folds: int | None
    train_fraction: float
    train_on: TrainOn
    limit_minutes: float | None
    expected_s: float | None
    expected_from: str | None
    resources: PlannedResources
    command: str


class PlannedArray(Document):
    """Cells that SLURM gets as one array: how many, and the options of `sbatch` by name."""

    n: int
    options: dict[str, str]


class SuitePlan(Document):
    """The plan of a suite, as `bench suite --dry-run --json` prints it.

    `data` says where that of each dataset lies; `arrays` are empty unless SLURM is to run the cells.
    """

    suite: str
    engine: str
    file: str
    summary: str
    folder: str
    n: int
    excluded: int
    unable: list[str]
    data: dict[str, str]
    arrays: list[PlannedArray]
    cells: list[PlannedCell]


def dry_run(request: SuiteRequest) -> SuitePlan:
    """The plan for people and machines: every cell with its command, where data would come from, and limits of time.

    Raises UserError for anything wrong in the suite.
    """
    plan = plan_of(request)
    folder = suite_folder(request, plan)
    limits = _limits(plan.cells)
    expected = estimates(plan.cells, read_state(folder) if (folder / STATE).exists() else None, RUNS, limits)
    return SuitePlan(
        suite=plan.name,
        engine=request.engine,
        file=str(plan.path),
        summary=plan.summary,
        folder=str(folder),
        n=len(plan.cells),
        excluded=plan.excluded,
        unable=list(plan.unable),
        data={name: _where(cell) for name, cell in {cell.data: cell for cell in plan.cells}.items()},
        arrays=_arrays(request, plan) if request.engine == "slurm" else [],
        cells=[_planned(cell, request, folder, limits[cell.name], expected.get(cell.name)) for cell in plan.cells],
    )


def _arrays(request: SuiteRequest, plan: Plan) -> list[PlannedArray]:
    """The arrays that SLURM would get, also where SLURM is not; the nodes are then taken to have GPUs."""
    options = {**plan.slurm, **request.slurm}
    on_gpus = request.device in ("auto", "cuda")
    there = on_gpus and (not slurm_queue.installed() or slurm_queue.has_gpus(options.get("partition")))
    alike = Counter(cell.resources for cell in plan.cells)
    return [PlannedArray(n=n, options=sbatch_options(what, there, options)) for what, n in alike.items()]


def expected_times(cells: Sequence[Cell], state: SuiteState | None) -> dict[str, Estimate]:
    """What each cell is expected to take, by name, where anything is known."""
    return estimates(cells, state, RUNS, _limits(cells))


def _planned(
    cell: Cell, request: SuiteRequest, folder: Path, limit: float | None, expected: Estimate | None
) -> PlannedCell:
    job = cell_job(cell, request, folder, origin=cell.source)
    return PlannedCell(
        name=cell.name,
        dataset=cell.data,
        method=cell.method,
        label=cell.label,
        preset=cell.preset,
        seed=cell.seed,
        folds=cell.folds,
        train_fraction=cell.train_fraction,
        train_on=cell.train_on,
        limit_minutes=limit,
        expected_s=None if expected is None else round(expected.seconds, 1),
        expected_from=None if expected is None else expected.basis,
        resources=PlannedResources(**asdict(cell.resources)),
        command=shlex.join(["bench", *job.arguments]),
    )


def suite_folder(request: SuiteRequest, plan: Plan) -> Path:
    """The folder of a suite: what was asked for, or one named after it."""
    return request.out or named_folder(plan.name)


def named_folder(suite: str) -> Path:
    """The folder of a suite of this name where nobody names another."""
    return RUNS / f"suite-{suite}"


def cell_job(
    cell: Cell, request: SuiteRequest, folder: Path, *, origin: Source, resume: bool = False, overwrite: bool = False
) -> Job:
    """A cell as `bench run` in a process of its own."""
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
        train_on=cell.train_on,
        settings={**cell.settings, **cell.options},
        out=folder / CELLS / cell.name,
        weights=folder / CELLS / cell.weights_of if cell.weights_of else None,
        corrupt=cell.corrupt,
        plots=cell.plots,
        overwrite=overwrite,
    )
    words = tuple(run.words(resume=resume))
    return Job(cell.name, words, folder / LOGS / f"{cell.name}.log", resume, cell.resources)


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


def _limits(cells: Sequence[Cell]) -> dict[str, float | None]:
    """The longest that each cell trains, by its name."""
    known: dict[str, float | None] = {}
    found = {}
    for cell in cells:
        what = json.dumps([cell.dataset, cell.method, cell.preset, cell.settings, cell.folds])
        if what not in known:
            known[what] = _limit_minutes(cell)
        found[cell.name] = known[what]
    return found


def _limit_minutes(cell: Cell) -> float | None:
    """The longest that a cell trains, where its configuration says so."""
    data, method = dataset_class(cell.dataset).info, method_class(cell.method).info
    config = resolve(cell.preset, method, data, cell.settings)[0]
    limit = config.get("time_limit_minutes")
    if limit is None and config.get("max_seconds") is not None:
        limit = config["max_seconds"] / 60
    return None if limit is None else round(limit * (cell.folds or 1), 2)
