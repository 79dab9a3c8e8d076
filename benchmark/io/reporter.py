"""Talking to the person at the terminal: always on stderr, so that stdout is free for results."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..text import duration, printable

if TYPE_CHECKING:  # what the command line imports first leaves numpy out
    from rich.console import Console

    from ..types import Progress

EVERY_S = 30.0
"""Seconds between two lines of progress, where output is piped into a file or a log."""


class Reporter:
    """Messages, warnings and progress bars; silent but for warnings when `quiet`.

    Everything said also goes to `log`, a run's log file, once there is one.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.log: Path | None = None
        self.warnings: list[str] = []
        self._noted: list[str] = []
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        """The console on stderr."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False, emoji=False)
        return self._console

    def say(self, text: str) -> None:
        """Say what is going on."""
        self.write_log(text)
        if not self.quiet:
            self.console.print(printable(text), markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Say what the user should know before trusting the result; kept for the record."""
        self.write_log(f"warning: {text}")
        if text not in self.warnings:
            self.warnings.append(text)
            self._print_warning(text)

    def note(self, text: str) -> None:
        """Keep a warning that the result itself shows to people; who prints it for machines says `tell_noted`."""
        self.write_log(f"warning: {text}")
        if text not in self.warnings:
            self.warnings.append(text)
            self._noted.append(text)

    def tell_noted(self) -> None:
        """Print the warnings that were only kept."""
        for text in self._noted:
            self._print_warning(text)
        self._noted.clear()

    def _print_warning(self, text: str) -> None:
        self.console.print(f"warning: {printable(text)}", style="yellow", markup=False, soft_wrap=True)

    def write_log(self, text: str) -> None:
        """Add a line to the run's log file."""
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    def _now_and_then(self, what: str) -> Progress:
        """Progress where no bar can be drawn: a line every `EVERY_S` seconds, with the time left.

        Work that is resumed begins at more than one unit: those took no time here. Work of several phases, each of
        which counts again, is timed phase by phase: what one took says nothing of the next.
        """
        start = last = time.monotonic()
        before: int | None = None
        heard = (start, 0, 0)

        def update(done: int, total: int, text: str = "", left: float | None = None, /) -> None:
            nonlocal start, last, before, heard
            now = time.monotonic()
            if before is None:
                before, start = (done, now) if done > 1 else (0, start)
            elif done < heard[1] or total != heard[2]:
                before, start = 0, heard[0]
            heard = now, done, total
            if now - last < EVERY_S or not 0 < done < total:
                return
            last = now
            if left is None and done > before:
                left = (now - start) * (total - done) / (done - before)
            told = "" if left is None else f", about {duration(left)} left"
            self.say(f"{what}: {done:,} of {total:,}{told}{f', {text}' if text else ''}")

        return update

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """A progress bar, or a line now and then where none can be drawn; call what is yielded as `Progress` says."""
        if self.quiet or not self.console.is_terminal:
            self.say(f"{what} …")
            yield self._now_and_then(what)
            return
        from rich import progress as rich
        from rich.text import Text

        class TimeLeft(rich.TimeRemainingColumn):
            def render(self, task: rich.Task) -> Text:
                left = task.fields["left"]
                if left is None:
                    return super().render(task)
                return Text(str(timedelta(seconds=int(left))), style="progress.remaining")

        columns = (
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            TimeLeft(elapsed_when_finished=True),
            rich.TextColumn("{task.fields[note]}"),
        )
        with rich.Progress(*columns, console=self.console) as bar:
            task = bar.add_task(what, total=None, note="", left=None)

            def update(done: int, total: int, text: str = "", left: float | None = None, /) -> None:
                bar.update(task, completed=done, total=total, note=text, left=left if done < total else None)

            yield update


class SilentReporter(Reporter):
    """Says nothing, not even warnings: for what is done again, and was told when it was done first."""

    def __init__(self) -> None:
        super().__init__(quiet=True)

    def warn(self, text: str) -> None:
        """Keep the warning."""
        self.warnings.append(text)
