"""Results as a notebook shows them: a title, a table, notes below."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tabulate import tabulate


def html_table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """Markup of a table of text; everything in it is escaped.

    >>> html_table("t", ["a"], [["<b>"]]).splitlines()[0]
    '<p><strong>t</strong></p>'
    """
    parts = [f"<p><strong>{escape(title)}</strong></p>"] if title else []
    if rows:
        # Escapes its cells itself.
        parts.append(str(tabulate(rows, headers, tablefmt="html", disable_numparse=True)))
    parts += [f"<p>{escape(note)}</p>" for note in notes]
    return "\n".join(parts)


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of plain text."""
    return str(tabulate(rows, headers, tablefmt="plain", disable_numparse=True))
