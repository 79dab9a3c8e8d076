"""What methods lose on images made worse: score against level, with the paired drop from the images as they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ..evaluation.comparison import Paired
from ..evaluation.intervals import corrected_interval
from ..io.documents import Document, Number
from ..runs.record import Record
from ..runs.stored import StoredRun
from ..types import Float64, UserError
from .comparable import Comparable
from .labels import configuration

T = TypeVar("T")


class RobustnessPoint(Document):
    """One run on corrupted images: its score, and how much of the clean score it lost, each with its 95 % interval.

    `relative_drop` is the loss as a part of the clean score, positive where the corrupted images are worse; its
    interval is paired: both runs are scored on the same drawn samples.
    """

    run_id: str
    corruption: str
    level: int
    value: Number
    low: Number
    high: Number
    relative_drop: Number
    drop_low: Number
    drop_high: Number


class RobustnessLine(Document):
    """One method: its score on images as they are, and on corrupted ones, by corruption and rising level.

    `mean_relative_drop` is the mean over all points; runs of which it is compared should have the same ones.
    """

    label: str
    run_id: str
    value: Number
    low: Number
    high: Number
    mean_relative_drop: Number
    points: list[RobustnessPoint]


def clean_twin(record: Record, records: Iterable[Record]) -> Record | None:
    """The run of the same configuration and seed on the same images as they are; None where it is not among these."""
    wanted = _twins_of(record)
    return next((one for one in records if one.method.corruption is None and _twins_of(one) == wanted), None)


def corrupted_beside(
    key: Comparable, clean: Sequence[Record], items: Iterable[T], record_of: Callable[[T], Record]
) -> list[T]:
    """Runs on corrupted images that belong to the clean ones of a group."""
    found = []
    for item in items:
        record = record_of(item)
        if record.method.corruption is not None and record.complete and record.scores:
            same = replace(Comparable.of(record), corruption=None) == key
            if same and clean_twin(record, clean) is not None:
                found.append(item)
    return found


def robustness(
    clean: Sequence[tuple[str, StoredRun]], corrupted: Sequence[StoredRun], score: str
) -> list[RobustnessLine]:
    """The lines of clean runs, given with their labels, that have corrupted ones, in their order.

    Raises UserError where a run has no such score.
    """
    by_twin: dict[str, list[StoredRun]] = {}
    for run in corrupted:
        twin = clean_twin(run.record, [one.record for _, one in clean])
        if twin is not None:
            by_twin.setdefault(twin.run_id, []).append(run)
    return [
        _line(label, run, by_twin[run.record.run_id], score) for label, run in clean if run.record.run_id in by_twin
    ]


def panels(lines: Sequence[RobustnessLine]) -> Mapping[str, list[tuple[RobustnessLine, list[RobustnessPoint]]]]:
    """The points of all lines by corruption, for a plot or a table of each."""
    found: dict[str, list[tuple[RobustnessLine, list[RobustnessPoint]]]] = {}
    for line in lines:
        for name in dict.fromkeys(point.corruption for point in line.points):
            mine = [point for point in line.points if point.corruption == name]
            found.setdefault(name, []).append((line, mine))
    return found


def _twins_of(record: Record) -> tuple[str, int | None]:
    return configuration(record, "corruption"), record.method.seed


def _line(label: str, clean: StoredRun, corrupted: Sequence[StoredRun], score: str) -> RobustnessLine:
    found = {info.name: (metric, info) for metric in clean.metrics for info in metric.scores}
    if score not in found:
        raise UserError(f"'{clean.folder}' has no score '{score}'")
    metric, info = found[score]
    runs = sorted(corrupted, key=lambda run: _name_and_level(run.record))
    statistics = tuple(tuple(run.statistics.of(metric.name)) for run in (clean, *runs))
    paired = Paired(metric, clean.info, info, statistics)
    points = [_point(paired, place, run.record) for place, run in enumerate(runs, 1)]
    drops = [point.relative_drop for point in points if point.relative_drop is not None]
    low, high = paired.interval(0)
    return RobustnessLine(
        label=label,
        run_id=clean.record.run_id,
        value=float(paired.values[0]),
        low=low,
        high=high,
        mean_relative_drop=float(np.mean(drops)) if len(drops) == len(points) else math.nan,
        points=points,
    )


def _point(paired: Paired, place: int, record: Record) -> RobustnessPoint:
    name, level = _name_and_level(record)
    low, high = paired.interval(place)

    def lost(scores: Float64) -> Float64:
        """The lost part of the clean score; NaN where that is 0."""
        clean, worse = scores[0], scores[place]
        with np.errstate(invalid="ignore", divide="ignore"):
            part: Float64 = np.where(clean == 0, np.nan, paired.sign * (clean - worse) / np.abs(clean))
        return part

    drop = float(lost(paired.values))
    drop_low, drop_high = corrected_interval(drop, lost(paired.draws), lost(paired.without), paired.sizes(0, place))
    return RobustnessPoint(
        run_id=record.run_id,
        corruption=name,
        level=level,
        value=float(paired.values[place]),
        low=low,
        high=high,
        relative_drop=drop,
        drop_low=drop_low,
        drop_high=drop_high,
    )


def _name_and_level(record: Record) -> tuple[str, int]:
    name, _, level = str(record.method.corruption).rpartition(":")
    return name, int(level) if len(level) == 1 and level.isdecimal() else 0
