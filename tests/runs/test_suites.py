"""`bench suite`: hostile files, plans, execution, resume, tables and plots, on small SYNTHETIC stacks."""

from __future__ import annotations

import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from commands import Run, printed_json
from segbench.boards.suite_results import SuiteResults, markdown
from segbench.data.splits import plan_split, take_fraction
from segbench.errors import UserError
from segbench.registry import make_dataset
from segbench.runs.request import SuiteRequest
from segbench.runs.suite.cells import Control, Job, run_cell
from segbench.runs.suite.engines.local import LocalEngine
from segbench.runs.suite.grid import make_plan
from segbench.runs.suite.planned import cell_job, plan_of
from segbench.runs.suite.spec import MAX_CELLS, Cell, Changes, Plan, find_suite, parse_suite, suite_names

FILE = Path("mine.yaml")
BASE = "datasets: [isbi2012]\nmethods: [threshold]\n"
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


def _plan(text: str, changes: Changes | None = None) -> Plan:
    return make_plan(parse_suite(text, FILE), "mine", FILE, changes)


@pytest.mark.slow
@pytest.mark.parametrize("name", suite_names())
def test_shipped_suites_are_planned(name: str) -> None:
    found, path, text = find_suite(name)
    suite = parse_suite(text, path)
    plan = make_plan(suite, found, path)
    assert len(plan.cells) == suite.size()
    assert suite.summary
    assert len({cell.name for cell in plan.cells}) == len(plan.cells)
    assert len(make_plan(suite, found, path, Changes(preset="standard")).cells) == suite.size()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "holds nothing; expected a mapping"),
        ("a: [", r"line \d cannot be read as YAML"),
        ("- 1", "holds a list of 1"),
        (BASE + "seeds: 3", "'seeds' is 3: expected a valid list"),
        (BASE + "seeds: [true]", r"'seeds\[0\]' is true: expected a valid integer"),
        (BASE + "plots: no plots", "'plots' is \"no plots\": expected a valid boolean"),
        (BASE + "seeds: []", "'seeds' is a list of 0"),
        (BASE + "train_on: val", "'train_on' is \"val\": expected 'train' or 'train\\+val'"),
        (BASE + "train_on: train+val\nfolds: [null, 3]", "'train_on' is train\\+val, and .*3 folds' learns from every"),
        (BASE.replace("isbi2012", "{name: isbi2012, split: val}") + "train_on: train+val", "would score split 'val'"),
        (BASE.replace("[threshold]", "[{name: 'command:true {images} {out}', train_on: train+val}]"), "is not trained"),
        (BASE + "sedes: [1]", "Did you mean 'seeds'"),
        (BASE + "folds: [1]", "greater than or equal to 2"),
        (BASE + "train_fractions: [0]", "greater than 0"),
        (BASE + "train_fractions: [.nan]", "is NaN"),
        (BASE + "summary: 2020-01-01", "valid string"),
        (BASE + "methods: [unet]", "line 3 gives the key 'methods' a second time"),
        (BASE + "exclude: [{dataset: voc2012}]", r"'exclude\[0\]' excludes nothing"),
        (BASE + "exclude: [{dataset: isbi2012}]", "no cell is left"),
        (BASE + "reference: treshold", "'reference': Unknown label of a method .* Did you mean 'threshold'"),
        (BASE + "settings: {epoch: 2}", "Unknown setting of the methods of the suite 'epoch'"),
        (BASE + "preset: quik", "Did you mean 'quick'"),
        (BASE + "seeds: [1, 1]", "stands in the grid twice"),
        (BASE.replace("isbi2012", "isbi2013"), "Did you mean 'isbi2012'"),
        (BASE.replace("threshold", "threshhold"), r"'methods\[0\]' \(threshhold\): .*Did you mean 'threshold'"),
        (BASE.replace("threshold", "{name: unet, settings: {epoch: 2}}"), "Did you mean 'epochs'"),
        (BASE.replace("threshold", "{name: unet, settings: {epochs: -1}}"), "epochs"),
        (BASE.replace("threshold", "{name: unet, settings: {size: {a: 1}}}"), "is a mapping: expected a number"),
        (BASE.replace("threshold", "{name: unet, settings: {a b: 1}}"), "a b"),
        (BASE.replace("threshold", "{name: unet, per_dataset: {medaka: {}}}"), "dataset of the suite 'medaka'"),
        (BASE.replace("isbi2012", "{name: isbi2012, setings: {}}"), r"'datasets\[0\].setings'.*'settings'"),
        (BASE.replace("isbi2012", "{name: medaka, settings: {vew: x}}"), "Unknown setting of dataset medaka 'vew'"),
        (BASE.replace("threshold", "threshold, {name: threshold, settings: {max_images: 3}}"), "give each a 'label'"),
        ("datasets: &a [*a]\nmethods: [x]", "more than 20 levels"),
        ("a: &a [1,1,1,1,1,1,1,1,1]\n" + "\n".join(
            f"{new}: &{new} [{', '.join(['*' + old] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
        ), "more than 100,000 values"),
        ("[" * 5000, "nested more than"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        (BASE + "seeds: [" + ", ".join(map(str, range(200))) + "]\ntrain_fractions: ["
         + ", ".join(str(n / 1000) for n in range(1, 100)) + "]", f"19,800 cells; at most {MAX_CELLS:,}"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_refused_with_its_key(text: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected) as caught:
        _plan(text)
    assert str(caught.value).startswith("mine.yaml")


@pytest.mark.slow
@settings(deadline=None)  # the first example imports
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=20))
def test_any_value_for_any_key_is_a_user_error_or_a_plan(value: Any) -> None:
    for key in ("datasets", "methods", "seeds", "folds", "train_fractions", "exclude", "settings", "preset"):
        document = {"datasets": ["isbi2012"], "methods": ["threshold"], key: value}
        try:
            _plan(json.dumps(document))
        except UserError:
            continue


def test_a_grid_is_a_product_without_what_is_excluded() -> None:
    plan = _plan("""
datasets: [isbi2012, {name: medaka, settings: {view: lateral}}]
methods:
  - {name: threshold, grid: {max_images: [1, 2]}}
  - {name: unet, label: small, settings: {depth: 2}, per_dataset: {medaka: {depth: 3}}}
seeds: [0, 1]
folds: [null, 3]
train_fractions: [0.1, 1.0]
exclude:
  - {method: small, folds: 3}
  - {dataset: medaka, seed: [1], settings: {max_images: 2}}
""")
    # 2 datasets x 3 variants x 2 seeds x 2 folds x 2 fractions, less 2*2*2 and 2*2.
    assert plan.excluded == 12
    assert len(plan.cells) == 48 - 12
    assert not [cell for cell in plan.cells if cell.label == "small" and cell.folds]
    assert {cell.label for cell in plan.cells} == {"threshold max_images=1", "threshold max_images=2", "small"}
    depths = {(cell.dataset, cell.settings["depth"]) for cell in plan.cells if cell.label == "small"}
    assert depths == {("isbi2012", 2), ("medaka", 3)}
    assert {tuple(cell.options.items()) for cell in plan.cells if cell.dataset == "medaka"} == {(("view", "lateral"),)}
    again = _plan("""
seeds: [1]
datasets: [isbi2012]
methods: [{name: threshold, grid: {max_images: [2]}}]
""")
    # A cell's name depends on what it is, not on the grid around it.
    assert again.cells[0].name in {cell.name for cell in plan.cells}


def test_methods_learn_from_the_splits_of_the_suite_or_from_their_own() -> None:
    plan = _plan("""
datasets: [isbi2012]
methods: [threshold, {name: unet, train_on: train}, "command:true {images} {out}"]
train_on: train+val
""")
    assert [cell.train_on for cell in plan.cells] == ["train+val", "train", "train"]
    assert [cell.label for cell in plan.cells][:2] == ["threshold train+val", "unet"]
    usual = {cell.method: cell.name for cell in _plan("datasets: [isbi2012]\nmethods: [threshold, unet]").cells}
    names = [cell.name for cell in plan.cells]
    assert names[1] == usual["unet"]
    assert names[0] != usual["threshold"]
    both = _plan(BASE.replace("threshold", "threshold, {name: threshold, train_on: train+val}"))
    assert [cell.label for cell in both.cells] == ["threshold", "threshold train+val"]


@pytest.mark.slow
def test_cells_that_learn_from_validation_samples_are_recorded_and_resumed(
    bench: Run, stacks: Path, tmp_path: Path
) -> None:
    method = f"{{name: threshold, settings: {QUICK}"
    file = _write(
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


def test_a_suite_without_plots_makes_the_same_runs_without_them(tmp_path: Path) -> None:
    cells: list[Cell] = []
    for plots in ("true", "false"):
        file = _write(tmp_path, f"{BASE}plots: {plots}\n")
        cells += plan_of(SuiteRequest(str(file))).cells
    drawn, left_out = cells
    assert drawn.name == left_out.name
    words = [cell_job(c, SuiteRequest("x"), tmp_path, origin="auto").arguments for c in (drawn, left_out)]
    assert "--no-plots" not in words[0]
    assert [word for word in words[1] if word != "--no-plots"] == list(words[0])
    assert "--no-plots" in words[1]


def test_what_a_method_cannot_do_is_left_out_and_told() -> None:
    binary = next(name for name in ("mean-shape", "chan-vese", "canny") if _binary_only(name))
    plan = _plan(f"datasets: [isbi2012, voc2012]\nmethods: [{binary}, constant]")
    assert [(cell.dataset, cell.method) for cell in plan.cells if cell.dataset == "voc2012"] == [
        ("voc2012", "constant")
    ]
    assert any(binary in line and "voc2012" in line for line in plan.unable)


def _binary_only(name: str) -> bool:
    from segbench.registry import methods

    return name in methods() and methods()[name].info.tasks == ("binary",)


def test_settings_for_all_methods_go_to_those_that_have_them() -> None:
    plan = _plan("datasets: [isbi2012]\nmethods: [threshold, unet]\nsettings: {epochs: 3, learning_rate: 1e-4}")
    assert [cell.settings for cell in plan.cells] == [{}, {"epochs": 3, "learning_rate": 0.0001}]


def test_fractions_are_nested_for_one_seed_and_hold_of_what_is_chosen_by(stacks: Path) -> None:
    ids = [f"s{n}" for n in range(1225)]
    parts = [take_fraction(ids, fraction, seed=4) for fraction in (0.01, 0.02, 0.05, 0.1, 0.3, 1.0)]
    assert [len(part) for part in parts] == [13, 25, 62, 123, 368, 1225]
    for small, large in pairwise(parts):
        assert set(small) < set(large)
    assert take_fraction(ids, 0.01, seed=5) != parts[0]
    assert len(take_fraction(ids[:100], 0.07, 0)) == 7  # 0.07 * 100 is 7.000000000000001
    (fold,) = plan_split(make_dataset("isbi2012", stacks), "test", 0.2, 0)
    assert (len(fold.train), len(fold.val), len(fold.evaluate)) == (4, 1, 5)


def _write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.slow
def test_dry_run_prints_commands_and_makes_nothing(bench: Run, stacks: Path, tmp_path: Path) -> None:
    file = _write(tmp_path, BASE + "seeds: [0, 7]\nfolds: [null, 3]\n")
    found = printed_json(bench("suite", file, "--dry-run", "--root", f"isbi2012={stacks}", "--json"))
    assert found["n"] == 4
    assert "real" in found["data"][next(iter(found["data"]))]
    words = shlex.split(found["cells"][3]["command"])
    assert words[:6] == ["bench", "run", "--dataset", "isbi2012", "--method", "threshold"]
    assert {"--seed", "7", "--folds", "3", str(stacks)} <= set(words)
    assert "4 cells" in bench("suite", file, "--dry-run").stdout
    assert "SYNTHETIC sample, to be made" in bench("suite", "smoke", "--dry-run").stdout
    many = _write(tmp_path, BASE + f"seeds: {list(range(201))}\n")
    assert "… and 1 cell more" in bench("suite", many, "--dry-run").stdout
    assert printed_json(bench("suite", many, "--dry-run", "--json"))["cells"][200]["seed"] == 200
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "data").exists()
    for wrong in (
        ["suite", "smok"],
        ["suite", tmp_path],
        ["suite", file, "--root", "x"],
        ["suite", file, "--root", "a=b"],
    ):
        done = bench(*wrong, "--dry-run")
        assert done.returncode == 2, done.stderr
    assert "Did you mean 'smoke'" in bench("suite", "smok").stderr


@pytest.mark.slow
def test_planning_needs_no_torch(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['bench', 'suite', 'smoke', '--dry-run']\nfrom segbench.cli import main\n"
    code += "try: main()\nexcept SystemExit as end: assert not end.code\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_suite_from_failure_to_tables(bench: Run, stacks: Path, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    (plugins / "baselines").mkdir(parents=True)
    own = plugins / "baselines" / "mine.py"
    own.write_text(BROKEN.format(fault="raise RuntimeError('no luck')"))
    file = _write(
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
    file = _write(
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
    file = _write(tmp_path, f"datasets: [isbi2012]\nmethods: [{{name: threshold, settings: {QUICK}}}]\n")
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
    file = _write(tmp_path, f"datasets: [isbi2012]\nmethods: {methods}\n")
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
    file = _write(tmp_path, f"datasets: [isbi2012]\nmethods: [{{name: unet, settings: {SMALL_UNET}}}]\n")
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
