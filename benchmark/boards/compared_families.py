"""Learned methods against classical ones: the best run of each family, and the families' means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import SerializerFunctionWrapHandler, model_serializer

from ..evaluation.comparison import Difference, Paired
from ..evaluation.intervals import corrected_interval
from ..io.documents import Document, Number, without_none
from ..runs.record import Record
from .comparable import badness
from .compared_methods import MethodDifference
from .paired_difference import PairedDifference, paired_difference


class Estimate(Document):
    """A number with its 95 % interval."""

    value: Number
    low: Number
    high: Number


class FamilyMeans(Document):
    """The mean score of each family's runs."""

    classical: Number
    learned: Number


class Families(Document):
    """Learned against classical: the best run of each, and the families' means.

    `best_methods` : the best method of each by its mean over seeds, where a method has several.
    """

    best: PairedDifference
    means: FamilyMeans
    difference_of_means: Estimate
    best_methods: MethodDifference | None = None

    @property
    def told(self) -> PairedDifference:
        """What to tell of the best of each: of methods, where these have several seeds."""
        return self.best_methods or self.best

    @model_serializer(mode="wrap")
    def _only_over_seeds(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "best_methods")


def compared_families(
    paired: Paired,
    records: Sequence[Record],
    labels: Sequence[str],
    differences: Sequence[Difference],
    best_methods: MethodDifference | None,
) -> Families | None:
    """The best learned run against the best classical one, and the families' means; None without both.

    The best were chosen for their scores: their test is the one that is adjusted for all pairs.
    """
    members = {
        family: [k for k, record in enumerate(records) if record.method.family == family and not record.method.oracle]
        for family in ("classical", "learned")
    }
    if not all(members.values()):
        return None
    best = {
        family: min(places, key=lambda k: (badness(float(paired.values[k]), paired.score.higher_is_better), k))
        for family, places in members.items()
    }
    each = _of_pair(differences, best["learned"], best["classical"])
    means = {family: float(np.mean(paired.values[places])) for family, places in members.items()}
    apart = paired.draws[members["learned"]].mean(axis=0) - paired.draws[members["classical"]].mean(axis=0)
    without = paired.without[members["learned"]].mean(axis=0) - paired.without[members["classical"]].mean(axis=0)
    value = means["learned"] - means["classical"]
    low, high = corrected_interval(value, apart, without, paired.sizes(*members["learned"], *members["classical"]))
    return Families(
        best=paired_difference(each, labels),
        means=FamilyMeans(**means),
        difference_of_means=Estimate(value=value, low=low, high=high),
        best_methods=best_methods,
    )


def _of_pair(differences: Sequence[Difference], a: int, b: int) -> Difference:
    """The difference of a from b, whichever of the two comes first among the pairs."""
    each = next(each for each in differences if {each.a, each.b} == {a, b})
    if each.a == a:
        return each
    return Difference(
        *(a, b, -each.value, -each.high, -each.low, each.p, each.p_adjusted, -each.effect),
        wins=each.losses,
        ties=each.ties,
        losses=each.wins,
    )
