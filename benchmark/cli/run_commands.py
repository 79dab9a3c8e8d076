"""Commands that make predictions and score them: `run`, `evaluate`, `doctor`, `predict`, `suite`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    from ..runs.request import DoctorRequest, EvaluateRequest, PredictRequest, RunRequest, SuiteRequest
    from ..runs.suite.status import SuiteStatus


def run(request: RunRequest, json: bool, quiet: bool) -> None:
    """Fit a method, predict, evaluate and record: the main job."""
    from ..api.running import run as do_run
    from ..commands.run import help_to_train
    from ..runs.devices import process_rank

    if process_rank():
        help_to_train(request, output.reporter(True))
        return
    with output.interruptible(f"; go on with: {request.resume_command()}"):
        made = do_run(**vars(request), progress=output.reporter(quiet))
    output.record(made.folder, made.record, json, quiet)


def evaluate(request: EvaluateRequest, json: bool, quiet: bool) -> None:
    """Score anybody's predictions; needs ground truth only."""
    from ..api.running import evaluate as do_evaluate

    made = do_evaluate(**vars(request), progress=output.reporter(quiet))
    output.record(made.folder, made.record, json, quiet)


def doctor(request: DoctorRequest, json: bool, quiet: bool) -> None:
    """Diagnose predictions before scoring: what is wrong, the proof, the score after the remedy. Changes no file.

    Exit status 1 if anything is wrong.
    """
    from ..commands.doctor import diagnose
    from . import doctor_output

    found = diagnose(request, output.reporter(quiet))
    with output.failing_unless(not found.findings):
        doctor_output.diagnosis(found, json, request.root)


def predict(request: PredictRequest, json: bool, quiet: bool) -> None:
    """Segment new images, stacks or videos with a trained run: one PNG of label values for each frame.

    Binary datasets give 0 and 255. A TIFF stack given to a run on a stack (isbi2012) gives one TIFF of probabilities.
    """
    from ..commands.predict import predict as do_predict

    with output.interruptible(f"; go on with: {request.command()} --resume"):
        made = do_predict(request, output.reporter(quiet))
    output.predicted(made, json)


def suite(request: SuiteRequest, json: bool, quiet: bool) -> None:
    """Run a grid of datasets, methods, settings, seeds, folds and label fractions. Exit status 1 if a cell fails."""
    from . import suite_output

    if _looked_at(request, json, quiet):
        return
    from ..commands.suite import dry_run, run_suite, running_already
    from ..io.locks import BusyError

    if request.dry_run:
        suite_output.plan(dry_run(request), json, quiet)
        return
    talk = output.reporter(quiet)
    running = running_already(request, talk)
    try:
        if running is None:
            go_on = output.interruptible(f"; go on with: {request.resume_command()}")
            with go_on, suite_output.Watcher(talk) as watcher:
                _, found = run_suite(request, talk, watcher)
    except BusyError:  # two have begun in the same moment
        if (running := running_already(request, talk)) is None:
            raise
    if running is not None:
        _watched(request, running, json, quiet)
        return
    with output.failing_unless(found.done == found.n):
        suite_output.results(found, json, quiet)


def _looked_at(request: SuiteRequest, json: bool, quiet: bool) -> bool:
    """Do what is asked of a suite that has begun; False where it is to be run."""
    asked = [name for name in ("status", "watch", "cancel", "export") if getattr(request, name)]
    if not asked:
        return False
    from ..commands import suite as commands
    from ..errors import UserError
    from . import suite_status_output

    if len(asked) > 1:
        raise UserError(f"--{asked[0]} and --{asked[1]} are two commands; give one of them")
    if request.status:
        suite_status_output.status(commands.status(request), json, quiet)
    elif request.watch:
        _watched(request, None, json, quiet)
    elif request.cancel:
        with output.interruptible("; the suite still ends in order"):
            suite_status_output.cancelled(commands.cancel(request, output.reporter(quiet)), json)
    elif request.export is not None:
        suite_status_output.exported(commands.export(request, request.export), json)
    return True


def _watched(request: SuiteRequest, running: SuiteStatus | None, json: bool, quiet: bool) -> None:
    """Watch a suite that another process runs; exit status 1 where it ends without having done all."""
    from ..commands.suite import watch
    from . import suite_status_output

    if running is not None:
        suite_status_output.watching(running)
    with output.interruptible("; the suite goes on"):
        last = suite_status_output.watch(watch(request), quiet)
    with output.failing_unless(last.finished):
        suite_status_output.watched(last, json)
