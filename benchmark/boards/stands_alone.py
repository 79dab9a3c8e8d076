"""A run that is left out of a comparison or a table, with the reason, as a typed document."""

from __future__ import annotations

from pathlib import Path

from ..io.documents import Document
from ..runs.record import Record


class StandsAlone(Document):
    """A run that was compared with no other, and why; `run_id`, `dataset` and `split` where its record can be read."""

    folder: str
    run_id: str | None
    dataset: str | None
    split: str | None
    why: str


def stands_alone(folder: Path, record: Record | None, why: str) -> StandsAlone:
    """The run of a folder, left out for a reason; `record` is None where it cannot be read."""
    return StandsAlone(
        folder=str(folder),
        run_id=None if record is None else record.run_id,
        dataset=None if record is None else record.dataset.name,
        split=None if record is None else record.dataset.split,
        why=why,
    )
