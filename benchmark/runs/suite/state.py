"""What is known of a suite's cells between two sittings: `suite.json`, and which cells are done, missing or stale."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ...io.atomic import write_text
from ...registry import dataset_class, make_method, method_class
from ...types import DatasetInfo, UserError
from ..folder import RECORD
from ..presets import resolve
from ..record import Record, read_record
from .spec import Cell

STATE = "suite.json"
SCHEMA_VERSION = 1

Status = Literal["waiting", "running", "done", "failed", "interrupted"]
Standing = Literal["done", "missing", "unfinished", "stale"]


class CellState(BaseModel):
    """One cell in `suite.json`; `code_sha256` is the code that it was begun with."""

    model_config = ConfigDict(extra="allow")

    name: str
    status: Status = "waiting"
    folder: str = ""
    log: str = ""
    command: str = ""
    code_sha256: str | None = None
    started: str | None = None
    seconds: float | None = None
    exit_status: int | None = None
    error: str = ""


class SuiteState(BaseModel):
    """`suite.json`: the suite, the code and every cell that was ever planned in its folder."""

    model_config = ConfigDict(extra="allow")

    schema_version: int = SCHEMA_VERSION
    suite: str
    file: str
    created: str
    updated: str
    environment: dict[str, Any] = {}
    cells: dict[str, CellState] = {}

    def write(self, folder: Path) -> None:
        """Write it atomically."""
        self.updated = now()
        write_text(folder / STATE, json.dumps(self.model_dump(mode="json"), indent=2) + "\n")


@dataclass(frozen=True)
class Data:
    """What of the data a cell's record must agree with: hashes of the scored truth, and of all that is used."""

    data_sha256: str
    inputs_sha256: str
    metrics: Mapping[str, str]


def now() -> str:
    """The time, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def read_state(folder: Path) -> SuiteState | None:
    """The state of a suite's folder, None for a new or empty one.

    Raises
    ------
    UserError
        If the folder holds something else, or its state cannot be read.
    """
    path = folder / STATE
    if not path.exists():
        if folder.exists() and (not folder.is_dir() or any(p.name != ".lock" for p in folder.iterdir())):
            raise UserError(
                f"'{folder}' is not empty and no folder of a suite (it has no {STATE}); choose another --out"
            )
        return None
    try:
        state = SuiteState.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"{path}: '{'.'.join(map(str, first['loc'])) or 'the file'}' is wrong: {first['msg']}. "
            "Choose another --out, or delete the folder to begin anew."
        ) from None
    if state.schema_version != SCHEMA_VERSION:
        raise UserError(f"{path}: has schema version {state.schema_version}; this segbench reads {SCHEMA_VERSION}")
    return state


def standing(
    cell: Cell, folder: Path, state: CellState | None, code: str | None, data: Callable[[], Data]
) -> tuple[Standing, str]:
    """Where a cell stands, and why it is stale.

    `missing` has no record. `stale` was begun with other code (unless `code` is None: any code will do), another
    resolved configuration, other data or other metric versions than it would be now. `unfinished` is neither, but not
    complete: `bench run --resume` resumes it. The rest is `done`. `data` is asked last, as it reads files.
    """
    if not (folder / RECORD).is_file():
        return "missing", ""
    try:
        record = read_record(folder)
    except UserError as error:
        return "stale", f"its record cannot be read ({error})"
    if code is not None and (state is None or state.code_sha256 != code):
        return "stale", "the code has changed"
    changed = _changed_setting(cell, record)
    if changed:
        return "stale", f"{changed} has changed"
    expected = data()
    if (record.dataset.data_sha256, record.dataset.inputs_sha256) != (expected.data_sha256, expected.inputs_sha256):
        return "stale", "the data has changed"
    if record.metrics != expected.metrics:
        return "stale", "a metric has another version"
    return ("done", "") if record.complete else ("unfinished", "")


def _changed_setting(cell: Cell, record: Record) -> str:
    """What of the configuration differs from the record; empty when all is equal."""
    cls, method = dataset_class(cell.dataset), method_class(cell.method).info
    data: DatasetInfo = cls.info
    config = dict(make_method(method.name, resolve(cell.preset, method, data, cell.settings)[0]).config)
    pairs: dict[str, tuple[Any, Any]] = {
        "the dataset": ((record.dataset.name, record.dataset.version), (data.name, data.version)),
        "the method": (record.method.name, method.name),
        "the preset": (record.method.preset, cell.preset),
        "the seed": (record.method.seed, cell.seed),
        "the number of folds": (record.dataset.folds, cell.folds),
        "the fraction of labels": (record.method.train_fraction, cell.train_fraction),
    }
    if not cls.self_defined:  # else its splits are known only with its data
        pairs["the split"] = (record.dataset.split, "all" if cell.folds else cell.split or data.default_split)
    for what, (was, is_now) in pairs.items():
        if was != is_now:
            return what
    mine, theirs = ({k: json.dumps(v, sort_keys=True) for k, v in c.items()} for c in (config, record.method.config))
    differing = sorted(key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key))
    return f"the setting {differing[0]}" if differing else ""
