"""Text files that somebody else wrote: one reader for all, which understands the mark that editors put first."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import UserError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and what they begin; that of UTF-32 begins as that of UTF-16 does."""

_MAX_SHOWN = 60
MAX_TEXT = 50_000_000
"""Bytes of a text file that somebody else wrote: more than any list of files or outlines of an image has."""


def read_text(path: Path) -> str:
    """The text of a file: UTF-8, or what its byte order mark says, which is no part of it.

    Raises OSError where it cannot be read, and ValueError (UnicodeDecodeError) where it is no such text.
    """
    return decode_text(path.read_bytes())


def read_bounded_text(path: Path, most: int = MAX_TEXT) -> str:
    """As `read_text`. Raises UserError for a file of more bytes, and for one that cannot be read or is no text."""
    try:
        if path.stat().st_size > most:
            raise UserError(f"{path}: has {path.stat().st_size} bytes; at most {most} are read")
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); expected a text file in UTF-8") from error


def decode_text(content: bytes) -> str:
    """The text of bytes, as `read_text`, with every line end as a newline."""
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises as `read_text` does, and as `parse_json`."""
    return parse_json(path.read_bytes())


def parse_json(
    content: bytes | str,
    *,
    object_hook: Callable[[dict[str, Any]], Any] | None = None,
    parse_int: Callable[[str], Any] | None = None,
) -> Any:
    """What a JSON text that somebody else wrote says.

    Parameters
    ----------
    content : as bytes decoded by `decode_text`.
    object_hook, parse_int : as those of `json.loads`.

    Raises
    ------
    ValueError
        For what is no JSON, and for an object with the same key twice, of which readers take the one or the other.
    RecursionError
        For JSON of absurd depth.
    """

    def checked(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
            raise ValueError(f"the key {_shown_key(twice)} is given twice")
        return found if object_hook is None else object_hook(found)

    text = content if isinstance(content, str) else decode_text(content)
    return json.loads(text, object_pairs_hook=checked, parse_int=parse_int)


def _shown_key(key: str) -> str:
    """A key as JSON writes it, where control characters are escaped; of a long one the beginning."""
    return json.dumps(key[:_MAX_SHOWN]) + "…" * (len(key) > _MAX_SHOWN)
