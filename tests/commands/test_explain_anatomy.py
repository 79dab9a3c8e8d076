"""`bench explain RUN [RUN]`: what errors come from, in points that add up, from the label maps that runs kept."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from evaluated_runs import evaluated, truth
from PIL import Image

from commands import Run, printed_json
from own_folders import QUIET
from segbench.cli.explain_output import explanation
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.explain import Explanation, explain, explain_runs
from segbench.errors import UserError
from segbench.evaluation.anatomy import CAUSES
from segbench.io.reporter import Reporter
from segbench.runs.stored_requests import ExplainRequest


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three classes in `mine`, and two runs with predictions: `one`, and `two`, which misses more."""
    base = tmp_path_factory.mktemp("anatomy")
    root = base / "mine"
    (root / "masks").mkdir(parents=True)
    (root / "classes.yaml").write_text("name: drawn\nclasses: {0: background, 1: cell, 2: nucleus}\nmasks: values\n")
    random = np.random.default_rng(1)
    for n in range(6):
        labels = np.zeros((50, 70), np.uint8)
        labels[5:20, 5:25], labels[25:45, 30:60] = 1, 2
        Image.fromarray(labels).save(root / "masks" / f"s{n}.png")
        for name in ("one", "two"):
            found = np.roll(labels, random.integers(-2, 3, 2), (0, 1))
            if name == "two" and n % 2:
                found[found == 1] = 0
            if n == 4:
                found[found == 2] = 1
            (base / name).mkdir(exist_ok=True)
            Image.fromarray(found).save(base / name / f"s{n}.png")
    for name in ("one", "two"):
        request = EvaluateRequest(
            "folder", base / name, root=root, out=base / "runs" / name, split="all", plots=False, save_predictions=True
        )
        evaluate_files(request, QUIET)
    return base


def _explained(runs: Path, *names: str, **more: object) -> Explanation:
    first, *second = (runs / "runs" / name for name in names)
    return explain_runs(ExplainRequest(first, second[0] if second else None, **more), QUIET)  # type: ignore[arg-type]


def test_parts_of_two_runs_add_up_to_the_whole_loss(runs: Path) -> None:
    found = _explained(runs, "one", "two")
    assert found.anatomy[0].run_id == found.run_id
    for each in found.anatomy:
        assert [part.cause for part in each.parts] == list(CAUSES)
        assert each.score == "miou"
        assert each.value is not None
        assert each.loss_points == pytest.approx(100 * (1 - each.value), abs=1e-9)
        assert math.fsum(part.points or 0 for part in each.parts) == pytest.approx(each.loss_points, abs=1e-9)
    parts = [{part.cause: part for part in each.parts} for each in found.anatomy]
    assert parts[0]["missed"].pixels == 0
    assert parts[1]["missed"].pixels > 500
    assert parts[1]["missed"].points or 0 > 5
    assert parts[0]["confused"].pixels > 400
    assert found.official == found.anatomy[0].value


def test_the_reach_is_the_users(runs: Path) -> None:
    near, far = (_explained(runs, "one", boundary_px=reach).anatomy[0] for reach in (0, 3))
    pixels = [{part.cause: part.pixels for part in each.parts} for each in (near, far)]
    assert (near.boundary_px, far.boundary_px) == (0, 3)
    assert pixels[0]["boundary"] == 0 < pixels[1]["boundary"]
    assert sum(pixels[0].values()) == sum(pixels[1].values())
    assert near.loss_points == far.loss_points


def test_a_run_without_predictions_is_explained_without_them(
    tmp_path: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs / "runs", tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs/one/predictions")
    found = explain_runs(ExplainRequest(tmp_path / "runs/one"), Reporter())
    assert (found.anatomy, found.notes) == ([], [])
    assert "--save-predictions" in capsys.readouterr().err
    assert len(found.left_out) == 1
    assert "keeps no predictions" in found.left_out[0]


def test_two_runs_of_which_some_kept_no_predictions_are_told_all_else(
    tmp_path: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs / "runs", tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs/one/predictions")
    request = ExplainRequest(tmp_path / "runs/one", tmp_path / "runs/two")
    found = explain_runs(request, QUIET)
    (left_out,) = found.left_out
    assert "keeps no predictions" in left_out
    assert "--save-predictions" in left_out
    assert f"warning: {left_out}" in capsys.readouterr().err
    (anatomy,) = found.anatomy
    assert (anatomy.run_id, found.anatomy_difference) == (found.other_run_id, [])
    assert found.worst_samples is not None
    assert found.worst_samples.run_ids == [found.run_id, found.other_run_id]
    alone = {row.name: row.value for row in explain(request.other or request.run).rows}
    assert {row.name: row.other_value for row in found.rows} == alone
    shutil.rmtree(tmp_path / "runs/two/predictions")
    found = explain_runs(request, QUIET)
    assert (len(found.left_out), found.anatomy) == (2, [])
    explanation(found, as_json=False, be_quiet=True)
    printed = capsys.readouterr().out
    assert f"1: {found.run_id}, 2: {found.other_run_id}," in printed
    assert "2 less 1" in printed
    assert f"Of {len(found.rows)} conventions 1 is ahead under {len(found.rows)}, and 2 under 0." in printed


def test_labels_that_are_not_below_a_named_root_are_no_reason_to_leave_out(tmp_path: Path, runs: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        explain_runs(ExplainRequest(runs / "runs/one", root=tmp_path / "nowhere"), QUIET)


def test_predictions_that_were_changed_are_refused(tmp_path: Path, runs: Path) -> None:
    shutil.copytree(runs / "runs/one", tmp_path / "one")
    path = tmp_path / "one/predictions/s3.png"
    Image.fromarray(np.zeros((50, 70), np.uint8)).save(path)
    with pytest.raises(UserError, match="'s3' does not give its stored statistics"):
        explain_runs(ExplainRequest(tmp_path / "one", root=runs / "mine"), QUIET)


def test_runs_on_other_samples_are_not_set_side_by_side(tmp_path: Path, runs: Path) -> None:
    root = truth(tmp_path / "mine", 8)
    other = evaluated(root, tmp_path / "x/run", [0.1] * 8, save_predictions=True)
    with pytest.raises(UserError, match="not comparable"):
        explain_runs(ExplainRequest(other, runs / "runs/one"), QUIET)
    (binary,) = explain_runs(ExplainRequest(other), QUIET).anatomy
    assert binary.score == "dice"
    assert math.fsum(part.points or 0 for part in binary.parts) == pytest.approx(binary.loss_points, abs=1e-9)


@pytest.mark.slow
def test_the_command_prints_both_and_gives_json(bench: Run, runs: Path) -> None:
    words = ("explain", str(runs / "runs/one"), str(runs / "runs/two"), "--root", str(runs / "mine"))
    printed = bench(*words)
    assert printed.returncode == 0, printed.stderr
    for word in (*CAUSES, "2 less 1", "95 %", "points lost"):
        assert word in printed.stdout
    document = printed_json(bench(*words, "--json"))
    assert len(document["anatomy"]) == 2
    assert document["anatomy"][0]["parts"][0]["cause"] == "missed"
    for each in document["anatomy"]:
        assert each["loss_low"] < each["loss_points"] < each["loss_high"]
        for part in each["parts"]:
            assert (part["low"] is None) == (part["pixels"] == 0)
    apart = {each["cause"]: each for each in document["anatomy_difference"]}
    assert list(apart) == [*CAUSES, "all"]
    one, two = ({part["cause"]: part["points"] for part in each["parts"]} for each in document["anatomy"])
    assert apart["missed"]["points"] == pytest.approx(two["missed"] - one["missed"], abs=1e-9)
    assert apart["missed"]["low"] <= apart["missed"]["points"] <= apart["missed"]["high"]
    assert printed_json(bench("explain", words[1], "--json"))["anatomy_difference"] == []
