"""The log of a run in the chosen trackers, which a resumed run continues."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ...io.atomic import write_text
from ...io.reporter import Reporter
from ...io.text_files import read_json
from ...types import Measurements, Track, UserError
from ..folder import TRACKING
from ..record import Record
from .trackers import Running, short, start, where
from .values import results_of, settings_of

_STATE = "state.json"


@dataclass
class RunLog:
    """A run's log under way.

    `state` is what a resumed run needs: the id of the run in each tracker (`begun`), the step up to which everything is
    logged (`last`), and the step at which the training of each fold begins (`starts`), as one follows the other.
    """

    folder: Path
    reporter: Reporter
    running: dict[str, Running] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=lambda: {"begun": {}, "last": 0, "starts": {}, "complete": False})

    def begin(self, names: Sequence[str], record: Record) -> None:
        """Start the trackers, and write the settings of the run where it is new to them.

        Raises UserError where one cannot begin, or what an interrupted run wrote down is damaged.
        """
        if (self.folder / _STATE).is_file():
            self.state = _read_state(self.folder / _STATE)
        for name in names:
            begun = self.state["begun"].get(name)
            running = self.running[name] = start(name, self.folder, record, begun)
            self.reporter.say(f"logged to {name}: {where(name, self.folder)}")
            if begun is None:
                self._each(lambda each: each.tracker.store_init_configuration(settings_of(record)), name)
                self.state["begun"][name] = running.identity
        self._remember()

    def training(self, fold: str = "") -> Track | None:
        """What logs the training of a fold, whose name (none: there is only one) stands before those of its values."""
        if not self.running:
            return None
        self.state["starts"].setdefault(fold, self.state["last"])
        return partial(self._track, fold)

    def finish(self, record: Record) -> None:
        """Write what came out of it."""
        if not self.state["complete"]:
            self._write([(self.state["last"], results_of(record))])
            self.state["complete"] = True
            self._remember()

    def close(self, failed: bool) -> None:
        """End the log in every tracker."""
        self._each(lambda each: each.end(failed))
        self.running = {}

    def _track(self, fold: str, rows: Measurements) -> None:
        """Write what a training measured after some of its steps, unless an interrupted run has written it before."""
        begin, prefix = self.state["starts"][fold], f"{fold}/" if fold else ""
        rows = [(begin + step, {f"{prefix}train/{name}": value for name, value in row.items()}) for step, row in rows]
        rows = [(step, row) for step, row in rows if step > self.state["last"]]
        if rows:
            self._write(rows)
            self.state["last"] = rows[-1][0]
            self._remember()

    def _write(self, rows: Measurements) -> None:
        def log(each: Running) -> None:
            for step, values in rows:
                each.tracker.log(dict(values), step=step)

        self._each(log)

    def _each(self, do: Callable[[Running], None], *names: str) -> None:
        """Do something with each tracker. One that fails is given up: a training does not end for the sake of a log."""
        for name in names or tuple(self.running):
            try:
                do(self.running[name])
            except Exception as error:
                del self.running[name]
                self.reporter.warn(f"--log {name} wrote no more: {short(error)}")

    def _remember(self) -> None:
        if self.state["begun"]:
            write_text(self.folder / _STATE, json.dumps(self.state))


def _read_state(path: Path) -> dict[str, Any]:
    """What a resumed run needs. Raises UserError for a damaged file."""
    kinds: dict[str, type] = {"begun": dict, "last": int, "starts": dict, "complete": bool}
    try:
        found: Any = read_json(path)
        if not all(isinstance(found[key], kind) for key, kind in kinds.items()):
            raise ValueError(f"expected {', '.join(kinds)}")
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError(
            f"'{path}' does not say what was logged ({error}). Remove '{path.parent}' to log from here on."
        ) from error
    return dict(found)


@contextmanager
def run_log(names: Sequence[str], run_folder: Path, record: Record, reporter: Reporter) -> Iterator[RunLog]:
    """The log of a run that begins or goes on in its folder; it ends as failed where the block does.

    Raises UserError where a tracker cannot begin.
    """
    log = RunLog(run_folder / TRACKING, reporter)
    failed = True
    try:
        log.begin(names, record)
        yield log
        failed = False
    finally:
        log.close(failed)
