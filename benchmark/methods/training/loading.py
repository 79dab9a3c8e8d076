"""Loading of training examples: decoded ahead by threads or processes, kept in memory and, if wanted, on disk.

Threads are the rule: decoders release the interpreter's lock, and what they make is there at once. Processes (torch's
DataLoader) are for adapters that decode in Python. Either way a batch holds the same pairs in the same order.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from ...data.locations import cache_home
from ...errors import UserError
from ...io.address_space import load_linear_algebra
from ...io.interrupts import interrupts_held_back
from ...io.processes import can_share_locks, end_with_parent
from ...registry import USER_MODULE, load_user_module
from ...types import DatasetInfo, Samples
from ..targets import Pair, prepare_pair
from .cache import DecodedCache, SampleKeys
from .config import TrainingConfig

MEMORY_BYTES = 4 * 1024**3
"""Decoded pairs are kept in memory up to this much."""

_AHEAD = 2
"""Batches that are decoded, or about to be, while one is worked on."""

_LAST = -1000
"""When a worker process has done all else that multiprocessing wants done at its end."""


class PairDataset(Dataset[Pair]):
    """Prepared pairs by index, as a torch dataset: image (H, W, C) uint8 and target (H, W) uint8 arrays.

    Any torch DataLoader takes it; it is picklable when the samples' dataset is.

    Parameters
    ----------
    samples : with image and labels.
    config : how they are prepared.
    info : the dataset's, whose task decides what the targets are (`prepare_target`).
    cache : where decoded pairs are looked for first and kept.
    """

    def __init__(
        self, samples: Samples, config: TrainingConfig, info: DatasetInfo, cache: DecodedCache | None = None
    ) -> None:
        self.samples, self.config, self.info, self.cache = samples, config, info, cache
        self._keys = None if cache is None else SampleKeys(samples, config, info)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Pair:
        """Decode one pair, or take it from the cache. Raises UserError that names the file or the sample."""
        key = self._key(index)
        if self.cache is None or key is None:
            return self._decode(index)
        pair = self.cache.get(key)
        if pair is None:
            pair = self._decode(index)
            self.cache.put(key, pair)
        return pair

    def notes(self) -> list[str]:
        """What the user is to be told since the last call."""
        notes: list[str] = []
        if self.cache is not None:
            notes, self.cache.notes = self.cache.notes, []
        return notes

    def _key(self, index: int) -> str | None:
        try:
            return None if self._keys is None else self._keys.key(index)
        except OSError:
            return None  # decoding says what is wrong with the file

    def _decode(self, index: int) -> Pair:
        return prepare_pair(self.samples[index], self.config, self.info)

    def __getstate__(self) -> dict[str, Any]:
        # A dataset from a user's own file can be unpickled only once that file is imported.
        module = sys.modules[type(self.samples.dataset).__module__]
        return {"module": module.__name__, "file": module.__file__, "state": pickle.dumps(self.__dict__)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["module"].startswith(USER_MODULE):
            load_user_module(state["module"], Path(state["file"]))
        self.__dict__.update(pickle.loads(state["state"]))  # made by `__getstate__`, not from outside


class PairLoader:
    """Batches of pairs after a plan of indices.

    Parameters
    ----------
    dataset : what is loaded.
    workers : number of threads or processes; 0 is one thread that decodes the next batches.
    loading : which of the two. Processes are started by the first batch and live until `close`.
    memory : bytes of pairs that are kept; others are loaded each time they are asked for.
    warn : told once when the disk cache cannot be written to.
    """

    def __init__(
        self,
        dataset: PairDataset,
        workers: int = 0,
        loading: Literal["threads", "processes"] = "threads",
        memory: int = MEMORY_BYTES,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._dataset, self._memory, self._warn, self._warned = dataset, memory, warn, False
        self._cached: dict[int, Pair] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        separate = loading == "processes" and workers and can_share_locks()
        self._processes = _Processes(dataset, workers) if separate else None
        self._threads = ThreadPoolExecutor(max(1, workers), thread_name_prefix="load")

    def __len__(self) -> int:
        return len(self._dataset)

    def batches(self, plan: Sequence[Sequence[int]]) -> Iterator[list[Pair]]:
        """The pairs of each planned batch, the next ones being loaded while the caller works on this one.

        Raises UserError for a sample that cannot be loaded, naming its file, when its batch is due.
        """
        return self._by_threads(plan) if self._processes is None else self._by_processes(plan, self._processes)

    def close(self) -> None:
        """End threads and processes and drop the arrays."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._processes is not None:
            self._processes.close()
        self._cached.clear()

    def __enter__(self) -> PairLoader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _by_threads(self, plan: Sequence[Sequence[int]]) -> Iterator[list[Pair]]:
        ahead: deque[list[Future[Pair]]] = deque()
        try:
            for position in range(-_AHEAD, len(plan)):
                coming = position + _AHEAD
                if coming < len(plan):
                    ahead.append([self._threads.submit(self._get, int(index)) for index in plan[coming]])
                if position >= 0:
                    pairs = [future.result() for future in ahead.popleft()]
                    self._tell(self._dataset.notes())
                    yield pairs
        finally:
            for future in (future for batch in ahead for future in batch):
                future.cancel()

    def _by_processes(self, plan: Sequence[Sequence[int]], processes: _Processes) -> Iterator[list[Pair]]:
        asked: deque[list[int]] = deque()

        def missing() -> Iterator[list[int]]:
            """What is to be loaded of each batch, decided when its turn to be loaded comes."""
            for batch in plan:
                asked.append([index for index in dict.fromkeys(map(int, batch)) if index not in self._cached])
                yield asked[-1]

        for batch, loaded in zip(plan, processes.load(missing()), strict=True):
            self._tell(loaded.notes)
            if loaded.error is not None:
                raise loaded.error
            fresh = dict(zip(asked.popleft(), loaded.arrays(), strict=True))
            yield [fresh.get(int(index)) or self._cached[int(index)] for index in batch]
            for index, pair in fresh.items():
                # What came through shared memory holds a file descriptor each, of which there are few.
                self._keep(index, pair, copy=True)

    def _get(self, index: int) -> Pair:
        pair = self._cached.get(index)
        if pair is None:
            pair = self._dataset[index]
            self._keep(index, pair)
        return pair

    def _keep(self, index: int, pair: Pair, copy: bool = False) -> None:
        with self._lock:
            if index in self._cached or self._bytes + pair.nbytes > self._memory:
                return
            self._cached[index] = Pair(pair.image.copy(), pair.target.copy()) if copy else pair
            self._bytes += pair.nbytes

    def _tell(self, notes: Sequence[str]) -> None:
        if notes and not self._warned:
            self._warned = True
            self._warn(notes[0])


def loader(
    samples: Samples,
    config: TrainingConfig,
    info: DatasetInfo,
    workers: int = 0,
    warn: Callable[[str], None] = lambda _: None,
) -> PairLoader:
    """The loader that a configuration asks for: `loading` in a number of workers, `cache_gb` on disk."""
    folder = cache_home() / "decoded"
    cache = DecodedCache(folder, int(config.cache_gb * 1e9)) if config.cache_gb else None
    return PairLoader(PairDataset(samples, config, info, cache), workers, config.loading, warn=warn)


@dataclass(frozen=True)
class _Loaded:
    """What a worker process sends: pairs as tensors, which travel through shared memory, or the error instead."""

    pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]
    error: UserError | None
    notes: Sequence[str]

    def arrays(self) -> list[Pair]:
        return [Pair(image.numpy(), target.numpy()) for image, target in self.pairs]


class _Batches(Dataset[_Loaded]):
    """The dataset as worker processes see it: whole batches, and users' errors as values, for the parent to raise."""

    def __init__(self, dataset: PairDataset) -> None:
        self._dataset = dataset

    def __getitems__(self, indices: Sequence[int]) -> _Loaded:
        pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        error = None
        try:
            for index in indices:
                image, target = self._dataset[index]
                pairs.append((torch.from_numpy(image), torch.from_numpy(target)))
        except UserError as found:
            error = found
        return _Loaded(pairs, error, self._dataset.notes())


class _Wanted:
    """A batch sampler whose batches are set at the start of each epoch."""

    def __init__(self) -> None:
        self.batches: Iterable[list[int]] = ()

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)


class _Processes:
    """Persistent worker processes of a torch DataLoader."""

    def __init__(self, dataset: PairDataset, workers: int) -> None:
        self._wanted = _Wanted()
        self._loader: DataLoader[_Loaded] | None = DataLoader(
            _Batches(dataset),
            batch_sampler=self._wanted,
            num_workers=workers,
            collate_fn=_as_it_is,
            worker_init_fn=_prepare_worker,
            # Spawned, not forked: torch's and OpenCV's threads do not survive a fork.
            multiprocessing_context="spawn",
            persistent_workers=True,
            prefetch_factor=_AHEAD,
        )

    def load(self, batches: Iterable[list[int]]) -> Iterator[_Loaded]:
        assert self._loader is not None
        self._wanted.batches = batches
        try:
            with interrupts_held_back():
                results = iter(self._loader)
            yield from results
        except RuntimeError as error:
            if "exited unexpectedly" not in str(error):
                raise
            raise UserError(
                "a worker process died, perhaps for lack of memory; try fewer with --workers, or --set loading=threads"
            ) from error

    def close(self) -> None:
        # Its processes end with the last reference to it.
        self._loader = None


def _as_it_is(loaded: Any) -> Any:
    return loaded


def _prepare_worker(number: int) -> None:  # noqa: ARG001 (what DataLoader calls it with)
    end_with_parent()
    load_linear_algebra()
    cv2.setNumThreads(1)
    sys.excepthook = _say_what_matters
    Finalize(None, _end_at_once, exitpriority=_LAST)


def _end_at_once() -> None:
    """Do not wait for Python to take itself down: a thread that still hands tensors over would abort the process."""
    if sys.exc_info()[0] is None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _say_what_matters(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """No traceback of the thread that hands tensors over when the parent, interrupted, hangs up on it."""
    if not issubclass(kind, EOFError | ConnectionError):
        sys.__excepthook__(kind, error, trace)
