"""Text files that somebody else wrote: one reader for all, which understands the mark that editors put first."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from pydantic_core import from_json

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and what they begin; that of UTF-32 begins as that of UTF-16 does."""


def read_text(path: Path) -> str:
    """The text of a file: UTF-8, or what its byte order mark says, which is no part of it.

    Raises OSError where it cannot be read, and ValueError (UnicodeDecodeError) where it is no such text.
    """
    return decode_text(path.read_bytes())


def decode_text(content: bytes) -> str:
    """The text of bytes, as `read_text`, with every line end as a newline."""
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises as `read_text` does, and ValueError for what is no JSON."""
    content = path.read_bytes()
    try:
        return from_json(content)
    except ValueError:  # the quick parser takes less than Python's own, which also says what is wrong
        return json.loads(decode_text(content))
