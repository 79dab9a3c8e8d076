"""A stored run: its record with the statistics that its scores were computed from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..evaluation.statistics import Statistics
from ..io.fingerprints import ids_sha256
from ..registry import metrics_named
from ..types import DatasetInfo, Metric, UserError
from .folder import RECORD, STATISTICS
from .record import Record, read_record, recorded_info
from .versions import OtherVersion, other_versions


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
        If it is no run folder, cannot be read, or was made with other versions of its dataset or metrics.
    """
    folder = folder.parent if folder.name == RECORD else folder
    record = read_record(folder)
    info = recorded_info(record.dataset)
    for other in other_versions(record):
        _refuse(folder, other)
    path = folder / STATISTICS
    if not path.is_file():
        raise UserError(f"'{folder}' has no {STATISTICS}: the run has not finished, or only its record was kept")
    known = metrics_named(record.metrics)
    families = {name: known[name] for name in record.metrics}
    return StoredRun(folder, record, info, tuple(families.values()), Statistics.from_parquet(path, families))


def refuse_foreign_statistics(run: StoredRun) -> None:
    """Raise UserError where the statistics of a run are not those that its record was made from."""
    record, told = run.record, f"'{run.folder}': its {STATISTICS} is not that of its {RECORD}"
    if ids_sha256(run.ids) != record.dataset.ids_sha256:
        raise UserError(f"{told}: it holds {len(run.ids)} other samples than the {record.dataset.n} that were scored")
    if record.statistics_sha256 is not None and run.statistics.sha256() != record.statistics_sha256:
        raise UserError(f"{told}: its counts are others. Make the run again.")


def _refuse(folder: Path, other: OtherVersion) -> None:
    if other.here is None:
        kind, _, name = other.what.partition(" ")
        raise UserError(f"'{folder}' was scored with the {kind} '{name}', which this version does not know")
    raise UserError(
        f"'{folder}' was made with version {other.found} of {other.what}, this is version {other.here}: their scores "
        "are not comparable. Use the segbench that made it (see 'environment' in its record), or score it again."
    )
