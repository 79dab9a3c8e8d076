"""The score of classes that belongs to a score: in the table of winners, in differences by class, and at the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from committed_records import RECORDS
from PIL import Image

from commands import Run, printed_json
from segbench.boards.score_by_class import score_by_class
from segbench.runs.stored import open_run
from segbench.runs.stored_scores import with_score
from segbench.types import UserError

FILMS = next(RECORDS.glob("medaka-threshold-*")), next(RECORDS.glob("medaka-kmeans-*"))
NEURONS = next(RECORDS.glob("isbi2012-canny-*"))
SCENES = next(RECORDS.glob("cityscapes-mean-shape-*"))
STUFF = next(RECORDS.glob("cocostuff-constant-*"))
VOC = next(RECORDS.glob("voc2012-kmeans-*"))
VESSELS = next(RECORDS.glob("drive-threshold-*"))
SEGMENTS = next(RECORDS.glob("cityscapes-maskrcnn-ef2e378e"))


@pytest.mark.parametrize(
    ("folder", "score", "by"),
    [
        *((FILMS[0], name, "dice") for name in ("dice", "dice_per_image")),
        (FILMS[0], "iou_foreground", "iou"),
        *((FILMS[0], name, name) for name in ("boundary_iou", "boundary_f1", "hausdorff95", "nsd")),
        (FILMS[0], "hausdorff95_um", "hausdorff95"),
        *((FILMS[0], name, None) for name in ("heart_rate_error_bpm", "ef_error_pp", "beat_precision")),
        *((NEURONS, name, None) for name in ("v_rand", "v_info")),
        *((SCENES, name, "iou") for name in ("iou_class", "fwiou")),
        (SCENES, "iiou_class", "iiou"),
        *((SCENES, name, None) for name in ("iou_category", "iiou_category", "pixel_accuracy")),
        (SCENES, "mean_accuracy", "accuracy"),
        *((STUFF, name, "iou") for name in ("miou_171", "miou_182")),
        *((VOC, name, "iou") for name in ("miou", "miou_defined")),
        *((VESSELS, f"{name}{end}", f"{name}{end}") for name in ("cldice", "precision") for end in ("", "_per_image")),
        *((SEGMENTS, f"{name}{kind}", name) for name in ("pq", "sq", "rq") for kind in ("", "_things", "_stuff")),
    ],
)  # fmt: skip
def test_the_score_of_classes_is_what_a_score_is_made_of(folder: Path, score: str, by: str | None) -> None:
    run = open_run(folder)
    metric, info = next((family, what) for family in run.metrics for what in family.scores if what.name == score)
    found = score_by_class(metric, info, run)
    assert (None if found is None else found.what.name) == by
    if found is not None:
        assert found.what.higher_is_better is info.higher_is_better
        assert all(by in run.record.per_class[name] for name in found.names)


@pytest.mark.parametrize("kind", ["things", "stuff"])
def test_a_score_of_a_kind_is_the_mean_over_the_classes_that_are_compared(kind: str) -> None:
    run = open_run(SEGMENTS)
    metric = run.metrics[0]
    info = next(what for what in metric.scores if what.name == f"sq_{kind}")
    found = score_by_class(metric, info, run)
    assert found is not None
    values = [run.record.per_class[name]["sq"] for name in found.names]
    assert 0 < len(values) < len(run.record.per_class)
    known = [value for value in values if value is not None]
    assert run.record.scores[f"sq_{kind}"].value == pytest.approx(sum(known) / len(known))


def test_a_score_of_some_classes_is_of_these_alone() -> None:
    run = with_score(open_run(SCENES), "dice@car,sky")
    found = score_by_class(run.metrics[-1], run.metrics[-1].scores[0], run)
    assert found is not None
    assert (found.what.name, sorted(found.names)) == ("dice", ["car", "sky"])
    with pytest.raises(UserError, match="Unknown class"):
        with_score(run, "dice@heart")


@pytest.mark.parametrize("score", ["hausdorff95", "hausdorff95_um", "hausdorff95@{}", "nsd@{}"])
def test_the_nearer_outline_wins_a_class(bench: Run, score: str) -> None:
    tables = {folder.name: json.loads((folder / "record.json").read_text())["per_class"] for folder in FILMS}
    name = next(
        name for name, row in tables[FILMS[0].name].items()
        if row.get("hausdorff95") is not None and tables[FILMS[1].name][name]["hausdorff95"] is not None
    )  # fmt: skip
    found = printed_json(bench("compare", *FILMS, "--metric", score.format(name), "--json", "--resamples", "100"))
    row = next(row for row in found["per_class"] if row["class"] == name)
    by = "nsd" if score.startswith("nsd") else "hausdorff95"
    pick = max if by == "nsd" else min
    best = pick(FILMS, key=lambda folder: tables[folder.name][name][by])
    label = next(run["label"] for run in found["runs"] if run["run_id"] == best.name)
    assert (row["by"], row["winners"]) == (by, [label])
    if "@" in score:
        assert [row["class"] for row in found["per_class"]] == [name]
        assert found["runs"][0]["label"] == label


@pytest.mark.parametrize("score", ["heart_rate_error_bpm", "beat_precision"])
def test_where_no_score_of_classes_belongs_it_is_said_and_no_table_is_shown(bench: Run, score: str) -> None:
    done = bench("compare", *FILMS, "--metric", score, "--by-class", "--json", "--resamples", "100")
    found: Any = printed_json(done)
    assert "by_class" not in found
    assert found["per_class"] == []
    assert f"no score of single classes belongs to {score}" in " ".join(done.stderr.split())


def disks(folder: Path, shifts: tuple[int, int] = (0, 0)) -> None:
    """Twelve images of a cell and a nucleus, each moved by so many columns."""
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:40, :60]
    for number in range(12):
        labels, radius = np.zeros((40, 60), np.uint8), 4 + number % 5
        labels[(rows - 12) ** 2 + (columns - 15 - shifts[0]) ** 2 <= radius**2] = 1
        labels[(rows - 24) ** 2 + (columns - 40 - shifts[1]) ** 2 <= radius**2] = 2
        Image.fromarray(labels).save(folder / f"im{number:02}.png")


def scored(bench: Run, base: Path, shifts: dict[str, tuple[int, int]]) -> list[Path]:
    """Runs `m` of predictions that are moved, each in a folder of its own."""
    root = base / "data"
    disks(root / "masks")
    classes = "[{id: 0, name: background, kind: background}, {id: 1, name: cell}, {id: 2, name: nucleus}]"
    (root / "classes.yaml").write_text(f"name: mine\nclasses: {classes}\n")
    for place, moved in shifts.items():
        disks(base / place / "maps", moved)
        where = ("--root", root, "--split", "all", "--metric", "boundary", "--no-plots", "-p", base / place / "maps")
        name = place if place in ("one", "other") else "m"
        done = bench("evaluate", "-d", "folder", *where, "--name", name, "--out", base / place / "m")
        assert done.returncode == 0, done.stderr
    return [base / place / "m" for place in shifts]


@pytest.mark.slow
@pytest.mark.parametrize("score", ["hausdorff95", "nsd"])
def test_classes_on_which_a_is_better_by_most_come_first(bench: Run, tmp_path: Path, score: str) -> None:
    runs = scored(bench, tmp_path, {"one": (1, 5), "other": (3, 4)})
    found = printed_json(bench("compare", *runs, "--metric", score, "--by-class", "--json"))
    gains = {row["class"]: row["value"] if row["higher_is_better"] else -row["value"] for row in found["by_class"]}
    assert [*gains] == sorted(gains, key=lambda name: -gains[name])
    assert min(gains.values()) < 0 < max(gains.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("score", "by", "names"),
    [
        ("dice@cell", "dice", []),
        ("dice@nucleus", "dice", ["nucleus"]),
        ("hausdorff95", "hausdorff95", ["nucleus", "background"]),
    ],
)
def test_the_gate_names_the_classes_of_the_guarded_score(
    bench: Run, tmp_path: Path, score: str, by: str, names: list[str]
) -> None:
    old, new = scored(bench, tmp_path, {"old": (0, 1), "new": (0, 4)})
    done = bench("check", "--baseline", old, "--runs", new.parent, "--metric", score, "--json")
    (check,) = json.loads(done.stdout)["checks"]
    assert [(row["class"], row["by"]) for row in check["classes"]] == [(name, by) for name in names]
    for row in check["classes"]:
        assert row["loss"] == pytest.approx(abs(row["value"] - row["baseline"]))
