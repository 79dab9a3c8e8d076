"""The index of a results repository: which runs lie in a folder, and the size and the SHA-256 of their files.

Whoever puts the folder on a web server needs nothing else there: `bench leaderboard https://…/index.json` reads it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ..io.atomic import write_text
from ..io.documents import Document
from ..io.fingerprints import file_sha256
from ..types import UserError
from .find import run_folders
from .folder import NAME_PATTERN, RECORD, SIGNATURE, STATISTICS, FolderName
from .stored import read_whole_record

INDEX = "index.json"
INDEX_VERSION: Literal[1] = 1
MAX_RUNS = 10_000
MAX_FILE_BYTES = 256 * 1024**2
"""Of a record or a file of statistics; those of a large dataset take a tenth."""

FileName = Literal["record.json", "statistics.parquet", "record.json.sig"]


class IndexedFile(Document):
    """One file of a run."""

    size: int = Field(ge=0, le=MAX_FILE_BYTES)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class IndexedRun(Document):
    """A run: its id, its folder as seen from the index, and its files by name."""

    run_id: FolderName
    folder: Annotated[str, StringConstraints(pattern=rf"^{NAME_PATTERN}(?:/{NAME_PATTERN}){{0,7}}$")]
    files: dict[FileName, IndexedFile]


class ResultsIndex(Document):
    """All runs of a results repository, in the order of their ids; `index_version` says which form it has."""

    index_version: Literal[1] = INDEX_VERSION
    runs: list[IndexedRun] = Field(max_length=MAX_RUNS)


def write_index(folder: Path) -> ResultsIndex:
    """Write `index.json` of all finished runs below a folder; equal runs give equal bytes.

    Raises
    ------
    UserError
        Where there is no finished run, one lies there twice or cannot be read, or a folder has a name that an address
        would have to escape.
    """
    runs = [indexed for each in run_folders(folder) if (indexed := _indexed(each, folder)) is not None]
    if not runs:
        raise UserError(f"there is no finished run below '{folder}'. Put one there: bench publish RUN --to {folder}")
    runs.sort(key=lambda run: run.run_id)
    _refuse_twice(runs)
    index = ResultsIndex(runs=runs)
    write_text(folder / INDEX, index.to_json())
    return index


def _indexed(folder: Path, root: Path) -> IndexedRun | None:
    record = read_whole_record(folder)
    if not record.complete:
        return None
    place = folder.relative_to(root).as_posix()
    if not re.fullmatch(rf"{NAME_PATTERN}(?:/{NAME_PATTERN}){{0,7}}", place):
        raise UserError(
            f"'{folder}' has a name that cannot stand in an index: expected a folder below '{root}' whose name has "
            f"letters, digits and ._- only. Rename it to {record.run_id}."
        )
    files = {name: folder / name for name in (RECORD, STATISTICS, SIGNATURE) if (folder / name).is_file()}
    held = {name: IndexedFile(size=path.stat().st_size, sha256=file_sha256(path)) for name, path in files.items()}
    return IndexedRun.model_validate({"run_id": record.run_id, "folder": place, "files": held})


def _refuse_twice(runs: Sequence[IndexedRun]) -> None:
    for one, other in pairwise(runs):
        if one.run_id == other.run_id:
            raise UserError(f"{one.run_id} lies in '{one.folder}' and in '{other.folder}'; remove one of them")
