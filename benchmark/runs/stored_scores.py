"""Scores of a stored run that are asked for by a name which its record does not hold: `iou@car`."""

from __future__ import annotations

from dataclasses import replace

from ..evaluation.class_scores import OF_CLASS, find_score
from ..evaluation.scoring import scores_of
from .stored import StoredRun


def with_score(run: StoredRun, name: str | None) -> StoredRun:
    """A run with a score of classes among its scores and families, computed from its statistics.

    Any other run as it is: what the record holds, and a name that no family knows. Nothing is written.

    Raises UserError for a class that there is not, and for a score that no family has of single classes.
    """
    if name is None or OF_CLASS not in name or name in run.record.scores or not run.record.scores:
        return run
    found = find_score(run.metrics, run.info, name)
    if found is None:
        return run
    family, _ = found
    scores = run.record.scores | scores_of(family, run.statistics.of(family.name), run.info)
    return replace(run, record=run.record.model_copy(update={"scores": scores}), metrics=(*run.metrics, family))
