"""`bench table`: the results table of a paper, as Markdown, LaTeX or CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..boards.compare_groups import records_below
from ..boards.paper_document import PaperTable
from ..boards.paper_formats import Format, format_of, written
from ..boards.paper_groups import WantedRuns, runs_of_table
from ..boards.paper_table import WantedColumns, paper_table
from ..boards.stands_alone import StandsAlone
from ..io.atomic import write_output
from ..io.output_checks import refuse_below_a_file
from ..io.reporter import Reporter
from ..runs.find import each_once
from ..runs.remote import folders_of
from ..runs.stored_requests import TableRequest as TableRequest
from ..text import counted
from ..types import UserError

_MAX_NAMED = 5


@dataclass(frozen=True)
class WrittenTable:
    """A table, its text in the format that was asked for, and the file that it was written into, if any."""

    table: PaperTable
    text: str
    file: Path | None

    def to_json(self) -> str:
        """What `bench table --json` prints."""
        return self.table.to_json()

    def __str__(self) -> str:
        """The text in its format."""
        return self.text.rstrip("\n")

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        """The table, for a notebook."""
        return written(self.table, "markdown")


def table(request: TableRequest, reporter: Reporter) -> WrittenTable:
    """Make the table of comparable runs, and write it where a file was named.

    Raises
    ------
    UserError
        Where no runs, or several groups of runs, could be its rows; for a score that is not there; for a file whose
        name says no format, or that is a folder.
    """
    form: Format = request.format or ("markdown" if request.out is None else format_of(request.out))
    if request.out is not None and request.out.is_dir():
        raise UserError(
            f"--out {request.out} is a folder; expected the name of a file, such as {request.out}/table.tex"
        )
    if request.out is not None:
        refuse_below_a_file(request.out, "--out")
    every, broken = records_below(folders_of(request.runs or (Path("runs"),), reporter))
    found = each_once(every, reporter.warn)
    chosen = runs_of_table(found, broken, WantedRuns(request.dataset, request.split, request.source))
    wanted = WantedColumns(request.scores, request.by_class, request.intervals, request.percent, request.tests)
    made = paper_table(chosen.key, chosen.runs, wanted, chosen.left_out, reporter)
    _tell(chosen.left_out, reporter)
    text = written(made, form)
    if request.out is not None:
        write_output(request.out, text)
        reporter.say(f"wrote {request.out}")
    return WrittenTable(made, text, request.out)


def _tell(left_out: Sequence[StandsAlone], reporter: Reporter) -> None:
    """Name what is not in the table: few runs each, many of one reason by their number."""
    by_reason: dict[str, list[str]] = {}
    for each in left_out:
        by_reason.setdefault(each.why, []).append(each.run_id or each.folder)
    for why, names in by_reason.items():
        who = ", ".join(names) if len(names) <= _MAX_NAMED else counted(len(names), "run")
        reporter.say(f"not in the table: {who} ({why})")
