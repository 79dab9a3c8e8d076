"""The house style of figures: colours, shapes of families, and how figures are written. Matplotlib comes in lazily."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..io.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart with every kind of colour vision; the yellow is too pale for lines on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
RUN_COLORS = (*COLORS[2:], *COLORS[:2])
"""Of single runs on a page whose other figures give the first two colours to families."""
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
_PLAIN: dict[str, None] = {"Date": None, "Creator": None, "Format": None, "Type": None}
"""No word in an SVG file about when and by what it was made."""

_DPI = 150

_NAMED = re.compile(r'\bid="([a-z][0-9a-f]{10})"')
"""Matplotlib's names of markers and clips: digests of their geometry to its last bit, which processors round apart."""


def interval_over(drawn: Iterable[str | None]) -> str:
    """What the intervals of a figure are about, in words, from what was resampled for them: "samples" or "groups".

    >>> interval_over(["samples"]), interval_over(["groups", None])
    ('95 % interval over test samples', '95 % interval over whole groups of test samples')
    """
    units = {each for each in drawn if each}
    whole, single = "whole groups of test samples", "test samples"
    over = f"{single} or {whole}" if len(units) > 1 else whole if "groups" in units else single
    return f"95 % interval over {over}"


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


def svg_of(figure: Figure, dpi: float | Literal["figure"] = "figure", description: str | None = None) -> str:
    """A figure as an SVG document: equal figures give equal texts, on every processor.

    `dpi` is the resolution of pictures in it, `description` is kept inside for whoever cannot see it.
    """
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", dpi=dpi, metadata=_PLAIN | {"Description": description})
    text = stream.getvalue().decode()
    numbers = {name: f"d{number}" for number, name in enumerate(dict.fromkeys(_NAMED.findall(text)), 1)}
    if not numbers:
        return text
    return re.sub(rf"\b(?:{'|'.join(numbers)})\b", lambda found: numbers[found[0]], text)


def human_band(axes: Axes, human: tuple[float, float]) -> None:
    """A grey band over the scores of human annotators, from the lowest to the highest, named at its left end."""
    low, high = human
    axes.axhspan(low, high, color="#bbbbbb", alpha=0.45, zorder=0)
    axes.axhline(low, color="#888888", linewidth=0.8, zorder=0)
    axes.axhline(high, color="#888888", linewidth=0.8, zorder=0)
    place: Any = {"xy": (0.0, high), "xycoords": axes.get_yaxis_transform(), "xytext": (3, 2)}
    axes.annotate(
        "human range", **place, textcoords="offset points", ha="left", va="bottom", fontsize=8, color="#555555"
    )


def human_columns(axes: Axes, human: tuple[float, float]) -> None:
    """The same band where scores lie on the horizontal axis, without its name."""
    axes.axvspan(*human, color="#bbbbbb", alpha=0.45, zorder=0)
    for end in human:
        axes.axvline(end, color="#888888", linewidth=0.8, zorder=0)


def plain_ticks(axis: Axis, *, narrow: bool = False) -> None:
    """Write the numbers of a logarithmic axis out: the fewer powers of ten it holds, the more between them.

    Matplotlib's own are formulas, which stay raw where no text is one. A `narrow` panel has room for few.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    wide = (6, 60, 600) if narrow else (6, 1000, 1000)
    between = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
    axis.set_major_locator(LogLocator(subs=between[sum(high / low >= each for each in wide)]))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def write_svg(path: Path, draw: Callable[[], Figure]) -> None:
    """Draw a figure in the house style and write it as an SVG file."""
    with house_style(), atomic_path(path) as temporary:
        temporary.write_text(svg_of(draw()), "utf-8", newline="\n")


def write_figure(stem: Path, draw: Callable[[], Figure]) -> list[Path]:
    """Draw a figure in the house style and write it as SVG and PNG beside each other: `stem`.svg, `stem`.png."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("svg", "png")]
    with house_style():
        figure = draw()
        for path in paths:
            with atomic_path(path) as temporary:
                if path.suffix == ".svg":
                    temporary.write_text(svg_of(figure, _DPI), "utf-8", newline="\n")
                else:
                    figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": None})
            # Laid out once for both files: it takes a third of the time.
            figure.set_layout_engine("none")
    return paths
