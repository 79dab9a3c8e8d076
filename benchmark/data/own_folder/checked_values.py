"""Single values of `classes.yaml`, checked; what is wrong is said with its place, what was found and what was expected.

Each function takes the value as it was read, the file (`where`) and the name of the key, and raises UserError.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from ...text import unknown
from ...types import UserError

MAX_LABEL = 65_535
MAX_TEXT = 2000
"""Characters of a text."""
MAX_NUMBER = 1e12

Color = tuple[int, int, int]


def mapping_of(content: Any, where: str, what: str, keys: Collection[str]) -> dict[str, Any]:
    """A mapping of no other keys than these."""
    if not isinstance(content, dict):
        raise UserError(f"{where}: {what} is {as_shown(content)}; expected keys with values ({', '.join(keys)})")
    for key in content:
        if key not in keys:
            raise UserError(f"{where}: {unknown(f'key in {what}', str(key), keys)}")
    return content


def label_of(content: Any, where: str, key: str) -> int:
    """A label value, from 0 to `MAX_LABEL`."""
    if isinstance(content, bool) or not isinstance(content, int) or not 0 <= content <= MAX_LABEL:
        raise UserError(f"{where}: {key} is {as_shown(content)}; expected a label value from 0 to {MAX_LABEL}")
    return content


def text_of(content: Any, where: str, key: str) -> str:
    """One line of text, without the space around it."""
    if not isinstance(content, str) or not content.strip() or len(content) > MAX_TEXT or not content.isprintable():
        hint = " YAML reads words such as no, on and 5 as other things: put them in quotes."
        raise UserError(f"{where}: {key} is {as_shown(content)}; expected one line of text.{hint}")
    return content.strip()


def rgb_of(content: Any, where: str, key: str) -> Color:
    """A colour: [red, green, blue], or '#rrggbb'."""
    if isinstance(content, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", content):
        return int(content[1:3], 16), int(content[3:5], 16), int(content[5:7], 16)
    whole = isinstance(content, list) and len(content) == 3 and all(type(v) is int and 0 <= v <= 255 for v in content)
    if not whole:
        raise UserError(
            f"{where}: {key} is {as_shown(content)}; expected [red, green, blue] in 0 to 255, or '#rrggbb' in quotes "
            "(without them # begins a comment)"
        )
    red, green, blue = content
    return red, green, blue


def one_of(content: Any, where: str, key: str, choices: tuple[Any, ...]) -> Any:
    """One of these words."""
    if not isinstance(content, str) or content not in choices:
        raise UserError(f"{where}: {key} is {as_shown(content)}; expected one of {', '.join(choices)}")
    return content


def positive(content: Any, where: str, key: str) -> float | None:
    """A number above 0; None where there is none."""
    if content is None:
        return None
    number = isinstance(content, int | float) and not isinstance(content, bool)
    if not number or not (0 < content < MAX_NUMBER):
        raise UserError(f"{where}: {key} is {as_shown(content)}; expected a number above 0")
    return float(content)


def pixel_size_of(content: Any, where: str) -> tuple[float, float] | None:
    """Height and width of a pixel from one number or two; None where there is none."""
    if isinstance(content, list) and len(content) != 2:
        raise UserError(f"{where}: pixel_size_um holds {len(content)} numbers; expected one, or [height, width]")
    both = content if isinstance(content, list) else [content, content]
    height, width = (positive(value, where, "pixel_size_um") for value in both)
    if height is None or width is None:
        return None
    return height, width


def as_shown(content: Any) -> str:
    """A value as an error shows it."""
    if content is None:
        return "missing or empty"
    if isinstance(content, dict | list):
        return f"a {'mapping' if isinstance(content, dict) else 'list'} of {len(content)}"
    text = repr(content)
    return text if len(text) <= 80 else f"{text[:77]}…"
