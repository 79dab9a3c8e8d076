"""A large suite that has run: one cell is run, and the others get its record with what is their own."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from segbench.runs.binding import bound
from segbench.runs.identity import recorded_identity
from segbench.runs.record import Record, read_record, run_id_of, write_record
from segbench.runs.request import SuiteRequest
from segbench.runs.suite.planned import CELLS, LOGS, cell_job, plan_of
from segbench.runs.suite.spec import Cell
from segbench.runs.suite.state import SuiteState, now, read_state

METHOD = "{name: threshold, settings: {kind: [otsu], channel: [grey], sigma: [0.0]}, grid: {max_images: [%s]}}"


def write_suite(path: Path, cells: int) -> Path:
    """A suite of up to ten methods of one kind, and of as many seeds as that takes."""
    methods = min(10, cells)
    grid = ", ".join(map(str, range(1, methods + 1)))
    seeds = ", ".join(map(str, range(cells // methods)))
    path.write_text(f"datasets: [isbi2012]\nmethods: [{METHOD % grid}]\nseeds: [{seeds}]\n", encoding="utf-8")
    return path


def finish_by_hand(request: SuiteRequest, first: Path) -> SuiteState:
    """Write the folder of a suite all of whose cells are done; `first` is the folder of one that has run.

    The records are valid: configuration, seed, id and digests are those of each cell. Scores and files are the first's.
    """
    plan, folder = plan_of(request), request.out
    assert folder is not None
    before = read_state(first)
    assert before is not None
    (done,) = before.cells.values()
    run = first / done.folder
    record = read_record(run)
    state = SuiteState(suite=plan.name, file=str(plan.path), created=now(), updated=now())
    (folder / LOGS).mkdir(parents=True)
    for cell in plan.cells:
        place = folder / CELLS / cell.name
        own = _record_of(cell, record)
        kept = shutil.ignore_patterns("shown", "record.json")
        shutil.copytree(run, place, copy_function=os.link, ignore=kept)
        write_record(place, bound(own, place))
        state.cells[cell.name] = done.model_copy(
            update={
                "name": cell.name,
                "folder": f"{CELLS}/{cell.name}",
                "log": f"{LOGS}/{cell.name}.log",
                "command": " ".join(["bench", *cell_job(cell, request, folder, origin=cell.source).arguments]),
            }
        )
        (folder / LOGS / f"{cell.name}.log").write_text("done\n", encoding="utf-8")
    state.write(folder)
    return state


def _record_of(cell: Cell, record: Record) -> Record:
    """The record of the cell that ran as that of another one."""
    config = {**record.method.config, **cell.settings}
    method = record.method.model_copy(update={"config": config, "seed": cell.seed})
    changed = record.model_copy(update={"method": method})
    identity = recorded_identity(changed, json.loads(changed.to_json()))
    return changed.model_copy(update={"run_id": run_id_of(record.dataset.name, record.method.name, identity)})
