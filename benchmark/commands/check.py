"""`bench check`: did a method get worse than its committed baseline, by more than the tolerance and the noise?"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
from tabulate import tabulate

from ..comparison import Paired, holm
from ..errors import counted, printable
from ..files import atomic_path, write_text
from ..records import RECORD, STATISTICS, Record, plain, read_record
from ..reporting import Reporter
from ..types import UserError
from .compare import refuse_incomparable
from .tables import escape
from .verify import StoredRun, open_run

ALPHA = 0.01
"""Chance that a method that did not change is called worse, over all runs of a check together."""
POWER = 0.8
MOST = 10
"""So many classes and samples that lost most are named."""

Verdict = Literal["ok", "worse", "better", "slower"]


@dataclass(frozen=True)
class CheckRequest:
    """What the user asked for. `tolerance` is a loss in the score's unit, `slowdown` a factor on the times."""

    baseline: Path
    runs: Path = Path("runs")
    tolerance: float = 0.005
    slowdown: float | None = None
    update: bool = False
    junit: Path | None = None
    summary: Path | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Loss:
    """How much worse a run is than its baseline, and what that is worth; in the score's unit.

    noise : what a run that did not change would lose in one of a hundred test sets; detectable : the loss that is found
    in 4 of 5 test sets; p : one-sided, of the loss.
    """

    loss: float
    noise: float
    detectable: float
    p: float

    def beyond(self, tolerance: float, p_adjusted: float) -> bool:
        """Whether it is more than the tolerance and than the noise."""
        return self.loss > tolerance and self.loss > self.noise and p_adjusted <= ALPHA


def loss_of(paired: Paired, tolerance: float) -> Loss:
    """The loss of the first of two runs against the second."""
    error, freedom = paired.noise(0, 1)
    critical, powerful = _quantiles(freedom)
    loss = paired.sign * float(paired.values[1] - paired.values[0])
    p = paired.p_value(0, 1) / 2 if loss > 0 else 1.0
    return Loss(loss, critical * error, max(tolerance, (critical + powerful) * error), p)


@dataclass
class Checked:
    """One run against its baseline; `loss` is positive where the run is worse, in the score's unit."""

    name: str
    run_id: str
    score: str
    baseline: float | None
    value: float | None
    loss: float
    noise: float
    detectable: float
    p: float
    verdict: Verdict = "ok"
    classes: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    costs: dict[str, dict[str, float]] = field(default_factory=dict)
    slower: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether the gate closes for it."""
        return self.verdict in ("worse", "slower")


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
        return _update(request)
    pairs = _pairs(request)
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


def _folders(path: Path, what: str) -> dict[tuple[str, ...], list[Path]]:
    if not path.is_dir():
        raise UserError(f"'{path}' is no folder; expected the {what}: run folders, or a folder of them")
    found: dict[tuple[str, ...], list[Path]] = {}
    for folder in sorted(p.parent for p in path.rglob(RECORD)):
        record = read_record(folder)
        if record.complete:
            found.setdefault(_identity(record), []).append(folder)
    return found


def _pairs(request: CheckRequest) -> list[tuple[str, Path, Path]]:
    """Every run of the baseline with its successor."""
    before = _folders(request.baseline, "baseline")
    if not before:
        raise UserError(f"no complete run below '{request.baseline}'. Write one with 'bench check --update'.")
    now = _folders(request.runs, "runs to check")
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


def _quantiles(freedom: int) -> tuple[float, float]:
    """Student's t at the level of the check, and at its power."""
    from scipy.stats import t

    return (float(t.ppf(1 - ALPHA, freedom)), float(t.ppf(POWER, freedom))) if freedom > 0 else (math.inf, math.inf)


def _verdict(each: Checked, tolerance: float, p_adjusted: float) -> Verdict:
    if each.value is None or math.isnan(each.loss):
        return "worse" if each.baseline is not None and not math.isnan(each.baseline) else "ok"
    if Loss(each.loss, each.noise, each.detectable, each.p).beyond(tolerance, p_adjusted):
        return "worse"
    if each.slower:
        return "slower"
    return "better" if -each.loss > max(tolerance, each.noise) else "ok"


def _classes(before: Record, now: Record) -> list[dict[str, Any]]:
    """Classes that lost, by IoU where the table has it, the largest loss first."""
    rows: list[dict[str, Any]] = []
    for name, first in before.per_class.items():
        key = "iou" if "iou" in first else next(iter(first), "")
        old, new = first.get(key), now.per_class.get(name, {}).get(key)
        if old is not None and (new is None or new < old):
            rows.append({"class": name, "by": key, "baseline": old, "value": new, "loss": old - (new or 0.0)})
    return sorted(rows, key=lambda row: (-row["loss"], row["class"]))[:MOST]


def _samples(paired: Paired) -> list[dict[str, Any]]:
    """Samples that lost, the largest loss first."""
    value, before = paired.per_sample
    loss = paired.sign * (before - value)
    order = np.argsort(-np.where(np.isnan(loss), -np.inf, loss), kind="stable")
    return [
        {"sample": paired.runs[0][k].sample_id, "baseline": before[k], "value": value[k], "loss": loss[k]}
        for k in order[:MOST].tolist()
        if loss[k] > 0
    ]


_TIMES = {"train_s": "to fit, s", "predict_ms_per_image": "per image, ms"}


def _costs(before: Record, now: Record) -> dict[str, dict[str, float]]:
    pairs = {name: (getattr(before.cost, name), getattr(now.cost, name)) for name in _TIMES}
    return {name: {"baseline": old, "value": new} for name, (old, new) in pairs.items() if old and new is not None}


def _slower(before: Record, now: Record, slowdown: float | None) -> list[str]:
    if slowdown is None:
        return []
    if not 1 <= slowdown < math.inf:
        raise UserError(f"--slowdown is a factor from 1, found {slowdown}")
    return [name for name, cost in _costs(before, now).items() if cost["value"] > slowdown * cost["baseline"]]


def message(each: Checked) -> str:
    """One sentence on what was found."""
    if each.verdict == "slower":
        times = (
            f"{_TIMES[name]}: {each.costs[name]['baseline']:.3g} → {each.costs[name]['value']:.3g}"
            for name in each.slower
        )
        return f"slower than allowed ({'; '.join(times)})"
    if each.value is None or math.isnan(each.value):
        return f"{each.score} is undefined"
    before = each.baseline if each.baseline is not None else math.nan
    size = f"{each.score} {before:.4f} → {each.value:.4f}"
    limits = f"noise {each.noise:.4f}; a drop of {each.detectable:.4f} would have been seen"
    if each.verdict == "worse":
        names = ", ".join(row["sample"] for row in each.samples[:3])
        return f"{size}: a loss of {each.loss:.4f}, more than tolerance and noise ({limits}). Lost most: {names}"
    word = {"ok": "no loss beyond tolerance and noise", "better": "better; consider --update"}[each.verdict]
    return f"{size}: {word} ({limits})"


def junit(found: Iterable[Checked]) -> str:
    """JUnit XML, one test case for each run."""
    cases = list(found)
    failures = sum(each.failed for each in cases)
    suite = ElementTree.Element("testsuite", name="bench check", tests=str(len(cases)), failures=str(failures))
    for each in cases:
        case = ElementTree.SubElement(suite, "testcase", classname="segbench", name=_xml(each.name))
        if each.failed:
            failure = ElementTree.SubElement(case, "failure", message=_xml(message(each)), type=each.verdict)
            failure.text = _xml("\n".join(_plain_rows(each)))
        else:
            ElementTree.SubElement(case, "system-out").text = _xml(message(each))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return printable(text) if "\n" not in text else "\n".join(map(printable, text.split("\n")))


def _plain_rows(each: Checked) -> list[str]:
    rows = [f"{row['sample']}: {row['baseline']:.4f} → {row['value']:.4f}" for row in each.samples]
    return [
        "samples that lost most:",
        *rows,
        "classes that lost:",
        *(f"{row['class']}: -{row['loss']:.4f}" for row in each.classes),
    ]


def summary(found: Sequence[Checked], tolerance: float) -> str:
    """Markdown for the step summary of a CI run."""
    failed = sum(each.failed for each in found)
    title = (
        f"❌ {counted(failed, 'run')} of {len(found)} got worse" if failed else f"✅ {counted(len(found), 'run')} held"
    )
    marks = {"ok": "✅", "better": "⬆️", "worse": "❌", "slower": "🐢"}
    body = [
        [
            *(marks[each.verdict], escape(each.name), escape(each.score)),
            *(_number(value) for value in (each.baseline, each.value, -each.loss, each.noise, each.detectable)),
        ]
        for each in found
    ]
    headers = ["", "run", "score", "baseline", "now", "change", "noise", "would have been seen"]
    lines = [f"## {title}", "", tabulate(body, headers=headers, tablefmt="github", disable_numparse=True), ""]
    lines += [
        f"Tolerance {tolerance:g}. A run fails when its loss is larger than the tolerance and than the noise.",
        "",
    ]
    for each in found:
        if each.failed:
            lines += [f"### {escape(each.name)}", "", escape(message(each)), ""]
            lines += _table("sample", each.samples) + _table("class", each.classes)
    return "\n".join(lines) + "\n"


def _table(what: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    body = [[escape(row[what]), *(_number(row[key]) for key in ("baseline", "value", "loss"))] for row in rows]
    headers = [f"{what} that lost most", "baseline", "now", "loss"]
    return [tabulate(body, headers=headers, tablefmt="github", disable_numparse=True), ""]


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:z.4f}"


def _append(path: Path, text: str) -> None:
    """Step summaries are files that other steps have written to."""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_text(path, before + text)


def _update(request: CheckRequest) -> dict[str, Any]:
    """Copy the records and statistics of the runs into the baseline; a run replaces its predecessor."""
    now = _folders(request.runs, "runs to keep")
    if not now:
        raise UserError(f"no complete run below '{request.runs}' to make a baseline of")
    for key, folders in now.items():
        if len(folders) > 1:
            raise UserError(
                f"{len(folders)} runs of {' '.join(key)} below '{request.runs}'; keep the one to be the baseline"
            )
    request.baseline.mkdir(parents=True, exist_ok=True)
    before = _folders(request.baseline, "baseline")
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
