"""A table of the terminal that never folds a number: where it is too wide, it is cut between columns or rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Column, Table
from rich.text import Text

INTERVAL = "95 % interval"
"""Header of a column that belongs to the one before it."""
_NUMBER = re.compile(r"[\s+\-–−<>≤≥≈~±(\[]*[0-9]|[–\s]*$")
_MAX_WHOLE = 44
"""Longer cells are text, whatever they begin with."""
_MIN_TEXT = 12
"""Columns of text are not folded to less than this, nor below what they hold."""


class FittingTable(Table):
    """Columns of numbers and intervals keep their width, and only text is folded.

    Where that leaves no room, a table whose first `keys` columns name its rows is cut into several that repeat these; a
    column headed `INTERVAL` stays with the one before it. Of any other table, and where even that leaves no room, every
    row is a block with a line for each column, and a line below says so.
    """

    def __init__(self, *headers: Any, keys: int = 0, **settings: Any) -> None:
        super().__init__(*headers, **settings)
        self.keys = keys

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As a table, where it fits."""
        least = [self._least(console, column) for column in self.columns]
        padded = sum(self._get_padding_width(place) for place in range(len(least)))
        needed = sum(least) + padded + self._extra_width
        if needed > options.max_width and self.show_header and (parts := self._parts(least, options.max_width)):
            for part in parts:
                yield from console.render(self._of_columns(part), options)
            return
        if needed > options.max_width and self.show_header:
            if self.title:
                yield from console.render(self.title, options)
            yield from self._rows_alone(console, options)
            yield Text(f"(a row for each value: the table takes a terminal of {needed} columns)", style="dim")
            if self.caption:
                yield from console.render(self.caption, options)
            return
        for column, width in zip(self.columns, least, strict=True):
            if _is_whole(console, column):
                column.no_wrap, column.min_width = True, width
        yield from super().__rich_console__(console, options)

    def _least(self, console: Console, column: Column) -> int:
        """The width that a column needs at least."""
        cells = [_width(console, cell) for cell in column.cells]
        head = _width(console, column.header) if self.show_header else 0
        if _is_whole(console, column):
            return max([head, *cells])
        return min(max([head, *cells]), max(head, _MIN_TEXT))

    def _parts(self, least: Sequence[int], room: int) -> list[list[int]]:
        """The columns of each of several tables that fit; none where there are no keys, or some column has no room."""
        keys = list(range(self.keys))
        groups: list[list[int]] = []
        for place in range(self.keys, len(least)):
            if groups and self.columns[place].header == INTERVAL:
                groups[-1].append(place)
            else:
                groups.append([place])
        parts: list[list[int]] = []
        for group in groups:
            if parts and self._taken(least, parts[-1] + group) <= room:
                parts[-1] += group
            else:
                parts.append(keys + group)
        return parts if keys and all(self._taken(least, part) <= room for part in parts) else []

    def _taken(self, least: Sequence[int], places: Sequence[int]) -> int:
        return sum(least[place] + self._get_padding_width(place) for place in places) + self._extra_width

    def _of_columns(self, places: Sequence[int]) -> FittingTable:
        part = FittingTable(box=self.box, pad_edge=self.pad_edge, collapse_padding=self.collapse_padding)
        for place in places:
            column = self.columns[place]
            part.add_column(column.header, style=column.style, no_wrap=column.no_wrap, overflow=column.overflow)
        for row, cells in zip(self.rows, self._cells(), strict=True):
            part.add_row(*(cells[place] for place in places), style=row.style)
        return part

    def _cells(self) -> Iterator[tuple[RenderableType, ...]]:
        """The cells of one row after the other."""
        yield from zip(*(column.cells for column in self.columns), strict=True)

    def _rows_alone(self, console: Console, options: ConsoleOptions) -> RenderResult:
        above: list[RenderableType] = []
        for row, own in zip(self.rows, self._cells(), strict=True):
            cells = list(own)
            for place, cell in enumerate(above):  # what a row leaves open on its left is that of the row above
                if _text(console, cells[place]).plain.strip():
                    break
                cells[place] = cell
            above = cells
            lines = Table(box=None, show_header=False, pad_edge=False)
            lines.add_column(style="dim", no_wrap=True)
            lines.add_column(overflow="fold", style=row.style or "")
            for column, cell in zip(self.columns, cells, strict=True):
                if _text(console, cell).plain.strip():
                    lines.add_row(column.header, cell)
            yield Text("")
            yield from console.render(lines, options)


def _is_whole(console: Console, column: Column) -> bool:
    """Whether a column holds numbers alone, or is not to be folded for another reason."""
    if column.no_wrap:
        return column.overflow != "ellipsis"
    texts = [_text(console, cell).plain for cell in column.cells]
    return all(_NUMBER.match(text) and len(text) <= _MAX_WHOLE for text in texts)


def _width(console: Console, cell: RenderableType) -> int:
    return max((line.cell_len for line in _text(console, cell).split("\n")), default=0)


def _text(console: Console, cell: RenderableType) -> Text:
    return console.render_str(cell) if isinstance(cell, str) else cell if isinstance(cell, Text) else Text(str(cell))
