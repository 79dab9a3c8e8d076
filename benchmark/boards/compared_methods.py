"""Compared methods, each with all of its seeds: their means, and how far they are apart for other trainings too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..evaluation.comparison import Paired
from ..evaluation.intervals import corrected_interval
from ..evaluation.over_seeds import MethodTest, by_sample, method_tests, over_seeds, spans_of
from ..evaluation.training_variance import Trainings, freedom_of, training_noise, training_spreads
from ..io.documents import Document, Number
from ..runs.record import Record
from ..text import some
from ..types import Array, Int64
from .comparable import badness
from .paired_difference import PairedDifference
from .pareto import pareto_front
from .seed_groups import SeedGroup, method_labels, seed_groups, trainings_of

_MIN_FREEDOM = 3
"""Degrees of freedom of all variances over seeds from which on they say something of a method with a single seed."""


class Costs(Document):
    """What a compared run cost, or the runs of a method in the mean; null where it was not measured.

    `started_elsewhere` : whether `train_s` leaves out the training of the weights it started from. `trained_part` : the
    part of the planned iterations after which a time limit ended training, null where none did.
    """

    train_s: float | None
    predict_ms_per_image: float | None
    parameters: int | None
    macs_per_image: int | None
    peak_memory_mb: float | None
    started_elsewhere: bool
    trained_part: float | None

    @property
    def time_marks(self) -> tuple[bool, float | None]:
        """Why `train_s` is not the time of a whole training: the arguments of `text.time_marks`."""
        return self.started_elsewhere, self.trained_part

    @classmethod
    def of(cls, row: SeedGroup) -> Costs:
        """Those of a run, or of runs that differ in their seed alone."""
        cost, (started_elsewhere, part) = row.record.cost, row.time_marks
        return cls(
            train_s=cost.train_s,
            predict_ms_per_image=cost.predict_ms_per_image,
            parameters=cost.parameters,
            macs_per_image=cost.macs_per_image,
            peak_memory_mb=cost.peak_memory_mb,
            started_elsewhere=started_elsewhere,
            trained_part=part,
        )


class ComparedMethod(Document):
    """A method with all of its runs, which differ in their seed alone.

    `value` is the mean over `seeds`, `low` and `high` its 95 % interval for other samples and these trainings, `std`
    the standard deviation (n - 1) over the seeds, null for a single one. `runs` are the labels of the runs, `values`
    their scores. `wins` : samples on which its mean is best. Ranks and `on_front` are among methods.
    """

    label: str
    method: str
    family: str
    seeds: list[int | None]
    runs: list[str]
    values: list[Number]
    value: Number
    low: Number
    high: Number
    std: Number
    rank: int
    rank_low: int
    rank_high: int
    wins: int
    cost: Costs
    on_front: bool


class MethodDifference(PairedDifference):
    """Method `a` less method `b` (their labels): means over seeds on the same samples; see `evaluation.over_seeds`.

    `low`, `high` and the p values are for other samples and, where `holds_training`, other trainings. `seeds_needed` of
    each would tell them apart, if means and spreads stay as they are; null where they are told apart, or where nothing
    is known of it.
    """

    holds_training: bool
    seeds_needed: int | None


@dataclass(frozen=True)
class TrainedMethods:
    """Methods from best to worst: their runs, their names, and the places of their runs among the compared ones."""

    groups: list[SeedGroup]
    names: list[str]
    trained: list[Trainings]


@dataclass(frozen=True)
class ComparedMethods:
    """Methods from best to worst, every pair of them, and the best learned one less the best classical one."""

    methods: list[ComparedMethod]
    differences: list[MethodDifference]
    families: MethodDifference | None


def compared_methods(
    paired: Paired,
    records: Sequence[Record],
    labels: Sequence[str],
    progress: Callable[[int, int], None] = lambda *_: None,
) -> ComparedMethods | None:
    """What the runs say of their methods; None where each method has one run, which says all itself.

    Parameters
    ----------
    paired, records, labels : the compared runs, in one order
    progress : called with the number of tests that are done, and of all
    """
    methods = trained_methods(paired, records)
    if methods is None:
        return None
    groups, names, trained = methods.groups, methods.names, methods.trained
    places = [each.places for each in trained]
    tests = method_tests(paired, trained, progress)
    apart = _differences(paired, trained, names, tests)
    best = [_best_of(family, groups, names) for family in ("learned", "classical")]
    families = next((_turned(each, best[0]) for each in apart if {each.a, each.b} == set(best)), None)
    return ComparedMethods(_methods(paired, groups, places, names, labels, tests), apart, families)


def trained_methods(paired: Paired, records: Sequence[Record]) -> TrainedMethods | None:
    """The methods of compared runs; None where each has one run."""
    groups = seed_groups(records)
    if len(groups) == len(records):
        return None
    place_of = {id(record): place for place, record in enumerate(records)}
    places = [np.array([place_of[id(record)] for record in group.records]) for group in groups]
    values = np.array([paired.values[mine].mean() for mine in places])
    order = sorted(range(len(groups)), key=lambda k: badness(float(values[k]), paired.score.higher_is_better))
    groups, places = [groups[k] for k in order], [places[k] for k in order]
    trained = [
        trainings_of(group.records[0].method.family, mine, whole=not group.partial)
        for group, mine in zip(groups, places, strict=True)
    ]
    return TrainedMethods(groups, method_labels(groups), trained)


def borrowed_spread(methods: Sequence[ComparedMethod]) -> str | None:
    """Say of networks with one seed that hardly anything is known of how much they vary; None where enough is."""
    single = [each.label for each in methods if len(each.seeds) == 1 and each.family == "learned"]
    others = [len(each.seeds) for each in methods if len(each.seeds) > 1]
    if not single or not others or sum(others) - len(others) >= _MIN_FREEDOM:
        return None
    return (
        f"one seed of {some(single, most=3)}: how much another one would change is taken from {sum(others)} trainings "
        "of other methods, which say little of it. Train more seeds (--seed 1)"
    )


def _best_of(family: str, groups: Sequence[SeedGroup], names: Sequence[str]) -> str | None:
    """The best method of a family, of methods from best to worst; what knows the truth is none."""
    of_family = (
        name
        for name, group in zip(names, groups, strict=True)
        if group.records[0].method.family == family and not group.records[0].method.oracle
    )
    return next(of_family, None)


def _turned(each: MethodDifference, first: str | None) -> MethodDifference:
    """A difference with this method as its `a`."""
    if each.a == first:
        return each
    value, low, high, effect = (None if v is None else -v for v in (each.value, each.low, each.high, each.effect))
    ends = {"value": value, "low": high, "high": low, "effect": effect, "wins": each.losses, "losses": each.wins}
    return each.model_copy(update={"a": each.b, "b": each.a, **ends})


def _differences(
    paired: Paired, trained: Sequence[Trainings], names: Sequence[str], tests: Sequence[MethodTest]
) -> list[MethodDifference]:
    spreads, total = training_spreads(paired.values, trained, moderated=True), freedom_of(trained)
    found = []
    for test in tests:
        a, b = trained[test.a], trained[test.b]
        each = over_seeds(paired, a, b, training_noise(a, b, (spreads[test.a], spreads[test.b]), total), len(tests))
        found.append(
            MethodDifference(
                a=names[test.a],
                b=names[test.b],
                value=test.value,
                low=each.low,
                high=each.high,
                p=test.p,
                p_adjusted=test.p_adjusted,
                significant=test.significant,
                holds_training=each.holds_training,
                seeds_needed=None if test.significant else each.seeds_needed,
                **vars(by_sample(paired, a, b)),
            )
        )
    return found


def _methods(
    paired: Paired,
    groups: Sequence[SeedGroup],
    places: Sequence[Int64],
    names: Sequence[str],
    labels: Sequence[str],
    tests: Sequence[MethodTest],
) -> list[ComparedMethod]:
    means = np.array([paired.values[mine].mean() for mine in places])
    ranks = spans_of(tests, np.where(np.isnan(means), np.inf, -paired.sign * means), paired.sign)
    front = pareto_front([group.record.cost for group in groups], means, paired.sign)
    wins = _wins(paired, places)
    rows = []
    for k, (group, mine) in enumerate(zip(groups, places, strict=True)):
        low, high = paired.interval(int(mine[0])) if len(mine) == 1 else _interval(paired, mine)
        first, last = ranks[k]
        rows.append(
            ComparedMethod(
                label=names[k],
                method=group.records[0].method.name,
                family=group.records[0].method.family,
                seeds=[record.method.seed for record in group.records],
                runs=[labels[place] for place in mine],
                values=[float(paired.values[place]) for place in mine],
                value=float(means[k]),
                low=low,
                high=high,
                std=float(np.std(paired.values[mine], ddof=1)) if len(mine) > 1 else None,
                rank=first,
                rank_low=first,
                rank_high=last,
                wins=wins[k],
                cost=Costs.of(group),
                on_front=front[k],
            )
        )
    return rows


def _interval(paired: Paired, mine: Int64) -> tuple[float, float]:
    """95 % interval of a mean over seeds, for other samples and these trainings."""
    value = float(paired.values[mine].mean())
    limits = (paired.score.low, paired.score.high)
    return corrected_interval(
        value, paired.draws[mine].mean(axis=0), paired.without[mine].mean(axis=0), paired.sizes(*mine.tolist()), limits
    )


def _wins(paired: Paired, places: Sequence[Int64]) -> list[int]:
    """On how many samples each method's mean is best; ties count for all."""
    values: Array = np.array([paired.sign * paired.per_sample[mine].mean(axis=0) for mine in places])
    known = ~np.isnan(values).any(axis=0)
    found: list[int] = (known & (values == values.max(axis=0))).sum(axis=1).tolist()
    return found
