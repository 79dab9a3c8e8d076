"""`bench explain`: the score of a run under the conventions of well-known libraries, from its statistics alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from ..evaluation.conventions import Convention, counts, reduce
from ..evaluation.library_conventions import changes, conventions, official
from ..evaluation.scores import defined
from ..io.documents import Document
from ..metrics.overlap import BinaryOverlap
from ..runs.stored import StoredRun, open_run
from ..types import DatasetInfo, Int64, Metric, Statistic, UserError

COLUMNS = frozenset(BinaryOverlap.columns)


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


class Explanation(Document):
    """What a run scores under every convention, and how many points one rule moves."""

    run_id: str
    dataset: str
    origin: Literal["real", "synthetic"]
    main_score: str
    explained: str
    official: float | None
    spread_points: float | None
    rows: list[ConventionRow]
    rules: list[RuleChange]
    notes: list[str]


class _Scores:
    """Scores of one set of statistics; pixels are counted once for each rule of void and background."""

    def __init__(self, statistics: Sequence[Statistic], info: DatasetInfo) -> None:
        self._statistics, self._info = statistics, info
        self._counted: dict[tuple[str, str], Int64] = {}

    def __call__(self, convention: Convention) -> float:
        key = (convention.void, convention.background)
        if key not in self._counted:
            self._counted[key] = counts(self._statistics, self._info, convention)
        return reduce(self._counted[key], convention)


def explain(folder: Path) -> Explanation:
    """What a run scores under every convention, and how many points one rule moves.

    Raises
    ------
    UserError
        If it is no run folder, cannot be read, or has no overlap statistics.
    """
    run = open_run(folder)
    family = _overlap_family(run)
    statistics = run.statistics.of(family.name)
    if not statistics:
        raise UserError(f"'{folder}' holds no scored sample, so there is nothing to explain")
    own = official(run.info, [score.name for score in family.scores])
    if not own:
        raise UserError(f"the scores of {family.name} follow no convention that is known here")
    main = run.record.main_score if run.record.main_score in own else next(iter(own))
    own = {main: own[main], **own}
    scores = _Scores(statistics, run.info)
    stored = family.compute(statistics, run.info)
    rows = [_row(own[name], stored[name], stored[main], scored=True) for name in own]
    rules = {convention.rules: n for n, convention in enumerate(own.values())}
    for convention in conventions(run.info):
        if convention.rules in rules:
            rows[rules[convention.rules]].used_by += convention.used_by
        else:
            rows.append(_row(convention, scores(convention), stored[main]))
    values = [row.value for row in rows if row.value is not None]
    return Explanation(
        run_id=run.record.run_id,
        dataset=run.record.dataset.name,
        origin=run.record.dataset.origin,
        main_score=run.record.main_score,
        explained=main,
        official=defined(stored[main]),
        spread_points=100 * (max(values) - min(values)) if values else None,
        rows=rows,
        rules=_rules(run.info, own[main], scores),
        notes=_notes(run, main, statistics),
    )


def _overlap_family(run: StoredRun) -> Metric:
    for metric in run.metrics:
        if frozenset(metric.columns) == COLUMNS:
            return metric
    families = ", ".join(run.record.metrics) or "nothing"
    raise UserError(
        f"'{run.folder}' has no pixel counts to explain; it was scored by {families}. "
        "Score label maps with 'bench evaluate' to get them."
    )


def _row(convention: Convention, value: float, reference: float, *, scored: bool = False) -> ConventionRow:
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


def _rules(info: DatasetInfo, start: Convention, scores: _Scores) -> list[RuleChange]:
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


def _notes(run: StoredRun, main: str, statistics: Sequence[Statistic]) -> list[str]:
    notes = []
    wanted = run.record.main_score
    if wanted != main:
        only = "V_Rand has one convention only" if wanted == "v_rand" else f"{wanted} is not a mean of overlaps"
        notes.append(f"{only}; explained is {main} of the same predictions")
    odd = sum(_classless(statistic, run.info) for statistic in statistics)
    if odd:
        notes.append(
            f"{odd} counted pixels are predicted as labels that are no scored class: in every row they are missed, and "
            "wrong for no other class. Some libraries refuse them, or count their labels as further classes"
        )
    if not run.record.complete:
        notes.append("the run is partial: absent classes may weigh more than on the whole split")
    return notes


def _classless(statistic: Statistic, info: DatasetInfo) -> int:
    """Counted pixels that are predicted as a label that is no scored class."""
    truth, predicted, pixels = (statistic.columns[name] for name in ("truth", "prediction", "pixels"))
    counted = ~np.isin(truth, list(info.void)) & ~np.isin(predicted, [c.id for c in info.classes])
    return int(pixels[counted].sum())
