"""Scores of single classes at the command line: compared, planned, sliced, checked, in tables, and as files."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from committed_records import RECORDS, on_whole_split
from PIL import Image

import segbench
from commands import Run, printed_json

ONE, OTHER = (
    next(f for f in on_whole_split(f"camvid-{name}-*") if json.loads((f / "record.json").read_text())["method"]["seed"])
    for name in ("deeplabv3", "fpn")
)
PER_CLASS = [json.loads((folder / "record.json").read_text())["per_class"] for folder in (ONE, OTHER)]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_two_runs_are_compared_on_one_class(bench: Run) -> None:
    found = printed_json(bench("compare", ONE, OTHER, "--metric", "iou@sign symbol", "--json"))
    assert found["score"] == "iou@sign symbol"
    values = sorted((table["sign symbol"]["iou"] for table in PER_CLASS), reverse=True)
    assert [run["value"] for run in found["runs"]] == values
    (pair,) = found["differences"]
    assert pair["value"] == pytest.approx(values[0] - values[1])
    assert pair["low"] < pair["value"] < pair["high"]
    for run in found["runs"]:
        assert 0 <= run["low"] < run["value"] < run["high"]


def test_the_mean_of_some_classes_is_compared(bench: Run) -> None:
    found = printed_json(bench("compare", ONE, OTHER, "--metric", "iou@car,pedestrian", "--json"))
    values = {folder.name: (table["car"]["iou"] + table["pedestrian"]["iou"]) / 2
              for folder, table in zip((ONE, OTHER), PER_CLASS, strict=True)}  # fmt: skip
    assert {run["run_id"]: run["value"] for run in found["runs"]} == pytest.approx(values)


def test_every_command_that_takes_a_score_takes_that_of_a_class(bench: Run, tmp_path: Path) -> None:
    name, value = "dice@car", PER_CLASS[0]["car"]["dice"]
    assert printed_json(bench("plan", ONE, "--metric", name, "--json"))["runs"][0]["value"] == value
    assert printed_json(bench("slice", ONE, "--by", "class", "--metric", name, "--json"))["runs"][0]["value"] == value
    shutil.copytree(ONE, tmp_path / "runs" / ONE.name)
    checked = printed_json(bench("check", "--baseline", ONE, "--runs", tmp_path / "runs", "--metric", name, "--json"))
    assert [(each["score"], each["value"]) for each in checked["checks"]] == [(name, value)]
    table = printed_json(bench("table", ONE, OTHER, "--metric", "miou", "--metric", name, "--json"))
    assert [column["title"] for column in table["columns"]] == ["mIoU", "Dice car"]
    row = next(row for row in table["rows"] if row["run_ids"] == [ONE.name])
    assert row["cells"][1]["value"] == value
    assert row["cells"][1]["low"] < value < row["cells"][1]["high"]


@pytest.mark.parametrize("command", ["compare", "plan", "slice", "table"])
def test_a_class_that_is_not_there_is_told_with_all_that_are(bench: Run, command: str) -> None:
    done = bench(command, ONE, OTHER, "--metric", "iou@bycyclist", *(["--by", "class"] if command == "slice" else []))
    assert done.returncode == 2
    assert "Unknown class 'bycyclist'. Did you mean 'bicyclist'? Available: bicyclist, building, car," in done.stderr


@pytest.mark.slow
def test_differences_by_class_are_shown_and_written(bench: Run, tmp_path: Path) -> None:
    file = tmp_path / "made" / "compared.csv"
    done = bench("compare", ONE, OTHER, "--by-class", "--out", file)
    assert done.returncode == 0, done.stderr
    rows = rows_of(file.read_text(encoding="utf-8"))
    assert [(row["score"], row["class"]) for row in rows[:1]] == [("miou", "")]
    classes = rows[1:]
    assert sorted(row["class"] for row in classes) == sorted(PER_CLASS[0])
    gains = [float(row["difference"]) for row in classes]
    assert gains == sorted(gains, reverse=True)
    tables = {
        label: table for label in (rows[0]["a"], rows[0]["b"])
        for folder, table in zip((ONE, OTHER), PER_CLASS, strict=True) if label in folder.name
    }  # fmt: skip
    for row in classes:
        for side in ("a", "b"):
            assert float(row[f"value_{side}"]) == tables[row[side]][row["class"]]["iou"]
        assert float(row["low"]) <= float(row["difference"]) <= float(row["high"])
        assert float(row["p"]) <= float(row["p_adjusted"]) <= 1
        assert int(row["units"]) >= 5
        assert row["few"] == "false"
    for row in classes:
        assert " ".join(row["class"].split()[:1]) in done.stdout
    # The same numbers from Python, and as JSON.
    found = segbench.compare(ONE, OTHER, by_class=True, out=tmp_path / "compared.json")
    assert found.by_class is not None
    assert [each.name for each in found.by_class] == [row["class"] for row in classes]
    for shown in (str(found), found._repr_html_()):
        assert all(row["class"] in shown for row in classes)
        assert "adjusted for all 11 classes and pairs together (step-down)" in shown
    written: Any = json.loads((tmp_path / "compared.json").read_text(encoding="utf-8"))
    assert [each["class"] for each in written["by_class"]] == [row["class"] for row in classes]


def test_only_some_classes_are_compared_by_class(bench: Run) -> None:
    found = printed_json(bench("compare", ONE, OTHER, "--by-class", "--metric", "dice@car,sky", "--json"))
    assert sorted((each["class"], each["score"]) for each in found["by_class"]) == [("car", "dice"), ("sky", "dice")]


@pytest.mark.parametrize("name", ["compared.tsv", "compared", ""])
def test_a_file_that_says_no_format_is_refused_before_anything_is_computed(
    bench: Run, tmp_path: Path, name: str
) -> None:
    done = bench("compare", ONE, OTHER, "--out", tmp_path / name)
    assert done.returncode == 2
    assert "expected the name of a file that ends in .csv or .json" in done.stderr


@pytest.mark.parametrize(
    "words",
    [("compare", ONE, OTHER, "--out"), ("table", ONE, OTHER, "--out"), ("explain", ONE, "--confusion")],
    ids=lambda words: words[0],
)
def test_a_file_below_a_file_is_refused_before_anything_is_computed(
    bench: Run, tmp_path: Path, words: tuple[str | Path, ...]
) -> None:
    (tmp_path / "notes").write_text("mine")
    done = bench(*words, tmp_path / "notes" / "made" / "x.csv")
    assert done.returncode == 2
    assert f"'{tmp_path / 'notes'}' is a file and no folder" in done.stderr
    assert "comparing" not in done.stderr
    assert (tmp_path / "notes").read_text() == "mine"


def test_a_table_by_class_takes_a_score_without_a_class(bench: Run) -> None:
    done = bench("table", ONE, OTHER, "--by-class", "--metric", "dice@car")
    assert done.returncode == 2
    assert "Leave --by-class out for these alone, or give --metric dice for all" in done.stderr


def test_the_confusion_matrix_is_written_as_pixels_or_shares(bench: Run, tmp_path: Path) -> None:
    for more, file in (([], tmp_path / "pixels.csv"), (["--normalise"], tmp_path / "shares.csv")):
        assert bench("explain", ONE, "--confusion", file, *more).returncode == 0
    pixels, shares = (rows_of((tmp_path / f"{kind}.csv").read_text()) for kind in ("pixels", "shares"))
    names = list(PER_CLASS[0])
    assert [row["truth"] for row in pixels] == [*names, "(ignored)"]
    for row, part in zip(pixels, shares, strict=True):
        counts = [int(row[name]) for name in names]
        assert [float(part[name]) for name in names] == pytest.approx([count / sum(counts) for count in counts])
        if row["truth"] in PER_CLASS[0]:
            assert sum(counts) == PER_CLASS[0][row["truth"]]["pixels"]
            assert float(part[row["truth"]]) == PER_CLASS[0][row["truth"]]["accuracy"]
    frame = segbench.load_run(ONE).confusion()
    assert frame.loc["car", "road"] == int(next(row for row in pixels if row["truth"] == "car")["road"])
    assert segbench.load_run(ONE).confusion(normalise=True).loc["sky"].sum() == pytest.approx(1)


def test_what_has_no_confusion_matrix_says_so(bench: Run, tmp_path: Path) -> None:
    assert "--normalise needs --confusion FILE.csv" in bench("explain", ONE, "--normalise").stderr
    assert "two were given" in bench("explain", ONE, OTHER, "--confusion", "c.csv").stderr
    assert "expected the name of a file that ends in .csv" in bench("explain", ONE, "--confusion", tmp_path).stderr


def scored_folder(bench: Run, root: Path) -> tuple[Path, Path]:
    """Two runs of seven images, of which only the first three hold a nucleus; the second one misses it there."""
    for number in range(7):
        labels = np.zeros((24, 32), np.uint8)
        labels[4:12, 3 + number : 13 + number] = 1
        if number < 3:
            labels[15:21, 5 : 12 + number] = 2
        shifted = np.roll(labels, 1, axis=1)
        folders = {"masks": labels, "one": shifted, "other": np.where(shifted == 2, 0, shifted).astype(np.uint8)}
        for folder, content in folders.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(root / folder / f"im{number}.png")
    classes = "[{id: 0, name: background, kind: background}, {id: 1, name: cell}, {id: 2, name: nucleus}]"
    (root / "classes.yaml").write_text(f"name: mine\nclasses: {classes}\n")
    for name in ("one", "other"):
        where = ("--root", root, "--split", "all", "--metric", "boundary")
        done = bench("evaluate", "-d", "folder", *where, "-p", root / name, "--out", root / f"run-{name}")
        assert done.returncode == 0, done.stderr
        if name == "one":
            assert "nucleus*" in " ".join(done.stdout.split())
            assert "* nucleus has true pixels in fewer than 5 samples" in done.stdout
    return root / "run-one", root / "run-other"


@pytest.mark.slow
def test_intervals_of_classes_are_recorded_and_verified(bench: Run, tmp_path: Path) -> None:
    one, other = scored_folder(bench, tmp_path)
    record = json.loads((one / "record.json").read_text())
    rows = record["class_intervals"]
    assert {name: row["units"] for name, row in rows.items()} == {"background": 7, "cell": 7, "nucleus": 3}
    for name, quantity in (("cell", "iou"), ("nucleus", "dice"), ("cell", "nsd"), ("cell", "hausdorff95")):
        value = record["per_class"][name][quantity]
        assert rows[name][f"{quantity}_low"] <= value <= rows[name][f"{quantity}_high"]
    alone = printed_json(bench("compare", one, other, "--metric", "iou@cell", "--json"))["runs"]
    ends = next((run["low"], run["high"]) for run in alone if run["run_id"] == record["run_id"])
    assert ends == pytest.approx((rows["cell"]["iou_low"], rows["cell"]["iou_high"]), abs=1e-12)
    assert bench("verify", one).returncode == 0
    rows["cell"]["iou_high"] = 1.0
    (one / "record.json").write_text(json.dumps(record))
    done = bench("verify", one)
    assert done.returncode == 1
    assert "class_intervals: iou_high of cell stored 1.0" in done.stdout


@pytest.mark.slow
def test_a_class_in_few_samples_is_marked_and_one_without_a_score_is_not_tested(bench: Run, tmp_path: Path) -> None:
    one, other = scored_folder(bench, tmp_path)
    found = printed_json(bench("compare", one, other, "--by-class", "--json"))
    rows = {row["class"]: row for row in found["by_class"]}
    assert {name: (row["units"], row["few"]) for name, row in rows.items()} == {
        "background": (7, False), "cell": (7, False), "nucleus": (3, True)
    }  # fmt: skip
    assert rows["nucleus"]["value"] > 0.5
    assert rows["cell"]["value"] == 0
    assert "nucleus*" in bench("compare", one, other, "--by-class").stdout
    distances = printed_json(bench("compare", one, other, "--metric", "hausdorff95", "--by-class", "--json"))
    nucleus = next(row for row in distances["by_class"] if row["class"] == "nucleus")
    assert (nucleus["score"], nucleus["unit"], nucleus["higher_is_better"]) == ("hausdorff95", "px", False)
    assert nucleus["p"] is None
    assert {nucleus["value_a"], nucleus["value_b"]} == {None, 1.0}
    counted = {run["label"]: run["left_out"] for run in distances["runs"]}
    of_cells = printed_json(bench("compare", one, other, "--metric", "hausdorff95@cell", "--json"))
    assert counted == {"one": 0, "other": 3}
    assert {run["label"]: run["left_out"] for run in of_cells["runs"]} == {"one": 0, "other": 0}


def test_what_counts_no_pixels_has_classes_and_no_matrix(bench: Run, tmp_path: Path) -> None:
    (folder,) = RECORDS.glob("cityscapes-maskrcnn-69d1c6ca")
    done = bench("explain", folder, "--confusion", tmp_path / "c.csv")
    assert done.returncode == 2
    assert "scored by cityscapes-ap, which counts no pairs of labels" in done.stderr
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    record = json.loads((again / "record.json").read_text())
    (again / "record.json").write_text(json.dumps({**record, "created": "2026-01-01T00:00:00+00:00"}))
    found = printed_json(bench("compare", folder, again, "--by-class", "--resamples", "100", "--json"))
    own = {name: row["ap"] for name, row in record["per_class"].items() if row["ap"] is not None}
    labels = [run["label"] for run in found["runs"]]
    assert {row["class"]: [row[label] for label in labels] for row in found["per_class"]} == {
        name: [value, value] for name, value in own.items()
    }
    assert {row["by"] for row in found["per_class"]} == {"ap"}
    assert bench("plan", folder, "--metric", "ap@car").returncode == 0


@pytest.mark.slow
def test_a_table_of_classes_has_intervals(bench: Run) -> None:
    """Those of a record without them, which is older, are computed from its statistics."""
    found = printed_json(bench("table", ONE, OTHER, "--by-class", "--metric", "dice", "--json"))
    alone = printed_json(bench("compare", ONE, OTHER, "--metric", "dice@car", "--json"))
    place = [column["name"] for column in found["columns"]].index("car")
    expected = {run["run_id"]: (run["low"], run["high"]) for run in alone["runs"]}
    for row in found["rows"]:
        cell = row["cells"][place]
        assert (cell["low"], cell["high"]) == pytest.approx(expected[row["run_ids"][0]], abs=1e-12)


def test_a_comparison_by_class_takes_the_name_of_a_score_of_classes(bench: Run) -> None:
    for asked, score in (("iou", "miou"), ("dice", "dice"), ("accuracy", "mean_accuracy")):
        options = ("--by-class", "--metric", asked, "--resamples", "100", "--json")
        found = printed_json(bench("compare", ONE, OTHER, *options))
        assert (found["score"], {row["score"] for row in found["by_class"]}) == (score, {asked})
    done = bench("compare", ONE, OTHER, "--by-class", "--metric", "boundary_iou")
    assert done.returncode != 0
    assert "'boundary_iou' is no score of these runs" in done.stderr
