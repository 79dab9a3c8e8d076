"""Whether today's segbench computes the scores of a record: the versions of its dataset and metrics."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from ..registry import metrics_named
from ..types import UserError
from .record import Record, recorded_info


@dataclass(frozen=True)
class OtherVersion:
    """A dataset or metric that made a record and is another now; `here` is None where there is none of this name."""

    what: str
    found: str
    here: str | None

    def __str__(self) -> str:
        return f"{self.what} {self.found} ({'unknown here' if self.here is None else f'here {self.here}'})"


def with_versions(metrics: Mapping[str, str]) -> str:
    """Metric families with their versions, in the order of their names.

    >>> with_versions({"partition": "1", "binary-overlap": "1"})
    'binary-overlap 1, partition 1'
    """
    return ", ".join(f"{name} {version}" for name, version in sorted(metrics.items()))


def other_versions(record: Record) -> tuple[OtherVersion, ...]:
    """What made a record in another version than today's, the dataset first; empty where its scores are today's.

    Such a record is read and shown, but its scores cannot be computed again and are not comparable with today's.
    """
    data = record.dataset
    dataset: str | None = None
    with contextlib.suppress(UserError):
        dataset = recorded_info(data).version
    known = metrics_named(record.metrics)
    today = {name: known[name].version if name in known else None for name in record.metrics}
    pairs = [
        OtherVersion(f"dataset {data.name}", data.version, dataset),
        *(OtherVersion(f"metric {name}", version, today[name]) for name, version in record.metrics.items()),
    ]
    return tuple(each for each in pairs if each.found != each.here)


def not_of_today(record: Record) -> str:
    """A sentence on a record whose scores are not today's; empty where they are."""
    other = ", ".join(map(str, other_versions(record)))
    if not other:
        return ""
    return f"Of another version: {other}. These scores cannot be computed again and are not ranked beside today's."
