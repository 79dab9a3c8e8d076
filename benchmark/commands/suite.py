"""`bench suite`: plan a grid of runs, run what is missing or stale, and make tables and plots of what came out."""

from __future__ import annotations

from pathlib import Path

from ..boards.suite_results import SuiteResults, results_of, write_results
from ..io.locks import LOCK, exclusive
from ..io.reporter import Reporter
from ..runs.request import SuiteRequest
from ..runs.suite.engines.choose import engine_of
from ..runs.suite.planned import dry_run, plan_of, suite_folder
from ..runs.suite.state import read_state
from ..runs.suite.under_way import Watcher, begin_suite, complete_records, jobs_of, longest_jobs_first, run_jobs, store
from ..types import UserError

__all__ = ["SuiteRequest", "Watcher", "dry_run", "run_suite"]


def run_suite(request: SuiteRequest, reporter: Reporter, watcher: Watcher) -> tuple[Path, SuiteResults]:
    """Run a suite and return its folder and its results (what `results.json` holds).

    Raises
    ------
    UserError
        For anything wrong in the suite, before a cell runs.
    KeyboardInterrupt
        After Ctrl-C; the cells under way have ended in order, and `--resume` runs the rest.
    """
    plan = plan_of(request)
    folder = suite_folder(request, plan)
    engine = engine_of(request, plan, reporter)
    earlier = read_state(folder)
    if earlier is not None and not request.resume and any(c.status != "waiting" for c in earlier.cells.values()):
        raise UserError(
            f"'{folder}' holds cells of suite {earlier.suite} already. Add --resume to run only what is missing or "
            "stale, or choose another folder with --out."
        )
    busy = f"another suite is running in '{folder}'. Wait for it to end, or choose another --out."
    with exclusive(folder / LOCK, busy):
        suite = begin_suite(request, plan, folder, earlier, reporter)
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
