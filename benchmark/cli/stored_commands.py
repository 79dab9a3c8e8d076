"""Commands that look at stored runs: `compare`, `plan`, `check`, `leaderboard`, `report`, `explain` and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    from ..runs.stored_requests import (
        CheckRequest,
        CompareRequest,
        ExplainRequest,
        ExportRequest,
        LeaderboardRequest,
        PanelsRequest,
        PlanRequest,
        PublishRequest,
        ReportRequest,
        ShowRequest,
        SliceRequest,
        TableRequest,
        VerifyRequest,
    )


def compare(request: CompareRequest, json: bool, quiet: bool) -> None:
    """Which run is better, by how much, and could it be chance? Paired statistics of runs on the same samples."""
    from ..api.comparing import compare as do_compare
    from .compare_output import comparison

    given = dict(vars(request))
    found = do_compare(*given.pop("runs"), **given, progress=output.reporter(quiet))
    comparison(found, json)


def plan(request: PlanRequest, json: bool, quiet: bool) -> None:
    """How many images do I need? Width of the interval, and smallest visible difference, for other numbers of images.

    From the statistics of a run or two; runs on several --train-fraction also give the learning curve.
    """
    from ..commands.plan import plan as do_plan
    from .plan_output import size_plan

    size_plan(do_plan(request, output.reporter(quiet)), json, quiet)


def check(request: CheckRequest, json: bool, quiet: bool) -> None:
    """Did my method get worse? Exit status 1 where a loss is larger than the tolerance and than the noise.

    And where the test set could not have shown a loss.
    """
    from ..api.comparing import check as do_check

    reporter = output.reporter(quiet)
    found = do_check(**vars(request), progress=reporter)
    if json:
        reporter.tell_noted()
    with output.failing_unless(found.ok):
        output.checked(found, json)


def leaderboard(request: LeaderboardRequest, json: bool, quiet: bool) -> None:
    """Make markdown leaderboards from run folders, or check or sign one that is submitted for a board."""
    if request.validate is not None or request.sign is not None:
        from ..boards.validation import validate
        from ..commands.sign import sign_run
        from .explain_output import verification

        if request.validate is not None:
            found = validate(request.validate, request.root, output.reporter(quiet), request.signers)
        else:
            found = sign_run(request)
        with output.failing_unless(found.ok):
            verification(found, json, quiet)
        return
    from ..commands.leaderboard import leaderboard as do_leaderboard

    made = do_leaderboard(request, output.reporter(quiet), pages=not json)
    if json:
        output.document(made.groups)
    elif request.out is None:
        output.text("\n".join(text for name, text in made.pages.items() if name != "README.md"))


def table(request: TableRequest, json: bool, quiet: bool) -> None:
    """Write the results table of a paper: methods and scores (or classes), as Markdown, LaTeX or CSV.

    Runs that differ in their seed alone are one row. The best value of each column is bold, the second underlined, and
    a dagger marks those that paired tests cannot tell from the best.
    """
    from ..commands.table import table as do_table

    made = do_table(request, output.reporter(quiet))
    if json:
        output.document(made.table)
    elif made.file is None:
        output.text(made.text.removesuffix("\n"))


def panels(request: PanelsRequest, json: bool, quiet: bool) -> None:
    """Draw the qualitative figure of a paper: samples in rows; image, truth and each run's prediction in columns.

    It prints the caption, which says how the samples were chosen. It shows predictions that runs kept: `bench run`
    keeps those of 12 samples, with --save-predictions all, as `bench evaluate` does.
    """
    from ..commands.panels import panels as do_panels

    made = do_panels(request, output.reporter(quiet))
    if json:
        output.document(made)
    else:
        output.text(f"{' '.join(made.caption)}\n\n{made.table()}")


def publish(request: PublishRequest, json: bool, quiet: bool) -> None:
    """Open the folder of a pull request that adds a result: check the run, leave out what is private, say what to type.

    With --index, list the runs of a folder for a web server, where `bench leaderboard ADDRESS` reads them.
    """
    from ..commands.publish import publish as do_publish
    from .publish_output import publication

    made = do_publish(request, output.reporter(quiet))
    with output.failing_unless(made.ok):
        publication(made, json, quiet)


def report(request: ReportRequest, json: bool, quiet: bool) -> None:
    """Write a self-contained page: boards, plots, overlays of best and worst samples. It loads nothing else."""
    from ..commands.report import report as do_report
    from ..text import counted

    made = do_report(request, output.reporter(quiet))
    if json:
        output.document(made)
    else:
        output.text(f"{made.page}: {counted(made.runs, 'run')}, {made.bytes / 1e6:.1f} MB")


def explain(request: ExplainRequest, json: bool, quiet: bool) -> None:
    """Show the score under every library's convention, what the errors come from, and the worst samples.

    Of two runs: the errors side by side, and the samples on which the first is most behind. What errors come from, in
    points that add up, is read from predictions that were kept (--save-predictions); all else from stored statistics.
    """
    from ..commands.explain import explain_runs
    from .explain_output import explanation

    explanation(explain_runs(request, output.reporter(quiet)), json, quiet)


def slice_(request: SliceRequest, json: bool, quiet: bool) -> None:
    """Score parts of the samples, the worst first, and test whether it is worse by more than chance.

    By those properties that --by names, else a table for each that the samples have. From stored statistics; sizes and
    positions need labels, brightness and blur need images (--root). Numbers are cut into parts of equally many samples,
    named by the least and the largest.
    """
    from ..commands.slice import slice_by_all, slice_runs
    from .slice_output import sliced, sliced_by_all

    if request.by:
        sliced(slice_runs(request, output.reporter(quiet)), json, quiet)
    else:
        sliced_by_all(slice_by_all(request, output.reporter(quiet)), json, quiet)


def show(request: ShowRequest, json: bool, quiet: bool) -> None:
    """Write what a classical method sees in an image, step by step, as pictures: gradients, relief, basins, regions."""
    from ..commands.show import show as do_show

    made = do_show(request, output.reporter(quiet))
    if json:
        output.document(made)
    else:
        output.text("\n".join(f"{step.picture}: {step.what}" for step in made.steps))
        output.text(f"all together: {made.overview}")


def verify(request: VerifyRequest, json: bool, quiet: bool) -> None:
    """Recompute a run's scores from what it stored and compare bit for bit. Exit status 1 if anything differs."""
    from ..commands.verify import verify as do_verify
    from ..runs.stored_checks import Verifications
    from .explain_output import verification

    found = [do_verify(run, request.root, output.reporter(quiet)) for run in request.runs]
    every = Verifications.of(found)
    with output.failing_unless(every.ok):
        if json:
            output.document(found[0] if len(found) == 1 else every)
        else:
            for each in found:
                verification(each, json, quiet)


def export(request: ExportRequest, json: bool, quiet: bool) -> None:
    """Write a run's predictions in the form that the official server or tool takes, or the run for MLflow."""
    from ..commands.export import export as do_export

    made = do_export(request, output.reporter(quiet))
    if json:
        print(made.to_json(), end="")
    elif made.mlflow_run_id is not None:
        output.text(f"{made.out}: run {made.mlflow_run_id}{'' if made.new else ', which was there already'}")
    else:
        output.text(f"{made.out}: {made.n} predictions of {made.format}, split {made.split}")
