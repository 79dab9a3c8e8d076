"""Finding stored runs, and what one run is.

A run is its `run_id`, which stands for everything that its result depends on. Copies of a run folder, or the same run
made again, are one run: the one with the latest `created`, and of equal ones the first that is found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..io.collector import collector_paused
from ..types import UserError
from .folder import RECORD
from .record import Record
from .stored import read_whole_record


class FoundRun(NamedTuple):
    """A run folder (or the file of a record that lies alone) and its record."""

    folder: Path
    record: Record


@collector_paused()
def find_runs(
    paths: Sequence[Path], warn: Callable[[str], None] = lambda _: None, *, may_be_none: bool = False
) -> list[FoundRun]:
    """Run folders, or all run folders below a folder, with their records: each run once, in the order of their ids.

    Parameters
    ----------
    paths : sequence of Path
    warn : callable
        Takes a sentence for each run that is there several times and was not made at the same time.
    may_be_none : bool
        Whether a folder without a run is no error.

    Raises
    ------
    UserError
        For a path that does not exist or holds no run, for a record that cannot be read, and for one that says complete
        without its statistics.
    """
    return each_once([run for path in paths for run in _read(path, may_be_none)], warn)


def each_once(runs: Iterable[FoundRun], warn: Callable[[str], None] = lambda _: None) -> list[FoundRun]:
    """Each run once, in the order of their ids; of several copies the latest, and of equal ones the first."""
    found = []
    for run_id, same in sorted(copies(runs).items()):
        latest = max(same, key=lambda run: run.record.created)
        if any(run.record.created != latest.record.created for run in same):
            warn(f"{run_id} is there {len(same)} times; the latest is taken ({latest.record.created}, {latest.folder})")
        found.append(latest)
    return found


def copies(runs: Iterable[FoundRun]) -> dict[str, list[FoundRun]]:
    """The folders of each run, by its id."""
    found: dict[str, list[FoundRun]] = {}
    for run in runs:
        found.setdefault(run.record.run_id, []).append(run)
    return found


def _read(path: Path, may_be_none: bool) -> list[FoundRun]:
    folders = run_folders(path)
    if not folders and not may_be_none:
        raise UserError(f"no run folders below '{path}'. Make one with 'bench run' or 'bench evaluate'.")
    return [FoundRun(folder, read_whole_record(folder)) for folder in folders]


def run_folders(path: Path) -> list[Path]:
    """The run folder that a path names, or all below it in the order of their paths; none lies within another.

    Hidden folders are passed over: a run that is not finished yet may lie there. Links to folders are followed, to each
    folder once: one that is found without a link is not found again through one.

    Raises
    ------
    UserError
        For a path that does not exist, and a folder that may not be read.
    """
    if path.is_file():
        return [path.parent if path.name == RECORD else path]
    if not path.is_dir():
        raise UserError(f"'{path}' does not exist; expected a run folder, or a folder of run folders")
    found: list[str] = []
    seen: set[str] = set()
    pending, links = [(str(path), os.path.realpath(path))], list[str]()
    while pending or links:
        place, real = pending.pop() if pending else (links[0], os.path.realpath(links.pop(0)))
        if real in seen:
            continue
        seen.add(real)
        below = _folders_to_search(place)
        if below is None:
            found.append(place)
        else:
            pending += [(each, real + each.removeprefix(place)) for each in below.folders]
            links += sorted(below.links)
    return sorted(map(Path, found), key=lambda folder: folder.parts)


class _Below(NamedTuple):
    """The folders of a folder in which runs may lie, and its links to folders."""

    folders: list[str]
    links: list[str]


def _folders_to_search(place: str) -> _Below | None:
    """What is to be searched below a folder; None where it is a run folder itself."""
    below = _Below([], [])
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name == RECORD and not entry.is_dir():
                    return None
                if entry.is_dir() and not entry.name.startswith("."):
                    (below.links if entry.is_symlink() else below.folders).append(entry.path)
    except OSError as error:
        what = error.filename or place
        raise UserError(f"'{what}' may not be read ({error.strerror}), so that runs could be missed") from error
    return below
