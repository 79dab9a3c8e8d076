"""Spans of ranks on a board: first and last rank that each run may have, by paired tests of the stored statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..evaluation.comparison import ALPHA, Paired
from ..evaluation.over_seeds import method_tests, spans_of
from ..evaluation.training_variance import unlike_deviations
from ..runs.find import FoundRun
from ..runs.stored import open_run
from ..text import counted
from ..types import UserError
from .comparable import MAX_TESTED, grouped, main_badness
from .seed_groups import SeedGroup, seed_groups, trainings


@dataclass(frozen=True)
class Tested:
    """How runs were tested against each other: pairs, how many of them differ, and what was swapped.

    few_groups : whether that is samples for the reason that there are fewer than 5 groups of them.
    unlike : the least and the greatest standard deviation over seeds, where they are so unlike that what is said of
    networks with a single seed is a guess.
    """

    runs: int
    pairs: int
    different: int
    units: int
    drawn: str
    smallest_p: float
    leans_on_t: bool
    over_seeds: bool = False
    few_groups: bool = False
    unlike: tuple[float, float] | None = None

    @property
    def points(self) -> list[str]:
        """What a reader of the ranks should know: first how they were made, then what may be wrong with them."""
        level = f"at 5 % for all {self.pairs} pairs together" if self.pairs > 1 else "at 5 % for the one pair"
        if self.over_seeds:
            level = f"for other {self.drawn} and other trainings, {level}"
        if not self.different:
            said = f"**Rank**: by the score alone, as paired tests tell no two of these methods apart ({level})."
        else:
            which = f"of which {self.different}" if self.pairs > 1 else "which"
            differ = f"{which} {'differs' if self.different == 1 else 'differ'}"
            said = (
                "**Rank**: the first and the last that a method may have, where paired tests cannot tell methods apart "
                f"({level}, {differ})."
            )
        points = [said]
        if self.units < 2:
            one = counted(self.units, self.drawn.removesuffix("s"))
            points = [f"**Rank**: by the score alone, as nothing can be tested on {one}."]
        elif self.leans_on_t:
            points.append(
                f"**{counted(self.units, self.drawn.removesuffix('s'))}** are few for a test: swaps alone give no p "
                f"value below 1/{round(1 / self.smallest_p)}, so what differs here leans on a t test."
            )
        if self.unlike is not None:
            low, high = self.unlike
            points.append(
                f"**One seed**: trainings of the networks with several seeds are unlike (± {low:.4f} to ± {high:.4f}), "
                "so what is said of a network with one seed is a guess."
            )
        return points


@dataclass(frozen=True)
class RankSpan:
    """First and last rank of a run among all that it was tested against.

    chances : by the id of each other run, the p value of the difference to it, adjusted for all pairs; NaN where a
    score is undefined.
    """

    first: int
    last: int
    tested: Tested
    chances: Mapping[str, float]

    def differs(self, other: str) -> bool:
        """Whether a test tells it from another run, by that one's id."""
        return self.chances.get(other, 1.0) < ALPHA

    @property
    def told_from(self) -> int:
        """From how many others a test tells it; the span, which follows the scores, may hold some of them."""
        return sum(p < ALPHA for p in self.chances.values())

    def told(self, rank: int) -> str:
        """The cell of a table, of a run with this rank by the score; in brackets where it is told from no other."""
        if not self.tested.different:
            return str(rank)
        if (self.first, self.last) == (1, self.tested.runs):
            return f"({rank})"
        return str(self.first) if self.first == self.last else f"{self.first}–{self.last}"


Spans = Mapping[str, RankSpan]
"""First and last rank by run id."""


def rank_spans(found: Sequence[FoundRun]) -> dict[str, RankSpan]:
    """First and last rank of every run that was tested against all comparable ones, from run folders and their records.

    Rows of several seeds are tested with all of them, for other trainings too; their span is found by the id of their
    middle run. Left out are runs on a part of the labels, those whose statistics are not there or were made by another
    version, and boards of more rows than `MAX_TESTED`.
    """
    scored = [run for run in found if run.record.main is not None and run.record.method.train_fraction in (None, 1.0)]
    spans: dict[str, RankSpan] = {}
    for members in grouped(scored, lambda run: run.record).values():
        folder_of = {id(run.record): run.folder for run in members}
        groups = seed_groups(run.record for run in members)
        if 2 <= len(groups) <= MAX_TESTED:
            spans |= _tested([folder_of[id(record)] for group in groups for record in group.records], groups)
    return spans


def _tested(folders: Sequence[Path], groups: Sequence[SeedGroup]) -> dict[str, RankSpan]:
    """Spans of rows by the id of their middle run; `folders` are those of their runs, row by row."""
    try:
        runs = [open_run(folder) for folder in folders]
    except UserError:
        return {}
    main = runs[0].record.main_score
    metric, score = next((m, s) for m in runs[0].metrics for s in m.scores if s.name == main)
    paired = Paired(metric, runs[0].info, score, tuple(tuple(run.statistics.of(metric.name)) for run in runs))
    trained = trainings(groups)
    tests = method_tests(paired, trained)
    tested = Tested(
        runs=len(groups),
        pairs=len(tests),
        different=sum(each.significant for each in tests),
        units=paired.units,
        drawn=paired.unit,
        smallest_p=paired.smallest_p,
        leans_on_t=paired.leans_on_t,
        over_seeds=len(groups) < len(runs),
        few_groups=paired.few_groups is not None,
        unlike=unlike_deviations(paired.values, trained),
    )
    spans = spans_of(tests, np.array([main_badness(group.record) for group in groups]), paired.sign)
    names = [group.middle.run_id for group in groups]
    chances: dict[str, dict[str, float]] = {name: {} for name in names}
    for each in tests:
        for one, other in ((each.a, each.b), (each.b, each.a)):
            chances[names[one]][names[other]] = each.p_adjusted
    return {name: RankSpan(*span, tested, chances[name]) for name, span in zip(names, spans, strict=True)}
