"""Printing what `bench explain` and `bench verify` found."""

from __future__ import annotations

from typing import Any

from . import output
from .output import _safe, _stdout, _table, _value

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


def explanation(found: dict[str, Any], as_json: bool, be_quiet: bool) -> None:
    """Every convention with its value, then what each rule moves; only the first table when quiet."""
    if as_json:
        output.document(found)
        return
    console = _stdout()
    quiet = be_quiet or output.quiet
    name = _safe(found["run_id"])
    origin = " [bold yellow](SYNTHETIC)[/]" if found["origin"] == "synthetic" else ""
    console.print(
        f"[bold]{name}[/] on [bold]{found['dataset']}[/]{origin}: {found['explained']} under every convention"
    )
    table = _table("convention", "value", "points", "used by")
    for row in found["rows"]:
        used_by = "\n".join(_safe(call) for call in row["used_by"]) or output.UNDEFINED
        mark, name = ("[bold]", f"{row['name']} (official)") if row["official"] else ("", row["name"])
        values = [f"{mark}{text}" for text in (name, _value(row["value"]), _points(row["difference_points"]))]
        table.add_row(*values, used_by)
    console.print(table)
    if not quiet:
        rules_table = _table("rule", "from", "to", "points")
        for rule in found["rules"]:
            rules_table.add_row(rule["rule"], _words(rule["from"]), _words(rule["to"]), _points(rule["points"]))
        console.print(rules_table)
    if found["spread_points"] is not None:
        console.print(
            f"The same predictions score {found['spread_points']:.2f} points apart, from the convention alone."
        )
    for note in found["notes"]:
        console.print(f"note: {_safe(note)}", soft_wrap=True)


def verification(found: dict[str, Any], as_json: bool, be_quiet: bool) -> None:
    """One line per check; only those that failed when quiet."""
    if as_json:
        output.document(found)
        return
    console = _stdout()
    marks = {True: "[green]ok[/]     ", False: "[red]differs[/]", None: "[yellow]–[/]      "}
    quiet = be_quiet or output.quiet
    for check in found["checks"]:
        if check["ok"] is False or not quiet:
            name = _safe(f"{check['name']}:")
            console.print(f"{marks[check['ok']]} {name} {_safe(check['detail'])}", soft_wrap=True)
    failed = sum(check["ok"] is False for check in found["checks"])
    verdict = f"[red]{failed} checks failed[/]" if failed else "[green]fine[/]: the record follows from what is stored"
    console.print(f"{_safe(found['run_id'])}: {verdict}", soft_wrap=True)


def _words(choice: str) -> str:
    return _WORDS.get(choice, choice)


def _points(points: float | None) -> str:
    return output.UNDEFINED if points is None else f"{points:+.2f}"
