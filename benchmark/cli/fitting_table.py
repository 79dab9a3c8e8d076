"""A table of the terminal that never cuts or folds a number: where it is too wide, each row stands by itself."""

from __future__ import annotations

import re

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Column, Table
from rich.text import Text

_NUMBER = re.compile(r"[\s+\-–−<>≤≥≈~±(\[]*[0-9]|[–\s]*$")
_MAX_WHOLE = 44
"""Longer cells are text, whatever they begin with."""
_MIN_TEXT = 12
"""Columns of text are not folded to less than this, nor below what they hold."""


class FittingTable(Table):
    """Columns of numbers and intervals keep their width, and only text is folded.

    Where that leaves no room, every row is a block with a line for each column, and a line below says so.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As a table, where it fits."""
        least = [self._least(console, column) for column in self.columns]
        padded = sum(self._get_padding_width(place) for place in range(len(least)))
        needed = sum(least) + padded + self._extra_width
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

    def _rows_alone(self, console: Console, options: ConsoleOptions) -> RenderResult:
        cells = [list(column.cells) for column in self.columns]
        for number, row in enumerate(self.rows):
            for own in cells:  # what a row leaves open on its left is that of the row above
                if not number or _text(console, own[number]).plain.strip():
                    break
                own[number] = own[number - 1]
            lines = Table(box=None, show_header=False, pad_edge=False)
            lines.add_column(style="dim", no_wrap=True)
            lines.add_column(overflow="fold", style=row.style or "")
            for column, own in zip(self.columns, cells, strict=True):
                if _text(console, own[number]).plain.strip():
                    lines.add_row(column.header, own[number])
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
