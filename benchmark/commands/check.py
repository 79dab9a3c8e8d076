"""`bench check`: did a method get worse than its committed baseline, by more than the tolerance and the noise?"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

from ..boards.compare_runs import refuse_incomparable
from ..boards.regression import (
    ALPHA,
    Checked,
    _classes,
    _costs,
    _samples,
    _slower,
    _verdict,
    junit,
    loss_of,
    message,
    summary,
)
from ..evaluation.comparison import Paired, holm
from ..evaluation.scores import plain
from ..io.atomic import atomic_path, write_text
from ..io.reporter import Reporter
from ..runs.find import find_runs
from ..runs.folder import RECORD, STATISTICS
from ..runs.record import Record
from ..runs.request import CheckRequest as CheckRequest
from ..runs.stored import StoredRun, open_run
from ..types import UserError


def check(request: CheckRequest, reporter: Reporter) -> dict[str, Any]:
    """Compare runs with a baseline; `ok` is False where one got worse.

    Raises
    ------
    UserError
        For a baseline without runs, a run that is missing, or runs that are not comparable with their baseline.
    """
    if not 0 <= request.tolerance < math.inf:
        raise UserError(f"--tolerance is a loss in the score's unit from 0, found {request.tolerance}")
    if request.update:
        return _update(request, reporter)
    pairs = _pairs(request, reporter)
    found = []
    with reporter.progress("checking") as update:
        for done, (key, baseline, run) in enumerate(pairs, 1):
            found.append(_checked(request, key, open_run(baseline), open_run(run)))
            update(done, len(pairs), "")
    for each, p in zip(found, holm([each.p for each in found]), strict=True):
        each.verdict = _verdict(each, request.tolerance, p)
    document: dict[str, Any] = plain(
        {
            "ok": not any(each.failed for each in found),
            "tolerance": request.tolerance,
            "alpha": ALPHA,
            "checks": [{**vars(each), "failed": each.failed, "message": message(each)} for each in found],
        }
    )
    if request.junit is not None:
        write_text(request.junit, junit(found))
    if request.summary is not None:
        _append(request.summary, summary(found, request.tolerance))
    return document


def _identity(record: Record) -> tuple[str, ...]:
    """What makes a run the successor of another: the same data and the same method, whatever its settings are now."""
    data, method = record.dataset, record.method
    options = ", ".join(f"{k}={v}" for k, v in sorted(data.options.items()))
    protocol = f"{data.folds} folds" if data.folds else data.split
    fraction = "" if method.train_fraction in (None, 1.0) else f"{method.train_fraction:g} of labels"
    seed = "" if not method.seed else f"seed {method.seed}"
    return tuple(filter(None, (data.name, data.origin, protocol, options, method.name, method.preset, fraction, seed)))


def _folders(path: Path, what: str, reporter: Reporter) -> dict[tuple[str, ...], list[Path]]:
    if not path.is_dir():
        raise UserError(f"'{path}' is no folder; expected the {what}: run folders, or a folder of them")
    found: dict[tuple[str, ...], list[Path]] = {}
    for folder, record in find_runs([path], reporter.warn, may_be_none=True):
        if record.complete:
            found.setdefault(_identity(record), []).append(folder)
    return found


def _pairs(request: CheckRequest, reporter: Reporter) -> list[tuple[str, Path, Path]]:
    """Every run of the baseline with its successor."""
    before = _folders(request.baseline, "baseline", reporter)
    if not before:
        raise UserError(f"no complete run below '{request.baseline}'. Write one with 'bench check --update'.")
    now = _folders(request.runs, "runs to check", reporter)
    pairs = []
    for key, baseline in before.items():
        name = " ".join(key)
        for folders, where in ((baseline, request.baseline), (now.get(key, []), request.runs)):
            if len(folders) > 1:
                names = ", ".join(folder.name for folder in folders[:3])
                raise UserError(f"{len(folders)} runs of {name} below '{where}' ({names}); name the one to be checked")
        if key not in now:
            raise UserError(
                f"no complete run of {name} below '{request.runs}', but the baseline has one. Run it first."
            )
        pairs.append((name, baseline[0], now[key][0]))
    return pairs


def _checked(request: CheckRequest, name: str, baseline: StoredRun, run: StoredRun) -> Checked:
    refuse_incomparable([baseline.record, run.record])
    score_name = request.metric or baseline.record.main_score
    scores = {score.name: (metric, score) for metric in baseline.metrics for score in metric.scores}
    if score_name not in scores:
        raise UserError(f"'{score_name}' is no score of {name}. Available: {', '.join(scores)}.")
    metric, score = scores[score_name]
    sides = tuple(tuple(side.statistics.of(metric.name)) for side in (run, baseline))
    paired = Paired(metric, baseline.info, score, sides)
    found = loss_of(paired, request.tolerance)
    return Checked(
        *(name, run.record.run_id, score_name),
        baseline=float(paired.values[1]),
        value=float(paired.values[0]),
        **vars(found),
        classes=_classes(baseline.record, run.record),
        samples=_samples(paired),
        costs=_costs(baseline.record, run.record),
        slower=_slower(baseline.record, run.record, request.slowdown),
    )


def _append(path: Path, text: str) -> None:
    """Step summaries are files that other steps have written to."""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_text(path, before + text)


def _update(request: CheckRequest, reporter: Reporter) -> dict[str, Any]:
    """Copy the records and statistics of the runs into the baseline; a run replaces its predecessor."""
    now = _folders(request.runs, "runs to keep", reporter)
    if not now:
        raise UserError(f"no complete run below '{request.runs}' to make a baseline of")
    for key, folders in now.items():
        if len(folders) > 1:
            raise UserError(
                f"{len(folders)} runs of {' '.join(key)} below '{request.runs}'; keep the one to be the baseline"
            )
    request.baseline.mkdir(parents=True, exist_ok=True)
    before = _folders(request.baseline, "baseline", reporter)
    written = []
    for key, (folder,) in ((key, tuple(folders)) for key, folders in now.items()):
        open_run(folder)  # a run that cannot be checked against is no baseline
        target = request.baseline / folder.name
        for name in (STATISTICS, RECORD):
            with atomic_path(target / name) as temporary:
                shutil.copyfile(folder / name, temporary)
        for old in before.get(key, []):
            if old.resolve() != target.resolve():
                for name in (RECORD, STATISTICS):
                    (old / name).unlink(missing_ok=True)
                if not any(old.iterdir()):
                    old.rmdir()
        written.append(str(target))
    return {"ok": True, "updated": written, "checks": []}
