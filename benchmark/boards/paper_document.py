"""The results table of a paper as a typed document: methods and scores, or methods and classes."""

from __future__ import annotations

from typing import Literal

from ..io.documents import Document, Number
from ..text import number
from .stands_alone import StandsAlone


class TableColumn(Document):
    """A score of all samples, or (`of_class`) of one class alone; the name of that class is `name`.

    `percent` : a fraction that is shown times 100; `decimals` are those that are shown. `pairs` : how many pairs of
    rows were tested against each other, 0 where none was; `why_untested` says why.
    """

    name: str
    title: str
    score: str
    of_class: bool
    unit: str
    higher_is_better: bool
    percent: bool
    decimals: int
    pairs: int = 0
    units: int = 0
    drawn: str = ""
    leans_on_t: bool = False
    why_untested: str = ""

    @property
    def shown_unit(self) -> str:
        """The unit of what is shown; empty for a fraction."""
        return "%" if self.percent else "" if self.unit == "fraction" else self.unit

    def shown(self, value: float | None) -> str:
        """A value as it is shown, a dash where it is undefined."""
        return number(value if value is None or not self.percent else 100 * value, f".{self.decimals}f")


class TableCell(Document):
    """A score of a row in its own unit (a fraction stays one), the mean over seeds, with its 95 % interval.

    `sd` : standard deviation (n - 1) over the seeds, null for one. `best` and `second` go by the value as it is shown,
    so that several rows may be either. `not_told_from_best` : whether paired tests cannot say that the best of the
    column is better; null for the best itself, for what is undefined, and where nothing was tested.
    """

    value: Number
    low: Number = None
    high: Number = None
    sd: Number = None
    best: bool = False
    second: bool = False
    not_told_from_best: bool | None = None


class TableRow(Document):
    """A method, with the runs and seeds that its values are the means of, and a cell for each column.

    `trained_part` is the part of the planned iterations after which a time limit ended training, null where none did.
    """

    label: str
    method: str
    family: str
    run_ids: list[str]
    seeds: list[int]
    trained_part: float | None
    cells: list[TableCell]


class PaperTable(Document):
    """The results of comparable runs as a paper shows them: families apart, the best by the first column first.

    `by_class` is the score of the classes, of a table of classes. `whole_n` is the size of the whole split where a part
    of it was scored. `segbench` made the table, `scored_with` are the versions that made the runs. `left_out` are runs
    that were found and stand in no row.
    """

    dataset: str
    summary: str
    origin: Literal["real", "synthetic"]
    protocol: str
    split: str
    options: str
    folds: int | None
    n: int
    whole_n: int | None
    ids_sha256: str
    by_class: str | None
    intervals: bool
    resampled: str
    metrics: str
    segbench: str
    scored_with: list[str]
    columns: list[TableColumn]
    rows: list[TableRow]
    left_out: list[StandsAlone]

    @property
    def families(self) -> list[tuple[str, list[TableRow]]]:
        """The rows of each family, in order."""
        found: dict[str, list[TableRow]] = {}
        for row in self.rows:
            found.setdefault(row.family, []).append(row)
        return list(found.items())

    @property
    def several_seeds(self) -> bool:
        """Whether any row is the mean of several seeds."""
        return any(len(row.seeds) > 1 for row in self.rows)
