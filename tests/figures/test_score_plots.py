"""Plots of scores: every row is shown, and no text covers another, whatever the names and however they crowd."""

from __future__ import annotations

import warnings
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from places import ROOT
from segbench.boards.board_plots import drawn, plot_name, plotted_section
from segbench.boards.ranking import board_groups, ranked_rows
from segbench.figures.point_labels import spread
from segbench.figures.score_cost import score_against_cost, timed
from segbench.figures.score_plots import learning_curve, write_score_against_cost
from segbench.figures.style import house_style
from segbench.runs.find import find_runs


def section_of(rows: int) -> dict[str, Any]:
    def score(value: float) -> dict[str, Any]:
        ends = {"low": value - 0.01, "high": value + 0.01}
        return {"value": value, "values": [value], "unit": "fraction", "higher_is_better": True, **ends}

    body = [
        {
            "label": f"method number {n}",
            "family": ("classical", "learned")[n % 2],
            "train_fraction": 1.0,
            "n_train": 20,
            "seeds": [0],
            "scores": {"v_rand": score(0.9 + 0.003 * n)},
            "cost": {"train_s": 100.0 + 5 * n, "predict_ms_per_image": 10.0 * 1.1**n, "device": "cpu"},
        }
        for n in range(rows)
    ]
    about = {"dataset": "isbi2012", "origin": "real", "split": "test", "options": "", "folds": None, "n": 5}
    return {**about, "main_score": "v_rand", "rows": body}


def drawn_figure(section: dict[str, Any]) -> Figure:
    with house_style():
        figure = score_against_cost(section, section["rows"])
        figure.draw_without_rendering()
    return figure


def visible(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that a figure shows, with its place in pixels."""
    beyond = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        beyond |= {id(tick.label1) for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    shown = (text for text in figure.findobj(Text) if text.get_visible() and id(text) not in beyond)
    return [(text.get_text(), text.get_window_extent()) for text in shown if text.get_text().strip()]


def check(figure: Figure, labels: list[str]) -> None:
    """All labels are in the list, each number is once in every column, and all can be read."""
    texts = visible(figure)
    names = [" ".join(text.split()) for text, _ in texts]
    assert [names.count(label) for label in labels] == [1] * len(labels)
    for (one, first), (other, second) in combinations(texts, 2):
        shared = Bbox.intersection(first.shrunk(0.98, 0.8), second.shrunk(0.98, 0.8))
        assert shared is None, (one, other)
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in texts:
        assert -1 <= box.x0 < box.x1 <= width + 1, text
        assert -1 <= box.y0 < box.y1 <= height + 1, text
    costs = [axes for axes in figure.axes if axes.get_xscale() == "log"]
    columns: dict[int, list[str]] = {}
    for axes in costs:
        written = [text.get_text() for text in axes.texts if text.get_text().isdecimal()]
        columns.setdefault(round(axes.get_position().x0, 1), []).extend(written)
    assert columns
    for written in columns.values():
        assert sorted(map(int, written)) == list(range(1, len(labels) + 1))


RECORDS = [record for _, record in find_runs([ROOT / "leaderboards" / "records"])]
GROUPS = [
    (plot_name(name, place), key, rows)
    for name in sorted({record.dataset.name for record in RECORDS})
    for place, (key, rows) in enumerate(board_groups(record for record in RECORDS if record.dataset.name == name))
    if drawn(rows)
]


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(GROUPS)), ids=lambda place: GROUPS[place][0])
def test_boards_show_every_row_and_no_text_covers_another(place: int) -> None:
    _, key, rows = GROUPS[place]
    section = plotted_section(key, [row for _, row in ranked_rows(drawn(rows))])
    check(drawn_figure(section), [row["label"] for row in section["rows"]])


@pytest.mark.slow
def test_crowded_rows_with_long_names_can_be_told_apart() -> None:
    section = section_of(30)
    for place, row in enumerate(section["rows"]):
        row["label"] = f"ensemble (members=2 unet and a word to tell, {place} labels)"
        row["scores"]["v_rand"]["value"] = 0.99 - 0.001 * (place % 3)
        row["cost"]["train_s"] = 100.0 + place % 4
    check(drawn_figure(section), [row["label"] for row in section["rows"]])


@pytest.mark.slow
@pytest.mark.parametrize("close_behind", [None, 0.9695])
def test_what_lies_in_the_enlarged_part_of_the_scale_is_shown_and_numbered_there(close_behind: float | None) -> None:
    """The leaders, where they crowd, and whoever is so close behind that their margin reaches it."""
    section = section_of(10)
    for place, row in enumerate(section["rows"]):
        value = 0.95 + 0.004 * place if place > 4 else 0.1 * place
        if place == 4 and close_behind is not None:
            value = close_behind
        row["scores"]["v_rand"] |= {"value": value, "low": value - 0.01, "high": value + 0.01}
    figure = drawn_figure(section)
    whole_list, enlarged_list, enlarged, whole = figure.axes[:4]
    numbered = [{int(text.get_text()) for text in axes.texts if text.get_text()} for axes in (enlarged, whole)]
    last = 5 if close_behind is None else 6
    assert numbered == [set(range(1, last + 1)), set(range(last + 1, 11))]
    for low, high in (enlarged.get_ylim(), enlarged_list.get_xlim()):
        assert 0.9 < low < 0.97
        assert high < 1.0
    assert whole.get_ylim()[0] < 0
    assert whole_list.get_xlim()[0] < 0
    check(figure, [row["label"] for row in section["rows"]])


def test_the_human_range_is_seen_on_the_part_of_the_scale_that_is_enlarged() -> None:
    """Hidden behind that, its name would stand beside a band of many other scores."""
    section = section_of(10) | {"human": (0.78, 0.84)}
    for place, row in enumerate(section["rows"]):
        value = 0.6 + 0.03 * place if place > 4 else 0.1 * place
        row["scores"]["v_rand"] |= {"value": value, "low": value - 0.01, "high": value + 0.01}
    figure = drawn_figure(section)
    assert any("dark band is the human range" in text for text, _ in visible(figure))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    for axes, horizontal in ((figure.axes[0], True), (figure.axes[3], False)):

        def grey(score: float, axes: Any = axes, horizontal: bool = horizontal) -> int:
            inside = (score, axes.get_ylim()[0] * 0.98 + axes.get_ylim()[1] * 0.02)
            if not horizontal:
                inside = (axes.get_xlim()[0] * 1.02, score)
            x, y = axes.transData.transform(inside)
            return int(pixels[pixels.shape[0] - 1 - round(y), round(x), 0])

        assert grey(0.81) < grey(0.86) < grey(0.5) == 255


@pytest.mark.slow
def test_a_row_whose_time_is_not_known_is_a_line() -> None:
    """Models that exist were fitted elsewhere; of predictions that exist not even the time to predict is known."""
    section = section_of(3)
    for row in section["rows"]:
        row["cost"]["train_s"] = None
    section["rows"][2]["cost"] = {"train_s": None, "predict_ms_per_image": None, "device": None}
    assert [timed(row["cost"]) for row in section["rows"]] == [True, True, False]
    figure = drawn_figure(section)
    _, axes = figure.axes
    assert axes.get_xlabel() == "time to predict\n(ms per image, log scale; on cpu)"
    (line,) = (line for line in axes.lines if line.get_marker() == "None")
    assert set(np.asarray(line.get_ydata()).tolist()) == {section["rows"][2]["scores"]["v_rand"]["value"]}
    assert any("dashed line: time not known" in text for text, _ in visible(figure))
    check(figure, [row["label"] for row in section["rows"]])


@pytest.mark.slow
def test_lower_scores_come_first_where_they_are_better() -> None:
    section = section_of(4)
    for row in section["rows"]:
        row["scores"]["v_rand"]["higher_is_better"] = False
    names = [text.get_text() for text in drawn_figure(section).axes[0].get_yticklabels()]
    assert names == [row["label"] for row in section["rows"]]


@pytest.mark.slow
def test_rows_beyond_those_that_are_listed_are_counted() -> None:
    figure = drawn_figure(section_of(43))
    said = " ".join(text.replace("\n", " ") for text, _ in visible(figure))
    assert "3 further rows: points without a number" in said
    assert sum(len(axes.lines) for axes in figure.axes if "fit" in axes.get_xlabel()) == 43


def test_a_name_is_no_formula_and_no_reason_to_warn(tmp_path: Path) -> None:
    section = section_of(2)
    section["rows"][0]["label"] = "$\\frac{ 心臓"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_score_against_cost(tmp_path / "plot.svg", section)
    assert "$\\frac{ 心臓" in (tmp_path / "plot.svg").read_text(encoding="utf-8")


def test_a_learning_curve_has_a_line_for_each_method_over_the_number_of_labels() -> None:
    section = section_of(2)
    few = [{**row, "train_fraction": 0.1, "n_train": 2} for row in section["rows"]]
    figure = learning_curve(section, [*section["rows"], *few])
    (axes,) = figure.axes
    lines = [np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_linestyle() != "None"]
    assert lines == [[2, 20], [2, 20]]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2\n10 %", "20\n100 %"]
    styles = {(line.get_color(), line.get_marker()) for line in axes.lines if line.get_linestyle() != "None"}
    assert len({color for color, _ in styles}) == len({marker for _, marker in styles}) == 2
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["method number 0", "method number 1"]


@given(st.lists(st.floats(0, 100), max_size=12).map(sorted), st.floats(0.1, 10))
def test_spread_labels_stay_in_order_and_apart(centres: list[float], gap: float) -> None:
    moved = spread(centres, gap)
    assert all(high - low >= gap - 1e-6 for low, high in pairwise(moved))
    assert sum(moved) == pytest.approx(sum(centres), abs=1e-6)


@pytest.mark.parametrize(
    ("drawn", "said"),
    [("samples", "95 % interval over test samples;"), ("groups", "95 % interval over whole groups of test samples;")],
)
def test_a_plot_says_what_its_intervals_were_drawn_over(drawn: str, said: str) -> None:
    """As the scores of its rows say, or a suite's section, whose scores do not."""
    by_row, by_section = section_of(3), section_of(3) | {"resampled": [drawn]}
    for row in by_row["rows"]:
        row["scores"]["v_rand"]["resampled"] = drawn
    for section in (by_row, by_section):
        for figure in (drawn_figure(section), learning_curve(section, section["rows"])):
            assert said in " ".join(figure.get_supxlabel().split())
