"""Small files that ask for much: refused at once by name, whatever their format; honest long ones are read."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from segbench.errors import UserError
from segbench.io.images.limits import MAX_BYTES, TRUST_LARGE
from segbench.io.images.masks import read_labels
from segbench.io.images.picture import read_picture
from segbench.io.images.png import SIGNATURE
from segbench.io.images.read import read_array
from segbench.io.images.tiff import iterate, opened
from segbench.types import Uint8

SIDE = 30_000


def _png(depth: int, color: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, depth, color, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def _jpeg() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (16_000, 30_000)).save(stream, "JPEG")
    return stream.getvalue()


def _gif() -> bytes:
    """A small GIF that says that it is large, and so does its one image."""
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "GIF")
    return stream.getvalue().replace(struct.pack("<HH", 8, 8), struct.pack("<HH", SIDE, SIDE))


def _npy(shape: str) -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(80)


def _npz(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)
    return stream.getvalue()


def _pages_of_one_strip(pages: int) -> bytes:
    """A TIFF whose pages all name the same compressed bytes."""
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for _ in range(pages):
            writer.write(np.zeros((256, 256), np.uint8), compression="zlib", metadata=None)
    data = bytearray(stream.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tif:
        first = tif.pages[0].aspage()
        offsets = [page.aspage().tags["StripOffsets"] for page in tif.pages]
    # Longer than it is: each page says that its strip is nearly the whole file.
    for tag in offsets:
        data[tag.valueoffset : tag.valueoffset + 4] = struct.pack("<I", first.dataoffsets[0])
    counts = [page.aspage().tags["StripByteCounts"] for page in tifffile.TiffFile(io.BytesIO(stream.getvalue())).pages]
    for tag in counts:
        value = struct.pack("<I" if tag.dtype == 4 else "<H", min(60_000, len(data) - first.dataoffsets[0]))
        data[tag.valueoffset : tag.valueoffset + len(value)] = value
    return bytes(data)


def _huge_tiff() -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, shape=(40, 4096, 4096), dtype=np.uint8, compression="zlib", data=_zeros(40, 4096))
    return stream.getvalue()


def _zeros(pages: int, side: int) -> Iterator[Uint8]:
    return (np.zeros((side, side), np.uint8) for _ in range(pages))


FILES: dict[str, Callable[[], bytes]] = {
    "grey.png": lambda: _png(8, 0),
    "deep-colour.png": lambda: _png(16, 6),
    "large.gif": _gif,
    "large.jpg": _jpeg,
    "large.npy": lambda: _npy(f"({SIDE}, {SIDE})"),
    "large.npz": lambda: _npz(_npy(f"({SIDE}, {SIDE})")),
    "beyond-its-end.npz": lambda: _npz(_npy("(4000, 4000)")),
    "stack.tif": _huge_tiff,
    "shared.tif": lambda: _pages_of_one_strip(200),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_small_file_that_asks_for_much_is_refused_at_once(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    assert path.stat().st_size < 10_000_000
    tracemalloc.start()
    begun = time.process_time()
    with pytest.raises(UserError, match=name):
        read_array(path)
    assert time.process_time() - begun < 5
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("kind", [[("a", "<i4"), ("b", "<f8")], "<U4", "<M8[s]", "<c16"], ids=str)
def test_an_array_of_anything_but_numbers_is_refused(kind: Any, tmp_path: Path) -> None:
    for name, save in (("mask.npy", np.save), ("mask.npz", np.savez)):
        save(tmp_path / name, np.zeros((2, 2), np.dtype(kind)))
        with pytest.raises(UserError, match="expected an array of numbers"):
            read_array(tmp_path / name)


def test_trusted_files_may_be_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segbench.io.images.limits.MAX_BYTES", 99)
    np.save(tmp_path / "a.npy", np.zeros((10, 10), np.uint8))
    with pytest.raises(UserError, match="--trust-large"):
        read_array(tmp_path / "a.npy")
    monkeypatch.setenv(TRUST_LARGE, "1")
    assert read_array(tmp_path / "a.npy").shape == (10, 10)


@pytest.mark.slow
def test_an_honest_long_stack_is_read_page_by_page(tmp_path: Path) -> None:
    """As ImageJ writes it: one directory, all images plain after it, more than may be held at once."""
    path = tmp_path / "long.tif"
    side, pages = 1024, MAX_BYTES // 1024**2 + 10
    tifffile.imwrite(path, shape=(pages, side, side), dtype=np.uint8, imagej=True, data=_zeros(pages, side))
    tracemalloc.start()
    with opened(path) as tif:
        assert sum(1 for _ in iterate(path, tif)) == pages
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(("mode", "suffix"), [("L", ".png"), ("1", ".png"), ("L", ".gif")])
def test_a_large_honest_label_map_is_read_within_the_budget(tmp_path: Path, mode: str, suffix: str) -> None:
    """Pillow's own limit, 178 956 970 pixels, is of photos, and no --trust-large would lift it."""
    path = tmp_path / f"large{suffix}"
    Image.new(mode, (13500, 13500)).save(path)
    theirs = Image.MAX_IMAGE_PIXELS
    assert read_labels(path, binary=True).shape == (13500, 13500)
    assert theirs == Image.MAX_IMAGE_PIXELS
    Image.new(mode, (18000, 18000)).save(path)
    with pytest.raises(UserError, match="If you trust the file, add --trust-large"):
        read_labels(path, binary=True)


def test_a_jpeg_that_repeats_its_scans_is_refused_and_an_honest_one_is_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("L", (8000, 4000), 90).save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    last = data.rindex(b"\xff\xda")
    honest, hostile = tmp_path / "honest.jpg", tmp_path / "hostile.jpg"
    honest.write_bytes(data)
    hostile.write_bytes(data[:last] + data[last:-2] * 2000 + data[-2:])
    assert read_picture(honest).shape == (4000, 8000)
    for read in (read_picture, read_array):
        begun = time.process_time()
        with pytest.raises(UserError, match=r"pixels in 20[0-9][0-9] scans"):
            read(hostile)
        assert time.process_time() - begun < 2
