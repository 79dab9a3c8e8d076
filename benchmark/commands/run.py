"""`bench run`: fit, predict, evaluate and record."""

from __future__ import annotations

import datetime
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from ..data.decode_ahead import ImagesAhead
from ..data.index import DataIndex
from ..data.locations import Location
from ..data.self_defined import definition_of
from ..data.splits import Fold, cuts_groups, plan_folds, plan_split
from ..evaluation.evaluate import evaluate
from ..evaluation.scores import plain
from ..evaluation.scoring import Scored, score, score_warnings
from ..evaluation.statistics import Statistics
from ..figures.run_figures import RunFigures
from ..io.atomic import write_text
from ..io.fingerprints import ids_sha256
from ..io.interrupts import stoppable
from ..io.reporter import Reporter
from ..predictions.stored import Pairs, PredictionWriter, as_stored
from ..registry import dataset_class, make_method, method_class, methods, metrics_of
from ..runs.devices import memory_errors_named, resolve_device
from ..runs.environment import describe, peak_memory_mb
from ..runs.folder import earlier_run, locked
from ..runs.latency import Latency, measure_latency
from ..runs.open_data import note_size, open_dataset, without_defaults
from ..runs.presets import resolve
from ..runs.record import (
    CHECKPOINT,
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
    read_record,
    run_id_of,
    write_record,
)
from ..runs.request import RunRequest as RunRequest
from ..text import counted
from ..types import (
    Dataset,
    DatasetInfo,
    FitContext,
    Method,
    MethodInfo,
    OracleMethod,
    Prediction,
    Samples,
    UserError,
    parts_of,
)

PREDICT_BATCH = 8
FEW = 5
UNFINISHED = "the run has not finished"


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
    oracle: bool = False
    weights: Record | None = None
    folder: Path = Path()
    stop: Callable[[], bool] = lambda: False
    train_s: float = 0.0
    latency: Latency | None = None
    parameters: int = 0
    chosen: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def index(self) -> DataIndex:
        """What is known of the files of the dataset."""
        return DataIndex.of(self.dataset)

    @cached_property
    def writer(self) -> PredictionWriter:
        """Stores the predictions in the run folder."""
        return PredictionWriter(self.folder / PREDICTIONS, self.dataset.info)

    @cached_property
    def figures(self) -> RunFigures:
        """What the metric families draw of the predictions."""
        return RunFigures.of(self.dataset, self.eval_ids, metrics_of(self.dataset.info) if self.labelled else ())

    @property
    def eval_ids(self) -> tuple[str, ...]:
        return tuple(i for fold in self.folds for i in fold.evaluate)

    @property
    def all_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(i for fold in self.folds for i in (*fold.train, *fold.val, *fold.evaluate)))

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
    run_id = run_id_of(job.dataset.info.name, request.method, identity)
    job.folder = request.out or Path("runs") / run_id
    with locked(job.folder, run_id):
        earlier = earlier_run(job.folder, run_id)
        if request.resume and earlier is not None and earlier.complete:
            reporter.say(f"{job.folder} is complete: nothing to resume")
            return job.folder, earlier
        _continue_or_clear(job, earlier)
        record = _first_record(job, run_id, identity)
        write_record(job.folder, record)
        reporter.log = job.folder / LOG
        reporter.write_log(f"{record.created} {request.command()}")
        write_text(job.folder / CONFIG, yaml.safe_dump(identity, sort_keys=False))
        with stoppable(reporter) as job.stop:
            statistics = _fit_and_measure(job)
        record = _finish(job, record, statistics)
    return job.folder, record


def help_to_train(request: RunRequest, reporter: Reporter) -> None:
    """What the other processes of `accelerate launch` do beside the first: their part of the training, no writing."""
    job = _prepare(request, reporter)
    run_id = run_id_of(job.dataset.info.name, request.method, _identity(job))
    job.folder = request.out or Path("runs") / run_id
    if request.weights is not None:
        return
    earlier = earlier_run(job.folder, run_id) if request.resume else None
    if method_class(request.method).info.family != "learned" or (earlier is not None and earlier.complete):
        return
    with stoppable(reporter) as job.stop:
        for number, fold in enumerate(job.folds):
            _fit(job, fold, _checkpoints(job, number), "")


def _prepare(request: RunRequest, reporter: Reporter) -> _Job:
    info = dataset_class(request.dataset).info
    method_info = method_class(request.method).info
    if info.classes:
        _refuse_task(method_info, info)
    config, options = resolve(request.preset, method_info, info, request.settings)
    # A wrong setting is to be found before anything is read.
    oracle = is_oracle(make_method(method_info.name, config))
    device = resolve_device(request.device, method_info.family == "learned")
    options = without_defaults(info.name, options)
    dataset, location = open_dataset(info.name, request.root, request.source, options, reporter, may_synthesize=True)
    info = dataset.info  # of a folder of one's own it is known only now
    _refuse_task(method_info, info)
    split = request.split or ("all" if request.folds else info.default_split)
    if request.folds:
        folds = plan_folds(dataset, request.folds, split, request.train_fraction, request.seed)
        if cuts_groups(dataset, request.folds):
            reporter.warn("folds cut through a video or stack: neighbours of the scored samples were trained on")
    else:
        folds = plan_split(dataset, split, request.train_fraction, request.seed)
        note_size(dataset, split, len(folds[0].evaluate), options, reporter)
        if len(folds[0].evaluate) < FEW:
            few = counted(len(folds[0].evaluate), "sample")
            reporter.warn(f"split '{split}' has {few}, too few to tell methods apart; --folds 5 scores all labels")
    job = _Job(request, dataset, location, split, folds, config, options, device, reporter, oracle)
    if oracle and not job.labelled:
        raise UserError(f"{method_info.name} is an oracle here: it needs the truth, which split '{split}' has not")
    _check_data(job)
    if request.weights is not None:
        job.weights = _trained_alike(job, request.weights)
    return job


def _trained_alike(job: _Job, folder: Path) -> Record:
    """The record of a run whose weights may be used: of the same method, trained on and scored on the same samples."""
    record = read_record(folder)
    mine = _identity(job)
    wanted = {
        "method": (record.method.name, mine["method"]),
        "dataset": (record.dataset.name, mine["dataset"]),
        "version of the dataset": (record.dataset.version, mine["dataset_version"]),
        "split": (record.dataset.split, mine["split"]),
        "folds": (record.dataset.folds, mine["folds"]),
        "setting of the dataset": (_shown(record.dataset.options), _shown(mine["options"])),
        "seed": (record.method.seed, mine["seed"]),
        "train fraction": (record.method.train_fraction, mine["train_fraction"]),
        "images and labels (sha256)": (record.dataset.inputs_sha256, mine["inputs_sha256"]),
    }
    for what, (theirs, ours) in wanted.items():
        if theirs != ours:
            raise UserError(f"--weights {folder}: {what} is {theirs} there, and {ours} here. It has to be the same.")
    if not record.complete or record.method.family != "learned":
        raise UserError(f"--weights {folder}: expected a complete run of a network")
    _refuse_other_training(folder, record, job.config)
    return record


def _shown(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(options.items())) or "the default"


def _refuse_other_training(folder: Path, record: Record, config: Mapping[str, Any]) -> None:
    from ..methods.training.config import PREDICTION

    defaults = method_class(record.method.name).info.defaults
    theirs = {key: record.method.config.get(key, defaults[key]) for key in config}
    other = next((key for key in config if config[key] != theirs[key] and key not in PREDICTION), None)
    if other is not None:
        raise UserError(
            f"--weights {folder}: trained with {other}={theirs[other]}, asked for is {config[other]}. Without training "
            f"only {', '.join(PREDICTION)} can be changed."
        )


def _refuse_task(method: MethodInfo, info: DatasetInfo) -> None:
    if info.task not in method.tasks:
        able = ", ".join(name for name, cls in methods().items() if info.task in cls.info.tasks)
        raise UserError(
            f"method {method.name} does {' and '.join(method.tasks)} segmentation, but {info.name} asks for "
            f"{info.task} segmentation ({len(info.classes)} classes). "
            + (f"Methods that do: {able}." if able else "No method does; 'bench evaluate' scores your own results.")
        )


def _check_data(job: _Job) -> None:
    """Decode everything that will be used, so that a broken file is named before hours of training.

    What an earlier command found sound, and what has not changed since, is not decoded again.
    """
    ids = job.all_ids
    without = [i for i in ids if not job.dataset.files(i, "image")]
    if without:
        raise UserError(
            f"{len(without)} of {len(ids)} samples have no image below '{job.location.root}' (first: {without[0]}); "
            "a method needs images. Ground truth alone can be used by 'bench evaluate'."
        )
    with job.index, job.reporter.progress("checking data") as update:
        # A split without public labels has images alone.
        blind = set() if job.labelled else set(job.eval_ids)
        seen = [i for i in ids if i not in blind]
        parts = tuple(dict.fromkeys(("image", "labels", *parts_of(metrics_of(job.dataset.info)))))
        faults = job.index.faults(seen, parts, lambda done, _: update(done, len(ids), ""))
        rest = [i for i in ids if i in blind]
        faults += job.index.faults(rest, ("image",), lambda done, _: update(len(seen) + done, len(ids), ""))
    if faults:
        more = f" (and {counted(len(faults) - 1, 'more fault')})" if len(faults) > 1 else ""
        hint = f"bench data verify {job.dataset.info.name} --root {shlex.quote(str(job.location.root))}"
        raise UserError(f"{faults[0].rstrip('.')}{more}. Run '{hint}' for all.")


def _identity(job: _Job) -> dict[str, Any]:
    """Everything that the result depends on."""
    info = job.dataset.info
    trained = {} if job.weights is None else {"weights": job.weights.run_id}
    return {
        **trained,
        "dataset": info.name,
        "dataset_version": info.version,
        "split": job.split,
        "options": job.options,
        "origin": job.location.origin,
        **_data_hashes(job),
        "metrics": {metric.name: metric.version for metric in metrics_of(info)},
        "method": method_class(job.request.method).info.name,
        "preset": job.request.preset,
        "config": job.config,
        "seed": job.request.seed,
        "folds": job.request.folds,
        "train_fraction": job.request.train_fraction,
    }


def _data_hashes(job: _Job) -> dict[str, str]:
    """Fingerprints of the scored truth, and of every image and label that is used; each file is read at most once."""
    with job.index:
        return {
            "data_sha256": job.index.data_sha256(job.eval_ids, parts_of(metrics_of(job.dataset.info))),
            "inputs_sha256": job.index.data_sha256(job.all_ids, ("image", "labels")),
        }


def _continue_or_clear(job: _Job, earlier: Record | None) -> None:
    """With --resume keep what is there; without it start from an empty folder."""
    folder, reporter = job.folder, job.reporter
    if job.request.resume:
        if earlier is None:
            reporter.say(f"nothing to resume in {folder}: starting anew")
        else:
            for warning in earlier.warnings:
                if warning != UNFINISHED:
                    reporter.warn(warning)
        return
    if earlier is not None:
        reporter.say(f"replacing the {'earlier' if earlier.complete else 'interrupted'} run in {folder}")
    for name in (STATISTICS, LOG, CONFIG):
        (folder / name).unlink(missing_ok=True)
    for name in (PREDICTIONS, CHECKPOINT, PLOTS):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)


def _first_record(job: _Job, run_id: str, identity: dict[str, Any]) -> Record:
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
            data_sha256=identity["data_sha256"],
            inputs_sha256=identity["inputs_sha256"],
            origin=job.location.origin,
            options=job.options,
            folds=request.folds,
            **definition_of(job.dataset),
            **_image_form(job),
        ),
        method=MethodBlock(
            name=method.name,
            family=method.family,
            config=job.config,
            preset=request.preset,
            seed=request.seed,
            train_fraction=request.train_fraction,
            n_train=sum(len(fold.train) for fold in job.folds) / len(job.folds),
            oracle=job.oracle,
        ),
        metrics=identity["metrics"],
        main_score=info.main_score,
        cost=Cost(device=job.device),
        environment=Environment(**describe(job.device)),
        command=request.command(),
        warnings=[*job.reporter.warnings, UNFINISHED],
    )


def _image_form(job: _Job) -> dict[str, Any]:
    """What `bench predict` compares new images with: shape of the first training image, where there is one."""
    fold = job.folds[0]
    ids = fold.train or fold.evaluate
    image = job.dataset.load(ids[0], ("image",)).image if ids else None
    return {} if image is None else {"image_shape": list(image.shape)}


def _fit_and_measure(job: _Job) -> Statistics:
    """Fit on every fold's training samples and measure the predictions of its held-out ones."""
    metrics = metrics_of(job.dataset.info) if job.labelled else ()
    total = Statistics()
    for number, fold in enumerate(job.folds):
        name = f" (fold {number + 1} of {len(job.folds)})" if len(job.folds) > 1 else ""
        folder = _checkpoints(job, number)
        folder.mkdir(parents=True, exist_ok=True)
        method = _fit(job, fold, folder, name)
        method.save(folder)
        with job.reporter.progress(f"evaluating{name}") as update:
            predictions = _predict(job, method, fold.evaluate)
            if not job.labelled:
                _save_unlabelled(job, len(fold.evaluate), predictions, update)
                continue
            if job.request.save_predictions:
                predictions = job.writer.tee(predictions)
            predictions = job.figures.tee(predictions)
            ids = len(fold.evaluate)
            part = evaluate(
                job.dataset,
                metrics,
                predictions,
                workers=job.request.workers,
                progress=lambda done, update=update, ids=ids: update(done, ids, ""),  # type: ignore[misc]
            )
        total = total.merge(part)
    if job.oracle:
        job.reporter.warn("an upper bound: it was told the truth of the samples that it is scored on")
    else:
        job.latency = measure_latency(method, job.dataset, job.folds[-1].evaluate, job.stop)
    job.writer.close(job.split, job.dataset.ids(job.split))
    return total


def _checkpoints(job: _Job, fold: int) -> Path:
    return job.folder / CHECKPOINT / (f"fold-{fold}" if len(job.folds) > 1 else "")


def _fit(job: _Job, fold: Fold, folder: Path, name: str) -> Method:
    method = make_method(job.request.method, job.config)
    if job.weights is not None and job.request.weights is not None:
        return _trained(job, method, job.request.weights / folder.relative_to(job.folder), job.weights)
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
        with memory_errors_named():
            method.fit(Samples(job.dataset, fold.train), Samples(job.dataset, fold.val), context)
        job.train_s += time.perf_counter() - start + context.earlier_s
    job.parameters = method.parameters()
    job.chosen = dict(method.chosen)
    return method


def _trained(job: _Job, method: Method, folder: Path, record: Record) -> Method:
    """The method with the weights of an earlier run and this one's settings of prediction; what they cost is kept."""
    from ..methods.training.method import LearnedMethod

    assert isinstance(method, LearnedMethod)  # of a network's record
    method.load(folder, job.dataset.info, job.device)
    method.predict_as(job.config)
    job.train_s = record.cost.train_s or 0.0
    job.parameters = method.parameters()
    job.chosen = {**record.method.chosen, "weights_of": record.run_id}
    return method


def _predict(job: _Job, method: Method, ids: Sequence[str]) -> Iterator[tuple[str, Prediction]]:
    """Predictions in the order of the ids; Ctrl-C ends it between batches."""
    with ImagesAhead(job.dataset, ids, PREDICT_BATCH) as ahead:
        while (taken := ahead.take()) is not None:
            if job.stop():
                raise KeyboardInterrupt
            batch, images = taken
            if job.device != "cpu":
                ahead.prefetch()  # the processor has nothing else to do
            with memory_errors_named():
                if is_oracle(method):
                    truths = [job.dataset.load(i, ("labels",)).labels for i in batch]
                    predictions = method.predict_with_truth(images, [t for t in truths if t is not None])
                else:
                    predictions = method.predict(images)
            ahead.prefetch()
            yield from zip(batch, map(as_stored, predictions), strict=True)


def is_oracle(method: Method) -> TypeGuard[OracleMethod]:
    """Whether a method predicts by the truth alone."""
    return isinstance(method, OracleMethod) and method.oracle


def _save_unlabelled(job: _Job, total: int, predictions: Pairs, update: Callable[[int, int, str], None]) -> None:
    for done, _ in enumerate(job.writer.tee(predictions), 1):
        update(done, total, "")
    job.reporter.say(f"predictions written to {job.folder / PREDICTIONS}")


def _finish(job: _Job, record: Record, statistics: Statistics) -> Record:
    """Store the statistics, then the record that is complete with them."""
    info = job.dataset.info
    metrics = metrics_of(info)
    statistics.to_parquet(job.folder / STATISTICS, metrics)
    scored = score(statistics, metrics, info) if job.labelled else Scored()
    if not job.labelled:
        job.reporter.warn(f"split '{job.split}' has no public labels: predictions were written, nothing was scored")
    for warning in score_warnings(scored, metrics):
        job.reporter.warn(warning)
    job.figures.write(job.folder / PLOTS, statistics, job.reporter.warn)
    finished = record.model_copy(
        update={
            "complete": True,
            "statistics_sha256": statistics.sha256(),
            "scores": scored.scores,
            "per_class": scored.per_class,
            "per_category": scored.per_category,
            **scored.details,
            "cost": Cost(
                train_s=round(job.train_s, 3),
                **vars(job.latency or Latency()),
                peak_memory_mb=round(peak_memory_mb(job.device), 1),
                parameters=job.parameters,
                device=job.device,
            ),
            "method": record.method.model_copy(update={"chosen": plain(job.chosen)}),
            "warnings": list(job.reporter.warnings),
        }
    )
    write_record(job.folder, finished)
    return finished
