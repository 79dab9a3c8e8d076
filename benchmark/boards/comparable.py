"""Which records may be compared, and how comparable ones are ordered."""

from __future__ import annotations

from dataclasses import dataclass

from ..runs.record import Record, recorded_info
from ..runs.versions import with_versions


@dataclass(frozen=True)
class Comparable:
    """Records are ranked together only when all of this is equal."""

    dataset: str
    version: str
    origin: str
    split: str
    options: str
    folds: int | None
    ids_sha256: str
    data_sha256: str
    metrics: str

    @classmethod
    def of(cls, record: Record) -> Comparable:
        """What a record can be compared with."""
        data = record.dataset
        return cls(
            data.name,
            data.version,
            data.origin,
            data.split,
            ", ".join(f"{k}={v}" for k, v in sorted(data.options.items())),
            data.folds,
            data.ids_sha256,
            data.data_sha256,
            with_versions(_official(record)),
        )


def _official(record: Record) -> dict[str, str]:
    """Versions of the dataset's own metric families; those that a user added do not decide what is comparable."""
    info = recorded_info(record.dataset)
    own = (*info.metrics, *info.object_metrics)
    return {name: version for name, version in record.metrics.items() if name in own} or record.metrics


def ranks(record: Record) -> bool:
    """Whether a run takes part in a ranking: complete, scored, and not told the truth."""
    return record.complete and bool(record.scores) and not record.method.oracle
