"""A score of single classes under a name of its own: `iou@car`, or of several, `iou@car,person`, their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..metrics.base import MetricFamily
from ..metrics.pooled import mean_of_classes, mean_of_defined
from ..text import unknown
from ..types import (
    AbsentClasses,
    Array,
    ClassInfo,
    DatasetInfo,
    Float64,
    Int64,
    Metric,
    Part,
    Prediction,
    Sample,
    ScoreInfo,
    Statistic,
    Sums,
    UserError,
)

OF_CLASS = "@"
BETWEEN = ","
_KINDS = {"things": "thing", "stuff": "stuff"}
"""What stands for all classes of a kind, where no class is called so."""


@dataclass(frozen=True)
class ClassScore(MetricFamily):
    """One score of a family, of one class or the mean over several: it reads the statistics of that family.

    what : the family's score of a class, under its name there. called : the name of this score. places : of the
    classes, in `family.classes_of`. A class whose score is undefined is left out of the mean, as in means over all.
    """

    family: Metric
    what: ScoreInfo
    called: str
    places: tuple[int, ...]

    @property
    def name(self) -> str:
        """That of the family."""
        return self.family.name

    @property
    def version(self) -> str:
        """That of the family."""
        return self.family.version

    @property
    def summary(self) -> str:
        """That of the family."""
        return self.family.summary

    @property
    def scores(self) -> tuple[ScoreInfo, ...]:  # type: ignore[override]
        """This one alone."""
        return (replace(self.what, name=self.called),)

    @property
    def columns(self) -> Mapping[str, Literal["int64", "float64"]]:
        """Those of the family."""
        return self.family.columns

    @property
    def part_columns(self) -> Mapping[str, Literal["int64", "float64"]]:  # type: ignore[override]
        """Those of the family."""
        return self.family.part_columns

    @property
    def parts(self) -> tuple[Part, ...]:
        """Those of the family."""
        return self.family.parts

    def class_names(self, info: DatasetInfo) -> list[str]:
        """The classes that it is of."""
        classes = self.family.classes_of(info)
        return [classes[place].name for place in self.places]

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """As the family does."""
        return self.family.measure(sample, prediction, info)

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """As the family has it."""
        return self.family.truth_side(statistic)

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """The value in the family's table by class, or the mean of several."""
        table = self.family.per_class(statistics, info)
        values = np.array([table.get(name, {}).get(self.what.name, np.nan) for name in self.class_names(info)])
        return {self.called: float(mean_of_defined(values))}

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """From the scores of all classes."""
        found = self.family.resample_classes(statistics, info, weights)[self.what.name]
        return {self.called: mean_of_defined(found[:, list(self.places)])}

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums | None:
        """The sums of these classes side by side."""
        del score
        found = self.family.sums_by_class(statistics, info, self.what.name, self.places)
        return None if found is None else mean_of_classes(found)

    def absent_classes(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> AbsentClasses | None:
        """Those among these classes."""
        del score
        return self.family.absent_among(statistics, info, self.what.name, self.places)


def find_score(families: Sequence[Metric], info: DatasetInfo, name: str) -> tuple[Metric, ScoreInfo] | None:
    """A score of some families by its name, `miou`, or of classes, `iou@car`; None where none is called so.

    After `@` stands the name of a class, several with commas between, or `things` or `stuff` for all classes of a kind.

    Raises
    ------
    UserError
        For a score that no family has of single classes, and for a class that there is not.
    """
    for family in families:
        for what in family.scores:
            if what.name == name:
                return family, what
    asked, mark, classes = name.partition(OF_CLASS)
    if not mark:
        return None
    for family in families:
        for what in family.class_scores:
            if what.name == asked:
                found = ClassScore(family, what, name, _chosen(classes, family.classes_of(info)))
                return found, found.scores[0]
    every = dict.fromkeys(what.name for family in families for what in family.class_scores)
    if not every:
        raise UserError(f"'{name}': these runs have no scores of single classes")
    raise UserError(f"'{name}': " + unknown("score of a class", asked, every))


def _chosen(text: str, classes: Sequence[ClassInfo]) -> tuple[int, ...]:
    """The places of the classes that a text names. Raises UserError for one that there is not."""
    place = {each.name: n for n, each in enumerate(classes)}
    if text in place:
        return (place[text],)
    if text in _KINDS:
        found = tuple(n for n, each in enumerate(classes) if each.kind == _KINDS[text])
        if not found:
            raise UserError(f"'{text}': no class of this dataset is of this kind. Classes: {', '.join(place)}.")
        return found
    names = list(dict.fromkeys(part.strip() for part in text.split(BETWEEN)))
    for name in names:
        if not name:
            raise UserError(
                f"the name of a class is missing after '{OF_CLASS}', or beside a comma. Classes: {', '.join(place)}."
            )
        if name not in place and name in _KINDS:
            raise UserError(
                f"Unknown class '{name}'. It stands alone, for all classes of its kind; give it by itself, or name "
                f"classes: {', '.join(place)}."
            )
        if name not in place:
            raise UserError(unknown("class", name, place, _KINDS))
    return tuple(sorted(place[name] for name in names))
