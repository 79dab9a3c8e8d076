"""Printing what `bench slice` found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..text import between, counted, number, p_value
from . import output
from .output import new_table, safe

if TYPE_CHECKING:
    from ..boards.slice_document import Sliced, SlicedByAll


def sliced(found: Sliced, as_json: bool, be_quiet: bool) -> None:
    """A row for each slice, the worst first; of several runs one for each of them."""
    if as_json:
        output.document(found)
        return
    _title(found, f", by {safe(', '.join(found.by))}")
    output.stdout().print(safe(found.answer), soft_wrap=True, style="bold")
    _runs(found)
    _table(found)
    if not (be_quiet or output.quiet):
        _legend(found)


def sliced_by_all(found: SlicedByAll, as_json: bool, be_quiet: bool) -> None:
    """A table for each property, and what no table could be made by."""
    if as_json:
        output.document(found)
        return
    console = output.stdout()
    _title(found.tables[0], "")
    console.print(safe(found.answer), soft_wrap=True, style="bold")
    _runs(found.tables[0])
    for table in found.tables:
        console.print(f"[bold]by {safe(table.by[0])}[/]")
        _table(table)
        if not (be_quiet or output.quiet):
            _legend(table)
    reasons = {
        reason: [by for by, other in found.left_out.items() if other == reason] for reason in found.left_out.values()
    }
    for reason, properties in reasons.items():
        console.print(f"left out: {', '.join(properties)}: {safe(reason)}", soft_wrap=True)


def _title(found: Sliced, by: str) -> None:
    origin = " [bold yellow](SYNTHETIC)[/]" if found.origin == "synthetic" else ""
    output.stdout().print(
        f"[bold]{safe(found.score)}[/] on [bold]{safe(found.dataset)}[/]{origin}, split {safe(found.split)}, "
        f"{counted(found.n, 'sample')}{by}"
    )


def _runs(found: Sliced) -> None:
    several = len(found.runs) > 1
    for place, run in enumerate(found.runs):
        value = f"{number(run.value, '.4f')} ({between(run.low, run.high)})"
        output.stdout().print(
            f"{f'{place + 1}: ' if several else ''}{safe(run.label)}, all samples: {value}", soft_wrap=True
        )


def _table(found: Sliced) -> None:
    by, several = len(found.by) > 1, len(found.runs) > 1
    table = new_table(
        *(["by"] if by else []), "part", "n", *(["run"] if several else []), "score", "95 % interval", "gap", "p"
    )
    for row in found.slices:
        first = [*([safe(row.by)] if by else []), safe(row.slice), f"{row.n}{' (few)' if row.few else ''}"]
        for place, one in enumerate(row.scores, 1):
            p = p_value(one.p_adjusted)
            cells = [number(one.value, ".4f"), between(one.low, one.high), number(one.gap, "+.4f")]
            cells.append(f"[bold]{p}[/]" if one.significant else p)
            table.add_row(*(first if place == 1 else [""] * len(first)), *([str(place)] if several else []), *cells)
    output.stdout().print(table)


def _legend(found: Sliced) -> None:
    console = output.stdout()
    console.print(
        f"gap: the part less all other samples; p by {found.permutations} permutations of {found.permuted_in_words}, "
        "adjusted for all gaps of the table together (step-down)",
        soft_wrap=True,
    )
    for note in found.notes:
        console.print(f"note: {safe(note)}", soft_wrap=True)
