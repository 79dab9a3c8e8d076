"""What a suite may ask of SLURM, what its cells ask for, and what becomes of jobs that end in any way."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from commands import Run, printed_json
from segbench.errors import UserError
from segbench.runs.suite.cells import Job, Outcome
from segbench.runs.suite.engines.slurm_job import Report, read_report
from segbench.runs.suite.engines.slurm_options import checked_options, read_options, sbatch_options, warning_s
from segbench.runs.suite.engines.slurm_queue import Entry
from segbench.runs.suite.engines.slurm_watch import MAX_RETRIES, Task, judge
from segbench.runs.suite.grid import make_plan
from segbench.runs.suite.resources import Resources
from segbench.runs.suite.spec import parse_suite

SUITE = (
    "datasets: [isbi2012]\nmethods: [threshold, {name: unet, resources: {gpus: 2, time: '1-00:00'}}]\nseeds: [0, 1]\n"
)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("partition", "KEY=VALUE, found 'partition'"),
        ("partition=", "expected a text, such as partition=gpu"),
        ("partition=a\n#SBATCH --wrap=x", "one line without control characters"),
        ("partition=a\x1b[2J", "one line without control characters"),
        ("partition= a", "one line without control characters"),
        ("partition=" + "a" * 2000, "expected a text"),
        ("partitoin=gpu", "Did you mean 'partition'"),
        ("wrap=rm", "Unknown option of sbatch 'wrap'"),
        ("output=/etc/passwd", "Unknown option of sbatch 'output'"),
        ("export=NONE", "Unknown option of sbatch 'export'"),
        ("pre\nfix=1", "Unknown option of sbatch"),
        ("time=5", r"'time' follows from what a cell asks for: resources: \{time: …\}"),
        ("gres=gpu:1", r"resources: \{gpus: …\}"),
    ],
)
def test_an_option_that_is_not_to_be_given_is_refused(pair: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected) as caught:
        read_options([pair])
    assert str(caught.value).startswith("--slurm")
    assert "\x1b" not in str(caught.value)


def test_options_are_taken_by_each_of_their_names() -> None:
    assert read_options(["partition=gpu", "--mail-user=a@b", "mail_type=END", "constraint=a100|h100", "qos=a=b"]) == {
        "partition": "gpu",
        "mail-user": "a@b",
        "mail-type": "END",
        "constraint": "a100|h100",
        "qos": "a=b",
    }
    assert checked_options({"nice": 5}, "here") == {"nice": "5"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("slurm: {partition: true}", "'slurm': 'partition' is True"),
        ("slurm: {partition: [a]}", "'slurm"),
        ("slurm: {partiton: a}", "mine.yaml: 'slurm': Unknown option of sbatch 'partiton'. Did you mean 'partition'"),
        ('slurm: {partition: "a\\n#SBATCH --wrap=x"}', "one line without control characters"),
        ("slurm: partition", "'slurm' is"),
    ],
)
def test_a_suite_with_a_faulty_option_is_refused(text: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        make_plan(parse_suite(SUITE + text, Path("mine.yaml")), "mine", Path("mine.yaml"))


def test_resources_become_options() -> None:
    found = sbatch_options(Resources(4, None, 1.5, 90.2), True, {"partition": "gpu"})
    assert found == {
        "cpus-per-task": "4",
        "mem": "1536M",
        "time": "91",
        "gpus-per-node": "1",
        "signal": "B:USR2@180",
        "requeue": "",
        "partition": "gpu",
    }
    assert "gpus-per-node" not in sbatch_options(Resources(gpus=None), False, {})
    assert sbatch_options(Resources(gpus=3, minutes=None), False, {})["gpus-per-node"] == "3"
    assert [warning_s(Resources(minutes=m)) for m in (1, 5, 600)] == [30, 60, 180]


def test_a_dry_run_needs_neither_slurm_nor_submitit(
    bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(SUITE + "slurm: {partition: gpu, account: lab}\n")
    monkeypatch.setitem(sys.modules, "submitit", None)
    words = ["suite", "mine.yaml", "--engine", "slurm", "--slurm", "account=other", "--dry-run"]
    found = printed_json(bench(*words, "--json", PATH=str(tmp_path)))
    assert [array["n"] for array in found["arrays"]] == [2, 2]
    first, second = (array["options"] for array in found["arrays"])
    assert (first["partition"], first["account"], "gpus-per-node" in first) == ("gpu", "other", False)
    assert (second["gpus-per-node"], second["time"]) == ("2", "1440")
    printed = bench(*words, PATH=str(tmp_path))
    assert "sbatch, 2 cells: --cpus-per-task=2 --mem=8192M" in printed.stdout
    assert printed_json(bench("suite", "mine.yaml", "--dry-run", "--json"))["arrays"] == []


def test_what_is_missing_is_said_with_what_to_do(bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text(SUITE)
    done = bench("suite", "mine.yaml", "--engine", "slurm", PATH=str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "sbatch, squeue, scancel) are not here" in done.stderr
    for name in ("sbatch", "squeue", "scancel"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "submitit", None)
        done = bench("suite", "mine.yaml", "--engine", "slurm", PATH=str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert 'pip install "segbench[slurm]"' in done.stderr
    done = bench("suite", "mine.yaml", "--slurm", "partition=gpu")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "add --engine slurm" in done.stderr
    assert not (tmp_path / "runs").exists()


JOB = Job("cell", ("run",), Path("cell.log"), resources=Resources(memory_gb=3))
DONE = Report("done", 0, 5.0, "", "n1")
STRANDED = Report("stranded", 130, 5.0, "interrupted", "n1")
LONG_AGO = time.monotonic() - 3600


@pytest.mark.parametrize(
    ("report", "entry", "expected"),
    [
        (DONE, Entry("COMPLETING", "n1", ""), "done"),
        (DONE, None, "done"),
        (Report("failed", 1, 5.0, "no luck", "n1"), Entry("RUNNING", "n1", ""), "failed: no luck"),
        (Report("interrupted", 130, 5.0, "asked", "n1"), Entry("COMPLETED", "n1", ""), "interrupted: asked"),
        (None, Entry("PENDING", "", "Resources"), None),
        (None, Entry("RUNNING", "n1", ""), None),
        (STRANDED, Entry("PENDING", "", "BeginTime"), None),
        (STRANDED, Entry("CANCELLED", "n1", ""), "interrupted: cancelled in SLURM's queue (scancel)"),
        (STRANDED, Entry("COMPLETED", "n1", ""), "lost"),
        (STRANDED, Entry("PREEMPTED", "n1", ""), "lost"),
        (None, Entry("CANCELLED", "", ""), "interrupted: cancelled in SLURM's queue (scancel)"),
        (None, Entry("NODE_FAIL", "n1", ""), "lost"),
        (None, Entry("TIMEOUT", "n1", ""), "lost"),
        (
            None,
            Entry("OUT_OF_MEMORY", "n1", ""),
            "failed: out of memory: it needs more than 3 GB (resources: {memory_gb: …})",
        ),
        (None, Entry("FAILED", "n1", ""), "failed: its job ended without a result (FAILED): no such python"),
        (None, None, "lost"),
    ],
)
def test_what_becomes_of_a_job(
    report: Report | None, entry: Entry | None, expected: str | None, tmp_path: Path
) -> None:
    (tmp_path / "1_0_0_log.out").write_text("no such python\n")
    found = judge(Task(JOB, "1_0", silent_since=LONG_AGO), report, entry, False, tmp_path)
    said = f"{found.status}: {found.error}".removesuffix(": ") if isinstance(found, Outcome) else found
    assert said == expected
    # Once all are asked to end nothing is submitted any more, nor waited for that has ended.
    ended = judge(Task(JOB, "1_0", "slurm 1_0 on n1"), report, entry, True, tmp_path)
    assert ended is None if expected is None else isinstance(ended, Outcome)
    assert judge(Task(JOB, "1_0", retries=MAX_RETRIES, silent_since=LONG_AGO), report, entry, False, tmp_path) != "lost"


def test_a_job_that_is_gone_without_a_word_is_given_time_to_be_heard_of(tmp_path: Path) -> None:
    for entry in (None, Entry("COMPLETED", "n1", ""), Entry("FAILED", "n1", "")):
        assert judge(Task(JOB, "1_0"), None, entry, False, tmp_path) == "silent"
        assert judge(Task(JOB, "1_0", silent_since=time.monotonic()), None, entry, False, tmp_path) == "silent"
    unstarted = judge(Task(JOB, "1_0"), None, Entry("CANCELLED", "", ""), True, tmp_path)
    assert isinstance(unstarted, Outcome)
    assert unstarted.status == "unstarted"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"status": "done"}', '{"status": 3}', "\xff"])
def test_a_report_that_cannot_be_read_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "1_0.json"
    path.write_bytes(text.encode("latin-1"))
    assert read_report(path) is None
    assert read_report(tmp_path / "2_0.json") is None
