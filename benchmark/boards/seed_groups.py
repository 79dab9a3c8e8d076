"""Runs that differ in their seed alone: one row of a board, with the mean of their scores and the spread over seeds."""

from __future__ import annotations

import json
import shlex
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from ..evaluation.scores import Score
from ..runs.record import Cost, Record

_TOLD = 3
"""So many settings tell a row from others of the same method."""


@dataclass(frozen=True)
class Row:
    """Records that differ in their seed alone, in the order of the seeds; mostly a single one."""

    records: tuple[Record, ...]

    @cached_property
    def middle(self) -> Record:
        """The run with the middle main score, the lower of two: it stands for the row where one run is needed."""
        return sorted(self.records, key=_main)[(len(self.records) - 1) // 2]

    @cached_property
    def record(self) -> Record:
        """The row as one record: the middle run's with scores and costs over the seeds."""
        if len(self.records) == 1:
            return self.records[0]
        middle = self.middle
        scores = {name: mean_score([r.scores.get(name) for r in self.records]) for name in middle.scores}
        costs = [record.cost.model_dump() for record in self.records]
        cost = Cost.model_validate({key: together([cost.get(key) for cost in costs]) for key in costs[0]})
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
    def spread(self) -> float | None:
        """Standard deviation (n - 1) of the main score over the seeds; None for a single one."""
        return deviation([_main(record) for record in self.records])


def rows_of(records: Iterable[Record]) -> list[Row]:
    """Rows of comparable records. What was run twice with one seed is not averaged: each of those has its own row."""
    alike: dict[str, list[Record]] = {}
    for record in records:
        alike.setdefault(_identity(record), []).append(record)
    rows = []
    for members in alike.values():
        if len({record.method.seed or 0 for record in members}) == len(members):
            rows.append(Row(tuple(sorted(members, key=lambda r: r.method.seed or 0))))
        else:
            rows += [Row((record,)) for record in members]
    return rows


def curves_of(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows that differ in the part of the labels alone, from the fewest labels; single rows are left out."""
    alike: dict[str, list[Row]] = {}
    for row in rows:
        main = row.record.scores.get(row.record.main_score)
        if main is not None and main.value is not None and row.record.method.n_train is not None:
            alike.setdefault(_identity(row.records[0], "train_fraction"), []).append(row)
    curves = [sorted(members, key=lambda r: r.record.method.n_train or 0.0) for members in alike.values()]
    return [curve for curve in curves if len({row.record.method.n_train for row in curve}) > 1]


def told_apart(records: Sequence[Record]) -> list[str]:
    """Names of methods; of one that is there several times, with the preset and what the command set."""
    several = {name for name, count in Counter(record.method.name for record in records).items() if count > 1}
    names = []
    for record in records:
        name = record.method.name
        if name in several:
            words = [record.method.preset or "", *_settings(record.command)]
            more = ", …" if len(words) > _TOLD else ""
            name += f" ({', '.join(filter(None, words[:_TOLD]))}{more})"
        names.append(name)
    return names


def short_names(records: Sequence[Record]) -> list[str]:
    """Names of methods for plots; of one that is there with several settings, with the end of the run's id."""
    settings: dict[str, set[str]] = {}
    for record in records:
        settings.setdefault(record.method.name, set()).add(_identity(record, "train_fraction"))
    first: dict[str, str] = {}
    for record in records:
        # All points of a learning curve have the name of its first.
        first.setdefault(_identity(record, "train_fraction"), record.run_id.rpartition("-")[2])
    return [
        f"{record.method.name} {first[_identity(record, 'train_fraction')]}"
        if len(settings[record.method.name]) > 1
        else record.method.name
        for record in records
    ]


def _settings(command: str) -> list[str]:
    """What a command line sets itself, the weights of another run first."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    pairs = list(pairwise(words))
    weights = [f"weights of {value.rpartition('-')[2]}" for key, value in pairs if key == "--weights"]
    return weights + [value for key, value in pairs if key == "--set"]


def _identity(record: Record, *without: str) -> str:
    """The method and its settings, but for the seed and these keys."""
    method = record.method.model_dump(exclude={"seed", "chosen", "n_train", *without})
    return json.dumps(method, sort_keys=True, default=str)


def plotted(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows with a main score in the form that `plots` draws, with short names."""
    named = zip(rows, short_names([row.record for row in rows]), strict=True)
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
        if _main(row.record) != float("inf")
    ]


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


def _main(record: Record) -> float:
    """The main score; one that is undefined counts as the worst."""
    score = record.scores.get(record.main_score)
    if score is None or score.value is None:
        return float("inf")
    return score.value
