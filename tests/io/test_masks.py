"""Masks of two tones mean what they show, in every order that files store them in; label maps what they store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from segbench.errors import UserError
from segbench.io.images.masks import read_labels, read_masks
from segbench.io.images.read import binary_mask, read_array
from segbench.types import Array

MASK: Array = np.zeros((24, 32), np.uint8)
MASK[5:15, 6:20] = 1
BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)
INVERTED = [(255 - v, 255 - v, 255 - v) for v in range(256)]
GREYS = [(v, v, v) for v in range(256)]

Write = Callable[[Path, Array], object]


def palette(colours: Sequence[tuple[int, ...]], background: int, foreground: int, **options: Any) -> Write:
    """A palette image of two indices."""

    def write(path: Path, mask: Array) -> None:
        image = Image.fromarray(np.where(mask > 0, foreground, background).astype(np.uint8), "P")
        image.putpalette([value for colour in colours for value in colour])
        image.save(path, **options)

    return write


def tiff(photometric: str, background: int, foreground: int, dtype: Any = np.uint8, **options: Any) -> Write:
    """A TIFF of two values."""

    def write(path: Path, mask: Array) -> None:
        values = np.where(mask > 0, foreground, background).astype(dtype)
        tifffile.imwrite(path, values, photometric=photometric, **options)

    return write


def pillow(background: Any, foreground: Any, mode: str = "", **options: Any) -> Write:
    """Pillow's file of two values or colours."""

    def write(path: Path, mask: Array) -> None:
        table = np.array([background, foreground], np.uint8)
        image = Image.fromarray(table[mask])
        (image.convert(mode) if mode else image).save(path, **options)

    return write


KINDS: list[tuple[str, Write]] = [
    ("1-bit.png", pillow(0, 255, "1")),
    ("1-bit.bmp", pillow(0, 255, "1")),
    ("grey.png", pillow(0, 255)),
    ("grey.gif", pillow(0, 255)),
    ("rgb.webp", pillow(BLACK, WHITE, lossless=True)),
    ("clear-background.png", pillow((0, 0, 0, 0), (255, 255, 255, 255))),
    ("clear-background.webp", pillow((0, 0, 0, 0), (255, 255, 255, 255), lossless=True, exact=True)),
    ("grey-and-opaque.png", pillow((0, 255), (255, 255))),
    ("black-key.png", pillow(0, 255, transparency=0)),
    *[(f"black-white.{end}", palette([BLACK, WHITE], 0, 1)) for end in ("png", "bmp", "gif", "tif")],
    *[(f"white-black.{end}", palette([WHITE, BLACK], 1, 0)) for end in ("png", "bmp", "gif", "tif")],
    *[(f"inverted.{end}", palette(INVERTED, 255, 0)) for end in ("png", "bmp", "gif", "tif")],
    *[(f"greys.{end}", palette(GREYS, 0, 255)) for end in ("png", "bmp", "gif", "tif")],
    ("3-and-7.png", palette([RED, RED, RED, WHITE, RED, RED, RED, BLACK], 7, 3)),
    ("7-and-3.png", palette([RED, RED, RED, BLACK, RED, RED, RED, WHITE], 3, 7)),
    ("black-red.png", palette([BLACK, RED], 0, 1)),
    ("red-black.png", palette([RED, BLACK], 1, 0)),
    ("white-red.png", palette([WHITE, RED], 0, 1)),
    ("black-white-2-bits.png", palette([BLACK, WHITE], 0, 1, bits=2)),
    ("white-black-1-bit.png", palette([WHITE, BLACK], 1, 0, bits=1)),
    ("1.tif", tiff("minisblack", 0, 1, bool)),
    ("1-white.tif", tiff("miniswhite", 1, 0, bool)),
    ("2-white.tif", tiff("miniswhite", 3, 0, bitspersample=2)),
    ("4.tif", tiff("minisblack", 0, 15, bitspersample=4)),
    ("4-white.tif", tiff("miniswhite", 15, 0, bitspersample=4)),
    ("8-white.tif", tiff("miniswhite", 255, 0)),
    ("8-white-lzw.tif", tiff("miniswhite", 255, 0, compression="lzw")),
    ("1-white-ccitt.tif", lambda path, mask: Image.fromarray(mask > 0).save(path, compression="group4")),
]


@pytest.mark.parametrize("empty", ["object", "nothing", "all"])
@pytest.mark.parametrize(("name", "write"), KINDS, ids=[kind[0] for kind in KINDS])
def test_a_mask_is_what_every_viewer_shows(name: str, write: Write, empty: str, tmp_path: Path) -> None:
    mask = {"object": MASK, "nothing": np.zeros_like(MASK), "all": np.ones_like(MASK)}[empty]
    write(tmp_path / name, mask)
    with Image.open(tmp_path / name) as image:
        shown = np.asarray(image.convert("RGB")).max(axis=2)
    found = binary_mask(read_labels(tmp_path / name, binary=True), name)
    assert np.array_equal(found, mask)
    # Pillow takes a BMP of 8 bits and two colours for one of 1 bit, and knows no MinIsWhite of few bits.
    if name not in ("black-white.bmp", "white-red.png", "4.tif", "4-white.tif", "2-white.tif"):
        assert np.array_equal(found, shown > 0)


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("alpha.png", pillow((0, 0, 0, 0), (0, 0, 0, 255)), "only its transparency"),
        ("alpha-white.png", pillow((255, 255, 255, 0), (255, 255, 255, 255)), "only its transparency"),
        ("alpha-grey.png", pillow((0, 0), (0, 255)), "only its transparency"),
        ("alpha.tif", pillow((0, 0, 0, 0), (0, 0, 0, 255)), "only its transparency"),
        ("alpha.webp", pillow((9, 9, 9, 0), (9, 9, 9, 255), lossless=True, exact=True), "only its transparency"),
        ("hidden.png", pillow((255, 255, 255, 0), (0, 0, 0, 255)), "transparent"),
        ("palette-alpha.png", palette([BLACK, BLACK], 0, 1, transparency=bytes([0, 255])), "only its transparency"),
        ("palette-hidden.png", palette([BLACK, WHITE], 0, 1, transparency=1), "transparent"),
        ("8-white-of-ones.tif", tiff("miniswhite", 0, 1), "MinIsWhite.*other values than 0 and 255"),
        ("16-white-of-ones.tif", tiff("miniswhite", 0, 1, np.uint16), "MinIsWhite"),
        ("float-white.tif", tiff("miniswhite", 0, 1, np.float32), "MinIsWhite"),
        ("inks.tif", pillow(BLACK, WHITE, "CMYK"), "holds SEPARATED, which cannot be read as labels"),
        ("inks.jpg", pillow(BLACK, WHITE, "CMYK"), "holds CMYK, which cannot be read as labels"),
        ("key-grey.png", pillow(0, 255, transparency=255), "transparent"),
        ("key-rgb.png", pillow(BLACK, WHITE, transparency=WHITE), "transparent"),
        ("falling-greys.png", palette([(200,) * 3, (90,) * 3], 0, 1), "brighter"),
        ("lossy.webp", pillow(BLACK, WHITE, quality=80), "losses"),
    ],
)
def test_what_shows_something_else_than_it_stores_is_refused(
    name: str, write: Write, said: str, tmp_path: Path
) -> None:
    write(tmp_path / name, MASK)
    with pytest.raises(UserError, match=rf"{name}: .*{said}"):
        read_labels(tmp_path / name, binary=True)


@pytest.mark.parametrize("colours", [[WHITE, BLACK, RED], INVERTED, GREYS, [BLACK] * 3])
@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tif"])
def test_label_maps_of_several_classes_keep_their_indices(
    colours: Sequence[tuple[int, ...]], suffix: str, tmp_path: Path
) -> None:
    labels = MASK.copy()
    labels[:3] = 2
    image = Image.fromarray(labels, "P")
    image.putpalette([value for colour in colours for value in colour])
    if suffix == "gif" and colours[0] == BLACK == colours[1]:
        pytest.skip("GIF merges equal colours")
    image.save(tmp_path / f"a.{suffix}")
    assert np.array_equal(read_labels(tmp_path / f"a.{suffix}", binary=False), labels)
    assert np.array_equal(read_array(tmp_path / f"a.{suffix}"), labels)


@pytest.mark.parametrize("suffix", ["tif", "jpg"])
def test_inks_are_no_colours_of_classes(suffix: str, tmp_path: Path) -> None:
    pillow(BLACK, WHITE, "CMYK")(tmp_path / f"a.{suffix}", MASK)
    with pytest.raises(UserError, match="cannot be read as labels"):
        read_labels(tmp_path / f"a.{suffix}", binary=False)


def test_a_file_of_1_bit_has_two_tones_whatever_the_task(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", MASK == 0, photometric="miniswhite")
    assert np.array_equal(read_labels(tmp_path / "a.tif", binary=False), MASK > 0)
    tifffile.imwrite(tmp_path / "b.tif", MASK, photometric="miniswhite")
    assert np.array_equal(read_labels(tmp_path / "b.tif", binary=False), MASK)


def test_three_tones_of_a_palette_with_white_below_black_are_refused_as_a_mask(tmp_path: Path) -> None:
    labels = MASK.copy()
    labels[:3] = 2
    image = Image.fromarray(labels, "P")
    image.putpalette([*WHITE, *BLACK, 128, 128, 128])
    image.save(tmp_path / "a.png")
    with pytest.raises(UserError, match="index 0 brighter"):
        read_labels(tmp_path / "a.png", binary=True)


def test_pages_of_a_stack_are_shown_each_by_its_own_tag(tmp_path: Path) -> None:
    path = tmp_path / "s.tif"
    with tifffile.TiffWriter(path) as tif:
        for kind in ("minisblack", "miniswhite"):
            values = MASK > 0 if kind == "minisblack" else MASK == 0
            tif.write(values, photometric=kind, contiguous=False, metadata=None)
    for page, values in read_masks(path, frozenset({0, 1})):
        assert np.array_equal(values, MASK > 0)
        assert np.array_equal(read_labels(path, page, binary=True), MASK > 0)


@pytest.mark.parametrize("number", range(1, 9))
def test_a_mask_is_turned_as_viewers_turn_it(number: int, tmp_path: Path) -> None:
    tag = Image.Exif()
    tag[274] = number
    Image.fromarray(MASK * np.uint8(255)).save(tmp_path / "a.png", exif=tag)
    tifffile.imwrite(tmp_path / "a.tif", MASK, photometric="minisblack", extratags=[(274, "H", 1, number, True)])
    shape = (32, 24) if number >= 5 else (24, 32)
    for name in ("a.png", "a.tif"):
        assert read_labels(tmp_path / name, binary=True, upright=True).shape == shape
        assert np.array_equal(read_labels(tmp_path / name, binary=True) > 0, MASK > 0)
