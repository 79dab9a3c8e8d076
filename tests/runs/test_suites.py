"""`bench suite`: hostile files, plans, execution, resume, tables and plots, on small SYNTHETIC stacks."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from suite_files import write_suite_file

from commands import Run, printed_json
from segbench.boards.suite_document import SuiteResults
from segbench.boards.suite_markdown import markdown
from segbench.runs.suite.cells import Control, Job, run_cell
from segbench.runs.suite.engines.local import LocalEngine

QUICK = "{kind: [otsu], channel: [grey], sigma: [0.0], max_images: 1}"
SMALL_UNET = (
    "{epochs: 10, iterations_per_epoch: 4, batch_size: 2, crop: 32, base_channels: 4, depth: 2, tta: none, "
    "elastic: 0.0, ema: 0.0}"
)
BROKEN = """
from segbench.baselines.threshold import Threshold
from dataclasses import replace

class Mine(Threshold):
    info = replace(Threshold.info, name="mine")

    def fit(self, train, val, context):
        {fault}
        super().fit(train, val, context)
"""


@pytest.mark.slow
def test_cells_that_learn_from_validation_samples_are_recorded_and_resumed(
    bench: Run, stacks: Path, tmp_path: Path
) -> None:
    method = f"{{name: threshold, settings: {QUICK}"
    file = write_suite_file(
        tmp_path,
        f"datasets: [isbi2012]\nmethods: [{method}}}, {method}, train_on: train+val}}]\nreference: threshold\n",
    )
    command = ["suite", file, "--out", "out", "--root", f"isbi2012={stacks}"]
    planned = printed_json(bench(*command, "--dry-run", "--json"))
    assert [cell["train_on"] for cell in planned["cells"]] == ["train", "train+val"]
    assert ["--train-on train+val" in cell["command"] for cell in planned["cells"]] == [False, True]
    done = bench(*command)
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in sorted((tmp_path / "out/cells").glob("*/record.json"))]
    assert sorted((r["method"].get("train_on", "train"), r["method"]["n_train"]) for r in records) == [
        ("train", 20),
        ("train+val", 25),
    ]
    assert "threshold train+val" in (tmp_path / "out/results.md").read_text()
    again = bench(*command, "--resume")
    assert again.returncode == 0, again.stderr
    assert "started" not in again.stderr
    file.write_text(file.read_text().replace("train_on: train+val", "label: threshold train+val"))
    assert bench(*command, "--resume").stderr.count("started") == 1


@pytest.mark.slow
def test_a_suite_from_failure_to_tables(bench: Run, stacks: Path, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    (plugins / "baselines").mkdir(parents=True)
    own = plugins / "baselines" / "mine.py"
    own.write_text(BROKEN.format(fault="raise RuntimeError('no luck')"))
    file = write_suite_file(
        tmp_path,
        f"""
datasets: [{{name: isbi2012, root: {stacks.name}}}]
methods: [{{name: mine, settings: {QUICK}}}, {{name: threshold, settings: {QUICK}}}]
seeds: [0, 1]
reference: threshold
train_fractions: [0.1, 1.0]
exclude: [{{method: mine, seed: 1}}, {{method: mine, train_fraction: 0.1}}]
""",
    )
    command = ["suite", file, "--out", "out", "--jobs", "2"]
    done = bench(*command, SEGBENCH_PLUGINS=str(plugins))
    assert done.returncode == 1, done.stderr
    out = tmp_path / "out"
    state, found = (json.loads((out / name).read_text()) for name in ("suite.json", "results.json"))
    statuses = {name: cell["status"] for name, cell in state["cells"].items()}
    assert sorted(statuses.values()) == ["done"] * 4 + ["failed"]
    (failed,) = found["failed"]
    assert failed["error"] == "RuntimeError: no luck"
    assert failed["exit_status"] == 1
    assert "Traceback" in (tmp_path / failed["log"]).read_text()
    assert "FAILED" in done.stderr
    assert "no luck" in done.stdout

    # Without --resume nothing is written over; with it only what failed is run, once its code is mended.
    assert bench(*command, SEGBENCH_PLUGINS=str(plugins)).returncode == 2
    before = {path: path.stat().st_mtime_ns for path in out.glob("cells/isbi2012-threshold-*/record.json")}
    assert len(before) == 4
    own.write_text(BROKEN.format(fault="pass"))
    sys.modules.pop("segbench_user_baselines_mine", None)
    found = printed_json(bench(*command, "--resume", "--json", SEGBENCH_PLUGINS=str(plugins)))
    assert (found["done"], found["failed"]) == (5, [])
    assert {path: path.stat().st_mtime_ns for path in before} == before
    _check_tables(out, found)

    # Other data makes a cell stale; other code does, too, unless any will do.
    state = json.loads((out / "suite.json").read_text())
    name = next(name for name in state["cells"] if "threshold" in name)
    state["cells"][name]["code_sha256"] = "0" * 64
    (out / "suite.json").write_text(json.dumps(state))
    done = bench(*command, "--resume", "--any-code", SEGBENCH_PLUGINS=str(plugins))
    assert "started" not in done.stderr
    done = bench(*command, "--resume", SEGBENCH_PLUGINS=str(plugins))
    assert done.stderr.count("started") == 1
    assert "is stale: the code has changed" in done.stderr


@pytest.mark.slow
def test_an_ensemble_of_a_run_that_is_gone_fails_alone(bench: Run, stacks: Path, tmp_path: Path) -> None:
    """As any cell that fails; one that was done before its members were taken away stays done."""
    settings = "max_images=1 kind=[otsu] channel=[grey] sigma=[0.0]"
    for seed, name in enumerate(("one", "other")):
        run = ("run", "-d", "isbi2012", "-m", "threshold", "--root", stacks, "--no-plots", "--seed", str(seed))
        assert bench(*run, "--set", settings, "--out", name).returncode == 0
    file = write_suite_file(
        tmp_path,
        f"""
datasets: [{{name: isbi2012, root: {stacks.name}}}]
methods:
  - {{name: ensemble, settings: {{members: [one, other]}}}}
  - {{name: threshold, settings: {QUICK}}}
""",
    )
    (tmp_path / "other").rename(tmp_path / "gone")
    done = bench("suite", file, "--out", "out")
    assert done.returncode == 1, done.stderr
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["done"] == 1
    (failed,) = found["failed"]
    assert (failed["name"].partition("-ensemble-")[0], failed["exit_status"]) == ("isbi2012", 2)
    assert "'other'" in failed["error"]
    assert "is no run folder" in failed["error"]
    (tmp_path / "gone").rename(tmp_path / "other")
    assert printed_json(bench("suite", file, "--out", "out", "--resume", "--json"))["done"] == 2
    (tmp_path / "other").rename(tmp_path / "gone")
    done = bench("suite", file, "--out", "out", "--resume")
    assert (done.returncode, done.stderr.count("started")) == (0, 0)
    assert "counts as done, but whether it is current cannot be told: 'other' is no run folder" in done.stderr


def _check_tables(out: Path, found: Mapping[str, Any]) -> None:
    (section,) = found["sections"]
    assert section["main_score"] == "v_rand"
    values = [row["scores"]["v_rand"]["value"] for row in section["rows"]]
    assert values == sorted(values, reverse=True)
    (few,) = (row for row in section["rows"] if row["train_fraction"] == 0.1)
    assert (few["n_train"], few["seeds"]) == (2, [0, 1])
    records = [json.loads((out / "cells" / name / "record.json").read_text()) for name in few["cells"]]
    scores = [record["scores"]["v_rand"] for record in records]
    assert few["scores"]["v_rand"]["value"] == pytest.approx(statistics.mean(s["value"] for s in scores), abs=1e-15)
    assert few["scores"]["v_rand"]["std_over_seeds"] == pytest.approx(statistics.stdev(s["value"] for s in scores))
    assert few["scores"]["v_rand"]["low"] == pytest.approx(statistics.mean(s["low"] for s in scores))
    assert few["cost"]["train_s"] == pytest.approx(statistics.mean(r["cost"]["train_s"] for r in records))
    (against,) = found["differences"]
    assert (against["reference"], against["reference_seeds"], against["score"]) == ("threshold", 2, "v_rand")
    (row,) = against["rows"]
    mean_of = {row["label"]: row["scores"]["v_rand"]["value"] for row in section["rows"] if row["train_fraction"] == 1}
    assert (row["label"], row["seeds"]) == ("mine", 1)
    assert row["value"] == pytest.approx(mean_of["mine"] - mean_of["threshold"], abs=1e-12)
    assert row["low"] <= row["value"] <= row["high"]
    assert (out / "differences.svg").is_file()
    page = (out / "results.md").read_text()
    assert "## Against threshold" in page
    assert page == markdown(SuiteResults.model_validate(found))
    assert "| mine " in page
    for stem in ("learning-curve-isbi2012", "score-cost-isbi2012"):
        assert {f"{stem}.svg", f"{stem}.png"} <= set(found["plots"])
        assert ">threshold<" in (out / f"{stem}.svg").read_text()
        with Image.open(out / f"{stem}.png") as image:
            image.load()
            assert image.width > 800


@pytest.mark.slow
def test_other_data_makes_cells_stale(bench: Run, stacks: Path, tmp_path: Path) -> None:
    file = write_suite_file(tmp_path, f"datasets: [isbi2012]\nmethods: [{{name: threshold, settings: {QUICK}}}]\n")
    command = ["suite", file, "--out", "out", "--root", f"isbi2012={stacks}", "--resume"]
    assert bench(*command).returncode == 0
    assert "started" not in bench(*command).stderr
    volume = stacks / "train-volume.tif"
    content = bytearray(volume.read_bytes())
    content[len(content) // 2] ^= 1
    volume.write_bytes(content)
    done = bench(*command)
    assert "is stale: the data has changed" in done.stderr
    assert done.stderr.count("started") == 1
    record = tmp_path / "out" / "cells" / next(p.name for p in (tmp_path / "out" / "cells").iterdir()) / "record.json"
    record.write_text(record.read_text().replace('"partition": "', '"partition": "0.'))
    assert "a metric has another version" in bench(*command).stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_in_order_and_resume_goes_on(bench: Run, stacks: Path, tmp_path: Path) -> None:
    methods = f"[{{name: unet, settings: {SMALL_UNET}}}, {{name: threshold, settings: {QUICK}}}]"
    file = write_suite_file(tmp_path, f"datasets: [isbi2012]\nmethods: {methods}\n")
    arguments = ["suite", file, "--out", "out", "--root", f"isbi2012={stacks}", "--device", "cpu"]
    command = [sys.executable, "-c", "from segbench.cli import main; main()", *map(str, arguments)]
    suite = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not any((tmp_path / "out").glob("cells/*/checkpoint/checkpoint*")):
        assert suite.poll() is None, suite.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    suite.send_signal(signal.SIGINT)
    _, stderr = suite.communicate(timeout=120)
    assert suite.returncode == 130, stderr
    assert "go on with: bench suite" in stderr
    state = json.loads((tmp_path / "out" / "suite.json").read_text())
    assert [cell["status"] for cell in state["cells"].values()] == ["interrupted", "waiting"]
    done = bench(*arguments, "--resume")
    assert done.returncode == 0, done.stderr
    assert "cells: 1 missing, 1 unfinished" in done.stderr
    state = json.loads((tmp_path / "out" / "suite.json").read_text())
    assert [cell["status"] for cell in state["cells"].values()] == ["done", "done"]
    first = next(iter(state["cells"].values()))
    assert first["command"].endswith("--resume")
    # The run itself went on from its checkpoint: every epoch stands in its log once.
    log = (tmp_path / "out" / first["folder"] / "log.txt").read_text()
    assert "resumed after epoch" in log
    epochs = [line for line in log.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == len(set(epochs)) == 10


def _jobs(folder: Path, count: int) -> list[Job]:
    return [Job(str(number), (), folder / f"{number}.log") for number in range(count)]


@pytest.mark.slow
def test_the_local_engine_gives_each_slot_a_gpu_and_runs_no_more_at_once(tmp_path: Path) -> None:
    plugins = tmp_path / "baselines"
    plugins.mkdir()
    seen = tmp_path / "seen"
    seen.mkdir()
    (plugins / "mine.py").write_text(
        "import os, pathlib, time\n"
        f"seen = pathlib.Path({str(seen)!r}) / str(os.getpid())\n"
        "begun = time.time(); time.sleep(0.1)\n"
        "seen.write_text(f\"{os.environ['CUDA_VISIBLE_DEVICES']} {begun} {time.time()}\")\n"
    )
    jobs = [Job(str(number), ("list", "methods", "--quiet"), tmp_path / f"{number}.log") for number in range(5)]
    environment = {**os.environ, "SEGBENCH_PLUGINS": str(tmp_path)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", environment)
        outcomes = list(LocalEngine(2, ("0", "GPU-b")).run(jobs, Control(), lambda *_: None))
    assert sorted((outcome.name, outcome.status) for outcome in outcomes) == [(str(n), "done") for n in range(5)]
    spans = [line.read_text().split() for line in seen.iterdir()]
    assert {gpu for gpu, *_ in spans} == {"0", "GPU-b"}
    for _, begun, _ in spans:
        assert sum(float(a) <= float(begun) < float(b) for _, a, b in spans) <= 2


@pytest.mark.slow
def test_the_local_engine_starts_nothing_once_asked_to_stop(tmp_path: Path) -> None:
    begun: list[str] = []
    jobs = [Job(str(n), ("list", "metrics", "--quiet"), tmp_path / f"{n}.log") for n in range(3)]
    control = Control(lambda: len(begun) > 1)
    outcomes = list(LocalEngine().run(jobs, control, lambda job, place: begun.append(job.name + place)))
    assert begun == ["0", "1"]
    assert [outcome.status for outcome in outcomes] in (
        ["done", "interrupted", "unstarted"],
        ["done", "done", "unstarted"],
    )
    assert "partition" in (tmp_path / "0.log").read_text()


@pytest.mark.slow
def test_a_cell_that_fails_or_is_killed_says_so(tmp_path: Path) -> None:
    outcome = run_cell(Job("a", ("run", "-d", "isbi2013", "-m", "unet"), tmp_path / "a.log"), {}, Control())
    assert (outcome.status, outcome.exit_status) == ("failed", 2)
    assert "Did you mean 'isbi2012'" in outcome.error
    if sys.platform != "win32":
        plugins = tmp_path / "baselines"
        plugins.mkdir()
        (plugins / "mine.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
        environment = {"SEGBENCH_PLUGINS": str(tmp_path)}
        outcome = run_cell(Job("b", ("list", "methods", "--quiet"), tmp_path / "b.log"), environment, Control())
        assert outcome.status == "failed"
        assert "SIGKILL" in outcome.error


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_suite_leaves_no_cell_behind_and_resumes(bench: Run, stacks: Path, tmp_path: Path) -> None:
    """The suite is killed, and resumed while its cell may still be ending: no lock is taken for a failure."""
    file = write_suite_file(tmp_path, f"datasets: [isbi2012]\nmethods: [{{name: unet, settings: {SMALL_UNET}}}]\n")
    arguments = ["suite", file, "--out", "out", "--root", f"isbi2012={stacks}", "--device", "cpu"]
    command = [sys.executable, "-c", "from segbench.cli import main; main()", *map(str, arguments)]
    suite = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not any((tmp_path / "out").glob("cells/*/checkpoint/checkpoint*")):
        assert suite.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    suite.kill()
    suite.wait()
    done = bench(*arguments, "--resume")
    assert done.returncode == 0, done.stderr
    state = json.loads((tmp_path / "out" / "suite.json").read_text())
    assert [cell["status"] for cell in state["cells"].values()] == ["done"]
