"""`bench compare`: which run is better, by how much, and whether it could be chance."""

from __future__ import annotations

from ..boards.compare_runs import compare_stored
from ..boards.comparison import Comparison
from ..io.reporter import Reporter
from ..runs.find import find_runs
from ..runs.request import CompareRequest as CompareRequest
from ..runs.stored import open_run
from ..types import UserError


def compare(request: CompareRequest, reporter: Reporter) -> Comparison:
    """Compare two runs or more that were scored on the same samples.

    Raises
    ------
    UserError
        For fewer than two runs, runs that are not comparable (with the reason), or a score that one of them lacks.
    """
    found = find_runs(request.runs, reporter.warn, may_be_none=True)
    if len(found) < 2:
        only = f"only '{found[0].record.run_id}'" if found else "none"
        raise UserError(f"a comparison takes two runs or more, found {only}. For example: bench compare runs/A runs/B")
    return compare_stored(
        [open_run(folder) for folder, _ in found],
        reporter,
        score=request.score,
        target=request.target,
        resamples=request.resamples,
        seed=request.seed,
    )
