"""The baseline of the regression gate: which run succeeds which, and how runs become the new baseline."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..io.atomic import replace_folder, temporary_folder
from ..io.locks import exclusive
from ..runs.find import FoundRun, copies, each_once, run_folders
from ..runs.folder import RECORD, SIGNATURE, STATISTICS
from ..runs.record import Record, read_record
from ..runs.stored import StoredRun, open_run, read_whole_record
from ..text import counted, some
from ..types import UserError
from .comparable import why_not_ranked

Warn = Callable[[str], None]
Key = tuple[str, ...]


class Pair(NamedTuple):
    """A run of the baseline and its successor, with what they have in common."""

    name: str
    baseline: Path
    run: Path


class UnmatchedRun(NamedTuple):
    """A run that no run of the baseline stands for, and why it is compared with nothing."""

    name: str
    run: FoundRun
    why: str


@dataclass(frozen=True)
class Pairing:
    """Every run of the baseline with its successor, and the runs that are none."""

    pairs: list[Pair]
    strays: list[UnmatchedRun]


def method_identity(record: Record) -> Key:
    """What makes a run the successor of another: the same data and the same method, whatever its settings are now."""
    data, method = record.dataset, record.method
    options = ", ".join(f"{k}={v}" for k, v in sorted(data.options.items()))
    protocol = f"{data.folds} folds" if data.folds else data.split
    fraction = "" if method.train_fraction in (None, 1.0) else f"{method.train_fraction:g} of labels"
    seed = "" if not method.seed else f"seed {method.seed}"
    learned = (method.preset, fraction, method.train_on, seed)
    return tuple(filter(None, (data.name, data.origin, protocol, options, method.name, *learned)))


def pairs_of(baseline: Path, runs: Path, warn: Warn) -> Pairing:
    """Every run of the baseline with its successor, and the runs that the baseline lacks.

    Raises
    ------
    UserError
        For a baseline without a run, or with one that nothing can be compared with; for a run that is missing, one of
        several, or the baseline itself.
    """
    before, unusable = _by_method(baseline, "baseline", warn)
    now, unfinished = _by_method(runs, "runs to check", warn)
    for run in unusable:
        raise UserError(
            f"'{run.folder}' of the baseline is {why_not_ranked(run.record)}, so that no run can be compared with it. "
            f"{_instead(run, now)}"
        )
    if not before:
        raise UserError(f"no complete run below '{baseline}'. {_how_to_begin(now, runs)}")
    pairs = []
    for key, old in before.items():
        name = " ".join(key)
        for found, where in ((old, baseline), (now.get(key, []), runs)):
            if len(found) > 1:
                names = ", ".join(run.folder.name for run in found[:3])
                raise UserError(f"{len(found)} runs of {name} below '{where}' ({names}); name the one to be checked")
        if key not in now:
            there = _what_there_is(old[0], now, unfinished)
            raise UserError(f"no complete run of {name} below '{runs}', but the baseline has one. {there}")
        pairs.append(_pair(name, old[0], now[key][0], warn))
    lacking = [run for key, found in now.items() if key not in before for run in found]
    refused = _why_no_baseline(now)
    add = f"which --update would refuse: {refused}" if refused else "add it with --update"
    strays = [UnmatchedRun(_name(run), run, f"the baseline has no such run; {add}") for run in lacking]
    strays += [UnmatchedRun(_name(run), run, why_not_ranked(run.record)) for run in unfinished]
    return Pairing(pairs, strays)


def update_baseline(baseline: Path, runs: Path, warn: Warn) -> list[Path]:
    """Copy the records and statistics of runs into the baseline, where each replaces its predecessors; the new folders.

    The new baseline is made beside the old one and takes its place in one step: after an error or a kill the old one is
    there as it was. Of several updates at once each waits for the one before.

    Raises
    ------
    UserError
        Where there is no complete run, several of one method, or one that cannot be checked against.
    """
    now, unfinished = _by_method(runs, "runs to keep", warn)
    if not now:
        raise UserError(f"no complete run below '{runs}' to make a baseline of")
    if refused := _why_no_baseline(now):
        raise UserError(refused)
    for run in unfinished:
        warn(f"'{run.folder}' is left out of the baseline: {why_not_ranked(run.record)}")
    new = {key: run for key, (run,) in now.items()}
    for run in new.values():
        _warn_of_undefined(open_run(run.folder), warn)
    if baseline.is_file() or (baseline / RECORD).exists():
        what = "a file" if baseline.is_file() else "a run folder"
        raise UserError(f"'{baseline}' is {what}; expected the folder of the baseline's run folders, or a new one")
    folder = baseline.resolve()
    with _alone(folder, warn), temporary_folder(folder) as temporary:
        made = temporary / folder.name
        _write_anew(made, folder, new)
        replace_folder(made, folder)
    return [baseline / name for name in _folder_names(new.values())]


def _alone(folder: Path, warn: Warn) -> AbstractContextManager[None]:
    """One process at a time reads a baseline and replaces it; others wait for it."""
    busy = f"waiting for another 'bench check --update' of '{folder}'"
    return exclusive(folder.with_name(f".{folder.name}.lock"), busy, warn, stays=False)


def _folder_names(runs: Iterable[FoundRun]) -> list[str]:
    """The name of each run's folder in the baseline: its own, or its id where several are called so."""
    every = list(runs)
    counts = Counter(run.folder.name for run in every)
    return [run.folder.name if counts[run.folder.name] == 1 else run.record.run_id for run in every]


def _write_anew(made: Path, old: Path, new: Mapping[Key, FoundRun]) -> None:
    """A copy of the old baseline in which these runs stand for their predecessors."""
    if old.is_dir():
        shutil.copytree(old, made, symlinks=True)
    else:
        made.mkdir()
    targets = [made / name for name in _folder_names(new.values())]
    left = []
    for folder in run_folders(old) if old.is_dir() else []:  # a link from here may lead nowhere from the copy
        copy = made / folder.relative_to(old)
        if copy in targets or method_identity(read_record(folder)) in new:
            _remove(copy, made)
        else:
            left.append(copy)
    for run, target in zip(new.values(), targets, strict=True):
        if inside := [folder for folder in left if target in folder.parents]:
            raise UserError(
                f"'{old / target.name}' holds other runs ({inside[0].name}); give '{run.folder}' another name"
            )
        if target.is_symlink():
            target.unlink()
        target.mkdir(exist_ok=True)
        for name in (STATISTICS, RECORD, SIGNATURE):
            if name != SIGNATURE or (run.folder / name).is_file():
                shutil.copyfile(run.folder / name, target / name)


def _pair(name: str, old: FoundRun, run: FoundRun, warn: Warn) -> Pair:
    """Raises UserError where a run is compared with itself."""
    if old.folder.resolve() == run.folder.resolve():
        raise UserError(
            f"'{run.folder}' is the baseline of {name} and the run to check at once: nothing would be compared. Name "
            "the folder of new runs with --runs."
        )
    if (old.record.created, old.record.statistics_sha256) == (run.record.created, run.record.statistics_sha256):
        warn(f"'{run.folder}' is the run that was made the baseline ({run.record.created}), not a newer one")
    return Pair(name, old.folder, run.folder)


def _why_no_baseline(now: Mapping[Key, Sequence[FoundRun]]) -> str | None:
    """Why these runs, all of them, cannot become the baseline; None where they can."""
    for key, found in now.items():
        if len(found) > 1:
            names = ", ".join(f"'{run.folder}'" for run in found[:3])
            return f"{len(found)} runs are of {' '.join(key)} ({names}); keep the one to be the baseline"
        (run,) = found
        if run.record.dataset.n < 2:
            return (
                f"'{run.folder}' was scored on {counted(run.record.dataset.n, 'sample')}: no loss can be told from "
                "noise there, so that it is no baseline. Score more samples, for example with --folds 5."
            )
    return None


def _instead(unusable: FoundRun, now: Mapping[Key, Sequence[FoundRun]]) -> str:
    """What to do about a run of the baseline that nothing can be compared with: only what would work."""
    key = method_identity(unusable.record)
    if key not in now:
        return (
            f"Take it away, or make a complete run of {' '.join(key)}: 'bench check --update' puts that in its place."
        )
    if refused := _why_no_baseline(now):
        return f"Take it away; 'bench check --update' would refuse what was run since ({refused})"
    return f"'bench check --update' puts '{now[key][0].folder}' in its place."


def _what_there_is(old: FoundRun, now: Mapping[Key, Sequence[FoundRun]], unfinished: Sequence[FoundRun]) -> str:
    """What was found in place of a run, and why it is not taken for it."""
    found = [f"'{run.folder.name}' of {' '.join(key)}" for key, runs in now.items() for run in runs]
    found += [f"'{run.folder.name}', which is {why_not_ranked(run.record)}" for run in unfinished]
    if not found:
        return "Run it first."
    told = f"There is {some(found, 3)}. Runs are paired by dataset, origin, split and method"
    by_name = old.record.method.from_elsewhere
    return told + (", which 'bench evaluate --name' names: it has to be the same each time." if by_name else ".")


def _how_to_begin(now: Mapping[Key, Sequence[FoundRun]], runs: Path) -> str:
    """How to come to a baseline where there is none."""
    if not now:
        return f"There is none below '{runs}' either: make one, which 'bench check --update' then keeps."
    if refused := _why_no_baseline(now):
        return f"None can be made of these runs: {refused}"
    return "Write one with 'bench check --update'."


def _warn_of_undefined(run: StoredRun, warn: Warn) -> None:
    if run.record.main_value is None:
        score = run.record.main_score
        warn(f"{score} of '{run.folder}' is undefined: check runs against it by another score, with --metric")


def _by_method(path: Path, what: str, warn: Warn) -> tuple[dict[Key, list[FoundRun]], list[FoundRun]]:
    """The complete runs below a folder by what makes one the successor of another, and those that are not complete."""
    if not path.is_dir():
        begin = ". 'bench check --update' makes one of the runs there are" if what == "baseline" else ""
        raise UserError(f"'{path}' is no folder; expected the {what}: run folders, or a folder of them{begin}")
    _refuse_broken(path)
    every = [FoundRun(folder, read_whole_record(folder)) for folder in run_folders(path)]
    _refuse_differing(every)
    found: dict[Key, list[FoundRun]] = {}
    rest = []
    for run in each_once(every, warn):
        if run.record.complete and run.record.scores:
            found.setdefault(method_identity(run.record), []).append(run)
        else:
            rest.append(run)
    return found, rest


def _refuse_broken(path: Path) -> None:
    """Raise UserError for a run folder that lost its record: it would be passed over in silence."""
    seen: set[str] = set()
    for place, folders, names in os.walk(path, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")] if RECORD not in names else []
        if STATISTICS in names and RECORD not in names:
            raise UserError(f"'{place}' has {STATISTICS}, but no {RECORD}: it is no whole run. Make it again.")


def _refuse_differing(runs: Iterable[FoundRun]) -> None:
    """Raise UserError for copies of one run with different results: which of them is to be checked?"""
    for run_id, same in copies(runs).items():
        if len({run.record.statistics_sha256 for run in same}) > 1:
            places = ", ".join(f"'{run.folder}'" for run in same[:3])
            raise UserError(f"{run_id} is there {len(same)} times with different results ({places}); keep one of them")


def _name(run: FoundRun) -> str:
    return " ".join(method_identity(run.record))


def _remove(folder: Path, top: Path) -> None:
    """Take the files of a run away, and the folders that they leave empty; of a linked folder the link alone.

    Raises UserError for a run that lies deeper in a linked folder, where others may lie too.
    """
    if folder.is_symlink():
        folder.unlink()
        return
    if linked := next((place for place in folder.parents if top in place.parents and place.is_symlink()), None):
        raise UserError(
            f"'{linked.relative_to(top)}' of the baseline is a link to a folder of runs, which is not written to. Put "
            "the runs themselves in its place."
        )
    for name in (RECORD, STATISTICS, SIGNATURE):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # not empty
        while folder != top:
            folder.rmdir()
            folder = folder.parent
