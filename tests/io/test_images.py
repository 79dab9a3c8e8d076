"""Decoding: stored values come back as they are, broken files are named."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from segbench.errors import UserError
from segbench.io.images.picture import read_picture
from segbench.io.images.read import binary_mask, binary_probabilities, count_pages, read_array

SLICE = np.arange(48, dtype=np.uint8).reshape(6, 8)


def test_palette_images_give_their_indices(tmp_path: Path) -> None:
    image = Image.fromarray(SLICE).convert("P")
    image.putdata(SLICE.ravel().tolist())
    image.putpalette([255 - v for v in range(256) for _ in range(3)])
    image.save(tmp_path / "a.png")
    assert np.array_equal(read_array(tmp_path / "a.png"), SLICE)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
def test_tiff_pages_come_back(tmp_path: Path, dtype: type, compression: str | None) -> None:
    stack: NDArray[Any] = np.stack([SLICE, SLICE + 1, SLICE + 2]).astype(dtype)
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, stack, compression=compression, photometric="minisblack")
    assert count_pages(path) == 3
    assert np.array_equal(read_array(path), stack)
    assert np.array_equal(read_array(path, 1), stack[1])
    with tifffile.TiffWriter(tmp_path / "loose.tif") as tif:
        for page in stack:
            tif.write(page, contiguous=False, metadata=None)
    assert count_pages(tmp_path / "loose.tif") == 3
    assert np.array_equal(read_array(tmp_path / "loose.tif", 2), stack[2])


def test_arrays_come_back_and_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SLICE)
    np.savez(tmp_path / "a.npz", values=SLICE)
    np.savez(tmp_path / "two.npz", a=SLICE, b=SLICE)
    np.save(tmp_path / "bad.npy", np.array([{"a": 1}], object), allow_pickle=True)
    assert np.array_equal(read_array(tmp_path / "a.npy"), SLICE)
    assert np.array_equal(read_array(tmp_path / "a.npz"), SLICE)
    for name in ("two.npz", "bad.npy"):
        with pytest.raises(UserError, match=name):
            read_array(tmp_path / name)


# 0.98: the last bytes of a PNG are its end mark, without which the pixels are still whole.
@pytest.mark.parametrize("kept", [0, 1, 7, 30, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("kind", ["tif", "stack.tif", "lzw.tif", "png", "npy"])
def test_a_truncated_file_is_named_whatever_is_left_of_it(tmp_path: Path, kind: str, kept: float) -> None:
    path = tmp_path / f"whole.{kind}"
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 50), dtype=np.uint8)
    if kind == "png":
        Image.fromarray(noise[0]).save(path)
    elif kind == "npy":
        np.save(path, noise)
    else:
        tifffile.imwrite(
            path,
            noise[0] if kind == "tif" else noise,
            photometric="minisblack",
            compression="lzw" if "lzw" in kind else None,
        )
    content = path.read_bytes()
    cut = tmp_path / f"cut.{kind}"
    cut.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
    with pytest.raises(UserError, match=rf"cut\.{kind}"):
        read_array(cut)


@pytest.mark.parametrize("name", ["noise.tif", "noise.png", "noise.npy", "noise.npz", "noise.jpg"])
def test_noise_and_missing_files_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"{name}.*no such file"):
        read_array(tmp_path / name)
    (tmp_path / name).write_bytes(np.random.default_rng(1).bytes(500))
    with pytest.raises(UserError, match=name):
        read_array(tmp_path / name)


@pytest.mark.slow
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(UserError, match=r"bomb\.png"):
        read_array(tmp_path / "bomb.png")
    tifffile.imwrite(tmp_path / "bomb.tif", np.zeros((20_000, 20_000), bool), compression="zlib")
    with pytest.raises(UserError, match=r"bomb\.tif"):
        read_array(tmp_path / "bomb.tif")


def _png(values: NDArray[Any], color: int, depth: int, *, interlaced: bool = False, more: bytes = b"") -> bytes:
    """A PNG file of rows (H, W) or (H, W, C), written here bit by bit: what it holds is beyond doubt."""
    height, width = values.shape[:2]
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [values[y::dy, x::dx] for y, x, dy, dx in passes] if interlaced else [values]
    rows = b""
    for part in parts:
        for row in part if part.size else ():
            shifts = np.arange(depth)[::-1]
            rows += b"\0" + np.packbits(((row.astype(np.int64).ravel()[:, None] >> shifts) & 1).ravel()).tobytes()
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    palette = _chunk(b"PLTE", bytes(3 * 2**depth)) if color == 3 else b""
    content = palette + more + _chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + content + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("color", "depth"),
    [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (6, 8), (6, 16)],
)
def test_every_png_gives_the_values_it_stores(tmp_path: Path, color: int, depth: int, interlaced: bool) -> None:
    channels = {0: (), 2: (3,), 3: (), 4: (2,), 6: (4,)}[color]
    stored = np.random.default_rng(depth).integers(0, 2**depth, (19, 21, *channels))
    transparent = {0: b"\0\1", 2: b"\0\1\0\1\0\1", 3: bytes(2**depth)}.get(color)
    for more in (b"", *([_chunk(b"tRNS", transparent)] if transparent else [])):
        (tmp_path / "a.png").write_bytes(_png(stored, color, depth, interlaced=interlaced, more=more))
        values = read_array(tmp_path / "a.png")
        assert np.array_equal(values, stored)
        assert values.dtype == (bool if (color, depth) == (0, 1) else np.uint16 if depth == 16 else np.uint8)


@pytest.mark.parametrize(("color", "depth"), [(0, 1), (0, 8), (0, 16), (3, 4), (3, 8), (2, 8)])
def test_a_damaged_png_is_refused_wherever_it_is_cut_or_changed(tmp_path: Path, color: int, depth: int) -> None:
    random = np.random.default_rng(depth)
    whole = _png(random.integers(0, 2**depth, (9, 11, *([3] if color == 2 else []))), color, depth)
    path = tmp_path / "bad.png"
    for cut in range(0, len(whole), 3):
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"bad\.png"):
            read_array(path)
    for place in range(8, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(UserError, match=r"bad\.png"):
            read_array(path)


@pytest.mark.parametrize(("color", "depth"), [(0, 1), (0, 8), (0, 16), (3, 8), (3, 2)])
def test_a_png_with_too_few_or_broken_pixels_is_refused_though_its_checksums_are_right(
    tmp_path: Path, color: int, depth: int
) -> None:
    shape = (16, 16)
    rows = zlib.compress(bytes(16 * (1 + 16 * depth // 8)))
    for pixels in (zlib.compress(bytes(3)), rows[: len(rows) // 2], rows[:-4] + b"\0\0\0\0", b"", b"noise" * 9):
        whole = _png(np.zeros(shape), color, depth)
        start = whole.index(b"IDAT") - 4
        (tmp_path / "bad.png").write_bytes(whole[:start] + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b""))
        with pytest.raises(UserError, match=r"bad\.png"):
            read_array(tmp_path / "bad.png")


def test_a_png_is_refused_from_its_header_alone(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header))
    with pytest.raises(UserError, match=r"bomb\.png.*400000000"):
        read_array(tmp_path / "bomb.png")


def test_a_png_written_by_pillow_or_opencv_comes_back(tmp_path: Path) -> None:
    labels = (np.indices((70, 90)).sum(axis=0) // 7).astype(np.uint8)
    Image.fromarray(labels).save(tmp_path / "pillow.png")
    cv2.imwrite(str(tmp_path / "opencv.png"), labels.astype(np.uint16) * 1000)
    assert np.array_equal(read_array(tmp_path / "pillow.png"), labels)
    assert np.array_equal(read_array(tmp_path / "opencv.png"), labels.astype(np.uint16) * 1000)


def test_images_are_8_bit_and_grey_or_rgb(tmp_path: Path) -> None:
    Image.fromarray(np.stack([SLICE] * 4, axis=2), "RGBA").save(tmp_path / "rgba.png")
    assert read_picture(tmp_path / "rgba.png").shape == (6, 8, 3)
    assert read_picture(tmp_path / "rgba.png", grey=True).shape == (6, 8)
    tifffile.imwrite(tmp_path / "deep.tif", SLICE.astype(np.uint16))
    with pytest.raises(UserError, match=r"deep\.tif.*uint16"):
        read_picture(tmp_path / "deep.tif")


def test_masks_hold_two_values() -> None:
    assert np.array_equal(binary_mask(np.array([[0, 255]]), "m"), [[0, 1]])
    assert np.array_equal(binary_mask(np.array([[[0, 0, 0], [255, 255, 255]]]), "m"), [[0, 1]])
    # White of 16 bits, as Fiji's 16-bit masks have it, is white; a number of that size is none.
    assert np.array_equal(binary_mask(np.array([[0, 65535]], np.uint16), "m"), [[0, 1]])
    for bad in ([[0, 3, 255]], [[0, 254]], [[0, 65535]]):
        with pytest.raises(UserError, match="m: holds"):
            binary_mask(np.array(bad), "m")
    with pytest.raises(UserError, match="colour"):
        binary_mask(np.array([[[0, 255, 0]]]), "m")


def test_8_bit_probabilities_are_value_over_255_in_float32() -> None:
    found = binary_probabilities(np.arange(256, dtype=np.uint8)[None], "p").probabilities
    assert found is not None
    assert found.dtype == np.float32
    assert np.array_equal(found[0], np.arange(256, dtype=np.float32) / np.float32(255))
    for bad in (np.array([[np.nan]]), np.array([[1.01]]), np.array([[3]], np.uint16)):
        with pytest.raises(UserError, match="p: holds"):
            binary_probabilities(bad, "p")
