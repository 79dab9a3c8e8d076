"""Tidy tables as CSV: one row per observation, one column per variable."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

from ..evaluation.confusion_table import ConfusionTable
from ..text import no_formula, printable, whole_characters


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A header and rows as CSV. No cell begins a formula; what is undefined (None) is empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(_cell, header))
    writer.writerows(map(_cell, row) for row in rows)
    return file.getvalue()


def confusion_csv(table: ConfusionTable, *, shares: bool) -> str:
    """A confusion matrix: names of predicted classes in the header, a row for each true class.

    `shares` : rows over their sums, empty for a class without true pixels, in place of pixels.
    """
    numbers = table.shares.tolist() if shares else table.pixels.tolist()
    rows = (
        [name, *(None if math.isnan(value) else value for value in row)]
        for name, row in zip(table.truth, numbers, strict=True)
    )
    return csv_text(["truth", *table.predicted], rows)


def _cell(value: object) -> object:
    if isinstance(value, str):
        return no_formula(printable(" ".join(whole_characters(value).split())))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value
