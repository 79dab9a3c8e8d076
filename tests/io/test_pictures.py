"""Pictures as a person sees them: every kind of file that holds the same picture gives the same values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from segbench.errors import UserError
from segbench.io.images.picture import orientation, read_picture, read_pictures, turn
from segbench.types import Array

Y, X = np.mgrid[:24, :32]
GREY: Array = (X * 8).astype(np.uint8)
RGB: Array = np.stack([X * 8, Y * 10, (X + Y) * 4], axis=2).astype(np.uint8)
FEW = Image.fromarray(RGB).quantize(16)
FEW_RGB: Array = np.asarray(FEW.convert("RGB"))
TWO: Array = GREY > 100
GREY_TWO: Array = TWO.astype(np.uint8) * np.uint8(255)
GREY_AS_RGB: Array = np.repeat(GREY[:, :, None], 3, axis=2)

Write = Callable[[Path], object]


def pillow(values: Array, mode: str | None = None, **options: Any) -> Write:
    """Pillow's file of some values, in a mode."""
    image = Image.fromarray(values)
    return lambda path: (image if mode is None else image.convert(mode)).save(path, **options)


def palette(**options: Any) -> Write:
    """A palette of 16 colours."""
    return lambda path: FEW.save(path, **options)


def tiff(values: Array, photometric: str, **options: Any) -> Write:
    """A TIFF file."""
    return lambda path: tifffile.imwrite(path, values, photometric=photometric, **options)


def opencv(values: Array) -> Write:
    """OpenCV's file of RGB or RGBA values."""
    order = [2, 1, 0, 3][: values.shape[2]]

    def write(path: Path) -> None:
        assert cv2.imwrite(str(path), values[:, :, order])

    return write


def clear(values: Array, **options: Any) -> Write:
    """With transparency that changes from pixel to pixel."""
    return lambda path: Image.fromarray(np.dstack([values, 255 - GREY])).save(path, **options)


def black_ink(path: Path) -> None:
    """All of the picture in the black ink."""
    inks = np.zeros((*GREY.shape, 4), np.uint8)
    inks[:, :, 3] = 255 - GREY
    Image.fromarray(inks, "CMYK").save(path)


def ycck(path: Path) -> None:
    """YCCK with inverted inks, as Adobe writes it."""
    inks = np.asarray(Image.fromarray(RGB).convert("CMYK"))
    path.write_bytes(imagecodecs.jpeg_encode(255 - inks, level=100, colorspace="CMYK", outcolorspace="YCCK"))


def thumbnail(path: Path) -> None:
    """A smaller copy of the picture in the same file."""
    with tifffile.TiffWriter(path) as tif:
        tif.write(RGB, photometric="rgb", metadata=None)
        tif.write(RGB[::4, ::4].copy(), photometric="rgb", subfiletype=1, metadata=None)


def pyramid(path: Path) -> None:
    """Smaller copies below the picture, as slide scanners write them."""
    with tifffile.TiffWriter(path) as tif:
        tif.write(RGB, photometric="rgb", subifds=1)
        tif.write(RGB[::2, ::2].copy(), photometric="rgb", subfiletype=1)


def moved(values: Array) -> Array:
    """Channels first."""
    return np.moveaxis(values, -1, 0)


COLOUR_MAP = np.zeros((3, 256), np.uint16)
COLOUR_MAP[:2] = np.arange(256) * 257, (255 - np.arange(256)) * 257
MAPPED = np.stack([GREY, 255 - GREY, 0 * GREY], axis=2)
DEEP, TWELVE = GREY.astype(np.uint16) * 257, GREY.astype(np.uint16) << 4
MAX_4095, MAX_65535 = ([(281, "H", 1, most, True)] for most in (4095, 65535))
BITS_4, BITS_2 = GREY >> 4, GREY >> 6
SAME_YCBCR = [(530, "H", 2, (1, 1), True)]

KINDS: list[tuple[str, Write, Array, int]] = [
    *[(f"palette.{end}", palette(), FEW_RGB, 0) for end in ("png", "bmp", "gif", "tif")],
    ("palette-clear.png", palette(transparency=3), FEW_RGB, 0),
    ("palette-clear.gif", palette(transparency=3), FEW_RGB, 0),
    ("palette-alpha.png", palette(transparency=bytes(range(16))), FEW_RGB, 0),
    ("grey-palette.png", pillow(GREY, "P"), GREY, 0),
    ("inks.jpg", pillow(RGB, "CMYK", quality=100, subsampling=0), RGB, 12),
    ("inks.tif", pillow(RGB, "CMYK"), RGB, 1),
    ("inks-16.tif", tiff(np.asarray(Image.fromarray(RGB).convert("CMYK"), np.uint16) * 257, "separated"), RGB, 1),
    ("black-ink.tif", black_ink, GREY_AS_RGB, 1),
    ("black-ink.jpg", black_ink, GREY_AS_RGB, 12),
    ("ycck.jpg", ycck, RGB, 12),
    ("rgb.webp", pillow(RGB, lossless=True), RGB, 0),
    ("rgb-lossy.webp", pillow(RGB, quality=100), RGB, 24),
    ("grey.gif", pillow(GREY), GREY, 0),
    ("grey.bmp", pillow(GREY), GREY, 0),
    *[(f"clear-grey.{end}", clear(GREY), GREY, 0) for end in ("png", "tif")],
    *[(f"clear.{end}", clear(RGB), RGB, 0) for end in ("png", "tif")],
    ("clear.webp", clear(RGB, lossless=True, exact=True), RGB, 0),
    *[(f"two.{end}", pillow(TWO), GREY_TWO, 0) for end in ("png", "bmp", "gif", "tif")],
    ("planar.tif", tiff(moved(RGB), "rgb", planarconfig="separate"), RGB, 0),
    ("planar-lzw.tif", tiff(moved(RGB), "rgb", planarconfig="separate", compression="lzw"), RGB, 0),
    ("planar-16.tif", tiff(moved(RGB).astype(np.uint16) * 257, "rgb", planarconfig="separate"), RGB, 0),
    ("tiled.tif", tiff(RGB, "rgb", tile=(16, 16)), RGB, 0),
    ("ycbcr.tif", tiff(np.asarray(Image.fromarray(RGB).convert("YCbCr")), "ycbcr", extratags=SAME_YCBCR), RGB, 3),
    ("ycbcr-jpeg.tif", pillow(RGB, compression="jpeg", quality=98), RGB, 40),
    ("colour-map.tif", tiff(GREY, "palette", colormap=COLOUR_MAP), MAPPED, 0),
    ("colour-map-of-8-bits.tif", tiff(GREY, "palette", colormap=COLOUR_MAP >> 8), MAPPED, 0),
    ("thumbnail.tif", thumbnail, RGB, 0),
    ("pyramid.tif", pyramid, RGB, 0),
    ("deep.png", pillow(DEEP), GREY, 0),
    ("deep-rgb.png", opencv(RGB.astype(np.uint16) * 257), RGB, 0),
    ("deep-rgba.png", opencv(np.dstack([RGB, GREY]).astype(np.uint16) * 257), RGB, 0),
    ("deep-rgb.tif", tiff(RGB.astype(np.uint16) * 257, "rgb"), RGB, 0),
    ("deep-imagej.tif", tiff(TWELVE, "minisblack", imagej=True, metadata={"min": 0, "max": 4095}), GREY, 0),
]


def shown(values: Array, kind: str) -> Array:
    """What grey values show by this photometric interpretation."""
    return values if kind == "minisblack" else 255 - values


for kind in ("minisblack", "miniswhite"):
    KINDS += [
        (f"{kind}-1.tif", tiff(TWO, kind), shown(GREY_TWO, kind), 0),
        (f"{kind}-2.tif", tiff(BITS_2, kind, bitspersample=2), shown(BITS_2 * 85, kind), 0),
        (f"{kind}-4.tif", tiff(BITS_4, kind, bitspersample=4), shown(BITS_4 * 17, kind), 0),
        (f"{kind}-8.tif", tiff(GREY, kind), shown(GREY, kind), 0),
        (f"{kind}-12.tif", tiff(TWELVE, kind, bitspersample=12), shown(GREY, kind), 0),
        (f"{kind}-12-stated.tif", tiff(TWELVE, kind, extratags=MAX_4095), shown(GREY, kind), 0),
        (
            f"{kind}-16-stated.tif",
            tiff(DEEP >> 5, kind, extratags=MAX_65535),
            shown((DEEP >> 13).astype(np.uint8), kind),
            0,
        ),
        (f"{kind}-16.tif", tiff(DEEP, kind), shown(GREY, kind), 0),
        (f"{kind}-16-big-endian.tif", tiff(DEEP, kind, byteorder=">"), shown(GREY, kind), 0),
    ]


@pytest.mark.parametrize(("bits", "expected"), [(10, GREY), (12, GREY // 4)])
def test_the_significant_bits_of_ome_end_the_range(bits: int, expected: Array, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    values = (GREY.astype(np.uint32) * 1023 // 255).astype(np.uint16)
    values[0, 0] = 1023
    tifffile.imwrite(path, values, photometric="minisblack", ome=True, metadata={"axes": "YX", "SignificantBits": bits})
    found = read_picture(path).astype(int)
    assert np.abs(found - expected).ravel()[1:].max() <= 1


@pytest.mark.parametrize(("name", "write", "picture", "tolerance"), KINDS, ids=[kind[0] for kind in KINDS])
def test_every_kind_of_file_shows_the_same_picture(
    name: str, write: Write, picture: Array, tolerance: int, tmp_path: Path
) -> None:
    write(tmp_path / name)
    found = read_picture(tmp_path / name)
    assert found.shape == picture.shape
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - picture).max() <= tolerance
    grey = read_picture(tmp_path / name, grey=True)
    assert grey.shape == picture.shape[:2]


def _refusals() -> list[tuple[str, Write, str]]:
    invisible = np.zeros((*GREY.shape, 4), np.uint8)
    invisible[:, :, 3] = GREY
    again: dict[str, Any] = {"save_all": True, "append_images": [Image.fromarray(255 - RGB)]}
    return [
        ("12-in-16.tif", tiff(TWELVE, "minisblack"), "uint16 values up to 3968 of 65535.*does not state their range"),
        ("12-in-16.png", pillow(TWELVE), "uint16 values up to 3968"),
        ("12-in-16-rgb.png", opencv(RGB.astype(np.uint16) << 4), "uint16 values up to"),
        ("float.tif", tiff(GREY.astype(np.float32), "minisblack"), "float32"),
        ("signed.tif", tiff(GREY.astype(np.int16), "minisblack"), "int16"),
        ("lab.tif", tiff(RGB, "cielab"), "CIELAB"),
        ("alpha-alone.png", pillow(invisible), "only its transparency"),
        ("alpha-alone.tif", pillow(invisible), "only its transparency"),
        ("film.gif", pillow(RGB, **again), "animation of 2 images"),
        ("film.webp", pillow(RGB, **again), "animation of 2 images"),
        ("film.png", pillow(RGB, **again), "animation of 2 images"),
        ("stack.tif", tiff(np.stack([GREY] * 5), "minisblack"), "5 images.*expected one image"),
        ("channels.tif", tiff(np.stack([GREY] * 5), "minisblack", imagej=True, metadata={"axes": "CYX"}), "5 channels"),
    ]


@pytest.mark.parametrize(("name", "write", "said"), _refusals(), ids=[kind[0] for kind in _refusals()])
def test_what_shows_no_picture_is_refused_by_name(name: str, write: Write, said: str, tmp_path: Path) -> None:
    write(tmp_path / name)
    with pytest.raises(UserError, match=rf"{name}: .*{said}"):
        read_picture(tmp_path / name)


OPTIONS: dict[str, dict[str, Any]] = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}


def stored_turned(picture: Array, number: int) -> Array:
    """What a camera stores of a picture, to be seen with this orientation."""
    return next(
        stored for other in range(1, 9) if np.array_equal(turn(stored := turn(picture, other), number), picture)
    )


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "palette.png"])
def test_orientation_is_followed_where_it_is_asked_for(suffix: str, number: int, tmp_path: Path) -> None:
    path, stored = tmp_path / f"a.{suffix}", stored_turned(RGB, number)
    tag = Image.Exif()
    tag[274] = number
    if suffix == "tif":
        tifffile.imwrite(path, stored, photometric="rgb", extratags=[(274, "H", 1, number, True)])
    elif suffix == "palette.png":
        Image.fromarray(stored).quantize(16).save(path, exif=tag)
    else:
        Image.fromarray(stored).save(path, exif=tag, **OPTIONS.get(suffix, {}))
        with Image.open(path) as image:  # Pillow says the same
            assert np.array_equal(read_picture(path, upright=True), np.asarray(ImageOps.exif_transpose(image)))
    tolerance = {"jpg": 8, "palette.png": 60}.get(suffix, 0)
    assert np.abs(read_picture(path, upright=True).astype(int) - RGB).max() <= tolerance
    assert np.abs(read_picture(path).astype(int) - stored).max() <= tolerance
    assert orientation(path) == number


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("content", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0", b"noise", b""])
def test_a_damaged_orientation_is_none(content: bytes, tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=content, quality=100)
    assert orientation(tmp_path / "a.jpg") == 1
    assert read_picture(tmp_path / "a.jpg", upright=True).shape == RGB.shape


@pytest.mark.parametrize("suffix", ["tif", "npy"])
def test_all_images_of_a_film_are_seen_in_one_range(suffix: str, tmp_path: Path) -> None:
    film = np.stack([DEEP >> 5, DEEP, 0 * DEEP])  # alone the first would be refused
    path = tmp_path / f"film.{suffix}"
    np.save(path, film) if suffix == "npy" else tifffile.imwrite(path, film, photometric="minisblack")
    found = [image for _, image in read_pictures(path, frozenset({0, 1, 2}))]
    assert np.array_equal(np.stack(found), film >> 8)
    tifffile.imwrite(tmp_path / "black.tif", 0 * DEEP)
    assert not read_picture(tmp_path / "black.tif").any()


def test_the_first_picture_of_a_camera_that_stores_two_is_read(tmp_path: Path) -> None:
    again = [Image.fromarray(255 - RGB)]
    Image.fromarray(RGB).save(
        tmp_path / "a.jpg", format="MPO", save_all=True, append_images=again, quality=100, subsampling=0
    )
    assert np.abs(read_picture(tmp_path / "a.jpg").astype(int) - RGB).max() <= 8
