"""`bench check`: did a method get worse than its committed baseline, by more than the tolerance and the noise?"""

from __future__ import annotations

import math
from pathlib import Path

from ..boards.baseline import UnmatchedRun, pairs_of, update_baseline
from ..boards.check_result import CheckResult, UncheckedRun
from ..boards.regression import compared_with_baseline, result_of
from ..boards.regression_output import junit, junit_of_error, summary, summary_of_error
from ..io.atomic import encoded, naming, write_output
from ..io.reporter import Reporter
from ..runs.stored import open_run
from ..runs.stored_requests import CheckRequest as CheckRequest
from ..types import UserError


def check(request: CheckRequest, reporter: Reporter) -> CheckResult:
    """Compare runs with a baseline; `ok` is False where one got worse, or no loss could have been seen.

    With `update` they become the baseline. The files for other tools say what this says, an error too.

    Raises
    ------
    UserError
        For a baseline without runs, a run that is missing, or runs that are not comparable with their baseline.
    """
    if request.junit is not None:
        # What an earlier check said must not be read as what this one says, however this one ends.
        write_output(request.junit, junit_of_error("the check did not finish"))
    try:
        result = _updated(request, reporter) if request.update else _checked(request, reporter)
    except UserError as error:
        if request.junit is not None:
            write_output(request.junit, junit_of_error(str(error)))
        if request.summary is not None:
            append(request.summary, summary_of_error(str(error)))
        raise
    if request.summary is not None:
        append(request.summary, summary(result))
    if request.junit is not None:
        write_output(request.junit, junit(result))
    return result


def _updated(request: CheckRequest, reporter: Reporter) -> CheckResult:
    written = update_baseline(request.baseline, request.runs, reporter.warn)
    return CheckResult(ok=True, updated=[str(folder) for folder in written], checks=[])


def _checked(request: CheckRequest, reporter: Reporter) -> CheckResult:
    if not 0 <= request.tolerance < math.inf:
        raise UserError(f"--tolerance is a loss in the score's unit from 0, found {request.tolerance}")
    pairing = pairs_of(request.baseline, request.runs, reporter.warn)
    held = []
    with reporter.progress("checking") as update:
        for done, pair in enumerate(pairing.pairs, 1):
            sides = (open_run(pair.baseline), open_run(pair.run))
            held.append(compared_with_baseline(pair.name, *sides, metric=request.score, slowdown=request.slowdown))
            update(done, len(pairing.pairs), "")
    unchecked = [_unchecked(stray, request.strict) for stray in pairing.strays]
    for stray in unchecked:
        reporter.note(f"{stray.name} ('{stray.folder}') was not checked: {stray.message}")
    return result_of(held, unchecked, request.tolerance)


def _unchecked(stray: UnmatchedRun, strict: bool) -> UncheckedRun:
    run_id, folder = stray.run.record.run_id, str(stray.run.folder)
    return UncheckedRun(name=stray.name, run_id=run_id, folder=folder, failed=strict, message=stray.why)


def append(path: Path, text: str) -> None:
    """Add text to a step summary, a file that other steps write to meanwhile."""
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(encoded(text))
