"""Printing what `bench explain` and `bench verify` found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..text import counted, number
from . import output
from .output import new_table, safe, stdout

if TYPE_CHECKING:
    from rich.table import Table

    from ..commands.explain import Explanation
    from ..evaluation.explanation import ConventionRow
    from ..runs.stored_checks import Verification

_WORDS = {
    "pooled": "pooled",
    "image": "per image",
    "class_image": "per class over images",
    "pair": "image-class pairs",
    "micro": "one count",
    "micro_image": "one count per image",
    "weighted": "weighted",
    "out": "left out",
    "no_truth_out": "left out without truth",
    "class0": "first class",
    "false_positive": "false positives",
    "own": "own class",
    "unscored_ids": "unscored ids kept",
}


def explanation(found: Explanation, as_json: bool, be_quiet: bool) -> None:
    """Every convention with its value, then what each rule moves; only the first table when quiet."""
    if as_json:
        print(found.to_json(), end="")
        return
    console = stdout()
    quiet = be_quiet or output.quiet
    name = safe(found.run_id)
    origin = " [bold yellow](SYNTHETIC)[/]" if found.origin == "synthetic" else ""
    console.print(f"[bold]{name}[/] on [bold]{found.dataset}[/]{origin}: {found.explained} under every convention")
    console.print(_rows(found.rows))
    if not quiet:
        rules_table = new_table("rule", "from", "to", "points")
        for rule in found.rules:
            rules_table.add_row(rule.rule, _words(rule.from_), _words(rule.to), _points(rule.points))
        console.print(rules_table)
    if found.spread_points is not None:
        console.print(f"The same predictions score {found.spread_points:.2f} points apart, from the convention alone.")
    for note in found.notes:
        console.print(f"note: {safe(note)}", soft_wrap=True)


def _rows(rows: list[ConventionRow]) -> Table:
    """Every convention with those that follow it below its name: lines of calls fold between words at 80 columns."""
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    table = new_table("value", "points", "convention, and who follows it")
    for row in rows:
        style = "bold" if row.scored else ""
        users = Grid.grid(padding=(0, 1))
        for call in row.used_by:
            users.add_row("  ·", Text(call, "dim"))
        name = row.name + (" (official)" if row.official else " (scored)" if row.scored else "")
        values = (Text(text, style) for text in (number(row.value, ".4f"), _points(row.difference_points)))
        table.add_row(*values, Group(Text(name, style), *([users] if row.used_by else [])))
    return table


def verification(found: Verification, as_json: bool, be_quiet: bool) -> None:
    """One line per check; only those that failed when quiet."""
    if as_json:
        output.document(found)
        return
    console = stdout()
    marks = {True: "[green]ok[/]     ", False: "[red]differs[/]", None: "[yellow]–[/]      "}
    quiet = be_quiet or output.quiet
    for check in found.checks:
        if check.ok is False or not quiet:
            name = safe(f"{check.name}:")
            console.print(f"{marks[check.ok]} {name} {safe(check.detail)}", soft_wrap=True)
    failed = sum(check.ok is False for check in found.checks)
    sound = "[green]fine[/]: the record follows from what is stored"
    verdict = f"[red]{counted(failed, 'check')} failed[/]" if failed else sound
    console.print(f"{safe(found.run_id)}: {verdict}", soft_wrap=True)


def _words(choice: str) -> str:
    return _WORDS.get(choice, choice)


def _points(points: float | None) -> str:
    return number(points, "+.2f")
