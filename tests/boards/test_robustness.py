"""Runs on corrupted images: their identity, what is fitted only once, and how much of the clean score they lose."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from commands import Run, printed_json
from segbench.boards.compare_runs import compare_stored
from segbench.boards.robustness import RobustnessLine
from segbench.commands.run import RunRequest, run
from segbench.evaluation.resampling import Units, bootstrap_weights
from segbench.io.reporter import Reporter
from segbench.runs.record import read_record
from segbench.runs.stored import open_run
from small_stack import write_stack

QUIET = Reporter(quiet=True)
SETTINGS = {"kind": ["otsu"], "sigma": [1.0]}
CORRUPTED = ("noise:1", "noise:5", "contrast:3")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods on a small stack as it is, one of them on worse images too."""
    folder = tmp_path_factory.mktemp("robust")
    root = folder / "stack"
    root.mkdir()
    write_stack(root)
    clean = folder / "runs" / "clean"

    def make(name: str, method: str = "threshold", **more: object) -> None:
        settings = SETTINGS if method == "threshold" else {}
        about = {"root": root, "folds": 2, "settings": settings, "plots": False, "out": folder / "runs" / name, **more}
        run(RunRequest("isbi2012", method, **about), QUIET)  # type: ignore[arg-type]

    make("clean")
    make("shape", "mean-shape")
    for corrupt in CORRUPTED:
        make(corrupt.replace(":", "-"), corrupt=corrupt, weights=clean)
    return folder / "runs"


def test_it_is_another_run_of_what_was_fitted_once(runs: Path) -> None:
    clean, noisy = (read_record(runs / name) for name in ("clean", "noise-5"))
    assert noisy.method.corruption == "noise:5"
    assert noisy.run_id != clean.run_id
    assert noisy.cost.train_s == clean.cost.train_s
    assert noisy.method.chosen["weights_of"] == clean.run_id
    assert {key: value for key, value in noisy.method.chosen.items() if key != "weights_of"} == clean.method.chosen
    assert "--corrupt noise:5" in noisy.command
    # Of a run on images as they are nothing is written that was not before.
    assert "corruption" not in json.loads((runs / "clean" / "record.json").read_text())["method"]
    assert noisy.dataset.data_sha256 == clean.dataset.data_sha256


@pytest.mark.slow
def test_its_record_follows_from_what_is_stored(bench: Run, runs: Path) -> None:
    done = bench("verify", runs / "noise-1")
    assert done.returncode == 0, done.stdout
    again = bench(*shlex.split(read_record(runs / "noise-1").command)[1:])
    assert "complete and current" in again.stderr, again.stderr


def test_the_drop_is_paired(runs: Path) -> None:
    """The same numbers from the statistics by hand: both runs on the same drawn samples."""
    names = ("clean", *(corrupt.replace(":", "-") for corrupt in CORRUPTED))
    clean, *worse = (open_run(runs / name) for name in names)
    (line,) = compare_stored([clean], QUIET, score="dice", corrupted=worse).robustness or [pytest.fail("no lines")]
    assert [(p.corruption, p.level) for p in line.points] == [("contrast", 3), ("noise", 1), ("noise", 5)]
    family = next(m for m in clean.metrics if any(s.name == "dice" for s in m.scores))
    sides = [one.statistics.of(family.name) for one in (clean, worse[1])]
    values = [family.compute(side, clean.info)["dice"] for side in sides]
    point = line.points[-1]
    assert point.relative_drop == pytest.approx((values[0] - values[1]) / values[0], abs=1e-12)
    weights = np.concatenate(list(bootstrap_weights(Units.of_groups([s.group for s in sides[0]]))))
    draws = [family.resample(side, clean.info, weights)["dice"] for side in sides]
    low, high = np.quantile((draws[0] - draws[1]) / draws[0], (0.025, 0.975))
    assert point.drop_low is not None
    assert point.drop_high is not None
    # The percentile interval, up to its correction for bias, skewness and few units.
    width = high - low
    assert point.drop_low == pytest.approx(low, abs=0.35 * width)
    assert point.drop_high == pytest.approx(high, abs=0.35 * width)
    assert line.mean_relative_drop == pytest.approx(np.mean([p.relative_drop for p in line.points]))


def test_a_folder_of_runs_is_ranked_on_images_as_they_are(bench: Run, runs: Path) -> None:
    found = printed_json(bench("compare", runs, "--metric", "dice", "--json"))
    assert {row["label"] for row in found["runs"]} == {"threshold", "mean-shape"}
    (line,) = found["robustness"]
    assert line["label"] == "threshold"
    assert len(line["points"]) == 3
    assert found["alone"] == []
    told = bench("compare", runs, "--metric", "dice", "-q").stdout
    assert "noise:5" in told
    assert "mean loss" in told


def test_runs_on_other_images_are_not_compared_with_each_other(bench: Run, runs: Path) -> None:
    done = bench("compare", runs / "shape", runs / "noise-1")
    assert done.returncode == 2
    assert "what was done to the images differs" in done.stderr
    done = bench("compare", runs / "noise-5", runs / "noise-1")
    assert done.returncode == 2
    assert "('noise:1' and 'noise:5')" in done.stderr or "('noise:5' and 'noise:1')" in done.stderr


def test_a_board_does_not_rank_them(bench: Run, runs: Path) -> None:
    (group,) = printed_json(bench("leaderboard", runs, "--json"))
    assert {row["method"]["name"] for row in group["rows"]} == {"threshold", "mean-shape"}
    assert "on images made worse (noise:5)" in bench("leaderboard", runs).stdout


@pytest.mark.slow
def test_a_report_has_a_section_of_robustness(bench: Run, runs: Path, tmp_path: Path) -> None:
    found = printed_json(bench("report", runs, "--out", tmp_path / "page", "--json"))
    assert found["not_ranked"] == []
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "Robustness: the score on images that were made worse" in page
    assert "contrast:3" in page


@pytest.mark.slow
def test_a_suite_fits_once_and_draws_the_curve(bench: Run, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        f"datasets: [{{name: isbi2012, root: {runs.parent / 'stack'}}}]\n"
        "methods: [constant, {name: threshold, settings: {kind: [otsu], sigma: [1.0]}}]\n"
        "folds: [2]\n"
        'corruptions: [null, "noise:2", "jpeg:4"]\n'
    )
    plan = printed_json(bench("suite", "mine.yaml", "--dry-run", "--json"))
    assert [("--weights" in cell["command"]) for cell in plan["cells"]] == [False, True, True] * 2
    found = printed_json(bench("suite", "mine.yaml", "--out", "suite", "--json"))
    assert (found["done"], found["failed"]) == (6, [])
    (section,) = found["sections"]
    assert len(section["rows"]) == 2
    (curves,) = found["robustness"]
    lines = [RobustnessLine.model_validate(line) for line in curves["lines"]]
    assert [line.label for line in lines] == ["constant", "threshold"]
    assert all([(p.corruption, p.level) for p in line.points] == [("jpeg", 4), ("noise", 2)] for line in lines)
    assert "robustness.svg" in found["plots"]
    assert "## Robustness" in (tmp_path / "suite" / "results.md").read_text()
    done = bench("suite", "mine.yaml", "--out", "suite", "--resume")
    assert "6 done" in done.stderr


@pytest.mark.parametrize(("word", "told"), [("fog:1", "Unknown corruption 'fog'"), ("noise:9", "a level from 1 to 5")])
def test_a_wrong_corruption_is_told_before_anything_is_read(bench: Run, word: str, told: str) -> None:
    done = bench("run", "-d", "isbi2012", "-m", "constant", "--corrupt", word)
    assert done.returncode == 2
    assert told in done.stderr.splitlines()[-1]
