"""`bench leaderboard --validate`: may a submitted run folder stand on a board? Nothing but the folder is needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..boards.comparable import Comparable
from ..evaluation.statistics import Statistics
from ..io.reporter import Reporter
from ..runs.record import RECORD, STATISTICS, Record, read_record
from ..runs.stored import Check, StoredRun, open_run, stored_checks

WANTED = frozenset({RECORD, STATISTICS})


def validate(folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Recompute what can be recomputed from a run's statistics, and hold its samples and truth against its neighbours.

    Neighbours are the run folders beside it. What only the predictions could prove is not checked: say in the pull
    request where they can be had.

    Raises
    ------
    UserError
        If it is no run folder, cannot be read, or was made with another version of its dataset or metrics.
    """
    run = open_run(folder)
    neighbours = list(_neighbours(folder, run.record))
    if not neighbours:
        reporter.say("no comparable run beside it: samples and truth were held against nothing")
    checks = [*_form(run), *stored_checks(run), *_against(run, neighbours)]
    return {
        "run_id": run.record.run_id,
        "ok": all(check.ok is not False for check in checks),
        "checks": [vars(check) for check in checks],
    }


def _form(run: StoredRun) -> list[Check]:
    """What a board asks of a record."""
    record = run.record
    extra = sorted(path.name for path in run.folder.iterdir() if path.name not in WANTED)
    official = run.info.splits.get(record.dataset.split)
    size = official.official_size if official is not None and record.dataset.origin == "real" else None
    commit = record.environment.commit
    return [
        Check("folder", run.folder.resolve().name == record.run_id, f"is to be called {record.run_id}"),
        Check(
            "files", not extra, f"only {RECORD} and {STATISTICS} belong here" + (f", not {extra[0]}" if extra else "")
        ),
        Check("complete", record.complete and bool(record.scores), "the whole split was scored"),
        Check("oracle", not record.method.oracle, "a method that was told the truth is never ranked"),
        Check(
            "size", size is None or record.dataset.n == size, f"{record.dataset.n} samples, official {size or 'any'}"
        ),
        Check("finite", _finite(run.statistics), "statistics are numbers, and counts are not negative"),
        Check("command", bool(record.command.strip()), "the command that makes it again is given"),
        Check("commit", None if record.environment.dirty or not commit else True, _commit(record)),
    ]


def _commit(record: Record) -> str:
    if not record.environment.commit:
        return "not known which version of segbench made it"
    return f"made by {record.environment.commit[:12]}" + (
        " with uncommitted changes" if record.environment.dirty else ""
    )


def _finite(statistics: Statistics) -> bool:
    for item in statistics:
        for values in item.columns.values():
            if values.dtype.kind in "iu" and values.size and int(values.min()) < 0:
                return False
            if values.dtype.kind == "f" and np.isinf(values).any():
                return False
    return True


def _neighbours(folder: Path, record: Record) -> Iterator[StoredRun]:
    """Comparable runs beside a run."""
    mine = folder.resolve()
    for path in sorted(mine.parent.glob(f"*/{RECORD}")):
        if path.parent == mine or not (path.parent / STATISTICS).is_file():
            continue
        other = read_record(path.parent)
        if (other.dataset.name, other.dataset.split) == (record.dataset.name, record.dataset.split) and (
            other.dataset.origin == record.dataset.origin
        ):
            yield open_run(path.parent)


def _against(run: StoredRun, neighbours: Sequence[StoredRun]) -> list[Check]:
    """Whether the run was scored on what its neighbours were scored on."""
    checks = []
    same = [other for other in neighbours if Comparable.of(other.record) == Comparable.of(run.record)]
    if neighbours:
        detail = f"comparable with {len(same)} of {len(neighbours)} runs of this split beside it"
        checks.append(Check("comparable", True if same else None, detail))
    mine = _truth(run)
    for other in same[:1]:
        theirs = _truth(other)
        differing = [i for i in sorted(mine.keys() | theirs.keys()) if mine.get(i) != theirs.get(i)]
        detail = f"of {len(mine)} samples as in {other.record.run_id}"
        if differing:
            detail = f"pixels per true class of {differing[0]} are others than in {other.record.run_id}"
        checks.append(Check("truth", not differing, detail))
    return checks


def _truth(run: StoredRun) -> Mapping[str, dict[int, int]]:
    """Pixels of every true label by sample, from the families that count pairs of labels."""
    found: dict[str, dict[int, int]] = {}
    for item in run.statistics:
        if {"truth", "pixels"} <= item.columns.keys():
            counts = found.setdefault(item.sample_id, {})
            if counts:
                continue
            for label, pixels in zip(item.columns["truth"].tolist(), item.columns["pixels"].tolist(), strict=True):
                if not math.isnan(pixels):
                    counts[int(label)] = counts.get(int(label), 0) + int(pixels)
    return found
