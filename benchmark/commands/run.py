"""`bench run`: fit, predict, evaluate and record."""

from __future__ import annotations

import datetime
import math
import shlex
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .. import records
from ..data import Location, Source, data_sha256, ids_sha256, read_all
from ..environment import describe, peak_memory_mb
from ..evaluation import evaluate
from ..files import write_text
from ..predictions import write_prediction, write_stack
from ..presets import resolve
from ..records import Cost, DatasetBlock, Environment, MethodBlock, Record
from ..registry import dataset_class, make_method, method_class, metrics_of
from ..reporting import Reporter
from ..scoring import score
from ..splits import Fold, plan_folds, plan_split
from ..statistics import Statistics
from ..types import Dataset, FitContext, Method, Prediction, Samples, UserError
from .common import open_dataset

PREDICT_BATCH = 8


@dataclass(frozen=True)
class RunRequest:
    """What the user asked for, as on the command line."""

    dataset: str
    method: str
    split: str | None = None
    preset: str = "quick"
    seed: int = 0
    device: str = "auto"
    root: Path | None = None
    source: Source = "auto"
    folds: int | None = None
    train_fraction: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)
    out: Path | None = None
    save_predictions: bool = False
    workers: int = 0
    resume: bool = False

    def command(self) -> str:
        """The command line that makes the run again."""
        words = ["bench", "run", "--dataset", self.dataset, "--method", self.method]
        defaults = RunRequest(self.dataset, self.method)
        for name in ("split", "preset", "seed", "device", "root", "source", "folds", "train_fraction", "workers"):
            value = getattr(self, name)
            if value != getattr(defaults, name):
                words += [f"--{name.replace('_', '-')}", str(value)]
        for key, value in self.settings.items():
            words += ["--set", f"{key}={yaml.safe_dump(value, default_flow_style=True).partition(chr(10))[0]}"]
        words += ["--save-predictions"] if self.save_predictions else []
        return shlex.join(words)


@dataclass
class _Job:
    """One run under way: everything resolved, and what it has cost so far."""

    request: RunRequest
    dataset: Dataset
    location: Location
    split: str
    folds: tuple[Fold, ...]
    config: dict[str, Any]
    options: dict[str, Any]
    device: str
    reporter: Reporter
    folder: Path = Path()
    stop: Callable[[], bool] = lambda: False
    train_s: float = 0.0
    predict_s: float = 0.0
    parameters: int = 0
    chosen: dict[str, Any] = field(default_factory=dict)

    @property
    def eval_ids(self) -> tuple[str, ...]:
        return tuple(i for fold in self.folds for i in fold.evaluate)

    @property
    def labelled(self) -> bool:
        split = self.dataset.info.splits.get(self.split)
        return split is None or split.labelled


def run(request: RunRequest, reporter: Reporter) -> tuple[Path, Record]:
    """Do what `bench run` says and return the run folder with its record.

    Raises
    ------
    UserError
        For wrong names, settings, or data.
    KeyboardInterrupt
        After Ctrl-C; what was trained so far is kept for `--resume`.
    """
    job = _prepare(request, reporter)
    identity = _identity(job)
    run_id = records.run_id(job.dataset.info.name, request.method, identity)
    job.folder = request.out or Path("runs") / run_id
    refuse_foreign_folder(job.folder)
    with records.locked(job.folder):
        finished = _continue_or_clear(job, run_id)
        if finished is not None:
            return job.folder, finished
        reporter.log = job.folder / records.LOG
        reporter.write_log(f"{datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')} {request.command()}")
        record = _first_record(job, run_id)
        records.write_record(job.folder, record)
        write_text(job.folder / records.CONFIG, yaml.safe_dump({**identity, "config": job.config}, sort_keys=False))
        with _interruptible(reporter) as job.stop:
            statistics = _fit_and_measure(job)
        record = _finish(job, record, statistics)
    return job.folder, record


def _prepare(request: RunRequest, reporter: Reporter) -> _Job:
    info = dataset_class(request.dataset).info
    method_info = method_class(request.method).info
    if info.task not in method_info.tasks:
        raise UserError(f"method {method_info.name} does not do {info.task} segmentation, which {info.name} asks for")
    config, options = resolve(request.preset, method_info, info, request.settings)
    make_method(method_info.name, config)  # a wrong setting is to be found before anything is read
    device = _device(request.device) if method_info.family == "learned" else "cpu"
    dataset, location = open_dataset(info.name, request.root, request.source, options, reporter, may_synthesize=True)
    split = request.split or ("all" if request.folds else info.default_split)
    if request.folds:
        folds = plan_folds(dataset, request.folds, split, request.train_fraction, request.seed)
    else:
        folds = plan_split(dataset, split, request.train_fraction, request.seed)
    job = _Job(request, dataset, location, split, folds, config, options, device, reporter)
    _check_data(job)
    return job


def _device(name: str) -> str:
    """Resolve `auto`, and refuse a device that is not there."""
    if name == "cpu":
        return name
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next((device for device, available in there.items() if available), "cpu")
    kind = name.partition(":")[0]
    if kind not in there:
        raise UserError(f"--device {name} is not known. Available: auto, cpu, cuda, mps.")
    if not there[kind]:
        raise UserError(f"--device {name}: PyTorch finds no such device here. Use --device cpu or auto.")
    return name


def _check_data(job: _Job) -> None:
    """Decode everything that will be used, so that a broken file is named before hours of training."""
    trained = tuple(dict.fromkeys(i for fold in job.folds for i in (*fold.train, *fold.val)))
    evaluated = tuple(i for i in job.eval_ids if i not in set(trained)) if job.request.folds else job.eval_ids
    ids = (*trained, *evaluated)
    without = [i for i in ids if not job.dataset.files(i, "image")]
    if without:
        raise UserError(
            f"{len(without)} of {len(ids)} samples have no image below '{job.location.root}' (first: {without[0]}); "
            "a method needs images. Ground truth alone can be used by 'bench evaluate'."
        )
    with job.reporter.progress("checking data") as update:
        faults = read_all(job.dataset, ids, ("image", "labels"), lambda done, total: update(done, total, ""))
    if faults:
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise UserError(f"{faults[0]}{more}. Run 'bench data verify {job.dataset.info.name}' for all.")


def _identity(job: _Job) -> dict[str, Any]:
    """Everything that the result depends on."""
    return {
        "dataset": job.dataset.info.name,
        "split": job.split,
        "options": job.options,
        "origin": job.location.origin,
        "data_sha256": data_sha256(job.dataset, job.eval_ids),
        "method": method_class(job.request.method).info.name,
        "preset": job.request.preset,
        "config": job.config,
        "seed": job.request.seed,
        "folds": job.request.folds,
        "train_fraction": job.request.train_fraction,
    }


def refuse_foreign_folder(folder: Path) -> None:
    """Refuse to write a run into a folder that holds anything else."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out '{folder}' is a file; it is to be a run folder")
    if folder.is_dir() and not (folder / records.RECORD).is_file():
        others = [p.name for p in folder.iterdir() if p.name != ".lock"]
        if others:
            raise UserError(f"--out '{folder}' is not empty and no run folder (it holds {others[0]}); choose another")


def _continue_or_clear(job: _Job, run_id: str) -> Record | None:
    """With --resume keep what is there and return a finished record; without it start from an empty folder."""
    folder, reporter = job.folder, job.reporter
    if not (folder / records.RECORD).is_file():
        if job.request.resume:
            reporter.say(f"nothing to resume in {folder}: starting anew")
        return None
    if job.request.resume:
        previous = records.read_record(folder)
        if previous.run_id != run_id:
            raise UserError(
                f"'{folder}' holds another run ({previous.run_id}) than the one asked for ({run_id}); its data, method "
                "or settings differ. Resume it with its own command, or choose another folder with --out."
            )
        if previous.complete:
            reporter.say(f"{folder} is complete: nothing to resume")
            return previous
        return None
    for name in (records.RECORD, records.STATISTICS, records.LOG, records.CONFIG):
        (folder / name).unlink(missing_ok=True)
    for name in (records.PREDICTIONS, records.CHECKPOINT):
        shutil.rmtree(folder / name, ignore_errors=True)
    return None


def _first_record(job: _Job, run_id: str) -> Record:
    """The record of a run that has begun: everything but the results."""
    request, info = job.request, job.dataset.info
    method = method_class(request.method).info
    return Record(
        run_id=run_id,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        complete=False,
        dataset=DatasetBlock(
            name=info.name,
            version=info.version,
            split=job.split,
            n=len(job.eval_ids),
            ids_sha256=ids_sha256(job.eval_ids),
            data_sha256=data_sha256(job.dataset, job.eval_ids),
            origin=job.location.origin,
            options=job.options,
            folds=request.folds,
        ),
        method=MethodBlock(
            name=method.name,
            family=method.family,
            config=job.config,
            preset=request.preset,
            seed=request.seed,
            train_fraction=request.train_fraction,
            n_train=sum(len(fold.train) for fold in job.folds) / len(job.folds),
        ),
        metrics={metric.name: metric.version for metric in metrics_of(info)},
        main_score=info.main_score,
        cost=Cost(device=job.device),
        environment=Environment(**describe(job.device)),
        command=request.command(),
        warnings=[*job.reporter.warnings, "the run has not finished"],
    )


def _fit_and_measure(job: _Job) -> Statistics:
    """Fit on every fold's training samples and measure the predictions of its held-out ones."""
    metrics = metrics_of(job.dataset.info) if job.labelled else ()
    total = Statistics()
    for number, fold in enumerate(job.folds):
        name = f" (fold {number + 1} of {len(job.folds)})" if len(job.folds) > 1 else ""
        folder = job.folder / records.CHECKPOINT / (f"fold-{number}" if len(job.folds) > 1 else "")
        folder.mkdir(parents=True, exist_ok=True)
        method = _fit(job, fold, folder, name)
        with job.reporter.progress(f"evaluating{name}") as update:
            predictions = _predict(job, method, fold.evaluate)
            if not job.labelled:
                _save_unlabelled(job, fold.evaluate, predictions, update)
                continue
            if job.request.save_predictions:
                predictions = _saving(job, predictions)
            ids = len(fold.evaluate)
            part = evaluate(
                job.dataset,
                metrics,
                predictions,
                workers=job.request.workers,
                progress=lambda done, update=update, ids=ids: update(done, ids, ""),  # type: ignore[misc]
            )
        total = total.merge(part)
    return total


def _fit(job: _Job, fold: Fold, folder: Path, name: str) -> Method:
    method = make_method(job.request.method, job.config)
    reporter = job.reporter
    with reporter.progress(f"fitting {method.info.name}{name}") as update:
        context = FitContext(
            dataset=job.dataset.info,
            device=job.device,
            seed=job.request.seed,
            folder=folder,
            resume=job.request.resume,
            workers=job.request.workers,
            progress=update,
            log=reporter.write_log,
            warn=reporter.warn,
            stop=job.stop,
        )
        start = time.perf_counter()
        method.fit(Samples(job.dataset, fold.train), Samples(job.dataset, fold.val), context)
        job.train_s += time.perf_counter() - start
    method.save(folder)
    job.parameters = method.parameters()
    job.chosen = dict(getattr(method, "chosen", {}))
    return method


def _predict(job: _Job, method: Method, ids: Sequence[str]) -> Iterator[tuple[str, Prediction]]:
    """Predictions in the order of the ids, timed without decoding; Ctrl-C ends it between batches."""
    for start in range(0, len(ids), PREDICT_BATCH):
        if job.stop():
            raise KeyboardInterrupt
        batch = ids[start : start + PREDICT_BATCH]
        images = [image for i in batch if (image := job.dataset.load(i, ("image",)).image) is not None]
        begun = time.perf_counter()
        predictions = method.predict(images)
        job.predict_s += time.perf_counter() - begun
        yield from zip(batch, predictions, strict=True)


def _saving(job: _Job, predictions: Iterator[tuple[str, Prediction]]) -> Iterator[tuple[str, Prediction]]:
    """Pass predictions on and keep them under `predictions/`."""
    folder = job.folder / records.PREDICTIONS
    kept: dict[str, Prediction] = {}
    for sample_id, prediction in predictions:
        if job.dataset.info.stacked:
            kept[sample_id] = prediction
        else:
            write_prediction(folder, sample_id, prediction, job.dataset.info)
        yield sample_id, prediction
    if kept:
        write_stack(folder / f"{job.split}.tif", kept.values())


def _save_unlabelled(
    job: _Job,
    ids: Sequence[str],
    predictions: Iterator[tuple[str, Prediction]],
    update: Callable[[int, int, str], None],
) -> None:
    for done, _ in enumerate(_saving(job, predictions), 1):
        update(done, len(ids), "")
    job.reporter.say(f"predictions written to {job.folder / records.PREDICTIONS}")


def _finish(job: _Job, record: Record, statistics: Statistics) -> Record:
    """Store the statistics, then the record that is complete with them."""
    info = job.dataset.info
    metrics = metrics_of(info)
    statistics.to_parquet(job.folder / records.STATISTICS, metrics)
    scores, per_class = score(statistics, metrics, info) if job.labelled else ({}, {})
    if not job.labelled:
        job.reporter.warn(f"split '{job.split}' has no public labels: predictions were written, nothing was scored")
    for name, value in scores.items():
        if value.value is None:
            job.reporter.warn(f"score {name} is undefined on this split")
    finished = record.model_copy(
        update={
            "complete": True,
            "scores": scores,
            "per_class": per_class,
            "cost": Cost(
                train_s=round(job.train_s, 3),
                predict_ms_per_image=round(1000 * job.predict_s / max(len(job.eval_ids), 1), 3),
                peak_memory_mb=round(peak_memory_mb(job.device), 1),
                parameters=job.parameters,
                device=job.device,
            ),
            "method": record.method.model_copy(update={"chosen": _plain(job.chosen)}),
            "warnings": list(job.reporter.warnings),
        }
    )
    records.write_record(job.folder, finished)
    return finished


def _plain(value: Any) -> Any:
    """NumPy scalars as Python ones, NaN as None."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


@contextmanager
def _interruptible(reporter: Reporter) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks the run to stop at the next step; a second one stops it at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def on_interrupt(number: int, frame: Any) -> None:
        if asked.is_set():
            previous(number, frame) if callable(previous) else signal.default_int_handler(number, frame)
        asked.set()
        reporter.say("stopping at the next step (Ctrl-C again stops at once); go on later with --resume")

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
