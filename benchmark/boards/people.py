"""People beside methods: annotators whose masks were scored as runs of the family `human`, and the range of them.

A person is never ranked among methods. From two raters on, the range goes from the lowest to the highest of their
scores; the 95 % interval of a single one stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ..cardiac.agreement import Verdict, against_range, undecided_in_words
from ..evaluation.scores import Score
from ..io.documents import Document, Number
from ..runs.record import Record
from ..text import counted, interval
from .comparable import Comparable
from .paired_difference import PairedDifference

T = TypeVar("T")


class Rater(Document):
    """A person's run, with the score of their masks and its 95 % interval."""

    run_id: str
    name: str
    value: Number
    low: Number
    high: Number


class People(Document):
    """The annotators of the same samples: their scores, the range of these, and where each run lies against it.

    `verdicts` are by the run's id on a board, by its label in a comparison; `differences`, of a comparison alone, are
    those of the best method from each rater.
    """

    score: str
    low: Number
    high: Number
    raters: list[Rater]
    verdicts: dict[str, str]
    differences: list[PairedDifference]

    @property
    def sentence(self) -> str:
        """The range in words."""
        who = counted(len(self.raters), "rater")
        if self.low is None or self.high is None:
            return f"Human annotators ({who}): {self.score} is undefined."
        kind = "" if len(self.raters) > 1 else ", its 95 % interval"
        return f"Human range of {self.score} ({who}{kind}): {self.low:.4f} to {self.high:.4f}."

    @property
    def lines(self) -> list[str]:
        """The range, a line for each rater, and the verdicts."""
        raters = [f"{rater.name} (human): {interval(rater.value, rater.low, rater.high)}" for rater in self.raters]
        return [self.sentence, *raters, *(f"{name}: {said}" for name, said in self.verdicts.items())]


@dataclass(frozen=True)
class HumanRange:
    """The scores between which people lie: `low` up to `high`."""

    low: float
    high: float
    higher_is_better: bool

    @classmethod
    def of(cls, scores: Sequence[Score | None]) -> HumanRange | None:
        """The range of one score of each rater; None where none is defined."""
        known = [score for score in scores if score is not None and score.value is not None]
        values = [score.value for score in known if score.value is not None]
        if not known:
            return None
        if len(known) > 1:
            return cls(min(values), max(values), known[0].higher_is_better)
        (one,) = known
        if one.low is None or one.high is None:
            return cls(values[0], values[0], one.higher_is_better)
        return cls(one.low, one.high, one.higher_is_better)

    def verdict(self, score: Score | None) -> str:
        """Where the interval of a score lies against the range; of an undecided one what is still possible."""
        if score is None or score.low is None or score.high is None:
            return "undecided (no interval)"
        low, high, best, worst = score.low, score.high, self.low, self.high
        if self.higher_is_better:
            low, high, best, worst = -high, -low, -worst, -best
        found: Verdict = against_range(low, high, (best, worst))
        return found if found != "undecided" else undecided_in_words(low, high, (best, worst))


def is_person(record: Record) -> bool:
    """Whether a run holds the masks of a person."""
    return record.method.family == "human"


def people_beside(key: Comparable, items: Iterable[T], record_of: Callable[[T], Record]) -> list[T]:
    """Complete runs of people on the samples of a group of comparable runs, also where those were made in folds."""
    found = []
    for item in items:
        record = record_of(item)
        if is_person(record) and record.complete and record.scores:
            theirs = Comparable.of(record)
            if key in (theirs, replace(theirs, folds=key.folds)):
                found.append(item)
    return found


def people_of(
    records: Sequence[Record], score: str, others: Sequence[tuple[str, Record]], differences: Sequence[PairedDifference]
) -> People | None:
    """What is said of people's runs beside other runs, which have names; None without people."""
    if not records:
        return None
    scores = [record.scores.get(score) for record in records]
    found = HumanRange.of(scores)
    return People(
        score=score,
        low=None if found is None else found.low,
        high=None if found is None else found.high,
        raters=[
            Rater(
                run_id=record.run_id,
                name=record.method.name,
                value=None if one is None else one.value,
                low=None if one is None else one.low,
                high=None if one is None else one.high,
            )
            for record, one in zip(records, scores, strict=True)
        ],
        verdicts={} if found is None else {name: found.verdict(record.scores.get(score)) for name, record in others},
        differences=list(differences),
    )
