"""A stored run: its record with the statistics that its scores were computed from.

A record says complete only while its statistics lie beside it: whoever reads runs refuses one that has none, damaged
ones or those of another run. Only `verify` and `leaderboard --validate` open such a run, to say what is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..evaluation.statistics import Statistics
from ..io.fingerprints import file_sha256, ids_sha256
from ..registry import metrics_named
from ..types import DatasetInfo, Metric, UserError
from .folder import RECORD, STATISTICS
from .record import Record, read_record, recorded_info
from .versions import OtherVersion, other_versions


class EvidenceError(UserError):
    """A run whose statistics are gone, damaged or those of another; `fault` says which."""

    def __init__(self, folder: Path, record: Record, fault: str) -> None:
        self.fault = fault
        super().__init__(f"'{folder}': {fault}{self._remedy(folder, record)}")

    @staticmethod
    def _remedy(folder: Path, record: Record) -> str:
        if not record.complete and not record.scores:
            return "; the run has not finished"
        resumed = () if record.method.from_elsewhere else ("--resume",)
        return f". Nothing proves its scores. Make it whole: {record.command_in(folder, *resumed)}"


@dataclass(frozen=True)
class StoredRun:
    """A run folder: its record, its statistics, and the families that made them, in the record's order."""

    folder: Path
    record: Record
    info: DatasetInfo
    metrics: tuple[Metric, ...]
    statistics: Statistics

    @property
    def ids(self) -> tuple[str, ...]:
        """The scored samples in the order of their ids."""
        return tuple(sorted({s.sample_id for s in self.statistics}))


def open_run(folder: Path) -> StoredRun:
    """Read a run folder whose scores this version can compute.

    Raises
    ------
    UserError
        If it is no run folder, cannot be read, was made with other versions of its dataset or metrics, or its
        statistics are not those of its record.
    """
    run = open_unchecked(folder)
    if not _has_its_own_file(run.folder, run.record):
        refuse_foreign_statistics(run)
    return run


def open_unchecked(folder: Path) -> StoredRun:
    """As `open_run`, whatever the statistics hold.

    Raises
    ------
    UserError
        If it is no run folder, cannot be read, or was made with other versions of its dataset or metrics.
    """
    folder = _folder_of(folder)
    record = read_record(folder)
    info = recorded_info(record.dataset)
    for other in other_versions(record):
        _refuse(folder, other)
    path = folder / STATISTICS
    if not path.is_file():
        raise EvidenceError(folder, record, f"it has no {STATISTICS}")
    known = metrics_named(record.metrics)
    families = {name: known[name] for name in record.metrics}
    try:
        statistics = Statistics.from_parquet(path, families)
    except UserError as error:
        raise EvidenceError(folder, record, str(error)) from error
    return StoredRun(folder, record, info, tuple(families.values()), statistics)


def read_whole_record(folder: Path) -> Record:
    """The record of a run folder (or of its `record.json`) that has its evidence beside it, where it says complete.

    Raises
    ------
    UserError
        As `read_record` and `refuse_without_evidence` do.
    """
    record = read_record(folder)
    refuse_without_evidence(folder, record)
    return record


def refuse_without_evidence(folder: Path, record: Record) -> None:
    """Raise UserError for a complete record whose statistics are gone, damaged or those of another run.

    Of a run of another version it is only known whether its statistics are there, and unchanged where it says how.
    """
    if not record.complete:
        return
    place = _folder_of(folder)
    if not (place / STATISTICS).is_file():
        raise EvidenceError(place, record, f"it has no {STATISTICS}")
    if not _has_its_own_file(place, record) and not other_versions(record):
        open_run(place)


def refuse_foreign_statistics(run: StoredRun) -> None:
    """Raise UserError where the statistics of a run are not those that its record was made from."""
    record, told = run.record, f"its {STATISTICS} is not that of its {RECORD}"
    scored = len(run.statistics) or record.scores  # without public labels nothing is
    if scored and ids_sha256(run.ids) != record.dataset.ids_sha256:
        fault = f"{told}: it holds {len(run.ids)} other samples than the {record.dataset.n} that were scored"
        raise EvidenceError(run.folder, record, fault)
    if record.statistics_sha256 is not None and run.statistics.sha256() != record.statistics_sha256:
        raise EvidenceError(run.folder, record, f"{told}: its counts are others")


def _folder_of(path: Path) -> Path:
    return path.parent if path.is_file() else path


def _has_its_own_file(folder: Path, record: Record) -> bool:
    """Whether the file of statistics is, byte for byte, the one that the record was made with."""
    told = (record.evidence or {}).get(STATISTICS)
    return told is not None and file_sha256(folder / STATISTICS) == told


def _refuse(folder: Path, other: OtherVersion) -> None:
    if other.here is None:
        kind, _, name = other.what.partition(" ")
        raise UserError(f"'{folder}' was scored with the {kind} '{name}', which this version does not know")
    raise UserError(
        f"'{folder}' was made with version {other.found} of {other.what}, this is version {other.here}: their scores "
        "are not comparable. Use the segbench that made it (see 'environment' in its record), or score it again."
    )
