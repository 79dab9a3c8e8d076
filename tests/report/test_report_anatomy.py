"""A page says what errors come from, and shows the samples whose label all good methods contradict."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from own_folders import QUIET
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.report import report
from segbench.evaluation.anatomy import CAUSES
from segbench.evaluation.error_points import Anatomy
from segbench.figures.error_causes import error_causes
from segbench.runs.stored_requests import ReportRequest


def _runs(base: Path, names: tuple[str, ...], lacking: tuple[int, ...]) -> Path:
    """Runs of methods that see two objects on each of 8 images; the label lacks one of them on those of `lacking`."""
    root = base / "mine"
    (root / "masks").mkdir(parents=True)
    (root / "images").mkdir()
    (root / "classes.yaml").write_text("name: drawn\nclasses: {0: background, 1: cell, 2: nucleus}\nmasks: values\n")
    for n in range(8):
        seen = np.zeros((60, 80), np.uint8)
        seen[5:25, 5:30], seen[30:50, 40 - n : 65] = 1, 2
        truth = np.where((seen == 1) & (n in lacking), 0, seen).astype(np.uint8)
        Image.fromarray(truth).save(root / "masks" / f"s{n}.png")
        Image.fromarray(seen * 90).save(root / "images" / f"s{n}.png")
        for place, name in enumerate(names):
            (base / name).mkdir(exist_ok=True)
            Image.fromarray(np.roll(seen, place, 1)).save(base / name / f"s{n}.png")
    for name in names:
        out = base / "runs" / name
        evaluate_files(
            EvaluateRequest("folder", base / name, root=root, out=out, split="all", plots=False, save_predictions=True),
            QUIET,
        )
    return base


def _page(base: Path) -> str:
    report(ReportRequest((base / "runs",), base / "page", base / "mine"), QUIET)
    return (base / "page/index.html").read_text()


@pytest.mark.slow
def test_labels_that_all_contradict_are_shown_and_bars_drawn(tmp_path: Path) -> None:
    page = _page(_runs(tmp_path, ("good", "fine"), (2, 5)))
    assert "What the errors come from" in page
    assert "Truth that looks wrong" in page
    shown = page[page.index("Truth that looks wrong") :]
    assert re.findall(r"(s\d): [\d,]+ pixels \([\d.]+ %\) that all see otherwise", shown) == ["s2", "s5"]
    assert "good" in shown
    assert "fine" in shown
    assert all(html.escape(rule) in page for rule in CAUSES.values())
    assert "How the causes differ from those of" in page
    table = page[page.index("Points of every cause with intervals") :]
    assert re.search(r"<th scope=\"row\">all</th><td>[\d.]+ \[[\d.]+, [\d.]+\]</td><td>", table)


@pytest.mark.slow
def test_one_method_alone_contradicts_no_label(tmp_path: Path) -> None:
    page = _page(_runs(tmp_path, ("good",), (2, 5)))
    assert "What the errors come from" in page
    assert "Truth that looks wrong" not in page


@pytest.mark.slow
def test_sound_labels_are_not_doubted(tmp_path: Path) -> None:
    assert "Truth that looks wrong" not in _page(_runs(tmp_path, ("good", "fine"), ()))


def test_bars_are_as_long_as_the_points() -> None:
    points = dict(zip(CAUSES, (4.0, 2.0, 0.0, 0.0, 6.0, -1.0, 0.5), strict=True))
    found = Anatomy(0.885, 11.5, points, dict.fromkeys(CAUSES, 1), loss_interval=(9.0, 13.0))
    figure = error_causes(["one", "two"], "miou", [found, found])
    widths = [patch.get_width() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    widths = [width for width in widths if width]
    assert sorted(widths) == sorted([p for p in points.values() if p] * 2)
    assert sum(widths) == pytest.approx(2 * 11.5)
    assert [text.get_text() for text in figure.axes[0].texts].count("11.5") == 2
    lines = [np.asarray(line.get_xdata()).tolist() for line in figure.axes[0].lines]
    assert lines == [[9.0, 13.0]] * 2
