"""`bench export`: a run's predictions in the form that an official server or tool takes, or the run for MLflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import SerializerFunctionWrapHandler, model_serializer

from ..io.documents import Document, without_none
from ..io.fingerprints import ids_sha256
from ..io.reporter import Reporter
from ..predictions.export_checks import checked_maps
from ..predictions.export_format import ExportedRun, ExportFormat, export_format, export_formats
from ..predictions.stored_reading import StoredPredictions
from ..registry import dataset_class
from ..runs.folder import PREDICTIONS
from ..runs.open_data import open_dataset
from ..runs.record import Record
from ..runs.stored import read_whole_record
from ..runs.stored_requests import ExportRequest as ExportRequest
from ..runs.tracking.mlflow_export import export_to_mlflow
from ..text import unknown
from ..types import Dataset, DatasetInfo, UserError

_A = TypeVar("_A")


MLFLOW = "mlflow"
"""The form that is of the run itself, and not of its predictions."""


class Exported(Document):
    """What was written. `mlflow_run_id` and `new` (false: it was there) are of a run for MLflow alone."""

    format: str
    run_id: str
    split: str
    origin: Literal["real", "synthetic"]
    n: int
    out: str
    mlflow_run_id: str | None = None
    new: bool | None = None

    @model_serializer(mode="wrap")
    def _of_mlflow_where_it_is(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "mlflow_run_id", "new")


def export(request: ExportRequest, reporter: Reporter) -> Exported:
    """Do what `bench export` says; returns what was written.

    Raises
    ------
    UserError
        If the run keeps no predictions, has not finished, or is of another dataset than the format; nothing is
        written then.
    """
    formats = export_formats()
    if request.format not in (*formats, MLFLOW):
        raise UserError(unknown("format", request.format, [*formats, MLFLOW]))
    record = read_whole_record(request.run)
    if request.format == MLFLOW:
        return _to_mlflow(request, record)
    info: DatasetInfo = dataset_class(record.dataset.name).info
    form, out = _form(request, info, formats)
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
            form.write_objects(out, _counted(found, lambda done: update(done, data.n, "")))
        else:
            maps = _counted(checked_maps(files, form, info, dataset), lambda done: update(done, data.n, ""))
            form.write(out, maps, ExportedRun(info, data.split, request.comp))
    return Exported(
        format=request.format,
        run_id=record.run_id,
        split=data.split,
        origin=data.origin,
        n=data.n,
        out=str(out),
    )


def _form(request: ExportRequest, info: DatasetInfo, formats: Iterable[str]) -> tuple[ExportFormat, Path]:
    """The form that was asked for, if the run's dataset has it, and where it is written, if it can be."""
    if request.format not in info.export_formats:
        own = " or ".join(info.export_formats)
        raise UserError(
            f"'{request.run}' is a run on {info.name}, whose predictions have no {request.format} form. "
            + (f"Use --format {own}." if own else f"There are {', '.join(formats)}.")
        )
    form = export_format(info, request.format)
    if request.out is None:
        raise UserError(f"--format {request.format} needs --out, where the predictions go")
    form.refuse_place(request.format, request.out)
    _refuse_run_folder(request.run, request.out)
    return form, request.out


def _to_mlflow(request: ExportRequest, record: Record) -> Exported:
    """The run itself, as one of MLflow's."""
    if request.root is not None or request.comp != ExportRequest.comp:
        raise UserError("--root and --comp are of predictions; --format mlflow exports the run: leave them out")
    _refuse_unfinished(request.run, record)
    if request.out is not None:
        _refuse_run_folder(request.run, request.out)
    made = export_to_mlflow(request.run if request.run.is_dir() else request.run.parent, record, request.out)
    data = record.dataset
    return Exported(
        format=MLFLOW,
        run_id=record.run_id,
        split=data.split,
        origin=data.origin,
        n=data.n,
        out=made.uri,
        mlflow_run_id=made.run_id,
        new=made.new,
    )


def _refuse_run_folder(run: Path, out: Path) -> None:
    if out.resolve().is_relative_to(run.resolve()):
        raise UserError(f"--out '{out}' lies in the run folder, which holds the run alone; choose another place")


def _refuse_incomplete(folder: Path, record: Record) -> None:
    """Only predictions of a whole split, which are there, can be exported."""
    if not record.complete and record.method.from_elsewhere:
        raise UserError(
            f"'{folder}' holds {record.dataset.n} predictions, a part of split '{record.dataset.split}' (--partial); "
            "the official form holds the whole split. Evaluate all of it."
        )
    _refuse_unfinished(folder, record)
    if not (folder / PREDICTIONS).is_dir():
        raise UserError(
            f"'{folder}' keeps no predictions. Make them: {record.command_in(folder, '--save-predictions')}"
        )


def _refuse_unfinished(folder: Path, record: Record) -> None:
    if not record.complete and not record.method.from_elsewhere:
        raise UserError(
            f"the run in '{folder}' has not finished; go on with it: {record.command_in(folder, '--resume')}"
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
