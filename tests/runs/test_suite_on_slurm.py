"""`bench suite --engine slurm` on a real SLURM cluster of two nodes: equal results, and nothing lost when it breaks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from slurm_cluster import SlurmCluster, slurm_cluster

from segbench.io.reporter import Reporter
from segbench.runs.suite.cells import Control, Job
from segbench.runs.suite.engines import slurm
from segbench.runs.suite.engines.slurm import SlurmEngine
from segbench.runs.suite.resources import Resources
from segbench.runs.suite.state import STATE, read_state

pytestmark = pytest.mark.slow

PATIENT = """
import os, time
from dataclasses import replace
from pathlib import Path
from segbench.baselines.threshold import Threshold

class Patient(Threshold):
    info = replace(Threshold.info, name="patient")

    def fit(self, train, val, context):
        gate = Path(os.environ["GATE"])
        node, restarts = (os.environ.get(name, "0") for name in ("SLURMD_NODENAME", "SLURM_RESTART_COUNT"))
        (gate / f"begun on {node}, {restarts} restarts").touch()
        while not (gate / "open").exists():
            if context.stop():
                raise KeyboardInterrupt
            time.sleep(0.05)
        super().fit(train, val, context)
"""
SUITE = """
datasets: [isbi2012]
methods: [{name: patient, settings: {kind: [otsu], channel: [grey], sigma: [0.0], max_images: 1}}]
resources: {cpus: 1, memory_gb: 1, time: %s}
slurm: {partition: main}
seeds: [%s]
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    with slurm_cluster() as running:
        yield running


@dataclass
class Drive:
    """`bench suite` in a folder, as a person who works with the cluster types it; cells wait until the gate is open."""

    folder: Path
    cluster: SlurmCluster
    words: list[str]
    drivers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        own = {"SEGBENCH_PLUGINS": str(self.folder / "plugins"), "GATE": str(self.folder / "gate"), "COLUMNS": "200"}
        return {**os.environ, **self.cluster.environment, **own}

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The cells of `suite.json`."""
        state = read_state(self.folder / "out") if (self.folder / "out" / STATE).exists() else None
        return [] if state is None else [cell.model_dump() for cell in state.cells.values()]

    def begin(self, *more: str) -> subprocess.Popen[bytes]:
        """Start the suite."""
        command = [sys.executable, "-c", "from segbench.cli import main; main()", *self.words, *more]
        with (self.folder / f"driver-{len(self.drivers)}.txt").open("w") as said:
            driver = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=said, stderr=said)
        self.drivers.append(driver)
        return driver

    def said(self) -> str:
        """What the suite that was started last has printed."""
        return (self.folder / f"driver-{len(self.drivers) - 1}.txt").read_text()

    def open_gate(self) -> None:
        """Let cells end."""
        (self.folder / "gate" / "open").touch()

    def end(self, expected: int = 0) -> str:
        """Wait for the suite to end; what it said."""
        self.drivers[-1].wait(timeout=240)
        assert self.drivers[-1].returncode == expected, self.said() + self._logs()
        return self.said()

    def wait_for(self, what: str, condition: Callable[[], bool], seconds: float = 180) -> None:
        """Wait for something that the cluster does."""
        end = time.monotonic() + seconds
        while not condition():
            if self.drivers[-1].returncode is None and self.drivers[-1].poll() is not None:
                pytest.fail(f"the suite ended before there was {what}: {self.said()}{self._logs()}")
            assert time.monotonic() < end, (what, self.cluster.call("squeue", "--states=all"), self._logs())
            time.sleep(0.1)

    def begun(self, what: str = "begun on *") -> bool:
        """Whether a cell has begun to fit."""
        return any((self.folder / "gate").glob(what))

    def queue(self) -> dict[str, str]:
        """State of every task in the queue."""
        shown = self.cluster.call("squeue", "--noheader", "--array", "--states=all", "--format=%i %T")
        return dict(line.split() for line in shown.splitlines())

    def log(self, number: int) -> str:
        """What a cell printed."""
        path = self.folder / "out" / self.cells[number]["log"]
        return path.read_text() if path.exists() else ""

    def logs(self) -> list[str]:
        """What each cell printed."""
        return [self.log(number) for number in range(len(self.cells))]

    def _logs(self) -> str:
        paths = [*self.folder.glob("out/logs/*.log"), *self.folder.glob("out/slurm/*.out")]
        return "".join(f"\n== {path.name}\n{path.read_text()}" for path in paths)


@pytest.fixture
def drive(cluster: SlurmCluster, stacks: Path, tmp_path: Path) -> Iterator[Callable[..., Drive]]:
    """Makes a suite of cells that wait."""
    drives = []

    def make(seeds: str = "0, 1", minutes: int = 10) -> Drive:
        (tmp_path / "plugins" / "baselines").mkdir(parents=True)
        (tmp_path / "plugins" / "baselines" / "patient.py").write_text(PATIENT)
        (tmp_path / "gate").mkdir()
        (tmp_path / "tiny.yaml").write_text(SUITE % (minutes, seeds))
        words = ["suite", "tiny.yaml", "--out", "out", "--root", f"isbi2012={stacks}", "--engine", "slurm"]
        drives.append(Drive(tmp_path, cluster, words))
        return drives[-1]

    yield make
    for made in drives:
        for driver in made.drivers:
            driver.kill()
            driver.wait()
        cluster.call("scancel", "--state=PENDING", "--name=segbench-tiny")
        cluster.call("scancel", "--name=segbench-tiny")


def test_cells_are_one_array_and_their_records_those_of_this_machine(drive: Callable[..., Drive]) -> None:
    suite = drive("0, 1, 2")
    suite.open_gate()
    suite.begin()
    said = suite.end()
    assert said.count("started on slurm ") == 3
    jobs = [cell["job"] for cell in suite.cells]
    assert len({job.split("_")[0] for job in jobs}) == 1
    assert sorted(job.split("_")[1] for job in jobs) == ["0", "1", "2"]
    assert all(cell["place"].startswith(f"slurm {cell['job']} on n") for cell in suite.cells)
    told = suite.cluster.call("scontrol", "show", "job", jobs[0])
    for expected in ("JobName=segbench-tiny", "Partition=main", "NumCPUs=1", "TimeLimit=00:10:00", "MinMemoryNode=1G"):
        assert expected in told, told
    assert f"Comment=3 cells of suite tiny in {suite.folder / 'out'}" in told

    done = subprocess.run(
        [sys.executable, "-c", "from segbench.cli import main; main()", *suite.words[:-1], "local", "--out", "here"],
        cwd=suite.folder, env=suite.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for cell in suite.cells:
        there, here = (suite.folder / place / cell["folder"] for place in ("out", "here"))
        assert (there / "statistics.parquet").read_bytes() == (here / "statistics.parquet").read_bytes()
        assert _results(there) == _results(here)


def _results(folder: Path) -> Any:
    """A record without what is of one moment: when, how long, where to, and hashes of those."""
    record = json.loads((folder / "record.json").read_text())
    for key in ("created", "content_sha256", "cost", "command"):
        del record[key]
    del record["evidence"]["checkpoint"]
    for key in ("fit_seconds", "search_seconds"):
        del record["method"]["chosen"][key]
    return record


def test_a_killed_driver_loses_nothing_and_submits_nothing_twice(drive: Callable[..., Drive]) -> None:
    suite = drive()
    first = suite.begin("--jobs", "1")
    suite.wait_for("a cell that runs", suite.begun)
    suite.wait_for("its place", lambda: sorted(cell["status"] for cell in suite.cells) == ["running", "waiting"])
    first.kill()
    first.wait()
    jobs = [cell["job"] for cell in suite.cells]
    assert sorted(suite.queue()[job] for job in jobs) == ["PENDING", "RUNNING"]
    suite.begin("--resume")
    suite.wait_for("the second driver", lambda: "started on slurm" in suite.said())
    suite.open_gate()
    said = suite.end()
    assert [cell["status"] for cell in suite.cells] == ["done", "done"]
    assert [cell["job"] for cell in suite.cells] == jobs
    assert len(list((suite.folder / "out" / "slurm").glob("*_submission.sh"))) == 1
    assert said.count("done after") == 2


def test_another_engine_takes_over_and_leaves_no_job_behind(drive: Callable[..., Drive]) -> None:
    suite = drive()
    first = suite.begin("--jobs", "1")
    suite.wait_for("a cell that runs", suite.begun)
    suite.wait_for("its place", lambda: "running" in [cell["status"] for cell in suite.cells])
    first.kill()
    first.wait()
    running = next(number for number, cell in enumerate(suite.cells) if cell["status"] == "running")
    suite.words[-1] = "local"
    suite.begin("--resume")
    suite.wait_for("an empty queue", lambda: not {"PENDING", "RUNNING", "COMPLETING"} & set(suite.queue().values()))
    suite.open_gate()
    said = suite.end()
    assert "2 cells taken out of SLURM's queue" in said
    assert [(cell["status"], cell["job"], cell["place"]) for cell in suite.cells] == [("done", "", "")] * 2
    begun = [line for line in suite.log(running).splitlines() if line.startswith("$ bench run")]
    assert [line.endswith("--resume") for line in begun] == [False, True]


def test_scancel_of_one_cell_leaves_the_others_and_resume_runs_it(drive: Callable[..., Drive]) -> None:
    suite = drive()
    suite.begin()
    suite.wait_for("two that run", lambda: [cell["status"] for cell in suite.cells] == ["running"] * 2)
    suite.wait_for("two cells that fit", lambda: all("fitting" in text for text in suite.logs()))
    suite.cluster.call("scancel", suite.cells[1]["job"])
    suite.wait_for("the cancelled one", lambda: suite.cells[1]["status"] == "interrupted")
    suite.open_gate()
    said = suite.end(expected=1)
    assert "cancelled in SLURM's queue" in said
    assert "bench: interrupted; go on with" in suite.log(1)
    assert [cell["status"] for cell in suite.cells] == ["done", "interrupted"]
    earlier = suite.cells[0]["job"]
    suite.begin("--resume")
    suite.end()
    assert [cell["status"] for cell in suite.cells] == ["done", "done"]
    assert suite.cells[0]["job"] == earlier


def test_ctrl_c_cancels_what_waits_and_ends_what_runs_in_order(drive: Callable[..., Drive]) -> None:
    suite = drive()
    driver = suite.begin("--jobs", "1")
    suite.wait_for("a cell that runs", suite.begun)
    suite.wait_for("its place", lambda: "running" in [cell["status"] for cell in suite.cells])
    driver.send_signal(signal.SIGINT)
    said = suite.end(expected=130)
    assert "go on with: bench suite tiny.yaml" in said
    assert "--engine slurm" in said
    assert sorted(cell["status"] for cell in suite.cells) == ["interrupted", "waiting"]
    assert sorted("bench: interrupted; go on with" in log for log in suite.logs()) == [False, True]
    suite.wait_for("an empty queue", lambda: not {"PENDING", "RUNNING", "COMPLETING"} & set(suite.queue().values()))
    suite.open_gate()
    suite.begin("--resume")
    suite.end()
    assert [cell["status"] for cell in suite.cells] == ["done", "done"]


def test_a_cell_of_a_node_that_dies_goes_on_on_another(drive: Callable[..., Drive]) -> None:
    suite = drive("0")
    suite.begin()
    suite.wait_for("a cell that runs", suite.begun)
    suite.wait_for("its place", lambda: [cell["status"] for cell in suite.cells] == ["running"])
    node = suite.cells[0]["place"].split(" on ")[1]
    other = {"n1": "n2", "n2": "n1"}[node]
    suite.cluster.kill_node(node)
    try:
        # SLURM finds out by itself after SlurmdTimeout, and waits two minutes more; neither is what is tested.
        suite.cluster.call("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=power")
        job = suite.cells[0]["job"]
        suite.wait_for("a job that waits again", lambda: suite.queue()[job] == "PENDING")
        suite.cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now")
        suite.wait_for("the other node", lambda: suite.begun(f"begun on {other}, 1 restarts"))
        suite.wait_for("its new place", lambda: suite.cells[0]["place"].endswith(other))
        suite.open_gate()
        suite.end()
    finally:
        suite.cluster.start_node(node)
        suite.cluster.call("scontrol", "update", f"NodeName={node}", "State=RESUME")
    (cell,) = suite.cells
    assert (cell["status"], cell["job"], cell["place"]) == ("done", job, f"slurm {job} on {other}")
    begun = [line for line in suite.log(0).splitlines() if line.startswith("$ bench run")]
    assert [line.endswith("--resume") for line in begun] == [False, True]


def test_a_cell_whose_time_is_over_ends_in_order_and_goes_on(drive: Callable[..., Drive]) -> None:
    suite = drive("0", minutes=1)
    suite.begin()
    suite.wait_for("a cell that runs", suite.begun)
    # SLURM counts in minutes and warns up to one of them early.
    job = suite.cells[0]["job"]
    suite.wait_for("the end of its time", lambda: suite.queue()[job] in ("PENDING", "FAILED"))
    suite.open_gate()
    # It would wait for two minutes. Should SLURM count it as failed, it is another job that goes on.
    suite.cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now", check=False)
    suite.end()
    assert suite.cells[0]["status"] == "done"
    lines = suite.log(0).splitlines()
    begun = [number for number, line in enumerate(lines) if line.startswith("$ bench run")]
    assert [lines[number].endswith("--resume") for number in begun] == [False, True]
    assert any("stopping" in line for line in lines[: begun[1]])


def test_more_cells_than_the_queue_takes_follow_as_others_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "RETRY_S", 1.0)
    arrays: list[list[str]] = []
    with slurm_cluster(min_job_age_s=2, max_jobs=4) as small, monkeypatch.context() as patch:
        patch.setenv("SLURM_CONF", small.environment["SLURM_CONF"])
        engine = SlurmEngine(tmp_path / "suite", "many", Reporter(quiet=True), poll_s=1.0)
        jobs = [
            Job(f"cell-{n}", ("list", "metrics", "--quiet"), tmp_path / f"{n}.log", resources=Resources(1, 0, 0.5, 10))
            for n in range(5)
        ]
        control = Control(queued=lambda names: arrays.append(list(names)))
        ended = list(engine.run(jobs, control, lambda *_: None))
    assert sorted((outcome.name, outcome.status) for outcome in ended) == [(job.name, "done") for job in jobs]
    assert arrays[0] == ["cell-0", "cell-1", "cell-2"]
    assert [name for array in arrays for name in array] == [job.name for job in jobs]


def test_what_sbatch_says_is_told(drive: Callable[..., Drive]) -> None:
    suite = drive("0")
    suite.begin("--slurm", "partition=mian")
    said = suite.end(expected=2)
    assert "SLURM did not take the jobs: " in said
    assert "invalid partition specified: mian" in said or "Invalid partition name specified" in said
    assert "Traceback" not in said
