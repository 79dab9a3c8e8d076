"""Digests that bind a record to its content: one of everything that it says, and one of each file beside it.

The digest is no secret and proves nothing against who computes it again; it shows what was edited, damaged or put in
from another run. Who vouches for a record is for a signature to say.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..io.fingerprints import file_sha256, folder_sha256
from .folder import CHECKPOINT, CONFIG, PREDICTIONS, STATISTICS
from .record import Record

EVIDENCE = (STATISTICS, CONFIG, PREDICTIONS, CHECKPOINT)
"""What a run folder may hold beside its record that others are computed from."""

BOUND_SINCE = datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC)
"""Every segbench binds the records that it makes from then on."""

_DIGEST = "content_sha256"


def content_sha256(content: Mapping[str, Any]) -> str:
    """SHA-256 of all that a record says but for this digest; layout and order of its JSON do not matter.

    >>> content_sha256({"a": 1, "b": [0.5]}) == content_sha256({"b": [0.5], "content_sha256": "other", "a": 1})
    True
    """
    said = {key: value for key, value in content.items() if key != _DIGEST}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def evidence_sha256(folder: Path, name: str) -> str | None:
    """Fingerprint of a file or a folder of a run; None where there is none."""
    path = folder / name
    if path.is_dir():
        return folder_sha256(path)
    return file_sha256(path) if path.is_file() else None


def refuse_other_checkpoint(folder: Path, record: Record) -> None:
    """Raise UserError where a run folder does not hold what its run has fitted, as far as its record can tell."""
    told = (record.evidence or {}).get(CHECKPOINT)
    if told is not None and evidence_sha256(folder, CHECKPOINT) != told:
        raise UserError(
            f"'{folder / CHECKPOINT}' does not hold what this run has fitted: it was changed, damaged, or is another "
            f"run's. Make it again: {record.command_in(folder)}"
        )


@contextmanager
def loading_checkpoint(folder: Path, record: Record) -> Iterator[None]:
    """Say in an error of loading what a run has fitted what is known of that, where its record has no digest of it."""
    try:
        yield
    except UserError as error:
        if CHECKPOINT in (record.evidence or {}):
            raise
        raise UserError(
            f"{error} The record of '{folder}' was made before records had a checksum of what was fitted, so nothing "
            f"tells whether it is as it was written. If it is damaged, put a copy back or make the run again: "
            f"{record.command_in(folder)}"
        ) from error


def bound(record: Record, folder: Path) -> Record:
    """A finished record with the digests of the files beside it, and of itself."""
    found = {name: digest for name in EVIDENCE if (digest := evidence_sha256(folder, name)) is not None}
    with_evidence = record.model_copy(update={"evidence": found, _DIGEST: None})
    digest = content_sha256(json.loads(with_evidence.to_json()))
    return with_evidence.model_copy(update={_DIGEST: digest})


def has_to_be_bound(record: Record) -> bool:
    """Whether a record without a digest has lost it: it was made when every record had one."""
    try:
        made = datetime.datetime.fromisoformat(record.created)
    except ValueError:
        return False
    return made.tzinfo is not None and made >= BOUND_SINCE
