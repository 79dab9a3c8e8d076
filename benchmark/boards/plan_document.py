"""What `bench plan` says, as a typed document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from ..io.documents import Document, Number, without_none
from ..text import UNDEFINED, between, number
from .comparison import PairedDifference
from .notebook import html_table

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

    def _repr_html_(self) -> str:
        """What a notebook shows: what is needed, then width and visible difference by size."""
        title = f"{self.score} on {self.dataset}, split {self.split}, {self.n} samples"
        needed = [[each.what, number(each.target, ".4f"), _or_dash(each.units), _range(each)] for each in self.needed]
        sizes = [
            [str(each.units), *_shown(each.width), *([] if each.visible is None else _shown(each.visible))]
            for each in self.sizes
        ]
        pair = ["visible", "between"] if self.difference is not None else []
        first = html_table(title, ["asked", "target", self.drawn, "between"], needed, self.notes)
        return first + html_table("", [self.drawn, "width", "between", *pair], sizes)

    @model_serializer(mode="wrap")
    def _only_what_is_known(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "seconds_per_label")


def _or_dash(units: int | None) -> str:
    return UNDEFINED if units is None else str(units)


def _range(needed: Needed) -> str:
    return f"{_or_dash(needed.units_low)} to {_or_dash(needed.units_high)}"


def _shown(planned: PlannedNumber) -> list[str]:
    return [number(planned.value, ".4f"), between(planned.low, planned.high)]
