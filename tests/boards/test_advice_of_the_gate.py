"""What `bench check` advises about a baseline works: `--update` then does it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from evaluated_runs import evaluated, predictions, truth

from own_folders import QUIET
from segbench.commands.check import CheckRequest, check
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.types import UserError

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A baseline whose only run was scored on 3 of 8 samples."""
    root = truth(tmp_path / "root", 8)
    made = predictions(root, tmp_path / "made", [0.1] * 8)
    for path in sorted(made.iterdir())[3:]:
        path.unlink()
    request = EvaluateRequest("folder", made, name="model", root=root, split="all", plots=False, partial=True)
    evaluate_files(EvaluateRequest(**{**vars(request), "out": tmp_path / "baseline" / "model"}), QUIET)
    return tmp_path


def gate(place: Path, *, update: bool = False) -> str:
    """What the gate says where it refuses; empty where it does not."""
    try:
        check(CheckRequest(place / "baseline", place / "runs", update=update), QUIET)
    except UserError as error:
        return str(error)
    return ""


def test_a_partial_baseline_is_replaced_by_a_whole_run(place: Path) -> None:
    run = evaluated(place / "root", place / "runs" / "model", [0.1] * 8)
    said = gate(place)
    assert "is partial (3 of 8 samples scored)" in said
    assert f"'bench check --update' puts '{run}' in its place" in said
    assert gate(place, update=True) == ""
    assert gate(place) == ""


def test_update_is_not_advised_where_it_would_be_refused(place: Path) -> None:
    """The same partial run once more, then a whole one beside another of the same method."""
    shutil.copytree(place / "baseline", place / "runs")
    said = gate(place)
    assert "Take it away, or make a complete run of folder real all model: 'bench check --update' puts" in said
    assert "no complete run below" in gate(place, update=True)
    for name in ("one", "two"):
        evaluated(place / "root", place / "runs" / name, [0.1 if name == "one" else 0.2] * 8)
    said, refused = gate(place), gate(place, update=True)
    assert "'bench check --update' would refuse" in said
    assert refused in said
    shutil.rmtree(place / "runs" / "two")
    assert "puts" in gate(place)
    assert gate(place, update=True) == gate(place) == ""


def test_a_baseline_without_runs_says_how_to_begin(place: Path) -> None:
    shutil.rmtree(place / "baseline")
    (place / "baseline").mkdir()
    (place / "runs").mkdir()
    assert "There is none below" in gate(place)
    single = truth(place / "single", 1)
    evaluated(single, place / "runs" / "model", [0.1])
    assert gate(place, update=True) in gate(place)
    shutil.rmtree(place / "runs")
    evaluated(place / "root", place / "runs" / "model", [0.1] * 8)
    assert "Write one with 'bench check --update'" in gate(place)
    assert gate(place, update=True) == gate(place) == ""


def test_a_run_that_the_baseline_lacks_and_cannot_take(place: Path) -> None:
    evaluated(place / "root", place / "runs" / "model", [0.1] * 8)
    assert gate(place, update=True) == ""
    evaluated(truth(place / "single", 1), place / "runs" / "short", [0.1], name="short")
    (unchecked,) = check(CheckRequest(place / "baseline", place / "runs"), QUIET).unchecked
    assert "which --update would refuse" in unchecked.message
    assert gate(place, update=True) in unchecked.message
