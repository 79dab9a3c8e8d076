"""Scores, intervals and tables: pure functions of the stored statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._former_names import former_names
from ..text import counted, named, some
from ..types import AbsentClasses, DatasetInfo, Metric, Statistic, UserError
from .class_intervals import UNITS, intervals_with_classes, units_that_hold
from .intervals import score_intervals
from .resampling import Units
from .scores import Score, defined
from .statistics import Statistics

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)

Table = dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Scored:
    """Every score of every family with its interval, the tables per class and per category, and blocks by family.

    class_intervals : by class the ends of the intervals of its scores, and how many of what is drawn truly hold it.
    absent : what counts 0 in a score without being in any true mask, by the score's name.
    """

    scores: dict[str, Score] = field(default_factory=dict)
    per_class: Table = field(default_factory=dict)
    per_category: Table = field(default_factory=dict)
    class_intervals: Table = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, AbsentClasses] = field(default_factory=dict)


def score(statistics: Statistics, metrics: Sequence[Metric], info: DatasetInfo) -> Scored:
    """Scores and tables of all families, in their order. Raises UserError for a family that computes other scores."""
    result = Scored()
    for metric in metrics:
        mine = statistics.of(metric.name)
        values = _values(metric, mine, info)
        intervals, by_class = intervals_with_classes(metric, mine, info)
        own = _scores(metric, mine, values, intervals)
        result.scores.update(own)
        for name in own:
            if absent := metric.absent_classes(mine, info, name):
                result.absent[name] = absent
        _add(result.per_class, metric.per_class(mine, info))
        _add(result.per_category, metric.per_category(mine, info))
        _add_intervals(result, by_class)
        block = metric.details(
            mine,
            info,
            {name: found.value for name, found in own.items()},
            {name: (found.low, found.high) for name, found in own.items()},
        )
        if block:
            result.details[metric.name] = block
    _count_units(result, statistics, metrics, info)
    return result


def scores_of(metric: Metric, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, Score]:
    """Every score of one family. Raises UserError where it computes other scores than it declares."""
    values = _values(metric, statistics, info)
    return _scores(metric, statistics, values, score_intervals(metric, statistics, info))


def _values(metric: Metric, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
    """The scores of a family. Raises UserError where it computes other scores than it declares."""
    values = metric.compute(statistics, info)
    declared = [what.name for what in metric.scores]
    if not set(values) >= set(declared):
        found = ", ".join(values) or "none"
        raise UserError(f"metric '{metric.name}': compute returned {found}; it declares {', '.join(declared)}")
    return values


def _scores(
    metric: Metric,
    statistics: Sequence[Statistic],
    values: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]],
) -> dict[str, Score]:
    units = Units.of(metric, statistics)
    return {
        what.name: Score(
            value=defined(values[what.name]),
            low=defined(intervals[what.name][0]),
            high=defined(intervals[what.name][1]),
            unit=what.unit,
            higher_is_better=what.higher_is_better,
            n=len(statistics),
            resampled=None if units.count < 2 else "groups" if units.name == "groups" else "samples",
        )
        for what in metric.scores
    }


def class_intervals_of(statistics: Statistics, metrics: Sequence[Metric], info: DatasetInfo) -> Table:
    """The intervals of classes alone, as `score` has them."""
    result = Scored()
    for metric in metrics:
        if metric.class_scores:
            _add_intervals(result, intervals_with_classes(metric, statistics.of(metric.name), info)[1])
    _count_units(result, statistics, metrics, info)
    return result.class_intervals


def _add_intervals(result: Scored, by_class: Table) -> None:
    for name, row in by_class.items():
        result.class_intervals.setdefault(name, {}).update(row)


def _count_units(result: Scored, statistics: Statistics, metrics: Sequence[Metric], info: DatasetInfo) -> None:
    """Say of every class with intervals how many units truly hold it, where a family's statistics tell.

    These are samples where some families draw samples and others whole groups. One says nothing of others: then there
    is no interval, whatever is predicted elsewhere.
    """
    if not result.class_intervals:
        return
    counts: dict[str, dict[str, int]] = {}
    for metric in metrics:
        ends = {f"{what.name}_{end}" for what in metric.class_scores for end in ("low", "high")}
        rows = {name: row.keys() & ends for name, row in result.class_intervals.items()}
        if not any(rows.values()):
            continue
        units = Units.of(metric, statistics.of(metric.name))
        if units.name not in counts:
            counts[units.name] = units_that_hold(statistics.of, metrics, info, units)
        for name, own in rows.items():
            if counts[units.name].get(name, 2) < 2:
                result.class_intervals[name].update(dict.fromkeys(own))
    held = counts.get("samples") or next(iter(counts.values()))
    for name, row in result.class_intervals.items() if held else ():
        row[UNITS] = float(held[name]) if name in held else None


def undefined_scores(scored: Scored, metrics: Sequence[Metric], info: DatasetInfo) -> list[str]:
    """Scores of these families that are undefined, but for lengths in µm where no pixel size is known."""
    every = [what for metric in metrics for what in metric.scores]
    names = [what.name for what in every if what.unit != "µm" or info.pixel_size_um is not None]
    return [name for name in names if name in scored.scores and scored.scores[name].value is None]


def doubtful_intervals(scored: Scored) -> list[str]:
    """Scores that lie outside of their own bootstrap interval."""
    return [
        name
        for name, score in scored.scores.items()
        if score.value is not None
        and score.low is not None
        and score.high is not None
        and not score.low - 1e-12 <= score.value <= score.high + 1e-12
    ]


def score_warnings(scored: Scored, metrics: Sequence[Metric], info: DatasetInfo) -> list[str]:
    """What the user should know of the scores: those of these families that are undefined, and doubtful intervals.

    And classes that count 0 although no true mask holds them.
    """
    found = _absent_classes(scored)
    for metric in metrics:
        undefined = undefined_scores(scored, [metric], info)
        if undefined:
            many = "scores {} are" if len(undefined) > 1 else "score {} is"
            why = ": they need a probability for every pixel" if metric.takes_probabilities else ""
            found.append(f"{many.format(', '.join(undefined))} undefined on these samples{why}")
    doubtful = doubtful_intervals(scored)
    if doubtful:
        found.append(
            f"the interval does not hold the value of {', '.join(doubtful)}: a resample of so few samples misses whole "
            "classes, so these intervals cannot be trusted"
        )
    return found


def scored_in_part(statistics: Statistics, metrics: Sequence[Metric]) -> list[str]:
    """A sentence for each family of probabilities that some predictions lack while its scores are of the others."""
    found = []
    for metric in metrics:
        if metric.takes_probabilities:
            held = [any(column.size for column in s.columns.values()) for s in statistics.of(metric.name)]
            if any(held) and not all(held):
                found.append(
                    f"{metric.name}: {counted(held.count(False), 'prediction')} of {len(held)} without probabilities, "
                    "or without a pixel that counts: its scores are of the others alone"
                )
    return found


def _absent_classes(scored: Scored) -> list[str]:
    """A sentence for all scores that the same classes enter."""
    scores: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for name, absent in scored.absent.items():
        scores.setdefault(tuple(absent.pixels.items()), []).append(name)
    return [_absent(dict(classes), names, scored.absent[names[0]].share) for classes, names in scores.items()]


def _absent(pixels: Mapping[str, int], scores: Sequence[str], share: float) -> str:
    if len(pixels) == 1:
        ((name, count),) = pixels.items()
        which = named("class", name, quote="'")
        said = f"{which} is in no true mask of this split: its 0 in {some(scores)} comes from "
        said += counted(count, "predicted pixel")
    else:
        each = some([f"'{name}' ({count})" for name, count in pixels.items()])
        said = f"classes {each} are in no true mask of this split: their 0 in {some(scores)} comes from so many "
        said += "predicted pixels"
    if share >= 1:
        return f"{said}, so there is no interval"
    return f"{said}; how well they are found is not known, so the interval's upper end allows for any score of them"


def _add(table: Table, rows: Mapping[str, Mapping[str, float]]) -> None:
    for name, row in rows.items():
        table.setdefault(name, {}).update({key: defined(value) for key, value in row.items()})
