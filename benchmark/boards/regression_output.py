"""The verdicts of the regression gate for other tools: JUnit XML, and markdown for the summary of a CI step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from tabulate import tabulate

from ..text import counted, number, printable
from .markdown import escape
from .regression import CheckedRun, LostClass, LostSample


def junit(found: Iterable[CheckedRun]) -> str:
    """JUnit XML, one test case for each run."""
    cases = list(found)
    failures = sum(each.failed for each in cases)
    suite = ElementTree.Element("testsuite", name="bench check", tests=str(len(cases)), failures=str(failures))
    for each in cases:
        case = ElementTree.SubElement(suite, "testcase", classname="segbench", name=_xml(each.name))
        if each.failed:
            failure = ElementTree.SubElement(case, "failure", message=_xml(each.message), type=each.verdict)
            failure.text = _xml("\n".join(_plain_rows(each)))
        else:
            ElementTree.SubElement(case, "system-out").text = _xml(each.message)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return printable(text) if "\n" not in text else "\n".join(map(printable, text.split("\n")))


def _plain_rows(each: CheckedRun) -> list[str]:
    rows = [f"{row.sample}: {number(row.baseline, '.4f')} → {number(row.value, '.4f')}" for row in each.samples]
    return [
        "samples that lost most:",
        *rows,
        "classes that lost:",
        *(f"{row.name}: -{number(row.loss, '.4f')}" for row in each.classes),
    ]


def summary(found: Sequence[CheckedRun], tolerance: float) -> str:
    """Markdown for the step summary of a CI run."""
    failed = sum(each.failed for each in found)
    title = (
        f"❌ {counted(failed, 'run')} of {len(found)} got worse" if failed else f"✅ {counted(len(found), 'run')} held"
    )
    marks = {"ok": "✅", "better": "⬆️", "worse": "❌", "slower": "🐢"}
    body = [
        [
            *(marks[each.verdict], escape(each.name), escape(each.score)),
            *(number(value, "z.4f") for value in (each.baseline, each.value)),
            *(
                number(value, "z.4f")
                for value in (None if each.loss is None else -each.loss, each.noise, each.detectable)
            ),
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
            lines += [f"### {escape(each.name)}", "", escape(each.message), ""]
            lines += _table("sample", [(row.sample, row) for row in each.samples])
            lines += _table("class", [(row.name, row) for row in each.classes])
    return "\n".join(lines) + "\n"


def _change(run: CheckedRun) -> float | None:
    return None if run.loss is None else -run.loss


def _table(what: str, rows: Sequence[tuple[str, LostSample | LostClass]]) -> list[str]:
    if not rows:
        return []
    body = [
        [escape(name), *(number(value, "z.4f") for value in (row.baseline, row.value, row.loss))] for name, row in rows
    ]
    headers = [f"{what} that lost most", "baseline", "now", "loss"]
    return [tabulate(body, headers=headers, tablefmt="github", disable_numparse=True), ""]
