"""The evaluation engine: a map of `measure` over (sample, prediction) pairs, then a merge of their statistics.

The map runs in this process, in threads, in processes, or where a map of the caller's own does, such as a cluster.
Threads start at once and share the predictions, but run side by side only where decoding and counting leave the
interpreter's lock: a metric family says so with the class attribute `releases_gil = True`. If one of the families does
not, processes are used.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from ..errors import MemoryShortError
from ..io.address_space import load_linear_algebra
from ..io.interrupts import interrupts_held_back
from ..io.native import release_memory
from ..io.processes import can_share_locks, end_with_parent
from ..metrics.joint_counts import counted_once
from ..registry.user_modules import USER_MODULE, load_user_module
from ..types import (
    Dataset,
    DatasetInfo,
    Metric,
    Prediction,
    PredictionSource,
    Statistic,
    UserError,
    parts_of,
)
from .packed import packed
from .statistics import Statistics
from .whole_groups import of_whole_groups

POOL_FROM = 100
"""Fewer samples than this are measured quicker in this process than in a pool of processes that has to be started."""

_MAX_THREADS = 16
"""More threads wait for one another: decoding and counting hold the interpreter's lock for a small part of the time."""


_MAX_AT_ONCE = 16
"""Samples that a thread measures before it hands over what it found."""


Pair = tuple[str, Prediction | PredictionSource]
Results = Generator[list[Statistic], None, None]
MeasureMap: TypeAlias = Callable[[Dataset, Sequence[Metric], Iterable[Pair]], Results]
"""A map of `measure` over pairs: what it gives of each, in any order."""
Item = TypeVar("Item")
Result = TypeVar("Result")


def measure(dataset: Dataset, metrics: Sequence[Metric], pair: Pair) -> list[Statistic]:
    """What every metric keeps of one sample and its prediction.

    Raises
    ------
    UserError
        For a sample or a prediction that cannot be read or does not fit the dataset, and where memory is too short.
    """
    try:
        return _measured(dataset, metrics, pair)
    except MemoryError as error:
        raise MemoryShortError(
            f"{pair[0]}: needs more memory than there is to be measured ({error}). Allow more, or use fewer --workers."
        ) from error


def _measured(dataset: Dataset, metrics: Sequence[Metric], pair: Pair) -> list[Statistic]:
    sample_id, source = pair
    sample = dataset.load(sample_id, parts_of(metrics))
    if isinstance(source, Prediction):
        with counted_once():
            return [_held(metric, metric.measure(sample, source, dataset.info)) for metric in metrics]
    try:
        prediction = source.read(dataset)
        with counted_once():
            found = [metric.measure(sample, prediction, dataset.info) for metric in metrics]
    except UserError as error:
        file = str(source.paths[0])
        raise error if file in str(error) else UserError(f"{file}: {error}") from None
    return list(map(_held, metrics, found))


def _held(metric: Metric, found: Statistic) -> Statistic:
    """What a family measured, held to what it declares."""
    if not isinstance(found, Statistic):
        raise UserError(f"metric '{metric.name}': measure returned {type(found).__name__}; expected a Statistic")
    types = {name: str(values.dtype) for name, values in found.columns.items()}
    expected = dict(metric.part_columns or metric.columns)
    if types != expected:
        raise UserError(f"metric '{metric.name}': measure returned the columns {types}; it declares {expected}")
    return found


def evaluate(
    dataset: Dataset,
    metrics: Sequence[Metric],
    pairs: Iterable[Pair],
    *,
    workers: int | None = 0,
    progress: Callable[[int], None] | None = None,
    mapped: MeasureMap | None = None,
) -> Statistics:
    """Measure predictions against their samples.

    Parameters
    ----------
    dataset : Dataset
    metrics : sequence of Metric
    pairs : iterable of (sample id, Prediction or PredictionSource)
        Taken one by one, so predictions may be made while others are measured.
    workers : int, optional
        0 or 1 measures one after the other, more in that number of threads or, where a family needs it, processes. None
        chooses by the number of cores, families and samples. The result is the same bit for bit.
    progress : callable, optional
        Called with the number of samples measured so far.
    mapped : MeasureMap, optional
        Takes the place of threads and processes here, such as a map over a cluster; `workers` says nothing then.

    Raises
    ------
    UserError
        For a prediction of the wrong shape or with impossible values, or a sample measured twice.
    """
    found = evaluate_in_parts(dataset, metrics, pairs, workers=workers, progress=progress, mapped=mapped)
    return in_whole_groups(found, metrics, dataset.info, workers)


def evaluate_in_parts(
    dataset: Dataset,
    metrics: Sequence[Metric],
    pairs: Iterable[Pair],
    *,
    workers: int | None = 0,
    progress: Callable[[int], None] | None = None,
    mapped: MeasureMap | None = None,
) -> Statistics:
    """As `evaluate`, of some samples of a whole: of families that measure whole groups the parts of these samples.

    What all parts of the whole are merged to is completed by `in_whole_groups`: a group may be in several of them.
    """
    results = (mapped or _map_here(metrics, pairs, workers))(dataset, metrics, pairs)
    with closing(results):
        collected = Statistics(packed(_one_by_one(results, progress)))
    release_memory()
    return collected


def in_whole_groups(
    statistics: Statistics, metrics: Sequence[Metric], info: DatasetInfo, workers: int | None = 0
) -> Statistics:
    """Statistics in which groups are measured as a whole, from those of `evaluate_in_parts` of all samples.

    Raises UserError for a group that cannot be measured.
    """
    if not any(metric.part_columns for metric in metrics):
        return statistics
    return Statistics(packed(of_whole_groups(statistics, metrics, info, workers)))


def _one_by_one(results: Results, progress: Callable[[int], None] | None) -> Iterator[Statistic]:
    """Statistics of one sample after the other; `progress` hears of each sample."""
    for done, statistics in enumerate(results, 1):
        yield from statistics
        if progress is not None:
            progress(done)


def _map_here(metrics: Sequence[Metric], pairs: Iterable[Pair], workers: int | None) -> MeasureMap:
    """The map over this number of workers of this machine."""
    threads = all(metric.releases_gil for metric in metrics)
    if workers is None:
        workers = _chosen_workers(threads, len(pairs) if isinstance(pairs, Sized) else 0)
    if workers <= 1 or not (threads or can_share_locks()):
        return map_in_turn
    return partial(_map_in_threads if threads else _map_in_processes, workers=workers)


def map_in_turn(dataset: Dataset, metrics: Sequence[Metric], pairs: Iterable[Pair]) -> Results:
    """Measure one after the other, in this process."""
    return (measure(dataset, metrics, pair) for pair in pairs)


def _chosen_workers(threads: bool, samples: int) -> int:
    """How many workers serve best; 0 for none."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads:
        return min(cores, _MAX_THREADS)
    return cores if samples >= POOL_FROM else 0


def _map(
    pool: Executor,
    submit: Callable[[Item], Future[Result]],
    items: Iterable[Item],
    most: int,
    stop: Callable[[], None] = lambda: None,
) -> Generator[Result, None, None]:
    """Results as they are done; no more than `most` are under way, so that memory does not grow with the split.

    `stop` is called at an error or Ctrl-C, for what is under way and cannot be cancelled.
    """
    source = iter(items)
    waiting: set[Future[Result]] = set()
    more = most
    try:
        while True:
            waiting.update(map(submit, islice(source, more)))
            if not waiting:
                return
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            more = len(finished)
            for future in finished:
                yield future.result()
    except BaseException:
        stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _map_in_threads(dataset: Dataset, metrics: Sequence[Metric], pairs: Iterable[Pair], workers: int) -> Results:
    """Several pairs at a time where all are there: threads that hand over each by itself wait for one another."""
    source, stopped = iter(pairs), threading.Event()
    at_once = max(1, min(_MAX_AT_ONCE, len(pairs) // (8 * workers))) if isinstance(pairs, Sized) else 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="evaluate")

    def measured(part: list[Pair]) -> list[list[Statistic]]:
        return [measure(dataset, metrics, pair) for pair in part if not stopped.is_set()]

    parts = iter(lambda: [*islice(source, at_once)], [])
    with closing(_map(pool, lambda part: pool.submit(measured, part), parts, 2 * workers, stopped.set)) as results:
        for part in results:
            yield from part


def _map_in_processes(dataset: Dataset, metrics: Sequence[Metric], pairs: Iterable[Pair], workers: int) -> Results:
    # Spawned, not forked: torch's and OpenCV's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    stopped = context.Event()
    setup = (stopped, Packed.of(dataset, metrics))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare, initargs=setup)

    def submit(pair: Pair) -> Future[list[Statistic]]:
        with interrupts_held_back():
            return pool.submit(_measure_here, pair)

    try:
        yield from _map(pool, submit, pairs, 4 * workers, stopped.set)
    except BrokenProcessPool as error:
        raise UserError("a worker process died, perhaps for lack of memory; try fewer with --workers") from error


@dataclass(frozen=True)
class Packed:
    """A dataset and metrics on their way to another process: `content` is pickled, `files` are modules of the user's.

    What is of a user's own file can be unpickled only once that file is imported.
    """

    files: Mapping[str, str]
    content: bytes

    @classmethod
    def of(cls, dataset: Dataset, metrics: Sequence[Metric]) -> Packed:
        """Pack them."""
        modules = {type(one).__module__ for one in (dataset, *metrics)}
        files = {name: str(sys.modules[name].__file__) for name in sorted(modules) if name.startswith(USER_MODULE)}
        return cls(files, pickle.dumps((dataset, tuple(metrics))))

    def unpacked(self) -> tuple[Dataset, tuple[Metric, ...]]:
        """The dataset and the metrics; called in the process that they were made for."""
        load_linear_algebra()
        for module, file in self.files.items():
            load_user_module(module, Path(file))
        found: tuple[Dataset, tuple[Metric, ...]] = pickle.loads(self.content)  # made by the caller, a moment ago
        return found


_state: dict[str, Any] = {}


def _prepare(stopped: Event, packed: Packed) -> None:
    """Set up a worker."""
    end_with_parent()
    dataset, metrics = packed.unpacked()
    _state.update(dataset=dataset, metrics=metrics, stopped=stopped)


def _measure_here(pair: Pair) -> list[Statistic]:
    # A few samples wait in the worker's own queue, where they cannot be cancelled: nobody needs them any more.
    if _state["stopped"].is_set():
        return []
    return measure(_state["dataset"], _state["metrics"], pair)
