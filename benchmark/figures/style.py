"""Plots of a suite: score against the number of labelled images, and score against cost. Matplotlib comes in lazily."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..io.atomic import atomic_path
from ..text import samples_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart with every kind of colour vision; the yellow is too pale for lines on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":", "-.")
FAMILIES = {
    "classical": ("#0072B2", "s"),
    "learned": ("#D55E00", "o"),
    "external": ("#000000", "D"),
    "human": ("#009E73", "P"),
}
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    # A name from outside is no formula, whatever it holds.
    "text.parse_math": False,
    # Text stays text, and equal results give equal bytes.
    "svg.fonttype": "none",
    "svg.hashsalt": "segbench",
}
PLAIN: dict[str, None] = {"Date": None, "Creator": None, "Format": None, "Type": None}
"""No word in an SVG file about when and by what it was made."""
LABEL_SIZE = 9
NAMED = 40
LEAST_S = 1e-3

FAR = 10.0
"""What it costs a label, in pixels, to stand one step further from its point."""

Section = Mapping[str, Any]
Point: TypeAlias = tuple[float, float, str, str]
"""Place in the plot's units, label and colour."""
Box: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right, top in pixels."""
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
        whole = _most_labels(rows)
        if len(whole) > 1:
            written += write_figure(folder / f"score-cost-{stem}", lambda s=section, r=whole: score_against_cost(s, r))  # type: ignore[misc]
    return written


@contextmanager
def house_style() -> Iterator[None]:
    """Figures that are made and stored within have the house style.

    A name in a script that the typeface lacks shows as boxes in a PNG file and is whole in an SVG file; that is no
    reason to warn.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def write_score_against_cost(path: Path, section: Section) -> None:
    """Draw `score_against_cost` of all rows of a section as an SVG file."""
    with house_style(), atomic_path(path) as temporary:
        score_against_cost(section, section["rows"]).savefig(temporary, format="svg", metadata=PLAIN)


def write_learning_curve(path: Path, section: Section) -> None:
    """Draw `learning_curve` of all rows of a section as an SVG file."""
    with house_style(), atomic_path(path) as temporary:
        learning_curve(section, section["rows"]).savefig(temporary, format="svg", metadata=PLAIN)


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
        color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
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
    axes.set_xticks(sorted(ticks), [f"{n:.4g}\n{100 * ticks[n]:.3g} %" for n in sorted(ticks)])
    axes.set_xlabel("labelled images trained on (log scale), and their part of all")
    axes.set_ylabel(_score_label(section))
    axes.set_title(_title(section), loc="left", fontsize=10)
    _human_band(axes, section)
    _note(figure, section, "band: 95 % interval over test samples; dots: seeds")
    _label_ends(figure, axes, ends)
    return figure


def score_against_cost(section: Section, rows: Sequence[Row]) -> Figure:
    """Main score against the time to fit and to predict, one panel each; classical and learned methods apart.

    The first 40 rows are named.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(11, 4.8 + 0.12 * max(0, min(len(rows), NAMED) - 12)), layout="constrained")
    panels: tuple[tuple[str, str, Callable[[float], float]], ...] = (
        ("train_s", "time to fit (s", lambda value: max(value, LEAST_S)),
        ("predict_ms_per_image", "time to predict (ms per image", lambda value: max(value, LEAST_S)),
    )
    first: Axes | None = None
    labels: list[tuple[Axes, list[Point]]] = []
    for position, (key, what, shown) in enumerate(panels):
        axes = figure.add_subplot(1, 2, position + 1, sharey=first)
        first = first or axes
        points: list[Point] = []
        for place, row in enumerate(rows):
            if row["cost"].get(key) is None:
                continue
            score = row["scores"][section["main_score"]]
            color, marker = FAMILIES.get(row["family"], FAMILIES["external"])
            x = shown(row["cost"][key])
            if score["low"] is not None and score["high"] is not None:
                axes.plot([x, x], [score["low"], score["high"]], color=color, alpha=0.35, linewidth=1.5, zorder=2)
            axes.plot(x, score["value"], marker=marker, color=color, markersize=7, markeredgecolor="white", zorder=3)
            if place < NAMED:
                points.append((x, score["value"], row["label"], color))
        devices = ", ".join(sorted({str(row["cost"].get("device")) for row in rows}))
        _human_band(axes, section)
        axes.set_xscale("log")
        plain_ticks(axes)
        axes.set_xlabel(f"{what}, log scale; on {devices})")
        axes.margins(x=0.12, y=0.08)
        if position == 0:
            axes.set_ylabel(_score_label(section))
            axes.set_title(_title(section), loc="left", fontsize=10)
            families = [f for f in FAMILIES if any(row["family"] == f for row in rows)]
            marks = [
                Line2D([], [], color=FAMILIES[f][0], marker=FAMILIES[f][1], linestyle="", label=f) for f in families
            ]
            figure.legend(handles=marks, loc="outside lower right", ncols=len(marks), frameon=False)
        labels.append((axes, points))
    _note(figure, section, "bars: 95 % interval over test samples")
    for axes, points in labels:
        label_points(figure, axes, points)
    return figure


def _human_band(axes: Axes, section: Section) -> None:
    """A grey band over the scores of human annotators, where the section knows them."""
    if (human := section.get("human")) is not None:
        human_band(axes, human)


def human_band(axes: Axes, human: tuple[float, float]) -> None:
    """A grey band over the scores of human annotators, from the lowest to the highest, named at its right end."""
    low, high = human
    axes.axhspan(low, high, color="#bbbbbb", alpha=0.45, zorder=0)
    axes.axhline(low, color="#888888", linewidth=0.8, zorder=0)
    axes.axhline(high, color="#888888", linewidth=0.8, zorder=0)
    place: Any = {"xy": (1.0, high), "xycoords": axes.get_yaxis_transform(), "xytext": (-3, 2)}
    axes.annotate(
        "human range", **place, textcoords="offset points", ha="right", va="bottom", fontsize=8, color="#555555"
    )


def plain_ticks(axes: Axes) -> None:
    """Write the numbers of a logarithmic axis out; over less than three powers of ten, 2 and 5 too."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axes.get_xlim()
    few = high / low < 1000
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _label_ends(figure: Figure, axes: Axes, ends: Sequence[Point]) -> None:
    """Write each label right of the end of its line, moved up or down until none covers another."""
    ordered = sorted(ends, key=lambda end: end[1])
    figure.draw_without_rendering()
    to_points = 72 / figure.dpi
    heights = [float(axes.transData.transform((x, y))[1]) * to_points for x, y, _, _ in ordered]
    for (x, y, label, color), height, place in zip(ordered, heights, spread(heights, LABEL_SIZE * 1.25), strict=True):
        offset = (8, place - height)
        axes.annotate(label, (x, y), offset, textcoords="offset points", va="center", fontsize=LABEL_SIZE, color=color)


def spread(centres: Sequence[float], gap: float) -> list[float]:
    """Centres in rising order, moved as little as is needed to stand `gap` apart.

    >>> spread([0.0, 1.0, 10.0], 3.0)
    [-1.0, 2.0, 10.0]
    """
    clusters: list[list[float]] = []
    for centre in centres:
        clusters.append([centre])
        while (
            len(clusters) > 1
            and _middle(clusters[-1]) - _middle(clusters[-2]) < gap * (len(clusters[-1]) + len(clusters[-2])) / 2 - 1e-9
        ):
            last = clusters.pop()
            clusters[-1] += last
    return [
        _middle(cluster) + (place - (len(cluster) - 1) / 2) * gap
        for cluster in clusters
        for place in range(len(cluster))
    ]


def _middle(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def label_points(figure: Figure, axes: Axes, points: Sequence[Point]) -> None:
    """Write each label near its point, where it covers no other label and no point; a line leads to one further off."""
    figure.draw_without_rendering()
    frame, scale = axes.get_window_extent(), figure.dpi / 72
    places = [tuple(map(float, axes.transData.transform((x, y)))) for x, y, _, _ in points]
    taken = [(x - 5 * scale, y - 5 * scale, x + 5 * scale, y + 5 * scale) for x, y in places]
    crowded = sorted(range(len(points)), key=lambda i: sum(abs(places[i][1] - y) for _, y in places))
    for i in crowded:
        x, y, label, color = points[i]
        text = axes.annotate(label, (x, y), (0, 0), textcoords="offset points", fontsize=LABEL_SIZE, color=color)
        box = text.get_window_extent()
        found = min(
            _candidates(places[i], box.width, box.height, scale),
            key=lambda c: (
                c[0] + 20 * sum(_overlap(c[1], other) for other in taken) + 50 * _outside(c[1], frame.extents)
            ),
        )
        cost, chosen = found
        taken.append(chosen)
        offset = ((chosen[0] - places[i][0]) / scale, (chosen[1] - places[i][1]) / scale)
        text.set_position(offset)
        text.set_verticalalignment("bottom")
        if cost >= FAR:
            nearest = (
                min(max(0.0, offset[0]), offset[0] + box.width / scale),
                min(max(0.0, offset[1]), offset[1] + box.height / scale),
            )
            line = {"arrowstyle": "-", "color": color, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4}
            axes.annotate("", (x, y), nearest, textcoords="offset points", arrowprops=line)


def _candidates(place: Sequence[float], width: float, height: float, scale: float) -> list[tuple[float, Box]]:
    """Boxes of pixels around a point, each with what it costs to be that far away; the right side comes first."""
    boxes = []
    for ring, gap in enumerate((7, 16, 28, 42, 58, 76)):
        d = gap * scale
        sides = (
            (d, -height / 2),
            (-d - width, -height / 2),
            (-width / 2, d),
            (-width / 2, -d - height),
            (d * 0.7, d * 0.7),
            (d * 0.7, -d * 0.7 - height),
            (-d * 0.7 - width, d * 0.7),
            (-d * 0.7 - width, -d * 0.7 - height),
        )
        for side, (dx, dy) in enumerate(sides):
            left, bottom = place[0] + dx, place[1] + dy
            boxes.append((ring * FAR + side * 0.1 * FAR, (left, bottom, left + width, bottom + height)))
    return boxes


def _overlap(a: Box, b: Box) -> float:
    """Shared area of two boxes in pixels, at least 1 where they touch."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return 1 + wide * high if wide > 0 and high > 0 else 0.0


def _outside(box: Box, frame: Sequence[float]) -> float:
    """How far a box stands out of a frame, in pixels."""
    return max(0.0, frame[0] - box[0], frame[1] - box[1], box[2] - frame[2], box[3] - frame[3])


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


def write_figure(stem: Path, draw: Callable[[], Figure]) -> list[Path]:
    """Draw a figure in the house style and write it as SVG and PNG beside each other: `stem`.svg, `stem`.png."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("svg", "png")]
    with house_style():
        figure = draw()
        for path in paths:
            kind = path.suffix[1:]
            with atomic_path(path) as temporary:
                metadata = PLAIN if kind == "svg" else {"Software": None}
                figure.savefig(temporary, format=kind, dpi=150, metadata=metadata)
            # Laid out once for both files: it takes a third of the time.
            figure.set_layout_engine("none")
    return paths
