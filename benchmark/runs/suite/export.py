"""A suite as a table: a row for each cell with what it is, how far it is, scores with intervals, and costs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...io.atomic import output_path
from ...io.collector import collector_paused
from ...io.documents import Document
from ..record import Record
from ..stored import read_whole_record
from .spec import Cell
from .state import CellState, SuiteState

SUFFIXES = (".csv", ".json", ".parquet")

Row = dict[str, Any]


class SuiteTable(Document):
    """A table that `bench suite --export` has written: a row for each cell, and how many of them are done."""

    file: str
    cells: int
    done: int


def refuse_other_suffix(path: Path) -> None:
    """Raise UserError for a file that is none of the kinds of tables."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"--export {path}: the name says what is written; expected it to end in {', '.join(SUFFIXES)}")


@collector_paused()
def rows_of(state: SuiteState, folder: Path, planned: Mapping[str, Cell]) -> list[Row]:
    """A row for each cell of a suite's folder, all with the same columns.

    Scores and costs are those of complete records: a cell that is under way has none, nor one whose record or
    statistics are damaged. `planned` has the cells of the suite's file by name; one that is no more in it has its
    record alone to say what it is.
    """
    rows = [_row(cell, folder, planned.get(name)) for name, cell in state.cells.items()]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return [{column: row.get(column) for column in columns} for row in rows]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV, JSON or Parquet, as the file's name says; atomically. What is not known is empty, or null."""
    refuse_other_suffix(path)
    with output_path(path) as temporary:
        if path.suffix.lower() == ".csv":
            with temporary.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]) if rows else [])
                writer.writeheader()
                writer.writerows(rows)
        elif path.suffix.lower() == ".json":
            temporary.write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist(list(rows)), temporary)


def _row(own: CellState, folder: Path, cell: Cell | None) -> Row:
    record = _record(folder / own.folder) if own.status == "done" else None
    return {
        "cell": own.name,
        **_what_it_is(cell, record),
        "status": own.status,
        "exit_status": own.exit_status,
        "error": own.error or None,
        "place": own.place or None,
        "job": own.job or None,
        "started": own.started,
        "seconds": own.seconds,
        **({} if record is None else _what_came_out(record)),
        "folder": str(folder / own.folder),
    }


def _record(folder: Path) -> Record | None:
    try:
        record = read_whole_record(folder)
    except UserError:
        return None
    return record if record.complete else None


def _what_it_is(cell: Cell | None, record: Record | None) -> Row:
    if cell is not None:
        return {
            "dataset": cell.dataset,
            "options": _text(cell.options),
            "method": cell.method,
            "label": cell.label,
            "settings": _text(cell.settings),
            "preset": cell.preset,
            "seed": cell.seed,
            "folds": cell.folds,
            "train_fraction": cell.train_fraction,
            "train_on": cell.train_on,
            "corruption": cell.corrupt,
        }
    if record is None:
        return {}
    return {
        "dataset": record.dataset.name,
        "options": _text(record.dataset.options),
        "method": record.method.name,
        "preset": record.method.preset,
        "seed": record.method.seed,
        "folds": record.dataset.folds,
        "train_fraction": record.method.train_fraction,
        "train_on": record.method.train_on or "train",
        "corruption": record.method.corruption,
    }


def _text(settings: Mapping[str, Any]) -> str | None:
    return json.dumps(settings, sort_keys=True) if settings else None


def _what_came_out(record: Record) -> Row:
    scores: Row = {}
    for name, score in record.scores.items():
        scores |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
    return {
        "run_id": record.run_id,
        "origin": record.dataset.origin,
        "split": record.dataset.split,
        "n": record.dataset.n,
        "family": record.method.family,
        "n_train": record.method.n_train,
        "main_score": record.main_score,
        **scores,
        **record.cost.model_dump(),
    }
