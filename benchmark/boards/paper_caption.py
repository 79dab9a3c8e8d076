"""The sentences below a paper's table: what was measured on what, and what its marks mean."""

from __future__ import annotations

from collections.abc import Sequence

from ..text import counted, percent, samples_of, some
from .paper_document import PaperTable, TableColumn

MARK = "†"
"""Stands at values that cannot be told from the best of their column."""


def caption(table: PaperTable) -> list[str]:
    """The sentences of the caption as plain text, in order; what must not be overlooked stands first."""
    return [
        *_warnings(table),
        _what(table),
        *_brackets(table),
        *_ranks(table),
        *_tests(table),
        *_seeds(table),
        *_cut(table),
        _versions(table),
    ]


def _warnings(table: PaperTable) -> list[str]:
    found = []
    if table.origin == "synthetic":
        found.append("SYNTHETIC DATA, made by a program: not to be shown beside results on real images.")
    if table.whole_n is not None:
        part = samples_of(table.n, table.whole_n)
        found.append(f"A PART OF THE SPLIT, {part}: not to be shown beside scores of the whole split.")
    return found


def _what(table: PaperTable) -> str:
    scores = list(dict.fromkeys(column.score for column in table.columns if not column.of_class))
    what = f"{table.by_class} of each class, and {scores[0]}" if table.by_class else ", ".join(scores)
    options = f", {table.options}" if table.options else ""
    samples = samples_of(table.n, table.whole_n)
    return f"{table.dataset} ({table.summary}){options}, {table.protocol}, {samples}: {what}."


def _brackets(table: PaperTable) -> list[str]:
    measured = [column for column in table.columns if not column.of_class]
    if not table.intervals or not measured:
        return []
    of_classes = [row.cells[n] for n, column in enumerate(table.columns) if column.of_class for row in table.rows]
    where = "; single classes have none" if of_classes and all(cell.low is None for cell in of_classes) else ""
    return [f"In brackets: 95 % bootstrap interval over {table.resampled}{where}."]


def _ranks(table: PaperTable) -> list[str]:
    cells = [cell for row in table.rows for cell in row.cells]
    found = []
    if any(cell.best for cell in cells):
        found.append("Bold: the best of a column, underlined: the second; equal as shown, they share it.")
    if any(cell.value is None for cell in cells):
        found.append("–: undefined.")
    return found


def _tests(table: PaperTable) -> list[str]:
    tested = [column for column in table.columns if column.pairs]
    found = []
    if tested:
        marked = any(cell.not_told_from_best for row in table.rows for cell in row.cells)
        # Beside columns of classes, which are not tested, the tested ones are named.
        of, its = (f" of {', '.join(each.score for each in tested)}", "") if table.by_class else ("", " of its column")
        said = f"{MARK}{of}: cannot be told from" if marked else f"Every other value{of} is told from"
        found.append(f"{said} the best{its} by paired tests ({_correction(tested)}).")
    untested = [column for column in table.columns if not column.of_class and not column.pairs]
    reasons = {column.why_untested for column in untested}
    found += [
        f"Not tested ({reason}): {', '.join(each.score for each in untested if each.why_untested == reason)}."
        for reason in sorted(reasons)
        if len(table.rows) > 1
    ]
    if table.by_class:
        found.append("Single classes were not tested: their bold values may lead by chance.")
    return found


def _correction(tested: Sequence[TableColumn]) -> str:
    """What was corrected for, and how."""
    pairs = sorted({column.pairs for column in tested})
    if pairs == [1]:
        return "5 %"
    of = " of a column" if len(tested) > 1 else ""
    what = f"all {pairs[0]} pairs of methods{of}"
    if len(pairs) > 1:
        what = f"all {pairs[0]} to {pairs[-1]} pairs of methods{of}"
    how = "Holm's correction" if any(column.leans_on_t for column in tested) else "step-down correction by swaps"
    few = ""
    if any(column.leans_on_t for column in tested):
        few = f"; {counted(tested[0].units, tested[0].drawn.removesuffix('s'))} are few, so p leans on a t test"
    return f"5 %, {how} for {what}{few}"


def _seeds(table: PaperTable) -> list[str]:
    if not table.several_seeds:
        return ["One run of each method."]
    numbers = sorted({len(row.seeds) for row in table.rows})
    several = [number for number in numbers if number > 1]
    how_many = f"{several[0]} to {several[-1]}" if len(several) > 1 else str(several[0])
    who = "Rows" if numbers[0] > 1 else "Rows with ±"
    brackets = ", brackets the means of the intervals' ends, which do not hold that spread" if table.intervals else ""
    tests = "; tests hold for other trainings too" if any(column.pairs for column in table.columns) else ""
    return [f"{who}: mean over {how_many} seeds ± standard deviation (n - 1){brackets}{tests}."]


def _cut(table: PaperTable) -> list[str]:
    cut = [f"{row.label} ({percent(row.trained_part)})" for row in table.rows if row.trained_part is not None]
    if not cut:
        return []
    ended = f"A time limit ended training after this part of the iterations: {some(cut, len(cut))}"
    return [f"{ended}. Such scores depend on the machine."]


def _versions(table: PaperTable) -> str:
    made = [version for version in table.scored_with if version != table.segbench]
    others = f" (runs made with {some(made, 3)})" if made else ""
    return f"Metrics: {table.metrics}; segbench {table.segbench}{others}."
