"""Stored predictions, each checked against its sample and the form that it is exported to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..io.images.read import read_array
from ..types import Array, Dataset, DatasetInfo, UserError
from .export_format import ExportFormat
from .stored_reading import Page


def checked_maps(
    files: Mapping[str, Page], form: ExportFormat, info: DatasetInfo, dataset: Dataset | None
) -> Iterator[tuple[str, Array]]:
    """Sample ids with label maps, or pages with probabilities, each checked before it is handed on.

    Raises UserError for one that is wrong.
    """
    for name, (path, page) in files.items():
        values = read_array(path, page)
        form.check(name if info.stacked else str(path), values, info)
        if dataset is not None and not info.stacked:
            _check_size(path, values, dataset, name)
        yield name, values


def _check_size(path: Path, values: Array, dataset: Dataset, sample_id: str) -> None:
    sample = dataset.load(sample_id, ("image",) if dataset.files(sample_id, "image") else ("labels",))
    there = sample.image if sample.image is not None else sample.labels
    if there is not None and there.shape[:2] != values.shape:
        raise UserError(
            f"{path}: is {values.shape[0]} x {values.shape[1]}, sample '{sample_id}' is {there.shape[0]} x "
            f"{there.shape[1]} (height x width)"
        )
