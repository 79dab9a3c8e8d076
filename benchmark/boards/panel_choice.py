"""Which samples a figure of a paper shows: rules that choose by the scores of its runs, each with its sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..text import counted
from ..types import Float64, Int64, UserError

Rule: TypeAlias = Literal["worst", "best", "typical", "spread", "disagree"]
"""By the mean of the runs' scores of a sample; `disagree` by how far they lie apart."""


@dataclass(frozen=True)
class ChosenSamples:
    """The samples that are shown, in order, how they were chosen, and among how many.

    `how` : by a rule, named as `samples`, or evenly over the order of their `names` where nothing is scored.
    """

    ids: tuple[str, ...]
    how: Rule | Literal["samples", "names"]
    candidates: int

    @property
    def rule(self) -> Rule | None:
        """The rule, where they were chosen by the score."""
        return None if self.how == "samples" or self.how == "names" else self.how


def choose(scores: Float64, rule: Rule, count: int, *, higher_is_better: bool) -> list[int]:
    """Places of the samples that a rule chooses, in the order in which they are shown.

    A sample that is undefined for any run takes no part: means over different runs say nothing of each other. Of equal
    samples the first one comes first.

    Parameters
    ----------
    scores : (runs, samples) float64, the score of every run on every sample alone; NaN where undefined.
    rule : `worst` and `best` begin with the extreme one, `typical` with the one nearest to the median, `spread` goes
        evenly from the worst to the best, `disagree` begins with the largest range of the runs.
    count : number of samples, from 1; all where there are not so many.
    higher_is_better : the direction of the score.

    Raises
    ------
    UserError
        Where no sample is defined for every run, and for `disagree` with one run.

    Examples
    --------
    >>> scores = np.array([[0.1, 0.9, 0.5, 0.7, 0.6]])
    >>> choose(scores, "spread", 3, higher_is_better=True), choose(scores, "worst", 2, higher_is_better=True)
    ([0, 4, 1], [0, 2])
    """
    if rule == "disagree" and len(scores) < 2:
        raise UserError("--pick disagree compares runs, and there is one. Name two runs or more, or take another rule.")
    known = defined_places(scores)
    if not known.size:
        raise UserError(
            "no sample has a defined score of every run, so none can be chosen by it. Name samples with --samples."
        )
    mean = scores[:, known].mean(axis=0)
    order = known[_order(scores[:, known], mean, rule, higher_is_better)]
    if rule == "spread":
        order = order[evenly(len(order), count)]
    return [int(place) for place in order[:count]]


def _order(scores: Float64, mean: Float64, rule: Rule, higher_is_better: bool) -> Int64:
    """Places of samples from the first one on: scores (runs, samples) and their means (samples,), all defined."""
    if rule == "typical":
        key = np.abs(mean - np.median(mean))
    elif rule == "disagree":
        key = -np.ptp(scores, axis=0)
    else:
        key = -mean if (rule == "best") == higher_is_better else mean
    return np.argsort(key, kind="stable")


def defined_places(scores: Float64) -> Int64:
    """Places of samples with a score of every run, of (runs, samples)."""
    return np.flatnonzero(~np.isnan(scores).any(axis=0))


def evenly(total: int, count: int) -> list[int]:
    """At most `count` places among `total`, from the first to the last, evenly apart; of one place the middle.

    >>> evenly(10, 4), evenly(10, 1), evenly(2, 4)
    ([0, 3, 6, 9], [4], [0, 1])
    """
    if count >= total:
        return list(range(total))
    if count == 1:
        return [(total - 1) // 2]
    return [(2 * k * (total - 1) + count - 1) // (2 * (count - 1)) for k in range(count)]


def sentence_of(rule: Rule, count: int, score: str) -> str:
    """How a rule chose, for the caption: who reads the figure must know what it can show."""
    these = f"the {counted(count, 'sample')}" if count > 1 else "the sample"
    by_scores = "chosen by the runs' own scores, so no evidence of how good a run is"
    if rule == "spread":
        return f"Shown: {counted(count, 'sample')} evenly from the worst to the best by the mean {score} of the runs."
    if rule == "typical":
        return f"Shown: {these} whose mean {score} of the runs is nearest to the median."
    if rule == "disagree":
        return f"Shown: {these} on which the {score} of the runs lies furthest apart; {by_scores}."
    return f"Shown: {these} with the {rule} mean {score} of the runs; {by_scores}."
