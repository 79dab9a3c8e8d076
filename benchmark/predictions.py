"""Predictions as files: which file belongs to which sample, and writing them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from .evaluation import PredictionFile, PredictionSource
from .files import atomic_path
from .images import IMAGE_SUFFIXES, count_pages, read_array
from .types import Array, Dataset, DatasetInfo, Prediction, UserError

_STACKS = frozenset({".tif", ".tiff", ".npy", ".npz"})


@dataclass(frozen=True)
class Found:
    """Predictions of some samples, in the order of their ids, and what was odd about the files.

    `objects` says that they are objects with scores, which `DatasetInfo.object_metrics` measure.
    """

    files: Mapping[str, PredictionSource]
    warnings: tuple[str, ...] = ()
    objects: bool = False

    @property
    def paths(self) -> set[Path]:
        """All files that the predictions are made of."""
        return {path for source in self.files.values() for path in source.paths}


class _Ids(tuple[str, ...]):
    """Sample ids that are found as quickly as in a set."""

    _set: frozenset[str]

    def __new__(cls, ids: Iterable[str]) -> _Ids:
        self = super().__new__(cls, ids)
        self._set = frozenset(self)
        return self

    def __contains__(self, item: object) -> bool:
        return item in self._set


def find_predictions(dataset: Dataset, ids: Sequence[str], path: Path, *, partial: bool = False) -> Found:
    """Match prediction files with samples.

    Parameters
    ----------
    dataset : Dataset
    ids : sequence of str
        The samples of the split.
    path : Path
        A folder with one file per sample in any depth, or one stack with a page per sample of the split (or of the
        whole labelled set).
    partial : bool
        Accept that samples have no prediction.

    Raises
    ------
    UserError
        Naming samples without or with several predictions.
    """
    if not path.exists():
        raise UserError(f"--predictions '{path}' does not exist")
    if path.is_file():
        return _stack(dataset, ids, path)
    ids = _Ids(ids)
    candidates = _image_files(path)
    only = candidates[0] if len(candidates) == 1 and len(ids) > 1 else None
    if only is not None and only.suffix.lower() in _STACKS and count_pages(only) > 1:
        return _stack(dataset, ids, only)
    matched: dict[str, list[Path]] = {}
    extra: list[str] = []
    for candidate in candidates:
        # With the folder's own name, which may say which view or set it holds.
        sample_id = dataset.match_prediction(Path(path.resolve().name) / candidate.relative_to(path), ids)
        if sample_id is None:
            extra.append(str(candidate.relative_to(path)))
        else:
            matched.setdefault(sample_id, []).append(candidate)
    _refuse_numbers_from_1(dataset, ids, matched, candidates)
    _refuse_duplicates(matched, path)
    _refuse_missing(ids, matched, path, extra, partial)
    files = {i: PredictionFile(matched[i][0]) for i in ids if i in matched}
    warnings = []
    if extra:
        warnings.append(f"{len(extra)} files belong to no sample of the split and were not scored: {_some(extra)}")
    return Found(files, (*warnings, *_odd_values(dataset, next(iter(files.values())))))


def _image_files(folder: Path) -> list[Path]:
    """Image files in any depth, through links too, without hidden ones."""
    found: list[Path] = []
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise UserError(f"'{error.filename}' cannot be listed: {error.strerror}") from error

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(place) / name for name in names if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(found)


def _refuse_numbers_from_1(
    dataset: Dataset, ids: Sequence[str], matched: dict[str, list[Path]], candidates: Sequence[Path]
) -> None:
    """Slices count from 0; files numbered 1 to N would all be scored against their neighbour."""
    if not dataset.info.stacked or any(path.stem in matched for path in candidates):
        return
    numbers = {int(found[-1]) for path in candidates if (found := re.findall(r"\d+", path.stem))}
    whole = dataset.ids("all") if set(ids) <= set(dataset.ids("all")) else ids
    if 0 not in numbers and len(whole) in numbers:
        raise UserError(
            f"the predictions are numbered from 1 to {len(whole)}, but slices count from 0 (first: {whole[0]}). "
            "Rename the files, so that each is scored against its own slice."
        )


def _stack(dataset: Dataset, ids: Sequence[str], path: Path) -> Found:
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise UserError(f"{path}: is no image or array; expected {', '.join(sorted(IMAGE_SUFFIXES))}")
    pages = count_pages(path)
    everything = dataset.ids("all") if set(ids) <= set(dataset.ids("all")) else tuple(ids)
    if pages == len(ids):
        files = {i: PredictionFile(path, page if pages > 1 else None) for page, i in enumerate(ids)}
    elif pages == len(everything):
        place = {i: page for page, i in enumerate(everything)}
        files = {i: PredictionFile(path, place[i]) for i in ids}
    else:
        raise UserError(
            f"{path}: has {pages} pages; expected one per sample: {len(ids)} of the split"
            + (f", or {len(everything)} of all labelled samples" if len(everything) != len(ids) else "")
            + ". A page is one grey image of height x width. A part of a split (--partial) is given as single files."
        )
    return Found(files, _odd_values(dataset, next(iter(files.values()))))


def _odd_values(dataset: Dataset, first: PredictionFile) -> tuple[str, ...]:
    """Warn of 8-bit maps that hold only 0 and 1 where values are read as value/255."""
    if not dataset.info.stacked:
        return ()
    values = read_array(first.path, first.page)
    if values.dtype == np.uint8 and values.max(initial=0) == 1:
        return (
            f"{first.path}: holds only 0 and 1 as 8-bit values, which are read as 0 and 1/255. "
            "If 1 means 'inside a cell', write 255 instead.",
        )
    return ()


def _refuse_duplicates(matched: dict[str, list[Path]], folder: Path) -> None:
    twice = {i: paths for i, paths in matched.items() if len(paths) > 1}
    if twice:
        shown = "; ".join(
            f"{i}: {', '.join(str(p.relative_to(folder)) for p in paths)}" for i, paths in list(twice.items())[:5]
        )
        raise UserError(f"{len(twice)} samples have more than one prediction below '{folder}': {shown}. Keep one each.")


def _refuse_missing(
    ids: Sequence[str], matched: dict[str, list[Path]], folder: Path, extra: list[str], partial: bool
) -> None:
    missing = [i for i in ids if i not in matched]
    if not missing or (partial and matched):
        return
    unmatched = f" {len(extra)} files there belong to no sample: {_some(extra)}." if extra else ""
    raise UserError(
        f"{len(missing)} of {len(ids)} samples have no prediction below '{folder}': {_some(missing)}.{unmatched} "
        "Name each file by its sample id. To score a subset on purpose, add --partial."
    )


def _some(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def prediction_labels(prediction: Prediction, info: DatasetInfo) -> Array:
    """Label values (H, W): as predicted, or from probabilities (> 0.5 for a binary task, the likeliest class else)."""
    if prediction.labels is not None:
        return prediction.labels
    probabilities = np.asarray(prediction.probabilities)
    if probabilities.ndim == 2:
        return probabilities > 0.5
    return np.asarray(np.take([c.id for c in info.classes], np.argmax(probabilities, axis=0)))


def write_prediction(folder: Path, sample_id: str, prediction: Prediction, info: DatasetInfo) -> None:
    """Write one prediction as a PNG of label values (0 and 255 for a binary dataset)."""
    values = prediction_labels(prediction, info).astype(np.uint8)
    if info.task == "binary":
        values *= 255
    with atomic_path(folder / f"{sample_id}.png") as temporary:
        Image.fromarray(values).save(temporary, format="PNG")


def write_stack(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write predictions as one multi-page TIFF of 32-bit probabilities, as the ISBI 2012 challenge takes it."""
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary) as tif:
        for prediction in predictions:
            values = prediction.probabilities if prediction.probabilities is not None else prediction.labels
            tif.write(np.asarray(values, np.float32), contiguous=False, metadata=None)
