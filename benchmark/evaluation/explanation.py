"""A score under one convention beside the others, and what one rule moves: from statistics alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field

from ..io.documents import Document
from ..metrics.foreground_overlap import cases_of
from ..types import DatasetInfo, Int64, Statistic
from .conventions import Convention, counts, reduce
from .library_conventions import changes
from .scores import defined


class ConventionRow(Document):
    """The score under one convention; `scored` are the run's own, `official` those that an official tool computes.

    other_value : of another run under the same convention; null without one.
    """

    name: str
    scored: bool
    official: bool
    used_by: list[str]
    quantity: str
    average: str
    absent: str
    void: str
    background: str
    value: float | None
    difference_points: float | None
    other_value: float | None = None


class RuleChange(Document):
    """How many points one rule moves alone, and how many in each image, where most images lack a class.

    points_per_image : the same change where classes are averaged in each image before and after it; null where the
        rule is the average itself.
    """

    rule: str
    from_: str = Field(alias="from")
    to: str
    points: float | None
    points_per_image: float | None


class Scores:
    """Scores of one set of statistics; pixels are counted once for each rule of void, background and cases."""

    def __init__(self, statistics: Sequence[Statistic], info: DatasetInfo) -> None:
        self._statistics, self._info = statistics, info
        self._counted: dict[tuple[str, str, bool], Int64] = {}

    @property
    def cases(self) -> bool:
        """Whether several images are of one case."""
        return len(set(cases_of(self._statistics, self._info))) < len(self._statistics)

    def __call__(self, convention: Convention) -> float:
        key = (convention.void, convention.background, convention.of_cases)
        if key not in self._counted:
            self._counted[key] = counts(self._statistics, self._info, convention)
        return reduce(self._counted[key], convention)


def convention_row(convention: Convention, value: float, reference: float, *, scored: bool = False) -> ConventionRow:
    """`scored` are the run's own scores; those that an official tool computes are `official`, and name it first."""
    return ConventionRow(
        name=convention.name,
        scored=scored,
        official=scored and bool(convention.used_by),
        used_by=list(convention.used_by),
        quantity=convention.quantity,
        average=convention.average,
        absent=_absent(convention),
        void=convention.void,
        background=convention.background,
        value=defined(value),
        difference_points=defined(100 * (value - reference)),
    )


def _absent(convention: Convention) -> str:
    """The rule for absent classes, with what a class counts that is in no image."""
    return convention.absent if convention.never == "out" else f"{convention.absent}, {convention.never} if in no image"


def rule_changes(info: DatasetInfo, start: Convention, scores: Scores) -> list[RuleChange]:
    """What every change of one rule moves, the largest first, undefined ones last."""
    found = [
        RuleChange.model_validate(
            {
                "rule": rule,
                "from": getattr(start, rule),
                "to": getattr(changed, rule),
                "points": _points(scores, start, changed),
                "points_per_image": None
                if rule == "average"
                else _points(scores, *map(_in_each_image, (start, changed))),
            }
        )
        for rule, changed in changes(info, start, cases=scores.cases)
    ]
    return sorted(found, key=_moved, reverse=True)


def _points(scores: Scores, before: Convention, after: Convention) -> float | None:
    return defined(100 * (scores(after) - scores(before)))


def _in_each_image(convention: Convention) -> Convention:
    """The convention with classes averaged in each image, where it leaves absent ones out rather than give no score."""
    absent = "out" if convention.absent == "undefined" else convention.absent
    return replace(convention, average="image", absent=absent)


def _moved(change: RuleChange) -> tuple[bool, float, float]:
    """What a change is ranked by: undefined ones last."""
    return change.points is not None, abs(change.points or 0.0), abs(change.points_per_image or 0.0)


def classless_pixels(statistic: Statistic, info: DatasetInfo) -> int:
    """Counted pixels that are predicted as a label that is no scored class."""
    truth, predicted, pixels = (statistic.columns[name] for name in ("truth", "prediction", "pixels"))
    counted = ~np.isin(truth, list(info.void)) & ~np.isin(predicted, [c.id for c in info.classes])
    return int(pixels[counted].sum())
