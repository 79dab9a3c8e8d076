"""What the terminal says unasked: where one is, what comes next, how long it takes, which names there are."""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from commands import Run
from places import ROOT
from segbench.api.reporting import PythonReporter
from segbench.io import reporter
from segbench.io.reporter import Reporter
from segbench.text import duration

RECORD = ROOT / "leaderboards" / "records" / "isbi2012-threshold-146d703e"


def test_bench_alone_says_where_one_is_and_what_comes_next(bench: Run, tmp_path: Path) -> None:
    first = bench(SEGBENCH_DATA=str(tmp_path / "data"))
    assert first.returncode == 0
    assert "Usage: bench" in first.stdout
    assert "Here: no runs yet in ./runs" in first.stdout
    assert "Data: none yet" in first.stdout
    assert "Next: bench run --dataset medaka --method unet" in first.stdout
    shutil.copytree(RECORD, tmp_path / "runs" / RECORD.name)
    (tmp_path / "data" / "isbi2012").mkdir(parents=True)
    (tmp_path / "data" / "isbi2012" / "train-labels.tif").touch()
    (tmp_path / "data" / "empty").mkdir()
    second = bench(SEGBENCH_DATA=str(tmp_path / "data"))
    assert f"Here: 1 run in ./runs, the newest {RECORD.name}: v_rand 0.89" in second.stdout
    assert f"Data: isbi2012 (in {tmp_path / 'data'})" in second.stdout
    assert "Next: bench report runs --out report" in second.stdout


@pytest.mark.parametrize("columns", ["60", "80"])
def test_the_list_of_commands_cuts_no_sentence(bench: Run, columns: str) -> None:
    for words in ((), ("data",)):
        lines = bench(*words, "--help", COLUMNS=columns).stdout.partition("Commands:\n")[2].splitlines()
        listed = " ".join(line for line in lines if line.startswith("  "))
        assert "..." not in listed
        assert all(len(line) <= int(columns) for line in lines)
        assert all(re.search(r"[.?]$", each.strip()) for each in re.split(r"(?m)^  (?=[a-z])", "\n".join(lines))[1:-1])


def test_a_damaged_record_does_not_stop_the_overview(bench: Run, tmp_path: Path) -> None:
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "record.json").write_text("{")
    done = bench()
    assert done.returncode == 0
    assert "Here: 1 run in ./runs\n" in done.stdout


def test_progress_is_told_where_no_bar_can_be_drawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reporter, "EVERY_S", 0.0)
    with Reporter().progress("training") as advance:
        advance(1, 1)
        advance(1_000, 4_500, "loss 0.5")
        advance(4_500, 4_500)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "training …"
    assert lines[1].startswith("training: 1,000 of 4,500, about ")
    assert lines[1].endswith(" left, loss 0.5")
    assert len(lines) == 2
    with Reporter(quiet=True).progress("training") as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""


def test_what_was_done_before_a_resume_took_no_time_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Reporter().progress("training") as advance:
        for step in range(7_001, 7_101):
            now += 1.0
            advance(step, 10_000)
    told = [line for line in capsys.readouterr().err.splitlines() if "left" in line]
    left = [f"about {duration(10_000 - step)} left" for step in (7_030, 7_060, 7_090)]
    assert [line.split(", ", 1)[1] for line in told] == left


def test_the_time_that_is_left_under_a_limit_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reporter, "EVERY_S", 0.0)
    with Reporter().progress("fitting") as advance:
        advance(1, 2_000)
        advance(54, 2_000, "loss 0.5", 290.0)
    assert capsys.readouterr().err.splitlines()[-1] == "fitting: 54 of 2,000, about 4 min 50 s left, loss 0.5"


def test_bars_show_the_time_that_is_left_under_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Reporter()
    shown._console = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr("sys.stderr", written := io.StringIO())
    for bars in (shown, PythonReporter(bars=True)):
        with bars.progress("fitting") as advance:
            for step in range(1, 30):
                advance(step, 2_000, "loss 0.5", 3_723.0)
                time.sleep(0.05)
    assert "1:02:03" in shown.console.file.getvalue()  # type: ignore[attr-defined]
    assert "<1:02:03, loss 0.5]" in written.getvalue()


def test_each_phase_is_timed_by_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Reporter().progress("fitting") as advance:
        for done in range(1, 7):
            now += 60.0
            advance(done, 6, "candidate")
        for total in (16, 16):  # the second differs from the first in nothing but that it begins again
            for done in range(1, total + 1):
                now += 10.0
                advance(done, total, "describing regions")
    told = [line for line in capsys.readouterr().err.splitlines() if "describing" in line]
    left = [f"{done} of 16, about {duration(10 * (16 - done))} left" for done in (1, 4, 7, 10, 13)]
    assert [line.removeprefix("fitting: ").removesuffix(", describing regions") for line in told] == left * 2


def test_no_line_of_progress_comes_before_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter().progress("training") as advance:
        for step in range(1, 100):
            advance(step, 100)
    assert capsys.readouterr().err == "training …\n"


def test_a_method_that_was_left_out_is_asked_for_on_a_terminal_alone(bench: Run, tmp_path: Path) -> None:
    piped = bench("run", "--dataset", "medaka")
    assert piped.returncode == 2
    assert "Missing option '--method' / '-m'." in piped.stderr
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "segbench", "run", "--dataset", "nowhere", "--root", str(tmp_path)]
    environment = {**os.environ, "COLUMNS": "80", "PYTHONPATH": ""}
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=tmp_path) as process:
        os.close(theirs)
        os.write(ours, b"0\n2\n")
        said = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:
                break
            said += part
            if not part:
                break
    os.close(ours)
    text = said.decode().replace("\r", "")
    assert "  1  canny" in text
    assert "method (number or name): " in text
    assert "a number from 1 to " in text
    assert "Unknown dataset 'nowhere'" in text
    assert process.returncode == 2


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("bench le", ["leaderboard"]),
        ("bench run --method fc", ["fcn", "fcn-resnet50"]),
        ("bench evaluate -d isb", ["isbi2012"]),
    ],
)
def test_a_shell_completes_commands_and_names(bench: Run, words: str, completed: list[str]) -> None:
    count = str(len(words.split()) - 1)
    done = bench(_BENCH_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
    assert done.stdout.split() == completed
