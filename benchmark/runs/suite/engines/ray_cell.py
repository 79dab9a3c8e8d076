"""A cell on a node of a Ray cluster: in the suite's folder where the node sees it, else in one of its own.

What the cell does is told to the suite as it happens (`Message`).
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from filelock import FileLock, Timeout

from ....io.atomic import temporary_folder
from ....io.locks import LOCK
from ..cells import Control, Job, Outcome, run_cell
from .parcels import PART_BYTES, packed, unpacked

EVERY_S = 1.0
"""Seconds between two looks at the log of a cell that the suite does not see."""
MAX_WAIT_S = 120.0
"""For a cell that was begun on a node that is said to be dead, and has not ended yet."""


@dataclass(frozen=True)
class Sent:
    """What a node gets: the job, the suite's folder, a file that shows whether it is seen, and folders if it is not.

    `parcels` holds, for each folder below the suite's that the cell needs, Ray's references to the parts of an archive;
    None where they were not sent.
    """

    job: Job
    folder: Path
    token: str
    secret: str
    parcels: Mapping[str, Sequence[Any]] | None


@dataclass(frozen=True)
class Began:
    """The cell begins on this node."""

    node: str


@dataclass(frozen=True)
class NeedsParcels:
    """The node does not see the suite's folder, and the cell needs some of it."""


@dataclass(frozen=True)
class Logged:
    """What a cell printed, which the suite does not see."""

    content: bytes


@dataclass(frozen=True)
class Part:
    """Of the archive of a run folder that the suite does not see."""

    content: bytes


@dataclass(frozen=True)
class Ended:
    """The cell has ended; nothing comes after it."""

    outcome: Outcome


Message: TypeAlias = Began | NeedsParcels | Logged | Part | Ended


def cell_on_node(sent: Sent, environment: Mapping[str, str], stopping: Any) -> Generator[Message, None, None]:
    """Run a cell to its end."""
    import ray

    with ExitStack() as stack:
        if sees(sent):
            job = sent.job
            _wait_for_earlier(job)
        elif sent.parcels is None and needed(sent.job, sent.folder):
            yield NeedsParcels()
            return
        else:
            job = stack.enter_context(_apart(sent))
        yield Began(ray.get_runtime_context().get_node_id())
        outcome = yield from _watched(job, environment, stopping, hidden=job is not sent.job)
        if job is not sent.job:
            for part in packed(Path(value_of(job, "--out"))):
                yield Part(part)
    yield Ended(replace(outcome, name=sent.job.name))


def sees(sent: Sent) -> bool:
    """Whether the suite's folder is the one that lies here by this name."""
    try:
        return (sent.folder / sent.token).read_text() == sent.secret
    except (OSError, UnicodeDecodeError):
        return False


def needed(job: Job, folder: Path) -> list[str]:
    """The folders below the suite's that a cell reads: its own when it is resumed, and that whose weights it takes."""
    own = [value_of(job, "--out")] if "--resume" in job.arguments else []
    weights = value_of(job, "--weights")
    return [
        str(Path(path).relative_to(folder)) for path in (*own, weights) if path and Path(path).is_relative_to(folder)
    ]


def value_of(job: Job, flag: str) -> str:
    """The word behind an option of a job; "" where it has no such."""
    words = job.arguments
    return words[words.index(flag) + 1] if flag in words else ""


def _wait_for_earlier(job: Job) -> None:
    """Wait until the cell has ended on the node that it was begun on: that one is gone, or about to be."""
    lock = Path(value_of(job, "--out"), LOCK)
    if job.append and lock.is_file():
        try:
            with FileLock(lock).acquire(timeout=MAX_WAIT_S):
                pass
        except (Timeout, OSError):
            pass  # the cell says so itself


@contextmanager
def _apart(sent: Sent) -> Iterator[Job]:
    """The job in a folder of this node, with what it needs of the suite's; the current folder is that one meanwhile."""
    import ray

    before = Path.cwd()
    with temporary_folder(Path(tempfile.gettempdir(), "segbench-suite")) as home:
        base = Path(sent.folder.name) if sent.folder.is_absolute() else sent.folder
        for name, parts in (sent.parcels or {}).items():
            unpacked((ray.get(part) for part in parts), home / base / name)
        os.chdir(home)
        try:
            yield replace(
                sent.job, arguments=_moved(sent.job, sent.folder, base, before), log=Path("cell.log"), append=False
            )
        finally:
            os.chdir(before)


def _moved(job: Job, folder: Path, base: Path, current: Path) -> tuple[str, ...]:
    """The words of a job whose suite lies at `base` below another current folder; other paths stay what they are."""
    words = list(job.arguments)
    for flag in ("--out", "--weights", "--root", "--init"):
        if flag in words:
            place = words.index(flag) + 1
            path = Path(words[place])
            own = path.is_relative_to(folder)
            words[place] = str(base / path.relative_to(folder) if own else current / path)
    return tuple(words)


def _watched(
    job: Job, environment: Mapping[str, str], stopping: Any, *, hidden: bool
) -> Generator[Message, None, Outcome]:
    """Run the cell beside this thread, passing on a wish to stop, and its log where that is hidden from the suite."""
    ended: list[Outcome] = []
    asked, gone = threading.Event(), threading.Event()
    control = Control(asked.is_set, gone)
    cell = threading.Thread(target=lambda: ended.append(run_cell(job, environment, control)), name="cell")
    threading.Thread(target=_listen, args=(stopping, asked, gone), name="stop", daemon=True).start()
    cell.start()
    at = 0
    try:
        while cell.is_alive():
            cell.join(EVERY_S)
            while hidden and (content := _after(job.log, at)):
                at += len(content)
                yield Logged(content)
    finally:
        gone.set()  # where the task was cancelled, the cell ends at once
        cell.join()
    return ended[0]


def _after(log: Path, at: int) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(at)
            return file.read(PART_BYTES)
    except OSError:
        return b""


def _listen(stopping: Any, asked: threading.Event, gone: threading.Event) -> None:
    """Wait until the suite is asked to stop, or the cell has ended."""
    import ray
    from ray.exceptions import RayError

    while not (asked.is_set() or gone.is_set()):
        try:
            if ray.get(stopping.asked.remote()):
                asked.set()
        except RayError:  # the suite is gone, and so this process will be
            gone.wait(EVERY_S)
