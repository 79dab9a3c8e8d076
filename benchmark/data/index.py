"""What the samples of a dataset are on disk: their files, the hashes of those, and whether each sample is sound."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from ..io.fingerprints import file_sha256, file_stamp
from ..io.images.picture import orientation
from ..io.images.read import IMAGE_SUFFIXES
from ..io.synthetic_mark import synthetic_mark
from ..io.threads import map_in_threads
from ..metrics.label_checks import label_counts
from ..types import Array, Dataset, Part, Sample, UserError
from .locations import data_sha256
from .sample_checks import sample_faults
from .verification_cache import PARTS, Content, Stamps, VerificationCache

Progress = Callable[[int, int], None]

_MAX_READERS = 4
"""Files hashed side by side; more would only make a disk seek."""


@dataclass(frozen=True)
class Finding:
    """What was found in one sample: its faults, the content of a sound one, and whether it was known already."""

    sample_id: str
    faults: tuple[str, ...]
    content: Content | None
    cached: bool = False


class DataIndex:
    """Samples of one dataset, each file of which is hashed, and each sample checked, at most once until it changes.

    Used as a context manager it writes down what it has found when the block ends, also after an error or Ctrl-C.

    Parameters
    ----------
    dataset : whose samples are asked for.
    cache : what is known of them; by default nothing, and what is found is remembered by this index alone.
    """

    def __init__(self, dataset: Dataset, cache: VerificationCache | None = None) -> None:
        self.dataset = dataset
        self._cache = cache or VerificationCache()
        self._counts: dict[str, dict[int, int]] = {}
        self._marked: dict[Path, bool] = {}

    @classmethod
    def of(cls, dataset: Dataset) -> DataIndex:
        """The index that knows what earlier commands found, from the user's cache folder."""
        return cls(dataset, VerificationCache.of(dataset))

    def check(self, ids: Sequence[str], parts: Sequence[Part]) -> Iterator[Finding]:
        """Decode and check these parts of these samples together, in threads; findings in the order of the ids.

        With the labels also what the dataset's own rules hold against them.
        """
        if "labels" in parts:
            parts = tuple(dict.fromkeys((*parts, *self.dataset.rule_parts)))
        self._cache.recall_samples(ids)

        def check_one(sample_id: str) -> tuple[Finding, Stamps | None]:
            stamps = self._cache.stamps(self.dataset, sample_id, parts)
            content = self._cache.content(sample_id, stamps)
            if content is not None:
                return Finding(sample_id, (), content, cached=True), stamps
            try:
                sample = self.dataset.load(sample_id, parts)
            except UserError as error:
                return Finding(sample_id, (str(error),), None), stamps
            return Finding(
                sample_id, tuple(sample_faults(self.dataset, sample)), _content(self.dataset, sample)
            ), stamps

        pool = ThreadPoolExecutor(os.cpu_count() or 1)
        try:
            for finding, stamps in pool.map(check_one, ids):
                if finding.content is not None and finding.content.counts is not None:
                    counts = json.loads(finding.content.counts)
                    self._counts[finding.sample_id] = {int(label): int(n) for label, n in counts.items()}
                if finding.content is not None and not finding.faults and not finding.cached:
                    self._cache.add_sample(finding.sample_id, stamps, finding.content)
                yield finding
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C nothing more is read

    def faults(self, ids: Sequence[str], parts: Sequence[Part], progress: Progress | None = None) -> list[str]:
        """One sentence per fault of these parts of these samples, each once, in the order of the ids.

        progress : called with (done, in all) samples.
        """
        found: dict[str, None] = {}  # the pages of a truncated stack all say the same
        for done, finding in enumerate(self.check(ids, parts), 1):
            found.update(dict.fromkeys(finding.faults))
            if progress is not None:
                progress(done, len(ids))
        return list(found)

    def label_counts(self, ids: Iterable[str]) -> dict[str, dict[int, int]]:
        """Number of pixels of every label value, of those of these samples that `check` found sound, with labels."""
        return {sample_id: dict(found) for sample_id in ids if (found := self._counts.get(sample_id)) is not None}

    def data_sha256(self, ids: Sequence[str], parts: Sequence[Part] = ("labels",)) -> str:
        """Fingerprint of parts of some samples, by default of their truth (`locations.data_sha256`).

        Raises OSError where a file cannot be read.
        """
        paths = sorted({path for sample_id in ids for part in parts for path in self.dataset.files(sample_id, part)})
        known = dict(zip(paths, self._file_hashes(paths), strict=True))
        return data_sha256(self.dataset, ids, parts, known.__getitem__)

    def marked(self, ids: Iterable[str]) -> dict[str, Path]:
        """Those of these samples of which any file carries segbench's mark of a synthetic picture, and the first such.

        Only the ends of each file are read, and each file once; one that cannot be read has no mark.
        """
        files = {i: [path for part in PARTS for path in self.dataset.files(i, part)] for i in ids}
        paths = [*dict.fromkeys(path for each in files.values() for path in each if path not in self._marked)]
        self._marked |= zip(paths, map_in_threads(_has_mark, paths, _MAX_READERS), strict=True)
        found = {i: next((path for path in each if self._marked[path]), None) for i, each in files.items()}
        return {i: path for i, path in found.items() if path is not None}

    def save(self) -> None:
        """Write down what was found, where that is possible."""
        self._cache.save()

    def __enter__(self) -> DataIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.save()

    def _file_hashes(self, paths: Sequence[Path]) -> Iterator[str]:
        self._cache.recall_files(paths)

        def hashed(path: Path) -> tuple[str, str, bool]:
            stamp = file_stamp(path)
            known = self._cache.sha256(path, stamp)
            return stamp, known or file_sha256(path), known is not None

        for path, (stamp, sha256, known) in zip(paths, map_in_threads(hashed, paths, _MAX_READERS), strict=True):
            if not known:
                self._cache.add_file(path, stamp, sha256)
            yield sha256


def _has_mark(path: Path) -> bool:
    try:
        return synthetic_mark(path) is not None
    except OSError:  # whoever needs its content says so
        return False


def _content(dataset: Dataset, sample: Sample) -> Content:
    counts = None if sample.labels is None else json.dumps(label_counts(sample.labels))
    return Content(_pixels(sample.image), _pixels(sample.labels), _turned(dataset, sample), counts)


def _turned(dataset: Dataset, sample: Sample) -> str:
    """The first part of a sample, of those that were read, whose file states an orientation, and that."""
    read: dict[Part, Array | None] = {"image": sample.image, "labels": sample.labels, "instances": sample.instances}
    for part, values in read.items():
        for path in dataset.files(sample.id, part) if values is not None else ():
            found = orientation(path) if path.suffix.lower() in IMAGE_SUFFIXES else 1
            if found > 1:
                return f"{part} {found}"
    return ""


def _pixels(values: Array | None) -> str | None:
    """Hash of an array; None for no array and for one of a single value, which says nothing."""
    if values is None or not values.size or (values == values.flat[0]).all():
        return None
    digest = hashlib.blake2b(f"{values.shape} {values.dtype}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
