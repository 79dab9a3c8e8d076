"""`bench suite --status, --watch, --cancel, --export`, and a second process on one folder: real suites, real kills."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from commands import Run, printed_json
from preloaded import compiled
from segbench.cli.suite_output import Watcher
from segbench.cli.suite_status_output import cancelled
from segbench.commands.suite import run_suite
from segbench.errors import UserError
from segbench.io.locks import LOCK, BusyError, exclusive, is_held
from segbench.io.reporter import Reporter
from segbench.runs.request import SuiteRequest
from segbench.runs.suite.end_request import REQUEST, EndRequested, ask_to_end, forget_request
from segbench.runs.suite.state import STATE, CellState, Driver, SuiteState, now
from segbench.runs.suite.status import EndedSuite, status_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

QUICK = "{kind: [otsu], channel: [grey], sigma: [0.0], max_images: 1}"
PATIENT = """
import time
from dataclasses import replace
from pathlib import Path
from segbench.baselines.threshold import Threshold

class Patient(Threshold):
    info = replace(Threshold.info, name="patient")

    def fit(self, train, val, context):
        Path(__file__).with_name("begun").touch()
        while not context.stop():
            time.sleep(0.05)
        raise KeyboardInterrupt
"""
"""A method that fits until it is asked to end."""
Begin = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Begins `bench` with these words as a process of its own; what still runs at the end is killed."""
    begun: list[subprocess.Popen[str]] = []

    def begin_one(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from segbench.cli import main; main()", *map(str, words)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        begun.append(subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **pipes))
        return begun[-1]

    yield begin_one
    for process in begun:
        process.kill()
        process.communicate()


@pytest.fixture
def suite(stacks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """A suite of a cell that takes seconds, and one that takes as long as it may."""
    (tmp_path / "plugins" / "baselines").mkdir(parents=True)
    (tmp_path / "plugins" / "baselines" / "patient.py").write_text(PATIENT)
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(tmp_path / "plugins"))
    methods = f"[{{name: threshold, settings: {QUICK}}}, {{name: patient, settings: {QUICK}}}]"
    (tmp_path / "mine.yaml").write_text(f"datasets: [isbi2012]\nmethods: {methods}\n")
    return "suite", "mine.yaml", "--out", "out", "--root", f"isbi2012={stacks}", "--device", "cpu"


def _until_it_fits(folder: Path, driver: subprocess.Popen[str]) -> None:
    """Wait for the cell that takes long."""
    end = time.monotonic() + 240
    while not (folder / "plugins" / "baselines" / "begun").exists():
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def _stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (folder, folder / STATE, folder / LOCK)}


@pytest.mark.slow
def test_a_suite_is_watched_and_cancelled_from_elsewhere(
    bench: Run, begin: Begin, suite: tuple[object, ...], tmp_path: Path
) -> None:
    driver, out = begin(*suite), tmp_path / "out"
    _until_it_fits(tmp_path, driver)
    before = _stamps(out)
    found = printed_json(bench("suite", "out", "--status", "--json"))
    assert _stamps(out) == before
    assert found["state"] == "running"
    assert found["process"] == driver.pid
    assert found["counts"] == {"done": 1, "failed": 0, "running": 1, "interrupted": 0, "waiting": 0}
    (cell,) = found["under_way"]
    assert cell["cell"] == "isbi2012 (" + str(suite[5]).partition("=")[2] + "), patient, seed 0"
    assert cell["seconds"] > 0
    assert cell["last_line"]
    assert "patient, seed 0" in bench(*suite, "--status").stdout
    table = printed_json(bench(*suite, "--export", "half.csv", "--json"))
    assert (table["cells"], table["done"]) == (2, 1)

    # A second process on the folder watches, and Ctrl-C there ends nothing else.
    second = begin(*suite)
    assert second.stderr is not None
    assert "running already" in second.stderr.readline()
    assert "1 of 2 done, 0 failed, 1 running, 0 waiting" in second.stderr.readline()
    second.send_signal(signal.SIGINT)
    assert "the suite goes on" in second.communicate(timeout=60)[1]
    assert second.returncode == 130
    assert driver.poll() is None

    third = begin(*suite, "--resume")
    assert third.stderr is not None
    assert "running already" in third.stderr.readline()
    ended = bench(*suite, "--cancel")
    assert ended.returncode == 0, ended.stderr
    assert "ended in order: 1 cell under way" in ended.stdout
    assert "1 of 2 cells are done. Go on with: bench suite mine.yaml" in ended.stdout
    _, said = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert "asked for it with --cancel" in said
    watched, _ = third.communicate(timeout=60)
    assert third.returncode == 1
    assert "ended before all cells were run. Go on with: bench suite mine.yaml" in watched
    assert not (out / REQUEST).exists()
    state = json.loads((out / STATE).read_text())
    assert [cell["status"] for cell in state["cells"].values()] == ["done", "interrupted"]
    nothing = bench(*suite, "--cancel").stdout
    assert "nothing to end" in nothing
    assert "1 of 2 cells are done. Go on with" in nothing


def test_what_is_done_is_not_to_be_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    cancelled(EndedSuite.model_construct(was="ended", jobs=[], ended=[], done=2, n=2, next="bench suite"), False)
    assert capsys.readouterr().out.splitlines()[-1] == "2 of 2 cells are done"


@pytest.mark.slow
def test_a_killed_suite_is_told_from_a_live_one(
    bench: Run, begin: Begin, suite: tuple[object, ...], tmp_path: Path
) -> None:
    driver, out = begin(*suite), tmp_path / "out"
    _until_it_fits(tmp_path, driver)
    watcher = begin(*suite, "--watch")
    assert watcher.stderr is not None
    assert "1 running" in watcher.stderr.readline()
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    said, _ = watcher.communicate(timeout=60)
    assert watcher.returncode == 1
    assert "is gone and did not end in order" in said
    assert "Go on with: bench suite mine.yaml" in said
    found = printed_json(bench(*suite, "--status", "--json"))
    assert (found["state"], found["counts"]["running"], found["left_s"]) == ("dead", 1, None)
    assert "--resume" in found["next"]
    # The same folder is gone on with, by whoever asks, and what it was asked before does not end it.
    ask_to_end(out)
    again = begin(*suite, "--resume")
    end = time.monotonic() + 120
    while (out / REQUEST).exists() or not status_of(out).under_way:
        assert again.poll() is None, again.communicate()
        assert time.monotonic() < end
        time.sleep(0.2)
    time.sleep(2)
    assert status_of(out).state == "running"
    assert again.poll() is None


AT_ONCE = """
import time
from pathlib import Path
import segbench.commands.suite
from segbench.cli import main

Path(f"ready-{__import__('os').getpid()}").touch()
while not Path("go").exists():
    time.sleep(0.0001)
main()
"""


@pytest.mark.slow
def test_of_two_that_begin_in_the_same_moment_one_runs_the_suite_and_the_other_watches(
    stacks: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text("datasets: [isbi2012]\nmethods: [constant]\n")
    words = ["suite", "mine.yaml", "--root", f"isbi2012={stacks}", "--out"]
    for number in range(3):
        command = [sys.executable, "-c", AT_ONCE, *words, f"out{number}"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        both = [subprocess.Popen(command, cwd=tmp_path, **pipes) for _ in range(2)]
        while len([*tmp_path.glob("ready-*")]) < 2:
            assert all(each.poll() is None for each in both)
            time.sleep(0.01)
        (tmp_path / "go").touch()
        said = [each.communicate(timeout=120) for each in both]
        assert [each.returncode for each in both] == [0, 0], said
        assert sorted("started" in stderr for _, stderr in said) == [False, True], said
        assert sorted("running already" in stderr for _, stderr in said) == [False, True], said
        assert json.loads((tmp_path / f"out{number}" / STATE).read_text())["driver"]["ended"]
        for path in (tmp_path / "go", *tmp_path.glob("ready-*")):
            path.unlink()


def test_cells_of_a_suite_that_began_a_moment_ago_are_no_cells_of_before(
    bench: Run, stacks: Path, tmp_path: Path
) -> None:
    """As of one that begins after this one has looked whether any runs."""
    (tmp_path / "mine.yaml").write_text("datasets: [isbi2012]\nmethods: [constant]\n")
    assert bench("suite", "mine.yaml", "--out", "out", "--root", f"isbi2012={stacks}").returncode == 0
    request = SuiteRequest(file=str(tmp_path / "mine.yaml"), out=tmp_path / "out", roots={"isbi2012": stacks})
    with Watcher(Reporter(quiet=True)) as watcher:
        with exclusive(tmp_path / "out" / LOCK, "busy"), pytest.raises(BusyError, match="another suite is running"):
            run_suite(request, Reporter(quiet=True), watcher)
        with pytest.raises(UserError, match="Add --resume") as error:
            run_suite(request, Reporter(quiet=True), watcher)
    assert not isinstance(error.value, BusyError)


@pytest.mark.slow
def test_a_driver_that_waits_for_a_cell_from_before_can_be_cancelled(
    bench: Run, begin: Begin, stacks: Path, tmp_path: Path
) -> None:
    """Also where it forgets what it was asked, as one does that has only just begun."""
    (tmp_path / "mine.yaml").write_text("datasets: [isbi2012]\nmethods: [constant]\n")
    words = ("suite", "mine.yaml", "--out", "out", "--root", f"isbi2012={stacks}")
    assert bench(*words).returncode == 0
    (cell,) = json.loads((tmp_path / "out" / STATE).read_text())["cells"]
    with exclusive(tmp_path / "out" / "cells" / cell / LOCK, "busy"):
        driver = begin(*words, "--resume")
        assert driver.stderr is not None
        assert "still runs from before; waiting for it to end" in driver.stderr.readline()
        assert status_of(tmp_path / "out").process == driver.pid
        cancel = begin(*words, "--cancel")
        while not (tmp_path / "out" / REQUEST).exists():
            assert cancel.poll() is None, cancel.communicate()
        forget_request(tmp_path / "out")
        assert "ended in order" in cancel.communicate(timeout=60)[0]
        assert "asked for it with --cancel" in driver.communicate(timeout=60)[1]
        assert driver.returncode == 130
    assert status_of(tmp_path / "out").state == "ended"


EACH_STATUS = """
import sys
from contextlib import suppress
from segbench.cli import main

for folder in sys.argv[1:]:
    sys.argv = ["bench", "suite", folder, "--status", "--json"]
    with suppress(SystemExit):
        main()
    print(end="\\0")
"""


@pytest.mark.slow
@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_a_suite_is_seen_as_its_process_wrote(
    bench_process: Run, stacks: Path, tmp_path: Path, error: int
) -> None:
    """As on file systems that are mounted without: `flock` itself refuses, below Python."""
    without = {"LD_PRELOAD": str(compiled("no_locks", tmp_path)), "FLOCK_ERRNO": str(error)}
    state = _state(a=_cell("unet", 0, "done", seconds=9.0), b=_cell("unet", 1, "running", started=now()))
    state.cells = {cell.name: cell for cell in state.cells.values()}
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        for where, host, ended in (
            ("here", socket.gethostname(), ""),
            ("there", "elsewhere", ""),
            ("over", "x", now()),
        ):
            state.driver = Driver(host=host, process=sleeper.pid, begun=now(), ended=ended)
            (tmp_path / where).mkdir()
            (tmp_path / where / LOCK).touch()
            state.write(tmp_path / where)
        shown = subprocess.run(
            [sys.executable, "-c", EACH_STATUS, "here", "there", "over"],
            cwd=tmp_path,
            env=os.environ | without,
            capture_output=True,
            text=True,
            check=True,
        )
        found = {each["folder"]: each for each in map(json.loads, shown.stdout.split("\0")[:-1])}
        seen = {where: (each["state"], each["locks"]) for where, each in found.items()}
        assert seen == {"here": ("running", False), "there": ("running", False), "over": ("ended", False)}
    finally:
        sleeper.kill()
        sleeper.wait()
    watched = bench_process("suite", "here", "--watch", **without)
    assert watched.returncode == 1
    assert "is gone and did not end in order" in watched.stdout
    assert "has no locks: whether the suite runs is what its process wrote itself" in watched.stderr
    (tmp_path / "mine.yaml").write_text("datasets: [isbi2012]\nmethods: [constant]\n")
    begun = bench_process("suite", "mine.yaml", "--root", f"isbi2012={stacks}", "--out", "new", **without)
    if error == errno.ENOSYS:  # filelock has a file stand in for it
        assert begun.returncode == 0, begun.stderr
    else:
        assert begun.returncode == 2
        assert f"'new' is on a file system without locks ({os.strerror(error)})" in begun.stderr
    assert "Traceback" not in begun.stderr


@pytest.mark.slow
def test_a_table_has_a_row_for_each_cell_with_scores_and_costs(bench: Run, stacks: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        f"datasets: [isbi2012]\nmethods: [{{name: threshold, settings: {QUICK}}}]\nseeds: [3, 4]\n"
    )
    done = bench("suite", "mine.yaml", "--root", f"isbi2012={stacks}")
    assert done.returncode == 0, done.stderr
    for name in ("all.csv", "all.json", "all.parquet"):
        assert "2 are done" in bench("suite", "mine.yaml", "--export", name, "--root", f"isbi2012={stacks}").stdout
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert json.loads((tmp_path / "all.json").read_text()) == pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert [row["seed"] for row in rows] == ["3", "4"]
    for row in rows:
        record = json.loads((tmp_path / row["folder"] / "record.json").read_text())
        score = record["scores"]["v_rand"]
        assert [row[f"v_rand{end}"] for end in ("", "_low", "_high")] == [
            str(score[key]) for key in ("value", "low", "high")
        ]
        assert (row["run_id"], row["device"], row["status"]) == (record["run_id"], "cpu", "done")
        assert float(row["train_s"]) == record["cost"]["train_s"]
    wrong = bench("suite", "mine.yaml", "--export", "all.xlsx")
    assert wrong.returncode == 2
    assert ".csv, .json, .parquet" in wrong.stderr
    assert bench("suite", "mine.yaml", "--status", "--watch").returncode == 2
    nothing = bench("suite", "smoke", "--status")
    assert nothing.returncode == 2
    assert "holds no suite" in nothing.stderr


def test_whether_a_lock_is_held_is_seen_without_writing(tmp_path: Path) -> None:
    lock = tmp_path / LOCK
    assert not is_held(lock)
    assert not lock.exists()
    with exclusive(lock, "busy"):
        assert is_held(lock)
        with pytest.raises(UserError, match="busy"), exclusive(lock, "busy"):
            pass
    assert not is_held(lock)


def test_a_wish_to_end_is_said_once_and_can_be_forgotten(tmp_path: Path) -> None:
    said: list[str] = []
    assert not EndRequested(tmp_path, said.append)()
    ask_to_end(tmp_path)
    requested = EndRequested(tmp_path, said.append)
    assert requested()
    assert requested()
    assert len(said) == 1
    assert "asked for it with --cancel" in said[0]
    (tmp_path / REQUEST).write_text("{")
    assert EndRequested(tmp_path, said.append)()
    assert said[-1].startswith("stopping: somebody")
    forget_request(tmp_path)
    assert not EndRequested(tmp_path, said.append)()


def _state(**cells: CellState) -> SuiteState:
    return SuiteState(suite="mine", file="mine.yaml", created=now(), updated=now(), cells=cells)


def _cell(name: str, seed: int, status: str, **more: Any) -> CellState:
    return CellState.model_validate(
        {"name": f"{name}-{seed}", "short": f"isbi2012, {name}, seed {seed}", "status": status, **more}
    )


def test_time_left_follows_like_cells_then_what_was_expected(tmp_path: Path) -> None:
    state = _state(
        a=_cell("unet", 0, "done", seconds=100.0),
        b=_cell("unet", 1, "running", started=now()),
        c=_cell("unet", 2, "waiting", expected_s=7.0),
        d=_cell("fcn", 0, "waiting", expected_s=40.0),
        e=_cell("threshold", 0, "waiting"),
        f=_cell("fcn", 1, "failed", error="no luck"),
    )
    state.cells = {cell.name: cell for cell in state.cells.values()}
    state.write(tmp_path)
    with exclusive(tmp_path / LOCK, "busy"):
        found = status_of(tmp_path)
    # 100 s as the finished seed for b and c, 40 s for d, and for e what is typical of the suite: 100 s.
    assert found.left_s == pytest.approx(340, abs=3)
    assert [failed.error for failed in found.failed] == ["no luck"]
    assert (found.state, found.under_way[0].cell) == ("running", "isbi2012, unet, seed 1")
    # Nobody holds the lock: an older state tells by its cells, a newer one by what its driver wrote at its end.
    assert status_of(tmp_path).state == "dead"
    state.driver = Driver(host="here", process=1, begun=now(), ended=now())
    state.write(tmp_path)
    assert status_of(tmp_path).state == "ended"
