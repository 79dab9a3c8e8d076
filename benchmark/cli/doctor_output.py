"""Printing a diagnosis."""

from __future__ import annotations

import shlex
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from ..diagnosis.document import ModelDiagnosis
from ..text import counted, number
from . import output

if TYPE_CHECKING:
    from ..commands.doctor import Diagnosis, Finding


def diagnosis(found: Diagnosis, as_json: bool, root: Path | None = None) -> None:
    """What is wrong, with the evidence, the remedy, and the score before and after it."""
    if as_json:
        print(found.to_json(), end="")
        return
    seen = f"{found.method} on" if isinstance(found, ModelDiagnosis) else f"{counted(found.n_files, 'file')} for"
    lines = [
        f"{found.dataset}, split {found.split}: {seen} {counted(found.n_samples, 'sample')}; "
        f"{found.score_name} {_score(found.score)} on {counted(found.n_scored, 'sample')}"
        + (f" (cannot be scored: {found.reason})" if found.reason else "")
    ]
    if not found.findings:
        lines.append("nothing wrong was found")
    for place, finding in enumerate(found.findings, 1):
        lines += ["", f"{place}. {finding.kind}: {finding.summary}", *_body(finding, found.score_name)]
    if found.findings:
        changed = "No file was changed." if found.written else "Nothing was changed."
        lines += ["", f"{changed} Scores after a remedy assume the remedies listed above it."]
    if found.written:
        given = [] if root is None else ["--root", str(root)]
        words = ["--dataset", found.dataset, *given, "--split", found.split, "--predictions", found.written]
        some = "" if found.n_written == found.n_samples else f" of {found.n_written} of {found.n_samples} samples"
        words += ["--partial"] * bool(some)
        lines += [f"Corrected predictions{some} are in {found.written}. To score them:"]
        lines += [f"  bench evaluate {shlex.join(words)}"]
    if isinstance(found, ModelDiagnosis) and found.card is not None:
        name = found.method.partition(":")[2]
        lines += [f"A model card with all of them, to be written beside the model as {name}.yaml:", ""]
        lines += found.card.splitlines()
    # Of a terminal, or as COLUMNS says; a pipe gets whole lines.
    width = shutil.get_terminal_size((0, 0)).columns
    output.text("\n".join(_folded(_printable(line), width) for line in lines))


def _body(finding: Finding, score_name: str) -> list[str]:
    body = [f"   - {line}" for line in finding.evidence]
    body.append(f"   remedy: {finding.remedy}")
    if finding.score_before is not None or finding.score_after is not None:
        mark = ", an estimate" if finding.estimate else ""
        body.append(
            f"   {score_name} {_score(finding.score_before)} → {_score(finding.score_after)} "
            f"on {counted(finding.n_samples, 'sample')}{mark}"
        )
    return body


def _folded(line: str, width: int) -> str:
    """A line broken between words, further lines indented below its text; paths stay whole."""
    if len(line) <= width or not width:
        return line
    indent = " " * (5 if line.startswith("   - ") else 3)
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _score(value: float | None) -> str:
    return number(value, ".4f")


def _printable(line: str) -> str:
    """Names of files come from outside; a terminal must not obey them."""
    return "".join(character if character.isprintable() else "\ufffd" for character in line)
