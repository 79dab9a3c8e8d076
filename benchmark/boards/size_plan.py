"""How many images a test set takes, from stored runs: which runs are planned from, and what is said of them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..evaluation.comparison import ALPHA, Paired
from ..evaluation.sample_size import MIN_UNITS, POWER, Estimated, Planned, ladder, planned, units_needed
from ..evaluation.students_t import StudentsT
from ..runs.record import Record
from ..runs.stored import StoredRun
from ..text import counted, named
from ..types import UserError
from .comparable import badness, comparable_groups, refuse_incomparable
from .labels import comparison_labels
from .paired_difference import paired_difference
from .plan_document import CurvePoint, LearningCurve, Needed, PlannedNumber, PlannedRun, PlannedSize, SizePlan
from .score_choice import score_of
from .seed_groups import SeedGroup, curves_of, plotted, seed_groups

FEW_UNITS = 20
"""Below so many units a plan says that it knows little."""

_UNKNOWN = Estimated(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Targets:
    """What a test set is to give: an interval of at most this full width, a difference that is seen.

    `seconds_per_label` is the time that one labelled image takes; None where it is not known.
    """

    width: float | None = None
    difference: float | None = None
    seconds_per_label: float | None = None


def plan_sizes(runs: Sequence[StoredRun], score: str | None, targets: Targets) -> SizePlan:
    """Plan from the statistics of comparable runs.

    Of two runs, both are planned from; of more, the two best of those that learned from the most labels, each as the
    middle one of its seeds. All of them may stand in learning curves.

    Raises
    ------
    UserError
        For runs that are not comparable, a score that one of them lacks or that is undefined, and too few samples.
    """
    _refuse_incomparable(runs)
    metric, info = score_of(runs[0], score)
    chosen = _chosen(runs, info.name, info.higher_is_better)
    statistics = tuple(tuple(run.statistics.of(metric.name)) for run in chosen)
    paired = Paired(metric, chosen[0].info, info, statistics)
    _refuse_too_little(paired, chosen[0], info.name)
    plans = planned(paired, ladder(paired.units))
    per_unit = len(paired.runs[0]) / paired.units
    labels = comparison_labels([run.record for run in chosen])
    intervals = [paired.interval(place) for place in range(len(chosen))]
    data = chosen[0].record.dataset
    told = _Told(per_unit, targets.seconds_per_label)
    return SizePlan(
        dataset=data.name,
        origin=data.origin,
        split=data.split,
        score=info.name,
        unit=info.unit,
        higher_is_better=info.higher_is_better,
        n=len(paired.runs[0]),
        units=paired.units,
        drawn=paired.unit,
        level=ALPHA,
        power=POWER,
        seconds_per_label=targets.seconds_per_label,
        runs=[
            PlannedRun(run_id=run.record.run_id, label=label, value=float(value), low=low, high=high)
            for run, label, value, (low, high) in zip(chosen, labels, paired.values, intervals, strict=True)
        ],
        difference=paired_difference(paired.difference(0, 1), labels) if len(chosen) > 1 else None,
        sizes=[told.size(plan, pair=len(chosen) > 1) for plan in plans],
        needed=_needed(plans, paired, targets, told),
        learning_curves=_curves([run.record for run in runs], info.name, told),
        notes=_notes(paired, chosen),
    )


@dataclass(frozen=True)
class _Told:
    """Units as images, and images as hours of labelling."""

    per_unit: float
    seconds_per_label: float | None

    def hours(self, images: float) -> float | None:
        return None if self.seconds_per_label is None else images * self.seconds_per_label / 3600

    def size(self, plan: Planned, *, pair: bool) -> PlannedSize:
        images = plan.units * self.per_unit
        # Where samples show no spread, nothing is promised of others: 0 is no width that they would have.
        width, visible = (
            PlannedNumber(**vars(each if each.value else _UNKNOWN)) for each in (plan.width, plan.visible)
        )
        return PlannedSize(
            units=plan.units,
            images=images,
            width=width,
            visible=visible if pair else None,
            label_hours=self.hours(images),
        )

    def needed(self, what: str, target: float, found: Sequence[int | None]) -> Needed:
        images = None if found[0] is None else found[0] * self.per_unit
        return Needed.model_validate(
            {
                **{"what": what, "target": target, "images": images},
                **dict(zip(("units", "units_low", "units_high"), found, strict=True)),
                "label_hours": None if images is None else self.hours(images),
            }
        )


def _refuse_incomparable(runs: Sequence[StoredRun]) -> None:
    """Raise UserError with the reason, and with which of the runs can be planned from."""
    try:
        refuse_incomparable([run.record for run in runs])
    except UserError as error:
        largest = max(comparable_groups(runs, lambda run: run.record).values(), key=len)
        if len(largest) < 2:
            raise
        some_runs = " ".join(shlex.quote(str(run.folder)) for run in largest[:4])
        raise UserError(f"{error} These can be planned from together: bench plan {some_runs}") from None


def _chosen(runs: Sequence[StoredRun], score: str, higher: bool) -> list[StoredRun]:
    """The runs to plan from, the better one first."""
    for run in runs:
        if score not in run.record.scores:
            raise UserError(f"'{run.folder}' has no score '{score}'; choose another with --metric")

    def order(run: StoredRun) -> float:
        return badness(run.record.scores[score].value, higher)

    if len(runs) <= 2:
        return sorted(runs, key=order)
    most = max(run.record.method.n_train or 0.0 for run in runs)
    whole = [run for run in runs if (run.record.method.n_train or 0.0) == most]
    by_id = {run.record.run_id: run for run in runs}
    best = [by_id[group.middle.run_id] for group in seed_groups(run.record for run in whole)]
    return sorted(best, key=order)[:2]


def _refuse_too_little(paired: Paired, run: StoredRun, score: str) -> None:
    if paired.units < MIN_UNITS:
        raise UserError(
            f"'{run.folder}' was scored on {counted(paired.units, paired.unit[:-1])}: nothing can be planned from "
            f"fewer than {MIN_UNITS}. Score more samples, for example with --folds"
        )
    for run_value in paired.values:
        if run_value != run_value:
            raise UserError(f"{score} is undefined for a run, so nothing can be planned; choose another with --metric")
    if (~np.isnan(paired.without).any(axis=0)).sum() < 2:
        raise UserError(
            f"{score} is undefined without any one of these {paired.unit}, so that nothing tells how it varies, and "
            "nothing can be planned. Score more samples, or choose another with --metric"
        )


def _needed(plans: Sequence[Planned], paired: Paired, targets: Targets, told: _Told) -> list[Needed]:
    """Sizes for what was asked for; without it, for half the width, and for the difference that the runs have."""
    now = next(plan for plan in plans if plan.units == paired.units)
    width = targets.width or now.width.value / 2
    found = [("width", width, _ends(plans, width, lambda p: p.width.value, _factor(now.width)))]
    if len(paired.runs) > 1:
        apart = targets.difference or abs(float(paired.values[0] - paired.values[1]))
        found.append(("difference", apart, _ends(plans, apart, lambda p: p.visible.value, _factor(now.visible))))
    return [told.needed(*each) for each in found]


def _factor(estimated: Estimated) -> float:
    """How far off an estimate may be, as a factor; NaN where it is 0, as of runs that all samples score alike."""
    return estimated.high / estimated.value if estimated.value else math.nan


def _ends(
    plans: Sequence[Planned], target: float, value: Callable[[Planned], float], factor: float
) -> tuple[int | None, int | None, int | None]:
    """Units for a target, and for one that is easier and harder by a factor."""
    if factor != factor:
        return units_needed(plans, target, value), None, None
    middle, low, high = (units_needed(plans, target * by, value) for by in (1.0, factor, 1 / factor))
    return middle, low, high


def _curves(records: Sequence[Record], score: str, told: _Told) -> list[LearningCurve]:
    """Scores by the number of labelled samples, of the methods that were fitted on several numbers."""
    rows: list[SeedGroup] = [row for curve in curves_of(seed_groups(records)) for row in curve]
    curves: dict[str, list[CurvePoint]] = {}
    for row in plotted(rows):
        value = row["scores"][score]
        curves.setdefault(row["label"], []).append(
            CurvePoint(
                n_train=row["n_train"],
                train_fraction=row["train_fraction"],
                value=value["value"],
                low=value["low"],
                high=value["high"],
                seeds=row["seeds"],
                label_hours=told.hours(row["n_train"]),
            )
        )
    return [LearningCurve(label=label, points=points) for label, points in curves.items()]


def _notes(paired: Paired, chosen: Sequence[StoredRun]) -> list[str]:
    notes = []
    if paired.units < FEW_UNITS:
        notes.append(
            f"planned from {counted(paired.units, paired.unit[:-1])}: how much samples differ is hardly known from so "
            "few, as the ranges say"
        )
    if paired.unit == "groups":
        per_unit = len(paired.runs[0]) / paired.units
        notes.append(f"a group is a video, stack or city as a whole, of {per_unit:.3g} images on average")
    t = StudentsT.of(paired.sizes(*range(len(paired.runs))).tolist())
    if not t.is_students:
        unlike = "are of unlike sizes" if paired.unit == "groups" else "weigh unlike in this score"
        worth = f"{paired.units} say as much of an error as {t.worth:.2g} of equal size"
        notes.append(f"these {paired.unit} {unlike}: {worth}")
    absent = paired.metric.absent_classes(paired.runs[0], paired.info, paired.score.name)
    if absent is not None:
        names = list(absent.pixels)
        which = f"{named('class', names[0])} is" if len(names) == 1 else f"classes {', '.join(names)} are"
        notes.append(f"{which} in no true mask here: what such classes add to an interval is not planned")
    for run in chosen:
        if not run.record.complete:
            notes.append(f"{run.record.run_id} is partial: it was scored on {run.record.dataset.samples}")
    return notes
