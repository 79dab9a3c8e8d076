"""What `bench publish` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..text import counted
from . import output
from .explain_output import check_line
from .output import safe, stdout

if TYPE_CHECKING:
    from ..commands.publish import Publication, PublishedRun


def publication(made: Publication, as_json: bool, be_quiet: bool) -> None:
    """What became of each run, and below it what to type."""
    if as_json:
        output.document(made)
        return
    console = stdout()
    for run in made.runs:
        _run(run, be_quiet or output.quiet)
    if made.index is not None:
        console.print(safe(made.index), soft_wrap=True)
    if made.commands:
        console.print("Nothing is sent. Look at the folder, then type:", soft_wrap=True)
        for command in made.commands:
            console.print(f"  {safe(command)}", soft_wrap=True)


def _run(run: PublishedRun, quiet: bool) -> None:
    console = stdout()
    failed = [check for check in run.checks if check.ok is False]
    for check in failed:
        console.print(check_line(check), soft_wrap=True)
    if run.folder is None:
        console.print(f"{safe(run.run_id)}: [red]{counted(len(failed), 'check')} failed[/]; nothing was written")
        return
    open_ = sum(check.ok is None for check in run.checks)
    passed = counted(len(run.checks) - open_, "check")
    console.print(f"{safe(run.folder)}: {passed} passed, {open_} need more than the folder", soft_wrap=True)
    if run.rewritten and not quiet:
        console.print(f"  without paths and names of this machine in: {safe(', '.join(run.rewritten))}", soft_wrap=True)
