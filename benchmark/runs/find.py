"""Finding stored runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..types import UserError
from .record import RECORD, Record, read_record


def find_runs(paths: Sequence[Path]) -> list[tuple[Path, Record]]:
    """Run folders, or all run folders below a folder, with their records: each run once, in the order of their ids."""
    found: dict[tuple[str, str], tuple[Path, Record]] = {}
    for path in paths:
        if not path.exists():
            raise UserError(f"'{path}' does not exist; expected a run folder, or a folder of run folders")
        folders = [path] if path.is_file() else sorted(p.parent for p in path.rglob(RECORD))
        if not folders:
            raise UserError(f"no run folders below '{path}'. Make one with 'bench run' or 'bench evaluate'.")
        for folder in folders:
            record = read_record(folder)
            found[(record.run_id, record.created)] = (folder, record)
    return [found[key] for key in sorted(found)]
