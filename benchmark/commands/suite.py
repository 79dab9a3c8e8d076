"""`bench suite`: plan a grid of runs, run what is missing or stale, and make tables and plots of what came out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..boards.suite_document import SuiteResults
from ..boards.suite_results import results_of, write_results
from ..io.locks import LOCK, BusyError, exclusive, is_held
from ..io.reporter import Reporter
from ..runs.request import SuiteRequest
from ..runs.suite.end_request import REQUEST, ask_to_end, forget_request
from ..runs.suite.engines.choose import engine_of
from ..runs.suite.export import SuiteTable, refuse_other_suffix, rows_of, write_rows
from ..runs.suite.planned import dry_run, named_folder, plan_of, suite_folder, untrusted_plan_of
from ..runs.suite.spec import find_suite
from ..runs.suite.state import STATE, SuiteState, read_state
from ..runs.suite.status import EndedSuite, SuiteStatus, folder_of, status_of, watched
from ..runs.suite.under_way import (
    Watcher,
    begin_suite,
    complete_records,
    driving,
    jobs_of,
    longest_jobs_first,
    run_jobs,
    store,
)
from ..text import counted
from ..types import UserError

__all__ = ["SuiteRequest", "Watcher", "dry_run", "run_suite"]

FIRST_SIGN_S = 0.2
"""Between two looks for the state of a suite that has only just begun."""


def status(request: SuiteRequest) -> SuiteStatus:
    """How far a suite is. Raises UserError where there is none."""
    return status_of(folder_of(request))


def watch(request: SuiteRequest) -> Iterator[SuiteStatus]:
    """How far a suite is, again and again until no process runs it. Raises UserError where there is none."""
    return watched(folder_of(request))


def running_already(request: SuiteRequest, reporter: Reporter) -> SuiteStatus | None:
    """How far a suite is that another process runs; None where none does.

    One that has only just begun is waited for: it looks for its data, or makes them, before there is a state.
    """
    folder = request.out or named_folder(find_suite(request.file)[0])
    said = False
    while is_held(folder / LOCK) and not (folder / STATE).is_file():
        if not said:
            said = True
            reporter.say(f"another process has just begun a suite in '{folder}': waiting for its first sign")
        time.sleep(FIRST_SIGN_S)
    if is_held(folder / LOCK) is False or not (folder / STATE).is_file():
        return None
    found = status_of(folder)
    return found if found.state == "running" else None


def cancel(request: SuiteRequest, reporter: Reporter) -> EndedSuite:
    """End a suite in order, wherever it runs, and wait until it has.

    The process that runs it is asked through a file in the folder; jobs that it left in SLURM's queue are taken out.
    Raises UserError where there is no suite.
    """
    folder = folder_of(request)
    before = last = status_of(folder)
    if before.state == "running":
        ask_to_end(folder)
        reporter.say(f"asked the suite to end; {counted(len(before.under_way), 'cell')} under way end in order first")
        for last in watched(folder):
            if last.state == "running" and not (folder / REQUEST).exists():
                ask_to_end(folder)  # one that has only just begun forgets what was asked of an earlier one
        forget_request(folder)
    jobs = _leave_queue(folder, reporter)
    left = {cell.name for cell in last.failed}
    return EndedSuite(
        suite=last.suite,
        folder=str(folder),
        was=before.state,
        ended=[cell.cell for cell in before.under_way if cell.name not in left] if before.state == "running" else [],
        jobs=jobs,
        n=last.n,
        done=last.counts["done"],
        next=last.next,
    )


def _leave_queue(folder: Path, reporter: Reporter) -> list[str]:
    """Take out of SLURM's queue what is left there of a suite that no process runs."""
    from ..runs.suite.engines.slurm import cancel_jobs, forgotten_jobs

    state = read_state(folder)
    cells = () if state is None else state.cells.values()
    jobs = [cell.job for cell in cells if cell.job and cell.status in ("waiting", "running", "interrupted")]
    try:
        jobs += forgotten_jobs(folder, set(jobs))
        return cancel_jobs(jobs) if jobs else []
    except UserError as error:
        if jobs:
            reporter.warn(f"{counted(len(jobs), 'cell')} may wait or run in SLURM's queue: {error}")
        return []


def export(request: SuiteRequest, path: Path) -> SuiteTable:
    """Write a row for each cell of a suite's folder, also while it runs.

    Raises UserError where there is no suite, and for a file of another kind than CSV, JSON or Parquet.
    """
    refuse_other_suffix(path)
    folder = folder_of(request)
    state = read_state(folder)
    assert state is not None
    by_folder = folder == Path(request.file)
    file = replace(request, file=state.file) if by_folder and Path(state.file).is_file() else request
    planned = {} if by_folder and file is request else {cell.name: cell for cell in untrusted_plan_of(file).cells}
    rows = rows_of(state, folder, planned)
    write_rows(path, rows)
    return SuiteTable(file=str(path), cells=len(rows), done=sum(row["status"] == "done" for row in rows))


def run_suite(request: SuiteRequest, reporter: Reporter, watcher: Watcher) -> tuple[Path, SuiteResults]:
    """Run a suite and return its folder and its results (what `results.json` holds).

    Raises
    ------
    UserError
        For anything wrong in the suite, before a cell runs; BusyError where another process runs it.
    KeyboardInterrupt
        After Ctrl-C; the cells under way have ended in order, and `--resume` runs the rest.
    """
    plan = plan_of(request)
    folder = suite_folder(request, plan)
    engine = engine_of(request, plan, reporter)
    busy = f"another suite is running in '{folder}'. Wait for it to end, or choose another --out."
    try:
        _earlier(request, folder)  # no lock is put into a folder that holds something else
    except UserError:
        if is_held(folder / LOCK):  # what it holds was begun a moment ago
            raise BusyError(busy) from None
        raise
    with exclusive(folder / LOCK, busy), driving(plan, folder, _earlier(request, folder)) as state:
        suite = begin_suite(request, plan, folder, state, reporter)
        jobs = jobs_of(suite)
        waiting = {job.name for job in jobs}
        watcher.begin(plan.cells, [cell.name for cell in plan.cells if cell.name not in waiting], suite.log_of)
        run_jobs(suite, jobs if engine.sequential else longest_jobs_first(suite, jobs), engine, watcher)
        found = results_of(plan, suite.state, folder, complete_records(suite))
        write_results(folder, found)
        if suite.storage is not None:
            store(suite, [cell.name for cell in plan.cells])
            suite.storage.copy_results(folder)
    return folder, found


def _earlier(request: SuiteRequest, folder: Path) -> SuiteState | None:
    """What is known of the suite in a folder, None for a new one. Raises UserError for one to be left alone."""
    earlier = read_state(folder)
    if earlier is not None and not request.resume and any(c.status != "waiting" for c in earlier.cells.values()):
        raise UserError(
            f"'{folder}' holds cells of suite {earlier.suite} already. Add --resume to run only what is missing or "
            "stale, or choose another folder with --out."
        )
    return earlier
