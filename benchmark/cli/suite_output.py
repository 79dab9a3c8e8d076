"""Printing a suite: its plan, a live table while it runs, its results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..text import UNDEFINED, counted, number, p_value, time_marks
from . import output
from .output import new_table, safe, stdout

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

    from ..boards.seed_differences import SuiteDifferences
    from ..boards.suite_document import SuiteResults, SuiteSection
    from ..io.reporter import Reporter
    from ..runs.record import Record
    from ..runs.suite.cells import Outcome
    from ..runs.suite.planned import PlannedCell, SuitePlan
    from ..runs.suite.spec import Cell

LAST = 8
"""How many finished cells the live table shows."""
MAX_CELLS = 200
"""How many cells of a plan are shown: a table of thousands takes longer to lay out than to plan."""


class Watcher:
    """What happens, on stderr: a live table at a terminal, elsewhere one line per event."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._lock = threading.Lock()
        self._cells: dict[str, Cell] = {}
        self._log_of: Callable[[str], Path] = Path
        self._running: dict[str, float] = {}
        self._ended: list[tuple[Outcome, str]] = []
        self._done = 0
        self._begun = 0
        self._live: Live | None = None

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, cells: Sequence[Cell], done: Sequence[str], log_of: Callable[[str], Path]) -> None:
        """All cells of the plan, and the names of those that need not be run."""
        self._cells = {cell.name: cell for cell in cells}
        self._done, self._log_of = len(done), log_of
        console = self._reporter.console
        if console.is_terminal and not self._reporter.quiet and len(done) < len(cells):
            from rich.live import Live

            self._live = Live(get_renderable=self._picture, console=console, refresh_per_second=2)
            self._live.start()

    def started(self, name: str, place: str) -> None:
        """A cell begins; `place` says where, "" on this machine."""
        with self._lock:
            # A cell that a scheduler begins again on another node is no other cell.
            self._begun += name not in self._running
            self._running[name] = time.monotonic()
            number = self._done + self._begun
        where = f" on {place}" if place else ""
        if self._live is None:
            self._reporter.say(f"[{number}/{len(self._cells)}] {self._cells[name].short}: started{where}")

    def ended(self, outcome: Outcome, record: Record | None) -> None:
        """A cell has ended."""
        if outcome.status == "unstarted":
            return
        with self._lock:
            self._running.pop(outcome.name, None)
            text = self._result(outcome, record)
            self._ended.append((outcome, text))
        if self._live is None or outcome.status == "failed":
            word = {"done": "done", "failed": "FAILED", "interrupted": "interrupted"}[outcome.status]
            line = f"{self._cells[outcome.name].short}: {word} after {time_text(outcome.seconds)}: {text}"
            if outcome.status == "failed":
                self._reporter.console.print(line, style="red", markup=False, soft_wrap=True)
            else:
                self._reporter.say(line)

    def _result(self, outcome: Outcome, record: Record | None) -> str:
        if outcome.status == "failed":
            return f"{outcome.error} (log: {self._log_of(outcome.name)})"
        main = record.scores.get(record.main_score) if record is not None else None
        if record is None or main is None or main.value is None:
            return outcome.error or "no score"
        between = "" if main.low is None or main.high is None else f" [{main.low:.4f}, {main.high:.4f}]"
        return f"{record.main_score} {main.value:.4f}{between}"

    def _picture(self) -> Group:
        """The live table: what runs, what ended last, and how far it is."""
        from rich.console import Group

        from ..runs.suite.cells import last_line

        with self._lock:
            running, ended = dict(self._running), list(self._ended)
        table = new_table("cell", "state", "time", "result or last line of the log")
        for column in table.columns:
            column.no_wrap, column.overflow = True, "ellipsis"
        # What is short keeps its place; the rest of the terminal is shared.
        table.expand = True
        table.columns[0].ratio = table.columns[3].ratio = 1
        for column, width in zip(table.columns[1:3], (11, 9), strict=True):
            column.width = width
        for outcome, text in ended[-LAST:]:
            style = {"done": "green", "failed": "red"}.get(outcome.status, "yellow")
            cells = (safe(self._cells[outcome.name].short), f"[{style}]{outcome.status}[/]", time_text(outcome.seconds))
            table.add_row(*cells, safe(text))
        for name, begun in running.items():
            since = time_text(time.monotonic() - begun)
            table.add_row(
                safe(self._cells[name].short), "running", since, f"[dim]{safe(last_line(self._log_of(name)))}"
            )
        failed = sum(outcome.status == "failed" for outcome, _ in ended)
        done = self._done + sum(outcome.status == "done" for outcome, _ in ended)
        waiting = len(self._cells) - self._done - len(ended) - len(running)
        summary = f"{done} of {len(self._cells)} done, {failed} failed, {len(running)} running, {waiting} waiting"
        return Group(table, summary)


def plan(found: SuitePlan, as_json: bool, be_quiet: bool) -> None:
    """The plan of a suite."""
    if as_json:
        print(found.to_json(), end="")
        return
    console = stdout()
    console.print(f"[bold]{safe(found.suite)}[/]: {safe(found.summary)}", soft_wrap=True)
    if not (be_quiet or output.quiet):
        names = _without_roots(found.data)
        table = new_table("dataset", "method", "preset", "seed", "folds", "labels", "trains at most", "expected")
        for cell in found.cells[:MAX_CELLS]:
            limit = cell.limit_minutes
            table.add_row(
                safe(names[cell.dataset]),
                safe(cell.label),
                cell.preset,
                str(cell.seed),
                str(cell.folds or UNDEFINED),
                f"{100 * cell.train_fraction:.4g} %",
                UNDEFINED if limit is None else time_text(60 * limit),
                time_text(cell.expected_s) if cell.expected_s is not None and _is_measured(cell) else UNDEFINED,
            )
        console.print(table)
        if len(found.cells) > MAX_CELLS:
            console.print(f"… and {counted(len(found.cells) - MAX_CELLS, 'cell')} more: --json names all")
    for name, where in found.data.items():
        console.print(f"data of {safe(name)}: {safe(where)}", soft_wrap=True)
    for array in found.arrays:
        options = " ".join(f"--{name}={value}" if value else f"--{name}" for name, value in array.options.items())
        console.print(f"sbatch, {counted(array.n, 'cell')}: {safe(options)}", soft_wrap=True)
    for line in found.unable:
        console.print(f"not in the grid: {safe(line)}", soft_wrap=True)
    limits = [cell.limit_minutes for cell in found.cells]
    known = [limit for limit in limits if limit is not None]
    open_ended = f", and {len(limits) - len(known)} cells have no limit" if len(known) < len(limits) else ""
    excluded = f" ({found.excluded} excluded)" if found.excluded else ""
    bound = f"; time limits add up to {time_text(60 * sum(known))} of fitting at most{open_ended}" if known else ""
    console.print(f"{found.n} cells{excluded} into {safe(found.folder)}{bound}", soft_wrap=True)
    measured = [cell.expected_s for cell in found.cells if cell.expected_s is not None and _is_measured(cell)]
    if measured:
        others = f", and {found.n - len(measured)} cells like which none has run" if len(measured) < found.n else ""
        text = f"expected from cells like these: {time_text(sum(measured))}, one after another{others}"
        console.print(text, soft_wrap=True)


def _without_roots(data: Iterable[str]) -> dict[str, str]:
    """What a table calls each dataset: without the folder, which is named below, where that tells them apart."""
    bare = {name: name.rpartition(" (")[0] if name.endswith(")") else name for name in data}
    return bare if len(set(bare.values())) == len(bare) else {name: name for name in bare}


def _is_measured(cell: PlannedCell) -> bool:
    return cell.expected_from not in (None, "its time limit")


def results(found: SuiteResults, as_json: bool, be_quiet: bool) -> None:
    """The tables of a suite that has run."""
    if as_json:
        print(found.to_json(), end="")
        return
    console = stdout()
    for section in found.sections:
        console.print(f"[bold]{safe(section.title)}[/]", soft_wrap=True)
        _rows(section, console)
        if not (be_quiet or output.quiet):
            console.print(safe(section.note) + "\n", soft_wrap=True)
    for differences in found.differences:
        _differences(differences, console)
    if found.failed:
        table = new_table("failed cell", "exit", "error", "log")
        for cell in found.failed:
            table.add_row(safe(cell.cell), str(cell.exit_status), f"[red]{safe(cell.error)}", safe(cell.log))
        console.print(table)
    for line in found.unable:
        console.print(f"not in the grid: {safe(line)}", soft_wrap=True)
    names = ", ".join(["results.md", "results.json", *found.plots])
    console.print(f"{found.done} of {found.n} cells done, {len(found.failed)} failed", soft_wrap=True)
    console.print(f"suite folder: {safe(found.folder)} ({safe(names)})", soft_wrap=True)


def _rows(section: SuiteSection, console: Console) -> None:
    main = section.main_score
    table = new_table("method", "labels", main, "95 % interval", "± (seeds)", "fit s", "ms/image")
    for column in table.columns[1:]:
        column.no_wrap = True
    for row in section.rows:
        score = row.scores.get(main)
        table.add_row(
            safe(row.label),
            number(row.n_train, ".0f"),
            f"[bold]{number(None if score is None else score.value, '.4f')}[/]",
            UNDEFINED if score is None or score.low is None or score.high is None else _range(score.low, score.high),
            f"{number(None if score is None else score.std_over_seeds, '.4f')} ({len(row.seeds)})",
            number(row.cost.train_s, ".1f") + time_marks(False, row.trained_part),
            number(row.cost.predict_ms_per_image, ".1f"),
        )
    console.print(table)


def _differences(differences: SuiteDifferences, console: Console) -> None:
    from ..boards.seed_differences import verdict_of

    console.print(f"[bold]against {safe(differences.reference)}[/]: {safe(differences.title)}", soft_wrap=True)
    table = new_table("method", f"{differences.score}, difference", "95 % interval", "p, adjusted", "")
    for row in differences.rows:
        known = row.low is not None and row.high is not None
        ends = f"{row.low:+.4f} – {row.high:+.4f}" if known else UNDEFINED
        chance = p_value(row.p_adjusted)
        table.add_row(safe(row.label), f"[bold]{number(row.value, '+.4f')}[/]", ends, chance, verdict_of(row))
    console.print(table)


def _range(low: float, high: float) -> str:
    return f"{low:.4f} – {high:.4f}"


def time_text(seconds: float) -> str:
    """Seconds for a person.

    >>> time_text(12.34), time_text(754), time_text(7500)
    ('12.3 s', '12:34 min', '2:05 h')
    """
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"
