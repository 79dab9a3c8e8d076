"""`bench check --update` leaves the old baseline or the new one, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from evaluated_runs import evaluated, truth
from gated_runs import GOOD, gate, pair

from commands import Run
from own_folders import QUIET
from segbench.commands.check import CheckRequest, check
from segbench.runs.find import run_folders


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A baseline of 30 runs with a note beside them, and new ones of each."""
    pair(tmp_path, [0.1] * 6, [GOOD] * 6)
    for place in ("baseline", "runs"):
        for number in range(1, 30):
            shutil.copytree(tmp_path / place / "model", tmp_path / place / f"model-{number}")
            path = tmp_path / place / f"model-{number}" / "record.json"
            record = json.loads(path.read_text())
            record["method"]["name"], record["run_id"] = f"model-{number}", f"folder-model-{place}{number:04d}"
            path.write_text(json.dumps(record))
    (tmp_path / "baseline" / "README.md").write_text("ours\n", encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_an_update_leaves_what_is_not_its_own(many: Path) -> None:
    shutil.rmtree(many / "runs" / "model-7")
    before = contents(many / "baseline")
    made = check(CheckRequest(many / "baseline", many / "runs", update=True), QUIET)
    after = contents(many / "baseline")
    assert len(made.updated or []) == 29
    assert before.keys() == after.keys()
    changed = {path.partition("/")[0] for path in before if before[path] != after[path]}
    assert changed == {"model", *(f"model-{number}" for number in range(1, 30) if number != 7)}
    assert [path.name for path in many.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_a_killed_update_leaves_the_old_baseline_or_the_new_one(many: Path) -> None:
    old, wanted = contents(many / "baseline"), contents(many / "runs")
    words = ["check", "--baseline", str(many / "baseline"), "--runs", str(many / "runs"), "--update", "-q"]
    killed = 0
    for round_ in range(12):
        code = "from segbench.cli import main; main()"
        process = subprocess.Popen([sys.executable, "-c", code, *words])
        while process.poll() is None and not any(many.glob(".baseline.*")):
            time.sleep(0.0005)
        time.sleep(0.002 * round_)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        found = contents(many / "baseline")
        if found != old:
            assert {path: found[path] for path in found if path != "README.md"} == {
                path: wanted[path] for path in wanted if path.endswith(("record.json", ".parquet"))
            }
            break
        assert len(run_folders(many / "baseline")) == 30
    assert killed >= 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_full_disk_leaves_the_old_baseline(many: Path) -> None:
    """The statistics of the last run are larger than any file may get."""
    root = truth(many / "large", 120)
    shutil.rmtree(many / "runs" / "model-9")
    large = evaluated(root, many / "runs" / "zz-large", [0.3] * 120, name="zz", metrics=("boundary",))
    sizes = [path.stat().st_size for path in (many / "runs").rglob("*") if path.is_file() and large not in path.parents]
    limit = max(sizes) + 100
    assert (large / "statistics.parquet").stat().st_size > limit or (large / "record.json").stat().st_size > limit
    old = contents(many / "baseline")
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "from segbench.cli import main; main()"
    )
    words = ["check", "--baseline", str(many / "baseline"), "--runs", str(many / "runs"), "--update", "-q"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr
    assert contents(many / "baseline") == old
    assert [path.name for path in many.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_runs_that_cannot_stand_beside_each_other_leave_the_old_baseline(bench: Run, many: Path) -> None:
    (many / "runs" / "model-20" / "statistics.parquet").write_bytes(b"nothing")
    old = contents(many / "baseline")
    code, _, err = gate(bench, many, "--update")
    assert code == 2
    assert "statistics.parquet" in err
    assert contents(many / "baseline") == old


@pytest.mark.slow
def test_folders_of_one_name_are_both_kept(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "root", 6)
    for name in ("one", "two"):
        evaluated(root, tmp_path / "runs" / name / "cell", [GOOD] * 6, name=name)
    assert gate(bench, tmp_path, "--update")[0] == 0
    code, found, _ = gate(bench, tmp_path)
    assert (code, [each["name"] for each in found["checks"]]) == (0, ["folder real all one", "folder real all two"])
