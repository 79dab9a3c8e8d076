"""What `bench plan` says, as a typed document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from ..io.documents import Document, Number, without_none
from ..text import UNDEFINED, between, counted, duration, interval, number
from .notebook import html_table, text_table
from .paired_difference import PairedDifference

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PlannedNumber(Document):
    """A planned number, and the ends of the 95 % range in which the runs' own samples leave it."""

    value: Number
    low: Number
    high: Number


class PlannedSize(Document):
    """A test set of so many units: `images` on average, the full width of the interval, and the visible difference.

    `visible` is null where one run was given; `label_hours` where no time per label was.
    """

    units: int
    images: float
    width: PlannedNumber
    visible: PlannedNumber | None
    label_hours: float | None


class Needed(Document):
    """How large a test set has to be for a target, and for either end of what is known of it; null beyond 10⁹."""

    what: Literal["width", "difference"]
    target: float
    units: int | None
    units_low: int | None
    units_high: int | None
    images: float | None
    label_hours: float | None


class PlannedRun(Document):
    """A run whose samples the plan is made from."""

    run_id: str
    label: str
    value: Number
    low: Number
    high: Number


class CurvePoint(Document):
    """A score with its 95 % interval after training on so many labelled samples; the mean over `seeds`."""

    n_train: float
    train_fraction: float
    value: Number
    low: Number
    high: Number
    seeds: list[int]
    label_hours: float | None


class LearningCurve(Document):
    """One configuration that was trained on several numbers of labelled samples, from the fewest."""

    label: str
    points: list[CurvePoint]


class SizePlan(Document):
    """How many images a test set takes, from the statistics of one run or two; and the learning curves that are there.

    `drawn` is the unit: samples, or the groups (videos, stacks) that are drawn as a whole.
    """

    dataset: str
    origin: str
    split: str
    score: str
    unit: str
    higher_is_better: bool
    n: int
    units: int
    drawn: str
    level: float
    power: float
    seconds_per_label: float | None
    runs: list[PlannedRun]
    difference: PairedDifference | None
    sizes: list[PlannedSize]
    needed: list[Needed]
    learning_curves: list[LearningCurve]
    notes: list[str]

    def plot(self) -> Figure:
        """Draw width, visible difference and learning curves, as far as they are there."""
        from ..figures.size_plan import size_plan

        return size_plan(self.model_dump(mode="json"))

    @property
    def title(self) -> str:
        """What was planned from, in one line."""
        origin = " (SYNTHETIC)" if self.origin == "synthetic" else ""
        return f"{self.score} on {self.dataset}{origin}, split {self.split}, {counted(self.n, 'sample')}"

    @property
    def sentences(self) -> list[str]:
        """How many images each target takes."""
        return [_sentence(needed, self.drawn) for needed in self.needed]

    def _sizes(self) -> tuple[list[str], list[list[str]]]:
        """Heads, and a row for each size."""
        rows = [
            [str(each.units), *_shown(each.width), *([] if each.visible is None else _shown(each.visible))]
            for each in self.sizes
        ]
        return [self.drawn, "width", "between", *(["visible", "between"] if self.difference else [])], rows

    def __str__(self) -> str:
        """The runs, what is needed, and a line for each size."""
        runs = [f"{run.label}: {interval(run.value, run.low, run.high)}" for run in self.runs]
        return "\n".join([self.title, *runs, *self.sentences, text_table(*self._sizes()), *self.notes])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: what is needed, then width and visible difference by size."""
        needed = [[each.what, number(each.target, ".4f"), _or_dash(each.units), _range(each)] for each in self.needed]
        first = html_table(self.title, ["asked", "target", self.drawn, "between"], needed, self.notes)
        return first + html_table("", *self._sizes())

    @model_serializer(mode="wrap")
    def _only_what_is_known(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "seconds_per_label")


def _or_dash(units: int | None) -> str:
    return UNDEFINED if units is None else str(units)


def _range(needed: Needed) -> str:
    return f"{_or_dash(needed.units_low)} to {_or_dash(needed.units_high)}"


def _shown(planned: PlannedNumber) -> list[str]:
    return [number(planned.value, ".4f"), between(planned.low, planned.high)]


def labelling_time(hours: float | None) -> str:
    """A time in words, or a dash."""
    return UNDEFINED if hours is None else duration(3600 * hours)


def _sentence(needed: Needed, drawn: str) -> str:
    """For what how many images are needed, in a sentence without a full stop."""
    if needed.what == "width":
        what = f"an interval of full width {needed.target:.4f}"
    else:
        what = f"to see a difference of {needed.target:.4f} in 4 of 5 test sets"
    if needed.target == 0:
        equal = "these samples show no spread" if needed.what == "width" else "the two runs have equal scores"
        return f"{equal}: nothing can be planned from them"
    if needed.units is None:
        return f"{what}: no number of {drawn} is known to be enough"
    units = counted(needed.units, drawn[:-1])
    images = f" ({needed.images:.0f} images)" if drawn == "groups" and needed.images is not None else ""
    ends = ["?" if end is None else str(end) for end in (needed.units_low, needed.units_high)]
    known = f" (between {ends[0]} and {ends[1]}, as far as these samples tell)" if ends != ["?", "?"] else ""
    hours = "" if needed.label_hours is None else f"; labelling them takes {labelling_time(needed.label_hours)}"
    if needed.units == needed.units_low == needed.units_high:  # the fewest that are planned
        return f"{what}: {units}{images} are enough, and fewer are not planned{hours}"
    return f"{what}: about {units}{images}{known}{hours}"
