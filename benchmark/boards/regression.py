"""The verdict of the regression gate: did a run get worse than its baseline, by more than tolerance and noise?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
from tabulate import tabulate

from ..evaluation.comparison import Paired
from ..runs.record import Record
from ..text import counted, printable
from ..types import UserError
from .markdown import escape

ALPHA = 0.01
"""Chance that a method that did not change is called worse, over all runs of a check together."""


POWER = 0.8


MOST = 10
"""So many classes and samples that lost most are named."""


Verdict = Literal["ok", "worse", "better", "slower"]


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
