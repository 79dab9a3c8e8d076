"""The interface of a metric family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from .arrays import Array, Float64, Int64, Part, Task
from .datasets import Dataset
from .infos import ClassInfo, DatasetInfo
from .samples import Prediction, Sample


@dataclass(frozen=True)
class ScoreInfo:
    """One score: unit, range and direction."""

    name: str
    summary: str
    unit: str = "fraction"
    low: float = 0.0
    high: float = 1.0
    higher_is_better: bool = True


@dataclass(frozen=True, slots=True)
class Statistic:
    """What one metric stores about one sample: a small table of int64 or float64 columns of equal length."""

    metric: str
    sample_id: str
    group: str
    index: int
    columns: Mapping[str, Int64 | Float64]


@dataclass(frozen=True)
class Sums:
    """One score of a set of samples as a function of sums over them, so that many sets are scored by one product.

    terms : (n, F) int64 or float64, what each of n samples adds to the F sums.
    value : from sums (..., F) float64 to scores (...) float64, NaN where undefined; the same function for every run.
    alone : (n, F), the terms of each sample by itself, where these are others: as if it were the whole group, for a
        score whose terms are valid only if whole groups are drawn, or as if it held what any sample holds. None where
        the terms are valid for any set of samples.
    weights : (n, W), how much each sample weighs in the score, such as 1 in a mean of samples; by default its terms, of
        quotients those that are divided by.
    """

    terms: Int64 | Float64
    value: Callable[[Float64], Float64]
    alone: Int64 | Float64 | None = None
    weights: Int64 | Float64 | None = None


@dataclass(frozen=True)
class SumsByClass:
    """One score of C classes, each as a function of sums over samples; see `Sums`.

    terms : (n, C, F) int64 or float64, what each of n samples adds to the F sums of each class.
    value : from sums (..., F) float64 of a class to its scores (...) float64, the same function for all of them.
    alone : (n, C, F), weights : (n, C, W), as in `Sums`.
    """

    terms: Int64 | Float64
    value: Callable[[Float64], Float64]
    alone: Int64 | Float64 | None = None
    weights: Int64 | Float64 | None = None


@dataclass(frozen=True)
class AbsentClasses:
    """Classes that no true mask holds, and that count 0 in a score because they are predicted.

    pixels : predicted pixels by the name of the class.
    share : the part that these classes are of those that the score is a mean of, above 0, up to 1.
    """

    pixels: Mapping[str, int]
    share: float


@runtime_checkable
class Metric(Protocol):
    """A metric family: frozen configuration, no state; all state is in the statistics.

    `segbench.metrics.MetricFamily` is a base with a default for everything that only some families need.
    """

    @property
    def name(self) -> str:
        """The family's name; also an attribute of the class, like all properties below."""

    @property
    def version(self) -> str:
        """Raised whenever a score can change; scores of different versions are not compared."""

    @property
    def summary(self) -> str:
        """One line."""

    @property
    def scores(self) -> tuple[ScoreInfo, ...]:
        """The scores that `compute` returns, in this order."""

    @property
    def class_scores(self) -> tuple[ScoreInfo, ...]:
        """Scores of single classes, in `per_class` and resampled by `resample_classes`; empty if there are none."""

    @property
    def columns(self) -> Mapping[str, Literal["int64", "float64"]]:
        """Columns of the statistics and their types."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of a sample that `measure` needs."""

    @property
    def releases_gil(self) -> bool:
        """Whether `measure` mostly runs without the interpreter's lock: then samples are measured in threads."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that the family scores."""

    @property
    def takes_void(self) -> bool:
        """Whether it can leave out a void label."""

    @property
    def takes_probabilities(self) -> bool:
        """Whether it measures the probabilities of all classes, which methods then give with their label maps."""

    @property
    def hooks(self) -> Mapping[str, str]:
        """Functions for figures and tables of the family, `{hook: "module:function"}`: see `segbench.registry.hook`."""

    @property
    def row_lists(self) -> tuple[str, ...]:
        """Lists in its `details` whose items, flat mappings, are written one per line in a record."""

    @property
    def needs_background(self) -> bool:
        """Whether it scores only datasets with a background class."""

    @property
    def needs_volumes(self) -> bool:
        """Whether it scores only datasets whose groups are volumes of known spacing."""

    @property
    def part_columns(self) -> Mapping[str, Literal["int64", "float64"]]:
        """Columns of the result of `measure` for a family that measures groups as a whole; empty for any other."""

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """The statistic of one sample, or its part of a group's if there are `part_columns`.

        Raises UserError naming the sample for a wrong shape or value.
        """

    def of_group(self, parts: Sequence[Statistic], info: DatasetInfo) -> list[Statistic]:
        """The statistics of all samples of one group, from their parts in any order."""

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """All scores of the family; NaN where undefined. Statistics come in id order."""

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """Scores of B resamples at once; weights (B, n) int64 says how often each of the n statistics is drawn."""

    def resample_swapped(
        self, one: Sequence[Statistic], other: Sequence[Statistic], info: DatasetInfo, kept: Int64
    ) -> tuple[dict[str, Float64], dict[str, Float64]]:
        """Scores of two runs on the same n samples, some of which are swapped between them, each (B,).

        kept (B, n) int64 : 1 for a sample that stays with its run, 0 for one that is swapped.
        """

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums | None:
        """One score of n statistics as a function of sums over them; None for a score that is not such a function."""

    def absent_classes(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> AbsentClasses | None:
        """Classes that count 0 in a score although they are in no true mask of these samples; None without any."""

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """Table {class name: {quantity: value}} in class order; empty for a family that has no classes."""

    def classes_of(self, info: DatasetInfo) -> tuple[ClassInfo, ...]:
        """The classes that have the `class_scores`, in the order of their rows in `per_class`."""

    def resample_classes(
        self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64
    ) -> dict[str, Float64]:
        """Scores of `classes_of` on B resamples, each (B, C), by the names of `class_scores`."""

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass | None:
        """One of `class_scores` for the classes at these places, as functions of sums; None for one that is not such
        a function."""

    def absent_among(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> AbsentClasses | None:
        """As `absent_classes`, for the mean of one of `class_scores` over the classes at these places."""

    def per_category(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """Table {category name: {quantity: value}}; empty for a family that scores no groups of classes."""

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """What in this statistic no image and no prediction could have produced, in words; None if it is possible."""

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """The part of a statistic that depends on the truth alone, whatever the prediction. Empty if there is none."""

    def true_classes(self, statistic: Statistic) -> Int64 | None:
        """Label values of the classes that a sample truly holds, (k,), as far as scores count them; None if unknown."""

    def totals(self, statistic: Statistic, info: DatasetInfo) -> dict[str, int]:
        """Numbers of pixels in a statistic that other families count too, under the names `pixels`, `true foreground`
        and `predicted foreground`."""

    def details(
        self,
        statistics: Sequence[Statistic],
        info: DatasetInfo,
        scores: Mapping[str, float | None],
        intervals: Mapping[str, tuple[float | None, float | None]],
    ) -> dict[str, Any]:
        """The family's block in a record, under its name: plain JSON values; empty if the scores say everything.

        It is a function of the statistics and of this family's scores with their intervals.
        """


@runtime_checkable
class PredictionSource(Protocol):
    """A prediction on disk: picklable, and read by the process that measures it."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Its files; errors name the first."""

    def read(self, dataset: Dataset) -> Prediction:
        """Decode it."""


def parts_of(metrics: Sequence[Metric]) -> tuple[Part, ...]:
    """The parts of a sample that these metrics need."""
    return tuple(dict.fromkeys(part for metric in metrics for part in metric.parts))
