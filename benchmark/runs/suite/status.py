"""How far a suite is, read from its folder by anybody who sees it; nothing is changed."""

from __future__ import annotations

import datetime
import re
import socket
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from ...io.atomic import is_alive
from ...io.documents import Document
from ...io.locks import LOCK, is_held
from ...types import UserError
from ..request import SuiteRequest
from .cells import last_line
from .planned import named_folder
from .spec import find_suite
from .state import JOURNAL, STATE, CellState, SuiteState, read_state

POLL_S = 1.0

Standing = Literal["running", "ended", "dead"]
"""`dead`: the process that ran it is gone and did not end in order."""


class UnderWay(Document):
    """A cell under way: where it runs, since when, and how long it will take from now where that is known.

    `place` is "" on the machine of the suite itself; `job` is what a scheduler calls it.
    """

    name: str
    cell: str
    place: str
    job: str
    started: str | None
    seconds: float | None
    left_s: float | None
    last_line: str
    log: str


class Failed(Document):
    """A cell that failed, with the last line that it printed."""

    name: str
    cell: str
    exit_status: int | None
    error: str
    log: str


class SuiteStatus(Document):
    """How far a suite is, as `bench suite --status --json` prints it.

    `state` is `running`, `ended`, or `dead`: the process that ran it is gone and did not end in order, so what it left
    in `under_way` runs no more, but for jobs of a scheduler. `left_s` is an estimate for all that is left, null where
    nothing is known. `next` is the command that goes on. Where `locks` is false, the folder's file system has none, and
    `state` is what the process wrote itself: one that was killed on another machine seems to run.
    """

    suite: str
    folder: str
    state: Standing
    host: str
    process: int | None
    begun: str
    updated: str
    n: int
    counts: dict[str, int]
    under_way: list[UnderWay]
    failed: list[Failed]
    left_s: float | None
    next: str
    locks: bool = True

    @property
    def finished(self) -> bool:
        """Whether every cell is done."""
        return self.counts["done"] == self.n


class EndedSuite(Document):
    """What `bench suite --cancel` has ended; `was` says whether the suite ran, `jobs` left a scheduler's queue."""

    suite: str
    folder: str
    was: Standing
    ended: list[str]
    jobs: list[str]
    n: int
    done: int
    next: str


def folder_of(request: SuiteRequest) -> Path:
    """The folder of a suite that has begun; the folder itself may be named instead of its file.

    Raises UserError where there is no suite.
    """
    if request.out is None and (Path(request.file) / STATE).is_file():
        return Path(request.file)
    folder = request.out or named_folder(find_suite(request.file)[0])
    if not (folder / STATE).is_file():
        raise UserError(
            f"'{folder}' holds no suite (it has no {STATE}). Begin one: bench suite {request.file}; or name the folder "
            "of one with --out."
        )
    return folder


def status_of(folder: Path) -> SuiteStatus:
    """How far the suite of a folder is.

    Raises UserError for a folder that holds none.
    """
    # The lock is looked at first: what a process writes as it ends is then seen.
    held = is_held(folder / LOCK)
    state = read_state(folder)
    if state is None:
        raise UserError(f"'{folder}' holds no suite (it has no {STATE})")
    return _status(folder, state, held)


def watched(folder: Path, poll_s: float = POLL_S) -> Iterator[SuiteStatus]:
    """How far a suite is, again and again until no process runs it; the last one says how it ended.

    Raises UserError for a folder that holds no suite, or no longer.
    """
    known: tuple[object, SuiteState] | None = None
    while True:
        held = is_held(folder / LOCK)
        stamp = _stamp(folder)
        if known is None or known[0] != stamp:
            state = read_state(folder)
            if state is None:
                raise UserError(f"'{folder}' holds no suite any more (it has no {STATE})")
            known = stamp, state
        found = _status(folder, known[1], held)
        yield found
        if found.state != "running":
            return
        time.sleep(poll_s)


def _stamp(folder: Path) -> object:
    found = []
    for path in (folder / STATE, folder / JOURNAL):
        try:
            seen = path.stat()
            found.append((seen.st_ino, seen.st_mtime_ns, seen.st_size))
        except OSError:
            found.append((0, 0, 0))
    return found


def _status(folder: Path, state: SuiteState, locked: bool | None) -> SuiteStatus:
    """How far a suite is; `locked` None where its file system has no locks."""
    held = _seems_to_run(state) if locked is None else locked
    cells = list(state.cells.values())
    counts = dict.fromkeys(("done", "failed", "running", "interrupted", "waiting"), 0)
    for cell in cells:
        counts[cell.status] += 1
    running = [cell for cell in cells if cell.status == "running"]
    expected = _expected(state)
    under_way = [_under_way(folder, cell, expected.get(cell.name)) for cell in running]
    driver = state.driver
    in_order = not running if driver is None else bool(driver.ended)
    return SuiteStatus(
        suite=state.suite,
        folder=str(folder),
        state="running" if held else "ended" if in_order else "dead",
        host="" if driver is None else driver.host,
        process=None if driver is None else driver.process,
        begun=state.created if driver is None else driver.begun,
        updated=state.updated,
        n=len(cells),
        counts=counts,
        under_way=under_way,
        failed=[_failed(folder, cell) for cell in cells if cell.status == "failed"],
        left_s=_left(cells, under_way, expected) if held else None,
        next=state.resume or f"bench suite {state.file} --out {folder} --resume",
        locks=locked is not None,
    )


def _seems_to_run(state: SuiteState) -> bool:
    """Whether the process that ran a suite has not written that it ended, and is not known to be gone."""
    driver = state.driver
    if driver is None or driver.ended:
        return False
    return driver.host != socket.gethostname() or is_alive(driver.process)


def _under_way(folder: Path, cell: CellState, expected: float | None) -> UnderWay:
    seconds = _since(cell.started)
    return UnderWay(
        name=cell.name,
        cell=cell.short or cell.name,
        place=cell.place,
        job=cell.job,
        started=cell.started,
        seconds=seconds,
        left_s=None if expected is None or seconds is None else max(0.0, round(expected - seconds, 1)),
        last_line=last_line(folder / cell.log),
        log=str(folder / cell.log),
    )


def _failed(folder: Path, cell: CellState) -> Failed:
    return Failed(
        name=cell.name,
        cell=cell.short or cell.name,
        exit_status=cell.exit_status,
        error=cell.error,
        log=str(folder / cell.log),
    )


def _since(started: str | None) -> float | None:
    try:
        begun = datetime.datetime.fromisoformat(started or "")
        return max(0.0, round((datetime.datetime.now(datetime.UTC) - begun).total_seconds(), 1))
    except (ValueError, TypeError):
        return None


def _expected(state: SuiteState) -> Mapping[str, float]:
    """Seconds that each cell takes: like finished ones that differ in the seed alone, as expected before, like any."""
    alike: dict[str, list[float]] = {}
    for cell in state.cells.values():
        if cell.status == "done" and cell.seconds:
            alike.setdefault(_but_for_the_seed(cell), []).append(cell.seconds)
    typical = {what: statistics.median(seconds) for what, seconds in alike.items()}
    of_any = statistics.median(s for seconds in alike.values() for s in seconds) if alike else None
    found = {}
    for name, cell in state.cells.items():
        seconds = typical.get(_but_for_the_seed(cell), cell.expected_s)
        if (seconds := of_any if seconds is None else seconds) is not None:
            found[name] = seconds
    return found


def _but_for_the_seed(cell: CellState) -> str:
    return re.sub(r", seed \d+", "", cell.short) or cell.name


def _left(cells: list[CellState], under_way: list[UnderWay], expected: Mapping[str, float]) -> float | None:
    """Seconds until all is done, if as many cells run at a time as now; None where some cell's time is not known."""
    running = [each.left_s for each in under_way]
    waiting = [expected.get(cell.name) for cell in cells if cell.status == "waiting"]
    if None in running or None in waiting:
        return None
    known = [seconds for seconds in running if seconds is not None]
    work = sum(known) + sum(seconds for seconds in waiting if seconds is not None)
    return round(max([*known, work / max(1, len(known))]), 1)
