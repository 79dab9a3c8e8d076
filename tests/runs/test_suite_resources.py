"""What cells ask for, how long they are expected to take, and cells of several processes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from commands import Run
from segbench.errors import UserError
from segbench.runs.suite.cells import Control, Job, run_cell
from segbench.runs.suite.estimates import Estimate, estimates, longest_first
from segbench.runs.suite.grid import make_plan
from segbench.runs.suite.resources import Resources
from segbench.runs.suite.spec import Plan, parse_suite
from segbench.runs.suite.state import CellState, SuiteState

FILE = Path("mine.yaml")
BASE = "datasets: [isbi2012]\nmethods: [threshold, unet]\n"


def _plan(text: str) -> Plan:
    return make_plan(parse_suite(text, FILE), "mine", FILE)


def _resources(text: str) -> list[Resources]:
    return [cell.resources for cell in _plan(text).cells]


def test_resources_come_from_the_preset_the_suite_and_the_method_in_turn() -> None:
    classical, learned = _resources(BASE)
    assert classical == Resources(2, 0, 8.0, 120.0, 1)
    assert learned == replace(classical, gpus=None)
    text = "preset: paper\ndatasets: [isbi2012]\nresources: {cpus: 3, gpus: 2, time: '1:30'}\nmethods:\n  - threshold\n"
    text += "  - {name: unet, resources: {memory_gb: 12.5, time: 2-12:00}}\n"
    text += "  - {name: fcn, resources: {processes: 1}}\n"
    assert _resources(text) == [
        Resources(3, 0, 32.0, 90.0, 1),
        Resources(3, 2, 12.5, 60.0 * 60, 2),
        Resources(3, 2, 32.0, 90.0, 1),
    ]


def test_each_process_of_a_cell_has_a_core_and_they_share_what_there_are() -> None:
    (two,) = _resources("datasets: [isbi2012]\nmethods: [unet]\nresources: {cpus: 1, processes: 2}\n")
    assert (two.cpus, two.threads(two.cpus)) == (2, 1)
    (four,) = _resources("datasets: [isbi2012]\nmethods: [unet]\nresources: {gpus: 4}\n")
    assert (four.cpus, four.processes) == (4, 4)
    (wide,) = _resources("datasets: [isbi2012]\nmethods: [unet]\nresources: {cpus: 7, processes: 2}\n")
    assert (wide.cpus, wide.threads(7), wide.threads(1)) == (7, 3, 1)
    (classical,) = _resources("datasets: [isbi2012]\nmethods: [threshold]\nresources: {cpus: 1, processes: 2}\n")
    assert (classical.cpus, classical.threads(1)) == (1, 1)


def test_resources_change_no_name_of_a_cell() -> None:
    asked = _plan(BASE + "resources: {cpus: 7}\n").cells
    assert [cell.name for cell in asked] == [cell.name for cell in _plan(BASE).cells]


@pytest.mark.parametrize(("minutes", "text"), [(90.0, "90"), (90.0, "'1:30'"), (1.5, "'0:1:30'"), (1500.0, "1-1:00")])
def test_times_are_read_as_schedulers_write_them(minutes: float, text: str) -> None:
    assert {found.minutes for found in _resources(BASE + f"resources: {{time: {text}}}\n")} == {minutes}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{cpu: 2}", "cpus"),
        ("{cpus: 0}", "greater than or equal to 1"),
        ("{gpus: -1}", "greater than or equal to 0"),
        ("{time: soon}", "expected minutes as a number"),
        ("{time: -5}", "greater than 0"),
        ("{memory_gb: .nan}", "memory_gb"),
        ("3", "resources"),
    ],
)
def test_resources_that_are_none_are_refused(entry: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        _plan(BASE + f"resources: {entry}\n")


def _record(seconds: float, folds: int | None = None, **config: Any) -> str:
    return json.dumps(
        {
            "dataset": {"name": "isbi2012", "n": 10, "folds": folds},
            "method": {"name": "unet", "preset": "quick", "config": config},
            "cost": {"train_s": seconds, "predict_ms_per_image": 100.0},
        }
    )


def test_what_a_cell_takes_is_known_from_like_ones(tmp_path: Path) -> None:
    for number, text in enumerate(
        [_record(10, depth=3), _record(30, depth=3), _record(500, depth=5), "{", "[]", _record(99)[:-3]]
    ):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "record.json").write_text(text)
    cells = _plan(
        "datasets: [isbi2012]\nmethods: [threshold, {name: unet, settings: {depth: 3}}, {name: fcn}]\nseeds: [0, 1]\n"
    ).cells
    threshold, threshold_1, unet, unet_1, fcn, fcn_1 = cells
    state = SuiteState(suite="mine", file="mine.yaml", created="", updated="")
    state.cells[threshold.name] = CellState(name=threshold.name, status="done", seconds=7.0)
    state.cells[fcn.name] = CellState(name=fcn.name, status="failed", seconds=1.0)
    found = estimates(cells, state, tmp_path, {threshold_1.name: 60.0, fcn_1.name: 4.0})
    assert found == {
        threshold.name: Estimate(7.0, "this suite"),
        threshold_1.name: Estimate(7.0, "this suite"),
        unet.name: Estimate(21.0, "earlier runs"),
        unet_1.name: Estimate(21.0, "earlier runs"),
        fcn_1.name: Estimate(240.0, "its time limit"),
    }
    names = [cell.name for cell in cells]
    assert longest_first(names, found) == [fcn.name, fcn_1.name, *names[2:4], *names[:2]]
    fivefold = replace(unet, folds=5)
    assert estimates([fivefold], None, tmp_path, {})[unet.name].seconds == 5 * 21.0
    assert estimates([unet], None, tmp_path / "nothing", {}) == {}


@pytest.mark.slow
def test_a_dry_run_shows_what_is_expected_and_asked_for(bench: Run, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "earlier"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(_record(119))
    (tmp_path / "mine.yaml").write_text(BASE + "resources: {cpus: 5}\n")
    found = json.loads(bench("suite", "mine.yaml", "--dry-run", "--json").stdout)
    assert found["engine"] == "local"
    classical, learned = found["cells"]
    assert (learned["expected_s"], learned["expected_from"]) == (120.0, "earlier runs")
    assert classical["expected_from"] == "its time limit"
    assert learned["resources"] == {"cpus": 5, "gpus": None, "memory_gb": 8.0, "minutes": 120.0, "processes": 1}
    said = bench("suite", "mine.yaml", "--dry-run").stdout
    assert "expected from cells like these: 2:00 min, one after another, and 1 cells like which none has run" in said


@pytest.mark.slow
def test_what_is_wrong_with_a_cell_of_two_processes_is_said(stacks: Path, tmp_path: Path) -> None:
    words = ("run", "-d", "isbi2012", "-m", "unet", "--root", str(stacks), "--out", str(tmp_path / "out"))
    small = ("--device", "cpu", "--set", "batch_size=3", "--set", "crop=16", "--set", "base_channels=2")
    job = Job("cell", (*words, *small), tmp_path / "log", resources=Resources(2, 0, processes=2))
    outcome = run_cell(job, {"OMP_NUM_THREADS": "1"}, Control())
    assert outcome.status == "failed"
    assert outcome.error == "batch_size=3 cannot be shared by 2 processes: set a multiple of their number."


@pytest.mark.slow
def test_a_cell_of_two_processes_learns_what_one_learns(bench: Run, stacks: Path, tmp_path: Path) -> None:
    """Twenty images in batches of six: each counts as often, in a loss that is a plain mean over pixels."""
    still = (
        "rotation=0",
        "zoom=0",
        "shift=0",
        "shear=0",
        "elastic=0",
        "dropout=0",
        "norm=instance",
        "background_weight=1",
    )
    small = ("base_channels=2", "depth=1", "epochs=2", "iterations_per_epoch=4", "batch_size=6", "crop=16")
    words = ["run", "-d", "isbi2012", "-m", "unet", "--root", str(stacks), "--device", "cpu", "--no-plots"]
    words += [word for setting in (*small, *still, "loss=bce", "precision=fp32") for word in ("--set", setting)]
    weights = []
    for processes in (1, 2):
        out = tmp_path / f"out{processes}"
        if processes == 1:
            done = bench(*words, "--out", out)
            assert done.returncode == 0, done.stderr
        else:
            resources = Resources(2, 0, processes=processes)
            job = Job("cell", (*words, "--out", str(out)), tmp_path / "log", resources=resources)
            outcome = run_cell(job, {"OMP_NUM_THREADS": "1"}, Control())
            assert outcome.status == "done", job.log.read_text()
        record = json.loads((out / "record.json").read_text())
        assert record["complete"]
        assert record["environment"]["hardware"].get("processes", 1) == processes
        weights.append(load_file(out / "checkpoint" / "model.safetensors"))
    for name, one in weights[0].items():
        assert weights[1][name] == pytest.approx(one, abs=2e-5), name


@pytest.mark.slow
def test_a_cell_that_somebody_else_interrupts_is_interrupted_and_not_failed(stacks: Path, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins" / "baselines"
    plugins.mkdir(parents=True)
    (plugins / "mine.py").write_text(
        "import os, signal\nfrom dataclasses import replace\nfrom segbench.baselines.threshold import Threshold\n\n"
        "class Stopped(Threshold):\n    info = replace(Threshold.info, name='stopped')\n\n"
        "    def fit(self, train, val, context):\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "        while not context.stop():\n            pass\n        raise KeyboardInterrupt\n"
    )
    words = ("run", "-d", "isbi2012", "-m", "stopped", "--root", str(stacks), "--out", str(tmp_path / "out"))
    outcome = run_cell(Job("cell", words, tmp_path / "log"), {"SEGBENCH_PLUGINS": str(tmp_path / "plugins")}, Control())
    assert (outcome.status, outcome.exit_status) == ("interrupted", 130), (tmp_path / "log").read_text()


def test_a_resumed_job_says_so_once() -> None:
    job = Job("a", ("run", "--overwrite", "-d", "x"), Path("a.log"))
    assert job.resumed().arguments == ("run", "-d", "x", "--resume")
    assert job.resumed().resumed() == job.resumed()
    assert job.resumed().append
