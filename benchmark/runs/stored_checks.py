"""Whether everything that a stored run says follows from what it holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.scores import Score
from ..evaluation.scoring import Scored, score
from ..io.documents import Document
from ..io.fingerprints import ids_sha256
from .binding import BOUND_SINCE, EVIDENCE, content_sha256, evidence_sha256, has_to_be_bound
from .differences import first_difference
from .folder import RECORD, STATISTICS
from .identity import recorded_identity
from .record import Record, read_content, run_id_of
from .stored import StoredRun


class Check(Document):
    """What was checked and what came of it; `ok` is None where it could not be checked."""

    name: str
    ok: bool | None
    detail: str

    @classmethod
    def of(cls, name: str, ok: bool | None, detail: str) -> Check:
        """A check by position."""
        return cls(name=name, ok=ok, detail=detail)


class Verification(Document):
    """What was checked of one run; `ok` unless a check failed."""

    run_id: str
    ok: bool
    checks: list[Check]

    @classmethod
    def of(cls, run: StoredRun, checks: Sequence[Check]) -> Verification:
        """What these checks say of a run."""
        return cls(run_id=run.record.run_id, ok=all(check.ok is not False for check in checks), checks=list(checks))


class Verifications(Document):
    """What was checked of several runs; `ok` where all are."""

    ok: bool
    runs: list[Verification]

    @classmethod
    def of(cls, runs: Sequence[Verification]) -> Verifications:
        """Several runs together."""
        return cls(ok=all(run.ok for run in runs), runs=list(runs))


def stored_checks(run: StoredRun) -> list[Check]:
    """Everything that follows from the statistics alone."""
    record, ids = run.record, run.ids
    split = run.info.splits.get(record.dataset.split)
    labelled = split is None or split.labelled
    if not labelled:
        unscored = not (record.scores or record.per_class or len(run.statistics))
        return [Check.of("scores", unscored, "the split has no public labels, so nothing is scored")]
    scored = score(run.statistics, run.metrics, run.info)
    measured = {metric.name: {s.sample_id for s in run.statistics.of(metric.name)} for metric in run.metrics}
    uneven = [name for name, samples in measured.items() if samples != set(ids)]
    main = run.info.main_score if run.info.main_score in scored.scores else next(iter(scored.scores), "")
    return [
        same_check("samples", record.dataset.n, len(ids)),
        Check.of("families", not uneven, f"{uneven[0]} lacks samples" if uneven else "every family has every sample"),
        same_check("ids_sha256", record.dataset.ids_sha256, ids_sha256(ids)),
        *(
            [same_check("statistics", record.statistics_sha256, run.statistics.sha256())]
            if record.statistics_sha256
            else []
        ),
        same_check("main_score", record.main_score, main),
        *_scores(record, scored),
        _table("per_class", record.per_class, scored.per_class),
        _table("per_category", record.per_category, scored.per_category),
        *_class_intervals(record, scored),
        *_blocks(record.details, scored.details),
    ]


def binding_checks(run: StoredRun) -> list[Check]:
    """Whether a record is what was written, stands for the run that its id names, and has its own files beside it."""
    content = read_content(run.folder / RECORD)
    checks = [_run_id(run.record, content), _content(run.record, content)]
    return [*checks, _evidence(run)] if run.record.content_bound else checks


def _run_id(record: Record, content: Mapping[str, Any]) -> Check:
    told = run_id_of(record.dataset.name, record.method.name, recorded_identity(record, content))
    same = record.run_id.rpartition("-")[2] == told.rpartition("-")[2]
    says = "stands for this dataset, split, truth, method, configuration and seed"
    return Check.of("run_id", same, says if same else f"is {record.run_id}; what the record says is {told}")


def _content(record: Record, content: Mapping[str, Any]) -> Check:
    if record.content_bound:
        same = content_sha256(content) == record.content_sha256
        edited = "the record does not say what it said when it was made: it was edited, damaged or put together"
        return Check.of("content", same, "the record says what it said when it was made" if same else edited)
    if has_to_be_bound(record) and record.scores:
        lost = f"the record has no content_sha256, which every record has since {BOUND_SINCE:%Y-%m-%d}"
        return Check.of("content", False, lost)
    return Check.of("content", None, "content not bound: the record is older than its digest")


def _evidence(run: StoredRun) -> Check:
    """Whether the files of a run are those that its record was made with; a submitted folder may lack some."""
    told = run.record.evidence or {}
    for name in EVIDENCE:
        found = evidence_sha256(run.folder, name)
        if found is None or found == told.get(name):
            continue
        if name == STATISTICS and run.statistics.sha256() == run.record.statistics_sha256:
            continue  # written again, with the same content
        where = "is not that of this record" if name in told else "was not there when the record was made"
        return Check.of("evidence", False, f"{name} {where}")
    return Check.of("evidence", True, "the files are those that the record was made with")


def _class_intervals(record: Record, scored: Scored) -> list[Check]:
    """Whether the intervals of classes follow from the statistics; records of earlier versions have none."""
    told = record.class_intervals
    return [_table("class_intervals", told, scored.class_intervals)] if told else []


def _blocks(stored: Mapping[str, Any], recomputed: Mapping[str, Any]) -> list[Check]:
    """Compare the blocks of metric families; where one differs, the first place and both values."""
    checks = []
    for name in dict.fromkeys((*stored, *recomputed)):
        if name not in stored or name not in recomputed:
            where = "is not in the record" if name in recomputed else "does not follow from the statistics"
            checks.append(Check.of(name, False, where))
        else:
            difference = first_difference(stored[name], recomputed[name])
            checks.append(Check.of(name, not difference, difference or "the block"))
    return checks


def _scores(record: Record, scored: Scored) -> list[Check]:
    names = dict.fromkeys((*record.scores, *scored.scores))
    return [_score(name, record.scores.get(name), scored.scores.get(name)) for name in names]


def _score(name: str, stored: Score | None, recomputed: Score | None) -> Check:
    if stored is None or recomputed is None:
        where = "is not in the record" if stored is None else "does not follow from the statistics"
        return Check.of(f"score {name}", False, where)
    fields = [key for key in Score.model_fields if not _equal(getattr(stored, key), getattr(recomputed, key))]
    if not fields:
        return Check.of(f"score {name}", True, _shown(stored.value))
    parts = [f"{key} {_differs(getattr(stored, key), getattr(recomputed, key))}" for key in fields]
    return Check.of(f"score {name}", False, "; ".join(parts))


def _table(
    name: str, stored: Mapping[str, Mapping[str, float | None]], recomputed: Mapping[str, Mapping[str, float | None]]
) -> Check:
    """Compare two tables, the order of their rows too."""
    if list(stored) != list(recomputed):
        other = sorted(set(stored) ^ set(recomputed))
        detail = f"only in one: {', '.join(other[:5])}" if other else "rows are in another order"
        return Check.of(name, False, detail)
    faults = []
    for row, values in recomputed.items():
        for key in dict.fromkeys((*stored[row], *values)):
            pair = (stored[row].get(key), values.get(key))
            if (key in stored[row]) != (key in values) or not _equal(*pair):
                faults.append(f"{key} of {row} {_differs(*pair)}")
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Check.of(name, not faults, faults[0] + more if faults else f"{len(recomputed)} rows")


def same_check(name: str, stored: Any, recomputed: Any) -> Check:
    """Whether what is stored is what was computed again, to the last bit."""
    equal = _equal(stored, recomputed)
    return Check.of(name, equal, _shown(stored) if equal else _differs(stored, recomputed))


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
