"""`bench compare`: which run is better, by how much, and whether it could be chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..boards.comparable import refuse_incomparable
from ..boards.compare_groups import ComparableRuns, Grouping, Wanted, grouping, records_below
from ..boards.compare_runs import compare_stored
from ..boards.comparison_document import Comparison
from ..boards.comparison_rows import comparison_text, refuse_ending
from ..boards.stands_alone import StandsAlone
from ..io.atomic import write_output
from ..io.output_checks import refuse_below_a_file
from ..io.reporter import Reporter
from ..runs.find import FoundRun, each_once
from ..runs.remote import folders_of
from ..runs.stored import open_run
from ..runs.stored_requests import CompareRequest as CompareRequest
from ..runs.stored_scores import with_score
from ..types import UserError


def compare(request: CompareRequest, reporter: Reporter) -> Comparison:
    """Compare runs that were scored on the same samples, in groups, and name those that stand alone.

    Raises
    ------
    UserError
        For fewer than two runs, runs of which no two are comparable (with the reason), a score that none has, or a file
        whose name says no format.
    """
    if request.out is not None:
        refuse_ending(request.out)
        refuse_below_a_file(request.out, "--out")
    made = _made(request, reporter)
    if request.out is not None:
        write_output(request.out, comparison_text(made, request.out))
        reporter.say(f"wrote {request.out}")
    return made


def _made(request: CompareRequest, reporter: Reporter) -> Comparison:
    every, broken = records_below(folders_of(request.runs, reporter))
    if again := _made_again(every):
        wanted = _wanted(request)
        runs = [with_score(run, wanted.score_of(run)) for run in map(open_run, again)]
        return _compared([ComparableRuns(runs, [])], request, reporter)[0]
    found = each_once(every, reporter.warn)
    made = grouping(found, _wanted(request))
    made.alone.extend(broken)
    if not made.groups:
        _refuse(found, made.alone)
    return _together(_compared(made.groups, request, reporter), made)


def _wanted(request: CompareRequest) -> Wanted:
    return Wanted(request.dataset, request.split, request.score, request.by_class)


def _made_again(every: Sequence[FoundRun]) -> list[Path]:
    """Folders of one run that was made several times, where no other run is there: did it come out the same?

    Copies of what was made once are one.
    """
    if len({run.record.run_id for run in every}) != 1:
        return []
    made = {run.record.created: run.folder for run in every}
    return [made[moment] for moment in sorted(made)] if len(made) > 1 else []


def _compared(groups: Sequence[ComparableRuns], request: CompareRequest, reporter: Reporter) -> list[Comparison]:
    return [
        compare_stored(
            group.runs,
            reporter,
            corrupted=group.corrupted,
            score=_wanted(request).score_of(group.runs[0]),
            target=request.target,
            resamples=request.resamples,
            seed=request.seed,
            blocks=request.blocks,
            by_class=request.by_class,
        )
        for group in groups
    ]


def _together(compared: Sequence[Comparison], made: Grouping) -> Comparison:
    """All groups as one document."""
    groups = list(compared) if len(compared) > 1 else None
    return compared[0].model_copy(update={"alone": made.alone, "groups": groups})


def _refuse(found: Sequence[FoundRun], alone: Sequence[StandsAlone]) -> None:
    """Raise UserError with the reason why nothing can be compared."""
    if len(found) < 2:
        only = f"only '{found[0].record.run_id}'" if found else "none"
        raise UserError(f"a comparison takes two runs or more, found {only}. For example: bench compare runs/A runs/B")
    if len(found) == 2:
        refuse_incomparable([open_run(folder).record for folder, _ in found])
    reasons = "; ".join(f"{each.run_id or each.folder}: {each.why}" for each in alone[:5])
    more = f"; and {len(alone) - 5} more" if len(alone) > 5 else ""
    raise UserError(f"no two of these runs can be compared. {reasons}{more}")
