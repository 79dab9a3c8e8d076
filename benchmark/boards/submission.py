"""Whether a submitted run may stand on a board: its folder, its record, and what its neighbours were scored on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..evaluation.statistics import Statistics
from ..io.locks import LOCK
from ..metrics import MetricFamily
from ..runs.folder import RECORD, RUN_FILES, SIGNATURE, STATISTICS
from ..runs.record import Record, read_record
from ..runs.stored import StoredRun, open_run
from ..runs.stored_checks import Check
from ..runs.versions import other_versions
from .comparable import differing

SUBMITTED = frozenset({RECORD, STATISTICS, SIGNATURE})
"""The files that a submitted run folder may hold."""


def form_checks(run: StoredRun) -> list[Check]:
    """What a board asks of the folder and the record of a run."""
    record = run.record
    official = run.info.splits.get(record.dataset.split)
    part = run.info.part_of(record.dataset.split, record.dataset.options)
    size = official.official_size if official is not None and record.dataset.origin == "real" else None
    size = size if part is None else part.size
    commit = record.environment.commit
    return [
        *_folder_checks(run),
        Check.of("complete", record.complete and bool(record.scores), "the whole split was scored"),
        Check.of("oracle", not record.method.oracle, "a method that uses ground truth is never ranked"),
        Check.of(
            "size", size is None or record.dataset.n == size, f"{record.dataset.n} samples, official {size or 'any'}"
        ),
        _official_ids(run),
        Check.of("finite", _sound(run), "statistics are numbers, and counts are not negative"),
        Check.of("commit", None if record.environment.dirty or not commit else True, _commit(record)),
    ]


def _folder_checks(run: StoredRun) -> list[Check]:
    """Name and files of the folder: of one that a run left, which still has its lock, what `bench publish` will do."""
    names = sorted(path.name for path in run.folder.iterdir())
    extra, run_id = [name for name in names if name not in SUBMITTED], run.record.run_id
    called = run.folder.resolve().name == run_id
    if LOCK in names and RUN_FILES.issuperset(names):
        return [
            Check.of("folder", called or None, f"{'is' if called else 'will be'} published as {run_id}"),
            Check.of("files", None, f"not published: {', '.join(extra)}"),
        ]
    stray = f", not {extra[0]}" if extra else ""
    return [
        Check.of("folder", called, f"is to be called {run_id}"),
        Check.of("files", not extra, f"only {RECORD} and {STATISTICS} belong here{stray}"),
    ]


def _official_ids(run: StoredRun) -> Check:
    """Whether the samples are those of the split's official list, where that is known."""
    data, lists = run.record.dataset, run.info.official_ids
    if data.origin != "real" or data.split not in lists:
        what = "synthetic samples have no official list" if data.origin != "real" else "no official list is known here"
        return Check.of("official ids", None, f"{what}: as stated")
    part = run.info.part_of(data.split, data.options)
    if data.ids_sha256 == (lists[data.split] if part is None else part.ids_sha256):
        return Check.of("official ids", True, f"of split '{data.split}'")
    other = next((split for split, ids in lists.items() if ids == data.ids_sha256), None)
    found = f"are those of split '{other}'" if other else "are not those of the official list"
    return Check.of("official ids", False, f"the {data.n} samples of split '{data.split}' {found}")


def _commit(record: Record) -> str:
    if not record.environment.commit:
        return "not known which version of segbench made it"
    return f"made by {record.environment.commit[:12]}" + (
        " with uncommitted changes" if record.environment.dirty else ""
    )


def _sound(run: StoredRun) -> bool:
    """Whether no number is infinite and no count negative; families with rules of their own say what may be below 0."""
    none: object = MetricFamily.fault
    judged = {metric.name for metric in run.metrics if type(metric).fault is not none}
    for item in run.statistics:
        for values in item.columns.values():
            if item.metric not in judged and values.dtype.kind in "iu" and values.size and int(values.min()) < 0:
                return False
            if values.dtype.kind == "f" and np.isinf(values).any():
                return False
    return True


def neighbour_checks(run: StoredRun, neighbours: Sequence[StoredRun]) -> list[Check]:
    """Whether a run was scored on what its neighbours were scored on."""
    checks = []
    same = [other for other in neighbours if not differing(other.record, run.record)]
    alike = [other for other in neighbours if other.record.dataset.origin == run.record.dataset.origin]
    if alike:
        detail = f"comparable with {len(same)} of {len(alike)} runs of this split beside it"
        checks.append(Check.of("comparable", True if same else None, detail))
    checks.append(origin_check(run, neighbours))
    checks += [
        same_truth(run, other.statistics, other.record.run_id)
        for other in same[:1]
        if {m.name for m in run.metrics} & {m.name for m in other.metrics}
    ]
    return checks


def same_truth(run: StoredRun, other: Statistics, whose: str) -> Check:
    """Whether what follows from the truth alone is the same in the statistics of a run and in others of its samples."""
    theirs = {(item.metric, item.sample_id): item for item in other}
    known = {metric.name: metric for metric in run.metrics}
    shared = {item.metric for item in other}
    for item in run.statistics:
        if item.metric not in shared:
            continue
        same = theirs.get((item.metric, item.sample_id))
        if same is None:
            return Check.of("truth", False, f"'{item.sample_id}' is no sample of {whose}")
        if (item.group, item.index) != (same.group, same.index):
            told = f"group '{item.group}' and place {item.index} of '{item.sample_id}'"
            return Check.of("truth", False, f"{told}: '{same.group}' and {same.index} in {whose}")
        one, two = (known[item.metric].truth_side(each) for each in (item, same))
        if one.keys() != two.keys() or not all(np.array_equal(one[k], two[k], equal_nan=True) for k in one):
            return Check.of("truth", False, f"{item.metric} of '{item.sample_id}' has another truth than {whose}")
    return Check.of("truth", True, f"of {len(run.ids)} samples as in {whose}")


def origin_check(run: StoredRun, neighbours: Iterable[StoredRun]) -> Check:
    """Whether no run of the same truth has another origin: what is synthetic there is not real here."""
    data = run.record.dataset
    for other in neighbours:
        theirs = other.record.dataset
        if (theirs.name, theirs.data_sha256) == (data.name, data.data_sha256) and theirs.origin != data.origin:
            told = f"{data.origin}, but {other.record.run_id} has this truth as {theirs.origin}"
            return Check.of("origin", False, told)
    return Check.of("origin", True if data.origin == "synthetic" else None, f"{data.origin}, as stated")


def neighbours_of(folder: Path, record: Record, among: Path | None = None) -> Iterator[StoredRun]:
    """Runs of the same data and split, of any origin, that lie in the folder `among`, by default beside a run.

    Copies of itself and runs of other versions are left out.

    Raises
    ------
    UserError
        If one of them cannot be read.
    """
    mine = folder.resolve()
    for path in sorted((among or mine.parent).glob(f"*/{RECORD}")):
        if path.parent == mine or not (path.parent / STATISTICS).is_file():
            continue
        other = read_record(path.parent)
        if other.run_id != record.run_id and _split(other) == _split(record) and not other_versions(other):
            yield open_run(path.parent)


def _split(record: Record) -> tuple[str, str]:
    return record.dataset.name, record.dataset.split
