"""Printing results: for people by default, one JSON document with `--json`."""

from __future__ import annotations

import shlex
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..text import CLASS_COUNTS, UNDEFINED, between, counted, interval, number, printable, short_class, some

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..boards.check_result import CheckResult
    from ..commands.overview import Overview
    from ..io.reporter import Reporter
    from ..runs.predict_folder import PredictDocument
    from ..runs.record import Record

quiet = False
"""Set by `bench --quiet …`; each command's own `--quiet` does the same."""

_FEW_CLASSES = 4
"""Classes up to which each is a column of a table, not a row."""
_MAX_ROWS = 40
"""Classes up to which a table shows those too of which no sample holds or predicts anything."""
_NAMES_WIDTH = 24
_WHOLE = frozenset({"name", "main_score", "family", "scores"})
"""Columns of names to type or to look for, which are not broken within a line; summaries are."""


def reporter(be_quiet: bool) -> Reporter:
    """Who talks to the user on stderr."""
    from ..io.reporter import Reporter

    return Reporter(quiet=be_quiet or quiet)


@contextmanager
def interruptible(hint: str = "") -> Iterator[None]:
    """Turn Ctrl-C into one line on stderr and exit status 130."""
    import typer

    try:
        yield
    except KeyboardInterrupt:
        print(f"bench: interrupted{hint}", file=sys.stderr)
        raise typer.Exit(130) from None


@contextmanager
def failing_unless(ok: bool) -> Iterator[None]:
    """End with exit status 1 where a check failed, also when whoever reads its output has gone."""
    import typer

    try:
        yield
    finally:
        if not ok:
            raise typer.Exit(1)


def version() -> None:
    """Version, commit, and what counts and decodes label maps."""
    from .._version import __version__
    from ..io.native import engine
    from ..runs.environment import commit

    head, dirty = commit()
    where = f"commit {head[:12]}{' with uncommitted changes' if dirty else ''}" if head else "no checkout"
    print(f"segbench {__version__} ({where}; counting: {engine()})")


def document(content: Any) -> None:
    """One JSON document on stdout: a model, a list of models, or what JSON knows."""
    import json

    from ..io.documents import plain_json

    print(json.dumps(plain_json(content), indent=2, allow_nan=False))


def text(content: str) -> None:
    """Plain text on stdout."""
    print(content)


def overview(here: Overview) -> None:
    """Where one is, below the help."""
    runs = "no runs yet in ./runs" if not here.runs else f"{counted(here.runs, 'run')} in ./runs"
    if here.latest is not None:
        state = _main_score(here.latest) if here.latest.complete else "not complete"
        runs += f", the newest {here.latest.run_id}: {state}"
    there = ", ".join(here.data) if here.data else "none yet (a synthetic sample is made where there is none)"
    print(f"\nHere: {printable(runs)}")
    print(f"Data: {printable(there)} (in {printable(str(here.data_home))})")
    print("\n".join(f"{'Next:' if not place else '     '} {printable(line)}" for place, line in enumerate(here.next)))


def _main_score(result: Record) -> str:
    score = result.main
    return f"{result.main_score} {interval(score.value, score.low, score.high)}" if score else "no score"


def listing(what: str, entries: Sequence[dict[str, Any]], as_json: bool, be_quiet: bool) -> None:
    """A table of what there is; only names when quiet."""
    if as_json:
        document(entries)
        return
    if be_quiet or quiet:
        print("\n".join(entry["name"] for entry in entries))
        return
    from ..io.user_folders import OWN

    # A terminal would have no room for the rest.
    hidden = {"reference", "tasks", "version"}
    if all(entry.get("origin", OWN) == OWN for entry in entries):
        hidden.add("origin")
    columns = [key for key in (entries[0] if entries else [what]) if key not in hidden]
    table = new_table(*columns)
    for column in table.columns:
        column.no_wrap = column.header in _WHOLE
    for entry in entries:
        table.add_row(*(_listed(entry[key]) for key in columns))
    stdout().print(table)


def record(folder: Path, result: Record, as_json: bool, be_quiet: bool) -> None:
    """The scores of a run with intervals and cost."""
    if as_json:
        print(result.to_json(), end="")
        return
    from ..evaluation.class_intervals import few_units

    console = stdout()
    data, method = result.dataset, result.method
    origin = " [bold yellow](SYNTHETIC)[/]" if data.origin == "synthetic" else ""
    scope = f"{data.folds}-fold cross-validation" if data.folds else f"split {data.split}"
    partial = "" if result.complete else ", [yellow]partial[/]"
    if method.corruption is not None:
        partial = f", [yellow]images made worse ({safe(method.corruption)})[/]{partial}"
    console.print(
        f"[bold]{safe(method.name)}[/] on [bold]{safe(data.name)}[/]{origin}, {scope}, {data.samples}{partial}"
    )
    if result.scores:
        console.print(_score_table(result))
        console.print(_interval_note(result))
        if no_width := _no_width(result):
            console.print(safe(no_width), style="yellow", soft_wrap=True)
    if result.details:
        from ..registry import hooks, metrics_named

        for metric, show in hooks(metrics_named(result.details).values(), "terminal_table"):
            show(console, result.details[metric.name], result.scores)
    if result.per_class and not (be_quiet or quiet):
        for what, rows in (("class", result.per_class), ("category", result.per_category)):
            if rows:
                console.print(class_table(what, rows, result.class_intervals if what == "class" else {}))
        if few := few_units(result.class_intervals):
            console.print(safe(few), style="yellow", soft_wrap=True)
    cost = result.cost
    if cost.train_s is not None:
        batch = (
            f" ({cost.best_batch_ms_per_image:.1f} in batches of {cost.best_batch})"
            if (cost.best_batch or 1) > 1
            else ""
        )
        alone = "" if cost.predict_ms_per_image is None else f", {cost.predict_ms_per_image:.1f} ms/image"
        macs = "" if cost.macs_per_image is None else f", {cost.macs_per_image / 1e9:.1f} GMAC/image"
        console.print(
            f"cost: fitted in {cost.train_s:.1f} s{alone}{batch}{macs}, "
            f"{cost.parameters:,} parameters, peak memory {cost.peak_memory_mb:.0f} MB, device {safe(str(cost.device))}"
        )
    if result.main is not None:
        console.print(f"[bold]{safe(_main_score(result))}[/]{origin}")
    console.print(f"run folder: {safe(str(folder))}", soft_wrap=True)
    if not (be_quiet or quiet):
        console.print(f"next: {_next_commands(folder)}", soft_wrap=True)


def _next_commands(folder: Path) -> str:
    """What people type after a run: a page of it, and all runs beside it against each other."""
    report = shlex.join(["bench", "report", str(folder), "--out", "report"])
    alone = not any(path.parent != folder for path in folder.parent.glob("*/record.json"))
    compare = shlex.join(["bench", "compare", str(folder.parent)]) + "  # once there is a second run" * alone
    return f"{safe(report)}\n      {safe(compare)}"


def predicted(made: PredictDocument, as_json: bool) -> None:
    """What was segmented, and where it lies."""
    if as_json:
        print(made.to_json(), end="")
        return
    from ..data.image_sources import word_for_one

    each = "" if made.ms_per_frame is None else f", {made.ms_per_frame:.1f} ms each"
    pictures = counted(made.input.frames, word_for_one(made.input.kind))
    print(f"{printable(made.output.folder)}: {pictures} of {printable(made.input.path)}{each}")


def checked(found: CheckResult, as_json: bool) -> None:
    """A line for each run that was compared with its baseline."""
    if as_json:
        document(found)
        return
    from ..boards.check_result import classes_lost

    console = stdout()
    styles = {"ok": "green", "better": "bold green"}
    for each in found.checks:
        style, what = styles.get(each.verdict, "bold red"), safe(each.name)
        console.print(f"[{style}]{each.verdict:<7}[/] {what}: {safe(each.message)}", soft_wrap=True)
        if each.failed:
            for row in each.samples:
                change = f"{_value(row.baseline)} → {_value(row.value)}"
                console.print(f"        {safe(row.sample)}: {change}", soft_wrap=True)
        classes = [f"{row.name} {_value(row.baseline)} → {_value(row.value)}" for row in each.notable_classes]
        if classes:
            lost = classes_lost(each.notable_classes)
            console.print(f"        {safe(lost)} {safe(', '.join(classes))}", soft_wrap=True)
    for stray in found.unchecked:
        style = "bold red" if stray.failed else "yellow"
        console.print(f"[{style}]not checked[/] {safe(stray.name)}: {safe(stray.message)}", soft_wrap=True)
    for path in found.updated or ():
        console.print(f"baseline: {safe(path)}", soft_wrap=True)


def _score_table(result: Record) -> Table:
    from ..runs.record import told_in_details

    elsewhere = told_in_details(result)
    table = new_table("score", "value", "95 % interval", "unit")
    table.columns[0].no_wrap = True  # names are typed again, after --metric
    for name, score in result.scores.items():
        if name in elsewhere or (score.unit == "µm" and score.value is None):
            continue  # in micrometres nothing is defined without the size of a pixel, and pixels stand beside it
        mark = "[bold]" if name == result.main_score else ""
        table.add_row(
            f"{mark}{name}", f"{mark}{_value(score.value)}", between(score.low, score.high, word=" – "), score.unit
        )
    return table


def _interval_note(result: Record) -> str:
    from ..evaluation.resampling import MIN_GROUPS

    drawn = {score.resampled for score in result.scores.values()}
    if not any(drawn):
        return f"no intervals: one {'sample' if result.dataset.n == 1 else 'group'} only\n"
    what = f"single samples (over whole videos or stacks where there are at least {MIN_GROUPS})"
    if drawn == {"groups"}:
        what = "whole videos, stacks or other groups"
    elif "groups" in drawn:
        what += ", and over whole groups for scores that measure these as a whole"
    elif None in drawn:
        what += ", and none for scores that measure a group as a whole, of which there is only one"
    return f"intervals: bootstrap over {what}\n"


def _no_width(result: Record) -> str:
    """A sentence on the scores whose intervals look like certainty; empty where none does."""
    from ..evaluation.scores import NO_WIDTH, has_no_width
    from ..runs.record import told_in_details

    elsewhere = told_in_details(result)
    names = [name for name, score in result.scores.items() if has_no_width(score) and name not in elsewhere]
    return f"an interval of no width ({some(names, 3)}) is no certainty. {NO_WIDTH}" if names else ""


def class_table(
    what: str, rows: Mapping[str, Mapping[str, float | None]], intervals: Mapping[str, Mapping[str, float | None]]
) -> Table:
    """The quantities of each class; a class whose intervals say little has a star.

    Few classes are columns, each with its intervals beside it. Many are rows, and those that have no quantity are left
    out; there the first quantity alone has intervals, so that the table can be read.
    """
    from ..evaluation.class_intervals import is_few
    from .fitting_table import INTERVAL

    quantities = list(dict.fromkeys(key for row in rows.values() for key in row))
    drawn = {q for q in quantities if any(row.get(f"{q}_low") is not None for row in intervals.values())}
    if len(rows) > _MAX_ROWS:
        rows = {name: row for name, row in rows.items() if any(row.values())}
    names = {name: f"{short_class(name)}{'*' * is_few(intervals.get(name, {}))}" for name in rows}

    def cells(name: str, quantity: str, *, beside: bool) -> list[str]:
        value, ends = rows[name].get(quantity), intervals.get(name, {})
        cell = f"{value:,.0f}" if quantity in CLASS_COUNTS and value is not None else _value(value)
        low_high = between(ends.get(f"{quantity}_low"), ends.get(f"{quantity}_high"), word=" – ")
        return [cell, "" if quantity not in drawn else low_high] if beside else [cell]

    if len(rows) <= _FEW_CLASSES:
        table = new_table(what, *(head for name in rows for head in (names[name], *[INTERVAL] * bool(drawn))), keys=1)
        table.columns[0].no_wrap = table.collapse_padding = True
        for q in quantities:
            table.add_row(safe(q), *(cell for name in rows for cell in cells(name, q, beside=bool(drawn))))
        return table
    shown = [INTERVAL] * (quantities[0] in drawn)
    table = new_table(what, quantities[0], *shown, *quantities[1:], keys=1)
    for name in rows:
        row = [cell for n, q in enumerate(quantities) for cell in cells(name, q, beside=bool(shown) and n == 0)]
        table.add_row(safe(names[name]), *row)
    return table


def _value(value: float | None) -> str:
    return number(value, ".4f")


def cell_text(value: Any) -> str:
    """A value as a cell of a table."""
    if value is None:
        return UNDEFINED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(safe(str(item)) for item in value)
    return safe(str(value))


def _listed(value: Any) -> str:
    """A cell; several names stand in short lines, none of which breaks a name."""
    if not isinstance(value, list | tuple):
        return cell_text(value)
    return textwrap.fill(
        cell_text(value), max((_NAMES_WIDTH, *(len(name) + 1 for name in value))), break_long_words=False
    )


def safe(content: str) -> str:
    """Names and paths from outside must be read neither as markup nor by the terminal."""
    from rich.markup import escape

    return escape(printable(content).replace("\n", "\ufffd"))


def new_table(*columns: str, header: bool = True, keys: int = 0) -> Table:
    """A table that fits the terminal; the first `keys` columns name its rows, and stand again where it is cut."""
    from rich import box

    from .fitting_table import FittingTable

    table = FittingTable(box=box.SIMPLE_HEAD if header else None, show_header=header, pad_edge=False, keys=keys)
    for column in columns:
        table.add_column(safe(column), overflow="fold")
    return table


def stdout() -> Console:
    from rich.console import Console

    return Console(highlight=False, emoji=False)
