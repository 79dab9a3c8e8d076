"""Decoded training examples on disk, below a size limit: for data that is larger than memory, and for the next run.

Nothing depends on the cache: a file that is missing, half written or damaged is decoded again, and a disk that is full
or read-only only ends the writing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from ...io.atomic import atomic_path, of_this_machine, sweep
from ...types import Dataset, DatasetInfo, Samples
from ..targets import Pair
from .config import TrainingConfig

FORMAT = 2
"""Raised whenever samples are prepared otherwise than before: older files are then never met again."""

_OVERHEAD = 1024
"""Bytes of a file beside its pixels, a little more than they are."""
_LOOK_EVERY = 1 / 16
"""After writing this part of the limit the folder is looked through again: other processes write to it as well."""
_ABANDONED_S = 3600
"""A temporary file of another machine that is as old as this belongs to a process that was killed."""
_CLOCKS_DIFFER_S = 3600
"""A file that was used as long as this after now was used by a clock that has been set back since."""


class DecodedCache:
    """Pairs by key in one folder of uncompressed `.npz` files, shared by any number of processes.

    What nobody has used since this process began is evicted for what it needs, least recently used first. What it has
    used stays: training comes by all its samples in turn, and evicting one for the next would leave nothing to find.
    The limit may be passed by what other processes write between two looks, at most a sixteenth of it for each. Whether
    a file was used since the first look is told by its time being another one, whatever the clock has done meanwhile.

    Parameters
    ----------
    folder : made when it is first written to.
    limit : bytes of all files together.

    Attributes
    ----------
    notes : what the user is to be told: one sentence, when the folder cannot be written to.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self.notes: list[str] = []
        self._writable = limit > 0
        self._began = time.time()
        self._bytes = 0
        self._unseen = math.inf
        self._before: dict[Path, int] | None = None
        self._old: list[tuple[int, int, Path]] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[DecodedCache], tuple[Path, int]]:
        # In another process it looks at the folder for itself.
        return DecodedCache, (self.folder, self.limit)

    def get(self, key: str) -> Pair | None:
        """The pair of a key; None where there is none or its file is damaged, which is then removed."""
        path = self._path(key)
        try:
            pair = _read(path)
        except FileNotFoundError:
            return None
        except Exception:  # over whatever bytes lie there, the reader may raise anything
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            _touch(path)
        return pair

    def put(self, key: str, pair: Pair) -> None:
        """Keep a pair if there is room for it."""
        with self._lock:
            if not self._writable or not self._make_room(pair.nbytes + _OVERHEAD):
                return
            self._bytes += pair.nbytes + _OVERHEAD
            self._unseen += pair.nbytes + _OVERHEAD
        try:
            _write(self._path(key), pair)
        except FileNotFoundError:
            return  # another machine, whose clock is ahead, took the half-written file for one that was left behind
        except OSError as error:
            with self._lock:
                told, self._writable = not self._writable, False
            if not told:
                self.notes.append(f"decoded images are no longer kept in '{self.folder}': {error}")

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"

    def _make_room(self, size: int) -> bool:
        """Whether `size` more bytes fit, after eviction where needed."""
        if self._unseen > _LOOK_EVERY * self.limit:
            self._look()
        while self._old and self._bytes + size > self.limit:
            used, freed, path = self._old.pop()
            with suppress(OSError):
                if path.stat().st_mtime_ns == used:  # not used by anybody since
                    path.unlink()
                    self._bytes -= freed
        return self._bytes + size <= self.limit

    def _look(self) -> None:
        """Count what is there, whoever wrote it, and note what may be evicted, the oldest last."""
        self._bytes, self._unseen = 0, 0
        now, found = time.time(), dict[Path, os.stat_result]()
        for path in self.folder.glob("*/*"):
            sweep(path.parent)
            with suppress(OSError):  # gone meanwhile
                status = path.stat()
                if path.suffix == ".tmp" and status.st_mtime < now - _ABANDONED_S and not of_this_machine(path):
                    path.unlink()
                    continue
                self._bytes += status.st_size
                if path.suffix == ".npz":
                    found[path] = status
        if self._before is None:
            latest = now + _CLOCKS_DIFFER_S
            self._before = {p: s.st_mtime_ns for p, s in found.items() if not self._began <= s.st_mtime <= latest}
        unused = ((p, s) for p, s in found.items() if self._before.get(p) == s.st_mtime_ns)
        self._old = sorted(((s.st_mtime_ns, s.st_size, p) for p, s in unused), reverse=True)


class SampleKeys:
    """Keys of the prepared pairs of samples: what was read, how it was prepared, and by which rules.

    A file is known by its path, size and time of change, so that a changed one is read again without reading it first.
    """

    def __init__(self, samples: Samples, config: TrainingConfig, info: DatasetInfo) -> None:
        self._samples = samples
        rules = {
            "format": FORMAT,
            "adapter": f"{type(samples.dataset).__module__}.{type(samples.dataset).__qualname__}",
            "options": _options(samples.dataset),
            "dataset": [info.name, info.version, info.task, info.foreground, info.ignore_label, sorted(info.void)],
            "classes": [c.id for c in info.classes],
            "input": config.input,
            "size": config.size,
        }
        self._rules = json.dumps(rules, sort_keys=True)

    def key(self, index: int) -> str:
        """64 hexadecimal digits; OSError where a file of the sample is not there."""
        sample_id, dataset = self._samples.ids[index], self._samples.dataset
        files = []
        for part in ("image", "labels"):
            for path in dataset.files(sample_id, part):
                found = path.stat()
                files.append([part, str(path.absolute()), found.st_size, found.st_mtime_ns])
        text = json.dumps([self._rules, sample_id, files])
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _options(dataset: Dataset) -> dict[str, str]:
    """The options of an adapter; its root is in the paths, and what it found on disk is compared as files."""
    if not dataclasses.is_dataclass(dataset):
        return {name: repr(value) for name, value in getattr(dataset, "__dict__", {}).items()}
    chosen = [field.name for field in dataclasses.fields(dataset) if field.compare and field.name != "root"]
    return {name: repr(getattr(dataset, name)) for name in chosen}


def _write(path: Path, pair: Pair) -> None:
    with atomic_path(path) as part:
        with part.open("wb") as file:
            np.savez(file, image=pair.image, target=pair.target)
        _touch(part)


def _read(path: Path) -> Pair:
    # The archive's own checksums are compared while it is read.
    with np.load(path, allow_pickle=False) as stored:
        pair = Pair(stored["image"], stored["target"])
    good = pair.image.ndim == 3 and pair.image.dtype == pair.target.dtype == np.uint8
    if not good or pair.image.shape[:2] != pair.target.shape:
        raise ValueError("not a pair of image and target")
    return pair


def _touch(path: Path) -> None:
    # The file system's own clock is coarser, and could put a file that was just used before its user's beginning.
    now = time.time()
    os.utime(path, (now, now))
