"""The gate says which classes lost, also where their mean did not, and what it found in place of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Run
from segbench.types import Array

pytestmark = pytest.mark.slow

CLASSES = "classes: {0: soil, 1: crop, 2: weed}\n"


def truth(number: int) -> Array:
    labels = np.zeros((30, 30), np.uint8)
    labels[:10] = 1
    labels[20:, : 20 + number % 3] = 2
    return labels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "masks").mkdir(parents=True)
    (folder / "classes.yaml").write_text(CLASSES)
    for number in range(24):
        Image.fromarray(truth(number)).save(folder / "masks" / f"s{number:02d}.png")
    return folder


def evaluated(bench: Run, root: Path, out: Path, wrong: tuple[float, float, float], *more: str) -> Path:
    """A run of predictions in which so large a part of each class is something else."""
    folder = out.parent / f"{out.name}-maps"
    folder.mkdir(parents=True)
    random = np.random.default_rng(1)
    for number in range(24):
        labels = truth(number)
        lost = random.random(labels.shape) < np.array(wrong)[labels]
        Image.fromarray(np.where(lost, (labels + 1) % 3, labels).astype(np.uint8)).save(folder / f"s{number:02d}.png")
    about = ("-d", "folder", "--root", root, "--split", "all", "--no-plots", "--out", out)
    done = bench("evaluate", "-p", folder, *about, *(more or ("--name", "mymodel")))
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def baseline(bench: Run, root: Path, tmp_path: Path) -> Path:
    evaluated(bench, root, tmp_path / "old" / "mymodel", (0.05, 0.2, 0.02))
    folder = tmp_path / "baseline"
    done = bench("check", "--baseline", folder, "--runs", tmp_path / "old", "--update")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_class_that_collapses_is_named_where_the_mean_holds(
    bench: Run, root: Path, baseline: Path, tmp_path: Path
) -> None:
    evaluated(bench, root, tmp_path / "new" / "mymodel", (0.0, 0.0, 0.35))
    outputs = ("--junit", tmp_path / "j.xml", "--summary", tmp_path / "s.md")
    done = bench("check", "--baseline", baseline, "--runs", tmp_path / "new", *outputs)
    assert done.returncode == 0, done.stdout + done.stderr
    for text in (done.stdout, (tmp_path / "j.xml").read_text(), (tmp_path / "s.md").read_text()):
        assert "weed" in text
        assert "crop" not in text
    assert "not tested): weed" in done.stdout


def test_a_run_that_fails_names_its_classes_in_a_terminal_too(
    bench: Run, root: Path, baseline: Path, tmp_path: Path
) -> None:
    evaluated(bench, root, tmp_path / "new" / "mymodel", (0.05, 0.2, 0.5))
    done = bench("check", "--baseline", baseline, "--runs", tmp_path / "new", "--slowdown", "2")
    assert done.returncode == 1
    assert "not tested): weed" in done.stdout
    assert "--slowdown: neither of them knows any time" in done.stdout


@pytest.mark.parametrize(
    ("metric", "by"),
    [(None, "iou"), ("dice", "dice"), ("mean_accuracy", "accuracy"), ("dice_per_image", "dice")],
)
def test_classes_lose_by_the_score_that_is_guarded(
    bench: Run, root: Path, baseline: Path, tmp_path: Path, metric: str | None, by: str
) -> None:
    run = evaluated(bench, root, tmp_path / "new" / "mymodel", (0.05, 0.2, 0.5))
    outputs = ("--junit", tmp_path / "j.xml", "--summary", tmp_path / "s.md")
    asked = () if metric is None else ("--metric", metric)
    done = bench("check", "--baseline", baseline, "--runs", tmp_path / "new", *outputs, *asked)
    assert done.returncode == 1
    value = json.loads((run / "record.json").read_text())["per_class"]["weed"][by]
    assert f"classes that lost by {by} (each by itself, not tested): weed" in done.stdout
    for text in (done.stdout, (tmp_path / "j.xml").read_text(), (tmp_path / "s.md").read_text()):
        assert f"{value:.4f}" in text
    assert f"| class that lost most, by {by.replace('_', chr(92) + '_')}" in (tmp_path / "s.md").read_text()


def test_equal_predictions_show_nothing_of_how_small_a_loss_would_be_seen(
    bench: Run, root: Path, baseline: Path, tmp_path: Path
) -> None:
    evaluated(bench, root, tmp_path / "new" / "mymodel", (0.05, 0.2, 0.02))
    summary = tmp_path / "summary.md"
    done = bench("check", "--baseline", baseline, "--runs", tmp_path / "new", "--json", "--summary", summary)
    assert "every sample scores as it did" in json.loads(done.stdout)["checks"][0]["message"]
    row = next(line for line in summary.read_text("utf-8").splitlines() if "mymodel" in line)
    assert [cell.strip() for cell in row.split("|")][-4:-1] == ["0.0000", "0.0000", "–"]


def test_a_run_of_another_name_is_told(bench: Run, root: Path, baseline: Path, tmp_path: Path) -> None:
    evaluated(bench, root, tmp_path / "new" / "v2", (0.05, 0.2, 0.02), "--name", "v2")
    done = bench("check", "--baseline", baseline, "--runs", tmp_path / "new")
    assert done.returncode == 2
    assert "There is 'v2' of folder real all v2." in done.stderr
    assert "'bench evaluate --name' names" in done.stderr
    done = bench("check", "--baseline", tmp_path / "nowhere", "--runs", tmp_path / "new")
    assert "'bench check --update' makes one" in done.stderr
