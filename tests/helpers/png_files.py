"""PNG files byte by byte: every filter, bit depth and stream, sound or lying."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, PALETTE = 0, 3


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its right checksum."""
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def png_file(header: bytes, stream: bytes, pieces: int = 1) -> bytes:
    """A file of a header and a stream of pixels, in so many chunks, with the palette that its colour type asks for."""
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if header[9] == PALETTE else b""
    size = -(-max(1, len(stream)) // pieces)
    parts = [stream[start : start + size] for start in range(0, max(1, len(stream)), size)]
    chunks = [chunk(b"IHDR", header), palette, *(chunk(b"IDAT", part) for part in parts), chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(chunks)


def header_of(values: NDArray[Any], bits: int, color: int = GREY, methods: bytes = bytes(3)) -> bytes:
    """The 13 bytes of an IHDR chunk."""
    return struct.pack(">IIBB", values.shape[1], values.shape[0], bits, color) + methods


def filtered(values: NDArray[Any], bits: int, filters: Sequence[int]) -> bytes:
    """The rows of an image, each behind its filter, as they are compressed."""
    step, rows = max(1, bits // 8), []
    above = [0] * len(_packed(values[0], bits))
    for row, kind in zip(values, filters, strict=True):
        line = list(_packed(row, bits))
        left = [0] * step + line
        corner = [0] * step + above
        guess = [_guess(kind, *three) for three in zip(left, above, corner, strict=False)]
        rows.append(bytes([kind, *((value - g) % 256 for value, g in zip(line, guess, strict=False))]))
        above = line
    return b"".join(rows)


def _packed(row: NDArray[Any], bits: int) -> bytes:
    if bits == 16:
        return row.astype(">u2").tobytes()
    if bits == 8:
        return row.astype(np.uint8).tobytes()
    places = row.astype(np.uint8)[:, None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(places.astype(np.uint8).ravel()).tobytes()


def _guess(kind: int, left: int, above: int, corner: int) -> int:
    if kind == 4:
        p = left + above - corner
        return min((abs(p - left), 0, left), (abs(p - above), 1, above), (abs(p - corner), 2, corner))[2]
    return (0, left, above, (left + above) // 2)[kind]
