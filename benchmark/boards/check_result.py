"""What `bench check` found, as typed documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from ..io.documents import Document, Number, without_none
from ..text import counted, number
from .notebook import html_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Verdict = Literal["ok", "worse", "better", "slower", "inconclusive"]
"""`inconclusive` : the test set could not have shown a loss, so that nothing is said for the run."""


class LostClass(Document):
    """A class that lost, by one of its scores; the loss of one that has no distance now is null."""

    name: str = Field(alias="class")
    by: str
    baseline: Number
    value: Number
    loss: Number


class LostSample(Document):
    """A sample that lost."""

    sample: str
    baseline: Number
    value: Number
    loss: Number


class CostChange(Document):
    """A cost before and now."""

    baseline: float
    value: float


class CheckedRun(Document):
    """One run against its baseline; `loss` is positive where the run is worse, in the score's unit.

    `noise` is what a run that did not change would lose in one of a hundred test sets, over all runs of the check;
    `detectable` is the loss that is found in 4 of 5; `p` is one-sided, of the loss. `slower` names the costs that grew
    more than is allowed.
    """

    name: str
    run_id: str
    score: str
    baseline: Number
    value: Number
    loss: Number
    noise: Number
    detectable: Number
    p: Number
    verdict: Verdict
    classes: list[LostClass]
    samples: list[LostSample]
    costs: dict[str, CostChange]
    slower: list[str]
    failed: bool
    message: str

    @property
    def notable_classes(self) -> list[LostClass]:
        """Classes that lost: of a run that failed all that are named, else those that lost more than the mean could
        have without being noticed.

        Whether a class lost by more than chance is not tested; a single one has more noise than the mean.
        """
        if self.failed:
            return self.classes
        least = max(self.noise or 0.0, self.detectable or 0.0)
        return [row for row in self.classes if row.loss is None or row.loss > least]

    @property
    def seen(self) -> float | None:
        """`detectable` where it is known: a run that scores as before on every sample tells nothing of noise."""
        return None if self.loss == 0 and self.noise == 0 else self.detectable

    @property
    def change(self) -> float | None:
        """How much better the run is than its baseline, in the score's unit; below 0 where it is worse."""
        return None if self.loss is None else -self.loss


class UncheckedRun(Document):
    """A run that was compared with nothing, and why; `failed` where `--strict` asks for every run to be checked."""

    name: str
    run_id: str
    folder: str
    failed: bool
    message: str


def classes_lost(rows: list[LostClass]) -> str:
    """What stands before the classes that lost, of which there is at least one: by which of their scores."""
    return f"classes that lost by {rows[0].by} (each by itself, not tested):"


class CheckResult(Document):
    """What `bench check` found: `ok` where no run got worse, and every loss could have been seen.

    `unchecked` are runs that were compared with nothing. `updated` names the folders of a new baseline.
    """

    ok: bool
    tolerance: float | None = None
    alpha: float | None = None
    updated: list[str] | None = None
    checks: list[CheckedRun]
    unchecked: list[UncheckedRun] = Field(default_factory=list)

    @property
    def title(self) -> str:
        """What came of it, in one line."""
        if self.updated is not None:
            return f"baseline: {counted(len(self.updated), 'run')} written"
        of = f"{{}} of {len(self.checks)}"
        blind = sum(each.verdict == "inconclusive" for each in self.checks)
        lost = sum(each.failed for each in self.checks) - blind
        parts = [f"{of.format(counted(lost, 'run'))} got worse, or slower than allowed"] if lost or not blind else []
        parts += [f"{of.format(counted(blind, 'run'))} could not have shown a loss"] if blind else []
        strays = sum(each.failed for each in self.unchecked)
        parts += [f"{counted(strays, 'run')} not in the baseline"] if strays else []
        return "; ".join(parts)

    def plot(self) -> Figure:
        """Draw every run's change against its baseline, with the noise around it; what is left of the line is worse."""
        from ..figures.score_intervals import Interval, score_intervals

        rows = []
        for each in self.checks:
            change, noise = each.change, each.noise
            low, high = (None, None) if change is None or noise is None else (change - noise, change + noise)
            rows.append(Interval(each.name, change, low, high))
        band = None if self.tolerance is None else (-self.tolerance, 0.0)
        return score_intervals(rows, self.title, "change for the better, with noise; grey: tolerated loss", band=band)

    def __str__(self) -> str:
        """A line for each run."""
        lines = [f"{each.verdict}: {each.name}: {each.message}" for each in self.checks]
        lines += [f"not checked: {each.name}: {each.message}" for each in self.unchecked]
        return "\n".join([self.title, *lines])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        headers = ("", "run", "score", "baseline", "now", "change", "noise")
        rows = [
            [
                *(each.verdict, each.name, each.score, number(each.baseline, ".4f"), number(each.value, ".4f")),
                *(number(each.change, "+.4f"), number(each.noise, ".4f")),
            ]
            for each in self.checks
        ]
        return html_table(self.title, headers, rows)

    @model_serializer(mode="wrap")
    def _only_what_was_done(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "tolerance", "alpha", "updated")
