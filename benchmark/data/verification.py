"""Is a dataset on disk whole and sound? What `bench data verify` finds: faults, warnings, and fingerprints."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..io.fingerprints import ids_sha256
from ..registry import metrics_of
from ..text import counted
from ..types import Array, Dataset, Part, Sample, UserError, parts_of
from .locations import Origin, data_sha256
from .sample_checks import sample_faults, where
from .verification_cache import Content, Verified

PARTS: tuple[Part, ...] = ("image", "labels", "instances", "objects")

Progress = Callable[[int, int], None]


@runtime_checkable
class Verifiable(Protocol):
    """A dataset that says apart what `check` finds, so that what did not change need not be read again."""

    def check_pairs(self) -> list[str]:
        """One sentence per file without its counterpart, name that is taken twice, and the like; decodes nothing."""

    def readable(self) -> tuple[str, ...]:
        """Every sample that has labels, also of splits that `ids` refuses because they are not whole."""


@dataclass
class Report:
    """What was found; `splits` holds None where a split is not there or cannot be used."""

    n: int = 0
    ids_sha256: str | None = None
    data_sha256: str | None = None
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cached: int = 0
    read: int = 0


def verify_dataset(dataset: Dataset, origin: Origin, verified: Verified, progress: Progress | None = None) -> Report:
    """Check names, pairs, numbers and the content of every sample, and look for leaks between splits.

    Parameters
    ----------
    dataset : Dataset
    origin : {'real', 'synthetic'}
        Synthetic data is smaller than the official set on purpose: its numbers are not checked.
    verified : Verified
        What an earlier check found sound. Samples whose files did not change since are not read again.
    progress : callable, optional
        Called with (done, in all) samples.
    """
    report = Report()
    report.faults += dataset.check_counts() if origin == "real" else []
    report.faults += dataset.check_pairs() if isinstance(dataset, Verifiable) else dataset.check()
    splits = {name: _ids(dataset, name, report) for name in dataset.info.splits}
    everything = _ids(dataset, "all", report)
    known = dict.fromkeys(dataset.readable() if isinstance(dataset, Verifiable) else everything or ())
    known |= dict.fromkeys(i for name, ids in splits.items() if dataset.info.splits[name].labelled for i in ids or ())
    blind = dict.fromkeys(i for ids in splits.values() for i in ids or () if i not in known)
    contents = _read(dataset, tuple(known), PARTS, verified, report, progress, len(known) + len(blind))
    contents |= _read(dataset, tuple(blind), ("image",), verified, report, progress, len(known) + len(blind))
    report.n = len(everything) if everything is not None else len(known)
    numbered = any(split.official_size for split in dataset.info.splits.values())
    as_published = origin == "real" and numbered and not report.faults
    _leaks(dataset, splits, contents, report, as_published=as_published)
    _remarks(dataset, splits, everything, known, report)
    _fingerprints(dataset, splits, everything, verified, report)
    report.faults = list(dict.fromkeys(report.faults))
    return report


def _ids(dataset: Dataset, split: str, report: Report) -> tuple[str, ...] | None:
    """Samples of a split; None, with a fault for a labelled split, where it cannot be used."""
    try:
        return dataset.ids(split)
    except UserError as error:
        text = str(error)
        # A refusal repeats the first of the faults that are there already.
        known = any(text.startswith(fault) for fault in report.faults)
        needed = split == "all" or (dataset.info.splits[split].labelled and not dataset.info.splits[split].optional)
        if needed and not known:
            report.faults.append(text)
        return None


def _read(
    dataset: Dataset,
    ids: Sequence[str],
    parts: Sequence[Part],
    verified: Verified,
    report: Report,
    progress: Progress | None,
    total: int,
) -> dict[str, Content]:
    """Check the content of these samples and return that of the sound ones."""

    def look(sample_id: str) -> tuple[list[str], Content | None, bool]:
        paths = [path for part in parts for path in dataset.files(sample_id, part)]
        stamps = verified.stamps(paths)
        content = verified.content(sample_id, stamps)
        if content is not None:
            return [], content, True
        try:
            sample = dataset.load(sample_id, parts)
        except UserError as error:
            return [str(error)], None, False
        faults, content = sample_faults(dataset, sample), _content(sample)
        if not faults:
            verified.keep(sample_id, stamps, content)
        return faults, content, False

    contents: dict[str, Content] = {}
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        for sample_id, (faults, content, cached) in zip(ids, pool.map(look, ids), strict=True):
            report.faults += faults
            report.cached += cached
            report.read += not cached
            if content is not None:
                contents[sample_id] = content
            if progress is not None:
                progress(report.cached + report.read, total)
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C nothing more is read
    return contents


def _content(sample: Sample) -> Content:
    return Content(_pixels(sample.image), _pixels(sample.labels))


def _pixels(values: Array | None) -> str | None:
    """Hash of an array; None for no array and for one of a single value, which says nothing."""
    if values is None or not values.size or (values == values.flat[0]).all():
        return None
    digest = hashlib.blake2b(f"{values.shape} {values.dtype}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _leaks(
    dataset: Dataset,
    splits: Mapping[str, tuple[str, ...] | None],
    contents: Mapping[str, Content],
    report: Report,
    *,
    as_published: bool,
) -> None:
    """Name samples, images and label maps that are in two splits, which leaks truth from one to the other."""
    images: dict[str, tuple[str, str]] = {}
    labels: dict[str, tuple[str, str]] = {}
    owner: dict[str, str] = {}
    for split, ids in splits.items():
        held = {i for name in dataset.info.splits[split].holds for i in splits[name] or ()}
        for sample_id in (i for i in ids or () if i not in held):
            if owner.setdefault(sample_id, split) != split:
                report.faults.append(
                    f"sample '{sample_id}' is in split '{owner[sample_id]}' and in split '{split}'; a sample belongs "
                    "to one of them. Fetch the lists again."
                )
                continue
            content = contents.get(sample_id, Content(None, None))
            found = _twin(images, content.image, split, sample_id)
            if found:
                text = _same(dataset, "image", found, (split, sample_id))
                # A complete set of the official size was published so; that is worth knowing, but no damage.
                (report.warnings if as_published else report.faults).append(text)
            found = None if found else _twin(labels, content.labels, split, sample_id)
            if found:
                report.warnings.append(_same(dataset, "labels", found, (split, sample_id)))


def _twin(seen: dict[str, tuple[str, str]], digest: str | None, split: str, sample_id: str) -> tuple[str, str] | None:
    """The first sample of another split with the same pixels."""
    if digest is None:
        return None
    other = seen.setdefault(digest, (split, sample_id))
    return other if other[0] != split else None


def _same(dataset: Dataset, part: Part, first: tuple[str, str], second: tuple[str, str]) -> str:
    (split, sample_id), (other_split, other_id) = first, second
    what = "image" if part == "image" else "label map"
    return (
        f"sample '{sample_id}' of split '{split}' ({where(dataset, sample_id, part)}) and sample '{other_id}' of split "
        f"'{other_split}' ({where(dataset, other_id, part)}) have the same {what}: what is learned from the one is "
        "scored on the other. Keep one of them."
    )


def _remarks(
    dataset: Dataset,
    splits: Mapping[str, tuple[str, ...] | None],
    everything: tuple[str, ...] | None,
    known: Iterable[str],
    report: Report,
) -> None:
    known = tuple(known)
    if known and not any(dataset.files(sample_id, "image") for sample_id in known):
        report.warnings.append(f"no images below '{dataset.root}': only the truth was checked")
    infos = dataset.info.splits
    labelled = [ids for name, ids in splits.items() if infos[name].labelled and not infos[name].optional]
    if everything is None or any(ids is None for ids in labelled):
        return
    placed = {sample_id for ids in splits.values() for sample_id in ids or ()}
    left = [sample_id for sample_id in everything if sample_id not in placed]
    if left:
        which = counted(len(left), "labelled sample")
        report.warnings.append(f"{which} in no split (first: '{left[0]}')")


def _fingerprints(
    dataset: Dataset,
    splits: Mapping[str, tuple[str, ...] | None],
    everything: tuple[str, ...] | None,
    verified: Verified,
    report: Report,
) -> None:
    """Hashes of ids and of truth, which are those of the records of runs on the same samples."""
    parts = parts_of(metrics_of(dataset.info))

    def of(ids: tuple[str, ...] | None, labelled: bool) -> tuple[str | None, str | None]:
        if ids is None:
            return None, None
        try:
            return ids_sha256(ids), data_sha256(dataset, ids, parts, verified.sha256) if labelled else None
        except OSError as error:
            report.faults.append(f"{error.filename}: cannot be read ({error.strerror})")
            return ids_sha256(ids), None

    report.ids_sha256, report.data_sha256 = of(everything, labelled=True)
    for name, ids in splits.items():
        info = dataset.info.splits[name]
        ids_hash, data_hash = of(ids, info.labelled)
        report.splits[name] = {
            "n": None if ids is None else len(ids),
            "official": info.official_size,
            "ids_sha256": ids_hash,
            "data_sha256": data_hash,
        }
