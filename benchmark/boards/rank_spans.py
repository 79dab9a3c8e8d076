"""Which ranks on a board could be otherwise: spans from paired tests of the stored statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..evaluation.comparison import Paired
from ..runs.find import FoundRun
from ..runs.stored import open_run
from ..types import UserError
from .comparable import MAX_TESTED, grouped
from .seed_groups import seed_groups

Span = tuple[int, int]
Spans = Mapping[str, Span]
"""First and last rank by run id."""


def rank_spans(found: Sequence[FoundRun]) -> dict[str, Span]:
    """First and last rank of every run that was tested against all comparable ones, from run folders and their records.

    Rows of several seeds are tested with their middle run. Left out are runs on a part of the labels, those whose
    statistics are not there or were made by another version, and boards of more runs than `MAX_TESTED`.
    """
    scored = [run for run in found if run.record.main is not None and run.record.method.train_fraction in (None, 1.0)]
    spans: dict[str, Span] = {}
    for members in grouped(scored, lambda run: run.record).values():
        middle = {group.middle.run_id for group in seed_groups(run.record for run in members)}
        if 2 <= len(middle) <= MAX_TESTED:
            spans |= _tested([run.folder for run in members if run.record.run_id in middle])
    return spans


def _tested(folders: Sequence[Path]) -> Spans:
    try:
        runs = [open_run(folder) for folder in folders]
    except UserError:
        return {}
    main = runs[0].record.main_score
    metric, score = next((m, s) for m in runs[0].metrics for s in m.scores if s.name == main)
    sides = tuple(tuple(run.statistics.of(metric.name)) for run in runs)
    # With p adjusted for all pairs only small values matter, and those are the t test's: few permutations do.
    paired = Paired(metric, runs[0].info, score, sides, resamples=500)
    found = paired.rank_intervals(paired.tested())
    return {run.record.run_id: span for run, span in zip(runs, found, strict=True)}
