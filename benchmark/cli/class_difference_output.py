"""Differences by class at the terminal: the leader against each other run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .output import safe

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..boards.class_difference_words import ClassTable
    from ..boards.comparison_document import ComparedGroup


def class_differences(console: Console, found: ComparedGroup) -> None:
    """A table for each pair of the leader, its largest gain first, and what the columns are."""
    for each in found.class_tables:
        console.print(_table(each))
    about, *stars = found.about_classes
    console.print(f"{about}; bold: p below 0.05", soft_wrap=True)
    for line in stars:
        console.print(line, style="yellow", soft_wrap=True)


def _table(found: ClassTable) -> Table:
    from rich import box

    from ..boards.class_difference_words import HEADS
    from .fitting_table import FittingTable

    table = FittingTable(box=box.SIMPLE_HEAD, pad_edge=False, caption_justify="left", caption_style="")
    table.title, table.title_justify = safe(found.title), "left"
    for name in HEADS:
        table.add_column(name, justify="left" if name == HEADS[0] else "right", no_wrap=name != HEADS[0])
    significant = [row.significant for end in found.ends for row in end]
    if found.ends[1]:
        significant.insert(len(found.ends[0]), False)
    for cells, bold in zip(found.cells, significant, strict=True):
        marked = [f"[bold]{cell}[/]" if bold and name in ("difference", "p") else safe(cell)
                  for name, cell in zip(HEADS, cells, strict=True)]  # fmt: skip
        table.add_row(*marked)
    if found.left_out:
        table.caption = found.left_out
    return table
