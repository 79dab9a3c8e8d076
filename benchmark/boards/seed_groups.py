"""Runs that differ in their seed alone: one row of a board, with the mean of their scores and the spread over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..evaluation.resampling import MIN_GROUPS
from ..evaluation.scores import Score
from ..evaluation.training_variance import Trainings
from ..runs.record import Cost, Record
from ..runs.time_limit import trained_part
from ..types import Int64
from .labels import comparison_labels, configuration, plot_labels


@dataclass(frozen=True)
class SeedGroup:
    """Records that differ in their seed alone, in the order of the seeds; mostly a single one."""

    records: tuple[Record, ...]

    @cached_property
    def middle(self) -> Record:
        """The run with the middle main score, the lower of two: it stands for the row where one run is needed."""
        return self.middle_by(self.records[0].main_score)

    def middle_by(self, score: str) -> Record:
        """The run with the middle value of a score, the lower of two; undefined values are the highest."""

        def value(record: Record) -> float:
            found = record.scores.get(score)
            return math.inf if found is None or found.value is None else found.value

        return sorted(self.records, key=value)[(len(self.records) - 1) // 2]

    @cached_property
    def record(self) -> Record:
        """The row as one record: the middle run's with scores and costs over the seeds."""
        if len(self.records) == 1:
            return self.records[0]
        middle = self.middle
        scores = {name: mean_score([r.scores.get(name) for r in self.records]) for name in middle.scores}
        costs = [record.cost.model_dump() for record in self.records]
        cost = Cost.model_validate({key: together([cost.get(key) for cost in costs]) for key in Cost.model_fields})
        return middle.model_copy(update={"scores": scores, "cost": cost})

    @property
    def partial(self) -> bool:
        """Whether it was fitted on a part of the labels only."""
        return self.records[0].method.train_fraction not in (None, 1.0)

    @property
    def seeds(self) -> list[int]:
        """The seeds; 0 where none is known."""
        return [record.method.seed or 0 for record in self.records]

    @property
    def time_marks(self) -> tuple[bool, float | None]:
        """Why its time to fit is not that of a whole training: the arguments of `text.time_marks`."""
        return self.records[0].started_elsewhere, trained_part(self.records)

    @property
    def spread(self) -> float | None:
        """Standard deviation (n - 1) of the main score over the seeds; None for a single one."""
        return deviation([record.main_value for record in self.records])


def seed_groups(records: Iterable[Record]) -> list[SeedGroup]:
    """Rows of comparable records. What was run twice with one seed is not averaged: each of those has its own row."""
    alike: dict[str, list[Record]] = {}
    for record in records:
        alike.setdefault(configuration(record), []).append(record)
    rows = []
    for members in alike.values():
        if len({record.method.seed or 0 for record in members}) == len(members):
            rows.append(SeedGroup(tuple(sorted(members, key=lambda r: r.method.seed or 0))))
        else:
            rows += [SeedGroup((record,)) for record in members]
    return rows


def trainings(groups: Sequence[SeedGroup]) -> list[Trainings]:
    """The places of rows' runs, which stand one after the other, row by row."""
    ends = np.cumsum([len(group.records) for group in groups])
    places = np.split(np.arange(ends[-1]), ends[:-1])
    return [
        trainings_of(group.records[0].method.family, mine, whole=not group.partial)
        for group, mine in zip(groups, places, strict=True)
    ]


def method_labels(groups: Sequence[SeedGroup]) -> list[str]:
    """Names of rows as those of their runs, without the seed where a row has several."""
    return comparison_labels([_without_seed(group) for group in groups])


def _without_seed(group: SeedGroup) -> Record:
    if len(group.records) == 1:
        return group.record
    return group.record.model_copy(update={"method": group.record.method.model_copy(update={"seed": None})})


def trainings_of(family: str, places: Int64, *, whole: bool = True) -> Trainings:
    """The places (n,) of a row's runs among compared ones; of a classical method one run stands for every seed."""
    return Trainings(places, fixed=family == "classical" and len(places) == 1, whole=whole)


def curves_of(rows: Iterable[SeedGroup]) -> list[list[SeedGroup]]:
    """Rows that differ in the part of the labels alone, from the fewest labels; single rows are left out."""
    alike: dict[str, list[SeedGroup]] = {}
    for row in rows:
        if row.record.main_value is not None and row.record.method.n_train is not None:
            alike.setdefault(configuration(row.records[0], "train_fraction"), []).append(row)
    curves = [sorted(members, key=lambda r: r.record.method.n_train or 0.0) for members in alike.values()]
    return [curve for curve in curves if len({row.record.method.n_train for row in curve}) > 1]


def plotted(rows: Sequence[SeedGroup]) -> list[dict[str, Any]]:
    """Rows with a main score in the form that `plots` draws, with short names."""
    named = zip(rows, plot_labels([row.record for row in rows]), strict=True)
    return [
        {
            "label": label,
            "family": row.record.method.family,
            "seeds": row.seeds,
            "train_fraction": row.record.method.train_fraction or 1.0,
            "n_train": row.record.method.n_train,
            "scores": {
                name: {**score.model_dump(), "values": [one.scores[name].value for one in row.records]}
                for name, score in row.record.scores.items()
            },
            "cost": row.record.cost.model_dump(),
        }
        for row, label in named
        if row.record.main_value is not None
    ]


def resampled(rows: Iterable[SeedGroup], *, few_groups: bool, shown: Container[str] | None = None) -> str:
    """What the intervals of rows were made by drawing, of the scores that are shown or of all.

    `few_groups` says why samples where these have groups.
    """
    scores = (each for row in rows for each in row.record.scores.items())
    units = {score.resampled for name, score in scores if score.resampled and (shown is None or name in shown)}
    told: dict[str, str] = {name: name for name in sorted(units)}
    if "samples" in told and few_groups:
        told["samples"] = (
            f"single samples (fewer than {MIN_GROUPS} groups: too narrow where those of a group are alike)"
        )
    return " or ".join(told.values()) or "samples"


def mean_score(scores: Sequence[Score | None]) -> Score:
    """A score over seeds: their mean, and the means of their intervals' ends; undefined where one is.

    The seeds are scored on the same samples, so the interval (which samples?) and the deviation (which seed?) answer
    different questions and stand apart.
    """
    there = [score for score in scores if score is not None]
    whole = len(there) == len(scores) and all(score.value is not None for score in there)
    ends = {key: mean(getattr(s, key) for s in there) if whole else None for key in ("value", "low", "high")}
    return there[0].model_copy(update=ends)


def deviation(values: Sequence[float | None]) -> float | None:
    """Standard deviation (n - 1); None for fewer than two values, or where one is missing."""
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) == len(values) > 1 else None


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of the values, None where one is missing; of equal values it is exactly that value."""
    every = list(values)
    known = [value for value in every if value is not None]
    if not known or len(known) < len(every):
        return None
    return known[0] if len(set(known)) == 1 else statistics.fmean(known)


def together(values: Sequence[Any]) -> Any:
    """A cost over seeds: the mean of numbers, a whole one of counts, the names of devices."""
    if any(value is None for value in values):
        return None
    if all(isinstance(value, int) for value in values):
        return round(statistics.fmean(values))
    if all(isinstance(value, int | float) for value in values):
        return mean(values)
    return ", ".join(dict.fromkeys(map(str, values)))
