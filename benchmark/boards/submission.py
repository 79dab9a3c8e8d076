"""Whether a submitted run may stand on a board: its folder, its record, and what its neighbours were scored on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..evaluation.statistics import Statistics
from ..runs.folder import RECORD, STATISTICS
from ..runs.record import Record, read_record
from ..runs.stored import StoredRun, open_run
from ..runs.stored_checks import Check
from ..runs.versions import other_versions
from .comparable import differing

SUBMITTED = frozenset({RECORD, STATISTICS})
"""The files that a submitted run folder holds."""


def form_checks(run: StoredRun) -> list[Check]:
    """What a board asks of the folder and the record of a run."""
    record = run.record
    extra = sorted(path.name for path in run.folder.iterdir() if path.name not in SUBMITTED)
    official = run.info.splits.get(record.dataset.split)
    size = official.official_size if official is not None and record.dataset.origin == "real" else None
    commit = record.environment.commit
    return [
        Check.of("folder", run.folder.resolve().name == record.run_id, f"is to be called {record.run_id}"),
        Check.of(
            "files", not extra, f"only {RECORD} and {STATISTICS} belong here" + (f", not {extra[0]}" if extra else "")
        ),
        Check.of("complete", record.complete and bool(record.scores), "the whole split was scored"),
        Check.of("oracle", not record.method.oracle, "a method that uses ground truth is never ranked"),
        Check.of(
            "size", size is None or record.dataset.n == size, f"{record.dataset.n} samples, official {size or 'any'}"
        ),
        Check.of("finite", _sound(run.statistics), "statistics are numbers, and counts are not negative"),
        Check.of("command", bool(record.command.strip()), "the command that makes it again is given"),
        Check.of("commit", None if record.environment.dirty or not commit else True, _commit(record)),
    ]


def _commit(record: Record) -> str:
    if not record.environment.commit:
        return "not known which version of segbench made it"
    return f"made by {record.environment.commit[:12]}" + (
        " with uncommitted changes" if record.environment.dirty else ""
    )


def _sound(statistics: Statistics) -> bool:
    """Whether no number is infinite and no count negative."""
    for item in statistics:
        for values in item.columns.values():
            if values.dtype.kind in "iu" and values.size and int(values.min()) < 0:
                return False
            if values.dtype.kind == "f" and np.isinf(values).any():
                return False
    return True


def neighbour_checks(run: StoredRun, neighbours: Sequence[StoredRun]) -> list[Check]:
    """Whether a run was scored on what its neighbours were scored on."""
    checks = []
    same = [other for other in neighbours if not differing(other.record, run.record)]
    if neighbours:
        detail = f"comparable with {len(same)} of {len(neighbours)} runs of this split beside it"
        checks.append(Check.of("comparable", True if same else None, detail))
    mine = _true_pixels(run)
    for other in same[:1]:
        theirs = _true_pixels(other)
        wrong = [i for i in sorted(mine.keys() | theirs.keys()) if mine.get(i) != theirs.get(i)]
        detail = f"of {len(mine)} samples as in {other.record.run_id}"
        if wrong:
            detail = f"pixels per true class of {wrong[0]} are others than in {other.record.run_id}"
        checks.append(Check.of("truth", not wrong, detail))
    return checks


def _true_pixels(run: StoredRun) -> Mapping[str, dict[int, int]]:
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


def neighbours_of(folder: Path, record: Record) -> Iterator[StoredRun]:
    """Runs of the same data and split that lie beside a run; copies of itself and runs of other versions are left out.

    Raises
    ------
    UserError
        If one of them cannot be read.
    """
    mine = folder.resolve()
    for path in sorted(mine.parent.glob(f"*/{RECORD}")):
        if path.parent == mine or not (path.parent / STATISTICS).is_file():
            continue
        other = read_record(path.parent)
        if other.run_id != record.run_id and _split(other) == _split(record) and not other_versions(other):
            yield open_run(path.parent)


def _split(record: Record) -> tuple[str, str, str]:
    return record.dataset.name, record.dataset.split, record.dataset.origin
