"""A stored run, and whether everything it says follows from what it holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..evaluation.scores import Score
from ..evaluation.scoring import Scored, score
from ..evaluation.statistics import Statistics
from ..io.fingerprints import ids_sha256
from ..registry import metrics
from ..types import DatasetInfo, Metric, UserError
from . import record as records
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


@dataclass(frozen=True)
class Check:
    """What was checked and what came of it; `ok` is None where it could not be checked."""

    name: str
    ok: bool | None
    detail: str


def open_run(folder: Path) -> StoredRun:
    """Read a run folder whose scores this version can compute.

    Raises
    ------
    UserError
        If it is no run folder, cannot be read, or was made with other versions of its dataset or metrics.
    """
    folder = folder.parent if folder.name == records.RECORD else folder
    record = read_record(folder)
    info = recorded_info(record.dataset)
    for other in other_versions(record):
        _refuse(folder, other)
    path = folder / records.STATISTICS
    if not path.is_file():
        raise UserError(
            f"'{folder}' has no {records.STATISTICS}: the run has not finished, or only its record was kept"
        )
    known = metrics()
    families = {name: known[name] for name in record.metrics}
    return StoredRun(folder, record, info, tuple(families.values()), Statistics.from_parquet(path, families))


def _refuse(folder: Path, other: OtherVersion) -> None:
    if other.here is None:
        raise UserError(f"'{folder}' was scored with the {other.what}, which this version does not know")
    raise UserError(
        f"'{folder}' was made with version {other.found} of {other.what}, this is version {other.here}: their scores "
        "are not comparable. Use the segbench that made it (see 'environment' in its record), or score it again."
    )


def stored_checks(run: StoredRun) -> list[Check]:
    """Everything that follows from the statistics alone."""
    record, ids = run.record, run.ids
    split = run.info.splits.get(record.dataset.split)
    labelled = split is None or split.labelled
    if not labelled:
        unscored = not (record.scores or record.per_class or len(run.statistics))
        return [Check("scores", unscored, "the split has no public labels, so nothing is scored")]
    scored = score(run.statistics, run.metrics, run.info)
    measured = {metric.name: {s.sample_id for s in run.statistics.of(metric.name)} for metric in run.metrics}
    uneven = [name for name, samples in measured.items() if samples != set(ids)]
    main = run.info.main_score if run.info.main_score in scored.scores else next(iter(scored.scores), "")
    return [
        _same("samples", record.dataset.n, len(ids)),
        Check("families", not uneven, f"{uneven[0]} lacks samples" if uneven else "every family has every sample"),
        _same("ids_sha256", record.dataset.ids_sha256, ids_sha256(ids)),
        *([_same("statistics", record.statistics_sha256, run.statistics.sha256())] if record.statistics_sha256 else []),
        _same("main_score", record.main_score, main),
        *_scores(record, scored),
        _table("per_class", record.per_class, scored.per_class),
        _table("per_category", record.per_category, scored.per_category),
        *(Check(name, record.details.get(name) == block, "the block") for name, block in scored.details.items()),
    ]


def _scores(record: Record, scored: Scored) -> list[Check]:
    names = dict.fromkeys((*record.scores, *scored.scores))
    return [_score(name, record.scores.get(name), scored.scores.get(name)) for name in names]


def _score(name: str, stored: Score | None, recomputed: Score | None) -> Check:
    if stored is None or recomputed is None:
        where = "is not in the record" if stored is None else "does not follow from the statistics"
        return Check(f"score {name}", False, where)
    fields = [key for key in Score.model_fields if not _equal(getattr(stored, key), getattr(recomputed, key))]
    if not fields:
        return Check(f"score {name}", True, _shown(stored.value))
    parts = [f"{key} {_differs(getattr(stored, key), getattr(recomputed, key))}" for key in fields]
    return Check(f"score {name}", False, "; ".join(parts))


def _table(
    name: str, stored: Mapping[str, Mapping[str, float | None]], recomputed: Mapping[str, Mapping[str, float | None]]
) -> Check:
    """Compare two tables, the order of their rows too."""
    if list(stored) != list(recomputed):
        other = sorted(set(stored) ^ set(recomputed))
        detail = f"only in one: {', '.join(other[:5])}" if other else "rows are in another order"
        return Check(name, False, detail)
    faults = []
    for row, values in recomputed.items():
        for key in dict.fromkeys((*stored[row], *values)):
            pair = (stored[row].get(key), values.get(key))
            if (key in stored[row]) != (key in values) or not _equal(*pair):
                faults.append(f"{key} of {row} {_differs(*pair)}")
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Check(name, not faults, faults[0] + more if faults else f"{len(recomputed)} rows")


def _same(name: str, stored: Any, recomputed: Any) -> Check:
    equal = _equal(stored, recomputed)
    return Check(name, equal, _shown(stored) if equal else _differs(stored, recomputed))


def _equal(stored: Any, recomputed: Any) -> bool:
    # The text of a double says all its bits, the sign of 0 too.
    return repr(stored) == repr(recomputed)


def _differs(stored: Any, recomputed: Any) -> str:
    text = f"stored {_shown(stored)}, recomputed {_shown(recomputed)}"
    both = isinstance(stored, float) and isinstance(recomputed, float)
    if both and math.isclose(stored, recomputed, rel_tol=1e-13):
        return f"{text} (the last bits only, as when another kind of processor sums in another order)"
    return text


def _shown(content: Any) -> str:
    return "undefined" if content is None else str(content)
