"""The verdict of the regression gate: did a run get worse than its baseline, by more than tolerance and noise?

It is `ok` only where the test set could have shown a loss. Where it could not, the gate is closed and says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..evaluation.comparison import Paired, holm
from ..evaluation.gate_power import errors_to_be_seen
from ..evaluation.students_t import StudentsT
from ..runs.record import Cost, Record
from ..runs.stored import StoredRun, refuse_foreign_statistics
from ..runs.stored_scores import with_score
from ..types import Metric, ScoreInfo, UserError
from .check_result import CheckedRun, CheckResult, CostChange, LostClass, LostSample, UncheckedRun, Verdict
from .comparable import refuse_incomparable
from .score_by_class import ScoreByClass, score_by_class

ALPHA = 0.01
"""Chance that a method that did not change is called worse, over all runs of a check together."""

POWER = 0.8
"""Chance that a loss that counts as detectable is found."""

MAX_UNSEEN = 0.5
"""Part of what a run can lose that may go unseen: a test set that shows no smaller loss says nothing for a run."""

MAX_NAMED = 10
"""Number of classes and of samples that are named, those that lost most first."""

FAILED: frozenset[Verdict] = frozenset({"worse", "slower", "inconclusive"})
"""The verdicts that close the gate."""

TIMES = {"train_s": "to fit, s", "predict_ms_per_image": "per image, ms"}
"""The costs that `slowdown` limits, in words."""


@dataclass(frozen=True)
class Loss:
    """How much worse a run is than its baseline, and what that is worth; in the score's unit.

    error, t : standard error of the loss over test sets, and what it is worth. p : one-sided, of the loss.
    possible : the largest loss that there can be. units : number of samples, or groups of them, that were drawn.
    """

    loss: float
    error: float
    t: StudentsT
    p: float
    possible: float
    units: int
    drawn: str = "samples"

    def noise(self, level: float = ALPHA) -> float:
        """What a run that did not change would lose in this part of all test sets; NaN where it is not known."""
        return self.t.quantile(1 - level) * self.error if self.t.freedom > 0 else math.nan

    def visible(self, level: float = ALPHA) -> float:
        """The loss that is found in 4 of 5 test sets; NaN where it is not known."""
        if self.t.freedom < 1:
            return math.nan
        return errors_to_be_seen(self.t, level, POWER) * self.error

    def beyond(self, tolerance: float, p_adjusted: float, level: float = ALPHA) -> bool:
        """Whether it is more than the tolerance and than the noise."""
        return self.loss > tolerance and self.loss > self.noise(level) and p_adjusted <= ALPHA

    def unseen(self, tolerance: float, level: float = ALPHA) -> str:
        """Why the test set could not have shown a loss; empty where it could."""
        if self.units < 2:
            return f"one {self.drawn[:-1]} shows no loss: what is noise cannot be told from it. Score more samples"
        if math.isnan(self.noise(level)):
            return "the score is undefined on parts of these samples, so that noise is not known. Score more samples"
        if self.loss > tolerance and math.isnan(self.p):
            return "the score is undefined wherever samples are swapped, so that no loss can be tested"
        if tolerance >= self.possible:
            return f"no loss can be larger than the tolerance of {tolerance:g}: at most {self.possible:.4f} can be lost"
        if self.visible(level) > MAX_UNSEEN * self.possible:
            return (
                f"these {self.units} {self.drawn} show no loss below {self.visible(level):.4f}, and at most "
                f"{self.possible:.4f} can be lost. Score more samples"
            )
        return ""


def loss_of(paired: Paired) -> Loss:
    """The loss of the first of two runs against the second."""
    noise = paired.noise(0, 1)
    value, before = (float(each) for each in paired.values)
    loss = paired.sign * (before - value)
    p = 1.0
    if loss > 0:
        # Where every sample lost the same there is no noise, and no test can say so.
        p = 0.0 if noise.error == 0 else paired.p_value(0, 1) / 2
    score = paired.score
    possible = before - score.low if score.higher_is_better else score.high - before
    return Loss(loss, noise.error, noise.t, p, possible, paired.units, paired.unit)


@dataclass(frozen=True)
class GateComparison:
    """One run compared with its baseline, before the verdict, which depends on all runs of the check."""

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
    untimed: list[str]
    note: str = ""


def compared_with_baseline(
    name: str,
    baseline: StoredRun,
    run: StoredRun,
    *,
    metric: str | None = None,
    slowdown: float | None = None,
) -> GateComparison:
    """Hold a run against its baseline.

    Parameters
    ----------
    name : str
        What the pair is called.
    baseline, run : StoredRun
    metric : str, optional
        Name of the score; the main one by default.
    slowdown : float, optional
        Factor from 1 by which fitting and predicting may take longer; not looked at by default.

    Raises
    ------
    UserError
        For runs that are not comparable, statistics that are not those of their record, a score that one of them lacks,
        or a factor below 1.
    """
    refuse_incomparable([baseline.record, run.record])
    baseline, run = (with_score(side, metric) for side in (baseline, run))
    for side in (baseline, run):
        refuse_foreign_statistics(side)
    family, score = _score(name, metric or baseline.record.main_score, baseline, run)
    sides = tuple(tuple(side.statistics.of(family.name)) for side in (run, baseline))
    paired = Paired(family, baseline.info, score, sides)
    costs = _costs(baseline.record, run.record)
    return GateComparison(
        *(name, run.record.run_id, score.name),
        baseline=float(paired.values[1]),
        value=float(paired.values[0]),
        loss=loss_of(paired),
        classes=_classes(baseline.record, run.record, score_by_class(family, score, baseline)),
        samples=_samples(paired),
        costs=costs,
        slower=_slower(costs, slowdown),
        untimed=[] if slowdown is None else _untimed(baseline.record, run.record),
        note="" if slowdown is None or costs else ". --slowdown: neither of them knows any time",
    )


def result_of(held: Sequence[GateComparison], unchecked: Sequence[UncheckedRun], tolerance: float) -> CheckResult:
    """The verdicts on all runs of a check, with p values adjusted for their number."""
    p_values = [each.loss.p for each in held]
    levels, adjusted = _levels(p_values), holm(p_values)
    checks = [_checked(each, tolerance, *how) for each, *how in zip(held, adjusted, levels, strict=True)]
    ok = not any([*(each.failed for each in checks), *(each.failed for each in unchecked)])
    return CheckResult(ok=ok, tolerance=tolerance, alpha=ALPHA, checks=checks, unchecked=list(unchecked))


def _score(name: str, wanted: str, baseline: StoredRun, run: StoredRun) -> tuple[Metric, ScoreInfo]:
    """The score with its family. Raises UserError where one of the two was not scored with it."""
    scores = {score.name: (family, score) for family in baseline.metrics for score in family.scores}
    if wanted not in scores:
        raise UserError(f"'{wanted}' is no score of {name}. Available: {', '.join(scores)}.")
    family, score = scores[wanted]
    if family.name not in run.record.metrics:
        raise UserError(f"'{run.folder}' has no score '{wanted}', but its baseline has; score it with '{family.name}'")
    return family, score


def _levels(p_values: Sequence[float]) -> list[float]:
    """The level that Holm's procedure holds each p value against: it rises from the smallest to the first one above."""
    levels = [ALPHA] * len(p_values)
    level, above = 0.0, False
    order = sorted(range(len(p_values)), key=lambda k: (math.isnan(p_values[k]), p_values[k]))
    for place, k in enumerate(order):
        level = level if above else ALPHA / (len(p_values) - place)
        above = above or not p_values[k] <= level
        levels[k] = level
    return levels


def _checked(held: GateComparison, tolerance: float, p_adjusted: float, level: float) -> CheckedRun:
    verdict, message = _verdict(held, tolerance, p_adjusted, level)
    return CheckedRun(
        name=held.name,
        run_id=held.run_id,
        score=held.score,
        baseline=held.baseline,
        value=held.value,
        loss=held.loss.loss,
        noise=held.loss.noise(level),
        detectable=_detectable(held.loss, tolerance, level),
        p=held.loss.p,
        verdict=verdict,
        classes=held.classes,
        samples=held.samples,
        costs=held.costs,
        slower=held.slower,
        failed=verdict in FAILED,
        message=message + held.note,
    )


def _verdict(held: GateComparison, tolerance: float, p_adjusted: float, level: float) -> tuple[Verdict, str]:
    """What is said of a run, and one sentence on what was found."""
    loss, size = held.loss, f"{held.score} {_shown(held.baseline)} → {_shown(held.value)}"
    if math.isnan(held.baseline):
        return "inconclusive", f"{size}: {held.score} of the baseline is undefined. Choose another with --metric"
    if math.isnan(held.value):
        return "worse", f"{size}: {held.score} is undefined now"
    limits = (
        f"noise {_shown(loss.noise(level))}; a drop of {_detectable(loss, tolerance, level):.4f} would have been seen"
    )
    if loss.beyond(tolerance, p_adjusted, level):
        names = ", ".join(row.sample for row in held.samples[:3])
        lost = f"a loss of {loss.loss:.4f}, more than tolerance and noise ({limits}). Lost most: {names}"
        return "worse", f"{size}: {lost}"
    if held.slower:
        pairs = ((TIMES[name], held.costs[name]) for name in held.slower)
        times = (f"{what}: {cost.baseline:.3g} → {cost.value:.3g}" for what, cost in pairs)
        return "slower", f"slower than allowed ({'; '.join(times)})"
    if held.untimed:
        missing = " and ".join(TIMES[name] for name in held.untimed)
        return "inconclusive", f"--slowdown: the baseline knows its time {missing}, the run does not"
    if -loss.loss > tolerance and -loss.loss > loss.noise(level):
        return "better", f"{size}: better; consider --update ({limits})"
    if unseen := loss.unseen(tolerance, level):
        return "inconclusive", f"{size}: {unseen}"
    if loss.loss == 0 and loss.error == 0:
        alike = "every sample scores as it did, which tells nothing of how small a drop would have been seen"
        return "ok", f"{size}: no loss beyond tolerance and noise ({alike})"
    if loss.loss > tolerance and loss.loss > loss.noise(level):
        return "ok", f"{size}: a loss of {loss.loss:.4f} that chance may give, p {p_adjusted:.3f} ({limits})"
    if loss.loss > tolerance:
        return "ok", f"{size}: a loss of {loss.loss:.4f}, within the noise of these samples ({limits})"
    return "ok", f"{size}: no loss beyond tolerance and noise ({limits})"


def _detectable(loss: Loss, tolerance: float, level: float) -> float:
    """The smallest loss that would have closed the gate in 4 of 5 test sets; NaN where it is not known."""
    visible = loss.visible(level)
    return visible if math.isnan(visible) else max(tolerance, visible)


def _shown(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.4f}"


def _classes(before: Record, now: Record, by: ScoreByClass | None) -> list[LostClass]:
    """Classes that lost, by the score of classes that belongs to the guarded one, the largest loss first.

    A class that has no score now lost all that it had, of a distance more than any number.
    """
    if by is None:
        return []
    key = by.what.name
    rows: list[tuple[float, str, LostClass]] = []
    for name in by.names:
        old, new = (record.per_class.get(name, {}).get(key) for record in (before, now))
        if old is None:
            continue
        worst = 0.0 if by.what.higher_is_better else math.inf
        loss = by.sign * (old - (worst if new is None else new))
        if loss > 0 or new is None:
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
    pairs = {name: (_time(before.cost, name), _time(now.cost, name)) for name in TIMES}
    return {name: CostChange(baseline=old, value=new) for name, (old, new) in pairs.items() if old and new is not None}


def _untimed(before: Record, now: Record) -> list[str]:
    """Times that the baseline has and the run lacks."""
    return [name for name in TIMES if _time(before.cost, name) and _time(now.cost, name) is None]


def _time(cost: Cost, name: str) -> float | None:
    """A time of `TIMES`; to fit is that of the run itself, so that other weights to start from make it no slower."""
    found: float | None = cost.own_train_s if name == "train_s" else getattr(cost, name)
    return found


def _slower(costs: dict[str, CostChange], slowdown: float | None) -> list[str]:
    if slowdown is None:
        return []
    if not 1 <= slowdown < math.inf:
        raise UserError(f"--slowdown is a factor from 1, found {slowdown}")
    return [name for name, cost in costs.items() if cost.value > slowdown * cost.baseline]
