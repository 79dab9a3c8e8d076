"""Families that are asked for by name, from files to verdicts: compared, planned, sliced, verified."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from segbench.registry import metrics

FAMILIES = ("sensitivity-specificity", "centreline", "topology", "pixel-ranking")
SCORES = ("mcc", "cldice_per_image@vessel", "betti1_patch_error", "roc_auc")
Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.slow


ASKED = ["evaluate", "-d", "folder", "--root", "own", "--split", "all"]
for _name in FAMILIES:
    ASKED += ["--metric", _name]


@pytest.fixture
def vessels(tmp_path: Path) -> Path:
    """SYNTHETIC vessels of six patients, two images each, with void, and probabilities of two methods."""
    random = np.random.default_rng(0)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "classes.yaml").write_text("classes: {0: background, 1: vessel}\nignore: 255\n")
    for number in range(12):
        name = f"p{number // 2}/image-{number:02}"
        field = ndimage.gaussian_filter(random.normal(size=(70, 80)), 4)
        inside = np.abs(field) < 0.3 * field.std()
        truth = np.where(random.random(field.shape) < 0.05, 255, inside).astype(np.uint8)
        grey = np.clip(128 + 60 * inside + random.normal(0, 20, field.shape), 0, 255).astype(np.uint8)
        for folder, values in (("own/images", grey), ("own/masks", truth)):
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(path)
        for method, noise in (("good", 0.15), ("poor", 0.4)):
            values = np.clip(0.25 + 0.5 * inside + random.normal(0, noise, field.shape), 0, 1).astype(np.float32)
            path = tmp_path / method / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, values)
    return tmp_path


def test_from_files_to_verdicts(vessels: Path, bench: Run) -> None:
    def evaluated(method: str, out: str, *more: str) -> Path:
        asked = (*ASKED, "--predictions", method, "--name", method, "--out", out, *more)
        done = bench(*asked, cwd=vessels, COLUMNS="80")
        assert done.returncode == 0, done.stderr
        printed = done.stdout.partition("intervals:")[0].split()
        assert {what.name for family in FAMILIES for what in metrics()[family].scores} <= set(printed)
        return vessels / out

    good = evaluated("good", "runs/good", "--save-predictions", "--workers", "0")
    evaluated("poor", "runs/poor", "--workers", "0")
    again = evaluated("good", "again", "--workers", "2")
    assert (good / "statistics.parquet").read_bytes() == (again / "statistics.parquet").read_bytes()
    record = json.loads((good / "record.json").read_text())
    assert record["metrics"].keys() >= set(FAMILIES)
    for name in (what.name for family in FAMILIES for what in metrics()[family].scores):
        score = record["scores"][name]
        assert score["low"] <= score["value"] <= score["high"], name
        assert score["resampled"] == "groups"
    done = bench("verify", "runs/good", "--root", "own", cwd=vessels)
    assert done.returncode == 0, done.stdout + done.stderr
    for score in SCORES:
        done = bench("compare", "runs/good", "runs/poor", "--metric", score, "--json", cwd=vessels)
        assert done.returncode == 0, done.stderr
        (pair,) = json.loads(done.stdout)["differences"]
        assert pair["p"] < 0.05, score
        commands: tuple[tuple[str, ...], ...] = (("plan", "runs/good"), ("slice", "runs/good", "--by", "group"))
        for command in commands:
            done = bench(*command, "--metric", score, cwd=vessels)
            assert done.returncode == 0, done.stderr
    done = bench("explain", "runs/good", cwd=vessels)
    assert done.returncode == 0, done.stderr
    for asked, named in (
        (("cldice", "roc_auc"), "binary-overlap 1, boundary 2, centreline 1, pixel-ranking 1; segbench"),
        (("mcc@vessel",), "binary-overlap 1, boundary 2, sensitivity-specificity 1; segbench"),
        (("dice",), "Metrics: binary-overlap 1, boundary 2; segbench"),
    ):
        done = bench("table", "runs", *(f"--metric={score}" for score in asked), cwd=vessels)
        assert done.returncode == 0, done.stderr
        assert named in done.stdout


def test_masks_alone_have_no_ranking_and_part_of_a_split_is_scored(vessels: Path, bench: Run) -> None:
    for path in (vessels / "good").rglob("*.npy"):
        mask = vessels / "masks" / path.relative_to(vessels / "good").with_suffix(".png")
        mask.parent.mkdir(parents=True, exist_ok=True)
        if "p5" not in path.parts:
            Image.fromarray((np.load(path) > 0.5).astype(np.uint8)).save(mask)
    done = bench(*ASKED, "--predictions", "masks", "--name", "m", "--out", "run", "--partial", cwd=vessels)
    assert done.returncode == 0, done.stderr
    scores = json.loads((vessels / "run" / "record.json").read_text())["scores"]
    assert all(scores[name]["value"] is None for name in ("roc_auc", "average_precision", "fpr_at_95_tpr"))
    assert scores["cldice"]["value"] > 0.3
    undefined = "roc_auc, average_precision, fpr_at_95_tpr are undefined on these samples: they need a probability for"
    assert undefined in done.stderr


def test_some_masks_among_probabilities_are_named(vessels: Path, bench: Run) -> None:
    """A score of the images that have probabilities would stand beside scores of all."""
    for path in (vessels / "good" / "p1").glob("*.npy"):
        Image.fromarray((np.load(path) > 0.5).astype(np.uint8)).save(path.with_suffix(".png"))
        path.unlink()
    asked = [*ASKED, "--metric", "calibration", "--predictions", "good", "--name", "mixed", "--out", "run"]
    done = bench(*asked, cwd=vessels)
    assert done.returncode == 0, done.stderr
    scores = json.loads((vessels / "run" / "record.json").read_text())["scores"]
    assert scores["roc_auc"]["value"] is None
    assert "calibration: 2 predictions of 12 without probabilities" in done.stderr
