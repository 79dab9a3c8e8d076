"""`bench compare`: which run is better, by how much, and whether it could be chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..boards.compare_runs import CompareRequest, compare_stored
from ..io.reporter import Reporter
from ..runs.record import RECORD
from ..runs.stored import StoredRun, open_run
from ..types import UserError


def compare(request: CompareRequest, reporter: Reporter) -> dict[str, Any]:
    """Compare two runs or more that were scored on the same samples.

    Raises
    ------
    UserError
        For fewer than two runs, runs that are not comparable (with the reason), or a score that one of them lacks.
    """
    return compare_stored(_open(request.runs), request, reporter)


def _open(paths: Sequence[Path]) -> list[StoredRun]:
    """Run folders, or all run folders below a folder, each once."""
    folders: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"'{path}' does not exist; expected a run folder, or a folder of run folders")
        single = path.is_file() or (path / RECORD).is_file()
        folders += [path] if single else sorted(p.parent for p in path.rglob(RECORD))
    runs: dict[str, StoredRun] = {}
    for folder in folders:
        run = open_run(folder)
        runs.setdefault(run.record.run_id, run)
    if len(runs) < 2:
        found = f"only '{next(iter(runs))}'" if runs else "none"
        raise UserError(f"a comparison takes two runs or more, found {found}. For example: bench compare runs/A runs/B")
    return list(runs.values())
