"""`bench evaluate`: score anybody's predictions against ground truth alone."""

from __future__ import annotations

import datetime
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import records
from ..data import Location, data_sha256, ids_sha256
from ..environment import describe
from ..evaluation import evaluate
from ..predictions import Found, find_predictions
from ..records import Cost, DatasetBlock, Environment, MethodBlock, Record
from ..registry import dataset_class, metrics_of
from ..reporting import Reporter
from ..scoring import score
from ..types import Dataset, UserError
from .common import open_dataset
from .run import refuse_foreign_folder

POOL_FROM = 100
"""Fewer samples than this are measured quicker in this process than in a pool that has to be started."""


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

    def command(self) -> str:
        """The command line that does it again."""
        words = ["bench", "evaluate", "--dataset", self.dataset, "--predictions", str(self.predictions)]
        for name in ("name", "split", "root"):
            value = getattr(self, name)
            if value is not None:
                words += [f"--{name}", str(value)]
        for key, value in self.settings.items():
            words += ["--set", f"{key}={value}"]
        return shlex.join([*words, *(["--partial"] if self.partial else [])])


def evaluate_files(request: EvaluateRequest, reporter: Reporter) -> tuple[Path, Record]:
    """Do what `bench evaluate` says and return the run folder with its record.

    Raises
    ------
    UserError
        For missing, duplicate, unreadable or mis-shaped predictions; nothing is written then.
    """
    info = dataset_class(request.dataset).info
    for key in request.settings:
        if key not in info.options:
            raise UserError(f"--set {key}: {info.name} has no such option. Available: {', '.join(info.options) or '–'}")
    dataset, location = open_dataset(info.name, request.root, "auto", request.settings, reporter, may_synthesize=False)
    split = request.split or info.default_split
    if split in info.splits and not info.splits[split].labelled:
        raise UserError(f"split '{split}' of {info.name} has no public labels, so it cannot be scored here")
    ids = dataset.ids(split)
    _note_size(dataset, split, len(ids), reporter)
    found = find_predictions(dataset, ids, request.predictions, partial=request.partial)
    for warning in found.warnings:
        reporter.warn(warning)
    if request.partial and len(found.files) < len(ids):
        reporter.warn(f"partial: {len(found.files)} of {len(ids)} samples of the split were scored")
    return _measure(request, dataset, location, split, found, len(ids), reporter)


def _note_size(dataset: Dataset, split: str, found: int, reporter: Reporter) -> None:
    official = dataset.info.splits[split].official_size if split in dataset.info.splits else None
    if official not in (None, found):
        reporter.warn(f"split '{split}' has {found} samples below '{dataset.root}'; the official one has {official}")


def _measure(
    request: EvaluateRequest,
    dataset: Dataset,
    location: Location,
    split: str,
    found: Found,
    wanted: int,
    reporter: Reporter,
) -> tuple[Path, Record]:
    metrics = metrics_of(dataset.info)
    cores = os.cpu_count() or 1
    workers = request.workers if request.workers is not None else (cores if len(found.files) >= POOL_FROM else 0)
    total = len(found.files)
    with reporter.progress("evaluating") as update:
        statistics = evaluate(
            dataset,
            metrics,
            found.files.items(),
            workers=workers,
            progress=lambda done: update(done, total, ""),
        )
    scores, per_class = score(statistics, metrics, dataset.info)
    name = request.name or request.predictions.resolve().stem
    block = DatasetBlock(
        name=dataset.info.name,
        version=dataset.info.version,
        split=split,
        n=total,
        ids_sha256=ids_sha256(tuple(found.files)),
        data_sha256=data_sha256(dataset, tuple(found.files)),
        origin=location.origin,
        options=request.settings,
    )
    identity = {"dataset": block.model_dump(), "name": name, "predictions": str(request.predictions.resolve())}
    run_id = records.run_id(dataset.info.name, name, identity)
    for score_name, value in scores.items():
        if value.value is None:
            reporter.warn(f"score {score_name} is undefined on these samples")
    record = Record(
        run_id=run_id,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        complete=total == wanted,
        dataset=block,
        method=MethodBlock(name=name, family="external"),
        metrics={metric.name: metric.version for metric in metrics},
        scores=scores,
        main_score=dataset.info.main_score,
        per_class=per_class,
        cost=Cost(),
        environment=Environment(**describe()),
        command=request.command(),
        warnings=list(reporter.warnings),
    )
    folder = request.out or Path("runs") / run_id
    refuse_foreign_folder(folder)
    with records.locked(folder):
        statistics.to_parquet(folder / records.STATISTICS, metrics)
        records.write_record(folder, record)
    return folder, record
