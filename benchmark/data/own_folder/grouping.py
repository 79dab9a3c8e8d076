"""Groups by the names of files: a regular expression of `classes.yaml`, which may come from anybody.

Python's expressions take time without end for some short ones, so only those are taken that cannot: no repetition of
what repeats or branches, no look-around, no back-reference, and few parts that may match in several ways.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from ...errors import UserError

MAX_LENGTH = 200
MAX_CHOICES = 3
"""Parts of an expression that may match in several ways: the time grows with this power of a name's length."""
MAX_WORK = 2_000_000_000
"""Steps that all names may take together, at worst."""

_MOST_COPIES = 50
"""How often a part may be repeated where the number is fixed."""

_GUESSES = ("^(.+?)_", "^(.+?)-", "^([A-Za-z]+[0-9]+)[A-Za-z_-]", "^(.+)_[^_]+$")
_MIN_GUESSED = 3
_MIN_NUMBERED = 5
_SPLIT_NAMES = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing"})
_NUMBERED = re.compile(r"[_-]?[A-Za-z]{0,3}[0-9]+$")


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


class GuessedGroup(NamedTuple):
    """An expression by which names seem to say groups, and how many these are."""

    expression: str
    groups: int


def guessed_group(names: Sequence[str]) -> GuessedGroup | None:
    """An expression by which names (without ending) seem to say groups; None where they do not.

    Groups are few, of several files each, and called by more than a number. Of only two, as of CamVid's
    `0001TP_006690` and `Seq05VD_f00000`, each is called by letters and digits, and its files are numbered. Names that
    begin with that of a split say nothing of groups by it.

    >>> guessed_group([f"{film}_{n:05d}" for film in ("0001TP", "0016E5") for n in range(8)])
    GuessedGroup(expression='^(.+?)_', groups=2)
    >>> guessed_group([f"{kind}_{n}" for kind in ("cat", "dog") for n in range(8)])
    """
    for expression in _GUESSES:
        try:
            found = grouped({str(n): name for n, name in enumerate(names)}, parse_group(expression, ""), "")
        except UserError:
            continue
        sizes = Counter(found.values())
        if len(sizes) > len(names) / 2 or all(group.isdecimal() or group.lower() in _SPLIT_NAMES for group in sizes):
            continue
        if len(sizes) >= _MIN_GUESSED or (len(sizes) > 1 and _numbered_films(names, found, sizes)):
            return GuessedGroup(expression, len(sizes))
    return None


def _numbered_films(names: Sequence[str], found: Mapping[str, str], sizes: Mapping[str, int]) -> bool:
    """Whether groups are called by letters and digits, and each has several files that a number tells apart."""
    coded = all(re.search("[0-9]", group) and re.search("[A-Za-z]", group) for group in sizes)
    rests = (name.removeprefix(group) for name, group in zip(names, found.values(), strict=True))
    return coded and min(sizes.values()) >= _MIN_NUMBERED and all(_NUMBERED.match(rest) for rest in rests)
