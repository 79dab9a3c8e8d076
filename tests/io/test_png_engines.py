"""PNG label maps decode to the same values, and to the same refusals, with the compiled part and without."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from engines import COMPILED, ENGINES, using
from png_files import GREY, PALETTE, SIGNATURE, chunk, filtered, header_of, png_file
from segbench.io import native
from segbench.io.images.png import decode_png

BITS = {(GREY, bits) for bits in (1, 2, 4, 8, 16)} | {(PALETTE, bits) for bits in (1, 2, 4, 8)}


def _verdict(data: bytes) -> tuple[str, Any, Any]:
    """Type, shape and values of an image, or what is wrong with it."""
    try:
        values = decode_png(data, lambda _: None)
    except Exception as error:
        return type(error).__name__, str(error), None
    assert values.flags.c_contiguous
    return str(values.dtype), values.shape, values.tobytes()


def _same(data: bytes) -> tuple[str, Any, Any]:
    """The verdict of every engine, which is one."""
    found = []
    for engine in ENGINES:
        with using(engine):
            found.append(_verdict(data))
    assert all(one == found[0] for one in found), [one[:2] for one in found]
    return found[0]


def _labels(chance: np.random.Generator, shape: tuple[int, int], bits: int, kind: str) -> NDArray[Any]:
    values = chance.integers(0, 2**bits, shape)
    if kind == "constant":
        values[:] = values[0, 0]
    if kind == "pieces":
        values = values[np.arange(shape[0])[:, None] // 5, np.arange(shape[1]) // 7]
    if kind == "stripes":
        values[:] = values[:, :1]
    return values.astype(np.uint16 if bits == 16 else np.uint8)


@pytest.mark.parametrize(("color", "bits"), sorted(BITS))
@pytest.mark.parametrize("kind", ["noise", "constant", "pieces", "stripes"])
def test_every_depth_and_filter_decodes_to_what_was_written(color: int, bits: int, kind: str) -> None:
    chance = np.random.default_rng(bits)
    for shape in ((1, 1), (1, 300), (300, 1), (2, 33), (7, 32), (9, 31), (40, 131)):
        values = _labels(chance, shape, bits, kind)
        for filters in ([n] * shape[0] for n in range(5)):
            stream = zlib.compress(filtered(values, bits, filters))
            _, found, pixels = _same(png_file(header_of(values, bits, color), stream))
            assert (found, pixels) == (shape, values.tobytes())
        mixed = chance.integers(0, 5, shape[0]).tolist()
        stream = zlib.compress(filtered(values, bits, mixed), int(chance.integers(0, 10)))
        assert _same(png_file(header_of(values, bits, color), stream, pieces=3))[2] == values.tobytes()


def test_a_usual_file_is_decoded_by_the_compiled_part() -> None:
    """Else the tests above would compare the other decoder with itself."""
    values = np.arange(600, dtype=np.uint8).reshape(20, 30) % 7
    stream = zlib.compress(filtered(values, 8, [0] * 20))
    for engine in ENGINES:
        with using(engine):
            found = native.png_values(stream, 20, 30, 8)
            assert (found is None) == (engine == "numpy")


def test_a_large_image_of_every_depth_is_as_pillow_wrote_it() -> None:
    chance = np.random.default_rng(1)
    for bits, dtype in ((8, np.uint8), (16, np.uint16)):
        for kind in ("pieces", "noise"):
            values = _labels(chance, (700, 1100), bits, kind).astype(dtype)
            stream = io.BytesIO()
            Image.fromarray(values).save(stream, "PNG")
            assert _same(stream.getvalue())[2] == values.tobytes()


def _unusual() -> dict[str, bytes]:
    values = np.arange(40 * 50, dtype=np.uint8).reshape(40, 50) // 9
    rows, header = filtered(values, 8, [4] * 40), header_of(values, 8)
    good, small = zlib.compress(rows), zlib.compressobj(wbits=9)
    narrow = small.compress(rows) + small.flush()
    interlaced = header_of(values, 8, GREY, b"\0\0\1")
    return {
        "one row too few": png_file(header, zlib.compress(rows[:-51])),
        "one byte too few": png_file(header, zlib.compress(rows[:-1])),
        "one byte too many": png_file(header, zlib.compress(rows + b"\0")),
        "bytes behind the stream": png_file(header, good + b"more"),
        "a wrong checksum of the stream": png_file(header, good[:-1] + bytes([good[-1] ^ 1])),
        "no checksum of the stream": png_file(header, good[:-4]),
        "half a stream": png_file(header, good[: len(good) // 2]),
        "no stream": png_file(header, b""),
        "one byte of a stream": png_file(header, good[:1]),
        "no zlib": png_file(header, b"\0" + good[1:]),
        "a filter that does not exist": png_file(header, zlib.compress(b"\5" + rows[1:])),
        "a window smaller than the rows": png_file(header, narrow),
        "a window that lies": png_file(header, b"\x08\x1d" + good[2:]),
        "interlaced": png_file(interlaced, good),
        "an unknown compression": png_file(header_of(values, 8, GREY, b"\1\0\0"), good),
        "an unknown filter method": png_file(header_of(values, 8, GREY, b"\0\1\0"), good),
        "no columns": png_file(struct.pack(">II", 0, 40) + header[8:], good),
        "no rows": png_file(struct.pack(">II", 50, 0) + header[8:], good),
        "a million columns": png_file(struct.pack(">II", 1_000_001, 1) + header[8:], zlib.compress(bytes(1_000_002))),
        "more rows than there are": png_file(struct.pack(">II", 50, 41) + header[8:], good),
        "a short header": SIGNATURE + chunk(b"IHDR", header[:12]) + chunk(b"IDAT", good) + chunk(b"IEND", b""),
        "another depth": png_file(header_of(values, 16), good),
        "colours": png_file(header_of(values, 8, 2), good),
    }


@pytest.mark.parametrize("name", _unusual())
def test_what_is_unusual_is_judged_alike(name: str) -> None:
    _same(_unusual()[name])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_what_is_wrong_is_said_without_a_place_in_memory(bits: int) -> None:
    """Such a message would be another one each time."""
    values = np.zeros((4, 64), np.uint8)
    stream = zlib.compress(filtered(values, bits, [0] * 4))
    name, message, _ = _same(png_file(header_of(values, bits, GREY, b"\0\3\0"), stream))
    assert name.endswith("Error")
    assert "0x" not in message
    assert "BytesIO" not in message


@pytest.mark.skipif(not COMPILED, reason="segbench._native is not built here")
def test_damaged_files_are_judged_alike() -> None:
    """Bits and pieces changed, also behind right checksums; `tests/fuzz/fuzz_native.py` does this a million times."""
    from native_inputs import png_inputs

    chance = random.Random(4)
    inputs = png_inputs(chance)
    read = sum(_same(next(inputs))[0].startswith(("uint", "bool")) for _ in range(400))
    assert 20 < read < 380


@pytest.mark.skipif(not COMPILED, reason="segbench._native is not built here")
def test_the_compiled_part_refuses_buffers_that_do_not_fit() -> None:
    from segbench import _native  # type: ignore[attr-defined]

    lead = _native.LEAD
    for rows, columns, bits, size in (
        *((3, 5, 8, 17), (3, 5, 8, 19), (3, 4, 8, 18), (2, 5, 8, 18), (0, 5, 8, 0), (3, 0, 8, 3), (-3, 5, 8, 18)),
        *((3, -5, 8, 18), (3, 5, 7, 18), (3, 5, 0, 18), (3, 5, 16, 18), (2**62, 5, 8, 18), (3, 2**62, 8, 18)),
        *((3, 2**31, 8, 18), (3, 2**60, 16, 3), (3, 5, 8, -lead), (3, 5, 8, -1)),
    ):
        with pytest.raises(ValueError, match="fit"):
            _native.unfilter(bytearray(lead + size), rows, columns, bits)
    for rows, columns, bits, packed, size in (
        *((3, 5, 4, 9, 14), (3, 5, 4, 8, 15), (3, 5, 2, 9, 15), (3, 5, 8, 15, 15), (0, 5, 4, 0, 0), (3, 0, 4, 0, 0)),
        *((-3, 5, 4, 9, 15), (3, -5, 4, 9, 15), (3, 2**62, 4, 9, 15), (2**62, 5, 4, 9, 15)),
    ):
        with pytest.raises(ValueError, match="fit"):
            _native.unpack(bytes(packed), bytearray(size), rows, columns, bits)
    with pytest.raises(TypeError):
        _native.unfilter(bytes(lead + 18), 3, 5, 8)
    with pytest.raises(TypeError):
        _native.unpack(bytes(9), bytes(15), 3, 5, 4)
    assert _native.unfilter(bytearray(lead + 18), 3, 5, 8) is True
    assert _native.unpack(bytes(9), bytearray(15), 3, 5, 4) is None


@pytest.mark.skipif(not COMPILED, reason="segbench._native is not built here")
def test_memory_is_used_again_and_never_twice() -> None:
    with using("native"):
        first, second = native.empty((300, 400), np.uint8), native.empty((300, 400), np.uint8)
        first[:], second[:] = 1, 2
        assert (first == 1).all()
        place = first.ctypes.data
        view = first[5:, 3:]
        del first
        third = native.empty((300, 400), np.uint8)
        third[:] = 3
        assert (view == 1).all()
        del view
        assert native.empty((300, 400), np.uint8).ctypes.data == place
        native.release_memory()
        again = native.empty((300, 400), np.uint8)
        again[:] = 4
        assert (again == 4).all()
        assert native.empty((10, 10), np.uint16).flags.owndata
        with pytest.raises(ValueError, match="negative"):
            native._native.memory(-1)
