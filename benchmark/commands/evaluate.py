"""`bench evaluate`: score anybody's predictions against ground truth alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.index import DataIndex
from ..data.locations import Location
from ..evaluation.evaluate import evaluate
from ..evaluation.scoring import Scored, score, score_warnings
from ..evaluation.statistics import Statistics
from ..figures.run_figures import RunFigures
from ..io.fingerprints import files_sha256
from ..io.reporter import Reporter
from ..predictions.find import Found, find_predictions
from ..predictions.stored import store_found
from ..registry import dataset_class, metrics_of
from ..runs.environment import describe
from ..runs.folder import PLOTS, PREDICTIONS, refuse_foreign
from ..runs.open_data import note_size, open_dataset, without_defaults
from ..runs.record import DatasetBlock, Environment, MethodBlock, Record
from ..runs.request import EvaluateRequest
from ..runs.writer import RunWriter, current_time, dataset_block
from ..types import Dataset, Metric, UserError, parts_of

__all__ = ["EvaluateRequest", "evaluate_files"]


@dataclass(frozen=True)
class _Task:
    """What is to be scored: predictions that were found, of a number of samples of a split, by these families."""

    request: EvaluateRequest
    dataset: Dataset
    location: Location
    split: str
    options: dict[str, Any]
    found: Found
    samples: int

    @property
    def whole(self) -> bool:
        """Whether every sample of the split has a prediction."""
        return len(self.found.files) == self.samples

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The families that score it."""
        return metrics_of(self.dataset.info, objects=self.found.objects, more=self.request.metrics)

    @property
    def name(self) -> str:
        """The name on the leaderboard."""
        return self.request.name or _stem(self.request.predictions)


def evaluate_files(request: EvaluateRequest, reporter: Reporter) -> tuple[Path, Record]:
    """Do what `bench evaluate` says and return the run folder with its record.

    Raises
    ------
    UserError
        For missing, duplicate, unreadable or mis-shaped predictions; nothing is written then. For label values that
        cannot be stored; no record is written then.
    """
    task = _prepare(request, reporter)
    dataset, metrics = task.dataset, task.metrics
    block = _dataset_block(task)
    identity = {
        "dataset": block.model_dump(mode="json"),
        "metrics": {metric.name: metric.version for metric in metrics},
        "name": task.name,
        "predictions_sha256": files_sha256(task.found.paths),
    }
    writer = RunWriter.of(dataset.info.name, task.name, identity, request.out)
    if request.out is not None:
        refuse_foreign(writer.folder)
    statistics = _measure(task, reporter)
    scored = score(statistics, metrics, dataset.info)
    for warning in score_warnings(scored, metrics_of(dataset.info, objects=task.found.objects)):
        reporter.warn(warning)
    record = _record(task, block, writer, scored)
    with writer.locked():
        if request.save_predictions:
            _store_predictions(task, writer.folder, reporter)
        writer.write_config()
        writer.write_statistics(statistics, metrics)
        if request.plots:
            _figures(task).write(writer.folder / PLOTS, statistics, reporter.warn)
        writer.write_log(record, reporter.warnings)
        return writer.folder, writer.finish(record, statistics, scored, reporter.warnings)


def _prepare(request: EvaluateRequest, reporter: Reporter) -> _Task:
    """Find the data and the predictions, and refuse what cannot be scored."""
    info = dataset_class(request.dataset).info
    if request.name is not None and not request.name.strip():
        raise UserError("--name is empty; give a name for the leaderboard, or leave --name out for the file's stem")
    for key in request.settings:
        if key not in info.options:
            raise UserError(f"--set {key}: {info.name} has no such option. Available: {', '.join(info.options) or '–'}")
    options = without_defaults(info.name, request.settings)
    dataset, location = open_dataset(info.name, request.root, "auto", options, reporter, may_synthesize=False)
    info = dataset.info  # of your own folder it is known only now
    split = request.split or info.default_split
    if split in info.splits and not info.splits[split].labelled:
        raise UserError(f"split '{split}' of {info.name} has no public labels, so it cannot be scored here")
    ids = dataset.ids(split)
    note_size(dataset, split, len(ids), options, reporter)
    found = find_predictions(dataset, ids, request.predictions, partial=request.partial)
    for warning in found.warnings:
        reporter.warn(warning)
    if request.partial and len(found.files) < len(ids):
        reporter.warn(f"partial: {len(found.files)} of {len(ids)} samples of the split were scored")
    return _Task(request, dataset, location, split, options, found, len(ids))


def _dataset_block(task: _Task) -> DatasetBlock:
    ids = tuple(task.found.files)
    with DataIndex.of(task.dataset) as index:
        truth = index.data_sha256(ids, parts_of(task.metrics))
    return dataset_block(task.dataset, task.location, task.split, ids, truth, options=task.options)


def _record(task: _Task, block: DatasetBlock, writer: RunWriter, scored: Scored) -> Record:
    """The record, before its results are put in."""
    main = task.dataset.info.main_score
    predictions = {"predictions_sha256": writer.identity["predictions_sha256"]}
    return Record(
        run_id=writer.run_id,
        created=current_time(),
        complete=task.whole,
        dataset=block,
        method=MethodBlock(name=task.name, family="external", config=predictions),
        metrics=writer.identity["metrics"],
        main_score=main if main in scored.scores else next(iter(scored.scores)),
        environment=Environment(**describe()),
        command=task.request.command(),
    )


def _measure(task: _Task, reporter: Reporter) -> Statistics:
    found = task.found.files
    with reporter.progress("evaluating") as update:
        return evaluate(
            task.dataset,
            task.metrics,
            found.items(),
            workers=task.request.workers,
            progress=lambda done: update(done, len(found)),
        )


def _figures(task: _Task) -> RunFigures:
    """What the metric families draw, from predictions that are read once more."""
    found: Sequence[str] = tuple(task.found.files)
    figures = RunFigures.of(task.dataset, found, task.metrics)
    wanted = [i for i in found if i in figures.wanted]
    for _ in figures.tee((sample_id, task.found.files[sample_id].read(task.dataset)) for sample_id in wanted):
        pass
    return figures


def _store_predictions(task: _Task, folder: Path, reporter: Reporter) -> None:
    """Store the scored predictions in the run folder, where they can be exported from and measured again."""
    total = len(task.found.files)
    with reporter.progress("keeping predictions") as update:
        store_found(
            folder / PREDICTIONS,
            task.dataset,
            task.found,
            task.split,
            whole=task.whole,
            soft=bool(task.request.metrics),
            progress=lambda done: update(done, total),
        )


def _stem(path: Path) -> str:
    """A name for predictions: the file's stem, or the folder's whole name, dots included."""
    resolved = path.resolve()
    name = resolved.name if resolved.is_dir() else resolved.stem
    return os.fsencode(name).decode("utf-8", "replace")
