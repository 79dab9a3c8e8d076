"""Whether LZW data of TIFF is safe to decode: the decoder in use believes the code that follows a clear code.

There it takes any code for a byte. One that stands for a string, of which there are none yet, makes it read memory that
is not its own, and perhaps show it as pixels. So every such code is looked at before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import numpy as np

from ...types import Array

_CLEAR, _END = 256, 257
_WIDEST_TABLE = 5120
"""Strings that the decoder has room for; beyond them it refuses the data itself."""
_FIRST_LOOK = 600
"""Codes that are looked at together after a clear code; then many more."""
_MIN_CLEAR_CODES, _BYTES_PER_CLEAR_CODE = 64, 512
"""Writers clear a table that is full, after thousands of bytes: data of more clear codes is refused."""


def check_lzw(chunks: Sequence[bytes | bytearray]) -> None:
    """Raise ValueError for compressed data in which a code stands for a string that was never said.

    chunks : strips or tiles, each compressed by itself.
    """
    for chunk in _not_plain(chunks):
        _check_chunk(chunk)


def _not_plain(chunks: Sequence[bytes | bytearray]) -> Iterable[bytes | bytearray]:
    """All but the short ones of one clear code and sound codes: many small strips are looked at together."""
    sizes = np.array([len(chunk) for chunk in chunks])
    words = np.ndarray(int(sizes.sum()), ">u4", b"".join(chunks) + b"\0\0\0", strides=(1,))
    ends, place, shift, mask = (part[:_FIRST_LOOK] for part in _layout(False, 1))
    short = np.flatnonzero((sizes >= 2) & (8 * sizes - 9 < ends[-1]))
    begin = (np.cumsum(sizes) - sizes)[short]
    codes = (words[(begin[:, None] + 1 + place).clip(max=len(words) - 1)] >> shift) & mask
    there = ends <= 8 * sizes[short, None] - 9
    plain = (words[begin] >> 23 == _CLEAR) & (codes[:, 0] <= _END) & ~(there & (codes == _CLEAR)).any(axis=1)
    known = set(short[plain].tolist())
    return [chunk for number, chunk in enumerate(chunks) if number not in known]


def _check_chunk(data: bytes | bytearray) -> None:
    if len(data) < 2:
        return
    late = data[0] == 0 and bool(data[1] & 1)  # the old form, with its lowest bits first
    # The 32 bits that begin at every byte.
    words = np.ndarray(len(data), "<u4" if late else ">u4", bytes(data) + b"\0\0\0", strides=(1,))
    allowed = _MIN_CLEAR_CODES + len(data) // _BYTES_PER_CLEAR_CODE
    for number, first in enumerate(_codes_after_clear(words, 8 * len(data), late)):
        if first > _END:
            raise ValueError("LZW data in which a code stands for nothing")
        if number > allowed:
            raise ValueError("LZW data that is cleared again and again")


def _codes_after_clear(words: Array, bits: int, late: bool) -> Iterator[int]:
    """The code after every clear code, in turn; the data begins with one, or the decoder refuses it."""
    at, wanted = 9, _FIRST_LOOK
    while at + 9 <= bits:
        ends, place, shift, mask = _layout(late, at % 8)
        count = min(wanted, int(np.searchsorted(ends, bits - at, "right")))
        codes = (words[place[:count] + at // 8] >> shift[:count]) & mask[:count]
        special = np.flatnonzero(codes >> 1 == _CLEAR >> 1)
        if wanted == _FIRST_LOOK:
            yield int(codes[0])
        if special.size and codes[special[0]] == _CLEAR:
            at, wanted = at + int(ends[special[0]]), _FIRST_LOOK
        elif special.size or count < wanted or wanted == len(ends):
            return
        else:
            wanted = len(ends)


@cache
def _layout(late: bool, start: int) -> tuple[Array, Array, Array, Array]:
    """Of each code after a clear code: the bits up to its end, the byte in which it begins, how far right the 32 bits
    from there are shifted, and the mask of its bits.

    late : the old form, whose codes grow one later. start : bit of its byte at which the clear code ends.
    """
    strings = np.maximum(257 + np.arange(_WIDEST_TABLE - 258), 258)
    widths = 9 + (strings[:, None] >= np.array([512, 1024, 2048]) + late - 1).sum(axis=1)
    ends = np.cumsum(widths)
    first = start + ends - widths
    shift = first % 8 if late else 32 - first % 8 - widths
    return ends, first // 8, shift.astype(np.uint32), ((1 << widths) - 1).astype(np.uint32)
