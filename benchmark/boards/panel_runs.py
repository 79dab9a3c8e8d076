"""The runs whose predictions are shown side by side in the figure of a paper, and their scores on every sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..evaluation.comparison import Paired
from ..runs.find import run_folders
from ..runs.record import Record
from ..runs.stored import StoredRun, open_run, read_whole_record
from ..text import some
from ..types import Float64, ScoreInfo, UserError
from .comparable import best_first, differing
from .score_choice import score_of


@dataclass(frozen=True)
class ScoresBySample:
    """The main score, the ids of the samples (n,) and the score of every run on every sample alone, (runs, n) float64.

    `info` is None, and there are no samples, of runs on a split without public labels.
    """

    info: ScoreInfo | None
    ids: tuple[str, ...]
    values: Float64


def panel_runs(folders: Sequence[Path], left_out: Callable[[str], None]) -> list[StoredRun]:
    """Open the runs of a figure: in the order in which they are named, those of one folder from the best on.

    `left_out` is told of each run that has not finished, where others have.

    Raises
    ------
    UserError
        Where a path holds no run, none has finished, one cannot be read, or two were not scored on the same samples.
    """
    found: dict[str, tuple[Path, Record]] = {}
    for place in folders:
        below = [(folder, read_whole_record(folder)) for folder in run_folders(place)]
        if not below:
            raise UserError(f"no run folders below '{place}'. Make one with 'bench run' or 'bench evaluate'.")
        for folder, record in sorted(below, key=lambda run: best_first(run[1])):
            found.setdefault(record.run_id, (folder, record))
    runs = [(folder, record) for folder, record in found.values() if record.complete or record.scores]
    for folder, record in found.values():
        if not (record.complete or record.scores):
            finish = f"'{folder}' has not finished. Finish it: {record.command_in(folder, '--resume')}"
            if not runs:
                raise UserError(finish)
            left_out(f"not in the figure: {finish}")
    _refuse_others([record for _, record in runs])
    return [open_run(folder) for folder, _ in runs]


def _refuse_others(records: Sequence[Record]) -> None:
    """Raise UserError where runs were not scored on the samples of the first: the first difference, and all names."""
    first, apart = records[0], [record for record in records if differing(records[0], record)]
    if not apart:
        return
    what, (mine, theirs) = next(iter(differing(first, apart[0]).items()))
    together = [record.run_id for record in records if record not in apart]
    sides = f" Together are {some(together)}; apart from them {some([record.run_id for record in apart])}."
    raise UserError(
        f"{first.run_id} and {apart[0].run_id} were not scored on the same samples: {what} differs ('{mine}' and "
        f"'{theirs}'). A figure shows each sample with the prediction of every run: name runs of one dataset and "
        f"split, scored with the same labels.{sides if len(records) > 2 else ''}"
    )


def sample_scores(runs: Sequence[StoredRun]) -> ScoresBySample:
    """The main score of comparable runs on every sample."""
    if not runs[0].record.scores:
        return ScoresBySample(None, (), np.zeros((len(runs), 0)))
    metric, info = score_of(runs[0], None)
    statistics = tuple(tuple(run.statistics.of(metric.name)) for run in runs)
    paired = Paired(metric, runs[0].info, info, statistics)
    return ScoresBySample(info, tuple(s.sample_id for s in statistics[0]), paired.per_sample)
