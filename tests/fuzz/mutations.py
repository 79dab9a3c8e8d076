"""Damage: bits, bytes, numbers and pieces of a file changed, taken out, doubled, or taken from another file."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
WORDS = [
    *(b"null", b"true", b"-1", b"0", b"1e400", b"NaN", b"Infinity", b"[]", b"{}", b'""', b"9" * 400, b"[" * 300),
    *(b"!!timestamp x", b"0x" + b"f" * 300, b"1:2:3", b"&a [*a]", b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00"),
]  # fmt: skip
MAX_CHANGES = 4
_TOKEN = re.compile(rb'"[^"]*"|-?\d[\d.eE+-]*|[A-Za-z_]+|[\[\]{}:,]')


def damaged(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the sound files with one to `MAX_CHANGES` changes."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, MAX_CHANGES)):
        data = _changed(data, seeds, chance)
    return bytes(data)


def _changed(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> bytearray:
    if not data:
        return bytearray(chance.choice(WORDS))
    at = chance.randrange(len(data))
    kind = chance.randrange(8)
    if kind == 0:
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1:
        size, order = chance.choice((1, 2, 4, 8)), chance.choice(("little", "big"))
        value = chance.choice((chance.choice(NUMBERS), chance.getrandbits(8 * size))) % 256**size
        data[at : at + size] = value.to_bytes(size, order)
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        del data[at : at + chance.randint(1, 16)]
    elif kind == 4:
        piece = data[at : at + chance.randint(1, 64)]
        data[at:at] = piece * chance.choice((1, 2, 50))
    elif kind == 5:
        other = chance.choice(seeds)
        start = chance.randrange(len(other))
        data[at : at + chance.randint(0, 64)] = other[start : start + chance.randint(1, 64)]
    elif kind == 6:
        data[at:at] = chance.choice(WORDS)
    else:
        tokens = list(_TOKEN.finditer(data))
        if tokens:
            token = chance.choice(tokens)
            data[token.start() : token.end()] = chance.choice(WORDS)
    return data
