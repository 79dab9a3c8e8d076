"""What a change does to a score: the rows of a suite against one of them, over the same samples and over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tabulate import tabulate

from ..evaluation.comparison import ALPHA, Paired, holm
from ..evaluation.over_seeds import method_tests, over_seeds
from ..evaluation.training_variance import Trainings, freedom_of, training_noise, training_spreads
from ..io.documents import Document, Number
from ..runs.stored import StoredRun
from ..text import counted, interval, p_value
from .comparable import badness
from .markdown import escape
from .seed_groups import trainings_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DIFFERENCE_NOTE = (
    "In brackets: 95 % interval of the difference of the means over seeds, on the same samples, for other samples and "
    "other seeds; a network with one seed is taken to vary as the other row does. Where no row has two seeds, it holds "
    "for other samples alone. Each interval stands by itself: one in twenty misses. Better or worse is a row whose "
    "interval leaves out 0 and whose p value, adjusted for all rows of the table by Holm's procedure, is below 0.05."
)
"""What the differences of a suite's rows are."""


class SeedDifference(Document):
    """The mean score over the seeds of a row less that of the reference, in the score's unit, with a 95 % interval.

    `low` and `high` hold for other samples and other seeds; with a single seed on both sides for other samples alone.
    `p` is that of the same difference, as `bench compare` has it of two methods; `p_adjusted` is adjusted for all rows
    of the table by Holm's procedure. `better` and `worse`: it is below 0.05, and the interval leaves out 0, to the
    row's advantage or not.
    """

    label: str
    family: str
    seeds: int
    value: Number
    low: Number
    high: Number
    p: Number = None
    p_adjusted: Number = None
    better: bool
    worse: bool


class SuiteDifferences(Document):
    """What the rows of one table score more or less than one of them, the suite's reference."""

    title: str
    score: str
    higher_is_better: bool
    reference: str
    reference_seeds: int
    rows: list[SeedDifference]


@dataclass(frozen=True)
class SeedRuns:
    """Runs that differ in their seed alone."""

    label: str
    family: str
    runs: tuple[StoredRun, ...]


def seed_differences(reference: SeedRuns, others: Sequence[SeedRuns], score: str) -> list[SeedDifference]:
    """Every other row against the reference, from the greatest gain to the greatest loss; all on the same samples."""
    first = reference.runs[0]
    metric, info = next((m, s) for m in first.metrics for s in m.scores if s.name == score)
    runs = [run for row in (reference, *others) for run in row.runs]
    paired = Paired(metric, first.info, info, tuple(tuple(run.statistics.of(metric.name)) for run in runs))
    ends = np.cumsum([len(row.runs) for row in (reference, *others)])
    places = np.split(np.arange(len(runs)), ends[:-1])
    rows = (reference, *others)
    trained = [trainings_of(row.family, mine) for row, mine in zip(rows, places, strict=True)]
    chances = [method_tests(paired, (mine, trained[0]))[0].p for mine in trained[1:]]
    found = [
        _difference(row, paired, mine, trained[0], chance)
        for row, mine, *chance in zip(others, trained[1:], chances, holm(chances), strict=True)
    ]
    return sorted(found, key=lambda row: badness(row.value, info.higher_is_better))


def _difference(
    row: SeedRuns, paired: Paired, mine: Trainings, usual: Trainings, chance: Sequence[float]
) -> SeedDifference:
    """`chance` : the p value, single and adjusted."""
    both = (mine, usual)
    one, other = training_spreads(paired.values, both, moderated=False)
    noise = training_noise(mine, usual, (one, other), freedom_of(both))
    found = over_seeds(paired, mine, usual, noise)
    low, high = found.low, found.high
    p, adjusted = chance
    known = math.isfinite(low) and math.isfinite(high) and adjusted < ALPHA
    gained, lost = known and low > 0, known and high < 0
    better, worse = (gained, lost) if paired.sign > 0 else (lost, gained)
    return SeedDifference(
        label=row.label,
        family=row.family,
        seeds=len(mine.places),
        value=found.value,
        low=low,
        high=high,
        p=p,
        p_adjusted=adjusted,
        better=better,
        worse=worse,
    )


def difference_lines(differences: SuiteDifferences) -> list[str]:
    """A table of what each row scores more or less than the reference."""
    body = [
        [
            escape(row.label),
            interval(row.value, row.low, row.high, "+.4f"),
            p_value(row.p_adjusted),
            verdict_of(row),
            row.seeds,
        ]
        for row in differences.rows
    ]
    apart = f"{escape(differences.score)} less that of {escape(differences.reference)}"
    headers = ["method", apart, "p, adjusted", "", "seeds"]
    table = tabulate(body, headers, tablefmt="github", disable_numparse=True)
    return [
        f"## Against {escape(differences.reference)}: {escape(differences.title)}",
        "",
        f"{counted(differences.reference_seeds, 'seed')} of {escape(differences.reference)}. {DIFFERENCE_NOTE}",
        "",
        table,
        "",
    ]


def verdict_of(row: SeedDifference) -> str:
    """What can be said of a row beside the reference."""
    return "better" if row.better else "worse" if row.worse else "cannot be told apart"


def difference_figure(differences: SuiteDifferences) -> Figure:
    """The differences one below the other, with a line at 0."""
    from ..figures.score_intervals import Interval, score_intervals

    rows = [Interval(row.label, row.value, row.low, row.high, row.family) for row in differences.rows]
    title = f"{differences.title}: {differences.score} less that of {differences.reference}"
    return score_intervals(rows, title, f"difference of {differences.score}, 95 % interval", line=0.0)
