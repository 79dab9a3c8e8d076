"""What of a stored run its record does not hold: scores by a name such as `iou@car`, and the confusion matrix."""

from __future__ import annotations

from dataclasses import replace

from ..evaluation.class_scores import OF_CLASS, ClassScore, find_score
from ..evaluation.confusion_table import ConfusionTable, confusion_table
from ..evaluation.scoring import scores_of
from ..metrics.pair_counts import PAIR_COLUMNS
from ..types import UserError
from .stored import StoredRun


def with_score(run: StoredRun, name: str | None) -> StoredRun:
    """A run with a score of classes among its scores and families, computed from its statistics.

    Any other run as it is: a name without `@`, and one that no family knows. What a record says of single classes under
    such a name is not believed. Nothing is written.

    Raises UserError for a class that there is not, and for a score that no family has of single classes.
    """
    if name is None or OF_CLASS not in name or not run.record.scores:
        return run
    found = find_score(run.metrics, run.info, name)
    if found is None:
        return run
    family, _ = found
    if not isinstance(family, ClassScore):  # a family's own score, whose name has an @
        return run
    scores = run.record.scores | scores_of(family, run.statistics.of(family.name), run.info)
    return replace(run, record=run.record.model_copy(update={"scores": scores}), metrics=(*run.metrics, family))


def confusion_of(run: StoredRun) -> ConfusionTable:
    """The confusion matrix of a run. Raises UserError where its statistics count no pairs of labels."""
    family = next((each for each in run.metrics if set(PAIR_COLUMNS) <= each.columns.keys()), None)
    if family is None:
        by = run.record.metrics
        raise UserError(
            f"'{run.folder}' has no confusion matrix: it was scored by {', '.join(by) or 'nothing'}, which "
            f"{'count' if len(by) > 1 else 'counts'} no pairs of labels. Score label maps with 'bench evaluate', with "
            "--metric overlap if need be."
        )
    return confusion_table(run.statistics.of(family.name), run.info)
