"""The loop of a run: fit on every fold's training samples, predict its held-out ones, and measure as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..data.decode_ahead import ImagesAhead
from ..data.splits import Fold
from ..evaluation.evaluate import evaluate_in_parts, in_whole_groups
from ..evaluation.statistics import Statistics
from ..io.reporter import Reporter
from ..predictions.stored import Pairs, PredictionWriter, as_stored, shown_ids
from ..registry import make_method
from ..types import FitContext, Method, Prediction, Samples, Track
from .binding import loading_checkpoint
from .devices import memory_errors_named
from .environment import peak_memory_mb
from .folder import CHECKPOINT, PREDICTIONS, SHOWN
from .latency import Latency, measure_latency
from .learned_from import seconds_before
from .plan import RunPlan
from .record import Cost, Record
from .tracking.log import RunLog

PREDICT_BATCH = 8

Tee = Callable[[Pairs], Pairs]
"""Sees predictions as they pass."""


@dataclass
class RunUnderWay:
    """A run under way in its folder: what it has cost so far, and what its method has chosen."""

    plan: RunPlan
    folder: Path
    reporter: Reporter
    stop: Callable[[], bool] = lambda: False
    log: RunLog | None = None
    train_s: float = 0.0
    earlier_train_s: float | None = None
    latency: Latency | None = None
    parameters: int | None = 0
    peak_memory_mb: float | None = None
    chosen: dict[str, Any] = field(default_factory=dict)

    def checkpoints(self, fold: int) -> Path:
        """Where the fitted method of a fold is kept."""
        return self.folder / CHECKPOINT / (f"fold-{fold}" if len(self.plan.folds) > 1 else "")

    def track(self, fold: Fold) -> Track | None:
        """What logs the training of a fold."""
        folds = self.plan.folds
        name = f"fold-{folds.index(fold) + 1}" if len(folds) > 1 else ""
        return None if self.log is None else self.log.training(name)

    def cost(self) -> Cost:
        """What it has cost."""
        return Cost(
            train_s=round(self.train_s, 3) if self.plan.method.trains or self.train_s else None,
            earlier_train_s=None if self.earlier_train_s is None else round(self.earlier_train_s, 3),
            **vars(self.latency or Latency()),
            peak_memory_mb=round(self.peak_memory_mb or peak_memory_mb(self.plan.device), 1),
            parameters=self.parameters,
            device=self.plan.device,
        )


def fit_and_predict(run: RunUnderWay, tee: Tee) -> Statistics:
    """Fit on every fold's training samples and measure the predictions of its held-out ones, which `tee` sees pass.

    A split without public labels is predicted and stored, and the statistics are empty.

    Raises
    ------
    UserError
        For a training that cannot go on, or a prediction that cannot be measured.
    KeyboardInterrupt
        Where `run.stop` says so.
    """
    plan, total = run.plan, Statistics()
    stored = _writer(run)
    for number, fold in enumerate(plan.folds):
        name = f" (fold {number + 1} of {len(plan.folds)})" if len(plan.folds) > 1 else ""
        folder = run.checkpoints(number)
        folder.mkdir(parents=True, exist_ok=True)
        method = fit(run, fold, folder, name)
        method.save(folder)
        predictions: Pairs = _predict(run, method, fold.evaluate)
        total = total.merge(_measure(run, fold, tee(stored.tee(predictions)), name))
    if plan.oracle:
        run.reporter.warn("an upper bound: it uses the ground truth of the samples that it is scored on")
    elif (own := method.own_cost()) is not None:
        run.latency = Latency(round(own.ms_per_image, 3), own.images_per_call, round(own.ms_per_image, 3))
        run.peak_memory_mb = own.peak_memory_mb
    else:
        run.latency = measure_latency(method, plan.dataset, plan.folds[-1].evaluate, run.stop)
    stored.close(plan.split, plan.dataset.ids(plan.split))
    return in_whole_groups(total, plan.metrics, plan.dataset.info, plan.request.workers)


def _writer(run: RunUnderWay) -> PredictionWriter:
    """Stores all predictions where that is asked for, or nothing else comes of them; else a few for a report."""
    plan = run.plan
    info, soft = plan.dataset.info, bool(plan.request.metrics)
    if plan.request.save_predictions or not plan.labelled:
        return PredictionWriter(run.folder / PREDICTIONS, info, soft)
    few = shown_ids(sample_id for fold in plan.folds for sample_id in fold.evaluate)
    return PredictionWriter(run.folder / SHOWN, info, soft, frozenset(few))


def _measure(run: RunUnderWay, fold: Fold, predictions: Pairs, name: str) -> Statistics:
    """Measure the predictions of a fold, which may hold parts of groups; without labels they are only made."""
    plan, count = run.plan, len(fold.evaluate)
    with run.reporter.progress(f"evaluating{name}") as update:
        if plan.labelled:
            return evaluate_in_parts(
                plan.dataset,
                plan.metrics,
                predictions,
                workers=plan.request.workers,
                progress=lambda done: update(done, count),
            )
        for done, _ in enumerate(predictions, 1):
            update(done, count)
    run.reporter.say(f"predictions written to {run.folder / PREDICTIONS}")
    return Statistics()


def fit(run: RunUnderWay, fold: Fold, folder: Path, name: str = "") -> Method:
    """The method, fitted on a fold's training samples; `folder` takes its checkpoints, `name` tells folds apart."""
    plan, reporter = run.plan, run.reporter
    method = make_method(plan.request.method, plan.config)
    if not plan.method.trains:
        return _opened(run, method)
    if plan.weights is not None and plan.request.weights is not None:
        return _trained(run, method, plan.request.weights / folder.relative_to(run.folder), plan.weights)
    with reporter.progress(f"fitting {method.info.name}{name}") as update:
        context = FitContext(
            dataset=plan.dataset.info,
            device=plan.device,
            seed=plan.request.seed,
            folder=folder,
            resume=plan.request.resume,
            workers=plan.request.workers,
            progress=update,
            say=reporter.say,
            log=reporter.write_log,
            warn=reporter.warn,
            track=run.track(fold),
            stop=run.stop,
        )
        start = time.perf_counter()
        with memory_errors_named():
            method.fit(Samples(plan.dataset, fold.train), Samples(plan.dataset, fold.val), context)
        run.train_s += time.perf_counter() - start + context.earlier_s
    if run.earlier_train_s is None and (earlier := seconds_before(plan.config)) is not None:
        run.train_s, run.earlier_train_s = run.train_s + earlier, earlier
    run.parameters = method.parameters()
    run.chosen = dict(method.chosen)
    return method


def _opened(run: RunUnderWay, method: Method) -> Method:
    """A method that is not trained, ready to predict; what those that it joins cost to train is kept."""
    run.reporter.say(f"loading {method.info.name}")
    with memory_errors_named():
        method.open(run.plan.dataset.info, run.plan.device)
    run.train_s = sum(member.record.cost.train_s or 0.0 for member in run.plan.members)
    run.parameters = method.parameters()
    return method


def _trained(run: RunUnderWay, method: Method, folder: Path, record: Record) -> Method:
    """The method with the weights of an earlier run and this one's settings of prediction; what they cost is kept."""
    with loading_checkpoint(run.plan.request.weights or folder, record):
        method.load(folder, run.plan.dataset.info, run.plan.device)
    if method.prediction_settings:
        method.predict_as(run.plan.config)
    run.train_s, run.earlier_train_s = record.cost.train_s or 0.0, record.cost.earlier_train_s
    run.parameters = method.parameters()
    run.chosen = {**record.method.chosen, "weights_of": record.run_id}
    return method


def _predict(run: RunUnderWay, method: Method, ids: Sequence[str]) -> Iterator[tuple[str, Prediction]]:
    """Predictions in the order of the ids, of images made worse where that is asked; Ctrl-C ends it between batches."""
    plan = run.plan
    change = None if plan.corruption is None else partial(plan.corruption, seed=plan.request.seed)
    wide = plan.takes_probabilities
    at_once = method.images_per_call or (1 if wide else PREDICT_BATCH)  # maps of many classes fill memory
    predict = method.predict_probabilities if wide else method.predict
    with ImagesAhead(plan.dataset, ids, at_once, change) as ahead:
        while (taken := ahead.take()) is not None:
            if run.stop():
                raise KeyboardInterrupt
            batch, images = taken
            if plan.device != "cpu":
                ahead.prefetch()  # the processor has nothing else to do
            with memory_errors_named():
                if method.oracle:
                    truths = [plan.dataset.load(i, ("labels",)).labels for i in batch]
                    predictions = method.predict_with_truth(images, [t for t in truths if t is not None])
                else:
                    predictions = predict(images)
            ahead.prefetch()
            yield from zip(batch, map(as_stored, predictions), strict=True)
