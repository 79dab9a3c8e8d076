"""How many images a test set takes: width of the interval, visible difference, and learning curves side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..text import duration
from .style import COLORS, MARKERS, house_style, interval_over

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Content = Mapping[str, Any]


def size_plan(plan: Content) -> Figure:
    """Draw a plan, given as the JSON of `boards.plan_document.SizePlan`: a panel for each question it answers."""
    from .notebook import NotebookFigure

    panels = [_width, *([_visible] if plan["difference"] else []), *([_learning] if plan["learning_curves"] else [])]
    with house_style():
        figure = NotebookFigure(figsize=(5.2 * len(panels), 4.6), layout="constrained")
        for place, draw in enumerate(panels, 1):
            draw(figure.add_subplot(1, len(panels), place), plan)
        synthetic = " (SYNTHETIC data)" if plan["origin"] == "synthetic" else ""
        labels = " and ".join(run["label"] for run in plan["runs"])
        figure.suptitle(f"{labels} on {plan['dataset']}{synthetic}, split {plan['split']}", x=0.01, ha="left", size=10)
    return figure


def _width(axes: Axes, plan: Content) -> None:
    axes.set_ylabel(f"full width of the 95 % interval, {plan['score']}")
    if not _curve(axes, plan, "width", COLORS[0]):
        return
    now = next((size for size in plan["sizes"] if size["units"] == plan["units"]), None)
    if now is not None and now["width"]["value"]:
        axes.plot(now["images"], now["width"]["value"], "o", color=COLORS[0], markersize=7, label="these runs")
    _finish(axes, plan)


def _visible(axes: Axes, plan: Content) -> None:
    axes.set_ylabel(f"smallest visible difference, {plan['score']}")
    if not _curve(axes, plan, "visible", COLORS[1]):
        return
    apart = plan["difference"]["value"]
    if apart:
        axes.axhline(abs(apart), color="#666666", linewidth=1, linestyle="--", label="between these runs")
    _finish(axes, plan)


def _curve(axes: Axes, plan: Content, what: str, color: str) -> bool:
    """Draw a number against the size of the test set; False where it is 0 throughout, as a logarithm shows no 0."""
    sizes = [size for size in plan["sizes"] if size[what]["value"]]
    if not sizes:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "0 at every size:\nthese samples do not differ", ha="center", transform=axes.transAxes)
        return False
    images = [size["images"] for size in sizes]
    axes.plot(images, [size[what]["value"] for size in sizes], color=color, zorder=3)
    known = [size for size in sizes if size[what]["low"] is not None]
    lows, highs = ([size[what][end] for size in known] for end in ("low", "high"))
    axes.fill_between([size["images"] for size in known], lows, highs, color=color, alpha=0.15, linewidth=0)
    return True


def _finish(axes: Axes, plan: Content) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, (low, high), most in ((axes.xaxis, axes.get_xlim(), 200), (axes.yaxis, axes.get_ylim(), 1000)):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < most else (1,)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("images in the test set (log scale)")
    axes.set_title("band: what so few samples leave open", loc="left", fontsize=8, color="#555555")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", frameon=False, fontsize=9)
    _label_time(axes, plan.get("seconds_per_label"))


def _learning(axes: Axes, plan: Content) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    ticks: dict[float, float] = {}
    for place, curve in enumerate(plan["learning_curves"]):
        points = curve["points"]
        x = [point["n_train"] for point in points]
        ticks |= {point["n_train"]: point["train_fraction"] for point in points}
        color, marker = COLORS[place % len(COLORS)], MARKERS[place % len(MARKERS)]
        axes.plot(x, [point["value"] for point in points], color=color, marker=marker, label=curve["label"], zorder=3)
        if all(point["low"] is not None and point["high"] is not None for point in points):
            lows, highs = ([point[end] for point in points] for end in ("low", "high"))
            axes.fill_between(x, lows, highs, color=color, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sorted(ticks), [f"{n:.4g}" for n in sorted(ticks)])
    axes.set_xlabel("labelled images trained on (log scale)")
    axes.set_ylabel(f"{plan['score']} ({plan['unit']})")
    axes.set_title(f"band: {interval_over([plan['drawn']])}", loc="left", fontsize=8, color="#555555")
    axes.legend(loc="best", frameon=False, fontsize=9)
    _label_time(axes, plan.get("seconds_per_label"), sorted(ticks))


def _label_time(axes: Axes, seconds: float | None, places: Sequence[float] = ()) -> None:
    """A second axis above with the time that labelling so many images takes."""
    from matplotlib.ticker import FixedLocator, NullLocator

    if seconds is None:
        return
    above = axes.secondary_xaxis("top")
    low, high = axes.get_xlim()
    where = list(places) or [tick for tick in axes.get_xticks() if low <= tick <= high]
    above.xaxis.set_major_locator(FixedLocator(where))
    above.xaxis.set_minor_locator(NullLocator())
    above.set_xticks(where, [_rounded(tick * seconds) for tick in where])
    above.tick_params(labelsize=8)
    above.set_xlabel(f"labelling time at {seconds:g} s an image", fontsize=9)


def _rounded(seconds: float) -> str:
    """A length of time in one unit.

    >>> _rounded(25.0), _rounded(250.0), _rounded(25000.0), _rounded(9e6)
    ('25 s', '4.2 min', '6.9 h', '2500 h')
    """
    if seconds < 90:
        return duration(seconds)
    if seconds < 5400:
        return f"{seconds / 60:.2g} min"
    return f"{seconds / 3600:.2g} h" if seconds < 360000 else f"{seconds / 3600:.0f} h"
