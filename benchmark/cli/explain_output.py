"""Printing what `bench explain` and `bench verify` found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..text import between, counted, interval, number, some
from . import output
from .output import new_table, safe, stdout

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..boards.worst_samples import WorstSamples
    from ..commands.explain import ErrorAnatomy, Explanation
    from ..evaluation.explanation import ConventionRow
    from ..runs.stored_checks import Check, Verification

_WORDS = {
    "pooled": "pooled",
    "image": "per image",
    "class_image": "per class over images",
    "case": "per case",
    "class_case": "per class over cases",
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
    origin = " [bold yellow](SYNTHETIC)[/]" if found.origin == "synthetic" else ""
    several = found.other_run_id is not None
    what = f"{found.explained} under every convention"
    if not found.rows:
        what = f"{safe(found.main_score)} {number(found.official, '.4f')}"
    console.print(f"{_names(found)} on [bold]{found.dataset}[/]{origin}: {what}")
    if found.rows:
        console.print(_rows(found.rows, several=several))
    if found.rules and not quiet:
        rules_table = new_table("rule, of 1" if several else "rule", "from", "to", "points", "points per image")
        for rule in found.rules:
            per_image = "" if rule.rule == "average" else _points(rule.points_per_image)
            rules_table.add_row(rule.rule, _words(rule.from_), _words(rule.to), _points(rule.points), per_image)
        console.print(rules_table)
        console.print("points per image: what the rule moves where classes are averaged in each image first")
    if several and found.rows:
        console.print(_order(found.rows), soft_wrap=True)
    if found.spread_points is not None:
        same = "The predictions of 1" if several else "The same predictions"
        console.print(f"{same} score {found.spread_points:.2f} points apart, from the convention alone.")
    if found.anatomy:
        _anatomy(console, found, quiet)
    if found.worst_samples is not None:
        _worst(console, found.worst_samples, quiet)
    for note in found.notes:
        console.print(f"note: {safe(note)}", soft_wrap=True)


def _anatomy(console: Console, found: Explanation, quiet: bool) -> None:
    """The points of every cause, of one run or of two side by side with what the second loses more."""
    first = found.anatomy[0]
    for place, each in enumerate(found.anatomy, 1):
        mark = f"{place}: " if len(found.anatomy) > 1 else ""
        lost = interval(each.loss_points, each.loss_low, each.loss_high, ".2f")
        console.print(
            f"{mark}{safe(each.run_id)}: {first.score} {number(each.value, '.4f')}, {lost} points lost",
            soft_wrap=True,
        )
    console.print(_causes(first) if len(found.anatomy) == 1 else _causes_of_two(found))
    if not quiet:
        for part in first.parts:
            console.print(f"{part.cause}: {safe(part.rule)}", soft_wrap=True)
        console.print(
            "A wrong pixel has the first cause whose rule holds; points are the mean gain, over all orders of causes, "
            f"of setting its pixels right, with 95 % intervals. In reach: {first.boundary_px} "
            f"pixels, of two objects {2 * first.boundary_px + 1}.",
            soft_wrap=True,
        )


def _worst(console: Console, found: WorstSamples, quiet: bool) -> None:
    """The samples on which a run is worst, or the first of two is most behind, and what their scores mean."""
    several, score = len(found.run_ids) > 1, safe(found.score)
    console.print(_worst_heading(found), soft_wrap=True)
    if found.samples:
        table = new_table("sample", *([f"{score} 1", f"{score} 2", "2 less 1"] if several else [score]))
        for each in found.samples:
            cells = [number(value, ".4f") for value in each.scores]
            if several:
                first, second = (value or 0.0 for value in each.scores)
                cells.append(number(second - first, "+.4f"))
            table.add_row(safe(each.sample), *cells)
        console.print(table)
    if found.undefined:
        names = safe(some(found.undefined, 5))
        console.print(f"{score} is undefined on {counted(len(found.undefined), 'sample')}: {names}", soft_wrap=True)
    if found.scored and not quiet:
        console.print(safe(found.reading), soft_wrap=True)


def _worst_heading(found: WorstSamples) -> str:
    """Which samples are listed, among how many."""
    score, among = safe(found.score), counted(found.scored, "sample")
    if not found.scored:
        return f"No sample has a {score} of its own, so that none is the worst."
    if found.behind is None:
        return f"[bold]The worst[/] of {among} by {score}:"
    if not found.behind:
        return f"1 is behind 2 on none of {among} by {score}."
    return f"1 is behind 2 by {score} on {found.behind} of {among}, [bold]most of all[/] on:"


def _causes(found: ErrorAnatomy) -> Table:
    table = new_table("cause", "points", "95 %", "pixels")
    for part in found.parts:
        ends = between(part.low, part.high, ".2f")
        table.add_row(part.cause, number(part.points, ".2f"), ends, f"{part.pixels:,}")
    lost, ends = number(found.loss_points, ".2f"), between(found.loss_low, found.loss_high, ".2f")
    table.add_row("[bold]all[/]", f"[bold]{lost}[/]", ends, f"{sum(part.pixels for part in found.parts):,}")
    return table


def _causes_of_two(found: Explanation) -> Table:
    """The points of both runs, and by how many more the second loses."""
    table = new_table("cause", "points 1", "points 2", "2 less 1", "95 %")
    one, two = found.anatomy
    points = [*zip((p.points for p in one.parts), (p.points for p in two.parts), strict=True)]
    for each, both in zip(found.anatomy_difference, [*points, (one.loss_points, two.loss_points)], strict=True):
        style = "bold" if each.cause == "all" else ""
        cells = [number(value, ".2f") for value in both]
        table.add_row(each.cause, *cells, _points(each.points), between(each.low, each.high, "+.2f"), style=style)
    return table


def _names(found: Explanation) -> str:
    """The run that is explained, and the other one, with the numbers that they have in all tables."""
    if found.other_run_id is None:
        return f"[bold]{safe(found.run_id)}[/]"
    return f"1: [bold]{safe(found.run_id)}[/], 2: [bold]{safe(found.other_run_id)}[/],"


def _order(rows: list[ConventionRow]) -> str:
    """Under how many conventions which of two runs is ahead."""
    known = [(row.value, row.other_value) for row in rows if row.value is not None and row.other_value is not None]
    first, second = sum(one > two for one, two in known), sum(one < two for one, two in known)
    return f"Of {counted(len(known), 'convention')} 1 is ahead under {first}, and 2 under {second}."


def _rows(rows: list[ConventionRow], *, several: bool) -> Table:
    """Every convention with those that follow it below its name: lines of calls fold between words at 80 columns.

    Of two runs the value of each, and in points by how much the second is higher.
    """
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    heads = ("value 1", "value 2", "2 less 1") if several else ("value", "points")
    table = new_table(*heads, "convention, and who follows it")
    for row in rows:
        style = "bold" if row.scored else ""
        users = Grid.grid(padding=(0, 1))
        for call in row.used_by:
            users.add_row("  ·", Text(call, "dim"))
        name = row.name + (" (official)" if row.official else " (scored)" if row.scored else "")
        cells = [number(row.value, ".4f"), _points(row.difference_points)]
        if several:
            cells[1:] = [number(row.other_value, ".4f"), _points(_apart(row))]
        values = (Text(text, style) for text in cells)
        table.add_row(*values, Group(Text(name, style), *([users] if row.used_by else [])))
    return table


def _apart(row: ConventionRow) -> float | None:
    return None if row.value is None or row.other_value is None else 100 * (row.other_value - row.value)


def verification(found: Verification, as_json: bool, be_quiet: bool) -> None:
    """One line per check; only those that failed when quiet."""
    if as_json:
        output.document(found)
        return
    console = stdout()
    quiet = be_quiet or output.quiet
    for check in found.checks:
        if check.ok is False or not quiet:
            console.print(check_line(check), soft_wrap=True)
    failed = sum(check.ok is False for check in found.checks)
    sound = "[green]fine[/]: the record follows from what is stored"
    verdict = f"[red]{counted(failed, 'check')} failed[/]" if failed else sound
    console.print(f"{safe(found.run_id)}: {verdict}", soft_wrap=True)


def check_line(check: Check) -> str:
    """A check with its mark, in rich's markup."""
    marks = {True: "[green]ok[/]     ", False: "[red]differs[/]", None: "[yellow]–[/]      "}
    return f"{marks[check.ok]} {safe(f'{check.name}:')} {safe(check.detail)}"


def _words(choice: str) -> str:
    return _WORDS.get(choice, choice)


def _points(points: float | None) -> str:
    return number(points, "+.2f")
