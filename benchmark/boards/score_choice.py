"""A score of stored runs by its name, with the family that gives it."""

from __future__ import annotations

from collections.abc import Sequence

from ..runs.stored import StoredRun
from ..types import Metric, ScoreInfo, UserError


def score_of(run: StoredRun, name: str | None) -> tuple[Metric, ScoreInfo]:
    """A score by its name, the main one by default, with its family. Raises UserError where the run has none such."""
    name = name or run.record.main_score
    available = {score.name: (metric, score) for metric in run.metrics for score in metric.scores}
    if name not in available:
        raise UserError(no_score(name, [list(available)]))
    return available[name]


def score_names(run: StoredRun) -> list[str]:
    """The names of all scores of a run's families."""
    return [score.name for metric in run.metrics for score in metric.scores]


def no_score(name: str, of_runs: Sequence[Sequence[str]]) -> str:
    """That no run has a score of this name, and which scores all of them have; of those without a common one, any."""
    every = dict.fromkeys(each for names in of_runs for each in names)
    common = [each for each in every if all(each in names for names in of_runs)]
    return f"'{name}' is no score of these runs. Available: {', '.join(common or every)}."


def score_of_all(runs: Sequence[StoredRun], name: str | None) -> tuple[Metric, ScoreInfo]:
    """As `score_of` of the first run that has the score; raises UserError where another one lacks it."""
    name = name or runs[0].record.main_score
    holder = next((run for run in runs if name in score_names(run)), None)
    if holder is None:
        raise UserError(no_score(name, [score_names(run) for run in runs]))
    metric, info = score_of(holder, name)
    for run in runs:
        if info.name not in run.record.scores:
            raise UserError(f"'{run.folder}' has no score '{info.name}'; score it with the family '{metric.name}'")
    return metric, info
