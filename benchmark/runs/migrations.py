"""Records of older schemas, brought to today's one step at a time when they are read.

A file is never rewritten: what a committed record holds stays as it is, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..types import UserError

Step = Callable[[dict[str, Any]], dict[str, Any]]

STEPS: tuple[Step, ...] = ()
"""The n-th step makes a record of schema version n + 1 out of one of version n, counted from 1.

A key that is new and has a default needs no step, so that earlier records of one schema hold fewer keys.
"""

SCHEMA_VERSION = 1 + len(STEPS)
"""The schema that is written."""


def migrated(content: Any, steps: Sequence[Step] = STEPS) -> dict[str, Any]:
    """A record's JSON content in today's schema; what was given stays as it is.

    >>> def rename(old: dict[str, Any]) -> dict[str, Any]:
    ...     return {("command" if key == "call" else key): value for key, value in old.items()}
    >>> migrated({"schema_version": 1, "call": "bench run"}, [rename])
    {'schema_version': 2, 'command': 'bench run'}

    Raises
    ------
    UserError
        If it is no record, or one that a newer segbench wrote.
    """
    newest = 1 + len(steps)
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise UserError(f"has the schema version {version!r}; expected a whole number from 1 to {newest}")
    if version > newest:
        raise UserError(
            f"has schema version {version}, which a newer segbench wrote; this one reads versions up to {newest}. "
            "Update segbench to read it."
        )
    record = dict(content)
    for number, step in enumerate(steps[version - 1 :], version + 1):
        record = {**step(record), "schema_version": number}
    return record
