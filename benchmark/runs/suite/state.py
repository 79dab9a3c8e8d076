"""What is known of a suite's cells between two sittings: `suite.json`, and which cells are done, missing or stale."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ...io.atomic import write_text
from ...registry import dataset_class, make_method, method_class
from ...types import DatasetInfo, UserError
from ..current import Ingredients, changed
from ..folder import RECORD
from ..identity import without_places
from ..presets import resolve
from ..record import Record, read_record
from ..stored import refuse_without_evidence
from .spec import Cell

STATE = "suite.json"
SCHEMA_VERSION = 1

Status = Literal["waiting", "running", "done", "failed", "interrupted"]
Standing = Literal["done", "missing", "unfinished", "stale"]


class CellState(BaseModel):
    """One cell in `suite.json`; `code_sha256` is the code that it was begun with.

    `place` says for people where it runs or ran, `job` is what a scheduler calls it; both are empty on this machine.
    """

    model_config = ConfigDict(extra="allow")

    name: str
    status: Status = "waiting"
    folder: str = ""
    log: str = ""
    command: str = ""
    code_sha256: str | None = None
    place: str = ""
    job: str = ""
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
    cell: Cell,
    folder: Path,
    state: CellState | None,
    code: str | None,
    data: Callable[[Ingredients], Ingredients],
) -> tuple[Standing, str]:
    """Where a cell stands, and why it is stale.

    `missing` has no record. `stale` was begun with other code (unless `code` is None: any code will do), another
    resolved configuration, other data or other metric versions than it would be now. `unfinished` is neither, but not
    complete, or it lost its statistics: `bench run --resume` resumes it. The rest is `done`. `data` adds the data, and
    is asked last, as it reads files.
    """
    if not (folder / RECORD).is_file():
        return "missing", ""
    try:
        record = read_record(folder)
    except UserError as error:
        return "stale", f"its record cannot be read ({error})"
    now = _ingredients(cell, code)
    was = replace(Ingredients.of(record), code=None if state is None else state.code_sha256)
    if difference := changed(was, now) or changed(was, data(now)):
        return "stale", difference
    return ("done", "") if record.complete and _is_whole(folder, record) else ("unfinished", "")


def _is_whole(folder: Path, record: Record) -> bool:
    try:
        refuse_without_evidence(folder, record)
    except UserError:
        return False
    return True


def _ingredients(cell: Cell, code: str | None) -> Ingredients:
    """What a cell's result would be made from now, but for its data."""
    cls, method = dataset_class(cell.dataset), method_class(cell.method).info
    made = make_method(cell.method, resolve(cell.preset, method, cls.info, cell.settings)[0])
    data: DatasetInfo = cls.info
    # The splits of a self-defined dataset are known only with its data.
    split = None if cls.self_defined else "all" if cell.folds else cell.split or data.default_split
    return Ingredients(
        dataset=(data.name, data.version),
        method=method.name,
        preset=cell.preset,
        seed=cell.seed,
        folds=cell.folds if method.trains else None,
        train_fraction=cell.train_fraction,
        config=without_places(make_method(cell.method, made.resolved(data)).config),
        split=split,
        code=code,
    )
