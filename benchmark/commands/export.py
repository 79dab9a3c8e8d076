"""`bench export`: the stored predictions of a run in the form that an official server or tool takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

from ..io.documents import Document
from ..io.fingerprints import ids_sha256
from ..io.reporter import Reporter
from ..predictions.export_checks import checked_maps
from ..predictions.export_format import ExportedRun, ExportFormat, export_format, export_formats
from ..predictions.stored_reading import StoredPredictions
from ..registry import dataset_class
from ..runs.folder import PREDICTIONS
from ..runs.open_data import open_dataset
from ..runs.record import Record
from ..runs.request import ExportRequest as ExportRequest
from ..runs.stored import read_whole_record
from ..text import unknown
from ..types import Dataset, DatasetInfo, UserError

_A = TypeVar("_A")


class Exported(Document):
    """What was written."""

    format: str
    run_id: str
    split: str
    origin: Literal["real", "synthetic"]
    n: int
    out: str


def export(request: ExportRequest, reporter: Reporter) -> Exported:
    """Do what `bench export` says; returns what was written.

    Raises
    ------
    UserError
        If the run keeps no predictions, has not finished, or is of another dataset than the format; nothing is
        written then.
    """
    formats = export_formats()
    if request.format not in formats:
        raise UserError(unknown("format", request.format, formats))
    record = read_whole_record(request.run)
    info: DatasetInfo = dataset_class(record.dataset.name).info
    form = _form(request, info, formats)
    _refuse_incomplete(request.run, record)
    data = record.dataset
    if any(name in info.panoptic_metrics for name in record.metrics):
        raise UserError(
            f"'{request.run}' holds predicted segments, of which nothing is to be converted: "
            f"'{PREDICTIONS}/panoptic.json' and the PNG files beside it are what the official tools take."
        )
    stored = StoredPredictions(
        request.run / PREDICTIONS, data.split, data.n, data.ids_sha256, record.command_in(request.run)
    )
    objects = any(name in info.object_metrics for name in record.metrics)
    files = {} if objects else stored.maps(info)
    dataset = _opened(request, record, info, reporter)
    if data.origin == "synthetic":
        reporter.warn("these are predictions of SYNTHETIC data, which no official server knows")
    with reporter.progress("exporting") as update:
        if objects:
            found = stored.objects(info, dataset)
            form.write_objects(request.out, _counted(found, lambda done: update(done, data.n, "")))
        else:
            maps = _counted(checked_maps(files, form, info, dataset), lambda done: update(done, data.n, ""))
            form.write(request.out, maps, ExportedRun(info, data.split, request.comp))
    return Exported(
        format=request.format,
        run_id=record.run_id,
        split=data.split,
        origin=data.origin,
        n=data.n,
        out=str(request.out),
    )


def _form(request: ExportRequest, info: DatasetInfo, formats: Iterable[str]) -> ExportFormat:
    """The form that was asked for, if the run's dataset has it and it can be written there."""
    if request.format not in info.export_formats:
        own = " or ".join(info.export_formats)
        raise UserError(
            f"'{request.run}' is a run on {info.name}, whose predictions have no {request.format} form. "
            + (f"Use --format {own}." if own else f"There are {', '.join(formats)}.")
        )
    form = export_format(info, request.format)
    form.refuse_place(request.format, request.out)
    if request.out.resolve().is_relative_to(request.run.resolve()):
        raise UserError(
            f"--out '{request.out}' lies in the run folder, which holds the run alone; choose another place"
        )
    return form


def _refuse_incomplete(folder: Path, record: Record) -> None:
    """Only predictions of a whole split, which are there, can be exported."""
    if not record.complete and record.method.from_elsewhere:
        raise UserError(
            f"'{folder}' holds {record.dataset.n} predictions, a part of split '{record.dataset.split}' (--partial); "
            "the official form holds the whole split. Evaluate all of it."
        )
    if not record.complete:
        raise UserError(
            f"the run in '{folder}' has not finished; go on with it: {record.command_in(folder, '--resume')}"
        )
    if not (folder / PREDICTIONS).is_dir():
        raise UserError(
            f"'{folder}' keeps no predictions. Make them: {record.command_in(folder, '--save-predictions')}"
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


def _counted(pairs: Iterable[_A], progress: Callable[[int], None]) -> Iterator[_A]:
    for done, pair in enumerate(pairs, 1):
        yield pair
        progress(done)
