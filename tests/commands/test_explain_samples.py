"""`bench explain` names the samples on which a run is worst, or on which it is most behind another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluated_runs import evaluated, truth
from PIL import Image

import segbench
from commands import Run, printed_json
from own_folders import QUIET
from segbench.commands.explain import explain_runs
from segbench.runs.stored_requests import ExplainRequest

WRONG = [0.05, 0.4, 0.1, 0.3, 0.02, 0.2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on binary masks, of which the first is wrong as `WRONG` says and the second alike everywhere."""
    base = tmp_path_factory.mktemp("samples")
    root = truth(base / "mine", len(WRONG))
    evaluated(root, base / "runs/uneven", WRONG, "uneven", save_predictions=True)
    evaluated(root, base / "runs/even", [0.1] * len(WRONG), "even", seed=1, save_predictions=True)
    evaluated(root, base / "runs/unkept", WRONG, "unkept")
    return base / "runs"


@pytest.fixture(scope="module")
def with_empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on three masks, of which s001 is empty and predicted so: it has no Dice."""
    base = tmp_path_factory.mktemp("empty")
    root = truth(base / "mine", 3)
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(root / "masks/s001.png")
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(root / "images/s001.png")
    return evaluated(root, base / "runs/one", [0.1, 0.0, 0.2], "one")


def test_the_worst_samples_are_those_of_the_lowest_scores(bench: Run, runs: Path) -> None:
    found = printed_json(bench("explain", runs / "uneven", "--samples", "3", "--json"))["worst_samples"]
    alone = segbench.load_run(runs / "uneven").per_sample()
    assert [each["sample"] for each in found["samples"]] == list(alone.index[:3]) == ["s001", "s003", "s005"]
    assert [each["scores"] for each in found["samples"]] == [[value] for value in alone[:3]]
    assert (found["score"], found["n"], found["scored"], found["undefined"]) == ("dice", 6, 6, [])
    assert found["means"] == [pytest.approx(float(alone.mean()), abs=1e-12)]
    assert found["behind"] is None
    assert printed_json(bench("explain", runs / "uneven", "--samples", "0", "--json"))["worst_samples"] is None


def test_it_is_printed_with_what_it_means_and_how_to_see_them(bench: Run, runs: Path) -> None:
    done = bench("explain", runs / "uneven", "--samples", "2", COLUMNS="80")
    lines = done.stdout.splitlines()
    start = lines.index("The worst of 6 samples by dice:")
    assert [line.split()[0] for line in lines[start + 4 : start + 6]] == ["s001", "s003"]
    assert "Each sample is scored alone" in done.stdout
    assert f"dice, {segbench.load_run(runs / 'uneven').scores['dice'].value:.4f}: that is of all samples" in done.stdout
    panels = next(line for line in done.stderr.splitlines() if "bench panels" in line)
    assert "--samples s001,s003 --errors" in panels
    assert "bench panels" not in bench("explain", runs / "unkept").stderr


def test_of_two_runs_those_on_which_the_first_is_most_behind(runs: Path) -> None:
    found = explain_runs(ExplainRequest(runs / "even", runs / "uneven", samples=10), QUIET).worst_samples
    assert found is not None
    even, uneven = (segbench.load_run(runs / name).per_sample() for name in ("even", "uneven"))
    behind = (uneven - even).sort_values(ascending=False)
    behind = behind[behind > 0]
    assert found.behind == len(behind) == len(found.samples) == 2
    assert [each.sample for each in found.samples] == list(behind.index) == ["s004", "s000"]
    assert [each.behind for each in found.samples] == pytest.approx(list(behind), abs=1e-12)
    assert found.samples[0].scores == [even["s004"], uneven["s004"]]


def test_two_runs_are_printed_side_by_side(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "mine", len(WRONG))
    better = evaluated(root, tmp_path / "runs/better", [0.0] * len(WRONG), "better", save_predictions=True)
    again = evaluated(root, tmp_path / "runs/again", WRONG, "again", save_predictions=True)
    done = bench("explain", again, better, "--samples", "1", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    start = lines.index("1 is behind 2 by dice on 6 of 6 samples, most of all on:")
    assert lines[start + 2].split() == ["sample", "dice", "1", "dice", "2", "2", "less", "1"]
    sample, first, second, apart = lines[start + 4].split()
    assert (sample, second) == ("s001", "1.0000")
    assert float(apart) == pytest.approx(1 - float(first), abs=1e-4)
    done = bench("explain", better, again)
    assert "1 is behind 2 on none of 6 samples by dice." in done.stdout


def test_samples_without_a_score_are_told(bench: Run, with_empty: Path) -> None:
    done = bench("explain", with_empty)
    assert "The worst of 2 samples by dice:" in done.stdout
    assert "dice is undefined on 1 sample: s001" in done.stdout
    found = printed_json(bench("explain", with_empty, "--json"))["worst_samples"]
    assert (found["undefined"], found["scored"], found["n"]) == (["s001"], 2, 3)
    assert [each["sample"] for each in found["samples"]] == ["s002", "s000"]


def test_slices_point_to_it(bench: Run, runs: Path) -> None:
    done = bench("slice", runs / "even", "--by", "sample")
    assert done.returncode == 2
    assert f"bench explain {runs / 'even'}" in " ".join(done.stderr.split())
