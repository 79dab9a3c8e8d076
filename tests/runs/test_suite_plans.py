"""`bench suite` before anything runs: hostile files, grids and plans."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from suite_files import write_suite_file

from commands import Run, printed_json
from segbench.data.splits import plan_split, take_fraction
from segbench.errors import UserError
from segbench.registry import make_dataset
from segbench.runs.request import SuiteRequest
from segbench.runs.suite.grid import make_plan
from segbench.runs.suite.planned import cell_job, plan_of
from segbench.runs.suite.spec import MAX_CELLS, Cell, Changes, Plan, find_suite, parse_suite, suite_names

FILE = Path("mine.yaml")
BASE = "datasets: [isbi2012]\nmethods: [threshold]\n"


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
# the first example imports
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


def test_a_suite_without_plots_makes_the_same_runs_without_them(tmp_path: Path) -> None:
    cells: list[Cell] = []
    for plots in ("true", "false"):
        file = write_suite_file(tmp_path, f"{BASE}plots: {plots}\n")
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


@pytest.mark.slow
def test_dry_run_prints_commands_and_makes_nothing(bench: Run, stacks: Path, tmp_path: Path) -> None:
    file = write_suite_file(tmp_path, BASE + "seeds: [0, 7]\nfolds: [null, 3]\n")
    found = printed_json(bench("suite", file, "--dry-run", "--root", f"isbi2012={stacks}", "--json"))
    assert found["n"] == 4
    assert "real" in found["data"][next(iter(found["data"]))]
    words = shlex.split(found["cells"][3]["command"])
    assert words[:6] == ["bench", "run", "--dataset", "isbi2012", "--method", "threshold"]
    assert {"--seed", "7", "--folds", "3", str(stacks)} <= set(words)
    assert "4 cells" in bench("suite", file, "--dry-run").stdout
    assert "SYNTHETIC sample, to be made" in bench("suite", "smoke", "--dry-run").stdout
    many = write_suite_file(tmp_path, BASE + f"seeds: {list(range(201))}\n")
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
