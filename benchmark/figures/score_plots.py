"""A score against what it costs, and against the number of labelled images. Matplotlib is imported when one draws."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..text import samples_of
from .point_labels import Point, label_ends, label_points, laid_out
from .style import COLORS, DASHES, FAMILIES, human_band, plain_ticks, write_figure, write_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 40
LEAST_S = 1e-3

MIN_ROWS_TO_ENLARGE = 6
MAX_PART_OF_RANGE = 0.4
"""The better half of the rows is drawn once more, larger, where it fills less than this part of the scale."""

Section = Mapping[str, Any]
Row = Mapping[str, Any]


def suite_plots(sections: Sequence[Section], folder: Path) -> list[Path]:
    """Write the plots that the sections of a suite's results call for, each as SVG and PNG.

    A learning curve where a method has scores for several numbers of labelled images; score against cost where there
    are two methods or more.
    """
    written: list[Path] = []
    for number, section in enumerate(sections):
        rows = [row for row in section["rows"] if _value(section, row) is not None]
        same = [s for s in sections[:number] if s["dataset"] == section["dataset"]]
        stem = section["dataset"] + (f"-{len(same) + 1}" if same else "")
        if len({row["train_fraction"] for row in rows}) > 1:
            written += write_figure(folder / f"learning-curve-{stem}", lambda s=section, r=rows: learning_curve(s, r))  # type: ignore[misc]
        whole = _most_labels([row for row in rows if timed(row["cost"])])
        if len(whole) > 1:
            written += write_figure(folder / f"score-cost-{stem}", lambda s=section, r=whole: score_against_cost(s, r))  # type: ignore[misc]
    return written


def write_score_against_cost(path: Path, section: Section) -> None:
    """Draw `score_against_cost` of all rows of a section as an SVG file."""
    write_svg(path, lambda: score_against_cost(section, section["rows"]))


def write_learning_curve(path: Path, section: Section) -> None:
    """Draw `learning_curve` of all rows of a section as an SVG file."""
    write_svg(path, lambda: learning_curve(section, section["rows"]))


def learning_curve(section: Section, rows: Sequence[Row]) -> Figure:
    """Main score against the number of labelled images: a line and an interval band per method, a dot per seed."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator

    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.add_subplot()
    ends: list[Point] = []
    labels = sorted(dict.fromkeys(row["label"] for row in rows))
    for number, label in enumerate(labels):
        mine = sorted((row for row in rows if row["label"] == label), key=lambda row: row["n_train"])
        color, marker = COLORS[number % len(COLORS)], FAMILIES.get(mine[0]["family"], FAMILIES["external"])[1]
        dash = DASHES[number // len(COLORS) % len(DASHES)]
        x = [row["n_train"] for row in mine]
        scores = [row["scores"][section["main_score"]] for row in mine]
        axes.plot(x, [s["value"] for s in scores], color=color, marker=marker, linestyle=dash, markersize=6, zorder=3)
        if all(s["low"] is not None and s["high"] is not None for s in scores):
            axes.fill_between(
                x, [s["low"] for s in scores], [s["high"] for s in scores], color=color, alpha=0.15, linewidth=0
            )
        for place, score in zip(x, scores, strict=True):
            seeds = score["values"] if len(score["values"]) > 1 else []
            axes.plot([place] * len(seeds), seeds, ".", color=color, markersize=3.5, alpha=0.7, zorder=2)
        ends.append((x[-1], scores[-1]["value"], label, color))
    ticks = {row["n_train"]: row["train_fraction"] for row in rows}
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sorted(ticks), _labels_and_parts(ticks))
    axes.set_xlabel("labelled images trained on (log scale), and their part of all")
    axes.set_ylabel(_score_label(section))
    axes.set_title(_title(section), loc="left", fontsize=10)
    _human_band(axes, section)
    _note(
        figure,
        section,
        "band: 95 % interval over test samples; dots: seeds; the band holds chance of samples, not of seeds",
    )
    label_ends(figure, axes, ends)
    return figure


def _labels_and_parts(ticks: Mapping[float, float]) -> list[str]:
    """Numbers of labels with their part of all below, which is left out where it would run into the one before.

    >>> _labels_and_parts({1: 0.05, 5: 0.25, 6: 0.3, 20: 1.0})
    ['1\\n5 %', '5\\n25 %', '6', '20\\n100 %']
    """
    numbers, texts, last = sorted(ticks), [], 0.0
    for number in numbers:
        room = not last or (number / last) ** _TICKS_IN_A_ROW > numbers[-1] / numbers[0]
        texts.append(f"{number:.4g}" + (f"\n{100 * ticks[number]:.3g} %" if room else ""))
        last = number if room else last
    return texts


_TICKS_IN_A_ROW = 8
"""Parts that can stand side by side below a plot."""

COSTS: tuple[tuple[str, str], ...] = (
    ("train_s", "time to fit (s"),
    ("predict_ms_per_image", "time to predict (ms per image"),
)


def timed(cost: Mapping[str, Any]) -> bool:
    """Whether a plot of score against cost can hold a row of this cost."""
    return any(cost.get(key) is not None for key, _ in COSTS)


def score_against_cost(section: Section, rows: Sequence[Row]) -> Figure:
    """Main score against the time to fit and to predict, one panel each; families have shapes of their own.

    A time that no row has is left out; each row has one at least.

    Where the better half of the rows crowds on a small part of the scale, panels above show that part enlarged, and
    each row is named once a column. The first 40 rows are named.
    """
    from matplotlib.figure import Figure

    best = leaders([(_main(section, row)["value"], _main(section, row)["higher_is_better"]) for row in rows])
    named = {id(row) for row in rows[:NAMED]}
    values = [_main(section, row)["value"] for row in rows]
    limits = _enlarged([value for value, leads in zip(values, best, strict=True) if leads]) if any(best) else None
    bands = [list(rows)]
    if limits is not None:
        bands.insert(0, [row for row, value in zip(rows, values, strict=True) if limits[0] <= value <= limits[1]])
    height = 4.8 + 0.12 * max(0, min(len(rows), NAMED) - 12) if len(bands) == 1 else 8.4
    costs = [(key, what) for key, what in COSTS if any(row["cost"].get(key) is not None for row in rows)]
    figure = Figure(figsize=(11 if len(costs) > 1 else 6.5, height), layout="constrained")
    later: list[tuple[Axes, list[Row], list[Row], str]] = []
    for column, (key, what) in enumerate(costs):
        for place, band in enumerate(bands):
            axes = figure.add_subplot(len(bands), len(costs), place * len(costs) + column + 1)
            drawn = [row for row in band if row["cost"].get(key) is not None]
            _cost_panel(axes, section, drawn, key)
            _human_band(axes, section)
            whole = band is bands[-1]
            if limits is not None and whole:
                axes.axhspan(*limits, color="#f2f2f2", zorder=0)
            elif limits is not None:
                axes.set_ylim(*limits)
            axes.set_ylabel("" if column else _score_label(section) if whole else f"{section['main_score']}, enlarged")
            if whole:
                devices = ", ".join(sorted({str(row["cost"].get("device")) for row in drawn}))
                axes.set_xlabel(f"{what}, log scale; on {devices})")
            elsewhere = {id(row) for row in bands[0]} if whole and len(bands) > 1 else set()
            mine = [row for row in drawn if id(row) in named - elsewhere]
            later.append((axes, mine, [row for row in drawn if row not in mine], key))
    figure.axes[0].set_title(_title(section), loc="left", fontsize=10)
    _family_legend(figure, rows)
    shaded = "; the grey band is enlarged above" if len(bands) > 1 else ""
    _note(figure, section, f"bars: 95 % interval over test samples{shaded}")
    laid_out(figure)
    for axes, mine, rest, key in later:
        _name(figure, axes, section, key, mine, rest)
    return figure


def _human_band(axes: Axes, section: Section) -> None:
    """A grey band over the scores of human annotators, where the section knows them."""
    if (human := section.get("human")) is not None:
        human_band(axes, human)


def leaders(scores: Sequence[tuple[float, bool]]) -> list[bool]:
    """Which of these (value, higher is better) are the better half, where that crowds on a small part of the scale.

    >>> leaders([(0.98, True), (0.97, True), (0.96, True), (0.5, True), (0.3, True), (0.1, True)])
    [True, True, True, False, False, False]
    >>> leaders([(0.9, True), (0.1, True)])
    [False, False]
    """
    values = [value if higher else -value for value, higher in scores]
    if len(values) < MIN_ROWS_TO_ENLARGE:
        return [False] * len(values)
    middle = statistics.median_high(values)
    crowded = max(values) - middle < MAX_PART_OF_RANGE * (max(values) - min(values))
    return [crowded and value >= middle for value in values]


def _cost(row: Row, key: str) -> float:
    return max(float(row["cost"][key]), LEAST_S)


def _main(section: Section, row: Row) -> Mapping[str, Any]:
    score: Mapping[str, Any] = row["scores"][section["main_score"]]
    return score


def _cost_panel(axes: Axes, section: Section, rows: Sequence[Row], key: str) -> None:
    """Points with their intervals over the logarithm of one cost."""
    for row in rows:
        score, x = _main(section, row), _cost(row, key)
        color, marker = FAMILIES.get(row["family"], FAMILIES["external"])
        if score["low"] is not None and score["high"] is not None:
            axes.plot([x, x], [score["low"], score["high"]], color=color, alpha=0.35, linewidth=1.5, zorder=2)
        axes.plot(x, score["value"], marker=marker, color=color, markersize=7, markeredgecolor="white", zorder=3)
    axes.set_xscale("log")
    plain_ticks(axes.xaxis)
    axes.margins(x=0.12, y=0.08)


def _enlarged(values: Sequence[float]) -> tuple[float, float]:
    """The part of the scale that shows these values, with a margin; longer intervals leave it."""
    margin = 0.15 * (max(values) - min(values)) or 0.01
    return min(values) - margin, max(values) + margin


def _name(figure: Figure, axes: Axes, section: Section, key: str, rows: Sequence[Row], unnamed: Sequence[Row]) -> None:
    """Labels of rows, clear of every point and bar of the panel."""
    points: list[Point] = [
        (
            _cost(row, key),
            _main(section, row)["value"],
            row["label"],
            FAMILIES.get(row["family"], FAMILIES["external"])[0],
        )
        for row in rows
    ]
    scores = [(_cost(row, key), _main(section, row)) for row in (*rows, *unnamed)]
    bars = [(x, s["low"], s["high"]) for x, s in scores if s["low"] is not None and s["high"] is not None]
    others = [(_cost(row, key), _main(section, row)["value"]) for row in unnamed]
    label_points(figure, axes, points, others, bars)


def _family_legend(figure: Figure, rows: Sequence[Row]) -> None:
    from matplotlib.lines import Line2D

    there = [family for family in FAMILIES if any(row["family"] == family for row in rows)]
    marks = [Line2D([], [], color=FAMILIES[f][0], marker=FAMILIES[f][1], linestyle="", label=f) for f in there]
    figure.legend(handles=marks, loc="outside lower right", ncols=max(1, len(marks)), frameon=False)


def _most_labels(rows: Sequence[Row]) -> list[Row]:
    """Of each method the row with the most labelled images: cost is compared at the same number of labels."""
    most = max((row["train_fraction"] for row in rows), default=0)
    return [row for row in rows if row["train_fraction"] == most]


def _value(section: Section, row: Row) -> float | None:
    score = row["scores"].get(section["main_score"])
    return None if score is None else score["value"]


def _score_label(section: Section) -> str:
    score = section["rows"][0]["scores"][section["main_score"]]
    better = "higher" if score["higher_is_better"] else "lower"
    return f"{section['main_score']} ({score['unit']}, {better} is better)"


def _title(section: Section) -> str:
    scope = f"{section['folds']}-fold cross-validation" if section["folds"] else f"split {section['split']}"
    options = f", {section['options']}" if section["options"] else ""
    synthetic = " (SYNTHETIC data)" if section["origin"] == "synthetic" else ""
    samples = samples_of(section["n"], section.get("whole_n"))
    return f"{section['dataset']}{synthetic}, {scope}{options}, {samples}"


def _note(figure: Figure, section: Section, text: str) -> None:
    seeds = {len(row["seeds"]) for row in section["rows"]}
    over = f"; means over {'up to ' if len(seeds) > 1 else ''}{max(seeds)} seeds" if max(seeds) > 1 else ""
    figure.supxlabel(text + over, fontsize=8, color="#555555", x=0.01, ha="left")
