"""Suites and evaluations on a real Ray cluster: nodes that die, hide the suite's folder, or have other code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from commands import Run, printed_json
from places import ROOT
from segbench.io.reporter import Reporter
from segbench.runs.suite.cells import Control, Job
from segbench.runs.suite.engines.parcels import packed, unpacked
from segbench.runs.suite.engines.ray import RayEngine
from segbench.runs.suite.resources import Resources
from segbench.types import UserError

QUICK = "{kind: [otsu], channel: [grey], sigma: [0.0], max_images: 1}"
SIX = f"""
datasets: [isbi2012]
methods: [{{name: threshold, settings: {QUICK}}}, {{name: constant}}]
seeds: [0, 1, 2]
"""
NETWORK = """
datasets: [isbi2012]
methods:
  - name: unet
    settings: {epochs: 12, iterations_per_epoch: 4, batch_size: 2, crop: 32, base_channels: 4, depth: 2, tta: none,
      elastic: 0.0, ema: 0.0}
"""
PATIENCE_S = 240


@pytest.fixture(scope="module")
def bare() -> Iterator[Any]:
    """A cluster without CPUs; tests add nodes, and take them away again."""
    pytest.importorskip("ray", reason="needs the extra ray")
    from ray_clusters import ray_cluster

    with ray_cluster(cpus=0) as made:
        yield made


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of one node with one CPU; tests add others."""
    pytest.importorskip("ray", reason="needs the extra ray")
    from ray_clusters import ray_cluster

    with ray_cluster() as made:
        yield made


def _wait(until: Callable[[], Any], suite: subprocess.Popen[str] | None = None) -> Any:
    end = time.monotonic() + PATIENCE_S
    while not (found := until()):
        if suite is not None:
            assert suite.poll() is None, suite.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def _state(out: Path) -> dict[str, Any]:
    """The cells of a suite."""
    path = out / "suite.json"
    found: dict[str, Any] = json.loads(path.read_text())["cells"] if path.is_file() else {}
    return found


def _bench(folder: Path, *words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from segbench.cli import main; main()", *map(str, words)]
    env = {**os.environ, "COLUMNS": "200"}
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


SAME = ("run_id", "complete", "dataset", "metrics", "scores", "per_class", "main_score", "warnings")
"""What a record says of a result; the rest is of times and places."""


def _results(out: Path) -> dict[str, tuple[bytes, dict[str, Any]]]:
    """Of each cell its statistics, byte by byte, and what its record says of them."""
    found = {}
    for folder in sorted((out / "cells").iterdir()):
        record = json.loads((folder / "record.json").read_text())
        found[folder.name] = (folder / "statistics.parquet").read_bytes(), {key: record[key] for key in SAME}
    return found


def _table(out: Path) -> list[Any]:
    """The table of a suite, without what cells cost."""
    rows = [row for section in json.loads((out / "results.json").read_text())["sections"] for row in section["rows"]]
    return [{key: row[key] for key in row if key != "cost"} for row in rows]


@pytest.mark.slow
def test_a_suite_outlives_a_node_that_dies(cluster: Any, bench: Run, stacks: Path, tmp_path: Path) -> None:
    (tmp_path / "six.yaml").write_text(SIX)
    words = ["suite", "six.yaml", "--root", f"isbi2012={stacks}"]
    doomed = cluster.add("--node-name=doomed")
    doomed.wait()
    suite = _bench(tmp_path, *words, "--out", "far", "--engine", "ray", "--address", cluster.address, "--json")

    def on_doomed() -> bool:
        cells = list(_state(tmp_path / "far").values())
        ended = sum(cell["status"] == "done" for cell in cells)
        return ended >= 1 and any(cell["status"] == "running" and cell["place"] == "doomed" for cell in cells)

    _wait(on_doomed, suite)
    doomed.kill()
    stdout, stderr = suite.communicate(timeout=PATIENCE_S)
    assert suite.returncode == 0, stderr
    assert "its node or worker on doomed died" in stderr
    found = json.loads(stdout)
    assert (found["done"], found["failed"]) == (6, [])
    assert {cell["status"] for cell in _state(tmp_path / "far").values()} == {"done"}

    # Another engine finds nothing to do in that folder, and makes the same of another one.
    assert "started" not in bench(*words, "--out", "far", "--resume").stderr
    assert bench(*words, "--out", "near", "--jobs", "2").returncode == 0
    assert _results(tmp_path / "far") == _results(tmp_path / "near")
    assert _table(tmp_path / "far") == _table(tmp_path / "near")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None or os.getuid() != 0, reason="hiding a folder takes root on Linux")
def test_a_node_that_does_not_see_the_folder_sends_the_run_back(
    bare: Any, bench: Run, stacks: Path, tmp_path: Path
) -> None:
    """Ctrl-C ends its cell in order, the checkpoint comes back with the log, and goes there again with --resume."""
    (tmp_path / "net.yaml").write_text(NETWORK)
    (tmp_path / "far").mkdir()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    hide = ("unshare", "-m", "sh", "-c", f'mount -t tmpfs none "{tmp_path}/far" && exec "$0" "$@"')
    words = ["suite", "net.yaml", "--root", f"isbi2012={stacks}", "--device", "cpu", "--out"]
    node = bare.add("--node-name=hidden", around=hide, TMPDIR=str(temporary))
    node.wait()
    far = ["far", "--engine", "ray", "--address", bare.address]
    suite = _bench(tmp_path, *words, *far)
    _wait(lambda: [*temporary.glob("*/far/cells/*/checkpoint/checkpoint*")], suite)
    suite.send_signal(signal.SIGINT)
    _, stderr = suite.communicate(timeout=PATIENCE_S)
    assert suite.returncode == 130, stderr
    (cell,) = _state(tmp_path / "far").values()
    assert (cell["status"], cell["place"]) == ("interrupted", "hidden")
    assert [*(tmp_path / "far").glob("cells/*/checkpoint/checkpoint*")]
    suite = _bench(tmp_path, *words, *far, "--resume")
    stdout, stderr = suite.communicate(timeout=PATIENCE_S)
    assert suite.returncode == 0, stderr
    assert "1 of 1 cells done" in stdout
    node.kill()
    assert "resumed after epoch" in (tmp_path / "far" / "cells" / cell["name"] / "log.txt").read_text()
    assert not [*(tmp_path / "far").glob(".seen-by-nodes*"), *temporary.glob(".segbench*")]
    near = bench(*words, "near", OMP_NUM_THREADS="1")
    assert near.returncode == 0, near.stderr
    (far_bytes, _), (near_bytes, _) = (_results(tmp_path / out)[cell["name"]] for out in ("far", "near"))
    assert far_bytes == near_bytes


@pytest.mark.slow
def test_cells_end_with_a_driver_that_is_killed(cluster: Any, stacks: Path, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(NETWORK)
    root = f"isbi2012={stacks}"
    suite = _bench(tmp_path, *("suite", "net.yaml", "--root", root, "--engine", "ray", "--address", cluster.address))

    def cells() -> list[psutil.Process]:
        return [
            one for one in psutil.process_iter() if "segbench.cli.cell" in _words(one) and str(stacks) in _words(one)
        ]

    _wait(cells, suite)
    suite.kill()
    suite.communicate()
    _wait(lambda: not cells())


@pytest.mark.slow
def test_a_cell_reserves_what_it_asks_for(cluster: Any, tmp_path: Path) -> None:
    """GPUs that Ray counts, whether they are there or not; a cell that asks for none sees none."""
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "mine.py").write_text(
        "import os, time\nprint('sees', os.environ['CUDA_VISIBLE_DEVICES'] or 'none', os.environ['OMP_NUM_THREADS'])\n"
        "time.sleep(0.5)\n"
    )
    cluster.add("--node-name=with-gpus", "--num-gpus=2", cpus=3).wait()
    asked = {"one": Resources(1, 1), "other": Resources(1), "two": Resources(3, 2), "none": Resources(2, 0)}
    asked["both"] = Resources(2, 0, processes=2)
    words = ("list", "methods", "--quiet")
    jobs = [Job(name, words, tmp_path / f"{name}.log", resources=each) for name, each in asked.items()]
    places: dict[str, str] = {}
    engine = RayEngine(tmp_path, Reporter(quiet=True), cluster.address)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGBENCH_PLUGINS", str(tmp_path))
        patch.delenv("OMP_NUM_THREADS")
        patch.chdir(tmp_path)
        outcomes = [*engine.run(jobs, Control(), lambda job, place: places.update({job.name: place}))]
        assert sorted((each.name, each.status) for each in outcomes) == sorted((name, "done") for name in asked)
        many = [Job("many", words, tmp_path / "many.log", resources=Resources(1, 3))]
        with pytest.raises(UserError, match="asks for 3 GPUs, and no node of the Ray cluster has more than 2"):
            next(engine.run(many, Control(), lambda *_: None))
    assert set(places.values()) == {"with-gpus"}
    printed = {name: (tmp_path / f"{name}.log").read_text().splitlines() for name in asked}
    assert [line for line in printed.pop("both") if line.startswith("sees")] == ["sees none 1"] * 2
    seen = {name: lines[1].split()[1:] for name, lines in printed.items()}
    assert {seen["one"][0], seen["other"][0]} <= {"0", "1"}
    assert {name: (len(gpus.split(",")), cpus) for name, (gpus, cpus) in seen.items()} == {
        **{"one": (1, "1"), "other": (1, "1"), "two": (2, "3"), "none": (1, "2")}
    }
    assert seen["none"][0] == "none"


SAID_TWICE = """
import sys, threading
from ray._private.worker import print_to_stdstream
from segbench.io.reporter import Reporter
from segbench.runs.on_ray.cluster import connected

def told():
    for place in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
        print_to_stdstream({"lines": ["a raylet is gone"], "pid": "raylet", "ip": place, "is_err": False}, False)

with connected(sys.argv[1], Reporter(quiet=True)):
    teller = threading.Thread(target=told, name="ray_listen_error_messages")
    teller.start()
    teller.join()
print("{}")
"""
"""Ray prints what a first node says at once, and what others say alike when the connection ends."""


@pytest.mark.slow
def test_results_are_all_that_standard_output_holds(cluster: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAID_TWICE, cluster.address], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "{}\n"), done.stderr


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.slow
def test_an_evaluation_on_a_cluster_is_the_same_byte_for_byte(cluster: Any, bench: Run, stacks: Path) -> None:
    words = ["evaluate", "-d", "isbi2012", "--root", stacks, "-p", stacks / "train-labels.tif", "--name", "mine"]
    words += ["--split", "all", "--out", "out", "--overwrite"]
    folder = stacks.parent / "out"
    made = []
    for more in ([], ["--engine", "ray", "--address", cluster.address]):
        found = printed_json(bench(*words, *more, "--json"))
        del found["created"], found["content_sha256"]
        made.append((found, (folder / "statistics.parquet").read_bytes(), (folder / "config.yaml").read_bytes()))
    assert made[0] == made[1]
    wrong = stacks.parent / "wrong.tif"
    wrong.write_bytes((stacks / "train-labels.tif").read_bytes()[:-5000])
    words[words.index("-p") + 1] = wrong
    done = bench(*words, "--engine", "ray", "--address", cluster.address)
    assert done.returncode == 2
    assert "wrong.tif" in done.stderr


@pytest.mark.slow
def test_a_node_with_other_code_does_nothing_and_is_named(bare: Any, bench: Run, stacks: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "segbench"
    shutil.copytree(ROOT / "benchmark", other, ignore=shutil.ignore_patterns("__pycache__", "native"))
    for part in ("datasets", "baselines", "configs"):
        shutil.copytree(ROOT / part, other / part, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "_version.py").write_text('__version__ = "0.0.7"\n')
    (tmp_path / "one.yaml").write_text(f"datasets: [isbi2012]\nmethods: [{{name: threshold, settings: {QUICK}}}]\n")
    nodes = [bare.add("--node-name=stranger", PYTHONPATH=str(other.parent))]
    nodes[0].wait()
    ray = ["--engine", "ray", "--address", bare.address]
    labels = stacks / "train-labels.tif"
    for words in (
        ["suite", "one.yaml", "--root", f"isbi2012={stacks}"],
        ["evaluate", "-d", "isbi2012", "--root", stacks, "-p", labels, "--split", "all"],
    ):
        done = bench(*words, *ray)
        assert done.returncode == 2, done.stderr
        assert "stranger has segbench 0.0.7 (code " in done.stderr
        assert "Install the same on every node" in done.stderr
    nodes.append(bare.add("--node-name=same"))
    nodes[1].wait()
    done = bench(*words, "--out", "out", *ray)
    assert done.returncode == 0, done.stderr
    assert "stranger has segbench 0.0.7" in done.stderr
    assert (tmp_path / "out" / "statistics.parquet").is_file()
    for node in nodes:
        node.kill()


def test_without_ray_a_dry_run_works_and_the_rest_says_what_to_type(
    bench: Run, stacks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as Python has a package that cannot be imported
    (tmp_path / "one.yaml").write_text("datasets: [isbi2012]\nmethods: [threshold]\n")
    root = ["--root", f"isbi2012={stacks}"]
    done = bench("suite", "one.yaml", *root, "--dry-run", "--engine", "ray")
    assert done.returncode == 0, done.stderr
    labels = stacks / "train-labels.tif"
    evaluate = ["evaluate", "-d", "isbi2012", "--root", stacks, "-p", labels]
    for words in (["suite", "one.yaml", *root], evaluate):
        done = bench(*words, "--engine", "ray")
        assert done.returncode == 2
        assert "pip install 'segbench[ray]'" in done.stderr
        done = bench(*words, "--address", "auto")
        assert done.returncode == 2
        assert "add --engine ray" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_folder_comes_as_it_was_sent(tmp_path: Path) -> None:
    sent, received = tmp_path / "sent", tmp_path / "received"
    (sent / "deep" / "er").mkdir(parents=True)
    (sent / "deep" / "er" / "file").write_bytes(os.urandom(1000))
    (sent / ".lock").touch()
    (sent / "link").symlink_to("/etc/passwd")
    received.mkdir()
    (received / "old").touch()
    unpacked(packed(sent), received)
    names = sorted(path.relative_to(received).as_posix() for path in received.rglob("*"))
    assert names == [".lock", "deep", "deep/er", "deep/er/file"]
    assert (received / "deep/er/file").read_bytes() == (sent / "deep/er/file").read_bytes()
    unpacked(packed(tmp_path / "nothing"), received)
    assert (received / "deep").is_dir()
    parts = b"".join(packed(sent))
    for broken in (parts[:700], b"\0" * 10_000, parts.replace(b"./deep/er/file", b"../../er/file!")):
        with pytest.raises(UserError):
            unpacked([broken], received)
        assert (received / "deep/er/file").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["received", "sent"]
