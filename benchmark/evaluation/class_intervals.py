"""95 % intervals of the scores of single classes, on the same resamples as those of the means over classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..metrics.pair_counts import PAIR_COLUMNS, ranks, sparse_counts
from ..text import some
from ..types import ClassInfo, DatasetInfo, Float64, Int64, Metric, ScoreInfo, Statistic
from .intervals import paired_intervals, score_intervals
from .resampling import MIN_GROUPS, Units
from .scores import defined
from .unit_sizes import UnitSums, parts_of, sizes_of, weighing

FEW = MIN_GROUPS
"""A class that fewer samples, or groups, truly hold is marked: its interval says little."""

MAX_CLASSES = 1000
"""Of more classes no intervals are made: the scores of all resamples would not fit into memory."""

UNITS = "units"
"""How many of what is drawn, samples or groups, truly hold a class."""

Interval = tuple[float, float]
ClassIntervals = dict[str, dict[str, float | None]]
"""By class the ends of each score, `iou_low` and `iou_high`, and `units`."""


def is_few(row: Mapping[str, float | None]) -> bool:
    """Whether a class, by its row of `ClassIntervals`, is truly held by too few to trust its intervals."""
    units = row.get(UNITS)
    return units is not None and units < FEW


def few_units(rows: Mapping[str, Mapping[str, float | None]]) -> str:
    """A sentence on the classes that are marked with a star; empty where none is."""
    found = [name for name, row in rows.items() if is_few(row)]
    if not found:
        return ""
    have = "has" if len(found) == 1 else "have"
    drawn = "samples (or groups, where these are drawn)"
    return f"* {some(found, 5)} {have} true pixels in fewer than {FEW} {drawn}: intervals say little"


class _ClassDraws:
    """The scores of all classes on the resamples of a family."""

    def __init__(self, metric: Metric, statistics: Sequence[Statistic], info: DatasetInfo) -> None:
        self._of = metric, statistics, info
        self._draws: dict[str, list[Float64]] = defaultdict(list)
        self._without: dict[str, list[Float64]] = defaultdict(list)

    def draw(self, weights: Int64) -> None:
        """Score bootstrap samples."""
        self._add(self._draws, weights)

    def leave_out(self, weights: Int64) -> None:
        """Score what is left when units are left out."""
        self._add(self._without, weights)

    def _add(self, found: dict[str, list[Float64]], weights: Int64) -> None:
        metric, statistics, info = self._of
        for name, values in metric.resample_classes(statistics, info, weights).items():
            found[name].append(values)

    def intervals(self, what: ScoreInfo, values: Float64) -> Float64:
        """The intervals (C, 2) of a score from its values (C,); NaN for a class that is predicted but never true."""
        metric, statistics, info = self._of
        draws, without = (np.concatenate(each[what.name]).T for each in (self._draws, self._without))
        found = np.clip(
            paired_intervals(values, draws, without, self._sizes(what.name, len(values))), what.low, what.high
        )
        absent = metric.absent_among(statistics, info, what.name, range(len(values)))
        names = [each.name for each in metric.classes_of(info)]
        found[[absent is not None and name in absent.pixels for name in names]] = np.nan
        return found

    def _sizes(self, score: str, classes: int) -> Int64:
        """The sizes of units for each class, (C, blocks)."""
        metric, statistics, info = self._of
        found = UnitSums(Units.of(metric, statistics))
        for places, part in parts_of(statistics):
            sums = metric.sums_by_class(part, info, score, range(classes))
            found.add(places, np.ones((len(part), classes, 1)) if sums is None else weighing(sums))
        return sizes_of(np.array([found.shares(k) for k in range(classes)]))


def intervals_with_classes(
    metric: Metric, statistics: Sequence[Statistic], info: DatasetInfo
) -> tuple[dict[str, Interval], ClassIntervals]:
    """95 % intervals of every score of a family as `score_intervals` has them, and of every score of its classes.

    The second is empty for a family without such, of one sample or whole group, and of more than 1000 classes.
    """
    classes = metric.classes_of(info) if metric.class_scores else ()
    if not 0 < len(classes) <= MAX_CLASSES or Units.of(metric, statistics).count < 2:
        return score_intervals(metric, statistics, info), {}
    drawn = _ClassDraws(metric, statistics, info)
    of_scores = score_intervals(metric, statistics, info, drawn)
    table = metric.per_class(statistics, info)
    found: ClassIntervals = {each.name: {} for each in classes}
    for what in metric.class_scores:
        values = np.array([table[each.name][what.name] for each in classes], np.float64)
        for each, (low, high) in zip(classes, drawn.intervals(what, values).tolist(), strict=True):
            found[each.name] |= {f"{what.name}_low": defined(low), f"{what.name}_high": defined(high)}
    return of_scores, found


def units_that_hold(
    of: Callable[[str], Sequence[Statistic]],
    metrics: Sequence[Metric],
    info: DatasetInfo,
    units: Units,
) -> dict[str, int]:
    """How many of the units that are drawn truly hold each class, by its name; empty where no family tells.

    Sparse confusion matrices tell before objects and segments do.

    Parameters
    ----------
    of : gives the statistics of a family by its name.
    units : what is drawn of the samples.
    """
    sparse = next((metric for metric in metrics if set(PAIR_COLUMNS) <= metric.columns.keys()), None)
    if sparse is not None:
        statistics = of(sparse.name)
        sample, place = sparse_counts(statistics, ranks(info.classes)).truly_held()
        return _holding(info.classes, sample, place, units)
    for metric in metrics:
        statistics, classes = of(metric.name), metric.classes_of(info)
        held = [labels for each in statistics if (labels := metric.true_classes(each)) is not None]
        if len(held) == len(statistics) > 0:
            place_of = {each.id: place for place, each in enumerate(classes)}
            sample = np.repeat(np.arange(len(held)), [len(labels) for labels in held])
            place = np.array([place_of[label] for labels in held for label in labels.tolist()], np.int64)
            return _holding(classes, sample, place, units)
    return {}


def _holding(classes: Sequence[ClassInfo], sample: Int64, place: Int64, units: Units) -> dict[str, int]:
    """Units by the name of the class that they hold, from samples and the places of their classes, each (k,)."""
    held = np.unique(place * units.count + units.member[sample]) // max(units.count, 1)
    counts = np.bincount(held, minlength=len(classes)).tolist()
    return {each.name: count for each, count in zip(classes, counts, strict=True)}
