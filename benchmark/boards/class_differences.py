"""How far compared runs are apart on each class, and what of it could be chance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from pydantic import Field

from ..evaluation.class_comparison import PairedClasses, by_place
from ..evaluation.class_intervals import FEW, units_that_hold
from ..evaluation.classes_over_seeds import MethodsByClass
from ..evaluation.comparison import Difference, Paired
from ..io.documents import Count, Number
from ..runs.stored import StoredRun
from ..types import Float64, ScoreInfo
from .compared_methods import TrainedMethods
from .paired_difference import PairedDifference
from .score_by_class import ScoreByClass


class ClassDifference(PairedDifference):
    """Run `a` less run `b` on one class, by `score`; p values are adjusted for all classes and pairs together.

    Where a method has several seeds, `a` and `b` are methods, and values are means over seeds: intervals of differences
    and p values are for other samples and other trainings, those of `value_a` and `value_b` for other samples alone.
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
    paired: Paired,
    by: ScoreByClass | None,
    runs: Sequence[StoredRun],
    labels: Sequence[str],
    methods: TrainedMethods | None = None,
) -> list[ClassDifference] | None:
    """Every pair of runs on every class, by pairs, and of each the class first on which `a` is better by most.

    None where no score of single classes belongs to the compared one, or none that can be drawn, and where all runs are
    of one method.

    Parameters
    ----------
    paired : the comparison by one score, of all classes or of some.
    by : the score of classes that belongs to it.
    runs, labels : in the same order.
    methods : what the runs are trainings of, where one has several seeds: then methods are compared in place of runs.
    """
    if by is None or (methods is not None and len(methods.names) < 2):
        return None
    metric, what, places = by.family, by.what, by.places
    if what.name not in {each.name for each in metric.class_scores}:
        return None
    classes = PairedClasses(
        *(metric, paired.info, what, tuple(tuple(run.statistics.of(metric.name)) for run in runs)),
        resamples=paired.resamples,
        seed=paired.seed,
        blocks=paired.blocks,
        places=places,
    )
    if methods is None:
        found = by_place(classes.differences(), len(places))
        scores = np.concatenate([classes.values[:, None], classes.intervals], axis=1).reshape(-1, len(places), 3)
    else:
        over_seeds = MethodsByClass(classes, methods.trained)
        found, scores, labels = over_seeds.differences(), over_seeds.scores, methods.names
    held = units_that_hold(runs[0].statistics.of, runs[0].metrics, paired.info, classes.resampled)
    rows: list[ClassDifference] = []
    for a, b in combinations(range(len(labels)), 2):
        pair = [
            _row(what, (labels[a], labels[b], name), scores[[a, b], k], found.get((a, b, k)), held.get(name))
            for k, name in enumerate(by.names)
        ]
        rows += sorted(pair, key=lambda row: (row.value is None, -by.sign * (row.value or 0.0)))
    return rows


_ENDS = ("low", "high", "low_a", "high_a", "low_b", "high_b")


def _row(
    score: ScoreInfo, named: tuple[str, str, str], scores: Float64, difference: Difference | None, units: int | None
) -> ClassDifference:
    """A row; `named` : a, b and the class, `scores` : value and interval of both (2, 3)."""
    sides = {
        f"{what}_{side}": float(scores[n, m])
        for n, side in enumerate("ab")
        for m, what in enumerate(("value", "low", "high"))
    }
    nan = float("nan")
    told = difference or Difference(0, 0, nan, nan, nan, nan, nan, nan, 0, 0, 0)
    return ClassDifference.model_validate(
        {key: value for key, value in vars(told).items() if key not in ("a", "b")}
        | dict(zip(("a", "b", "class"), named, strict=True))
        | {"score": score.name, "unit": score.unit, "higher_is_better": score.higher_is_better}
        | {"significant": told.significant, "units": units, "few": units is not None and units < FEW, **sides}
        | dict.fromkeys(_ENDS if units is not None and units < 2 else ())  # one says nothing of others
    )
