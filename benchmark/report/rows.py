"""The rows of a board: runs that differ in their seed alone are one row, which unfolds to its members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..boards.labels import comparison_labels
from ..boards.seed_groups import SeedGroup, seed_groups
from ..runs.record import Record
from .sections import Entry


def pooled(entries: Sequence[Entry]) -> list[Entry]:
    """Entries from best to worst, with those of several seeds together where the middle one of them stands."""
    place = {entry.record.run_id: number for number, entry in enumerate(entries)}
    groups = seed_groups(entry.record for entry in entries)
    names = comparison_labels([_without_seed(group) for group in groups])
    rows = []
    for group, name in zip(groups, names, strict=True):
        middle = entries[place[group.middle.run_id]]
        members = tuple(entries[place[record.run_id]] for record in group.records)
        if len(members) > 1:
            told = tuple(replace(each, label=f"seed {each.record.method.seed}") for each in members)
            middle = replace(middle, record=group.record, label=name, members=told)
        rows.append(middle)
    return sorted(rows, key=lambda entry: place[entry.record.run_id])


def _without_seed(group: SeedGroup) -> Record:
    """A record that is named by what all of its group share."""
    if len(group.records) == 1:
        return group.record
    return group.record.model_copy(update={"method": group.record.method.model_copy(update={"seed": None})})
