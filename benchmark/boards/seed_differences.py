"""What a change makes of a score: the rows of a suite against one of them, over the same samples and over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tabulate import tabulate

from ..evaluation.comparison import Paired
from ..evaluation.intervals import LEVEL, corrected_interval
from ..evaluation.quantiles import t_quantile
from ..io.documents import Document, Number
from ..runs.stored import StoredRun
from ..text import counted, interval
from ..types import Float64, Int64
from .comparable import badness
from .markdown import escape

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DIFFERENCE_NOTE = (
    "In brackets: 95 % interval of the difference of the means over seeds, on the same samples, for other samples and "
    "(of rows with two seeds or more) other seeds. One interval in twenty misses."
)
"""What the differences of a suite's rows are."""


class SeedDifference(Document):
    """The mean score over the seeds of a row less that of the reference, in the score's unit, with a 95 % interval.

    `low` and `high` hold for other samples and other seeds; with a single seed on a side for other samples alone.
    `better` and `worse`: the interval leaves out 0, to the row's advantage or not.
    """

    label: str
    family: str
    seeds: int
    value: Number
    low: Number
    high: Number
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
    found = [_difference(row, paired, mine, places[0]) for row, mine in zip(others, places[1:], strict=True)]
    return sorted(found, key=lambda row: badness(row.value, info.higher_is_better))


def _difference(row: SeedRuns, paired: Paired, mine: Int64, usual: Int64) -> SeedDifference:
    def apart(scores: Float64) -> Float64:
        less: Float64 = scores[mine].mean(axis=0) - scores[usual].mean(axis=0)
        return less

    value = float(apart(paired.values))
    over_samples = corrected_interval(value, apart(paired.draws), apart(paired.without))
    low, high = with_seeds(value, over_samples, paired.values[mine], paired.values[usual])
    most = paired.score.high - paired.score.low
    low, high = max(low, -most), min(high, most)
    known = math.isfinite(low) and math.isfinite(high)
    gained, lost = known and low > 0, known and high < 0
    better, worse = (gained, lost) if paired.sign > 0 else (lost, gained)
    return SeedDifference(
        label=row.label,
        family=row.family,
        seeds=len(mine),
        value=value,
        low=low,
        high=high,
        better=better,
        worse=worse,
    )


def with_seeds(value: float, over_samples: tuple[float, float], mine: Float64, usual: Float64) -> tuple[float, float]:
    """The interval of a difference of two means over seeds, for other samples and other seeds.

    Sampling and training err independently of each other, so the squares of their half widths add up, on each side of
    its own. Training's is Welch's interval of the two means.

    Parameters
    ----------
    value : float
        The difference of the means.
    over_samples : pair of float
        Its interval with these seeds.
    mine, usual : (n,) float64
        Scores by seed. One seed on either side says nothing of others: the interval is that over samples.

    References
    ----------
    Zou & Donner, "Construction of confidence limits about effect measures: a general approach", Statistics in Medicine
    27(10):1693-1702 (2008). Welch, "The generalization of Student's problem", Biometrika 34 (1947).
    """
    sides = [(len(scores), float(np.var(scores, ddof=1))) for scores in (mine, usual) if len(scores) > 1]
    spread = sum(variance / n for n, variance in sides)
    if len(sides) < 2 or not spread > 0:
        return over_samples
    freedom = spread**2 / sum((variance / n) ** 2 / (n - 1) for n, variance in sides)
    # The whole number below it makes the interval rather too wide; rounding errors make no other number of it.
    half = t_quantile(max(1, math.floor(freedom + 1e-9)), (1 + LEVEL) / 2) * math.sqrt(spread)
    low, high = over_samples
    return value - math.hypot(value - low, half), value + math.hypot(high - value, half)


def difference_lines(differences: SuiteDifferences) -> list[str]:
    """A table of what each row scores more or less than the reference."""
    body = [
        [escape(row.label), interval(row.value, row.low, row.high, "+.4f"), verdict_of(row), row.seeds]
        for row in differences.rows
    ]
    headers = ["method", f"{escape(differences.score)} less that of {escape(differences.reference)}", "", "seeds"]
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
