"""The baseline of the regression gate: which run succeeds which, and how runs become the new baseline."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..io.atomic import atomic_path
from ..runs.find import FoundRun, find_runs, run_folders
from ..runs.folder import RECORD, STATISTICS
from ..runs.record import Record, read_record
from ..runs.stored import open_run
from ..types import UserError

Warn = Callable[[str], None]


class Pair(NamedTuple):
    """A run of the baseline and its successor, with what they have in common."""

    name: str
    baseline: Path
    run: Path


def method_identity(record: Record) -> tuple[str, ...]:
    """What makes a run the successor of another: the same data and the same method, whatever its settings are now."""
    data, method = record.dataset, record.method
    options = ", ".join(f"{k}={v}" for k, v in sorted(data.options.items()))
    protocol = f"{data.folds} folds" if data.folds else data.split
    fraction = "" if method.train_fraction in (None, 1.0) else f"{method.train_fraction:g} of labels"
    seed = "" if not method.seed else f"seed {method.seed}"
    return tuple(filter(None, (data.name, data.origin, protocol, options, method.name, method.preset, fraction, seed)))


def pairs_of(baseline: Path, runs: Path, warn: Warn) -> list[Pair]:
    """Every run of the baseline with its successor.

    Raises
    ------
    UserError
        For a baseline without a complete run, and a run that is missing or one of several.
    """
    before = _by_method(baseline, "baseline", warn)
    if not before:
        raise UserError(f"no complete run below '{baseline}'. Write one with 'bench check --update'.")
    now = _by_method(runs, "runs to check", warn)
    pairs = []
    for key, old in before.items():
        name = " ".join(key)
        for found, where in ((old, baseline), (now.get(key, []), runs)):
            if len(found) > 1:
                names = ", ".join(run.folder.name for run in found[:3])
                raise UserError(f"{len(found)} runs of {name} below '{where}' ({names}); name the one to be checked")
        if key not in now:
            raise UserError(f"no complete run of {name} below '{runs}', but the baseline has one. Run it first.")
        pairs.append(Pair(name, old[0].folder, now[key][0].folder))
    return pairs


def update_baseline(baseline: Path, runs: Path, warn: Warn) -> list[Path]:
    """Copy the records and statistics of runs into the baseline, where each replaces its predecessors; the new folders.

    Raises
    ------
    UserError
        Where there is no complete run, several of one method, or one that cannot be checked against.
    """
    now = _by_method(runs, "runs to keep", warn)
    if not now:
        raise UserError(f"no complete run below '{runs}' to make a baseline of")
    for key, found in now.items():
        if len(found) > 1:
            raise UserError(f"{len(found)} runs of {' '.join(key)} below '{runs}'; keep the one to be the baseline")
    for (run,) in now.values():
        open_run(run.folder)  # a run that cannot be checked against is no baseline
    baseline.mkdir(parents=True, exist_ok=True)
    before = [(folder, read_record(folder)) for folder in run_folders(baseline)]
    written = []
    for key, (run,) in now.items():
        target = baseline / run.folder.name
        for name in (STATISTICS, RECORD):
            with atomic_path(target / name) as temporary:
                shutil.copyfile(run.folder / name, temporary)
        for folder, old in before:
            if old.complete and method_identity(old) == key and folder.resolve() != target.resolve():
                _remove(folder)
        written.append(target)
    return written


def _by_method(path: Path, what: str, warn: Warn) -> dict[tuple[str, ...], list[FoundRun]]:
    """The complete runs below a folder by what makes one the successor of another."""
    if not path.is_dir():
        raise UserError(f"'{path}' is no folder; expected the {what}: run folders, or a folder of them")
    found: dict[tuple[str, ...], list[FoundRun]] = {}
    for run in find_runs([path], warn, may_be_none=True):
        if run.record.complete:
            found.setdefault(method_identity(run.record), []).append(run)
    return found


def _remove(folder: Path) -> None:
    for name in (RECORD, STATISTICS):
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
