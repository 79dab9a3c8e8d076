"""`bench plan`: how many images a test set takes, from the statistics of stored runs."""

from __future__ import annotations

from ..boards.plan_document import SizePlan
from ..boards.size_plan import Targets, plan_sizes
from ..figures.style import write_figure
from ..io.reporter import Reporter
from ..runs.find import find_runs
from ..runs.stored import open_run
from ..runs.stored_requests import PlanRequest as PlanRequest
from ..runs.stored_scores import with_score
from ..types import UserError


def plan(request: PlanRequest, reporter: Reporter) -> SizePlan:
    """How wide the interval, and how small a visible difference, would be with another number of images.

    With `request.out` it is drawn there too, as `plan.svg` and `plan.png`.

    Raises
    ------
    UserError
        For runs that cannot be read or are not comparable, a score that they lack, too few samples, and targets that
        are not above 0.
    """
    for name in ("width", "difference", "seconds_per_label"):
        value = getattr(request, name)
        if value is not None and not 0 < value < float("inf"):
            raise UserError(f"--{name.replace('_', '-')} {value:g}: expected a number above 0")
    found = [with_score(open_run(folder), request.score) for folder, _ in find_runs(request.runs, reporter.warn)]
    targets = Targets(request.width, request.difference, request.seconds_per_label)
    if request.difference is not None and len(found) < 2:
        raise UserError("--difference is between two runs, found one. For example: bench plan runs/A runs/B")
    with reporter.progress("planning"):
        made = plan_sizes(found, request.score, targets)
    if request.out is not None:
        request.out.mkdir(parents=True, exist_ok=True)
        write_figure(request.out / "plan", made.plot)
        reporter.say(f"drawn: {request.out / 'plan.svg'}, {request.out / 'plan.png'}")
    return made
