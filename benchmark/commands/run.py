"""`bench run`: fit, predict, evaluate and record."""

from __future__ import annotations

from pathlib import Path

from ..evaluation.scoring import Scored, score, score_warnings
from ..evaluation.statistics import Statistics
from ..figures.run_figures import RunFigures
from ..io.interrupts import stoppable
from ..io.plain_values import plain
from ..io.reporter import Reporter
from ..runs.current import what_its_method_can_make_again, why_not_current
from ..runs.devices import from_first
from ..runs.first_record import UNFINISHED, first_record
from ..runs.fit_and_predict import RunUnderWay, fit, fit_and_predict
from ..runs.folder import LOG, PLOTS, TRACKING
from ..runs.plan import RunPlan
from ..runs.plan_run import plan_help, plan_run
from ..runs.record import Record, write_record
from ..runs.request import RunRequest
from ..runs.tracking.log import run_log
from ..runs.tracking.trackers import check_trackers
from ..runs.writer import RunWriter

__all__ = ["RunRequest", "help_to_train", "run"]


def run(request: RunRequest, reporter: Reporter) -> tuple[Path, Record]:
    """Do what `bench run` says and return the run folder with its record.

    Raises
    ------
    UserError
        For wrong names, settings, or data.
    KeyboardInterrupt
        After Ctrl-C; what was trained so far is kept for `--resume`.
    """
    check_trackers(request.log)
    plan = plan_run(request, reporter)
    writer = plan.writer()
    with writer.locked() as earlier:
        first = first_record(plan, writer, reporter.warnings)
        if earlier is not None and earlier.complete and request.resume and not request.overwrite:
            earlier = _reopened(writer, earlier, first, request, reporter)
        finished = earlier is not None and earlier.complete
        if earlier is not None and finished and _stands(writer, earlier, first, request, reporter):
            _folder_of_first(plan, None)
            return writer.folder, earlier
        with writer.replacing(finished) as making:
            begun = _resumed_or_cleared(request, making, earlier, first, reporter)
            record = _made(plan, making, begun, reporter)
    reporter.log = writer.folder / LOG
    return writer.folder, record


def _reopened(writer: RunWriter, earlier: Record, first: Record, request: RunRequest, reporter: Reporter) -> Record:
    """The record of a finished run, which is one that has begun where it has lost what its method can make again."""
    kept = request.save_predictions or not earlier.scores
    lost = what_its_method_can_make_again(writer.folder, earlier, first, predictions=kept)
    if not lost:
        return earlier
    reporter.say(f"{writer.folder} is not complete, though its record says so: {lost}. What was fitted is taken.")
    write_record(writer.folder, first)
    return first


def _stands(writer: RunWriter, earlier: Record, first: Record, request: RunRequest, reporter: Reporter) -> bool:
    """Whether a finished run is the result that is asked for, and say so."""
    kept = request.save_predictions or not earlier.scores
    why = why_not_current(writer.folder, earlier, first, predictions=kept, plots=request.plots)
    if why or request.overwrite:
        why = why or "--overwrite asks for a new one"
        reporter.say(f"{writer.folder} is complete, but {why}: the run is made again and then takes its place")
        return False
    what = "complete: nothing to resume" if request.resume else "complete and current: this is its result"
    reporter.say(f"{writer.folder} is {what} (--overwrite makes it again)")
    if request.log and not (writer.folder / TRACKING).is_dir():
        reporter.say("it was made without --log, which --overwrite would write as well")
    return True


def _made(plan: RunPlan, writer: RunWriter, first: Record, reporter: Reporter) -> Record:
    """Fit, predict, measure and write; the record with its results."""
    writer.begin(first, reporter)
    _folder_of_first(plan, writer.folder)
    under_way = RunUnderWay(plan, writer.folder, reporter)
    figures = RunFigures.of(plan.dataset, plan.eval_ids, plan.metrics if plan.request.plots else ())
    with run_log(plan.request.log, writer.folder, first, reporter) as under_way.log:
        with stoppable(reporter) as under_way.stop:
            statistics = fit_and_predict(under_way, figures.tee)
        writer.write_statistics(statistics, plan.families)
        scored = _score(plan, statistics, reporter)
        figures.write(writer.folder / PLOTS, statistics, reporter.warn)
        method = first.method.model_copy(update={"chosen": plain(under_way.chosen)})
        changes = {"complete": True, "cost": under_way.cost(), "method": method}
        if plan.predicts != "maps" and scored.scores:
            changes["main_score"] = next(iter(scored.scores))
        record = writer.finish(first, statistics, scored, reporter.warnings, **changes)
        under_way.log.finish(record)
    return record


def help_to_train(request: RunRequest, reporter: Reporter) -> None:
    """What the other processes of `accelerate launch` do beside the first: their part of the training, no writing.

    They wait for the first one, which alone hashes and checks the data.

    Raises UserError for wrong names or settings, or where there is no data.
    """
    plan = plan_help(request, reporter)
    folder = _folder_of_first(plan, None)
    if folder is None:
        return
    under_way = RunUnderWay(plan, folder, reporter)
    with stoppable(reporter) as under_way.stop:
        for number, fold in enumerate(plan.folds):
            fit(under_way, fold, under_way.checkpoints(number))


def _folder_of_first(plan: RunPlan, folder: Path | None) -> Path | None:
    """The folder of the run as the first process of a launch gives it, in every one that takes part in a training.

    None where there is nothing to train.
    """
    if plan.method.family != "learned" or not plan.trains:
        return None
    told = from_first(None if folder is None else str(folder), plan.device)
    return None if told is None else Path(told)


def _resumed_or_cleared(
    request: RunRequest, writer: RunWriter, earlier: Record | None, first: Record, reporter: Reporter
) -> Record:
    """With --resume keep what was begun of this very run, else empty the folder; the record to begin with."""
    begun = writer.begun()
    if request.resume and begun is not None and begun.run_id == writer.run_id:
        for warning in begun.warnings:
            if warning != UNFINISHED:
                reporter.warn(warning)
        # A result stands for the code that it was begun with: with other code it is not current.
        code = {"code_sha256": begun.environment.code_sha256}
        first = first.model_copy(update={"environment": first.environment.model_copy(update=code)})
    else:
        if begun is not None:
            why = "is of other data or versions: starting again" if request.resume else "is replaced"
            reporter.say(f"the interrupted run in {writer.folder} {why}")
        elif request.resume and earlier is None:
            reporter.say(f"nothing to resume in {writer.folder}: starting again")
        writer.clear()
    return first.model_copy(update={"warnings": [*reporter.warnings, UNFINISHED]})


def _score(plan: RunPlan, statistics: Statistics, reporter: Reporter) -> Scored:
    """The scores of a run, with what is to be known of them; none without public labels."""
    if not plan.labelled:
        reporter.warn(f"split '{plan.split}' has no public labels: predictions were written, nothing was scored")
        return Scored()
    scored = score(statistics, plan.metrics, plan.dataset.info)
    for warning in score_warnings(scored, plan.metrics, plan.dataset.info):
        reporter.warn(warning)
    return scored
