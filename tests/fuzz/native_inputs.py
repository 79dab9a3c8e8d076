"""Inputs for the compiled part: PNG files that are damaged or lie, and label maps of every type and texture."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from mutations import damaged
from numpy.typing import NDArray

from png_files import GREY, PALETTE, filtered, header_of, png_file

_DTYPES = ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")
_KINDS = ((GREY, 1), (GREY, 2), (GREY, 4), (GREY, 8), (GREY, 8), (GREY, 16), (PALETTE, 4), (PALETTE, 8), (PALETTE, 8))


def png_inputs(chance: random.Random) -> Iterator[bytes]:
    """Without end: files that are sound, bytes changed anywhere, and changes behind right checksums."""
    numbers = np.random.default_rng(chance.getrandbits(32))
    while True:
        color, bits = chance.choice(_KINDS)
        shape = chance.randint(1, 12), chance.choice((1, 2, 3, 8, 31, 33, 64, 70))
        values = numbers.integers(0, min(2**bits, chance.choice((2, 5, 65536))), shape)
        if chance.random() < 0.6:
            values = values[:, np.arange(shape[1]) // 9]
        header = header_of(values, bits, color)
        rows = filtered(values, bits, [chance.randint(0, 4) for _ in range(shape[0])])
        for _ in range(40):  # to filter in Python costs most
            yield _one(header, rows, chance)


def _one(header: bytes, rows: bytes, chance: random.Random) -> bytes:
    level, pieces, way = chance.randint(0, 9), chance.randint(1, 3), chance.randrange(7)
    if way == 0:
        return png_file(header, zlib.compress(rows, level), pieces)
    if way == 1:
        return png_file(header, zlib.compress(damaged([rows], chance), level), pieces)
    if way == 2:
        return png_file(header, damaged([zlib.compress(rows, level)], chance), pieces)
    if way == 3:
        return png_file(_lying(header, chance), zlib.compress(rows, level), pieces)
    if way == 4:
        cut = rows[: chance.randint(0, len(rows))] + bytes(chance.choice((0, 0, 1, 100)))
        return png_file(header, zlib.compress(cut, level), pieces)
    return damaged([png_file(header, zlib.compress(rows, level), pieces)], chance)


def _lying(header: bytes, chance: random.Random) -> bytes:
    """Another size, depth, colour type or method than the rows have."""
    if chance.random() < 0.5:
        sides = list(struct.unpack(">II", header[:8]))
        sides[chance.randrange(2)] += chance.choice((-1, 1, 7, 255, 2**16, 2**31 - 1, 2**32 - 1))
        return struct.pack(">II", *(side % 2**32 for side in sides)) + header[8:]
    place = chance.randrange(8, 13)
    return header[:place] + bytes([chance.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))]) + header[place + 1 :]


def label_pairs(chance: random.Random) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Without end: two label maps of one shape, of any types, with runs, noise and stripes of any values."""
    numbers = np.random.default_rng(chance.getrandbits(32))
    while True:
        size = chance.choice((1, 2, 63, 64, 65, 66, 129, 513, 1000, 4096, 4097, 4161, 9000))
        yield _labels(size, chance, numbers), _labels(size, chance, numbers)


def _labels(size: int, chance: random.Random, numbers: np.random.Generator) -> NDArray[Any]:
    dtype = np.dtype(chance.choice(_DTYPES))
    if dtype.kind == "b":
        low, high = 0, 1
    else:
        limits = np.iinfo(dtype)
        high = min(int(limits.max), 2**63 - 1, chance.choice((1, 1, 18, 255, 256, 70_000, 2**63 - 1)))
        low = max(int(limits.min), chance.choice((0, 0, 0, -1, -(2**63))))
    values = numbers.integers(low, high, size, np.int64, endpoint=True)
    run = chance.choice((1, 1, 2, 5, 40, 300, size))
    values = values[np.arange(size) // run]
    if chance.random() < 0.3:
        start = chance.randrange(size)
        values[start:] = values[start]
    return values.astype(dtype)
