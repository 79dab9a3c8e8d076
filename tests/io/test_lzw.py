"""LZW data is decoded only where every code after a clear code is one that the decoder may believe."""

from __future__ import annotations

import random
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from segbench.errors import UserError
from segbench.io.images.lzw import check_lzw
from segbench.io.images.read import read_array

CLEAR, END = 256, 257


def packed(codes: list[int], late: bool = False) -> bytes:
    """Codes as bits, each as wide as the table of that moment asks; highest bits first, or in the old form lowest."""
    bits = ""
    strings, fresh = 258, True
    for code in codes:
        width = 9 + sum(strings >= full + late - 1 for full in (512, 1024, 2048))
        text = format(code, f"0{width}b")
        bits += text[::-1] if late else text
        if code == CLEAR:
            strings, fresh = 258, True
        else:
            strings, fresh = strings + (not fresh), False
    bits += "0" * (-len(bits) % 8)
    parts = [bits[at : at + 8] for at in range(0, len(bits), 8)]
    return bytes(int(part[::-1] if late else part, 2) for part in parts)


def sound(chance: random.Random, length: int) -> list[int]:
    """Codes that stand for something, with some clear codes between."""
    codes, strings = [CLEAR, chance.randrange(256)], 258
    while len(codes) < length:
        if chance.random() < 0.001 or strings > 4000:
            codes += [CLEAR, chance.randrange(256)]
            strings = 258
        else:
            codes.append(
                chance.choice([chance.randrange(256), chance.randrange(258, strings)] if strings > 258 else [65])
            )
            strings += 1
    return [*codes, END]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_sound_codes_pass_and_one_that_stands_for_nothing_does_not(seed: int, late: bool) -> None:
    chance = random.Random(seed)
    codes = sound(chance, chance.choice([3, 100, 600, 9000]))
    check_lzw([packed(codes, late)])
    after = [place + 1 for place, code in enumerate(codes) if code == CLEAR]
    codes[chance.choice(after)] = chance.randrange(258, 512)
    with pytest.raises(ValueError, match="stands for nothing"):
        check_lzw([packed(codes, late)])


@pytest.mark.parametrize("place", range(5))
def test_the_one_among_many_strips_is_found(place: int) -> None:
    chance = random.Random(place)
    strips = [packed(sound(chance, chance.choice([3, 40, 595, 605, 2000])), late=n % 3 == 0) for n in range(5)]
    check_lzw([*strips, b"", b"\x80"])
    strips[place] = packed([CLEAR, 65, 66, CLEAR, 300, END])
    with pytest.raises(ValueError, match="stands for nothing"):
        check_lzw([*strips, b"", b"\x80"])
    strips[place] = packed([CLEAR, 300, END])
    with pytest.raises(ValueError, match="stands for nothing"):
        check_lzw([*strips, b"", b"\x80"])


@pytest.mark.parametrize("late", [False, True])
def test_codes_are_read_as_the_decoder_reads_them(late: bool) -> None:
    """Else a clear code could be where none was looked for."""
    codes = sound(random.Random(1), 9000)
    table: dict[int, bytes] = {}
    said, before = b"", b""
    for code in codes:
        if code in (CLEAR, END):
            table, before = {n: bytes([n]) for n in range(256)} | {256: b"", 257: b""}, b""
            continue
        text = table.get(code, before + before[:1])
        if before:
            table[len(table)] = before + text[:1]
        said, before = said + text, text
    assert imagecodecs.lzw_decode(packed(codes, late), out=len(said)) == said


@pytest.mark.parametrize(
    "values", [np.zeros(100_000), np.arange(100_000) % 251, np.random.default_rng(0).random(100_000)]
)
def test_what_writers_write_passes(values: np.ndarray) -> None:
    check_lzw([imagecodecs.lzw_encode((values * 255).astype(np.uint8).tobytes())])


def test_endless_clearing_is_refused() -> None:
    with pytest.raises(ValueError, match="cleared again and again"):
        check_lzw([packed([CLEAR] * 2000)])


@pytest.mark.parametrize("compression", ["lzw", "zlib", None])
def test_a_page_that_lacks_strips_is_refused(tmp_path: Path, compression: str | None) -> None:
    """The library would fill in zeros, which is a label."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.full((64, 16), 7, np.uint8), compression=compression, rowsperstrip=64)
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0].aspage()
        height, rows = page.tags["ImageLength"], page.tags["RowsPerStrip"]
        place, form = height.valueoffset, tif.byteorder + "I"
    assert (height.dtype, rows.value) == (4, 64)
    data = bytearray(path.read_bytes())
    data[place : place + 4] = np.array([640], form).tobytes()
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.tif"):
        read_array(path)


def test_a_file_of_unsafe_strips_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((9, 13), np.uint8), compression="lzw")
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0].aspage()
        (offset,), (count,) = page.dataoffsets, page.databytecounts
    data = bytearray(path.read_bytes())
    codes = packed([CLEAR, 492, 275, 310, END])
    data[offset : offset + count] = codes.ljust(count, b"\0")
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.tif: cannot be decoded .*stands for nothing"):
        read_array(path)
