"""The runs of a table, opened where their statistics are needed."""

from __future__ import annotations

from collections.abc import Sequence

from ..evaluation.class_scores import OF_CLASS
from ..evaluation.scoring import Table, class_intervals_of
from ..runs.find import FoundRun
from ..runs.record import Record
from ..runs.stored import StoredRun, open_run
from ..runs.stored_scores import with_score
from ..types import UserError


class OpenedRuns:
    """Runs by their id, each opened once."""

    def __init__(self, folders: dict[str, FoundRun], scores: Sequence[str]) -> None:
        """`scores` are asked for; those of classes are computed."""
        self._folders = folders
        self._of_classes = [name for name in scores if OF_CLASS in name]
        self._runs: dict[str, StoredRun] = {}

    def record(self, record: Record) -> Record:
        """The record of a run with the scores of classes that are asked for."""
        return self[record.run_id].record if self._of_classes else record

    def class_intervals(self, records: Sequence[Record]) -> dict[str, Table]:
        """The intervals of the classes of runs, by run: as recorded, of older records from their statistics.

        None where these cannot be read.
        """
        return {record.run_id: record.class_intervals or self._computed(record.run_id) for record in records}

    def _computed(self, run_id: str) -> Table:
        try:
            run = self[run_id]
        except UserError:
            return {}
        return class_intervals_of(run.statistics, run.metrics, run.info)

    def __getitem__(self, run_id: str) -> StoredRun:
        if run_id not in self._runs:
            run = open_run(self._folders[run_id].folder)
            for name in self._of_classes:
                run = with_score(run, name)
            self._runs[run_id] = run
        return self._runs[run_id]
