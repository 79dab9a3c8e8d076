"""`bench check`: did a method get worse than its committed baseline, by more than the tolerance and the noise?"""

from __future__ import annotations

import math
from pathlib import Path

from ..boards.baseline import pairs_of, update_baseline
from ..boards.regression import CheckResult, held_against, result_of
from ..boards.regression_output import junit, summary
from ..io.atomic import write_text
from ..io.reporter import Reporter
from ..runs.request import CheckRequest as CheckRequest
from ..runs.stored import open_run
from ..types import UserError


def check(request: CheckRequest, reporter: Reporter) -> CheckResult:
    """Compare runs with a baseline; `ok` is False where one got worse. With `update` they become the baseline.

    Raises
    ------
    UserError
        For a baseline without runs, a run that is missing, or runs that are not comparable with their baseline.
    """
    if not 0 <= request.tolerance < math.inf:
        raise UserError(f"--tolerance is a loss in the score's unit from 0, found {request.tolerance}")
    if request.update:
        written = update_baseline(request.baseline, request.runs, reporter.warn)
        return CheckResult(ok=True, updated=[str(folder) for folder in written], checks=[])
    pairs = pairs_of(request.baseline, request.runs, reporter.warn)
    held = []
    with reporter.progress("checking") as update:
        for done, pair in enumerate(pairs, 1):
            held.append(
                held_against(
                    *(pair.name, open_run(pair.baseline), open_run(pair.run)),
                    metric=request.score,
                    tolerance=request.tolerance,
                    slowdown=request.slowdown,
                )
            )
            update(done, len(pairs), "")
    result = result_of(held, request.tolerance)
    if request.junit is not None:
        write_text(request.junit, junit(result.checks))
    if request.summary is not None:
        _append(request.summary, summary(result.checks, request.tolerance))
    return result


def _append(path: Path, text: str) -> None:
    """Step summaries are files that other steps have written to."""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_text(path, before + text)
