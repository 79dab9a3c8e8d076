"""Groups by the names of files: a regular expression of `classes.yaml`, which may come from anybody.

Python's expressions take time without end for some short ones, so only those are taken that cannot: no repetition of
what repeats or branches, no look-around, no back-reference, and few parts that may match in several ways.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from ...errors import UserError

MAX_LENGTH = 200
MAX_CHOICES = 3
"""Parts of an expression that may match in several ways: the time grows with this power of a name's length."""
MAX_WORK = 2_000_000_000
"""Steps that all names may take together, at worst."""

_MOST_COPIES = 50
"""How often a part may be repeated where the number is fixed."""


def parse_group(text: Any, where: str) -> str:
    """The expression of `group`, if it is one that takes little time for every name.

    Raises UserError, beginning with `where`, for any other.

    >>> parse_group("^(.+?)_", "classes.yaml: group")
    '^(.+?)_'
    """
    if not isinstance(text, str) or not text or len(text) > MAX_LENGTH or not text.isprintable():
        raise UserError(f"{where} is {text!r:.60}; expected a regular expression such as '^(.+?)_', in quotes")
    try:
        tree = parser.parse(text)
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(f"{where} '{text}' is no regular expression ({error})") from None
    choices = _choices(tree, where, text, inside=False)
    if choices > MAX_CHOICES:
        raise UserError(
            f"{where} '{text}' has {choices} parts that may match in several ways (*, +, ?, |); at most {MAX_CHOICES} "
            "are taken"
        )
    if tree.state.groups > 2:
        raise UserError(f"{where} '{text}' has {tree.state.groups - 1} groups in parentheses; expected one, or none")
    return text


def _choices(tree: Any, where: str, text: str, *, inside: bool) -> int:
    """Number of parts that may match in several ways; `inside` of something that is repeated there may be none."""
    found = 0
    for code, value in tree:
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, getattr(codes, "POSSESSIVE_REPEAT", None)):
            low, high, part = value
            inner = _choices(part, where, text, inside=True)
            varies = low != high
            if inner or (inside and (varies or len(part) > 1)) or (not varies and low > _MOST_COPIES):
                raise UserError(f"{where} '{text}' repeats a part that itself may match in several ways, or often")
            found += varies
        elif code is codes.BRANCH:
            if inside:
                raise UserError(f"{where} '{text}' repeats a choice (|); expected one that stands alone")
            found += 1 + sum(_choices(part, where, text, inside=inside) for part in value[1])
        elif code is codes.SUBPATTERN:
            found += _choices(value[3], where, text, inside=inside)
        elif code not in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN, codes.AT, codes.CATEGORY):
            raise UserError(f"{where} '{text}' looks around or back ({str(code).lower()}); expected plain parts alone")
    return found


def grouped(names: Mapping[str, str], expression: str, where: str) -> dict[str, str]:
    """The group of every name: what stands in the parentheses, or all that matches.

    Raises UserError for a name in which the expression finds nothing, and for more work than names can need.
    """
    compiled = re.compile(expression)
    power = _choices(parser.parse(expression), where, expression, inside=False) + (not expression.startswith("^"))
    if sum(len(name) ** power for name in names.values()) > MAX_WORK:
        raise UserError(
            f"{where} '{expression}' may take too long for {len(names)} names; begin it with ^, or shorten it"
        )
    found = {}
    for sample_id, name in names.items():
        match = compiled.search(name)
        group = match[compiled.groups] if match is not None else None
        if not group:
            raise UserError(
                f"{where} '{expression}' finds nothing in '{name}'; expected an expression that fits every name"
            )
        found[sample_id] = group
    return found
