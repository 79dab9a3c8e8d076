"""A comparison as a tidy table: a row for each pair of runs and score, of all classes together and of each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..types import UserError
from .comparison_document import ComparedGroup, Comparison
from .paired_difference import PairedDifference
from .tidy_csv import csv_text

COLUMNS = (
    *("dataset", "origin", "split", "n", "drawn", "compared", "a", "b", "score", "class", "unit", "higher_is_better"),
    *("value_a", "low_a", "high_a", "value_b", "low_b", "high_b", "difference", "low", "high", "p", "p_adjusted"),
    *("effect", "wins", "ties", "losses", "significant", "units", "few"),
)
"""`compared` says what a and b are: runs, or methods, which are means over seeds."""

_Value = tuple[float | None, float | None, float | None]
_OF_PAIR = ("p", "p_adjusted", "low", "high", "effect", "wins", "ties", "losses", "significant")


def comparison_rows(found: Comparison) -> list[dict[str, Any]]:
    """The rows, each with all of `COLUMNS`; None where something is undefined, or is not said of such a pair."""
    rows = [row for group in found.every_group for row in _rows(group)]
    return [{key: row.get(key) for key in COLUMNS} for row in rows]


def comparison_text(found: Comparison, path: Path) -> str:
    """The text of a file of a comparison, by the ending of its name: CSV of `comparison_rows`, or the whole as JSON."""
    if path.suffix.lower() == ".json":
        return found.to_json()
    return csv_text(COLUMNS, (list(row.values()) for row in comparison_rows(found)))


def refuse_ending(path: Path) -> None:
    """Raise UserError for a file whose name says no format, and for a folder."""
    if path.is_dir() or path.suffix.lower() not in (".csv", ".json"):
        what = "is a folder" if path.is_dir() else f"its ending '{path.suffix}' says no format"
        raise UserError(f"--out {path}: {what}; expected the name of a file that ends in .csv or .json")


def _rows(group: ComparedGroup) -> Iterator[dict[str, Any]]:
    data = {key: getattr(group, key) for key in ("dataset", "origin", "split", "n", "drawn")}
    data |= {"unit": group.unit, "higher_is_better": group.higher_is_better}
    runs = {row.label: (row.value, row.low, row.high) for row in group.runs}
    for pair in group.differences:
        yield data | {"compared": "runs", "score": group.score} | _pair(pair, runs)
    if group.methods is not None:
        methods = {row.label: (row.value, row.low, row.high) for row in group.methods}
        for pair in group.method_differences or ():
            yield data | {"compared": "methods", "score": group.score} | _pair(pair, methods)
    for row in group.by_class or ():
        sides = {label: getattr(row, label) for label in COLUMNS if label.endswith(("_a", "_b"))}
        about = {key: getattr(row, key) for key in ("score", "unit", "higher_is_better", "units", "few")}
        yield (
            data
            | {"compared": "runs" if group.methods is None else "methods", "class": row.name}
            | about
            | _pair(row, {})
            | sides
        )


def _pair(pair: PairedDifference, values: Mapping[str, _Value]) -> dict[str, Any]:
    row = {"a": pair.a, "b": pair.b, "difference": pair.value} | {key: getattr(pair, key) for key in _OF_PAIR}
    for side, label in (("a", pair.a), ("b", pair.b)):
        if label in values:
            row |= dict(zip((f"value_{side}", f"low_{side}", f"high_{side}"), values[label], strict=True))
    return row
