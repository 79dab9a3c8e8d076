"""HTML from functions: every text is escaped unless it was made here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

VOID = frozenset({"col", "img", "input", "link", "meta"})


class Html(str):
    """Markup that is safe as it is; any other string is text from outside."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"
Value: TypeAlias = "str | int | float | bool | None"


@lru_cache(maxsize=4096)
def escaped(text: str) -> str:
    """Text as HTML shows it: markup as letters, and what HTML cannot hold or what turns lines around as a box.

    >>> escaped("<b>&'")
    '&lt;b&gt;&amp;&#x27;'
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
    return html.escape(text)


def joined(*children: Child) -> Html:
    """Children one after another: texts escaped, markup as it is, None left out."""
    if len(children) == 1 and isinstance(children[0], str):
        return children[0] if isinstance(children[0], Html) else Html(escaped(children[0]))
    return Html("".join(_parts(children)))


def tag(name: str, /, *children: Child, **attributes: Value) -> Html:
    """One element. `class_` and `for_` lose their underscore, `_` in names becomes `-`, None and False leave out.

    >>> tag("p", "a < b", class_="note", data_v=0.5)
    '<p class="note" data-v="0.5">a &lt; b</p>'
    """
    written = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        written.append(f" {key}" if value is True else f' {key}="{escaped(str(value))}"')
    written.append(">")
    if name not in VOID:
        written += [*_parts(children), f"</{name}>"]
    return Html("".join(written))


def folded_table(where: str, title: str, note: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Html | None:
    """A table under its title, which unfolds it; the first cell of a row names it. None without rows.

    `where` is the section that it stands in: each region of a page has its own name.
    """
    if not rows:
        return None
    body = [tag("tr", tag("th", row[0], scope="row"), [tag("td", cell) for cell in row[1:]]) for row in rows]
    table = tag(
        "table",
        tag("caption", note) if note else None,
        tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads])),
        tag("tbody", body),
    )
    scroll = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=f"{title}, {where}")
    return tag("details", tag("summary", title), scroll)


def _parts(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str):
            yield escaped(child)
        else:
            yield from _parts(child)
