"""Predictions as files: which file belongs to which sample, and writing them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from ..io.atomic import atomic_path
from ..io.images.instances import numbers_in_16_bits
from ..io.images.read import IMAGE_SUFFIXES, count_pages
from ..io.listing import files_below
from ..types import Array, Dataset, DatasetInfo, Prediction, UserError
from .cityscapes_instances import find_objects
from .coco_results import takes_results
from .files import PredictionFile
from .matching import Found as Found
from .matching import SampleIds, extra_warnings, match_files, refuse_duplicates, refuse_missing
from .numbers import read_alike
from .other_splits import of_other_splits
from .panoptic_results import find_panoptic
from .volumes import find_volumes, volumes_below

_STACKS = frozenset({".tif", ".tiff", ".npy", ".npz"})

REMEDIES = "remedies.txt"
"""Beside corrected predictions: which remedies `bench doctor --out` chose, for which it looked at the truth."""


def find_predictions(dataset: Dataset, ids: Sequence[str], path: Path, *, partial: bool = False) -> Found:
    """Match prediction files with samples.

    Parameters
    ----------
    dataset : Dataset
    ids : sequence of str
        The samples of the split.
    path : Path
        A folder with one file per sample in any depth, or one stack with a page per sample of the split (or of the
        whole labelled set); NIfTI volumes with a slice per sample, each called as a group of samples is. For a dataset
        that scores objects also what `find_objects` takes, and for one that scores segments what `find_panoptic` does;
        a folder that holds one JSON file and no image stands for that file.
    partial : bool
        Accept that samples have no prediction.

    Raises
    ------
    UserError
        Naming samples without or with several predictions.
    """
    if not path.exists():
        raise UserError(f"--predictions '{path}' does not exist")
    if dataset.info.panoptic_metrics:
        segments = find_panoptic(dataset, ids, path, partial=partial)
        if segments is not None:
            return segments
    if dataset.info.object_metrics:
        objects = find_objects(dataset, ids, _only_results(dataset, ids, path), partial=partial)
        if objects is not None:
            return objects
    found = _read_alike(dataset, _find_maps(dataset, SampleIds(ids), path, partial))
    return replace(found, warnings=_corrected(path) + found.warnings)


def _read_alike(dataset: Dataset, found: Found) -> Found:
    """The same maps, all of them masks or all numbers of objects."""
    maps = {i: file for i, file in found.files.items() if isinstance(file, PredictionFile)}
    read = read_alike(dataset, maps, tuple(maps.values()))
    files = {**found.files, **dict(zip(maps, read.files, strict=True))}
    return replace(found, files=files, warnings=found.warnings + read.warnings)


def are_corrected(path: Path) -> bool:
    """Whether `bench doctor` corrected these predictions, for which it looked at the truth."""
    return (path / REMEDIES).is_file()


def _corrected(path: Path) -> tuple[str, ...]:
    """Say of predictions which `bench doctor` corrected that it saw the truth."""
    if not are_corrected(path):
        return ()
    return (
        f"'bench doctor --out' corrected these predictions with the truth at hand ({REMEDIES} says how): an honest "
        "score comes from files that are written right",
    )


def _find_maps(dataset: Dataset, ids: SampleIds, path: Path, partial: bool) -> Found:
    """Match files of maps, pages of a stack or slices of volumes with samples."""
    if volumes := volumes_below(path):
        return find_volumes(dataset, ids, volumes, path, partial=partial)
    _refuse_objects(dataset, path)
    if path.is_file():
        return _stack(dataset, ids, path)
    candidates = files_below(path, IMAGE_SUFFIXES)
    only = candidates[0] if len(candidates) == 1 and len(ids) > 1 else None
    if only is not None and only.suffix.lower() in _STACKS and count_pages(only) > 1:
        return _stack(dataset, ids, only)
    matched, extra = match_files(dataset, ids, candidates, path)
    _refuse_numbers_from_1(dataset, ids, matched, candidates)
    refuse_duplicates(matched, path)
    where = of_other_splits(dataset, ids, extra, path)
    refuse_missing(ids, matched, path, extra, partial, where)
    files = {i: PredictionFile(matched[i][0]) for i in ids if i in matched}
    odd = _odd_values(dataset, next(iter(files.values())))
    return Found(files, (*extra_warnings(extra, where), *odd))


def _refuse_objects(dataset: Dataset, path: Path) -> None:
    """Raise UserError for results of a detector where the dataset has no objects to score them with."""
    found = (
        [path] if path.is_file() else [] if files_below(path, IMAGE_SUFFIXES) else files_below(path, {".json", ".txt"})
    )
    if dataset.info.object_metrics or not found or found[0].suffix.lower() not in (".json", ".txt"):
        return
    hint = ""
    if dataset.self_defined:
        hint = (
            " For AP, import its annotations (COCO, YOLO, labelme or CVAT) with 'bench data import', which keeps them "
            "in objects.json; import a folder without that file again."
        )
    raise UserError(
        f"{found[0]}: results of a detector need annotated objects, and {dataset.info.name} has none here. "
        f"Expected label maps, one image per sample.{hint}"
    )


def _only_results(dataset: Dataset, ids: Sequence[str], path: Path) -> Path:
    """The one file of COCO results in a folder whose images are of no sample: stored by a run, or beside plots.

    Any other path as it is.
    """
    if path.is_file() or not takes_results(dataset.info):
        return path
    files = files_below(path, IMAGE_SUFFIXES | {".json"})
    results = [file for file in files if file.suffix.lower() == ".json"]
    if len(results) != 1 or match_files(dataset, SampleIds(ids), [f for f in files if f not in results], path)[0]:
        return path
    return results[0]


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
    values = first.values(dataset.info)
    if values.dtype == np.uint8 and values.max(initial=0) == 1:
        return (
            f"{first.path}: holds only 0 and 1 as 8-bit values, which are read as 0 and 1/255. "
            "If 1 means 'inside a cell', write 255 instead.",
        )
    return ()


def prediction_labels(prediction: Prediction, info: DatasetInfo) -> Array:
    """Label values (H, W): as predicted, or from probabilities (> 0.5 for a binary task, the likeliest class else)."""
    if prediction.labels is not None:
        return prediction.labels
    probabilities = np.asarray(prediction.probabilities)
    if probabilities.ndim == 2:
        return probabilities > 0.5
    return np.asarray(np.take([c.id for c in info.classes], np.argmax(probabilities, axis=0)))


def write_prediction(folder: Path, sample_id: str, prediction: Prediction, info: DatasetInfo) -> None:
    """Write one prediction as a PNG of label values (0 and 255 for a binary dataset): all that its scores depend on.

    The PNG is one of 16 bits where labels of the dataset, or numbers of instances, need them.

    Raises
    ------
    UserError
        For labels that are no 8-bit values, or none of 16 bits where the dataset has such labels.
    """
    numbered = info.task == "binary" and prediction.instances is not None
    values = numbers_in_16_bits(np.asarray(prediction.instances)) if numbered else prediction_labels(prediction, info)
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    binary = info.task == "binary" and not numbered
    most = 65535 if numbered else 1 if binary else 65535 if max(info.predictable | info.void) > 255 else 255
    if low < 0 or high > most:
        raise UserError(f"prediction of sample '{sample_id}' holds labels from {low} to {high}, which no PNG can keep")
    values = values.astype(np.uint8 if high < 256 else np.uint16) * (255 if binary else 1)
    with atomic_path(folder / f"{sample_id}.png") as temporary:
        Image.fromarray(values).save(temporary, format="PNG")


def write_stack(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write predictions as one multi-page TIFF of 32-bit probabilities, as the ISBI 2012 challenge takes it."""
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary) as tif:
        for prediction in predictions:
            values = prediction.probabilities if prediction.probabilities is not None else prediction.labels
            tif.write(np.asarray(values, np.float32), contiguous=False, metadata=None)
