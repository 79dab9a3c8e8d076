"""Reports of `bench check`, written wherever it ends, and read by whoever stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from gated_runs import BAD, GOOD, gate, pair

from commands import Run
from segbench.commands.check import append


@pytest.mark.slow
def test_an_old_report_does_not_outlive_a_check_that_failed(bench: Run, tmp_path: Path) -> None:
    folder = pair(tmp_path, [GOOD] * 6, [GOOD] * 6)
    assert gate(bench, folder)[0] == 0
    shutil.rmtree(folder / "runs")
    code, _, err = gate(bench, folder)
    assert code == 2
    assert "expected the runs to check" in err
    (error,) = ElementTree.parse(folder / "junit.xml").getroot().findall("testcase/error")
    assert "expected the runs to check" in str(error.get("message"))


@pytest.mark.parametrize(
    "words",
    [
        ("--tolerence", "0.1"),
        ("--tolerance", "much"),
        ("--metric",),
        ("--baseline",),
        ("one", "two"),
    ],
)
def test_an_old_report_does_not_outlive_a_command_line_that_cannot_be_read(
    bench: Run, tmp_path: Path, words: Sequence[str]
) -> None:
    junit, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    junit.write_text("<testsuite name='old'/>", encoding="utf-8")
    summary.write_text("before\n", encoding="utf-8")
    done = bench("check", "--junit", junit, f"--summary={summary}", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr
    (error,) = ElementTree.parse(junit).getroot().findall("testcase/error")
    assert "could not be read, so nothing was checked" in str(error.get("message"))
    said = summary.read_text(encoding="utf-8")
    assert said.startswith("before\n")
    assert "❌ not checked" in said


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_reports_through_a_link_are_written_where_it_leads(bench: Run, tmp_path: Path) -> None:
    for words, name in ((("--tolerance", "much"), "unread.xml"), (("--baseline", str(tmp_path / "no")), "checked.xml")):
        (tmp_path / name).write_text("old", encoding="utf-8")
        (tmp_path / f"link-{name}").symlink_to(name)
        assert bench("check", "--junit", tmp_path / f"link-{name}", *words).returncode == 2
        assert (tmp_path / f"link-{name}").is_symlink()
        assert ElementTree.parse(tmp_path / name).getroot().findall("testcase/error")


def test_a_summary_is_added_to_whatever_others_wrote(tmp_path: Path) -> None:
    summary = tmp_path / "deep" / "summary.md"
    append(summary, "one\n")
    with summary.open("ab", buffering=0) as another_step:
        another_step.write(b"in Latin-1: \xe9\n")
        append(summary, "two\udcff\n")
        another_step.write(b"three\n")
    assert summary.read_bytes() == b"one\nin Latin-1: \xe9\ntwo\\udcff\nthree\n"


def test_a_command_line_that_cannot_be_read_writes_no_other_file(bench: Run, tmp_path: Path) -> None:
    old = tmp_path / "junit.xml"
    old.write_text("old", encoding="utf-8")
    for words in (
        ("chekc", "--junit", old),
        ("compare", "--junit", old),
        ("check", "--junti", old),
        ("check", "--junit", "--baseline", old),
        ("check", "--", "--junit", old),
        ("check", "--junit", tmp_path, "--odd"),
    ):
        assert bench(*words).returncode == 2
        assert old.read_text(encoding="utf-8") == "old"
        assert list(tmp_path.iterdir()) == [old]
    assert bench("check", "--junit", old, "--help").returncode == 0
    assert old.read_text(encoding="utf-8") == "old"


@pytest.mark.slow
def test_a_reader_that_has_gone_does_not_open_the_gate(tmp_path: Path) -> None:
    folder = pair(tmp_path, [GOOD] * 8, [BAD] * 8)
    reading, writing = os.pipe()
    os.close(reading)
    words = ["check", "--baseline", str(folder / "baseline"), "--runs", str(folder / "runs"), "-q"]
    code = "from segbench.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *words], stdout=writing, stderr=subprocess.DEVNULL, check=False)
    os.close(writing)
    assert done.returncode != 0
