"""The sections of a report: comparable runs, opened, compared and ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..boards.comparable import Comparable, ranks
from ..boards.compare_runs import CompareRequest, compare_stored
from ..boards.rank_spans import MOST
from ..io.reporter import Reporter
from ..registry import dataset_class
from ..runs.record import Record
from ..runs.stored import StoredRun, open_run
from ..runs.versions import not_of_today, other_versions
from ..text import counted
from ..types import UserError
from .sections import DETAILED, Entry, Section


def grouped(found: Iterable[tuple[Path, Record]]) -> list[tuple[Comparable, list[tuple[Path, Record]]]]:
    """Runs that may be compared together, from best to worst: real data first, then today's versions, then by size."""
    groups: dict[Comparable, list[tuple[Path, Record]]] = {}
    for folder, record in found:
        if ranks(record):
            groups.setdefault(Comparable.of(record), []).append((folder, record))
    for members in groups.values():
        members.sort(key=lambda item: (_badness(item[1]), item[1].run_id))

    def order(group: tuple[Comparable, list[tuple[Path, Record]]]) -> tuple[Any, ...]:
        key, members = group
        older = bool(other_versions(members[0][1]))
        return key.dataset, key.origin != "real", older, -len(members), repr(key)

    return sorted(groups.items(), key=order)


def _badness(record: Record) -> float:
    main = record.scores.get(record.main_score)
    if main is None or main.value is None:
        return float("inf")
    return -main.value if main.higher_is_better else main.value


def _why_not(record: Record) -> str:
    if record.method.oracle and record.complete:
        return "an upper bound, which was told the truth"
    if record.scores:
        return f"partial ({record.dataset.n} samples scored)"
    return "no public labels, nothing to score" if record.complete else "did not finish"


def _section(comparable: Comparable, members: Sequence[tuple[Path, Record]], reporter: Reporter) -> Section:
    """Open what can be opened, compare where the number of pairs allows it, and rank."""
    opened, faults = _opened(members)
    compared, why_not = None, ""
    if len(members) > MOST:
        why_not = (
            f"Ranks are by the score alone: {len(members)} runs are too many to test pair by pair (more than {MOST})."
        )
    elif faults:
        reporter.warn(f"not compared: {faults[0]}")
        why_not = (
            f"Ranks are by the score alone: {counted(len(faults), 'run')} without statistics that this version reads."
        )
    elif len(members) > 1:
        try:
            compared = compare_stored([opened[record.run_id] for _, record in members], CompareRequest(()), reporter)
        except UserError as error:
            reporter.warn(f"not compared: {error}")
            why_not = "Ranks are by the score alone: the runs could not be tested against each other."
    rows = {row["run_id"]: row for row in compared["runs"]} if compared is not None else {}
    entries = [
        _entry(folder, record, opened.get(record.run_id), rows.get(record.run_id), rank)
        for (folder, record), rank in zip(members, _ranked(members), strict=True)
    ]
    if rows:
        order = {name: place for place, name in enumerate(rows)}
        entries.sort(key=lambda entry: order[entry.record.run_id])
    key_score = entries[0].record.main_score
    note = (
        f"{counted(entries[0].record.dataset.n, 'sample')} (ids {comparable.ids_sha256[:8]}, data "
        f"{comparable.data_sha256[:8]}; {comparable.metrics}), ranked by {key_score}"
    )
    name, synthetic = comparable.dataset, comparable.origin == "synthetic"
    aside = not_of_today(members[0][1])
    return Section(
        *(name, _title(comparable), note, synthetic, tuple(_told_apart(entries)), compared, why_not),
        notes=[aside] if aside else [],
    )


def _opened(members: Sequence[tuple[Path, Record]]) -> tuple[dict[str, StoredRun], list[UserError]]:
    """Runs with their statistics: all of few, of many the best alone; and what hindered the others."""
    opened: dict[str, StoredRun] = {}
    faults: list[UserError] = []
    for folder, record in members if len(members) <= MOST else members[: 2 * DETAILED]:
        try:
            opened[record.run_id] = open_run(folder)
        except UserError as error:
            faults.append(error)
    return opened, faults


def _entry(folder: Path, record: Record, run: StoredRun | None, row: dict[str, Any] | None, rank: int | None) -> Entry:
    label = record.method.name if row is None else row["label"]
    high = None
    if row is not None:
        rank, high = row["rank_low"], row["rank_high"]
    if run is None:
        return Entry(folder, record, label, rank, high)
    return Entry(folder, record, label, rank, high, run.info, run.metrics, run.statistics)


def _ranked(members: Sequence[tuple[Path, Record]]) -> list[int]:
    """Ranks by the score alone; equal scores share one."""
    found: list[int] = []
    for place, (_, record) in enumerate(members, 1):
        tied = bool(found) and _badness(record) == _badness(members[place - 2][1])
        found.append(found[-1] if tied else place)
    return found


def _told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """Labels that stand for one run each."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.label] = counts.get(entry.label, 0) + 1
    return [
        entry if counts[entry.label] == 1 else replace(entry, label=f"{entry.label} {entry.hash}") for entry in entries
    ]


def _title(comparable: Comparable) -> str:
    protocol = f"{comparable.folds}-fold cross-validation" if comparable.folds else f"split {comparable.split}"
    # The version of a folder of one's own holds the data set's name.
    own = comparable.version != dataset_class(comparable.dataset).info.version
    return ", ".join(
        [
            f"{comparable.dataset}{' (SYNTHETIC data)' if comparable.origin == 'synthetic' else ''}",
            *([comparable.version] if own else []),
            protocol,
            *([comparable.options] if comparable.options else []),
        ]
    )
