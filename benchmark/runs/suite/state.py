"""The state of a suite between two calls: `suite.json`, and which cells are done, missing or stale."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from ...io.atomic import is_temporary, naming, write_text
from ...io.locks import LOCK
from ...io.text_files import parse_json
from ...types import UserError
from ..current import Ingredients, changed
from ..folder import RECORD
from ..record import Record, read_record
from ..stored import refuse_without_evidence

STATE = "suite.json"
JOURNAL = "suite.journal"
SCHEMA_VERSION = 1
CELLS_PER_NOTE = 100
"""A suite of up to so many cells has no journal; of n times as many, the whole is written at every n-th change."""

Status = Literal["waiting", "running", "done", "failed", "interrupted"]
Standing = Literal["done", "missing", "unfinished", "stale"]


class CellState(BaseModel):
    """One cell in `suite.json`; `code_sha256` is the code that it was begun with.

    `short` is what people call it. `place` says for them where it runs or ran, `job` is what a scheduler calls it; both
    are empty on this machine. `expected_s` is what it was expected to take.
    """

    model_config = ConfigDict(extra="allow")

    name: str
    short: str = ""
    status: Status = "waiting"
    folder: str = ""
    log: str = ""
    command: str = ""
    code_sha256: str | None = None
    place: str = ""
    job: str = ""
    expected_s: float | None = None
    started: str | None = None
    seconds: float | None = None
    exit_status: int | None = None
    error: str = ""


class Driver(BaseModel):
    """Which process ran the suite last, since when and until when; the folder's lock says whether it still does.

    `ended` is "" of one that runs, and of one that was killed.
    """

    host: str
    process: int
    begun: str
    ended: str = ""


class SuiteState(BaseModel):
    """`suite.json`: the suite, the code and every cell that was ever planned in its folder.

    `resume` is the command that goes on with it. That file is written whole. Of a large suite it would be megabytes at
    every cell that begins or ends, so between two such writings these are lines of a journal beside it, which belongs
    to the `revision` that it was begun with.
    """

    model_config = ConfigDict(extra="allow")

    schema_version: int = SCHEMA_VERSION
    suite: str
    file: str
    created: str
    updated: str
    revision: int = 0
    resume: str = ""
    driver: Driver | None = None
    environment: dict[str, Any] = {}
    cells: dict[str, CellState] = {}
    _noted: int = PrivateAttr(0)

    def write(self, folder: Path) -> None:
        """Write it atomically, with all that the journal says."""
        self.updated = now()
        self.revision += 1
        self._noted = 0
        write_text(folder / STATE, json.dumps(self.model_dump(mode="json"), indent=2) + "\n")
        (folder / JOURNAL).unlink(missing_ok=True)

    def note(self, folder: Path, cell: CellState) -> None:
        """Write down that one of its cells has changed, which takes as long for a large suite as for a small one."""
        self._noted += 1
        if self._noted >= len(self.cells) / CELLS_PER_NOTE:
            self.write(folder)
            return
        lines: list[dict[str, Any]] = [] if self._noted > 1 else [{"revision": self.revision}]
        lines.append({"at": now(), "cell": cell.model_dump(mode="json")})
        with naming(folder / JOURNAL), (folder / JOURNAL).open("ab" if self._noted > 1 else "wb") as journal:
            journal.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def _follow(self, journal: bytes) -> None:
        """Take over what a journal says; a line that a killed process has not finished says nothing."""
        try:
            first, *lines = [parse_json(line) for line in journal.split(b"\n")[:-1]]
            if first["revision"] == self.revision:
                for line in lines:
                    cell = CellState.model_validate(line["cell"])
                    self.cells[cell.name], self.updated = cell, str(line["at"])
        except (ValueError, KeyError, TypeError):
            return


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
        if folder.exists() and (not folder.is_dir() or any(map(_is_foreign, folder.iterdir()))):
            raise UserError(
                f"'{folder}' is not empty and no folder of a suite (it has no {STATE}); choose another --out"
            )
        return None
    text, journal = _read_both(path, folder / JOURNAL)
    try:
        state = SuiteState.model_validate(parse_json(text))
    except ValidationError as error:
        first = error.errors()[0]
        raise _wrong(path, ".".join(map(str, first["loc"])) or "the file", first["msg"]) from None
    except (ValueError, RecursionError) as error:
        raise _wrong(path, "the file", str(error)) from None
    if state.schema_version != SCHEMA_VERSION:
        raise UserError(f"{path}: has schema version {state.schema_version}; this segbench reads {SCHEMA_VERSION}")
    state._follow(journal)
    return state


def _wrong(path: Path, what: str, reason: str) -> UserError:
    return UserError(f"{path}: '{what}' is wrong: {reason}. Choose another --out, or delete the folder to begin again.")


def _is_foreign(path: Path) -> bool:
    """Whether a suite that has only just begun, or was killed then, does not leave this."""
    return path.name != LOCK and not is_temporary(path)


def _read_both(path: Path, journal: Path) -> tuple[bytes, bytes]:
    """The state and its journal as they were at one moment, while another process may write them."""
    while True:
        before = path.stat()
        text = path.read_bytes()
        try:
            noted = journal.read_bytes()
        except FileNotFoundError:
            noted = b""
        after = path.stat()
        if (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns):
            return text, noted


def standing(
    folder: Path, state: CellState, now: Ingredients, with_data: Callable[[Ingredients], Ingredients]
) -> tuple[Standing, str]:
    """Where the cell of a run folder stands, and why it is stale.

    `missing` has no record. `stale` was begun with other code (unless that is not asked), another resolved
    configuration, other data or other metric versions than it would be `now`. `unfinished` is neither, but not
    complete, or it lost its statistics: `bench run --resume` resumes it. The rest is `done`. `with_data` adds the data,
    and is asked last, as it reads files.
    """
    if not (folder / RECORD).is_file():
        return "missing", ""
    try:
        record = read_record(folder)
    except UserError as error:
        return "stale", f"its record cannot be read ({error})"
    was = replace(Ingredients.of(record), code=state.code_sha256)
    if difference := changed(was, now) or changed(was, with_data(now)):
        return "stale", difference
    return ("done", "") if _is_whole(folder, record) else ("unfinished", "")


def is_whole(folder: Path) -> bool:
    """Whether a run folder has a complete record and what it rests on, of whatever data and code."""
    try:
        return _is_whole(folder, read_record(folder))
    except UserError:
        return False


def _is_whole(folder: Path, record: Record) -> bool:
    try:
        refuse_without_evidence(folder, record)
    except UserError:
        return False
    return record.complete
