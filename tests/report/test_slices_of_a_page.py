"""The parts of the samples on a page: what `bench slice` says of the same runs, and figures without a hole."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import pytest
from evaluated_runs import evaluated, truth

from own_folders import QUIET
from places import ROOT
from segbench.commands.report import ReportRequest, report
from segbench.commands.slice import slice_runs
from segbench.data.sample_attributes import ATTRIBUTES
from segbench.evaluation.slicing import MIN_SAMPLES
from segbench.report.figures.arrangement import arranged
from segbench.report.figures.runs import Drawn
from segbench.runs.stored_requests import SliceRequest
from segbench.text import interval

pytestmark = pytest.mark.slow

COUNT = 24
RECORDS = ROOT / "leaderboards" / "records"
TITLE = "Parts of the samples, the worst first"


def cells(page: str) -> list[list[str]]:
    """The table of slices, row by row."""
    table = re.search(r"<summary>All \d+ parts.*?</table>", page, re.DOTALL)
    assert table is not None
    rows = re.findall(r"<tr>(.*?)</tr>", table[0].partition("<tbody>")[2], re.DOTALL)
    return [[html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


def test_the_page_says_what_bench_slice_says(tmp_path: Path) -> None:
    root = truth(tmp_path / "mine", COUNT)
    folders = (tmp_path / "runs/good", tmp_path / "runs/bad")
    evaluated(root, folders[0], [0.02] * COUNT, "good")
    evaluated(root, folders[1], [0.05 + 0.4 * (n % 4 == 1) for n in range(COUNT)], "bad", seed=1)
    page = Path(report(ReportRequest((tmp_path / "runs",), tmp_path / "page", root), QUIET).page).read_text("utf-8")
    found = slice_runs(SliceRequest(folders, tuple(ATTRIBUTES), root=root), QUIET)
    assert TITLE in page
    assert html.escape(found.answer) in page
    rows = cells(page)
    assert len(rows) == len(found.slices)
    for row, said in zip(rows, found.slices, strict=True):
        assert row[0] == f"{said.by}: {said.slice}"
        assert int(row[1].split()[0]) == said.n
        assert [row[2], row[4]] == [interval(one.value, one.low, one.high) for one in said.scores]
    assert "The worst first by the mean of the 2 runs." in page


def test_the_plot_orders_slices_by_the_run_that_it_shows(tmp_path: Path) -> None:
    root = truth(tmp_path / "mine", COUNT)
    folders = (tmp_path / "runs/good", tmp_path / "runs/bad")
    evaluated(root, folders[0], [0.02 + 0.01 * (n % 3) for n in range(COUNT)], "good")
    evaluated(root, folders[1], [0.45 - 0.02 * n for n in range(COUNT)], "bad", seed=1)
    page = Path(report(ReportRequest((tmp_path / "runs",), tmp_path / "page", root), QUIET).page).read_text("utf-8")
    found = slice_runs(SliceRequest(folders, tuple(ATTRIBUTES), root=root), QUIET)
    alt = re.search(r"of good on all samples and on (\d+) parts of them: all samples [\d.]+, ([^\"]*)\.\"", page)
    assert alt is not None
    drawn = re.findall(r"([a-z]+: \S.*?) (\d\.\d{3})(?:, |$)", html.unescape(alt[2]))
    assert len(drawn) == int(alt[1])
    values = [float(value) for _, value in drawn]
    assert values == sorted(values)
    large = sorted(row.scores[0].value or 0.0 for row in found.slices if row.n >= MIN_SAMPLES)
    assert values == pytest.approx(large[: len(drawn)], abs=6e-4)
    few = sum(row.few for row in found.slices)
    assert len(drawn) < len(found.slices) - few, "the figure has the worst alone"
    assert f" The worst {len(drawn)} of {len(found.slices) - few}. {few} parts of fewer than 5 samples" in page


def test_where_all_parts_are_small_there_is_no_figure_of_them(tmp_path: Path) -> None:
    root = truth(tmp_path / "mine", 4)
    evaluated(root, tmp_path / "runs/model", [0.02, 0.05, 0.1, 0.2])
    page = Path(report(ReportRequest((tmp_path / "runs",), tmp_path / "page", root), QUIET).page).read_text("utf-8")
    assert TITLE in page
    assert all("(few)" in row[1] for row in cells(page))
    assert "on samples that share a property" not in page


SEVEN = ("canny", "constant", "deconvnet", "fcn", "felzenszwalb", "fpn", "threshold")


def test_a_page_says_how_many_of_its_runs_a_figure_and_a_table_show(tmp_path: Path) -> None:
    for method in SEVEN:
        folder = next(iter(sorted(RECORDS.glob(f"isbi2012-{method}-*"))))
        shutil.copytree(folder, tmp_path / "runs" / folder.name)
    page = Path(report(ReportRequest((tmp_path / "runs",), tmp_path / "page"), QUIET).page).read_text("utf-8")
    for caption in ("Confusion: ", "Classes: ", "The official thresholds: ", "Splits and mergers: "):
        assert re.search(rf"<figcaption>{caption}[^<]* The best 6 of 7 runs\.", page), caption
    assert re.search(r"<figcaption>Scores of single samples: [^<]*their mean\.</figcaption>", page)


def test_a_table_of_parts_says_how_many_of_the_runs_it_shows(tmp_path: Path) -> None:
    for method in ("canny", "constant", "fcn", "slic"):
        folder = next(iter(sorted(RECORDS.glob(f"camvid-{method}-*"))))
        shutil.copytree(folder, tmp_path / "runs" / folder.name)
    page = Path(report(ReportRequest((tmp_path / "runs",), tmp_path / "page"), QUIET).page).read_text("utf-8")
    assert re.search(r"<summary>All \d+ parts, with the best 3 of 4 runs</summary>", page)


def test_the_way_to_keep_predictions_is_the_command_that_made_the_runs(tmp_path: Path) -> None:
    for name in ("voc2012-constant-6e29f4d7", "voc2012-mean-shape-dbfcb052"):
        shutil.copytree(RECORDS / name, tmp_path / "runs" / name)
    page = Path(report(ReportRequest((tmp_path / "runs",), tmp_path / "page"), QUIET).page).read_text("utf-8")
    assert "Run again with bench evaluate … --save-predictions to see samples here." in page
    assert "bench run" not in page


def test_without_images_slices_are_by_class_alone(tmp_path: Path) -> None:
    for name in ("camvid-slic", "camvid-canny"):
        folder = next((ROOT / "leaderboards" / "records").glob(f"{name}-*"))
        shutil.copytree(folder, tmp_path / "runs" / folder.name)
    page = Path(report(ReportRequest((tmp_path / "runs",), tmp_path / "page"), QUIET).page).read_text("utf-8")
    folders = tuple(sorted((tmp_path / "runs").iterdir(), reverse=True))
    found = slice_runs(SliceRequest(folders, ("class",)), QUIET)
    assert found.by == ["class"]
    assert [row[0] for row in cells(page)] == [f"class: {row.slice}" for row in found.slices]
    assert html.escape(found.answer) in page


def test_every_dataset_of_the_runs_is_named_at_the_top(tmp_path: Path) -> None:
    records = ROOT / "leaderboards" / "records"
    for name in ("camvid-canny", "isbi2012-threshold"):
        folder = next(records.glob(f"{name}-*"))
        shutil.copytree(folder, tmp_path / "runs" / folder.name)
    unfinished = next((tmp_path / "runs").glob("isbi2012-*")) / "record.json"
    record = json.loads(unfinished.read_text("utf-8"))
    unfinished.write_text(json.dumps(record | {"complete": False, "scores": {}}), "utf-8")
    page = Path(report(ReportRequest((tmp_path / "runs",), tmp_path / "page"), QUIET).page).read_text("utf-8")
    assert "2 runs on camvid, isbi2012." in page


def figure(width: float, height: float, size: str = "") -> Drawn:
    return Drawn(f'<svg width="{width * 0.75}pt" height="{height * 0.75}pt">', "", "", size)


def test_figures_stand_in_pairs_of_one_height_and_the_others_alone() -> None:
    tall, low, level, wide = figure(720, 900), figure(720, 300), figure(700, 320), figure(1400, 500, "wide")
    placed = [(each.pixels, each.size) for each in arranged([tall, wide, low, level])]
    assert placed == [((720, 900), "wide beside"), ((1400, 500), "wide"), ((720, 300), ""), ((700, 320), "")]
    assert [each.size for each in arranged([low, tall, level])] == ["", "", "wide beside"]
    assert [each.pixels[1] for each in arranged([low, tall, level])] == [300, 320, 900]
    assert arranged([]) == []
