"""A paper's table as Markdown, as LaTeX (with booktabs and nothing else) and as CSV."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from tabulate import tabulate

from ..text import UNDEFINED, printable, whole_characters
from ..types import UserError
from .markdown import escape
from .paper_caption import MARK, caption
from .paper_document import PaperTable, TableCell, TableColumn, TableRow
from .tidy_csv import csv_text

Format = Literal["markdown", "latex", "csv"]

_ENDINGS: dict[str, Format] = {".md": "markdown", ".tex": "latex", ".csv": "csv"}
_WIDTH = 100
"""Columns of a line of a caption."""


def format_of(path: Path) -> Format:
    """The format that a file's name says.

    Raises
    ------
    UserError
        For a name that says none.
    """
    found = _ENDINGS.get(path.suffix.lower())
    if found is None:
        expected = ", ".join(f"{ending} ({name})" for ending, name in _ENDINGS.items())
        raise UserError(
            f"--out {path}: its ending '{path.suffix}' says no format; expected {expected}. "
            "Or say it: --format markdown, latex or csv."
        )
    return found


def written(table: PaperTable, form: Format) -> str:
    """The table as a text in a format, with a line end."""
    writers: dict[Format, Callable[[PaperTable], str]] = {"markdown": as_markdown, "latex": as_latex, "csv": as_csv}
    return writers[form](table)


def as_markdown(table: PaperTable) -> str:
    """Caption and table of GitHub's Markdown; a row with its name stands above the rows of each family."""
    seeds = ["seeds"] if table.several_seeds else []
    headers = ["method", *seeds, *(_markdown_head(column) for column in table.columns)]
    body = []
    for family, rows in table.families:
        if len(table.families) > 1:
            body.append([f"*{escape(family)}*", *[""] * (len(headers) - 1)])
        for row in rows:
            cells = [_markdown_cell(*each, table.intervals) for each in zip(table.columns, row.cells, strict=True)]
            body.append([escape(row.label), *([str(len(row.seeds))] if seeds else []), *cells])
    text = " ".join(escape(sentence) for sentence in caption(table))
    return f"{text}\n\n{tabulate(body, headers=headers, tablefmt='github', disable_numparse=True)}\n"


def _markdown_head(column: TableColumn) -> str:
    unit = f" ({escape(column.shown_unit)})" if column.shown_unit else ""
    return f"{escape(column.title)}{unit} {'↑' if column.higher_is_better else '↓'}"


def _markdown_cell(column: TableColumn, cell: TableCell, intervals: bool) -> str:
    value = column.shown(cell.value)
    if cell.best or cell.second:
        value = f"**{value}**" if cell.best else f"<ins>{value}</ins>"
    mark = MARK if cell.not_told_from_best else ""
    return f"{value}{mark}{_spread(column, cell, ' ± ')}{_interval(column, cell, intervals, ' ')}"


def _spread(column: TableColumn, cell: TableCell, sign: str) -> str:
    return "" if cell.sd is None or cell.value is None else f"{sign}{column.shown(cell.sd)}"


def _interval(column: TableColumn, cell: TableCell, intervals: bool, before: str) -> str:
    if not intervals or cell.value is None or cell.low is None or cell.high is None:
        return ""
    return f"{before}[{column.shown(cell.low)}, {column.shown(cell.high)}]"


_TEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"},
    # A quotation mark of the keyboard has no name in the encoding that LaTeX begins with.
    **{"|": r"\textbar{}", '"': "''", "`": "{`}"},
    # After the end of a row, these would be its options.
    **{"[": "{[}", "]": "{]}", "*": "{*}"},
    **{"–": "--", "—": "---", "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "†": r"$^{\dagger}$"},
    **{"µ": r"$\mu$", "μ": r"$\mu$", "°": r"$^{\circ}$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "…": r"\dots{}"},
    **{"“": "``", "”": "''", "‘": "`", "’": "'", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ø": r"\o{}"},
    **{"Ø": r"\O{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}"},
}
_ACCENTS = {
    **{"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": "."},
    **{"\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c"},
}
_JOINED = re.compile(r"(?<=([-',]))(?=\1)")
"""Between two of what LaTeX would make another character of."""


def tex(text: str) -> str:
    r"""A text from outside as LaTeX that shows it and does nothing: in ASCII, for any engine, without a package.

    What LaTeX has no name for, such as letters of other scripts, is written as its number.

    >>> tex("50 % of a_b"), tex("\\input{x}"), tex("Müller")
    ('50 \\% of a\\_b', '\\textbackslash{}input\\{x\\}', 'M\\"{u}ller')
    """
    plain = printable(" ".join(whole_characters(text).split()))
    parts = _JOINED.sub("\0", unicodedata.normalize("NFC", plain))
    return "".join("{}" if character == "\0" else _tex_character(character) for character in parts)


def _tex_character(character: str) -> str:
    if character in _TEX:
        return _TEX[character]
    if character.isascii():
        return character
    parts = unicodedata.normalize("NFD", character)
    letter, marks = parts[0], parts[1:]
    if marks in _ACCENTS and letter.isascii() and letter.isalpha():
        return f"\\{_ACCENTS[marks]}{{{letter}}}"
    return f"{{[}}U+{ord(character):04X}{{]}}"


def as_latex(table: PaperTable) -> str:
    r"""A `table` for `\usepackage{booktabs}`; a column of values stands beside one of their marks and intervals."""
    seeds = table.several_seeds
    columns = "l" + ("r" if seeds else "") + "r@{}l" * len(table.columns)
    heads = ["method", *(["seeds"] if seeds else []), *(_tex_head(column) for column in table.columns)]
    wide = len(heads) + len(table.columns)
    lines = [
        f"% Made by bench table (segbench {_comment(table.segbench)}); needs \\usepackage{{booktabs}}.",
        "% In a paper of two columns a wide table is a table*: \\begin{table*} ... \\end{table*}.",
        r"\begin{table}",
        r"\centering",
        *_tex_caption(table),
        rf"\label{{{label_of(table)}}}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(heads) + r" \\",
    ]
    for family, rows in table.families:
        lines.append(r"\midrule")
        if len(table.families) > 1:
            lines.append(rf"\multicolumn{{{wide}}}{{l}}{{\emph{{{tex(family)}}}}} \\")
        lines += [_tex_row(table, row) for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def label_of(table: PaperTable) -> str:
    r"""What `\ref` calls the table: its dataset and split, and that it is one of classes."""
    words = ["tab", table.dataset, table.split, *(["classes"] if table.by_class else [])]
    return words[0] + ":" + "-".join(re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") or "x" for word in words[1:])


def _comment(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]", "", text)


def _tex_caption(table: PaperTable) -> list[str]:
    text = " ".join(tex(sentence) for sentence in caption(table))
    lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [r"\caption{%", *lines, "}"]


def _tex_head(column: TableColumn) -> str:
    unit = f" ({tex(column.shown_unit)})" if column.shown_unit else ""
    arrow = r"$\uparrow$" if column.higher_is_better else r"$\downarrow$"
    return rf"\multicolumn{{2}}{{c}}{{{tex(column.title)}{unit} {arrow}}}"


def _tex_row(table: PaperTable, row: TableRow) -> str:
    seeds = [str(len(row.seeds))] if table.several_seeds else []
    cells = [_tex_cell(column, cell, table.intervals) for column, cell in zip(table.columns, row.cells, strict=True)]
    return " & ".join([tex(row.label), *seeds, *cells]) + r" \\"


def _tex_cell(column: TableColumn, cell: TableCell, intervals: bool) -> str:
    """The value, and in the column beside it what belongs to it."""
    value = column.shown(cell.value)
    value = "--" if value == UNDEFINED else f"${value}$" if value.startswith("-") else value
    if cell.best or cell.second:
        value = rf"\textbf{{{value}}}" if cell.best else rf"\underline{{{value}}}"
    mark = r"$^{\dagger}$" if cell.not_told_from_best else ""
    small = _spread(column, cell, r"$\,\pm\,$") + _interval(column, cell, intervals, r"\ ")
    return f"{value} & {mark}" + (rf"{{\scriptsize {small}}}" if small else "")


_CSV = (
    *("dataset", "origin", "split", "n", "method", "family", "score", "class", "unit", "higher_is_better", "value"),
    *("low", "high", "seeds", "sd", "best", "second", "not_told_from_best"),
)


def as_csv(table: PaperTable) -> str:
    """A row for each method and score (of a table of classes, and class), in the score's own unit: fractions as such.

    No cell begins a formula; what is undefined, or was not tested, is empty.
    """
    rows = []
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            about = [table.dataset, table.origin, table.split, table.n, row.label, row.family, column.score]
            about += [column.name if column.of_class else None, column.unit, column.higher_is_better]
            found = [cell.value, cell.low, cell.high, len(row.seeds), cell.sd]
            found += [cell.best, cell.second, cell.not_told_from_best]
            rows.append([*about, *found])
    return csv_text(_CSV, rows)
