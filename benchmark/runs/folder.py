"""The folder of a run: who may write to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..io.locks import LOCK, exclusive
from ..types import UserError
from .record import OWN, RECORD, Record, read_record


@contextmanager
def locked(folder: Path, run_id: str) -> Iterator[None]:
    """Keep a run folder to this process while a run is written to it; freed when the process dies.

    Raises
    ------
    UserError
        If another process holds it, or it holds anything but this very run, begun or done: nothing else is ever
        written over.
    """
    refuse_foreign(folder)
    busy = f"another run is writing to '{folder}'. Wait for it to end, or choose another folder with --out."
    with exclusive(folder / LOCK, busy):
        earlier_run(folder, run_id)
        yield


def earlier_run(folder: Path, run_id: str) -> Record | None:
    """The record of an earlier run of the same identity in a folder, None where there is none yet.

    Raises UserError where it holds another run.
    """
    if not (folder / RECORD).is_file():
        return None
    record = read_record(folder)
    if record.run_id != run_id:
        raise UserError(
            f"'{folder}' holds another run ({record.run_id}) than the one asked for ({run_id}): data, method or "
            "settings differ. Choose another folder with --out, or resume that run with its own command."
        )
    return record


def refuse_foreign(folder: Path) -> None:
    """A folder is a run's when it is empty, or has our lock and nothing that a run does not write."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"'{folder}' is a file; it is to be a run folder")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    foreign = [name for name in names if name not in OWN and not (name.startswith(".") and name.endswith(".tmp"))]
    if foreign or (names and LOCK not in names):
        raise UserError(
            f"'{folder}' is not empty and no run folder (it holds '{(foreign or names)[0]}'); choose another"
        )
