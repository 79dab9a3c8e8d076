"""A score under one convention beside the others, and what one rule moves: from statistics alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from ..io.documents import Document
from ..types import DatasetInfo, Int64, Statistic
from .conventions import Convention, counts, reduce
from .library_conventions import changes
from .scores import defined


class ConventionRow(Document):
    """The score under one convention; `scored` are the run's own, `official` those that an official tool computes."""

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


class RuleChange(Document):
    """How many points one rule moves alone."""

    rule: str
    from_: str = Field(alias="from")
    to: str
    points: float | None


class Scores:
    """Scores of one set of statistics; pixels are counted once for each rule of void and background."""

    def __init__(self, statistics: Sequence[Statistic], info: DatasetInfo) -> None:
        self._statistics, self._info = statistics, info
        self._counted: dict[tuple[str, str], Int64] = {}

    def __call__(self, convention: Convention) -> float:
        key = (convention.void, convention.background)
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
    reference = scores(start)
    found = [
        RuleChange.model_validate(
            {
                "rule": rule,
                "from": getattr(start, rule),
                "to": getattr(changed, rule),
                "points": defined(100 * (scores(changed) - reference)),
            }
        )
        for rule, changed in changes(info, start)
    ]
    return sorted(found, key=lambda entry: -abs(entry.points) if entry.points is not None else math.inf)


def classless_pixels(statistic: Statistic, info: DatasetInfo) -> int:
    """Counted pixels that are predicted as a label that is no scored class."""
    truth, predicted, pixels = (statistic.columns[name] for name in ("truth", "prediction", "pixels"))
    counted = ~np.isin(truth, list(info.void)) & ~np.isin(predicted, [c.id for c in info.classes])
    return int(pixels[counted].sum())
