"""`--metric calibration` of `bench run` and `bench evaluate`: scores with intervals, a diagram, and what is stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from commands import Run, printed_json
from segbench.metrics.calibration import Calibration
from segbench.runs.stored import open_run
from synthetic_roots import write_stacks

QUICK = ["--set", "epochs=1", "--set", "depth=2", "--set", "base_channels=4", "--device", "cpu", "--folds", "2"]


def probabilities(root: Path, file: Path) -> Path:
    """A stack of probabilities that lean to the truth."""
    labels = tifffile.imread(root / "train-labels.tif") > 0
    noise = np.random.default_rng(0).normal(0, 0.25, labels.shape)
    tifffile.imwrite(file, np.clip(np.where(labels, 0.7, 0.3) + noise, 0, 1).astype(np.float32))
    return file


def test_files_of_probabilities_are_scored(bench: Run, stacks: Path, tmp_path: Path) -> None:
    found = probabilities(stacks, tmp_path / "mine.tif")
    words = ["evaluate", "-d", "isbi2012", "--root", stacks, "-p", found, "--split", "all", "--out", tmp_path / "run"]
    record = printed_json(bench(*words, "--metric", "calibration", "--json"))
    for name in ("ece", "brier"):
        score = record["scores"][name]
        assert score["low"] < score["value"] < score["high"]
        assert not score["higher_is_better"]
    assert record["main_score"] == "v_rand"
    assert "reliability" in {path.stem for path in (tmp_path / "run" / "plots").iterdir()}
    assert bench("verify", tmp_path / "run").returncode == 0
    compared = bench("leaderboard", tmp_path / "run")
    assert "ece" not in compared.stdout  # a family that was added is no column of the board


def test_label_maps_are_told_to_have_no_probabilities(bench: Run, stacks: Path, tmp_path: Path) -> None:
    words = ["evaluate", "-d", "isbi2012", "--root", stacks, "-p", stacks / "train-labels.tif", "--split", "all"]
    record = printed_json(bench(*words, "--metric", "calibration", "--no-plots", "--out", tmp_path / "run", "--json"))
    # The truth as probabilities of 0 and 1: all right, and as sure as can be.
    assert record["scores"]["ece"]["value"] == 0
    assert record["scores"]["brier"]["value"] == 0


@pytest.mark.slow
def test_a_run_adds_the_family_and_stores_what_it_needs(bench: Run, hearts: Path, tmp_path: Path) -> None:
    words = [
        "run",
        "-d",
        "medaka",
        "--root",
        hearts,
        "-m",
        "unet",
        "--set",
        "view=lateral",
        *QUICK,
        "--save-predictions",
    ]
    made = bench(*words, "--metric", "calibration", "--out", tmp_path / "run", "--json")
    record = printed_json(made)
    assert 0 <= record["scores"]["ece"]["value"] <= 1
    assert "--metric calibration" in record["command"]
    plain = printed_json(bench(*words, "--out", tmp_path / "plain", "--no-plots", "--json"))
    assert plain["run_id"] != record["run_id"]
    assert plain["scores"]["dice"]["value"] == record["scores"]["dice"]["value"]
    stored = list((tmp_path / "run" / "predictions").glob("*.tif"))
    assert len(stored) == record["dataset"]["n"]
    assert all(path.suffix == ".png" for path in (tmp_path / "plain" / "predictions").iterdir())
    checked = bench("verify", tmp_path / "run", "--root", hearts)
    assert checked.returncode == 0, checked.stdout
    statistics = open_run(tmp_path / "run").statistics.of(Calibration.name)
    assert sum(int(s.columns["pixels"].sum()) for s in statistics) > 0
    assert json.loads(json.dumps(record)) == record
    report = bench("report", tmp_path / "run", "--out", tmp_path / "page")
    assert report.returncode == 0, report.stderr
    assert "Expected calibration error: unet" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    compared = bench("compare", tmp_path / "run", tmp_path / "plain", "--metric", "ece")
    assert compared.returncode == 2


def test_an_unknown_family_is_told_before_anything_is_fitted(bench: Run, tmp_path: Path) -> None:
    root = write_stacks(tmp_path / "isbi")
    done = bench("run", "-d", "isbi2012", "--root", root, "-m", "constant", "--metric", "calibraton")
    assert done.returncode == 2
    assert "Did you mean 'calibration'?" in done.stderr
