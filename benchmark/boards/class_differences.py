"""How far compared runs are apart on each class, and what of it could be chance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from pydantic import Field

from ..evaluation.class_comparison import PairedClasses, by_place
from ..evaluation.class_intervals import FEW, tells_units, units_that_hold
from ..evaluation.comparison import Difference, Paired
from ..io.documents import Count, Number
from ..runs.stored import StoredRun
from .paired_difference import PairedDifference
from .score_by_class import ScoreByClass


class ClassDifference(PairedDifference):
    """Run `a` less run `b` on one class, by `score`; p values are adjusted for all classes and pairs together.

    `value_a`, `value_b` : the runs' scores of the class, with their 95 % intervals. `units` : how many of what is drawn
    truly hold the class, null where the statistics do not tell; `few` : fewer than 5, so that intervals say little.
    Where a run has no score of the class, as of one that is in no true and no predicted mask, nothing was tested.
    """

    name: str = Field(alias="class")
    score: str
    unit: str
    higher_is_better: bool
    value_a: Number
    low_a: Number
    high_a: Number
    value_b: Number
    low_b: Number
    high_b: Number
    units: Count | None
    few: bool


def class_differences(
    paired: Paired, by: ScoreByClass | None, runs: Sequence[StoredRun], labels: Sequence[str]
) -> list[ClassDifference] | None:
    """Every pair of runs on every class, by pairs, and of each the class first on which `a` is better by most.

    None where no score of single classes belongs to the compared one, or none that is a function of sums over samples.

    Parameters
    ----------
    paired : the comparison by one score, of all classes or of some.
    by : the score of classes that belongs to it.
    runs, labels : in the same order.
    """
    if by is None:
        return None
    metric, what, places = by.family, by.what, by.places
    if metric.sums_by_class(runs[0].statistics.of(metric.name), paired.info, what.name, places[:1]) is None:
        return None
    classes = PairedClasses(
        *(metric, paired.info, what, tuple(tuple(run.statistics.of(metric.name)) for run in runs)),
        resamples=paired.resamples,
        seed=paired.seed,
        blocks=paired.blocks,
        places=places,
    )
    found = by_place(classes.differences(), len(places))
    telling = next(filter(tells_units, runs[0].metrics), None)
    held = {} if telling is None else units_that_hold(runs[0].statistics.of(telling.name), paired.info, classes.groups)
    rows: list[ClassDifference] = []
    for a, b in combinations(range(len(runs)), 2):
        pair = [
            _row(classes, (a, b, k), found.get((a, b, k)), (name, labels, held.get(name)))
            for k, name in enumerate(by.names)
        ]
        rows += sorted(pair, key=lambda row: (row.value is None, -by.sign * (row.value or 0.0)))
    return rows


_ENDS = ("low", "high", "low_a", "high_a", "low_b", "high_b")


def _row(
    classes: PairedClasses,
    at: tuple[int, int, int],
    difference: Difference | None,
    about: tuple[str, Sequence[str], int | None],
) -> ClassDifference:
    (a, b, k), (name, labels, units) = at, about
    sides: dict[str, float] = {}
    for side, run in (("a", a), ("b", b)):
        place = run * len(classes.places) + k
        ends = (classes.values[place], *classes.intervals[place])
        sides |= {f"{what}_{side}": float(end) for what, end in zip(("value", "low", "high"), ends, strict=True)}
    nan = float("nan")
    told = difference or Difference(a, b, nan, nan, nan, nan, nan, nan, 0, 0, 0)
    score = classes.score
    return ClassDifference.model_validate(
        {key: value for key, value in vars(told).items() if key not in ("a", "b")}
        | {"a": labels[a], "b": labels[b], "significant": told.significant, "class": name}
        | {"score": score.name, "unit": score.unit, "higher_is_better": score.higher_is_better}
        | {"units": units, "few": units is not None and units < FEW, **sides}
        | dict.fromkeys(_ENDS if units is not None and units < 2 else ())  # one says nothing of others
    )
