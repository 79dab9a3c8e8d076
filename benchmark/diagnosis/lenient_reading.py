"""Reading predictions that `bench evaluate` would refuse: lenient matching, and the sampled pixels of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np

from ..data.frame_numbers import natural
from ..errors import MemoryShortError
from ..io.images.read import IMAGE_SUFFIXES, count_pages
from ..io.listing import files_below
from ..predictions.cityscapes_instances import find_objects
from ..predictions.coco_results import StuffResults, find_results
from ..predictions.files import PredictionFile
from ..predictions.find import prediction_labels
from ..predictions.matching import SampleIds, match_files
from ..predictions.numbers import read_alike
from ..predictions.panoptic_results import Submission
from ..predictions.volumes import find_volumes, volumes_below
from ..types import Array, Dataset, DatasetInfo, Prediction, UserError
from .remedy_functions import RemedyFunction
from .sampled_pixels import VOID, SampledFile, Truth, apply

_NO_OBJECTS = "Objects with scores (JSON, *_pred.txt) are not diagnosed."
_STACKS = frozenset({".tif", ".tiff", ".npy", ".npz"})
_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True)
class StuffMap:
    """The label map of one image in a COCO results file; 255 where no class has a mask."""

    results: StuffResults
    info: DatasetInfo
    page: None = None

    @property
    def path(self) -> Path:
        """The file of all."""
        return self.results.path

    @property
    def paths(self) -> tuple[Path, ...]:
        """The one file."""
        return self.results.paths


File: TypeAlias = PredictionFile | StuffMap


@dataclass(frozen=True)
class Listing:
    """Prediction files in natural order of their names, and which sample each belongs to by name.

    `matching` holds the number of the (first) file of every sample that has one; `twice` all files of a sample that
    has several, `extra` files of none.
    """

    files: tuple[File, ...]
    names: tuple[str, ...]
    matching: Mapping[str, int]
    twice: Mapping[str, tuple[str, ...]]
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class Remedied:
    """A prediction file that goes through remedies before it is decoded; nothing is written."""

    file: File
    remedy_functions: tuple[RemedyFunction, ...]
    shape: tuple[int, int]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The one file."""
        return self.file.paths

    def read(self, dataset: Dataset) -> Prediction:
        """Decode what the remedies make of the raw values."""
        values = apply(read_raw(self.file, dataset), self.remedy_functions, self.shape)
        if isinstance(self.file, StuffMap):
            return Prediction(labels=values)
        return dataset.decode_prediction(self.file.as_meant(values), str(self.file.path))


def read_raw(file: File, dataset: Dataset) -> Array:
    """The values of a file before they are decoded; raises UserError where it cannot be decoded."""
    if isinstance(file, StuffMap):
        return file.results.label_map(file.info)
    return file.values(dataset.info)


def list_files(dataset: Dataset, ids: Sequence[str], path: Path) -> Listing:
    """Match files with samples as `bench evaluate` does, but collect what is odd rather than refuse it.

    Files are masks or numbers of objects as they are there.

    Raises
    ------
    UserError
        If there is nothing to look at.
    """
    if not path.exists():
        raise UserError(f"--predictions '{path}' does not exist")
    listing = _list_files(dataset, SampleIds(ids), path)
    maps = tuple(each for each in listing.files if isinstance(each, PredictionFile))
    alike = read_alike(dataset, ids, maps).files
    return replace(listing, files=alike) if len(alike) == len(listing.files) else listing


def _list_files(dataset: Dataset, ids: SampleIds, path: Path) -> Listing:
    if dataset.info.panoptic_metrics and Submission.at(path) is not None:
        raise UserError(
            f"'{path}' holds segments. 'bench evaluate' names what is wrong in them, 'bench doctor' takes label maps, "
            "masks and probabilities."
        )
    if volumes := volumes_below(path):
        slices = find_volumes(dataset, ids, volumes, path, partial=True).files
        files = tuple(each for each in slices.values() if isinstance(each, PredictionFile))
        names = tuple(f"{each.path.name}, slice {each.page}" for each in files)
        return Listing(files, names, {i: number for number, i in enumerate(slices)}, {})
    if path.is_file():
        return _stuff(dataset, ids, path) if path.suffix.lower() == ".json" else _stack(dataset, ids, path)
    if dataset.info.object_metrics and find_objects(dataset, ids, path, partial=True) is not None:
        raise _objects(path)
    found = files_below(path, IMAGE_SUFFIXES)
    if not found:
        raise UserError(
            f"no predictions below '{path}'. Expected images or arrays ({', '.join(sorted(IMAGE_SUFFIXES))}), one per "
            f"sample, named like {ids[0]}.png. {_NO_OBJECTS}"
        )
    if len(found) == 1 and len(ids) > 1 and found[0].suffix.lower() in _STACKS and _pages(found[0]) > 1:
        return _stack(dataset, ids, found[0])
    found.sort(key=lambda one: natural(str(one.relative_to(path))))
    matched, extra = match_files(dataset, ids, found, path)
    place = {one: number for number, one in enumerate(found)}
    names = tuple(str(one.relative_to(path)) for one in found)
    matching = {i: place[paths[0]] for i, paths in matched.items()}
    twice = {i: tuple(names[place[one]] for one in paths) for i, paths in matched.items() if len(paths) > 1}
    return Listing(tuple(PredictionFile(one) for one in found), names, matching, twice, tuple(extra))


def _stuff(dataset: Dataset, ids: Sequence[str], path: Path) -> Listing:
    """Label maps of a COCO results file; what `bench evaluate` refuses in it is refused here."""
    found = find_results(dataset, ids, path, partial=True)
    if found.kind == "objects":
        raise _objects(path)
    maps = {i: file for i, file in found.files.items() if isinstance(file, StuffResults)}
    files = tuple(StuffMap(file, dataset.info) for file in maps.values())
    names = tuple(f"{path.name}, image {i}" for i in maps)
    return Listing(files, names, {i: n for n, i in enumerate(maps)}, {})


def _objects(path: Path) -> UserError:
    return UserError(
        f"'{path}' holds objects. {_NO_OBJECTS} 'bench evaluate' names what is wrong in them, 'bench doctor' takes "
        "label maps, masks and probabilities."
    )


def _pages(path: Path) -> int:
    try:
        return count_pages(path)
    except UserError:
        return 1


def _stack(dataset: Dataset, ids: Sequence[str], path: Path) -> Listing:
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise UserError(f"{path}: is no image or array; expected {', '.join(sorted(IMAGE_SUFFIXES))}")
    pages = count_pages(path)
    files = tuple(PredictionFile(path, page if pages > 1 else None) for page in range(pages))
    names = tuple(f"{path.name}, page {page}" if pages > 1 else path.name for page in range(pages))
    whole = tuple(dataset.ids("all"))
    place = {i: n for n, i in enumerate(whole if pages == len(whole) and set(ids) <= set(whole) else ids)}
    matching = {i: place[i] for i in ids if place[i] < pages}
    return Listing(files, names, matching, {}, tuple(names[len(ids) :]) if pages > len(place) else ())


def sample_files(
    dataset: Dataset, files: Sequence[tuple[File, str]], grid: int, progress: Callable[[int], None]
) -> list[SampledFile | str]:
    """The sampled pixels of every file, or why there are none."""

    def sample(file: tuple[File, str]) -> SampledFile | str:
        source, name = file
        try:
            raw = read_raw(source, dataset)
        except MemoryShortError:
            raise
        except UserError as error:
            return str(error)
        found = SampledFile.of(name, raw, dataset.info, grid, _is_jpeg(source.path))
        return found or f"{name}: has shape {raw.shape} and {raw.dtype}; expected one map of height x width"

    return list(_each(sample, files, progress))


def sample_again(
    dataset: Dataset,
    files: Iterable[tuple[SampledFile | None, File, tuple[int, int]]],
    remedy_functions: Sequence[RemedyFunction],
) -> Iterator[SampledFile | None]:
    """The pixels of what the remedies leave of each file; with every file goes the size of its truth."""
    for seen, file, shape in files:
        again = None
        if seen is not None:
            values = apply(read_raw(file, dataset), remedy_functions, shape)
            again = SampledFile.of(seen.name, values, dataset.info, len(seen.values), seen.jpeg)
        yield again


def sample_truths(dataset: Dataset, ids: Sequence[str], grid: int, progress: Callable[[int], None]) -> list[Truth]:
    """The sampled pixels of the truth of every sample.

    Raises UserError naming a sample that has no ground truth.
    """

    def sample(sample_id: str) -> Truth:
        labels = dataset.load(sample_id, ("labels",)).labels
        if labels is None:
            raise UserError(f"sample '{sample_id}' has no ground truth, so it cannot be scored")
        return Truth.of(sample_id, labels, dataset.info.void, grid)

    return list(_each(sample, ids, progress))


def _each(sample: Callable[[_A], _B], items: Iterable[_A], progress: Callable[[int], None]) -> Iterator[_B]:
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done, found in enumerate(pool.map(sample, items), 1):
            progress(done)
            yield found


def full_size(
    dataset: Dataset, pairs: Iterable[tuple[str, File]], remedy_functions: Sequence[RemedyFunction]
) -> list[tuple[Array, tuple[int, int], Array]]:
    """Raw values after remedies, the size of the truth, and its labels (H, W) with -1 for void."""
    found = []
    for sample_id, file in pairs:
        labels = dataset.load(sample_id, ("labels",)).labels
        assert labels is not None
        truth = np.where(np.isin(labels, list(dataset.info.void)), VOID, labels.astype(np.int16))
        shape = (labels.shape[0], labels.shape[1])
        found.append((apply(read_raw(file, dataset), remedy_functions, shape), shape, truth))
    return found


def decoder(dataset: Dataset) -> Callable[[Array], Array | None]:
    """Labels (H, W) as the dataset reads them from raw values, None where it refuses them."""

    def decode(values: Array) -> Array | None:
        try:
            return prediction_labels(dataset.decode_prediction(values, "prediction"), dataset.info)
        except UserError:
            return None

    return decode


def _is_jpeg(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3) == b"\xff\xd8\xff"
