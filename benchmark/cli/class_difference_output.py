"""Differences by class at the terminal: the leader against each other run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..text import between, number, p_value
from .output import safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from ..boards.class_differences import ClassDifference
    from ..boards.comparison import ComparedGroup

_MAX_TABLES = 3
_MAX_CLASSES = 40


def class_differences(console: Console, found: ComparedGroup) -> None:
    """A table for each pair of the leader, its largest gain first, and what the columns are."""
    pairs: dict[tuple[str, str], list[ClassDifference]] = {}
    for row in found.by_class or ():
        pairs.setdefault((row.a, row.b), []).append(row)
    leader = found.runs[0].label
    led = {pair: rows for pair, rows in pairs.items() if leader in pair}
    for (a, b), rows in list(led.items())[:_MAX_TABLES]:
        console.print(_table(a, b, rows))
    shown = min(len(led), _MAX_TABLES)
    more = f"; {shown} of {len(pairs)} pairs, all with --out or --json" if shown < len(pairs) else ""
    console.print(
        f"difference: a less b, with its 95 % paired bootstrap interval; p by swapping whole {found.drawn}, adjusted "
        f"for all classes and pairs together (step-down); bold: below 0.05; in: {found.drawn} that truly hold the "
        f"class{more}",
        soft_wrap=True,
    )
    if any(row.few for row in found.by_class or ()):
        console.print(f"* truly in fewer than 5 {found.drawn}: its intervals say little", style="yellow")


def _table(a: str, b: str, rows: Sequence[ClassDifference]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption_justify="left", caption_style="")
    table.title, table.title_justify = f"{safe(a)} (a) less {safe(b)} (b), {rows[0].score}", "left"
    table.add_column("class", overflow="fold")
    for name in ("a", "b", "difference", "95 % interval", "p", "in"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows[:_MAX_CLASSES]:
        mark = "[bold]" if row.significant else ""
        table.add_row(
            f"{safe(row.name)}{'*' * row.few}",
            *(number(value, ".4f") for value in (row.value_a, row.value_b)),
            f"{mark}{number(row.value, '+.4f')}",
            between(row.low, row.high, "+.4f"),
            f"{mark}{p_value(row.p_adjusted)}",
            "" if row.units is None else str(row.units),
        )
    if len(rows) > _MAX_CLASSES:
        table.caption = f"{_MAX_CLASSES} of {len(rows)} classes; all with --out or --json"
    return table
