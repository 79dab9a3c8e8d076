"""`bench evaluate`: score anybody's predictions against ground truth alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..evaluation.scoring import score, score_warnings
from ..figures.run_figures import RunFigures
from ..io.fingerprints import files_sha256
from ..io.reporter import Reporter
from ..registry import metrics_of
from ..runs.folder import PLOTS, refuse_foreign
from ..runs.predictions_to_score import PredictionsToScore
from ..runs.record import Record
from ..runs.request import EvaluateRequest
from ..runs.writer import RunWriter

__all__ = ["EvaluateRequest", "evaluate_files"]


def evaluate_files(request: EvaluateRequest, reporter: Reporter) -> tuple[Path, Record]:
    """Do what `bench evaluate` says and return the run folder with its record.

    Raises
    ------
    UserError
        For missing, duplicate, unreadable or mis-shaped predictions; nothing is written then. For label values that
        cannot be stored; no record is written then.
    """
    task = PredictionsToScore.find(request, reporter)
    dataset, metrics = task.dataset, task.metrics
    block = task.dataset_block()
    identity = {
        "dataset": block.model_dump(mode="json"),
        "metrics": {metric.name: metric.version for metric in metrics},
        "name": task.name,
        "predictions_sha256": files_sha256(task.found.paths),
    }
    writer = RunWriter.of(dataset.info.name, task.name, identity, request.out)
    if request.out is not None:
        refuse_foreign(writer.folder)
    statistics = task.measure(reporter)
    scored = score(statistics, metrics, dataset.info)
    for warning in score_warnings(scored, metrics_of(dataset.info, objects=task.found.objects)):
        reporter.warn(warning)
    record = task.record(block, writer, scored)
    with writer.locked():
        if request.save_predictions:
            task.store(writer.folder, reporter)
        writer.write_config()
        writer.write_statistics(statistics, metrics)
        if request.plots:
            _figures(task).write(writer.folder / PLOTS, statistics, reporter.warn)
        writer.write_log(record, reporter.warnings)
        return writer.folder, writer.finish(record, statistics, scored, reporter.warnings)


def _figures(task: PredictionsToScore) -> RunFigures:
    """What the metric families draw, from predictions that are read once more."""
    found: Sequence[str] = tuple(task.found.files)
    figures = RunFigures.of(task.dataset, found, task.metrics)
    wanted = [i for i in found if i in figures.wanted]
    for _ in figures.tee((sample_id, task.found.files[sample_id].read(task.dataset)) for sample_id in wanted):
        pass
    return figures
