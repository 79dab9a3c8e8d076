"""What the figure of a paper shows, as a typed document, and the sentences that belong below it."""

from __future__ import annotations

from typing import Literal

from ..io.documents import Document, Number
from ..text import UNDEFINED, number, samples_of
from .notebook import html_table, text_table


class PanelRun(Document):
    """A run with a column: its label there, as `bench compare` names it."""

    run_id: str
    label: str
    method: str
    family: str


class PanelCrop(Document):
    """Where a detail lies: its upper left pixel and its size, in an image of `of_width` x `of_height` pixels.

    by : `named` by the user, around the largest region of `errors` of any run, or the `middle` where nothing is wrong.
    """

    x: int
    y: int
    width: int
    height: int
    of_width: int
    of_height: int
    by: Literal["named", "errors", "middle"]


class PanelSample(Document):
    """A sample with a row: the score of every run on it alone, null where undefined, and their mean.

    crop : the detail that is shown; null where all of the image is.
    """

    id: str
    scores: list[Number]
    mean: Number
    crop: PanelCrop | None = None


class PanelColor(Document):
    """A class that occurs in the figure, or a kind of error, and its colour there; null is the pattern of stripes."""

    name: str
    color: str | None


class PanelFigure(Document):
    """A figure of samples in rows, with image, truth and the prediction of every run in columns.

    `rule` : how the samples were chosen: `samples` were named, `names` are evenly over the order of the ids, where
    nothing is scored; all others went by the score. `candidates` : samples that it chose among, of `n` scored ones.
    `truth` : whether there is a column of it. `caption` : sentences for the caption, which the file holds too.
    """

    file: str
    dataset: str
    summary: str
    origin: Literal["real", "synthetic"]
    protocol: str
    split: str
    options: str
    n: int
    whole_n: int | None
    score: str
    title: str
    unit: str
    higher_is_better: bool
    rule: Literal["worst", "best", "typical", "spread", "disagree", "samples", "names"]
    candidates: int
    truth: bool
    errors: bool
    width_cm: float
    height_cm: float
    dpi: int
    runs: list[PanelRun]
    samples: list[PanelSample]
    legend: list[PanelColor]
    caption: list[str]
    segbench: str

    def table(self) -> str:
        """The samples and their scores as columns of plain text."""
        return text_table(self._heads(), self._rows())

    def _heads(self) -> list[str]:
        return ["sample", *(f"{self.title} of {run.label}" for run in self.runs if self.truth)]

    def _rows(self) -> list[list[str]]:
        return [[each.id, *(shown_score(value, self.unit) for value in each.scores)] for each in self.samples]

    def _repr_html_(self) -> str:
        """The samples, their scores and the caption, for a notebook."""
        return html_table(f"{self.file}: {samples_of(len(self.samples))}", self._heads(), self._rows(), self.caption)


def shown_score(value: float | None, unit: str) -> str:
    """A score of one sample: three decimals, and its unit where it has one.

    >>> shown_score(0.91234, "fraction"), shown_score(12.0, "px"), shown_score(None, "px")
    ('0.912', '12.000 px', '–')
    """
    text = number(value, ".3f")
    return text if unit == "fraction" or text == UNDEFINED else f"{text} {unit}"
