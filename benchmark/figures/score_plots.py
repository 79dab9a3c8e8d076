"""The plots of boards and suites: scores with what they cost, and scores against the number of labelled images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..text import shown
from .score_cost import Row, Section, intervals, note, score_against_cost, score_label, timed, title
from .style import COLORS, DASHES, MARKERS, human_band, write_figure, write_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        whole = _most_labels(rows)
        if sum(timed(row["cost"]) for row in whole) > 1:
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

    labels = sorted(dict.fromkeys(row["label"] for row in rows))
    figure = Figure(figsize=(7.0, 4.2 + 0.2 * len(labels)), layout="constrained")
    axes = figure.add_subplot()
    for number, label in enumerate(labels):
        mine = sorted((row for row in rows if row["label"] == label), key=lambda row: row["n_train"])
        color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
        dash = DASHES[number // len(COLORS) % len(DASHES)]
        x = [row["n_train"] for row in mine]
        scores = [row["scores"][section["main_score"]] for row in mine]
        name, values = shown(label, _MAX_LABEL), [s["value"] for s in scores]
        axes.plot(x, values, color=color, marker=marker, linestyle=dash, markersize=6, zorder=3, label=name)
        if all(s["low"] is not None and s["high"] is not None for s in scores):
            low, high = ([s[end] for s in scores] for end in ("low", "high"))
            axes.fill_between(x, low, high, facecolor=color, alpha=0.12, linewidth=0)
            for end in (low, high):
                axes.fill_between(x, end, end, color=color, alpha=0.6, linewidth=0.8)
        for place, score in zip(x, scores, strict=True):
            seeds = score["values"] if len(score["values"]) > 1 else []
            axes.plot([place] * len(seeds), seeds, ".", color=color, markersize=3.5, alpha=0.7, zorder=2)
    ticks = {row["n_train"]: row["train_fraction"] for row in rows}
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sorted(ticks), _labels_and_parts(ticks))
    axes.set_xlabel("labelled images trained on (log scale), and their part of all")
    axes.set_ylabel(score_label(section))
    axes.set_title(title(section), loc="left", fontsize=10)
    if (human := section.get("human")) is not None:
        human_band(axes, human)
    figure.legend(loc="outside upper left", frameon=False, fontsize=9)
    note(
        figure,
        section,
        f"band: {intervals(section)}; dots: seeds; the band holds chance of samples, not of seeds",
    )
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


_MAX_LABEL = 80
_TICKS_IN_A_ROW = 8
"""Parts that can stand side by side below a plot."""


def _most_labels(rows: Sequence[Row]) -> list[Row]:
    """Of each method the row with the most labelled images: cost is compared at the same number of labels."""
    most = max((row["train_fraction"] for row in rows), default=0)
    return [row for row in rows if row["train_fraction"] == most]


def _value(section: Section, row: Row) -> float | None:
    score = row["scores"].get(section["main_score"])
    return None if score is None else score["value"]
