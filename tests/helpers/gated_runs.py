"""Runs of few samples before the gate of `bench check`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from evaluated_runs import evaluated, truth

from commands import Run

GOOD, BAD = 0.02, 0.5


def gate(bench: Run, folder: Path, *more: str | Path, **places: Path) -> Any:
    """What `bench check` found and its exit status, with what its files for other tools say."""
    baseline, runs = places.get("baseline", folder / "baseline"), places.get("runs", folder / "runs")
    junit, summary = folder / "junit.xml", folder / "summary.md"
    summary.unlink(missing_ok=True)
    files = ("--junit", junit, "--summary", summary)
    done = bench("check", "--baseline", baseline, "--runs", runs, "--json", *files, *more)
    assert "Traceback" not in done.stderr
    suite = ElementTree.parse(junit).getroot()
    closed = int(suite.get("failures", "")) + int(suite.get("errors", ""))
    assert len(suite.findall("testcase/failure")) + len(suite.findall("testcase/error")) == closed
    assert (closed > 0) == (done.returncode != 0), "JUnit agrees with the exit status"
    assert ("❌" in summary.read_text(encoding="utf-8")) == (done.returncode != 0), "and so does the summary"
    return done.returncode, json.loads(done.stdout) if done.returncode < 2 else {}, done.stderr


def pair(folder: Path, before: Sequence[float], now: Sequence[float]) -> Path:
    """A baseline and a run of the same method on the same samples."""
    root = truth(folder / "root", len(before))
    evaluated(root, folder / "baseline" / "model", before)
    evaluated(root, folder / "runs" / "model", now, seed=1)
    return folder
