"""Scores, intervals and per-class tables: pure functions of the stored statistics."""

from __future__ import annotations

from collections.abc import Sequence

from .intervals import resampling_unit, score_intervals
from .records import Score, defined
from .statistics import Statistics
from .types import DatasetInfo, Metric

PerClass = dict[str, dict[str, float | None]]


def score(statistics: Statistics, metrics: Sequence[Metric], info: DatasetInfo) -> tuple[dict[str, Score], PerClass]:
    """Every score of every family with its interval, and the per-class table."""
    scores: dict[str, Score] = {}
    per_class: PerClass = {}
    for metric in metrics:
        mine = statistics.of(metric.name)
        values = metric.compute(mine, info)
        intervals = score_intervals(metric, mine, info)
        unit = resampling_unit([s.group for s in mine]) if len(mine) > 1 else None
        for what in metric.scores:
            low, high = intervals[what.name]
            scores[what.name] = Score(
                value=defined(values[what.name]),
                low=defined(low),
                high=defined(high),
                unit=what.unit,
                higher_is_better=what.higher_is_better,
                n=len(mine),
                resampled=unit,
            )
        for name, row in metric.per_class(mine, info).items():
            per_class.setdefault(name, {}).update({key: defined(value) for key, value in row.items()})
    return scores, per_class
