"""The rows of a board: runs that differ in their seed alone are one row, which unfolds to its members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..boards.comparable import main_badness
from ..boards.seed_groups import method_labels, seed_groups
from .sections import Entry


def pooled(entries: Sequence[Entry]) -> list[Entry]:
    """Entries from best to worst, with those of several seeds together where their mean stands."""
    place = {entry.record.run_id: number for number, entry in enumerate(entries)}
    groups = seed_groups(entry.record for entry in entries)
    rows = []
    for group, name in zip(groups, method_labels(groups), strict=True):
        middle = entries[place[group.middle.run_id]]
        members = tuple(entries[place[record.run_id]] for record in group.records)
        if len(members) > 1:
            told = tuple(replace(each, label=f"seed {each.record.method.seed}") for each in members)
            middle = replace(middle, record=group.record, label=name, members=told)
        rows.append(middle)
    return sorted(rows, key=lambda entry: main_badness(entry.record))
