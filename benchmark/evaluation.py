"""The evaluation engine: a map of `measure` over (sample, prediction) pairs, then a merge of their statistics."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from .images import read_array
from .registry import USER_MODULE, load_user_module
from .statistics import Statistics
from .types import Dataset, Metric, Part, Prediction, Statistic, UserError


@runtime_checkable
class PredictionSource(Protocol):
    """A prediction on disk: picklable, read where it is measured."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that it is made of; the first names it in errors."""

    def read(self, dataset: Dataset) -> Prediction:
        """Decode it."""


@dataclass(frozen=True)
class PredictionFile:
    """A prediction in one image file, or in one page of a stack."""

    path: Path
    page: int | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    def read(self, dataset: Dataset) -> Prediction:
        """Decode it by the dataset's rule."""
        where = str(self.path) if self.page is None else f"{self.path}, page {self.page}"
        return dataset.decode_prediction(read_array(self.path, self.page), where)


Pair = tuple[str, Prediction | PredictionSource]


def measure(dataset: Dataset, metrics: Sequence[Metric], pair: Pair) -> list[Statistic]:
    """What every metric keeps of one sample and its prediction."""
    sample_id, source = pair
    sample = dataset.load(sample_id, parts_of(metrics))
    if isinstance(source, Prediction):
        return [metric.measure(sample, source, dataset.info) for metric in metrics]
    try:
        prediction = source.read(dataset)
        return [metric.measure(sample, prediction, dataset.info) for metric in metrics]
    except UserError as error:
        file = str(source.paths[0])
        raise error if file in str(error) else UserError(f"{file}: {error}") from None


def parts_of(metrics: Sequence[Metric]) -> tuple[Part, ...]:
    """The parts of a sample that these metrics need."""
    return tuple(dict.fromkeys(part for metric in metrics for part in metric.parts))


def evaluate(
    dataset: Dataset,
    metrics: Sequence[Metric],
    pairs: Iterable[Pair],
    *,
    workers: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Statistics:
    """Measure predictions against their samples.

    Parameters
    ----------
    dataset : Dataset
    metrics : sequence of Metric
    pairs : iterable of (sample id, Prediction or PredictionSource)
        Taken one by one, so predictions may be made while others are measured.
    workers : int
        0 or 1 measures in this process, more in so many others. The result is the same bit for bit.
    progress : callable, optional
        Called with the number of samples measured so far.

    Raises
    ------
    UserError
        For a prediction of the wrong shape or with impossible values, or a sample measured twice.
    """
    if workers <= 1:
        results: Iterator[list[Statistic]] = (measure(dataset, metrics, pair) for pair in pairs)
    else:
        results = _map_in_processes(dataset, metrics, pairs, workers)
    collected: list[Statistic] = []
    for done, statistics in enumerate(results, 1):
        collected.extend(statistics)
        if progress is not None:
            progress(done)
    return Statistics(collected)


def _map_in_processes(
    dataset: Dataset, metrics: Sequence[Metric], pairs: Iterable[Pair], workers: int
) -> Iterator[list[Statistic]]:
    # Spawned, not forked: torch's and OpenCV's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    source = iter(pairs)
    module = sys.modules[type(dataset).__module__]
    setup = (module.__name__, str(module.__file__), pickle.dumps((dataset, tuple(metrics))))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare, initargs=setup)
    try:
        # Few are under way at once, so that memory does not grow with the split.
        waiting: set[Future[list[Statistic]]] = set()
        more = 4 * workers
        while True:
            for pair in islice(source, more):
                with _interrupts_held_back():
                    waiting.add(pool.submit(_measure_here, pair))
            if not waiting:
                return
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            more = len(finished)
            for future in finished:
                yield future.result()
    except BrokenProcessPool as error:
        raise UserError("a worker process died, perhaps for lack of memory; try fewer with --workers") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Start worker processes with Ctrl-C blocked: it is for this process, which then ends them in order."""
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    before = mask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)


_state: dict[str, Any] = {}


def _prepare(module: str, file: str, payload: bytes) -> None:
    """Set up a worker; a dataset from a user's own file can be unpickled only once that file is imported."""
    if module.startswith(USER_MODULE):
        load_user_module(module, Path(file))
    dataset, metrics = pickle.loads(payload)  # made by the parent process a moment ago, not from outside
    _state.update(dataset=dataset, metrics=metrics)


def _measure_here(pair: Pair) -> list[Statistic]:
    return measure(_state["dataset"], _state["metrics"], pair)
