"""The verdict of the regression gate: did a run get worse than its baseline, by more than tolerance and noise?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from ..evaluation.comparison import Paired, holm
from ..io.documents import Document, Number, without_none
from ..runs.record import Record
from ..runs.stored import StoredRun
from ..text import counted, number
from ..types import UserError
from .compare_runs import refuse_incomparable
from .notebook import html_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALPHA = 0.01
"""Chance that a method that did not change is called worse, over all runs of a check together."""

POWER = 0.8
"""Chance that a loss that counts as detectable is found."""

MAX_NAMED = 10
"""Number of classes and of samples that are named, those that lost most first."""

Verdict = Literal["ok", "worse", "better", "slower"]

TIMES = {"train_s": "to fit, s", "predict_ms_per_image": "per image, ms"}
"""The costs that `slowdown` limits, in words."""


class LostClass(Document):
    """A class that lost, by one of its scores."""

    name: str = Field(alias="class")
    by: str
    baseline: Number
    value: Number
    loss: Number


class LostSample(Document):
    """A sample that lost."""

    sample: str
    baseline: Number
    value: Number
    loss: Number


class CostChange(Document):
    """A cost before and now."""

    baseline: float
    value: float


class CheckedRun(Document):
    """One run against its baseline; `loss` is positive where the run is worse, in the score's unit.

    `noise`, `detectable` and `p` are those of `Loss`; `slower` names the costs that grew more than is allowed.
    """

    name: str
    run_id: str
    score: str
    baseline: Number
    value: Number
    loss: Number
    noise: Number
    detectable: Number
    p: Number
    verdict: Verdict
    classes: list[LostClass]
    samples: list[LostSample]
    costs: dict[str, CostChange]
    slower: list[str]
    failed: bool
    message: str

    @property
    def change(self) -> float | None:
        """How much better the run is than its baseline, in the score's unit; below 0 where it is worse."""
        return None if self.loss is None else -self.loss


class CheckResult(Document):
    """What `bench check` found: `ok` where no run got worse. `updated` names the folders of a new baseline."""

    ok: bool
    tolerance: float | None = None
    alpha: float | None = None
    updated: list[str] | None = None
    checks: list[CheckedRun]

    @property
    def title(self) -> str:
        """What came of it, in one line."""
        if self.updated is not None:
            return f"baseline: {counted(len(self.updated), 'run')} written"
        failed = sum(each.failed for each in self.checks)
        return f"{counted(failed, 'run')} of {len(self.checks)} got worse, or slower than allowed"

    def plot(self) -> Figure:
        """Draw every run's change against its baseline, with the noise around it; what is left of the line is worse."""
        from ..figures.score_intervals import Interval, score_intervals

        rows = []
        for each in self.checks:
            change, noise = each.change, each.noise
            low, high = (None, None) if change is None or noise is None else (change - noise, change + noise)
            rows.append(Interval(each.name, change, low, high))
        band = None if self.tolerance is None else (-self.tolerance, 0.0)
        return score_intervals(rows, self.title, "change for the better, with noise; grey: tolerated loss", band=band)

    def __str__(self) -> str:
        """A line for each run."""
        return "\n".join([self.title, *(f"{each.verdict}: {each.name}: {each.message}" for each in self.checks)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        headers = ("", "run", "score", "baseline", "now", "change", "noise")
        rows = [
            [
                *(each.verdict, each.name, each.score, number(each.baseline, ".4f"), number(each.value, ".4f")),
                *(number(each.change, "+.4f"), number(each.noise, ".4f")),
            ]
            for each in self.checks
        ]
        return html_table(self.title, headers, rows)

    @model_serializer(mode="wrap")
    def _only_what_was_done(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "tolerance", "alpha", "updated")


@dataclass(frozen=True)
class Loss:
    """How much worse a run is than its baseline, and what that is worth; in the score's unit.

    noise : what a run that did not change would lose in one of a hundred test sets; detectable : the loss that is found
    in 4 of 5 test sets; p : one-sided, of the loss.
    """

    loss: float
    noise: float
    detectable: float
    p: float

    def beyond(self, tolerance: float, p_adjusted: float) -> bool:
        """Whether it is more than the tolerance and than the noise."""
        return self.loss > tolerance and self.loss > self.noise and p_adjusted <= ALPHA


def loss_of(paired: Paired, tolerance: float) -> Loss:
    """The loss of the first of two runs against the second."""
    error, freedom = paired.noise(0, 1)
    critical, powerful = _quantiles(freedom)
    loss = paired.sign * float(paired.values[1] - paired.values[0])
    p = paired.p_value(0, 1) / 2 if loss > 0 else 1.0
    return Loss(loss, critical * error, max(tolerance, (critical + powerful) * error), p)


@dataclass(frozen=True)
class HeldAgainst:
    """One run held against its baseline, before the verdict, which depends on all runs of the check."""

    name: str
    run_id: str
    score: str
    baseline: float
    value: float
    loss: Loss
    classes: list[LostClass]
    samples: list[LostSample]
    costs: dict[str, CostChange]
    slower: list[str]


def held_against(
    name: str,
    baseline: StoredRun,
    run: StoredRun,
    *,
    metric: str | None = None,
    tolerance: float,
    slowdown: float | None = None,
) -> HeldAgainst:
    """Hold a run against its baseline.

    Parameters
    ----------
    name : str
        What the pair is called.
    baseline, run : StoredRun
    metric : str, optional
        Name of the score; the main one by default.
    tolerance : float
        A smaller loss never fails, in the score's unit.
    slowdown : float, optional
        Factor from 1 by which fitting and predicting may take longer; not looked at by default.

    Raises
    ------
    UserError
        For runs that are not comparable, a score that there is not, or a factor below 1.
    """
    refuse_incomparable([baseline.record, run.record])
    score_name = metric or baseline.record.main_score
    scores = {score.name: (family, score) for family in baseline.metrics for score in family.scores}
    if score_name not in scores:
        raise UserError(f"'{score_name}' is no score of {name}. Available: {', '.join(scores)}.")
    family, score = scores[score_name]
    sides = tuple(tuple(side.statistics.of(family.name)) for side in (run, baseline))
    paired = Paired(family, baseline.info, score, sides)
    costs = _costs(baseline.record, run.record)
    return HeldAgainst(
        *(name, run.record.run_id, score_name),
        baseline=float(paired.values[1]),
        value=float(paired.values[0]),
        loss=loss_of(paired, tolerance),
        classes=_classes(baseline.record, run.record),
        samples=_samples(paired),
        costs=costs,
        slower=_slower(costs, slowdown),
    )


def result_of(held: Sequence[HeldAgainst], tolerance: float) -> CheckResult:
    """The verdicts on all runs of a check, with p values adjusted for their number."""
    adjusted = holm([each.loss.p for each in held])
    checks = [_checked(each, tolerance, p) for each, p in zip(held, adjusted, strict=True)]
    return CheckResult(ok=not any(each.failed for each in checks), tolerance=tolerance, alpha=ALPHA, checks=checks)


def _checked(held: HeldAgainst, tolerance: float, p_adjusted: float) -> CheckedRun:
    verdict = _verdict(held, tolerance, p_adjusted)
    return CheckedRun(
        name=held.name,
        run_id=held.run_id,
        score=held.score,
        baseline=held.baseline,
        value=held.value,
        **vars(held.loss),
        verdict=verdict,
        classes=held.classes,
        samples=held.samples,
        costs=held.costs,
        slower=held.slower,
        failed=verdict in ("worse", "slower"),
        message=_message(held, verdict),
    )


def _verdict(held: HeldAgainst, tolerance: float, p_adjusted: float) -> Verdict:
    if math.isnan(held.loss.loss):
        return "ok" if math.isnan(held.baseline) else "worse"
    if held.loss.beyond(tolerance, p_adjusted):
        return "worse"
    if held.slower:
        return "slower"
    return "better" if -held.loss.loss > max(tolerance, held.loss.noise) else "ok"


def _quantiles(freedom: int) -> tuple[float, float]:
    """Student's t at the level of the check, and at its power."""
    from scipy.stats import t

    return (float(t.ppf(1 - ALPHA, freedom)), float(t.ppf(POWER, freedom))) if freedom > 0 else (math.inf, math.inf)


def _classes(before: Record, now: Record) -> list[LostClass]:
    """Classes that lost, by IoU where the table has it, the largest loss first."""
    rows: list[tuple[float, str, LostClass]] = []
    for name, first in before.per_class.items():
        key = "iou" if "iou" in first else next(iter(first), "")
        old, new = first.get(key), now.per_class.get(name, {}).get(key)
        if old is not None and (new is None or new < old):
            loss = old - (new or 0.0)
            row = {"class": name, "by": key, "baseline": old, "value": new, "loss": loss}
            rows.append((-loss, name, LostClass.model_validate(row)))
    return [row for _, _, row in sorted(rows, key=lambda each: each[:2])[:MAX_NAMED]]


def _samples(paired: Paired) -> list[LostSample]:
    """Samples that lost, the largest loss first."""
    value, before = paired.per_sample
    loss = paired.sign * (before - value)
    order = np.argsort(-np.where(np.isnan(loss), -np.inf, loss), kind="stable")
    return [
        LostSample(
            sample=paired.runs[0][k].sample_id, baseline=float(before[k]), value=float(value[k]), loss=float(loss[k])
        )
        for k in order[:MAX_NAMED].tolist()
        if loss[k] > 0
    ]


def _costs(before: Record, now: Record) -> dict[str, CostChange]:
    pairs = {name: (getattr(before.cost, name), getattr(now.cost, name)) for name in TIMES}
    return {name: CostChange(baseline=old, value=new) for name, (old, new) in pairs.items() if old and new is not None}


def _slower(costs: dict[str, CostChange], slowdown: float | None) -> list[str]:
    if slowdown is None:
        return []
    if not 1 <= slowdown < math.inf:
        raise UserError(f"--slowdown is a factor from 1, found {slowdown}")
    return [name for name, cost in costs.items() if cost.value > slowdown * cost.baseline]


def _message(held: HeldAgainst, verdict: Verdict) -> str:
    """One sentence on what was found."""
    if verdict == "slower":
        times = (
            f"{TIMES[name]}: {held.costs[name].baseline:.3g} → {held.costs[name].value:.3g}" for name in held.slower
        )
        return f"slower than allowed ({'; '.join(times)})"
    if math.isnan(held.value):
        return f"{held.score} is undefined"
    size = f"{held.score} {held.baseline:.4f} → {held.value:.4f}"
    limits = f"noise {held.loss.noise:.4f}; a drop of {held.loss.detectable:.4f} would have been seen"
    if verdict == "worse":
        names = ", ".join(row.sample for row in held.samples[:3])
        return f"{size}: a loss of {held.loss.loss:.4f}, more than tolerance and noise ({limits}). Lost most: {names}"
    word = "better; consider --update" if verdict == "better" else "no loss beyond tolerance and noise"
    return f"{size}: {word} ({limits})"
