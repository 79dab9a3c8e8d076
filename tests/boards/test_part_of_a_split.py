"""A part of an official split says of how much: in the record, on boards, pages, plots and the terminal."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from evaluated_runs import predictions, truth

import segbench
from commands import Run, printed_json
from places import ROOT
from segbench.boards.board import boards
from segbench.boards.board_plots import write_plots
from segbench.boards.comparable import Comparable, ComparableFields
from segbench.runs.record import Record, read_record
from segbench.types import DatasetInfo
from tiny_roots import MAKERS

RECORDS = ROOT / "leaderboards" / "records"


def info_of(name: str) -> DatasetInfo:
    info: DatasetInfo = segbench.registry.dataset_class(name).info
    return info


@pytest.mark.parametrize(
    ("name", "split", "size"),
    [
        *(("voc2012", "val", 1449), ("voc2012", "all", 2913), ("isbi2012", "all", 30), ("cityscapes", "all", 3475)),
        *(("cocostuff", "all", 123287), ("medaka", "all", None), ("folder", "all", None), ("voc2012", "nothing", None)),
    ],
)
def test_official_sizes(name: str, split: str, size: int | None) -> None:
    """Splits that hold others, and those that not every copy has, are not counted twice or at all."""
    assert info_of(name).official_size(split) == size


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of predictions on a VOC 2012 root with a few of the 1449 images of its split."""
    folder = tmp_path_factory.mktemp("part")
    tiny = MAKERS["voc2012"](folder / "voc")
    predicted = folder / "predicted"
    predicted.mkdir()
    for path in (tiny.labels, tiny.other):
        shutil.copy(path, predicted)
    for name in ("one", "two"):
        segbench.evaluate(
            "voc2012", predicted, root=tiny.root, name=name, out=folder / "runs" / name, plots=False, progress=False
        )
    return folder


@pytest.mark.slow
def test_a_root_with_a_part_of_the_images_says_so_everywhere(bench: Run, part: Path) -> None:
    record = read_record(part / "runs" / "one")
    n = record.dataset.n
    told = f"{n} of 1449 samples"
    assert (record.complete, record.dataset.whole_n, record.dataset.samples) == (True, 1449, told)
    assert json.loads((part / "runs" / "one" / "record.json").read_text())["dataset"]["whole_n"] == 1449
    assert told in segbench.load_run(part / "runs" / "one").title
    runs = segbench.load_runs(part / "runs")
    assert set(runs.n) == {n}
    assert set(runs.whole_n) == {1449}
    compared = bench("compare", part / "runs")
    assert told in compared.stdout
    assert printed_json(bench("compare", part / "runs", "--json"))["whole_n"] == 1449
    assert bench("leaderboard", part / "runs", "--out", part / "boards").returncode == 0
    board = (part / "boards" / "voc2012.md").read_text(encoding="utf-8")
    heading = next(line for line in board.splitlines() if line.startswith("## ") and "split" in line)
    assert heading.endswith(f"a part: {told}")
    assert "Not to be read beside scores of the whole split" in board
    published = board.partition("## Published scores")[2]
    assert f"None of them is of the same images as the rows above on {told}." in published
    front = (part / "boards" / "README.md").read_text(encoding="utf-8")
    assert front.count(told) >= 2
    assert bench("report", part / "runs", "--out", part / "page", "--root", part / "voc").returncode == 0
    page = (part / "page" / "index.html").read_text(encoding="utf-8")
    assert f"a part: {told}</h2>" in page


@pytest.mark.slow
def test_plots_say_it(part: Path, tmp_path: Path) -> None:
    record = read_record(part / "runs" / "one")
    cost = record.cost.model_copy(update={"train_s": 1.0, "predict_ms_per_image": 2.0})
    rows = [
        record.model_copy(
            update={
                "run_id": f"voc2012-{name}",
                "cost": cost,
                "method": record.method.model_copy(update={"name": name, "family": "learned", "n_train": 9.0}),
            }
        )
        for name in ("a", "b")
    ]
    fewer = [
        row.model_copy(
            update={
                "run_id": f"{row.run_id}-{n}",
                "method": row.method.model_copy(update={"n_train": n, "train_fraction": n / 9}),
            }
        )
        for row in rows
        for n in (3.0, 6.0)
    ]
    paths = write_plots([*rows, *fewer], tmp_path)
    assert sorted(path.name for path in paths) == ["voc2012-labels.svg", "voc2012.svg"]
    for path in paths:
        assert f"{record.dataset.n} of 1449 samples" in path.read_text(encoding="utf-8")


def test_boards_of_the_whole_say_nothing_of_parts() -> None:
    page = boards([read_record(RECORDS / "isbi2012-unet-0b805e1a")])["isbi2012.md"]
    assert "## Published scores" in page
    assert "None of them is of the same images" not in page


@pytest.mark.slow
def test_a_partial_run_says_of_how_many(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "root", 8)
    made = predictions(root, tmp_path / "made", [0.1] * 8)
    for path in sorted(made.iterdir())[:5]:
        path.unlink()
    words = ("-d", "folder", "--root", root, "-p", made, "--split", "all", "--partial", "--no-plots")
    done = bench("evaluate", *words, "--out", tmp_path / "runs" / "part")
    assert "3 of 8 samples, partial" in done.stdout
    record = read_record(tmp_path / "runs" / "part")
    assert (record.complete, record.dataset.n, record.dataset.whole_n) == (False, 3, 8)
    board = bench("leaderboard", tmp_path / "runs").stdout
    assert "partial (3 of 8 samples scored)" in board
    page = bench("report", tmp_path / "runs", "--out", tmp_path / "page")
    assert page.returncode == 0
    assert "partial (3 of 8 samples scored)" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    shutil.copytree(tmp_path / "runs" / "part", tmp_path / "runs" / "again")
    other = json.loads((tmp_path / "runs" / "again" / "record.json").read_text()) | {"run_id": "folder-again-00000000"}
    (tmp_path / "runs" / "again" / "record.json").write_text(json.dumps(other))
    done = bench("compare", tmp_path / "runs")
    assert "is partial: it was scored on 3 of 8 samples" in done.stderr
    assert "split all, 3 of 8 samples" in done.stdout


def changed(record: Record, **data: Any) -> Record:
    run_id = f"{record.run_id}-{data.get('n')}"
    return record.model_copy(update={"run_id": run_id, "dataset": record.dataset.model_copy(update=data)})


def test_a_part_is_ranked_apart_and_after_the_whole() -> None:
    record = read_record(RECORDS / "isbi2012-unet-0b805e1a")
    few = changed(record, n=2, whole_n=record.dataset.n, ids_sha256="0" * 64)
    assert Comparable.of(few) != Comparable.of(record)
    page = boards([few, record])["isbi2012.md"]
    headings = [line for line in page.splitlines() if line.startswith("## ") and "ublished" not in line]
    assert len(headings) == 2
    assert "a part" not in headings[0]
    assert headings[1].endswith(f"a part: 2 of {record.dataset.n} samples")


def test_committed_records_are_written_as_they_were() -> None:
    """Those of a part say of how much; those of the whole have no word more than before there were any."""
    for path in sorted(RECORDS.glob("*/record.json")):
        text = path.read_text(encoding="utf-8")
        block = json.loads(text)["dataset"]
        assert read_record(path.parent).to_json() == text
        of_a_part = block["split"] == "val" and block["options"].get("release") == "figures-274"
        assert block.get("whole_n") == (1449 if of_a_part else None)


def test_documents_say_all_that_makes_runs_comparable() -> None:
    assert list(ComparableFields.model_fields) == [field.name for field in dataclasses.fields(Comparable)]
