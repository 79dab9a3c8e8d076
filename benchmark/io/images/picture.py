"""Decoding pictures: what a person sees, whatever the file stores. Labels are read by `read`, as stored.

Palettes and inks become colours, grey values of fewer bits are stretched to 0..255, and MinIsWhite is turned round.
Transparency is ignored: the colours count that lie below it. 16-bit values are brought to 8 bits by the range that the
file states (TIFF MinSampleValue and MaxSampleValue, the display range of ImageJ, bits per sample), else by all 16 bits.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import ExifTags, Image

from ...text import counted
from ...types import Array, Uint8, UserError
from . import tiff
from .limits import check_bytes, check_scans, unreadable
from .png import SIGNATURE, decode_png, may_state_orientation, png_palette
from .read import IMAGE_SUFFIXES, open_file, read_array
from .stacks import STACK_SUFFIXES, open_stack, stack_of

# A damaged tag is none; the library's own lines would only repeat it for every file.
warnings.filterwarnings("ignore", "Corrupt EXIF data", UserWarning)

PICTURE_SUFFIXES = IMAGE_SUFFIXES - {".npy", ".npz"}
"""Files that hold pictures; arrays are taken where a single input is given."""

UPRIGHT = 1
"""The orientation of what is stored as it is to be seen."""

_ORIENTATION = int(ExifTags.Base.Orientation)
_TWELVE_BITS = 4096
_ALL_BITS = (0.0, 65535.0)
_MAX_VALUE = 2.0**64
"""Further out is no value of a pixel."""
_GREY, _PALETTE = 0, 3
"""Colour types of PNG."""
_INK_SET, _CMYK = 332, 1
_SAMPLE_RANGE = (("MinSampleValue", "MaxSampleValue"), ("SMinSampleValue", "SMaxSampleValue"))
_NOT_8_BIT = (
    "images are segmented as 8-bit ones, as the method learned them. Convert it with the same contrast for all images "
    "(in Fiji: Image > Type > 8-bit)."
)


def read_picture(path: Path, page: int | None = None, *, upright: bool = False, grey: bool = False) -> Uint8:
    """Decode a picture to (H, W) or (H, W, 3) uint8, as it looks.

    Parameters
    ----------
    path : Path
        PNG, JPEG, TIFF, BMP, GIF, WebP, `.npy` or `.npz`.
    page : int, optional
        Only this page of a multi-page TIFF; without it the file holds one picture.
    upright : bool
        Turn it as its orientation tag says (EXIF, or that of TIFF), as every viewer does.
    grey : bool
        Turn colour into ITU-R 601 luma.

    Raises
    ------
    UserError
        Naming the file, if it is missing, cannot be decoded, is too large or holds no picture of a kind that is read.
    """
    try:
        if path.suffix.lower() in tiff.SUFFIXES:
            values, turned = _of_tiff(path, page)
        elif path.suffix.lower() in STACK_SUFFIXES:
            values, turned = as_picture(read_array(path, page), str(path)), UPRIGHT
        else:
            values, turned = _of_file(path)
    except UserError:
        raise
    except Exception as error:  # every decoder raises its own kinds on bad bytes
        raise unreadable(path, error) from error
    values = turn(values, turned) if upright else values
    return luma(values) if grey else values


def read_pictures(path: Path, wanted: frozenset[int]) -> Iterator[tuple[int, Uint8]]:
    """Place and picture, upright, of the images of a TIFF or array file whose places are wanted, in their order.

    Raises UserError for a file that cannot be read, or that has no image at one of the places.
    """
    if path.suffix.lower() in tiff.SUFFIXES:
        with tiff.opened(path) as tif:
            display = _display_range(tif) or _full_range(path, tif, wanted)
            for place, values, page in tiff.iterate(path, tif, wanted.__contains__):
                yield place, turn(_seen(values, page, f"{path}, page {place}", display), tiff.orientation_of(page))
        return
    values = read_array(path)
    if not open_stack(path).axes:
        values = values[None]
    if missing := sorted(place for place in wanted if place >= len(values)):
        raise UserError(f"{path}: holds {counted(len(values), 'image')}; there is none at place {missing[0]}")
    limits = _ALL_BITS if values.dtype == np.uint16 and values.max(initial=0) >= _TWELVE_BITS else None
    for place in sorted(wanted):
        yield place, as_picture(values[place], f"{path}, page {place}", limits)


def orientation(path: Path) -> int:
    """The orientation that a file's tag states, 1 to 8 as EXIF counts them; 1 where there is none or it is unknown.

    No pixel is decoded. Raises UserError for a file that cannot be read.
    """
    try:
        if path.suffix.lower() in tiff.SUFFIXES:
            with tifffile.TiffFile(path) as tif:
                return tiff.orientation_of(tif.pages[0].aspage())
        if path.suffix.lower() in STACK_SUFFIXES:
            return UPRIGHT
        data = path.read_bytes()
        with open_file(data) as image:
            return _orientation(image, data)
    except UserError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error


def turn(values: Array, orientation: int) -> Array:
    """An array (H, W) or (H, W, C) with its first row at the top and its first column at the left, as EXIF means it."""
    return flip(values, orientation >= 5, orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7))


def flip(values: Array, transposed: bool, down: bool, across: bool) -> Array:
    """An array (H, W) or (H, W, C), transposed and then mirrored top to bottom and left to right, as asked for."""
    if not (transposed or down or across):
        return values
    values = np.swapaxes(values, 0, 1) if transposed else values
    return np.ascontiguousarray(values[:: -1 if down else 1, :: -1 if across else 1])


def luma(image: Uint8) -> Uint8:
    """ITU-R 601 luma (H, W) uint8 of a colour image (H, W, 3); a grey one is returned as it is."""
    return image if image.ndim == 2 else np.asarray(Image.fromarray(image).convert("L"))


def as_picture(values: Array, where: str, limits: tuple[float, float] | None = None) -> Uint8:
    """Grey or RGB values as a picture, (H, W) or (H, W, 3) uint8, without transparency.

    Parameters
    ----------
    values : (H, W) or (H, W, C) array of bool, uint8 or uint16, where C is 1 to 4
    where : str
        The file, for the error.
    limits : pair of float, optional
        16-bit values that are black and white; 0 and 65535 where none are stated.

    Raises
    ------
    UserError
        For values of another type, or of a shape that is no picture's.
    """
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 2, 3, 4)):
        raise UserError(
            f"{where}: has shape {values.shape}; expected one grey or RGB image. Give a stack by itself, not in a "
            "folder."
        )
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    elif values.dtype == np.uint16:
        values = _to_8_bit(values, where, limits)
    elif values.dtype != np.uint8:
        raise UserError(f"{where}: holds {values.dtype} values; {_NOT_8_BIT}")
    if values.ndim == 2:
        return values
    colours = values[:, :, : 1 if values.shape[2] <= 2 else 3]
    if values.shape[2] in (2, 4):
        _refuse_picture_in_alpha(colours, values[:, :, -1], where)
    return np.ascontiguousarray(colours[:, :, 0] if colours.shape[2] == 1 else colours)


def _refuse_picture_in_alpha(colours: Array, alpha: Array, where: str) -> None:
    if alpha.size and (colours == colours[:1, :1]).all() and (alpha != alpha.flat[0]).any():
        raise UserError(
            f"{where}: is of one colour throughout, and only its transparency shows anything, which is not read. Save "
            "it without transparency, on the background that it is to be seen on."
        )


def _to_8_bit(values: Array, where: str, limits: tuple[float, float] | None) -> Uint8:
    """16-bit values as 8-bit ones: 256 equal steps from black to white."""
    if limits is None:
        if 0 < int(values.max(initial=0)) < _TWELVE_BITS:
            raise UserError(
                f"{where}: holds uint16 values up to {int(values.max())} of 65535 and does not state their range, so "
                f"as it stands it is nearly black; {_NOT_8_BIT}"
            )
        return (values >> 8).astype(np.uint8)
    low, high = limits
    steps = np.arange(65536, dtype=np.float64)
    table = np.clip(np.floor((steps - low) * 256 / (high - low + 1)), 0, 255).astype(np.uint8)
    return np.asarray(table[values])


def _of_file(path: Path) -> tuple[Uint8, int]:
    """Picture and orientation of a file that is no TIFF."""
    data = path.read_bytes()
    with open_file(data) as image:
        check_bytes(path, image.width * image.height * max(3, len(image.getbands())))
        check_scans(path, data, image.width * image.height)
        if getattr(image, "is_animated", False) and image.format != "MPO":
            raise UserError(
                f"{path}: is an animation of {getattr(image, 'n_frames', 'several')} images; expected one picture. "
                "Save them as single images, or as a video."
            )
        turned = _orientation(image, data)
        if not data.startswith(SIGNATURE):
            return _of_pillow(image, str(path)), turned
    return _of_png(path, data), turned


def _of_pillow(image: Image.Image, where: str) -> Uint8:
    """What an opened file of Pillow shows."""
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode in ("P", "PA"):
        return _grey_if_grey(np.asarray(image.convert("RGBA"))[:, :, :3])
    if image.mode in ("CMYK", "YCbCr"):
        return np.asarray(image.convert("RGB"))
    if image.mode == "RGBX":
        return np.asarray(image)[:, :, :3]
    return as_picture(np.asarray(image), where)


def _of_png(path: Path, data: bytes) -> Uint8:
    values = decode_png(data, lambda needed: check_bytes(path, needed))
    depth, kind = data[24], data[25]
    if kind == _PALETTE:
        black = np.zeros((256, 4), np.uint8)  # what has no entry
        return _grey_if_grey(np.concatenate([png_palette(data), black])[values][:, :, :3])
    if kind == _GREY and 1 < depth < 8:
        return values * np.uint8(255 // (2**depth - 1))
    return as_picture(values, str(path))


def _grey_if_grey(colours: Uint8) -> Uint8:
    """A palette of greys, as programs for microscopes write it, shows a grey image (H, W)."""
    grey = (colours[:, :, :1] == colours[:, :, 1:]).all()
    return np.ascontiguousarray(colours[:, :, 0] if grey else colours)


def _of_tiff(path: Path, page: int | None) -> tuple[Uint8, int]:
    where = str(path) if page is None else f"{path}, page {page}"
    with tiff.opened(path) as tif:
        if page is None:
            _check_one_image(path, tif)
        found = tiff.one_image(path, tif, page or 0)
        if found is not None:
            values, directory = found
            display = tiff.known_of(tif, "display_range", lambda: _display_range(tif))
            return _seen(values, directory, where, display), tiff.orientation_of(directory)
    raise IndexError(f"there is no page {page}")


def _check_one_image(path: Path, tif: tifffile.TiffFile) -> None:
    stack = stack_of(path, tif)
    if int(np.prod(stack.sizes)) > 1:
        raise UserError(f"{path}: holds {stack}; expected one image. Give a stack by itself, not in a folder.")


def _seen(values: Array, page: tifffile.TiffPage, where: str, display: tuple[float, float] | None) -> Uint8:
    """What the stored values (H, W) or (H, W, C) of a TIFF page show."""
    photometric = tifffile.PHOTOMETRIC
    kind = page.photometric
    if kind == photometric.PALETTE and values.ndim == 2 and page.colormap is not None:
        return _grey_if_grey(tiff.palette_of(page)[values])
    if kind in (photometric.MINISBLACK, photometric.MINISWHITE):
        grey = _stretched(values if values.ndim == 2 else values[:, :, :2], page)
        seen = as_picture(grey, where, _limits(page, display))
        return np.asarray(255 - seen if kind == photometric.MINISWHITE else seen)
    if kind == photometric.RGB and values.ndim == 3 and values.shape[2] >= 3:
        return as_picture(_stretched(values[:, :, :4], page), where, _limits(page, None))
    if kind == photometric.SEPARATED and values.ndim == 3 and values.shape[2] >= 4 and _ink_set(page) == _CMYK:
        inks = values[:, :, :4]
        if inks.dtype in (np.uint8, np.uint16):
            inks = (inks >> 8).astype(np.uint8) if inks.dtype == np.uint16 else inks
            return np.asarray(Image.frombytes("CMYK", inks.shape[1::-1], inks.tobytes()).convert("RGB"))
    if kind == photometric.YCBCR and values.ndim == 3 and values.shape[2] == 3 and values.dtype == np.uint8:
        if page.compression in _JPEG:  # the decoder has made colours of it
            return values
        return np.asarray(Image.frombytes("YCbCr", values.shape[1::-1], values.tobytes()).convert("RGB"))
    name = getattr(kind, "name", str(kind))
    raise UserError(
        f"{where}: its photometric interpretation is {name}, with values of shape {values.shape} and type "
        f"{values.dtype}, which is not read as a picture. Save it as grey or RGB, with 8 bits a channel."
    )


_JPEG = frozenset({tifffile.COMPRESSION.JPEG, tifffile.COMPRESSION.OJPEG, 33007, 34892})


def _ink_set(page: tifffile.TiffPage) -> int:
    tag = page.tags.get(_INK_SET)
    return _CMYK if tag is None else int(tag.value)


def _stretched(values: Array, page: tifffile.TiffPage) -> Array:
    """Values of 2 to 7 bits in 0..255."""
    bits = page.bitspersample
    if values.dtype != np.uint8 or not isinstance(bits, int) or not 1 < bits < 8:
        return values
    return np.asarray(values.astype(np.uint16) * 255 // (2**bits - 1), np.uint8)


def _limits(page: tifffile.TiffPage, display: tuple[float, float] | None) -> tuple[float, float] | None:
    """Values that are black and white of a page of 9 to 16 bits, where it or its file states them."""
    for names in _SAMPLE_RANGE:
        found = [_numbers(page.tags[name].value) for name in names if name in page.tags]
        low, high = (min(found[0]) if len(found) == 2 else 0.0), (max(found[-1]) if found else 0.0)
        if names[1] in page.tags and low < high <= _ALL_BITS[1]:
            return low, high
    if display is not None:
        return display
    bits = page.bitspersample
    return (0.0, 2.0**bits - 1) if isinstance(bits, int) and 8 < bits < 16 else None


def _numbers(value: Any) -> list[float]:
    return [float(each) for each in (value if isinstance(value, tuple | list) else (value,))]


def _full_range(path: Path, tif: tifffile.TiffFile, wanted: frozenset[int]) -> tuple[float, float] | None:
    """All 16 bits, where one of the images needs them: the others of its film are to be seen in the same range."""
    first = tif.pages[0].aspage()
    if first.dtype != np.uint16 or first.bitspersample != 16:
        return None
    images = tiff.iterate(path, tif, wanted.__contains__)
    return _ALL_BITS if any(int(values.max(initial=0)) >= _TWELVE_BITS for _, values, _ in images) else None


def _display_range(tif: tifffile.TiffFile) -> tuple[float, float] | None:
    """The values that ImageJ shows as black and white, or that OME's significant bits end at, where they are stated."""
    said = tif.imagej_metadata or {} if tif.is_imagej else {}
    low, high = said.get("min"), said.get("max")
    if isinstance(low, int | float) and isinstance(high, int | float) and -_MAX_VALUE < low < high < _MAX_VALUE:
        return float(low), float(high)
    found = re.search(r'\bSignificantBits="(\d{1,2})"', tif.ome_metadata or "") if tif.is_ome else None
    return (0.0, 2.0 ** int(found[1]) - 1) if found and 8 < int(found[1]) < 16 else None


def _orientation(image: Image.Image, data: bytes) -> int:
    """The orientation of an opened file, whose content is `data`."""
    if image.format == "PNG" and not may_state_orientation(data):
        return UPRIGHT
    try:
        found = image.getexif().get(_ORIENTATION, UPRIGHT)
    except Exception:  # a damaged tag: viewers show the picture as it is stored
        return UPRIGHT
    return found if isinstance(found, int) and found in range(1, 9) else UPRIGHT
