"""Plots of what predicted beats are worth: agreement with the truth, and mask error against beat error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cardiac.agreement import HUMAN_RANGE_PP, limits_of_agreement
from ...cardiac.propagation import NO_ERRORS, _number, needed_dice
from ...text import counted, shown
from ...types import Float64, UserError
from ..point_labels import spread
from ..style import COLORS, DASHES, MARKERS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUIET = "#555555"
BAND = "#F6DFA6"
SMALL = 9
"""Font size in points."""
MAX_GROUPS = 12
"""More groups than these are told apart by colour alone, without a legend."""
_MEASURES = {
    "fs_minor": "Fractional shortening, minor axis",
    "fs_major": "Fractional shortening, major axis",
    "ef": "Ejection fraction",
}
_KINDS = {"erode": "eroded masks", "dilate": "dilated masks", "jitter": "jittered outlines"}


def bland_altman(
    truth_values: Sequence[float],
    predicted_values: Sequence[float],
    name: str,
    unit: str,
    groups: Sequence[str] | None = None,
) -> Figure:
    """Difference against mean of two measurements, with the bias and the 95 % limits of agreement.

    Pairs with a NaN are left out. `groups` names the sequence that each pair is of: one colour and marker each.

    Raises
    ------
    UserError
        If the sequences differ in length.
    """
    from matplotlib.figure import Figure

    if len(truth_values) != len(predicted_values) or len(groups or truth_values) != len(truth_values):
        raise UserError(f"{name}: {len(truth_values)} true values, {len(predicted_values)} predicted ones, or groups")
    true, predicted = np.array(truth_values, np.float64), np.array(predicted_values, np.float64)
    kept = np.flatnonzero(np.isfinite(true) & np.isfinite(predicted))
    mean, difference = (true[kept] + predicted[kept]) / 2, predicted[kept] - true[kept]
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.add_subplot()
    names = [groups[i] if groups is not None else "" for i in kept.tolist()]
    _scatter(figure, axes, mean, difference, names)
    apart = "points" if unit == "%" else unit  # percentages differ by percentage points
    _limit_lines(axes, difference, apart)
    axes.set_xlabel(f"mean of predicted and true {shown(name)} ({shown(unit)})", parse_math=False)
    axes.set_ylabel(f"predicted − true ({shown(apart)})", parse_math=False)
    films = f" beats of {counted(len(set(names)), 'film')}" if groups is not None else ""
    axes.set_title(f"Agreement of {shown(name)} with the truth, n = {kept.size}{films}", loc="left", fontsize=10)
    if not kept.size:
        say(axes, "no pair of a true and a predicted value")
    return figure


def propagation(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Error of a beat's measures against the Dice of its masks, one panel per measure, one line per kind of change.

    Parameters
    ----------
    rows : mappings
        "kind" (such as erode, dilate, jitter), "dice" (0..1), and for each of fs_minor, fs_major and ef the mean
        absolute error `<measure>_error_pp` in percentage points, with `_low` and `_high` behind it where an interval
        is known. A measure that no row has gets no panel.
    """
    from matplotlib.figure import Figure

    measures = [m for m in _MEASURES if any(_number(row, f"{m}_error_pp") is not None for row in rows)] or ["ef"]
    figure = Figure(figsize=(max(4.0 * len(measures), 6.0), 4.9), layout="constrained")
    question = ("How good must masks be?", "Of true masks changed on purpose: the lower the Dice, the larger the error")
    figure.suptitle((" " if len(measures) > 1 else "\n").join(question), x=0.01, ha="left", fontsize=11)
    kinds = list(dict.fromkeys(str(row["kind"]) for row in rows))
    first: Axes | None = None
    bands: list[Artist] = []
    for place, measure in enumerate(measures):
        axes = figure.add_subplot(1, len(measures), place + 1, sharex=first, sharey=first)
        first = first or axes
        handles = [_propagated(axes, rows, measure, kind, number) for number, kind in enumerate(kinds)]
        title = _MEASURES[measure]
        axes.set_xlabel("Dice of the changed masks")
        if measure.startswith("fs") and rows:
            bands.append(_human_band(axes))
            title += f"\n{_needed(rows, measure, kinds)}"
        axes.set_title(title, loc="left", fontsize=10)
    assert first is not None
    first.set_ylabel("mean absolute error per beat (percentage points)")
    first.set_ylim(bottom=0)
    if not any(_number(row, f"{measure}_error_pp") is not None for row in rows for measure in measures):
        say(first, NO_ERRORS.replace(", so", ",\nso") if rows else "nothing was measured")
        first.set_xticks([])
        first.set_yticks([])
    else:
        handles += bands[:1]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), frameon=False)
    return figure


def say(axes: Axes, text: str) -> None:
    """Write into an empty plot why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=QUIET)


def _scatter(figure: Figure, axes: Axes, x: Float64, y: Float64, names: Sequence[str]) -> None:
    """One colour and marker per group; a legend beside the points where the groups are few."""
    groups = list(dict.fromkeys(names))
    handles: list[Artist] = []
    for number, group in enumerate(groups):
        mine = [i for i, name in enumerate(names) if name == group]
        # A label that begins with an underscore would be left out of the legend.
        handles += axes.plot(
            x[mine],
            y[mine],
            MARKERS[(number + number // len(COLORS)) % len(MARKERS)],
            color=COLORS[number % len(COLORS)],
            markersize=7,
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=f" {shown(group)}",
            zorder=3,
        )
    if 1 < len(groups) <= MAX_GROUPS:
        for text in figure.legend(
            handles=handles, loc="outside lower center", ncols=min(len(groups), 4), frameon=False, fontsize=SMALL
        ).get_texts():
            text.set_parse_math(False)
    elif len(groups) > MAX_GROUPS:
        figure.supxlabel(f"colour and marker: one of {len(groups)} sequences", fontsize=SMALL, color=QUIET)


def _limit_lines(axes: Axes, differences: Float64, unit: str) -> None:
    """Bias and limits as lines, each with its value right of the plot."""
    found = limits_of_agreement(differences)
    axes.axhline(0, color="#999999", linewidth=0.8, zorder=1)
    lines = (("bias", found.bias, "-"), ("+1.96 SD", found.high, "--"), ("−1.96 SD", found.low, "--"))
    for words, value, dash in lines:
        if value is None:
            continue
        color = COLORS[6] if words == "bias" else COLORS[1]
        axes.axhline(value, color=color, linestyle=dash, linewidth=1.3, zorder=2)
    drawn = [(words, value) for words, value, _ in lines if value is not None]
    reach = max((abs(value) for _, value in drawn), default=0.0)
    reach = max(reach, float(np.abs(differences).max()) if differences.size else 0.0)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.15 * reach), max(high, 0.15 * reach))
    places = _apart([value for _, value in drawn], 0.09 * float(np.ptp(axes.get_ylim())))
    for (words, value), place in zip(drawn, places, strict=True):
        color = COLORS[6] if words == "bias" else COLORS[1]
        number = f"{value:+.2f}".replace("-", "−")
        text = f"{words}\n{number} {shown(unit, 12)}"
        axes.annotate(
            text,
            (1.0, place),
            (6, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=color,
            parse_math=False,
        )


def _apart(values: Sequence[float], gap: float) -> list[float]:
    """Places for the labels of values in any order, moved as little as is needed to stand `gap` apart."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    places = dict(zip(order, spread([values[i] for i in order], gap), strict=True))
    return [places[i] for i in range(len(values))]


def _propagated(axes: Axes, rows: Sequence[Mapping[str, Any]], measure: str, kind: str, number: int) -> Artist:
    """One line with its interval band."""
    key = f"{measure}_error_pp"
    mine = sorted(
        (r for r in rows if r["kind"] == kind and _number(r, key) is not None), key=lambda r: float(r["dice"])
    )
    x, y = [float(row["dice"]) for row in mine], [float(row[key]) for row in mine]
    color, marker, dash = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)], DASHES[number % len(DASHES)]
    bounds = [(place, _number(r, f"{key}_low"), _number(r, f"{key}_high")) for place, r in zip(x, mine, strict=True)]
    known = [(place, low, high) for place, low, high in bounds if low is not None and high is not None]
    if known:
        places, lows, highs = zip(*known, strict=True)
        axes.fill_between(places, lows, highs, color=color, alpha=0.15, linewidth=0)
    label = _KINDS.get(kind, f" {shown(kind, 30)}")
    return axes.plot(x, y, color=color, marker=marker, linestyle=dash, markersize=5.5, label=label, zorder=3)[0]


def _human_band(axes: Axes) -> Artist:
    low, high = HUMAN_RANGE_PP
    band = axes.axhspan(low, high, facecolor=BAND, linewidth=0, zorder=0)
    band.set_label(f"human annotators: {low:g} to {high:g} points")
    return band


def _needed(rows: Sequence[Mapping[str, Any]], measure: str, kinds: Sequence[str]) -> str:
    """Which Dice keeps every kind of change within the human range, in words."""
    limit, key = HUMAN_RANGE_PP[1], f"{measure}_error_pp"
    beyond = [k for k in kinds if any(r["kind"] == k and (_number(r, key) or 0.0) > limit for r in rows)]
    if not beyond:
        return f"within {limit:g} points at every Dice shown"
    needed = [needed_dice(rows, measure, kind, limit) for kind in beyond]
    known = [dice for dice in needed if dice is not None]
    if len(known) < len(needed):
        return f"not within {limit:g} points even at the best Dice shown"
    return f"within {limit:g} points from Dice {max(known):.2f} on"
