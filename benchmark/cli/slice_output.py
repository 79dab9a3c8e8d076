"""Printing what `bench slice` found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..text import between, counted, number, p_value
from . import output
from .output import new_table, safe

if TYPE_CHECKING:
    from ..boards.slices import Sliced


def sliced(found: Sliced, as_json: bool, be_quiet: bool) -> None:
    """A row for each slice, the worst first; of several runs one for each of them."""
    if as_json:
        output.document(found)
        return
    console = output.stdout()
    origin = " [bold yellow](SYNTHETIC)[/]" if found.origin == "synthetic" else ""
    console.print(
        f"[bold]{safe(found.score)}[/] on [bold]{safe(found.dataset)}[/]{origin}, split {safe(found.split)}, "
        f"{counted(found.n, 'sample')}, by {safe(', '.join(found.by))}"
    )
    console.print(safe(found.answer), soft_wrap=True, style="bold")
    several = len(found.runs) > 1
    for place, run in enumerate(found.runs):
        value = f"{number(run.value, '.4f')} ({between(run.low, run.high)})"
        console.print(f"{f'{place + 1}: ' if several else ''}{safe(run.label)}, all samples: {value}", soft_wrap=True)
    by = len(found.by) > 1
    table = new_table(
        *(["by"] if by else []), "slice", "n", *(["run"] if several else []), "score", "95 % interval", "gap", "p"
    )
    for row in found.slices:
        first = [*([safe(row.by)] if by else []), safe(row.slice), f"{row.n}{' (few)' if row.few else ''}"]
        for place, one in enumerate(row.scores, 1):
            p = p_value(one.p_adjusted)
            cells = [number(one.value, ".4f"), between(one.low, one.high), number(one.gap, "+.4f")]
            cells.append(f"[bold]{p}[/]" if one.significant else p)
            table.add_row(*(first if place == 1 else [""] * len(first)), *([str(place)] if several else []), *cells)
    console.print(table)
    if be_quiet or output.quiet:
        return
    console.print(
        f"gap: the slice less all other samples; p by {found.permutations} permutations of {found.permuted}, adjusted "
        "for all gaps of the table together (step-down)",
        soft_wrap=True,
    )
    for note in found.notes:
        console.print(f"note: {safe(note)}", soft_wrap=True)
