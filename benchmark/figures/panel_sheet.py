"""Pictures in rows and columns with heads, a line below each and a legend: the figure of a paper, to the pixel.

Everything is placed by hand in pixels of the resolution, so that a picture that is made of as many pixels as its place
has is neither blurred nor shifted, in a PNG file and inside PDF and SVG.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..io.atomic import output_path
from ..types import Uint8
from .style import house_style, svg_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIN_POINTS = 6.0
"""No text is smaller; printers and readers need as much."""
HEAD_POINTS = 8.0
TEXT_POINTS = 7.0
LINE = 1.2
"""Height of a line of text in parts of its size."""
_ASCENT = 0.95
"""Where the letters of a line stand, in parts of their size below its top."""
GAP_POINTS = 3.0
TALLEST = 1.0
"""Height of a picture in parts of the column's width, above which it is shown less wide."""
MIN_PANE_CM = 1.0
_STRIPE_POINTS = 1.5
_MARGIN = 0.96
"""Part of a column that a line of text may fill: other programs set the same text a little wider."""
_BREAKS = re.compile(r"(?<=[\s,/_=+-])")


@dataclass(frozen=True)
class Pane:
    """A picture (h, w, 3) uint8 in the pixels in which it is shown, and the line below it."""

    picture: Uint8
    below: str = ""


@dataclass(frozen=True)
class LegendEntry:
    """A colour (R, G, B) and what it means; None is the pattern of what is not scored."""

    color: tuple[int, ...] | None
    name: str


@dataclass(frozen=True)
class PanelGrid:
    """What a sheet shows: a head for each column, rows of panes, a legend, and a line that must stand on it."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Pane, ...], ...]
    legend: tuple[LegendEntry, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class PageWidth:
    """The width of a sheet in inches, its resolution, and how many columns share it."""

    inches: float
    dpi: int
    columns: int

    @property
    def pixels(self) -> int:
        """Width of the sheet."""
        return round(self.inches * self.dpi)

    @property
    def gap(self) -> int:
        """Pixels between two columns."""
        return self.of(GAP_POINTS)

    @property
    def pane(self) -> int:
        """Width of a column in pixels."""
        return (self.pixels - (self.columns - 1) * self.gap) // self.columns

    def of(self, points: float) -> int:
        """Points (1/72 inch) as pixels, at least one."""
        return max(1, round(points * self.dpi / 72))

    def size(self, shape: Sequence[int]) -> tuple[int, int]:
        """(width, height) in pixels at which an array (H, W) is shown in a column."""
        height, width = shape[:2]
        scale = min(self.pane / width, TALLEST * self.pane / height)
        return max(1, round(width * scale)), max(1, round(height * scale))


def striped(height: int, width: int, page: PageWidth) -> Uint8:
    """White and grey stripes, (height, width, 3) uint8: of what is not scored, for no class is painted so."""
    y, x = np.mgrid[:height, :width]
    dark = (x + y) // page.of(_STRIPE_POINTS) % 2 == 1
    return np.where(dark[:, :, None], np.uint8(120), np.uint8(255)).repeat(3, axis=2)


def write_panels(path: Path, grid: PanelGrid, page: PageWidth, description: str) -> tuple[int, int]:
    """Write a sheet as .pdf, .svg or .png, by the ending; the description is kept inside the file.

    Equal sheets give equal bytes.

    Returns
    -------
    (width, height) of the sheet in pixels.
    """
    import matplotlib as mpl

    # Type 42 is what publishers take; matplotlib's own Type 3 is refused by some.
    with house_style(), mpl.rc_context({"pdf.fonttype": 42}), output_path(path) as temporary:
        figure, size = _drawn(grid, page)
        kind = path.suffix.lower()[1:]
        if kind == "svg":
            temporary.write_text(svg_of(figure, page.dpi, description), "utf-8", newline="\n")
        else:
            told: dict[str, Any] = {"Software": None, "Description": description}
            if kind == "pdf":
                told = {"CreationDate": None, "Creator": None, "Producer": None, "Subject": description}
            figure.savefig(temporary, format=kind, dpi=page.dpi, metadata=told)
    return size


def _drawn(grid: PanelGrid, page: PageWidth) -> tuple[Figure, tuple[int, int]]:
    """The figure, and its size (width, height) in pixels."""
    plan = _Plan(page)
    plan.heads(grid.heads)
    for row in grid.rows:
        plan.row(row)
    plan.legend(grid.legend)
    if grid.note:
        plan.text_lines(folded(grid.note, page.pixels, TEXT_POINTS, page.dpi), 0, "left", TEXT_POINTS)
    return plan.figure(), (page.pixels, plan.top)


@dataclass(frozen=True)
class _Text:
    x: int
    y: int
    text: str
    align: str
    points: float


@dataclass(frozen=True)
class _Picture:
    x: int
    y: int
    picture: Uint8
    framed: bool


class _Plan:
    """Where everything stands, in pixels from the upper left corner; `top` is how far down it is filled."""

    def __init__(self, page: PageWidth) -> None:
        self.page = page
        self.top = page.of(1)
        self._points = TEXT_POINTS
        self._texts: list[_Text] = []
        self._pictures: list[_Picture] = []

    def heads(self, heads: Sequence[str]) -> None:
        """A head over the middle of every column; all of one size, their last lines beside each other."""
        points = HEAD_POINTS
        while points > MIN_POINTS and any(_parted(head, self.page.pane, points, self.page.dpi) for head in heads):
            points -= 0.5
        self._points = min(points, TEXT_POINTS)
        lines = [folded(head, self.page.pane, points, self.page.dpi) for head in heads]
        most = max(len(each) for each in lines)
        self._columns([[""] * (most - len(each)) + each for each in lines], points)
        self.top += self.page.of(1.5)

    def row(self, panes: Sequence[Pane]) -> None:
        """Pictures in the middle of their columns, and what stands below them."""
        page = self.page
        height = max(pane.picture.shape[0] for pane in panes)
        for column, pane in enumerate(panes):
            h, w = pane.picture.shape[:2]
            x = column * (page.pane + page.gap) + (page.pane - w) // 2
            self._pictures.append(_Picture(x, self.top + (height - h) // 2, pane.picture, False))
        self.top += height + page.of(1)
        self._columns([folded(pane.below, page.pane, self._points, page.dpi) for pane in panes], self._points)
        self.top += page.gap

    def legend(self, entries: Sequence[LegendEntry]) -> None:
        """Swatches with names, in as many lines as they need."""
        page = self.page
        side, line = page.of(TEXT_POINTS), page.of(TEXT_POINTS * LINE * 1.15)
        x = 0
        for entry in entries:
            name = folded(entry.name, page.pixels - 3 * side, TEXT_POINTS, page.dpi)
            wide = side + page.of(3) + max(_width(each, TEXT_POINTS, page.dpi) for each in name)
            if x and x + wide > page.pixels * _MARGIN:
                x, self.top = 0, self.top + line
            self._pictures.append(_Picture(x, self.top + page.of(0.5), self._swatch(entry, side), True))
            for number, each in enumerate(name):
                self._texts.append(_Text(x + side + page.of(3), self.top + number * line, each, "left", TEXT_POINTS))
            self.top += (len(name) - 1) * line
            x += round(wide / _MARGIN) + page.of(9)
        if entries:
            self.top += line + page.of(1)

    def _swatch(self, entry: LegendEntry, side: int) -> Uint8:
        if entry.color is None:
            return striped(side, side, self.page)
        return np.full((side, side, 3), entry.color, np.uint8)

    def text_lines(self, lines: Sequence[str], x: int, align: str, points: float) -> None:
        """Lines of text below each other."""
        for line in lines:
            self._texts.append(_Text(x, self.top, line, align, points))
            self.top += self.page.of(points * LINE)

    def _columns(self, columns: Sequence[Sequence[str]], points: float) -> None:
        """Lines of text in the middle of every column; nothing where there are none."""
        start, bottom = self.top, self.top
        for column, lines in enumerate(columns):
            self.top = start
            middle = column * (self.page.pane + self.page.gap) + self.page.pane // 2
            self.text_lines(lines, middle, "center", points)
            bottom = max(bottom, self.top)
        self.top = bottom

    def figure(self) -> Figure:
        """All of it."""
        from matplotlib.figure import Figure

        width, height, dpi = self.page.pixels, self.top, self.page.dpi
        # A thousandth of a pixel more, for what is a hair too narrow loses a whole one.
        figure = Figure(figsize=((width + 1e-3) / dpi, (height + 1e-3) / dpi), dpi=dpi)
        for each in self._pictures:
            h, w = each.picture.shape[:2]
            axes = figure.add_axes((each.x / width, 1 - (each.y + h) / height, w / width, h / height))
            axes.imshow(each.picture, interpolation="none", aspect="auto")
            axes.set(xticks=[], yticks=[], frame_on=each.framed)
            axes.grid(visible=False)
            for spine in axes.spines.values():
                spine.set(visible=each.framed, linewidth=0.3, edgecolor="#555555")
        for text in self._texts:
            place: Any = {"ha": text.align, "va": "baseline", "size": text.points, "color": "#111111"}
            stands = text.y + self.page.of(text.points * _ASCENT)
            figure.text(text.x / width, 1 - stands / height, text.text, **place)
        return figure


def folded(text: str, width: int, points: float, dpi: int) -> list[str]:
    """Text as lines of at most `width` pixels: broken after spaces and marks, within a word only where it must be."""
    lines = [""]
    for part in _BREAKS.split(text):
        if not lines[-1] or _fits(lines[-1] + part, width, points, dpi):
            lines[-1] += part
        else:
            lines.append(part)
        while not _fits(lines[-1], width, points, dpi) and len(lines[-1]) > 1:
            word, end = lines[-1], len(lines[-1]) - 1
            while end > 1 and not _fits(word[:end], width, points, dpi):
                end -= 1
            lines[-1:] = [word[:end], word[end:]]
    return [line.strip() for line in lines if line.strip()]


def _parted(text: str, width: int, points: float, dpi: int) -> bool:
    """Whether a part of the text that is not broken on its own is too wide."""
    return any(not _fits(part, width, points, dpi) for part in _BREAKS.split(text))


def _fits(text: str, width: int, points: float, dpi: int) -> bool:
    return _width(text.rstrip(), points, dpi) <= width * _MARGIN


def _width(text: str, points: float, dpi: int) -> int:
    """Width of one line of text in pixels."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    wide, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=points), ismath=False)
    return int(np.ceil(wide * dpi / 72))
