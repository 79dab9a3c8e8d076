"""The verdicts of the regression gate for other tools: JUnit XML, and markdown for the summary of a CI step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from tabulate import tabulate

from ..text import counted, number, printable
from .check_result import CheckedRun, CheckResult, LostClass, LostSample, Verdict, classes_lost
from .markdown import escape

MARKS: Mapping[Verdict, str] = {"ok": "✅", "better": "⬆️", "worse": "❌", "slower": "🐢", "inconclusive": "❓"}


def junit(found: CheckResult) -> str:
    """JUnit XML, one test case for each run; one that was compared with nothing is skipped, unless it is to fail."""
    strays = sum(each.failed for each in found.unchecked)
    counts = {"failures": sum(each.failed for each in found.checks) + strays, "skipped": len(found.unchecked) - strays}
    suite = _suite(len(found.checks) + len(found.unchecked), **counts)
    for each in found.checks:
        case = _case(suite, each.name)
        if each.failed:
            failure = ElementTree.SubElement(case, "failure", message=_xml(each.message), type=each.verdict)
            failure.text = _xml("\n".join(_plain_rows(each)))
        else:
            ElementTree.SubElement(case, "system-out").text = _xml("\n".join([each.message, *_plain_classes(each)]))
    for stray in found.unchecked:
        how = {"message": _xml(stray.message), "type": "unchecked"}
        ElementTree.SubElement(_case(suite, stray.name), "failure" if stray.failed else "skipped", how)
    return _text(suite)


def junit_of_error(message: str) -> str:
    """JUnit XML of a check that came to no verdict, and why."""
    suite = _suite(1, errors=1)
    ElementTree.SubElement(_case(suite, "bench check"), "error", message=_xml(message), type="error")
    return _text(suite)


def _suite(tests: int, **counts: int) -> ElementTree.Element:
    every = {"failures": 0, "errors": 0, "skipped": 0, **counts}
    return ElementTree.Element(
        "testsuite", {key: str(n) for key, n in {"tests": tests, **every}.items()}, name="bench check"
    )


def _case(suite: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname="segbench", name=_xml(name))


def _text(suite: ElementTree.Element) -> str:
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return printable(text) if "\n" not in text else "\n".join(map(printable, text.split("\n")))


def _plain_rows(each: CheckedRun) -> list[str]:
    rows = [f"{row.sample}: {number(row.baseline, '.4f')} → {number(row.value, '.4f')}" for row in each.samples]
    return ["samples that lost most:", *rows, *_plain_classes(each)]


def _plain_classes(each: CheckedRun) -> list[str]:
    rows = [f"{row.name}: {number(row.baseline, '.4f')} → {number(row.value, '.4f')}" for row in each.notable_classes]
    return [classes_lost(each.notable_classes), *rows] if rows else []


def summary(found: CheckResult) -> str:
    """Markdown for the step summary of a CI run."""
    if found.updated is not None:
        return f"## {found.title}\n\n" + "".join(f"- {escape(path)}\n" for path in found.updated)
    title = f"✅ {counted(len(found.checks), 'run')} held" if found.ok else f"❌ {found.title}"
    lines = [f"## {title}", "", *_overview(found.checks), ""]
    tolerance = 0.0 if found.tolerance is None else found.tolerance
    lines += [
        f"Tolerance {tolerance:g}. A run fails when its loss is larger than the tolerance and than the noise (at a "
        "level of 1 % over all runs), or when its samples could not have shown a loss.",
        "",
    ]
    for each in found.checks:
        if each.failed or each.notable_classes:
            lines += [f"### {escape(each.name)}", "", escape(each.message), ""]
            lines += _table("sample that lost most", [(row.sample, row) for row in each.samples if each.failed])
            by = next((row.by for row in each.notable_classes), "")
            lines += _table(f"class that lost most, by {by}", [(row.name, row) for row in each.notable_classes])
    if found.unchecked:
        lines += ["### Not checked", ""]
        marks = ((MARKS["worse"] if stray.failed else "⚠️", stray) for stray in found.unchecked)
        lines += [f"- {mark} {escape(stray.name)}: {escape(stray.message)}" for mark, stray in marks]
    return "\n".join(lines) + "\n"


def summary_of_error(message: str) -> str:
    """Markdown of a check that came to no verdict, and why."""
    return f"## ❌ not checked\n\n{escape(message)}\n"


def _overview(checks: Sequence[CheckedRun]) -> list[str]:
    """A row for each run."""
    body = [
        [
            *(MARKS[each.verdict], escape(each.name), escape(each.score)),
            *(number(value, ".4f") for value in (each.baseline, each.value)),
            *(number(value, ".4f") for value in (each.change, each.noise, each.seen)),
        ]
        for each in checks
    ]
    headers = ["", "run", "score", "baseline", "now", "change", "noise", "would have been seen"]
    return [tabulate(body, headers=headers, tablefmt="github", disable_numparse=True)]


def _table(what: str, rows: Sequence[tuple[str, LostSample | LostClass]]) -> list[str]:
    if not rows:
        return []
    body = [
        [escape(name), *(number(value, ".4f") for value in (row.baseline, row.value, row.loss))] for name, row in rows
    ]
    headers = [escape(what), "baseline", "now", "loss"]
    return [tabulate(body, headers=headers, tablefmt="github", disable_numparse=True), ""]
