"""Which ranks on a board could be otherwise: spans from paired tests of the stored statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..evaluation.comparison import Paired
from ..runs.record import Record
from ..runs.stored import open_run
from ..types import UserError
from .comparable import Comparable, ranks
from .seed_groups import rows_of

MOST = 30
"""More runs than these on one board are not tested pair by pair: their number of pairs grows with the square."""

Span = tuple[int, int]
Key = tuple[str, str]
Spans = Mapping[Key, Span]


def key_of(record: Record) -> Key:
    """What tells a record from all others."""
    return record.run_id, record.created


def rank_spans(found: Sequence[tuple[Path, Record]]) -> dict[Key, Span]:
    """First and last rank of every run that was tested against all comparable ones, from run folders and their records.

    Rows of several seeds are tested with their middle run. Left out are runs on a part of the labels, those whose
    statistics are not there or were made by another version, and boards of over 30 runs.
    """
    groups: dict[Comparable, list[tuple[Path, Record]]] = {}
    for folder, record in found:
        whole = record.method.train_fraction in (None, 1.0)
        if ranks(record) and whole and record.scores.get(record.main_score) is not None:
            groups.setdefault(Comparable.of(record), []).append((folder, record))
    spans: dict[Key, Span] = {}
    for members in groups.values():
        middle = {key_of(row.middle) for row in rows_of(record for _, record in members)}
        if 2 <= len(middle) <= MOST:
            spans |= _tested([folder for folder, record in members if key_of(record) in middle])
    return spans


def _tested(folders: Sequence[Path]) -> Mapping[Key, Span]:
    try:
        runs = [open_run(folder) for folder in folders]
    except UserError:
        return {}
    main = runs[0].record.main_score
    metric, score = next((m, s) for m in runs[0].metrics for s in m.scores if s.name == main)
    sides = tuple(tuple(run.statistics.of(metric.name)) for run in runs)
    # Adjusted for so many pairs, only small p values matter, and those are the t test's: few permutations do.
    paired = Paired(metric, runs[0].info, score, sides, resamples=500)
    found = paired.rank_intervals(paired.tested())
    return {key_of(run.record): span for run, span in zip(runs, found, strict=True)}
