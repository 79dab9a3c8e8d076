"""A plan of test sets at the terminal: a row for each size, and what is needed for a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..boards.plan_document import labelling_time
from ..text import UNDEFINED, between, counted, interval
from . import output
from .output import new_table, safe

if TYPE_CHECKING:
    from rich.table import Table

    from ..boards.plan_document import LearningCurve, PlannedNumber, SizePlan


def size_plan(found: SizePlan, as_json: bool, be_quiet: bool) -> None:
    """The answer first, then a row for each size, and the learning curves; only the answer when quiet."""
    if as_json:
        output.document(found)
        return
    console = output.stdout()
    origin = " [bold yellow](SYNTHETIC)[/]" if found.origin == "synthetic" else ""
    console.print(
        f"[bold]{safe(found.score)}[/] on [bold]{safe(found.dataset)}[/]{origin}, split {safe(found.split)}, "
        f"{counted(found.n, 'sample')}"
    )
    for run in found.runs:
        console.print(f"{safe(run.label)}: {interval(run.value, run.low, run.high)}", soft_wrap=True)
    for sentence in found.sentences:
        console.print(sentence, style="bold", soft_wrap=True)
    if not (be_quiet or output.quiet):
        console.print(_sizes(found))
        visible = "; visible: difference that 4 of 5 test sets show, paired, at 5 %" if found.difference else ""
        console.print(
            f"bold: as many as now; width: of the 95 % interval, end to end{visible}; between: what "
            f"{counted(found.units, found.drawn[:-1])} leave open",
            soft_wrap=True,
        )
        for curve in found.learning_curves:
            console.print(_curve(curve))
    for note in found.notes:
        console.print(f"note: {safe(note)}", style="yellow", soft_wrap=True)


def _sizes(found: SizePlan) -> Table:
    pair = found.difference is not None
    timed = found.seconds_per_label is not None
    groups = found.drawn == "groups"
    table = new_table(
        *(["groups"] if groups else []),
        *("images", "width", "between"),
        *(["visible", "between"] if pair else []),
        *(["labelling"] if timed else []),
    )
    for column in table.columns:
        column.justify, column.no_wrap = "right", True
    for size in found.sizes:
        style = "bold" if size.units == found.units else ""
        cells = [str(size.units)] if groups else []
        cells += [f"{size.images:.0f}", *_cells(size.width), *(_cells(size.visible) if pair else [])]
        cells += [labelling_time(size.label_hours)] if timed else []
        table.add_row(*cells, style=style)
    return table


def _cells(planned: PlannedNumber | None) -> list[str]:
    if planned is None or planned.value is None:
        return [UNDEFINED, UNDEFINED]
    return [f"{planned.value:.4f}", between(planned.low, planned.high, word="–")]


def _curve(curve: LearningCurve) -> Table:
    timed = any(point.label_hours is not None for point in curve.points)
    table = new_table("labelled images", curve.label, *(["labelling"] if timed else []))
    for point in curve.points:
        hours = [labelling_time(point.label_hours)] if timed else []
        table.add_row(f"{point.n_train:g}", interval(point.value, point.low, point.high), *hours)
    return table
