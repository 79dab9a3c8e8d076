"""What came out of a suite as a typed document: `results.json`, and what `bench suite --json` prints."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..io.documents import Document
from ..runs.record import Cost
from ..text import about_time_marks, samples_of
from .comparable import ComparableFields
from .robustness import RobustnessLine
from .seed_differences import SuiteDifferences


class SeedScore(Document):
    """A score over seeds: its mean, an interval, the standard deviation, and the value of each seed."""

    value: float | None
    low: float | None
    high: float | None
    std_over_seeds: float | None
    values: list[float | None]
    unit: str
    higher_is_better: bool


class SuiteRow(Document):
    """Runs that differ in their seed alone; a cost is the mean over them, of counts a whole number.

    `trained_part` is the part of the planned iterations after which a time limit ended training, null where none did.
    """

    label: str
    method: str
    family: str
    preset: str | None
    settings: dict[str, Any]
    train_fraction: float
    n_train: float | None
    seeds: list[int]
    scores: dict[str, SeedScore]
    cost: Cost
    trained_part: float | None
    cells: list[str]


class SuiteSection(ComparableFields):
    """One table: rows that may be compared, from best to worst by the main score."""

    n: int
    whole_n: int | None = None
    main_score: str
    resampled: list[str]
    rows: list[SuiteRow]

    @property
    def title(self) -> str:
        """Dataset, origin, protocol and options."""
        scope = f"{self.folds}-fold cross-validation" if self.folds else f"split {self.split}"
        options = f", {self.options}" if self.options else ""
        options += f", images made worse ({self.corruption})" if self.corruption else ""
        return f"{self.dataset}{' (SYNTHETIC)' if self.origin == 'synthetic' else ''}, {scope}{options}"

    @property
    def note(self) -> str:
        """What the numbers are."""
        drawn = " or ".join(self.resampled) or "samples"
        marks = about_time_marks((False, row.trained_part) for row in self.rows)
        return (
            f"{samples_of(self.n, self.whole_n)}, sorted by {self.main_score}. In brackets: 95 % bootstrap interval "
            f"over {drawn}, its ends averaged over the seeds; ±: standard deviation over the seeds"
            f"{''.join(f'; {mark}' for mark in marks)}."
        )


class SuiteRobustness(Document):
    """What the cells of one table score on images that were made worse, with the loss from images as they are."""

    title: str
    score: str
    lines: list[RobustnessLine]


class FailedCell(Document):
    """A cell that failed: `error` is the last line that it printed, `log` the file with the rest."""

    name: str
    cell: str
    exit_status: int | None
    error: str
    log: str


class SuiteResults(Document):
    """What came out of a suite: `results.json`, and what `bench suite --json` prints."""

    suite: str
    summary: str
    folder: str
    environment: dict[str, Any]
    n: int
    done: int
    excluded: int
    unable: list[str]
    failed: list[FailedCell]
    sections: list[SuiteSection]
    differences: list[SuiteDifferences] = Field(default_factory=list)
    robustness: list[SuiteRobustness] = Field(default_factory=list)
    plots: list[str]
