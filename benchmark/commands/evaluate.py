"""`bench evaluate`: score anybody's predictions against ground truth alone."""

from __future__ import annotations

import datetime
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..data.index import DataIndex
from ..data.locations import Location
from ..data.self_defined import definition_of
from ..evaluation.evaluate import evaluate
from ..evaluation.scoring import score, score_warnings
from ..evaluation.statistics import Statistics
from ..figures.run_figures import RunFigures
from ..io.atomic import write_text
from ..io.fingerprints import files_sha256, ids_sha256
from ..io.reporter import Reporter
from ..predictions.find import Found, find_predictions
from ..predictions.stored import store_found
from ..registry import dataset_class, metrics_of
from ..runs.environment import describe
from ..runs.folder import locked, refuse_foreign
from ..runs.open_data import note_size, open_dataset, setting, without_defaults
from ..runs.record import (
    CONFIG,
    LOG,
    PLOTS,
    PREDICTIONS,
    STATISTICS,
    Cost,
    DatasetBlock,
    Environment,
    MethodBlock,
    Record,
    run_id_of,
    write_record,
)
from ..types import Dataset, Metric, UserError, parts_of


@dataclass(frozen=True)
class EvaluateRequest:
    """What the user asked for, as on the command line."""

    dataset: str
    predictions: Path
    name: str | None = None
    split: str | None = None
    root: Path | None = None
    partial: bool = False
    out: Path | None = None
    workers: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    save_predictions: bool = False

    def command(self) -> str:
        """The command line that does it again."""
        words = ["bench", "evaluate", "--dataset", self.dataset, "--predictions", str(self.predictions)]
        for name in ("name", "split", "root"):
            value = getattr(self, name)
            if value is not None:
                words += [f"--{name}", str(value)]
        for key, value in self.settings.items():
            words += ["--set", setting(key, value)]
        for name in self.metrics:
            words += ["--metric", name]
        words += ["--partial"] if self.partial else []
        words += ["--save-predictions"] if self.save_predictions else []
        return shlex.join(words)


def evaluate_files(request: EvaluateRequest, reporter: Reporter) -> tuple[Path, Record]:
    """Do what `bench evaluate` says and return the run folder with its record.

    Raises
    ------
    UserError
        For missing, duplicate, unreadable or mis-shaped predictions; nothing is written then. For label values that
        cannot be kept; no record is written then.
    """
    info = dataset_class(request.dataset).info
    if request.name is not None and not request.name.strip():
        raise UserError("--name is empty; give a name for the leaderboard, or leave --name out for the file's stem")
    for key in request.settings:
        if key not in info.options:
            raise UserError(f"--set {key}: {info.name} has no such option. Available: {', '.join(info.options) or '–'}")
    options = without_defaults(info.name, request.settings)
    dataset, location = open_dataset(info.name, request.root, "auto", options, reporter, may_synthesize=False)
    info = dataset.info  # of a folder of one's own it is known only now
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
    return _measure(request, dataset, location, split, found, len(ids), options, reporter)


def _measure(
    request: EvaluateRequest,
    dataset: Dataset,
    location: Location,
    split: str,
    found: Found,
    wanted: int,
    options: dict[str, Any],
    reporter: Reporter,
) -> tuple[Path, Record]:
    metrics = metrics_of(dataset.info, objects=found.objects, more=request.metrics)
    name = request.name or _stem(request.predictions)
    with DataIndex.of(dataset) as index:
        data_sha256 = index.data_sha256(tuple(found.files), parts_of(metrics))
    block = DatasetBlock(
        name=dataset.info.name,
        version=dataset.info.version,
        split=split,
        n=len(found.files),
        ids_sha256=ids_sha256(tuple(found.files)),
        data_sha256=data_sha256,
        origin=location.origin,
        options=options,
        **definition_of(dataset),
    )
    identity: dict[str, Any] = {
        "dataset": block.model_dump(mode="json"),
        "metrics": {metric.name: metric.version for metric in metrics},
        "name": name,
        "predictions_sha256": files_sha256(found.paths),
    }
    run_id = run_id_of(dataset.info.name, name, identity)
    folder = request.out or Path("runs") / run_id
    if request.out is not None:
        refuse_foreign(folder)
    statistics = _count(request, dataset, metrics, found, reporter)
    scored = score(statistics, metrics, dataset.info)
    for warning in score_warnings(scored, metrics_of(dataset.info, objects=found.objects)):
        reporter.warn(warning)
    record = Record(
        run_id=run_id,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        complete=len(found.files) == wanted,
        dataset=block,
        method=MethodBlock(name=name, family="external", config={"predictions_sha256": identity["predictions_sha256"]}),
        metrics=identity["metrics"],
        statistics_sha256=statistics.sha256(),
        scores=scored.scores,
        main_score=dataset.info.main_score if dataset.info.main_score in scored.scores else next(iter(scored.scores)),
        per_class=scored.per_class,
        per_category=scored.per_category,
        cost=Cost(),
        environment=Environment(**describe()),
        command=request.command(),
        warnings=list(reporter.warnings),
        **scored.details,
    )
    with locked(folder, run_id):
        if request.save_predictions:
            _keep(request, dataset, split, found, wanted, folder, reporter)
        write_text(folder / CONFIG, yaml.safe_dump(identity, sort_keys=False))
        statistics.to_parquet(folder / STATISTICS, metrics)
        _figures(dataset, metrics, found).write(folder / PLOTS, statistics, reporter.warn)
        record = record.model_copy(update={"warnings": list(reporter.warnings)})
        write_text(folder / LOG, "\n".join([f"{record.created} {record.command}", *record.warnings, ""]))
        write_record(folder, record)
    return folder, record


def _figures(dataset: Dataset, metrics: Sequence[Metric], found: Found) -> RunFigures:
    """What the metric families draw, from predictions that are read once more."""
    figures = RunFigures.of(dataset, found.files, metrics)
    wanted = [i for i in found.files if i in figures.wanted]
    for _ in figures.tee((sample_id, found.files[sample_id].read(dataset)) for sample_id in wanted):
        pass
    return figures


def _count(
    request: EvaluateRequest, dataset: Dataset, metrics: Sequence[Metric], found: Found, reporter: Reporter
) -> Statistics:
    total = len(found.files)
    with reporter.progress("evaluating") as update:
        return evaluate(
            dataset,
            metrics,
            found.files.items(),
            workers=request.workers,
            progress=lambda done: update(done, total, ""),
        )


def _keep(
    request: EvaluateRequest,
    dataset: Dataset,
    split: str,
    found: Found,
    wanted: int,
    folder: Path,
    reporter: Reporter,
) -> None:
    """Keep the scored predictions in the run folder, where they can be exported from and measured again."""
    total = len(found.files)
    with reporter.progress("keeping predictions") as update:
        store_found(
            folder / PREDICTIONS,
            dataset,
            found,
            split,
            whole=total == wanted,
            soft=bool(request.metrics),
            progress=lambda done: update(done, total, ""),
        )


def _stem(path: Path) -> str:
    """A name for predictions: the file's stem, or the folder's whole name, dots included."""
    resolved = path.resolve()
    name = resolved.name if resolved.is_dir() else resolved.stem
    return os.fsencode(name).decode("utf-8", "replace")
