"""`bench suite --engine slurm` on a real SLURM cluster of two nodes: equal results, and nothing lost when it breaks."""

from __future__ import annotations

import json
import os
import shutil
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
from small_settings import STEADY
from synthetic_roots import write_stacks

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
        while not any((gate / name).exists() for name in ("open", f"open-{context.seed}")):
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
OF_TWO_PROCESSES = f"""
datasets: [isbi2012]
methods:
  - {{name: patient, settings: {{kind: [otsu], channel: [grey], sigma: [0.0], max_images: 1}}}}
  - {{name: unet, resources: {{gpus: 0, processes: 2}}, settings: {STEADY}}}
resources: {{cpus: 1, memory_gb: 1, time: 10}}
slurm: {{partition: main}}
seeds: [0, 1]
exclude: [{{method: unet, seed: 1}}]
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

    @classmethod
    def made(cls, folder: Path, cluster: SlurmCluster, root: Path, name: str, text: str) -> Drive:
        """A suite with this text, whose jobs SLURM calls `segbench-NAME`."""
        (folder / "plugins" / "baselines").mkdir(parents=True)
        (folder / "plugins" / "baselines" / "patient.py").write_text(PATIENT)
        (folder / "gate").mkdir()
        (folder / f"{name}.yaml").write_text(text)
        words = ["suite", f"{name}.yaml", "--out", "out", "--root", f"isbi2012={root}", "--engine", "slurm"]
        return cls(folder, cluster, words)

    @property
    def name(self) -> str:
        """What SLURM calls its jobs."""
        return f"segbench-{Path(self.words[1]).stem}"

    @property
    def environment(self) -> dict[str, str]:
        own = {"SEGBENCH_PLUGINS": str(self.folder / "plugins"), "GATE": str(self.folder / "gate"), "COLUMNS": "200"}
        return {**os.environ, **self.cluster.environment, **own}

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The cells of `suite.json`."""
        state = read_state(self.folder / "out") if (self.folder / "out" / STATE).exists() else None
        return [] if state is None else [cell.model_dump() for cell in state.cells.values()]

    def begin(self, *more: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start the suite."""
        command = [sys.executable, "-c", "from segbench.cli import main; main()", *self.words, *more]
        with (self.folder / f"driver-{len(self.drivers)}.txt").open("w") as said:
            driver = subprocess.Popen(
                command, cwd=self.folder, env={**self.environment, **environment}, stdout=said, stderr=said
            )
        self.drivers.append(driver)
        return driver

    def said(self) -> str:
        """What the suite that was started last has printed."""
        return (self.folder / f"driver-{len(self.drivers) - 1}.txt").read_text()

    def bench(self, *words: str) -> str:
        """Another `bench` in the folder, to its end; what it said."""
        command = [sys.executable, "-c", "from segbench.cli import main; main()", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open_gate(self, name: str = "open") -> None:
        """Let cells end; `open-0` lets those of seed 0."""
        (self.folder / "gate" / name).touch()

    def close(self) -> None:
        """End what is left of it."""
        for driver in self.drivers:
            driver.kill()
            driver.wait()
        self.cluster.call("scancel", "--state=PENDING", f"--name={self.name}")
        self.cluster.call("scancel", f"--name={self.name}")

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
        """State of every task of it in the queue."""
        words = ("--noheader", "--array", "--states=all", "--format=%i %T", f"--name={self.name}")
        return dict(line.split() for line in self.cluster.call("squeue", *words).splitlines())

    def left_queue(self) -> bool:
        """Whether no task of it waits or runs."""
        return not {"PENDING", "RUNNING", "COMPLETING"} & set(self.queue().values())

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


@pytest.fixture(scope="module")
def timed(cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drive]:
    """A suite whose cell has a minute, the least that SLURM gives: it goes by while other tests run."""
    folder = tmp_path_factory.mktemp("timed")
    suite = Drive.made(folder, cluster, write_stacks(folder / "isbi"), "timed", SUITE % (1, "0"))
    suite.begin()
    yield suite
    suite.close()


@pytest.fixture
def drive(cluster: SlurmCluster, stacks: Path, tmp_path: Path) -> Iterator[Callable[..., Drive]]:
    """Makes a suite of cells that wait."""
    drives = []

    def make(seeds: str = "0, 1", text: str = "") -> Drive:
        drives.append(Drive.made(tmp_path, cluster, stacks, "tiny", text or SUITE % (10, seeds)))
        return drives[-1]

    yield make
    for made in drives:
        made.close()


@pytest.mark.usefixtures("timed")  # begins here, and is looked at later
def test_cells_are_one_array_and_their_records_those_of_this_machine(drive: Callable[..., Drive]) -> None:
    suite = drive(text=OF_TWO_PROCESSES)
    suite.open_gate()
    suite.begin()
    said = suite.end()
    assert said.count("started on slurm ") == 3
    *patient, unet = suite.cells
    jobs = [cell["job"] for cell in patient]
    assert len({job.split("_")[0] for job in jobs}) == 1
    assert sorted(job.split("_")[1] for job in jobs) == ["0", "1"]
    assert all(cell["place"].startswith(f"slurm {cell['job']} on n") for cell in suite.cells)
    told = suite.cluster.call("scontrol", "show", "job", jobs[0])
    for expected in ("JobName=segbench-tiny", "Partition=main", "NumCPUs=1", "TimeLimit=00:10:00", "MinMemoryNode=1G"):
        assert expected in told, told
    assert f"Comment=2 cells of suite tiny in {suite.folder / 'out'}" in told
    # A core for each process of a cell.
    assert "NumCPUs=2" in suite.cluster.call("scontrol", "show", "job", unet["job"])

    record = json.loads((suite.folder / "out" / unet["folder"] / "record.json").read_text())
    # That these learn what one learns: test_a_cell_of_two_processes_learns_what_one_learns.
    assert (record["environment"]["hardware"]["processes"], record["dataset"]["n"]) == (2, 5)
    assert record["complete"]

    (suite.folder / "tiny.yaml").write_text(SUITE % (10, "0, 1"))
    suite.bench(*suite.words[:-1], "local", "--out", "here")
    for cell in patient:
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
    suite.wait_for("an empty queue", suite.left_queue)
    suite.open_gate()
    said = suite.end()
    assert "2 cells taken out of SLURM's queue" in said
    assert [(cell["status"], cell["job"], cell["place"]) for cell in suite.cells] == [("done", "", "")] * 2
    begun = [line for line in suite.log(running).splitlines() if line.startswith("$ bench run")]
    assert [line.endswith("--resume") for line in begun] == [False, True]


def test_a_cell_whose_time_is_over_ends_in_order_and_goes_on(timed: Drive) -> None:
    suite = timed
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
    # On a busy machine its time is over once more before it is looked at.
    assert [lines[number].endswith("--resume") for number in begun] == [False] + [True] * max(1, len(begun) - 1)
    assert any("stopping" in line for line in lines[: begun[1]])


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
    suite.wait_for("an empty queue", suite.left_queue)


def test_cancel_from_elsewhere_ends_what_waits_and_runs_and_another_engine_goes_on(drive: Callable[..., Drive]) -> None:
    suite = drive("0, 1, 2")
    driver = suite.begin("--jobs", "1")
    suite.open_gate("open-0")
    suite.wait_for(
        "one that is done, one that runs, one that waits", lambda: _statuses(suite) == "done running waiting"
    )
    suite.wait_for("a cell that fits", lambda: "fitting" in suite.log(1))
    record = suite.folder / "out" / suite.cells[0]["folder"] / "record.json"
    before = record.read_bytes(), record.stat().st_mtime_ns
    said = suite.bench("suite", "out", "--cancel")
    assert "ended in order: 1 cell under way" in said
    assert "1 of 3 cells are done. Go on with: bench suite tiny.yaml" in said
    driver.wait(timeout=60)
    suite.wait_for("an empty queue", suite.left_queue)
    assert "asked for it with --cancel" in suite.end(expected=130)
    assert _statuses(suite) == "done interrupted waiting"
    assert "bench: interrupted; go on with" in suite.log(1)
    suite.open_gate()
    suite.words[-1] = "local"
    suite.begin("--resume")
    assert "in SLURM's queue" not in suite.end()
    assert _statuses(suite) == "done done done"
    assert (record.read_bytes(), record.stat().st_mtime_ns) == before


def _statuses(suite: Drive) -> str:
    return " ".join(cell["status"] for cell in suite.cells)


def test_jobs_of_a_driver_that_was_killed_before_it_knew_them_are_ended(drive: Callable[..., Drive]) -> None:
    suite = drive("0")
    (suite.folder / "bin").mkdir()
    killing = suite.folder / "bin" / "sbatch"
    killing.write_text(f'#!/bin/sh\n{shutil.which("sbatch")} "$@"\nkill -9 $PPID\n')
    killing.chmod(0o755)
    others = set(suite.queue())
    first = suite.begin(PATH=f"{killing.parent}{os.pathsep}{os.environ['PATH']}")
    first.wait(timeout=120)
    assert first.returncode == -signal.SIGKILL, suite.said()
    (forgotten,) = set(suite.queue()) - others
    assert [cell["job"] for cell in suite.cells] == [""]
    assert not suite.left_queue()
    suite.open_gate()
    suite.begin("--resume")
    assert "1 job in SLURM's queue that a killed process has left" in suite.end()
    (cell,) = suite.cells
    assert cell["status"] == "done"
    assert cell["job"] != forgotten
    assert set(suite.queue()) - others == {forgotten, cell["job"]}
    suite.wait_for("an empty queue", suite.left_queue)  # SLURM calls a job COMPLETING for a while that has ended


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
        # Refused where the node has registered meanwhile, and so returned by itself.
        suite.cluster.call("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)
    (cell,) = suite.cells
    assert (cell["status"], cell["job"], cell["place"]) == ("done", job, f"slurm {job} on {other}")
    begun = [line for line in suite.log(0).splitlines() if line.startswith("$ bench run")]
    assert [line.endswith("--resume") for line in begun] == [False, True]


def test_more_cells_than_the_queue_takes_follow_as_others_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "RETRY_S", 1.0)
    arrays: list[list[str]] = []
    with slurm_cluster(min_job_age_s=2, max_jobs=4) as small, monkeypatch.context() as patch:
        patch.setenv("SLURM_CONF", small.environment["SLURM_CONF"])
        engine = SlurmEngine(tmp_path / "suite", "many", Reporter(quiet=True), poll_s=1.0)
        jobs = [
            Job(f"cell-{n}", ("list", "metrics", "--quiet"), tmp_path / f"{n}.log", resources=Resources(1, 0, 0.5, 10))
            for n in range(4)
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
