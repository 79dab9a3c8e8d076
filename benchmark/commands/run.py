"""`bench run`: fit, predict, evaluate and record."""

from __future__ import annotations

from pathlib import Path

from ..evaluation.scores import plain
from ..evaluation.scoring import Scored, score, score_warnings
from ..evaluation.statistics import Statistics
from ..figures.run_figures import RunFigures
from ..io.interrupts import stoppable
from ..io.reporter import Reporter
from ..registry import metrics_of
from ..runs.devices import from_first
from ..runs.fit_and_predict import RunUnderWay, fit, fit_and_predict
from ..runs.folder import PLOTS
from ..runs.plan import UNFINISHED, RunPlan, first_record, plan_help, plan_run
from ..runs.record import Record
from ..runs.request import RunRequest
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
    plan = plan_run(request, reporter)
    writer = plan.writer()
    with writer.locked() as earlier:
        if request.resume and earlier is not None and earlier.complete:
            reporter.say(f"{writer.folder} is complete: nothing to resume")
            _folder_of_first(plan, None)
            return writer.folder, earlier
        _resume_or_clear(request, writer, earlier, reporter)
        record = first_record(plan, writer, reporter.warnings)
        writer.begin(record, reporter)
        _folder_of_first(plan, writer.folder)
        under_way = RunUnderWay(plan, writer.folder, reporter)
        figures = RunFigures.of(plan.dataset, plan.eval_ids, plan.metrics if request.plots else ())
        with stoppable(reporter) as under_way.stop:
            statistics = fit_and_predict(under_way, figures.tee)
        writer.write_statistics(statistics, metrics_of(plan.dataset.info))
        scored = _score(plan, statistics, reporter)
        figures.write(writer.folder / PLOTS, statistics, reporter.warn)
        method = record.method.model_copy(update={"chosen": plain(under_way.chosen)})
        changes = {"complete": True, "cost": under_way.cost(), "method": method}
        return writer.folder, writer.finish(record, statistics, scored, reporter.warnings, **changes)


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
    if plan.method.family != "learned" or plan.request.weights is not None:
        return None
    told = from_first(None if folder is None else str(folder), plan.device)
    return None if told is None else Path(told)


def _resume_or_clear(request: RunRequest, writer: RunWriter, earlier: Record | None, reporter: Reporter) -> None:
    """With --resume keep what is there; without it start from an empty folder."""
    if request.resume and earlier is None:
        reporter.say(f"nothing to resume in {writer.folder}: starting anew")
    elif request.resume and earlier is not None:
        for warning in earlier.warnings:
            if warning != UNFINISHED:
                reporter.warn(warning)
    else:
        if earlier is not None:
            state = "earlier" if earlier.complete else "interrupted"
            reporter.say(f"replacing the {state} run in {writer.folder}")
        writer.clear()


def _score(plan: RunPlan, statistics: Statistics, reporter: Reporter) -> Scored:
    """The scores of a run, with what is to be known of them; none without public labels."""
    if not plan.labelled:
        reporter.warn(f"split '{plan.split}' has no public labels: predictions were written, nothing was scored")
        return Scored()
    scored = score(statistics, plan.metrics, plan.dataset.info)
    for warning in score_warnings(scored, plan.metrics):
        reporter.warn(warning)
    return scored
