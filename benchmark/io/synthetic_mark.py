"""The sentence in every file that segbench draws, which marks a synthetic picture as such wherever it is copied.

It is plain ASCII, which each format keeps uncompressed (PNG and TIFF as their `Software`, JPEG as its comment, JSON as
a description), and it is written near the beginning. So it is looked for as bytes: no file is decoded for it, and a
damaged or hostile one costs no more than another.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

MARK = "SYNTHETIC picture made by segbench"
"""How the sentence begins in every file; what made it, and in which version, follows in parentheses."""

_EDGE = 16 * 1024
"""Bytes at either end of a file that are looked at; other tools write a TIFF's tags last."""
_LONGEST = 200
_SENTENCE = re.compile(re.escape(MARK.encode()) + rb"(?: \([ -'*-~]{0,150}\))?")


def synthetic_mark(path: Path) -> str | None:
    """The sentence that says a file is synthetic, from `MARK` on; None where a file has none.

    Raises OSError for a file that cannot be read.
    """
    with path.open("rb") as file:
        found = _sentence(file.read(_EDGE + _LONGEST))
        end = file.seek(0, os.SEEK_END)
        if found is None and end > _EDGE:
            file.seek(max(_EDGE, end - _EDGE))
            found = _sentence(file.read(_EDGE))
    return found


def _sentence(content: bytes) -> str | None:
    found = _SENTENCE.search(content)
    return None if found is None else found[0].decode("ascii")
