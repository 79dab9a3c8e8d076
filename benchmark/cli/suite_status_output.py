"""Printing how far a suite is: once, as a live table until it ends, and after it was asked to end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..text import UNDEFINED, counted
from . import output
from .output import new_table, safe, stdout
from .suite_output import time_text

if TYPE_CHECKING:
    from rich.console import Group

    from ..runs.suite.export import SuiteTable
    from ..runs.suite.status import EndedSuite, SuiteStatus

LINE_S = 30.0
"""Seconds between two lines where nobody sits at a terminal."""
MAX_ROWS = 20


def status(found: SuiteStatus, as_json: bool, be_quiet: bool) -> None:
    """How far a suite is."""
    if as_json:
        print(found.to_json(), end="")
        return
    _warn_without_locks(found)
    console = stdout()
    if be_quiet or output.quiet:
        console.print(safe(summary(found)), soft_wrap=True)
    else:
        console.print(_picture(found), soft_wrap=not console.is_terminal)
    if found.state != "running":
        console.print(safe(ended(found)), soft_wrap=True)


def watch(seen: Iterable[SuiteStatus], be_quiet: bool) -> SuiteStatus:
    """Show how far a suite is until it ends: a live table at a terminal, elsewhere a line every half minute, on stderr.

    Returns the last that was seen.
    """
    talk = output.reporter(be_quiet)
    last: SuiteStatus | None = None
    seen = _warned(seen)
    if talk.console.is_terminal and not talk.quiet:
        from rich.live import Live

        with Live(console=talk.console, auto_refresh=False) as live:
            for last in seen:
                live.update(_picture(last), refresh=True)
    else:
        said = -LINE_S
        for last in seen:
            if time.monotonic() - said >= LINE_S:
                said = time.monotonic()
                talk.say(summary(last))
    assert last is not None
    return last


def watched(found: SuiteStatus, as_json: bool) -> None:
    """How a suite ended that was watched."""
    if as_json:
        print(found.to_json(), end="")
    else:
        stdout().print(safe(summary(found)) + "\n" + safe(ended(found)), soft_wrap=True)


def watching(found: SuiteStatus) -> None:
    """Say that a suite runs already, so that this process watches."""
    print(
        f"this suite is running already in '{found.folder}' ({_driver(found)}): watching it. Ctrl-C ends the watching, "
        "not the suite; --cancel ends the suite.",
        file=sys.stderr,
    )


def _warned(seen: Iterable[SuiteStatus]) -> Iterator[SuiteStatus]:
    for number, found in enumerate(seen):
        if not number:
            _warn_without_locks(found)
        yield found


def _warn_without_locks(found: SuiteStatus) -> None:
    if not found.locks:
        output.reporter(False).warn(
            f"the file system of '{found.folder}' has no locks: whether the suite runs is what its process wrote "
            "itself, and one that was killed on another machine seems to run"
        )


def summary(found: SuiteStatus) -> str:
    """How far a suite is, in a line."""
    counts = found.counts
    parts = [f"{counts['done']} of {found.n} done", f"{counts['failed']} failed"]
    parts += [f"{counts['running']} running"] if found.state == "running" else []
    left = counts["waiting"] + counts["interrupted"] + (0 if found.state == "running" else counts["running"])
    parts.append(f"{left} waiting")
    text = ", ".join(parts)
    return text if found.left_s is None else f"{text}; about {time_text(found.left_s)} left"


def ended(found: SuiteStatus) -> str:
    """How a suite ended, and what to type now."""
    if found.finished:
        return f"the suite has ended: all {found.n} cells are done (results.md in {found.folder})"
    if found.state == "dead":
        how = f"the process that ran it ({_driver(found)}) is gone and did not end in order"
        queued = sum(bool(cell.job) for cell in found.under_way)
        how += f"; {counted(queued, 'job')} may go on in SLURM's queue" if queued else ""
    elif found.counts["failed"] and not found.counts["waiting"] and not found.counts["interrupted"]:
        how = f"the suite has ended with {counted(found.counts['failed'], 'failed cell')}"
    else:
        how = "the suite has ended before all cells were run"
    return f"{how}. Go on with: {found.next}"


def cancelled(found: EndedSuite, as_json: bool) -> None:
    """What was ended, and the command that goes on."""
    if as_json:
        print(found.to_json(), end="")
        return
    console = stdout()
    if found.was != "running" and not found.jobs:
        console.print("nothing to end: no process runs this suite", soft_wrap=True)
    else:
        console.print(f"ended in order: {counted(len(found.ended), 'cell')} under way", soft_wrap=True)
    for cell in found.ended:
        console.print(f"  {safe(cell)}", soft_wrap=True)
    if found.jobs:
        console.print(f"taken out of SLURM's queue: {safe(', '.join(found.jobs))}", soft_wrap=True)
    left = f". Go on with: {safe(found.next)}" if found.done < found.n else ""
    console.print(f"{found.done} of {found.n} cells are done{left}", soft_wrap=True)


def exported(table: SuiteTable, as_json: bool) -> None:
    """The table that was written."""
    if as_json:
        print(table.to_json(), end="")
    else:
        text = f"{table.file}: {counted(table.cells, 'cell')}, of which {table.done} are done"
        stdout().print(safe(text), soft_wrap=True)


def _driver(found: SuiteStatus) -> str:
    if found.process is None:
        return f"since {found.begun}"
    return f"process {found.process} on {found.host}, since {found.begun}"


def _picture(found: SuiteStatus) -> Group:
    from rich.console import Group

    word = {"running": "running", "ended": "not running", "dead": "DEAD"}[found.state]
    head = f"[bold]{safe(found.suite)}[/] in {safe(found.folder)}: {word} ({safe(_driver(found))})"
    parts: list[object] = [head, safe(summary(found))]
    if found.under_way:
        table = new_table("cell", "place", "for", "left", "last line")
        for cell in found.under_way[:MAX_ROWS]:
            dead = found.state == "dead" and not cell.job
            spent = "gone" if dead else UNDEFINED if cell.seconds is None else time_text(cell.seconds)
            left = UNDEFINED if cell.left_s is None or dead else time_text(cell.left_s)
            place = cell.place or (f"slurm {cell.job}" if cell.job else found.host)
            table.add_row(safe(cell.cell), safe(place), spent, left, f"[dim]{safe(cell.last_line)}")
        parts.append(table)
    if found.failed:
        table = new_table("failed cell", "error", "log")
        for failed in found.failed[:MAX_ROWS]:
            table.add_row(safe(failed.cell), f"[red]{safe(failed.error)}", safe(failed.log))
        parts.append(table)
    hidden = max(0, len(found.under_way) - MAX_ROWS) + max(0, len(found.failed) - MAX_ROWS)
    parts += [f"… and {counted(hidden, 'cell')} more: --json names all"] if hidden else []
    return Group(*parts)  # type: ignore[arg-type]
