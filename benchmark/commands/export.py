"""`bench export`: the stored predictions of a run in the form that an official server or tool takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..io.fingerprints import ids_sha256
from ..io.images.read import count_pages, read_array
from ..io.reporter import Reporter
from ..predictions.cityscapes_instances import LIST, read_list
from ..predictions.find import find_predictions, write_stack
from ..predictions.official_formats import write_cityscapes, write_cityscapes_objects, write_voc2012
from ..predictions.stored import RESULTS
from ..registry import dataset_class
from ..runs.open_data import open_dataset
from ..runs.record import PREDICTIONS, Record, read_record
from ..text import unknown
from ..types import Array, Dataset, DatasetInfo, Object, Prediction, UserError

FORMATS = ("cityscapes", "cocostuff", "isbi2012", "voc2012")
_TIFF = (".tif", ".tiff")


@dataclass(frozen=True)
class ExportRequest:
    """What the user asked for, as on the command line."""

    run: Path
    format: str
    out: Path
    root: Path | None = None
    comp: int = 5


def export(request: ExportRequest, reporter: Reporter) -> dict[str, Any]:
    """Do what `bench export` says; returns what was written.

    Raises
    ------
    UserError
        If the run keeps no predictions, has not finished, or is of another dataset than the format; nothing is
        written then.
    """
    if request.format not in FORMATS:
        raise UserError(unknown("format", request.format, FORMATS))
    record = read_record(request.run)
    info: DatasetInfo = dataset_class(record.dataset.name).info
    if info.name != request.format:
        raise UserError(
            f"'{request.run}' is a run on {info.name}, whose predictions have no {request.format} form. "
            + (f"Use --format {info.name}." if info.name in FORMATS else f"There are {', '.join(FORMATS)}.")
        )
    _refuse_place(request)
    _refuse_incomplete(request.run, record)
    total = record.dataset.n
    objects = any(name in info.object_metrics for name in record.metrics)
    files = {} if objects else _stored(request.run, record, info)
    dataset = _opened(request, record, info, reporter)
    if record.dataset.origin == "synthetic":
        reporter.warn("these are predictions of SYNTHETIC data, which no official server knows")
    with reporter.progress("exporting") as update:
        if objects:
            pairs = _objects(request.run, record, info, dataset)
            _write_objects(request.out, _counted(pairs, lambda done: update(done, total, "")), info)
        else:
            _write(request, record, info, _checked(files, info, dataset, lambda done: update(done, total, "")))
    return {
        "format": request.format,
        "run_id": record.run_id,
        "split": record.dataset.split,
        "origin": record.dataset.origin,
        "n": total,
        "out": str(request.out),
    }


def _write(request: ExportRequest, record: Record, info: DatasetInfo, pairs: Iterator[tuple[str, Array]]) -> None:
    if info.name == "cityscapes":
        write_cityscapes(request.out, pairs)
    elif info.name == "voc2012":
        write_voc2012(request.out, pairs, record.dataset.split, request.comp)
    elif info.name == "isbi2012":
        write_stack(request.out, (Prediction(probabilities=values) for _, values in pairs))
    else:
        from ..predictions.coco_results import write_stuff_results

        write_stuff_results(request.out, pairs, info)


def _write_objects(out: Path, pairs: Iterator[tuple[str, Sequence[Object]]], info: DatasetInfo) -> None:
    if info.name == "cityscapes":
        write_cityscapes_objects(out, pairs)
    else:
        from ..predictions.coco_results import write_object_results

        write_object_results(out, pairs)


def _counted(pairs: Iterable[tuple[str, Sequence[Object]]], progress: Callable[[int], None]) -> Iterator[Any]:
    for done, pair in enumerate(pairs, 1):
        yield pair
        progress(done)


def _refuse_place(request: ExportRequest) -> None:
    suffixes = {"isbi2012": _TIFF, "cocostuff": (".json",)}.get(request.format)
    if suffixes is not None and request.out.suffix.lower() not in suffixes:
        raise UserError(
            f"--out '{request.out}': the form of {request.format} is a file; end its name with {suffixes[0]}"
        )
    if request.out.is_dir() and request.format != "cityscapes":
        raise UserError(f"--out '{request.out}' is a folder; the form of {request.format} is one file")
    if request.out.resolve().is_relative_to(request.run.resolve()):
        raise UserError(
            f"--out '{request.out}' lies in the run folder, which holds the run alone; choose another place"
        )


def _refuse_incomplete(folder: Path, record: Record) -> None:
    """Only predictions of a whole split, which are there, can be exported."""
    if not record.complete and record.method.family == "external":
        raise UserError(
            f"'{folder}' holds {record.dataset.n} predictions, a part of split '{record.dataset.split}' (--partial); "
            "the official form holds the whole split. Evaluate all of it."
        )
    if not record.complete:
        raise UserError(
            f"the run in '{folder}' has not finished; go on with it: {record.command} --out {folder} --resume"
        )
    if not (folder / PREDICTIONS).is_dir():
        raise UserError(f"'{folder}' keeps no predictions. Make them: {record.command} --save-predictions")


def _stored(folder: Path, record: Record, info: DatasetInfo) -> Mapping[str, tuple[Path, int | None]]:
    """File and page of every stored map, by sample id; of a stack by page."""
    place = folder / PREDICTIONS
    stack = place / f"{record.dataset.split}.tif"
    if info.stacked and stack.exists():
        pages = count_pages(stack)
        found: dict[str, tuple[Path, int | None]] = {
            f"{stack}, page {page}": (stack, page if pages > 1 else None) for page in range(pages)
        }
        whole = pages == record.dataset.n
    else:
        found = {path.stem: (path, None) for path in sorted(place.glob("*.tif" if info.stacked else "*.png"))}
        whole = ids_sha256(tuple(found)) == record.dataset.ids_sha256
    if not whole:
        raise _other_samples(folder, record, len(found))
    return found


def _objects(
    folder: Path, record: Record, info: DatasetInfo, dataset: Dataset | None
) -> Iterator[tuple[str, Sequence[Object]]]:
    """Sample ids with the stored objects, at the size of the truth where there is a dataset."""
    place = folder / PREDICTIONS
    if dataset is not None:
        found = find_predictions(dataset, dataset.ids(record.dataset.split), place)
        return ((i, source.read(dataset).objects or ()) for i, source in found.files.items())
    if info.name == "cityscapes":
        lists = {path.name.removesuffix(LIST): path for path in sorted(place.glob(f"*{LIST}"))}
        if ids_sha256(tuple(lists)) != record.dataset.ids_sha256:
            raise _other_samples(folder, record, len(lists))
        return ((i, tuple(listed.read() for listed in read_list(path, place, info, {}))) for i, path in lists.items())
    from ..predictions.coco_results import read_object_results

    images = read_object_results(place / RESULTS, info)
    if len(images) > record.dataset.n:
        raise _other_samples(folder, record, len(images))
    return ((image_id, results.objects()) for image_id, results in images.items())


def _other_samples(folder: Path, record: Record, found: int) -> UserError:
    return UserError(
        f"'{folder / PREDICTIONS}' holds {found} predictions, not those of the run's {record.dataset.n} "
        f"samples. Make the run again: {record.command}"
    )


def _opened(request: ExportRequest, record: Record, info: DatasetInfo, reporter: Reporter) -> Dataset | None:
    """The dataset below --root, to check sizes against; the stored predictions alone are enough to export."""
    if request.root is None:
        return None
    options = record.dataset.options
    dataset, _ = open_dataset(info.name, request.root, "auto", options, reporter, may_synthesize=False)
    if ids_sha256(dataset.ids(record.dataset.split)) != record.dataset.ids_sha256:
        raise UserError(f"split '{record.dataset.split}' below '{request.root}' holds other samples than the run")
    return dataset


def _checked(
    files: Mapping[str, tuple[Path, int | None]],
    info: DatasetInfo,
    dataset: Dataset | None,
    progress: Callable[[int], None],
) -> Iterator[tuple[str, Array]]:
    """Sample ids with label maps, or pages with probabilities, each looked at before it is handed on."""
    for done, (name, (path, page)) in enumerate(files.items(), 1):
        values = read_array(path, page)
        if info.stacked:
            _check_probabilities(name, values)
        else:
            _check_labels(path, values, info)
            if dataset is not None:
                _check_size(path, values, dataset, name)
        yield name, values
        progress(done)


def _check_labels(path: Path, values: Array, info: DatasetInfo) -> None:
    """Official tools refuse, or score wrongly, a label that is none of the dataset's, void truth or not."""
    if values.ndim != 2 or values.dtype != np.uint8:
        raise UserError(f"{path}: is of shape {values.shape} and {values.dtype}; expected 8-bit label values")
    held = set(np.unique(values).tolist())
    if info.name == "cocostuff" and held > {info.ignore_label}:
        held.discard(info.ignore_label)  # a pixel without a mask, which its form can say, but not of every pixel
    foreign = sorted(held - info.predictable)
    if foreign:
        raise UserError(
            f"{path}: holds the label values {', '.join(map(str, foreign[:8]))}, which {info.name} does not take. "
            "Its official tool would refuse or mis-score it."
        )


def _check_probabilities(name: str, values: Array) -> None:
    if values.ndim != 2 or values.dtype != np.float32 or not ((values >= 0) & (values <= 1)).all():
        raise UserError(f"{name}: is of shape {values.shape} and {values.dtype}; expected 32-bit floats in 0..1")


def _check_size(path: Path, values: Array, dataset: Dataset, sample_id: str) -> None:
    sample = dataset.load(sample_id, ("image",) if dataset.files(sample_id, "image") else ("labels",))
    there = sample.image if sample.image is not None else sample.labels
    if there is not None and there.shape[:2] != values.shape:
        raise UserError(
            f"{path}: is {values.shape[0]} x {values.shape[1]}, sample '{sample_id}' is {there.shape[0]} x "
            f"{there.shape[1]} (height x width)"
        )
