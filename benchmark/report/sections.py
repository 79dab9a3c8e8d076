"""What a page shows: sections of comparable runs, each with its record and, where they are there, its statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ..boards.comparison_document import Comparison
from ..boards.labels import run_hash
from ..boards.people import People
from ..boards.robustness import RobustnessLine
from ..boards.seed_groups import deviation
from ..evaluation.comparison import Paired
from ..evaluation.scores import Score
from ..evaluation.statistics import Statistics
from ..runs.record import Record
from ..types import DatasetInfo, Float64, Metric, ScoreInfo, Statistic

DETAILED = 6
"""Number of runs of a section that are shown one by one in figures and overlays."""


@dataclass(frozen=True)
class Entry:
    """One run. Statistics are None where they were not read or are not there; `label` is unique in its section.

    A row of a board may stand for several runs that differ in their seed alone, its `members`: its record has the means
    of their scores and costs, all else of the middle one.
    """

    folder: Path
    record: Record
    label: str
    rank: int | None
    rank_high: int | None = None
    info: DatasetInfo | None = None
    metrics: tuple[Metric, ...] = ()
    statistics: Statistics | None = None
    members: tuple[Entry, ...] = ()

    @property
    def hash(self) -> str:
        """The end of the run's id, which tells it from other runs of its method."""
        return run_hash(self.record)

    @property
    def main(self) -> Score | None:
        """The main score."""
        return self.record.main

    @property
    def value(self) -> float | None:
        """The main score's value."""
        return self.record.main_value

    @property
    def spread(self) -> float | None:
        """Standard deviation (n - 1) of the main score over the members; None for a single run."""
        return deviation([entry.value for entry in self.members])

    def family(self, columns: Sequence[str]) -> Metric | None:
        """The first metric family whose statistics have these columns."""
        return next((m for m in self.metrics if set(columns) <= set(m.columns)), None)

    def of(self, metric: Metric) -> list[Statistic]:
        """The statistics of one family in the order of the sample ids."""
        return [] if self.statistics is None else self.statistics.of(metric.name)


@dataclass(frozen=True)
class Section:
    """Runs that may be compared, from best to worst.

    compared : what `bench compare` says of them, None where they were not compared (`why_not` says why).
    people : the annotators of the same samples, with a row each in `person_entries`; they are never ranked.
    robustness : what the runs score on images that were made worse; empty where they were run on none.
    """

    name: str
    title: str
    note: str
    synthetic: bool
    entries: tuple[Entry, ...]
    compared: Comparison | None = None
    why_not: str = ""
    people: People | None = None
    person_entries: tuple[Entry, ...] = ()
    robustness: tuple[RobustnessLine, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def main_score(self) -> str:
        """The name of the score that ranks."""
        return self.entries[0].record.main_score

    @property
    def higher_is_better(self) -> bool:
        """The direction of the main score."""
        return next((e.main.higher_is_better for e in self.entries if e.main is not None), True)

    @property
    def human_band(self) -> tuple[float, float] | None:
        """The human range of the main score; None without people."""
        found = self.people
        return None if found is None or found.low is None or found.high is None else (found.low, found.high)

    @cached_property
    def opened(self) -> tuple[Entry, ...]:
        """Runs whose statistics were read."""
        return tuple(entry for entry in self.entries if entry.statistics is not None)

    @cached_property
    def detailed(self) -> tuple[Entry, ...]:
        """The best runs; the last of them give way to the best of a family that would else be missing."""
        chosen = list(self.opened[:DETAILED])
        missing: dict[str, Entry] = {}
        for entry in self.opened[DETAILED:]:
            if entry.record.method.family not in {e.record.method.family for e in chosen}:
                missing.setdefault(entry.record.method.family, entry)
        return tuple(chosen[: DETAILED - len(missing)] + list(missing.values()))

    def part_shown(self, shown: Sequence[Entry]) -> str:
        """What a caption says of a figure of these runs, after a space: how many there are; empty where it has all."""
        number = len(shown)
        if number == len(self.entries):
            return ""
        best = all(one is other for one, other in zip(shown, self.entries, strict=False))
        return f" {'The best ' if best else ''}{number} of {len(self.entries)} runs."

    @cached_property
    def main(self) -> tuple[Metric, ScoreInfo] | None:
        """The family and the description of the main score; None without statistics."""
        known = self.opened[0].metrics if self.opened else ()
        return next(((m, s) for m in known for s in m.scores if s.name == self.main_score), None)

    @cached_property
    def per_sample(self) -> tuple[list[str], Float64]:
        """Ids of the samples, and the main score of every opened run on each of them alone, (runs, samples)."""
        if self.main is None or self.opened[0].info is None:
            return [], np.zeros((0, 0))
        metric, score = self.main
        paired = Paired(metric, self.opened[0].info, score, tuple(tuple(e.of(metric)) for e in self.opened))
        return [s.sample_id for s in paired.runs[0]], paired.per_sample
