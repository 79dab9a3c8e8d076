"""Trainings that their time limit has ended, as their records tell it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .record import Record

_TOLD = re.compile(r"the time limit of \S+ minutes shaped the training \((\d{1,12}) of (\d{1,12}) iterations\)")
"""What the engine of training warns of, which stands in the record."""


def trained_part(records: Sequence[Record]) -> float | None:
    """The part of the planned iterations that trainings came to, in the mean; None where no time limit ended one.

    Such a score depends on the speed of the machine. Of a run of several folds, those count that were ended.
    """
    parts = [_part(record) for record in records]
    return sum(parts) / len(parts) if parts and min(parts) < 1 else None


def _part(record: Record) -> float:
    told = [found for found in map(_TOLD.match, record.warnings) if found and int(found[2])]
    return sum(min(1.0, int(each[1]) / int(each[2])) for each in told) / len(told) if told else 1.0
