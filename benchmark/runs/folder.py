"""The folder of a run: what lies in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..io.locks import LOCK
from ..types import UserError

RECORD, STATISTICS, LOG, CONFIG = "record.json", "statistics.parquet", "log.txt", "config.yaml"
PREDICTIONS, CHECKPOINT, PLOTS = "predictions", "checkpoint", "plots"
SHOWN = "shown"
"""Predictions of a few samples, for a report, where not all were kept."""
TRACKING = "tracking"
"""What the run was logged to, where that was asked for."""
INSTANCES = "instances.csv"
"""A row for each instance, where they were asked for."""
SIGNATURE = f"{RECORD}.sig"
"""A signature of the record, which somebody who vouches for it may have put beside it."""
RUN_FILES = frozenset(
    {RECORD, STATISTICS, LOG, CONFIG, PREDICTIONS, SHOWN, CHECKPOINT, PLOTS, TRACKING, INSTANCES, SIGNATURE, LOCK}
)
"""All that a run folder may hold."""

MAX_NAME = 200
"""Characters of the name of a run."""
NAME_PATTERN = rf"[A-Za-z0-9_-][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}"
"""A name of a folder that means the same in an address and on any disk, and never a place above."""


def _refuse_place(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        shown = name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…"
        told = (
            "'{name}' is no name of a folder; expected 1 to {most} letters, digits and ._-, of which '.' is not first"
        )
        raise PydanticCustomError("folder_name", told, {"name": shown, "most": MAX_NAME})
    return name


FolderName = Annotated[
    str, AfterValidator(_refuse_place), WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"})
]
"""The id of a run, which a folder may be called."""


def beside(folder: Path) -> Path:
    """Where a run is made that is to take the place of a finished one; hidden, so that nobody takes it for a result."""
    return folder.resolve().with_name(f".{folder.resolve().name}.new")


def refuse_foreign(folder: Path) -> None:
    """A folder is a run's when it is empty, or has our lock and nothing that a run does not write.

    Raises UserError for any other folder, and for a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"'{folder}' is a file; it is to be a run folder")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    foreign = [name for name in names if name not in RUN_FILES and not (name.startswith(".") and name.endswith(".tmp"))]
    if foreign or (names and LOCK not in names):
        raise UserError(
            f"'{folder}' is not empty and no run folder (it holds '{(foreign or names)[0]}'); choose another"
        )
