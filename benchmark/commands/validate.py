"""`bench leaderboard --validate`: may a submitted run folder stand on a board? Nothing but the folder is needed."""

from __future__ import annotations

from pathlib import Path

from ..boards.submission import form_checks, neighbour_checks, neighbours_of
from ..io.reporter import Reporter
from ..runs.stored import open_run
from ..runs.stored_checks import Verification, stored_checks


def validate(folder: Path, reporter: Reporter) -> Verification:
    """Recompute what can be recomputed from a run's statistics, and hold its samples and truth against its neighbours.

    Neighbours are the run folders beside it. What only the predictions could prove is not checked: say in the pull
    request where they can be had.

    Raises
    ------
    UserError
        If it is no run folder, cannot be read, or was made with another version of its dataset or metrics.
    """
    run = open_run(folder)
    neighbours = list(neighbours_of(folder, run.record))
    if not neighbours:
        reporter.say("no comparable run beside it: samples and truth were held against nothing")
    return Verification.of(run, [*form_checks(run), *stored_checks(run), *neighbour_checks(run, neighbours)])
