"""What a comparison of runs says, as a typed document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from ..evaluation.comparison import MIN_SWAPS
from ..io.documents import Document, Number, without_none
from ..text import between, counted, number, p_value, samples_of, some, time_marks
from .class_difference_words import HEADS, ClassTable, about_classes, class_tables
from .class_differences import ClassDifference
from .class_winners import ClassWinners
from .close_calls import close_calls
from .compared_families import Families
from .compared_methods import ComparedMethod, Costs, MethodDifference
from .labels_needed import LabelsNeeded
from .notebook import html_table, text_table
from .paired_difference import PairedDifference
from .people import People
from .per_sample import PerSample
from .robustness import RobustnessLine
from .seed_groups import mean
from .stands_alone import StandsAlone

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RANKS = ("rank", "run", "value", "95 % interval", "fit s", "ms/image")
_PAIRS = ("a", "b", "a less b", "95 % interval", "p")


class ComparedRun(Document):
    """One run of a comparison with its 95 % interval and its first and last rank; `labels` is what it was fitted on.

    `on_front` : no other run is better, quicker to fit and quicker to predict at once. `left_out` : number of
    outlines, or surfaces of volumes, that only one of truth and prediction has, which a distance leaves out.
    """

    run_id: str
    label: str
    method: str
    family: str
    seed: int | None
    value: Number
    low: Number
    high: Number
    rank: int
    rank_low: int
    rank_high: int
    labels: float | None
    cost: Costs
    on_front: bool
    left_out: int = 0


class SeedSpread(Document):
    """One configuration that was trained with several seeds: mean and standard deviation (n - 1) of its scores."""

    method: str
    n_train: Number = None
    seeds: list[int | None]
    mean: Number
    std: Number


class ComparedGroup(Document):
    """Runs that were compared with each other, from best to worst; `drawn` is what was resampled and permuted.

    `whole_n` is the size of the whole split where only a part of it was scored. `people` are annotators of the same
    samples, who are no runs among the others and have no ranks. `robustness` are the same methods on images made worse.
    `methods` and `method_differences` are there where a method has runs with several seeds: then which method is better
    is said by them, for other trainings too, and `runs` and `differences` say which of these trainings is. `version` is
    that of a custom folder, which holds its name and stands for its classes. `blocks` is how many consecutive samples
    of a group were drawn together. `few_groups` is the number of groups where these were too few to be drawn, so that
    samples counted as independent: where neighbours are alike, intervals are too narrow and p values too small.
    `group_hint` is an expression by which the names of samples that stand alone seem to say groups.
    `by_class` is there where it was asked for: every pair of `methods`, or of runs without these, on every class.
    """

    dataset: str
    version: str | None = None
    origin: str
    split: str
    score: str
    unit: str
    higher_is_better: bool
    n: int
    whole_n: int | None = None
    units: int
    drawn: str
    blocks: int | None = None
    few_groups: int | None = None
    group_hint: str | None = None
    resamples: int
    smallest_p: Number
    runs: list[ComparedRun]
    differences: list[PairedDifference]
    families: Families | None
    seeds: list[SeedSpread]
    per_class: list[ClassWinners]
    per_sample: PerSample
    labels_needed: LabelsNeeded | None = None
    people: People | None = None
    robustness: list[RobustnessLine] | None = None
    methods: list[ComparedMethod] | None = None
    method_differences: list[MethodDifference] | None = None
    by_class: list[ClassDifference] | None = None

    @property
    def rows(self) -> Sequence[ComparedRun | ComparedMethod]:
        """What is ranked, from best to worst: methods, where one has several seeds, else runs."""
        return self.methods or self.runs

    @property
    def pairs(self) -> Sequence[PairedDifference]:
        """Every pair of `rows`."""
        return self.differences if self.method_differences is None else self.method_differences

    @property
    def answer(self) -> str:
        """Which method is better, in a few sentences: by the tests, and where intervals say otherwise."""
        return f"{self._verdict} {self.close_calls}".rstrip()

    @property
    def close_calls(self) -> str:
        """Where the interval of the leader's difference and its test disagree; empty where they do not."""
        tied = [row for row in self.rows if row.value == self.rows[0].value]
        return "" if len(tied) > 1 else close_calls(self.pairs, self.rows[0].label)

    @property
    def _verdict(self) -> str:
        best, *others = self.rows
        if best.value is None:
            return f"{self.score} is undefined for every run; choose another score with --metric."
        if not others:
            return f"{best.label} is the only method on these images as they are."
        ties = self.not_told_from_best
        level = [row.label for row in self.rows if row.value == best.value]
        unscored = [row.label for row in others if row.value is None]
        if len(unscored) == len(others):
            return f"{self.score} is defined for {best.label} alone."
        if not ties:
            return f"{best.label} is better than {self.all_others}, beyond chance (p < 0.05)."
        if len(level) > 1:
            rest = [label for label in ties if label not in level]
            more = f"; {some(rest, 5)} cannot be told from them" if rest else ""
            return f"{some(level, 5)} have the same {self.score}: none leads{more}."
        return f"{best.label} leads, but {some(ties, 5)} cannot be told from it.{self._more_seeds}"

    @property
    def all_others(self) -> str:
        """The rows beside the best one that have a score, as an object in a sentence; a single one by its name."""
        scored = [row.label for row in self.rows[1:] if row.value is not None]
        if len(scored) == 1:
            return scored[0]
        return "every other" if len(scored) == len(self.rows) - 1 else "every other with a score"

    @property
    def _more_seeds(self) -> str:
        """Whether more trainings would tell the leader from others."""
        best = self.rows[0].label
        needed = {
            each.b if each.a == best else each.a: each.seeds_needed
            for each in self.method_differences or ()
            if best in (each.a, each.b) and not each.significant and each.seeds_needed is not None
        }
        if not needed:
            return ""
        most = max(needed.values())
        return (
            f" {most} seeds of each would tell it from {some(list(needed), 5)}, if means and spreads stay as they are."
        )

    @property
    def not_told_from_best(self) -> list[str]:
        """Rows whose difference to the best may be chance, by the tests of pairs, from best to worst.

        A row without a score is none of them: nothing is known of it.

        A rank of 1 says less: spans of ranks are widened until they follow the scores, so that a noisy run of a low
        score lends its span to those between.
        """
        best = self.rows[0].label
        told = {(each.a, each.b) for each in self.pairs if each.significant}
        return [
            row.label
            for row in self.rows[1:]
            if row.value is not None and not told & {(best, row.label), (row.label, best)}
        ]

    @property
    def wins(self) -> dict[str, int]:
        """On how many samples each row is best, ties counting for all, by its label."""
        return self.per_sample.wins if self.methods is None else {each.label: each.wins for each in self.methods}

    @property
    def correction(self) -> str:
        """How p values of several pairs are adjusted: step-down, or by Holm's procedure where swaps are few."""
        few = self.smallest_p is not None and self.smallest_p > 1 / MIN_SWAPS
        return "Holm's procedure" if few else "step-down"

    @property
    def class_tables(self) -> list[ClassTable]:
        """The leader against others on every class; empty where classes were not compared."""
        return class_tables(self.by_class or (), self.rows[0].label)

    @property
    def about_classes(self) -> list[str]:
        """What the columns of `class_tables` are, in sentences; empty without any."""
        if not self.by_class:
            return []
        drawn = self.drawn if self.blocks is None else f"blocks of {self.blocks} consecutive samples"
        return about_classes(
            self.by_class, drawn, self.correction, len(self.class_tables), over_seeds=self.methods is not None
        )

    def class_values(self, row: ClassWinners) -> dict[str, float | None]:
        """The score of each row on a class, by its label: of a method the mean over seeds, None where one has none."""
        if self.methods is None:
            return {run.label: row.values[run.label] for run in self.runs}
        return {each.label: mean(row.values[label] for label in each.runs) for each in self.methods}

    @property
    def not_counted(self) -> str:
        """Which runs missed or invented what a distance leaves out, in a sentence; empty where none did."""
        what = "surfaces" if self.unit == "mm" else "outlines"
        each = [f"{run.left_out} of {run.label}" for run in self.runs if run.left_out]
        if not each:
            return ""
        return (
            f"{self.score} leaves out {what} that were missed or invented whole ({some(each, 5)}), so that they cost "
            "nothing here: look at a score that counts them too"
        )

    @property
    def title(self) -> str:
        """What was compared on what, in one line."""
        return self.titled(whole=False)

    def titled(self, *, whole: bool) -> str:
        """What was compared on what, in one line; `whole` says which custom folder too, as groups may differ in it."""
        direction = "higher" if self.higher_is_better else "lower"
        origin = " (SYNTHETIC)" if self.origin == "synthetic" else ""
        version = f" ({self.version})" if whole and self.version else ""
        samples = samples_of(self.n, self.whole_n)
        where = f"{self.dataset}{version}{origin}, split {self.split}"
        return f"{self.score} ({direction} is better) on {where}, {samples}"

    def plot(self) -> Figure:
        """Draw the score of every run, or every method's mean, with its 95 % interval, the best on top."""
        from ..figures.score_intervals import Interval, score_intervals

        rows = [Interval(row.label, row.value, row.low, row.high, row.family) for row in self.rows]
        people = self.people
        band = None if people is None or people.low is None or people.high is None else (people.low, people.high)
        axis = f"{self.score} ({self.unit}), with 95 % interval" + ("; grey: human range" if band else "")
        return score_intervals(rows, self.title, axis, band=band)

    def __str__(self) -> str:
        """The answer, and a line for each run."""
        return self._text(whole=False)

    def _text(self, *, whole: bool) -> str:
        people = "".join(f"\n{line}" for line in self.beside_people)
        tables = (f"\n\n{each.title}\n{text_table(HEADS, each.cells)}" for each in self.class_tables)
        classes = "\n".join(["".join(tables), *self.about_classes])
        return f"{self.titled(whole=whole)}\n{self.answer}\n{text_table(_RANKS, self._rank_rows())}{people}{classes}"

    @property
    def beside_people(self) -> list[str]:
        """The human range, and where each run lies against it, in sentences; empty without people."""
        return [] if self.people is None else self.people.lines

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: ranks, then pairs."""
        return self._html(whole=False)

    def _html(self, *, whole: bool) -> str:
        pairs = [
            [each.a, each.b, number(each.value, "+.4f"), between(each.low, each.high, "+.4f"), p_value(each.p_adjusted)]
            for each in self.pairs
        ]
        ranks = html_table(self.titled(whole=whole), _RANKS, self._rank_rows(), [self.answer, *self.beside_people])
        parts = [ranks + html_table("", _PAIRS, pairs, [f"p adjusted for {counted(len(pairs), 'pair')}"])]
        parts += [
            html_table(each.title, HEADS, each.cells, [each.left_out] * bool(each.left_out))
            for each in self.class_tables
        ]
        return "\n".join([*parts, *([html_table("", (), (), self.about_classes)] if self.by_class else [])])

    def _rank_rows(self) -> list[list[str]]:
        return [
            [
                str(row.rank_low) if row.rank_low == row.rank_high else f"{row.rank_low}–{row.rank_high}",
                *(row.label, number(row.value, ".4f"), between(row.low, row.high)),
                *(
                    number(row.cost.train_s, ".0f") + time_marks(*row.cost.time_marks),
                    number(row.cost.predict_ms_per_image, ".0f"),
                ),
            ]
            for row in self.rows
        ]

    @model_serializer(mode="wrap")
    def _only_what_was_asked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(
            handler(self),
            "version",
            "labels_needed",
            "groups",
            "whole_n",
            "people",
            "robustness",
            "methods",
            "method_differences",
            "by_class",
        )


class Comparison(ComparedGroup):
    """What `bench compare` found: a group of runs that may be compared, and the runs that stand alone.

    Where runs form several groups, this is the largest one, and `groups` holds all of them, this one first.
    """

    alone: list[StandsAlone] = Field(default_factory=list)
    groups: list[ComparedGroup] | None = None

    @property
    def every_group(self) -> list[ComparedGroup]:
        """All groups, also where there is one."""
        return self.groups or [self]

    @property
    def left_out(self) -> list[str]:
        """A line for each run that stands alone."""
        return [f"{each.run_id or each.folder} was compared with no other: {each.why}" for each in self.alone]

    def __str__(self) -> str:
        """Of every group the answer and a line for each run; what stands alone."""
        return "\n\n".join([*(group._text(whole=bool(self.groups)) for group in self.every_group), *self.left_out])

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        parts = [group._html(whole=bool(self.groups)) for group in self.every_group]
        return "\n".join([*parts, html_table("", (), (), self.left_out)])
