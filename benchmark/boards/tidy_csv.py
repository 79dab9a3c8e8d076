"""Tidy tables as CSV: a row for each thing, a column for what is known of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ..text import no_formula, printable, whole_characters


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A header and rows as CSV. No cell begins a formula; what is undefined (None) is empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(_cell, header))
    writer.writerows(map(_cell, row) for row in rows)
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return no_formula(printable(" ".join(whole_characters(value).split())))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value
