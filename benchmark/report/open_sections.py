"""The sections of a report: comparable runs, opened, compared and ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..boards.comparable import (
    MAX_TESTED,
    Comparable,
    best_first,
    group_order,
    grouped,
    main_badness,
    part_of,
    samples_together,
    tied_ranks,
)
from ..boards.compare_runs import compare_stored
from ..boards.comparison_document import ComparedRun, Comparison
from ..boards.labels import distinct_labels
from ..boards.people import people_of
from ..boards.robustness import RobustnessLine, robustness
from ..io.reporter import Reporter
from ..runs.find import FoundRun
from ..runs.record import Record
from ..runs.stored import StoredRun, open_run
from ..runs.versions import not_of_today
from ..text import counted
from ..types import UserError
from .sections import DETAILED, Entry, Section


def ordered_groups(found: Iterable[FoundRun]) -> list[tuple[Comparable, list[FoundRun]]]:
    """Runs that may be compared together, from best to worst, in the order of the page."""
    groups = [
        (key, sorted(members, key=lambda run: best_first(run.record)))
        for key, members in grouped(found, lambda run: run.record).items()
    ]
    return sorted(groups, key=lambda group: group_order(group[0], group[1][0].record, len(group[1])))


def open_section(
    comparable: Comparable,
    members: Sequence[FoundRun],
    people: Sequence[FoundRun],
    corrupted: Sequence[FoundRun],
    reporter: Reporter,
) -> Section:
    """Open what can be opened, compare where the number of pairs allows it, and rank.

    `people`, and the same methods on `corrupted` images, stand beside them and are not ranked.
    """
    opened, faults = _opened(members)
    compared, why_not = _compared(members, opened, faults, reporter)
    rows = {row.run_id: row for row in compared.runs} if compared is not None else {}
    spans = {} if compared is None else _spans(compared)
    by_score = tied_ranks([main_badness(record) for _, record in members])
    entries = [
        _entry(
            folder, record, opened.get(record.run_id), rows.get(record.run_id), spans.get(record.run_id, (rank, None))
        )
        for (folder, record), rank in zip(members, by_score, strict=True)
    ]
    if rows:
        order = {name: place for place, name in enumerate(rows)}
        entries.sort(key=lambda entry: order[entry.record.run_id])
    labels = distinct_labels([entry.label for entry in entries], [entry.record for entry in entries])
    entries = [replace(entry, label=label) for entry, label in zip(entries, labels, strict=True)]
    key_score = entries[0].record.main_score
    records = [record for _, record in members]
    note = (
        f"{samples_together(records)} (ids {comparable.ids_sha256[:8]}, data "
        f"{comparable.data_sha256[:8]}; {comparable.metrics}), ranked by {key_score}"
    )
    name, synthetic = comparable.dataset, comparable.origin == "synthetic"
    aside = not_of_today(members[0].record)
    return Section(
        *(name, _title(comparable, part_of(records)), note, synthetic, tuple(entries), compared, why_not),
        notes=[aside] if aside else [],
        people=people_of([run.record for run in people], key_score, [(e.label, e.record) for e in entries], []),
        robustness=_robustness(entries, opened, corrupted, reporter),
        person_entries=tuple(Entry(folder, record, f"{record.method.name} (human)", None) for folder, record in people),
    )


def _compared(
    members: Sequence[FoundRun], opened: Mapping[str, StoredRun], faults: Sequence[UserError], reporter: Reporter
) -> tuple[Comparison | None, str]:
    """The comparison of all runs; or None, and why there is none where there are several."""
    if len(members) > MAX_TESTED:
        many = f"{len(members)} runs are too many to test pair by pair (more than {MAX_TESTED})"
        return None, f"Ranks are by the score alone: {many}."
    if faults:
        reporter.warn(f"not compared: {faults[0]}")
        unread = counted(len(faults), "run")
        return None, f"Ranks are by the score alone: {unread} without statistics that this version reads."
    if len(members) < 2:
        return None, ""
    try:
        return compare_stored([opened[record.run_id] for _, record in members], reporter), ""
    except UserError as error:
        reporter.warn(f"not compared: {error}")
        return None, "Ranks are by the score alone: the runs could not be tested against each other."


def _robustness(
    entries: Sequence[Entry], opened: Mapping[str, StoredRun], corrupted: Sequence[FoundRun], reporter: Reporter
) -> tuple[RobustnessLine, ...]:
    """What the opened runs score on images that were made worse."""
    clean = [(entry.label, opened[entry.record.run_id]) for entry in entries if entry.record.run_id in opened]
    try:
        runs = [open_run(folder) for folder, _ in corrupted]
        return tuple(robustness(clean, runs, entries[0].record.main_score))
    except UserError as error:
        reporter.warn(f"robustness is left out: {error}")
        return ()


def _opened(members: Sequence[FoundRun]) -> tuple[dict[str, StoredRun], list[UserError]]:
    """Runs with their statistics: all of few, of many the best alone; and what hindered the others."""
    opened: dict[str, StoredRun] = {}
    faults: list[UserError] = []
    for folder, record in members if len(members) <= MAX_TESTED else members[: 2 * DETAILED]:
        try:
            opened[record.run_id] = open_run(folder)
        except UserError as error:
            faults.append(error)
    return opened, faults


def _spans(compared: Comparison) -> dict[str, tuple[int, int]]:
    """First and last rank by run id: that of its method, where methods have several seeds."""
    of_method = {label: each for each in compared.methods or () for label in each.runs}
    ranked = {run.run_id: of_method.get(run.label, run) for run in compared.runs}
    return {run_id: (row.rank_low, row.rank_high) for run_id, row in ranked.items()}


def _entry(
    folder: Path, record: Record, run: StoredRun | None, row: ComparedRun | None, span: tuple[int | None, int | None]
) -> Entry:
    label = record.method.name if row is None else row.label
    rank, high = span
    if run is None:
        return Entry(folder, record, label, rank, high)
    return Entry(folder, record, label, rank, high, run.info, run.metrics, run.statistics)


def _title(key: Comparable, part: str) -> str:
    origin = " (SYNTHETIC data)" if key.origin == "synthetic" else ""
    return ", ".join(filter(None, [f"{key.dataset}{origin}", key.own_version, key.protocol, key.options, part]))
