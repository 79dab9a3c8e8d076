"""Decoding label files: values come back as stored, never through a palette. Pictures are read by `picture`."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..._former_names import former_names
from ...text import counted, some
from ...types import Array, ClassInfo, Prediction, Uint8, UserError
from ..read_once import ReadOnce
from . import nifti, tiff
from .limits import MAX_PIXELS as MAX_PIXELS
from .limits import check_bytes, check_scans, check_structures, open_image, unreadable
from .png import SIGNATURE, decode_png

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)

IMAGE_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".npy", ".npz"})

FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""Formats that Pillow may take a file for, by its names for them: others start other programs."""

_ARRAYS = frozenset({".npy", ".npz"})
ALL_BITS = 65_535
"""The largest value of 16 bits: white, or a mark for pixels that do not count."""
_ANIMATIONS = frozenset({"GIF", "WEBP"})
"""Formats, by Pillow's names, whose further images are later moments of the first."""


def read_array(path: Path, page: int | None = None) -> Array:
    """Decode a file to its stored values.

    Parameters
    ----------
    path : Path
        PNG, TIFF, JPEG, BMP, GIF, lossless WebP, `.npy` or `.npz` with one array, or NIfTI. Palette images give their
        indices.
    page : int, optional
        Only this page of a multi-page TIFF, this entry along the first axis of an array, or this slice of a volume.

    Returns
    -------
    (H, W), (H, W, C) or, for a whole stack, (N, H, W) array of the stored dtype

    Raises
    ------
    UserError
        Naming the file, if it is missing, cannot be decoded or is too large.
    """
    try:
        if path.suffix.lower() in tiff.SUFFIXES:
            return tiff.read_tiff(path, page)
        if path.suffix.lower() in _ARRAYS:
            return _read_numpy(path, page)
        if nifti.is_volume(path):
            return nifti.read_slice(path, page)
        values = _read_file(path)
    except UserError:
        raise
    except Exception as error:  # every decoder raises its own kinds (struct.error, zlib.error, …) on bad bytes
        raise unreadable(path, error) from error
    return values if page is None else np.asarray(values[page])


def binary_mask(values: Array, where: str) -> Uint8:
    """Turn a two-valued mask into labels.

    Parameters
    ----------
    values : (H, W) or (H, W, 3) array
        Holds only 0 and 255, only 0 and 1, or in 16 bits only 0 and 65535; colour channels must be equal.
    where : str
        The file, for the error.

    Returns
    -------
    (H, W) uint8 of 0 and 1

    Raises
    ------
    UserError
        For colours, or other values than those.
    """
    if values.ndim == 3 and values.shape[2] <= 2:
        values = values[:, :, 0]  # with or without transparency
    if values.ndim == 3 and values.shape[2] in (3, 4):
        # Channel by channel is many times quicker than along the last axis.
        red, green, blue = (np.ascontiguousarray(values[:, :, channel]) for channel in range(3))
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            raise UserError(f"{where}: is a colour image; a mask has equal channels")
        values = red
    if values.ndim != 2:
        raise UserError(f"{where}: has shape {values.shape}; expected one mask of height x width")
    inside = values != 0
    high = values.max(initial=0)
    expected = np.count_nonzero(values == high) if high else 0
    whites = (1, 255, ALL_BITS) if values.dtype == np.uint16 else (1, 255)
    if high not in (0, *whites) or np.count_nonzero(inside) != expected:
        found = np.unique(values)
        listed = ", ".join(f"{v:g}" for v in found[:6].tolist()) + (", …" if len(found) > 6 else "")
        raise UserError(
            f"{where}: holds {counted(len(found), 'different value')} ({listed}); a mask holds 0 and 255 (or 0 and 1"
            f"{', or 0 and 65535' if values.dtype == np.uint16 else ''}) only. {_why_no_mask(found)}"
        )
    return np.asarray(inside.view(np.uint8))


def _why_no_mask(found: Array) -> str:
    """What may have gone wrong with a mask of these values, in ascending order."""
    if found.tolist() in ([0, 1, 255], [0, 1, ALL_BITS], [0, 255, ALL_BITS]):
        return f"Does {found[2]:g} mark pixels that do not count?"
    return "Was it saved as JPEG, resized with interpolation, or is it a probability map?"


def _refuse_no_probabilities(values: Array, where: str, made_by: str) -> None:
    """Raise UserError where values (…) float do not lie in 0..1; `made_by` is what makes probabilities of logits."""
    if np.isnan(values).any():
        raise UserError(f"{where}: holds {values.dtype} NaN; probabilities lie in 0..1")
    if values.min(initial=0) < 0 or values.max(initial=0) > 1:
        raise UserError(
            f"{where}: holds {values.dtype} values from {values.min():g} to {values.max():g}; probabilities lie in "
            f"0..1. Logits become probabilities by a {made_by}; a map of 0 to 255 by dividing by 255"
        )


def binary_probabilities(values: Array, where: str) -> Prediction:
    """Read a probability map (H, W): float in 0..1, or uint8 as float32(v)/255; bool counts as 0 and 1.

    Raises UserError for another shape, type or range; `where` names the file.
    """
    if values.ndim != 2:
        raise UserError(f"{where}: has shape {values.shape}; expected one map of height x width")
    if values.dtype == np.uint8:
        return Prediction(probabilities=values.astype(np.float32) / np.float32(255))
    if values.dtype == np.bool_ or values.dtype.kind == "f":
        _refuse_no_probabilities(values, where, "softmax over the classes" if values.ndim == 3 else "sigmoid")
        return Prediction(probabilities=values.astype(np.float32))
    raise UserError(f"{where}: holds {values.dtype} values; expected probabilities as float 0..1 or uint8 0..255")


def binary_prediction(values: Array, where: str) -> Prediction:
    """Read a binary image (0 and 255, or 0 and 1), or a probability map as float 0..1, (H, W).

    Raises UserError for anything else; `where` names the file.
    """
    if values.dtype.kind == "f":
        return binary_probabilities(values, where)
    return Prediction(labels=binary_mask(values, where))


def label_map(values: Array, where: str, classes: Sequence[ClassInfo]) -> Prediction:
    """Read a multi-class prediction: label values, or probabilities of shape (C, H, W) in class order.

    Parameters
    ----------
    values : (H, W) integer array, or (C, H, W) float array
        Palette images give their indices. 16-bit values are taken where they fit into 8 bits.
    where : str
        The file, for the error.
    classes : sequence of C ClassInfo

    Raises
    ------
    UserError
        For another shape or type, or values that no label map can hold.
    """
    if values.ndim == 3 and values.dtype.kind == "f" and len(values) == len(classes):
        _refuse_no_probabilities(values, where, "softmax over the classes" if values.ndim == 3 else "sigmoid")
        return Prediction(probabilities=values.astype(np.float32))
    if values.ndim != 2:
        expected = f"expected one label value per pixel, or probabilities of shape ({len(classes)}, height, width)"
        if values.ndim == 3 and values.shape[2] in (3, 4) and values.dtype.kind in "iu":
            expected = (
                "a colour image; expected one label value per pixel. Save label values (a grey or palette PNG), not "
                "their colours; 'bench doctor' looks for the cause"
            )
        raise UserError(f"{where}: has shape {values.shape} and type {values.dtype}, {expected}.")
    if values.dtype.kind not in "iu":
        raise UserError(f"{where}: holds {values.dtype} values; expected label values as integers")
    if values.dtype == np.uint16 and (high := int(values.max(initial=0))) > 255:
        others = int(values[values < ALL_BITS].max(initial=0))
        why = "Is it a map of instances, or of values scaled to 16 bits?"
        if high == ALL_BITS and others <= 255:
            why = (
                f"All others are at most {others}: does {ALL_BITS} mark pixels that do not count? Write one of the "
                "dataset's label values there."
            )
        raise UserError(f"{where}: holds 16-bit values up to {high}; label values fit into 8 bits. {why}")
    return Prediction(labels=values)


def palette_color(index: int) -> tuple[int, int, int]:
    """Colour of an index in the VOC palette: its bits are dealt to red, green and blue from the highest down.

    >>> palette_color(1), palette_color(15), palette_color(255)
    ((128, 0, 0), (192, 128, 128), (224, 224, 192))
    """
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return channels[0], channels[1], channels[2]


@functools.lru_cache(maxsize=64)
def _pages(path: Path, mtime_ns: int, size: int) -> int:
    del mtime_ns, size  # parts of the cache's key: a file that changed is looked at again
    if path.suffix.lower() in tiff.SUFFIXES:
        return tiff.page_count(path)
    if nifti.is_volume(path):
        return nifti.open_volume(path).slices
    if path.suffix.lower() not in _ARRAYS:
        return 1
    shape = numpy_shape(path)
    return int(shape[0]) if len(shape) == 3 else 1


def count_pages(path: Path) -> int:
    """Number of pages of a TIFF, of entries along the first axis of a 3-D array file, or of slices; 1 for one image."""
    try:
        stat = path.stat()
        return _pages(path, stat.st_mtime_ns, stat.st_size)
    except UserError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error


def _read_file(path: Path) -> Array:
    data = path.read_bytes()
    if data.startswith(SIGNATURE):
        return decode_png(data, lambda needed: check_bytes(path, needed))
    with open_file(data) as image:
        check_bytes(path, image.width * image.height * len(image.getbands()))
        check_scans(path, data, image.width * image.height)
        if getattr(image, "n_frames", 1) > 1 and image.format in _ANIMATIONS:
            raise UserError(
                f"{path}: is an animation of {getattr(image, 'n_frames', 0)} images; expected one image. Save them as "
                "single images, or as a TIFF stack."
            )
        if image.format == "WEBP" and not _is_lossless(data):
            raise UserError(
                f"{path}: is a WebP that was saved with losses, which changes pixels, so it cannot hold label values. "
                "Export it again as PNG, or as lossless WebP."
            )
        values = np.asarray(image)
    if image.format == "WEBP" and (values[:, :, :1] == values[:, :, 1:3]).all():
        return np.asarray(values[:, :, 0] if values.shape[2] == 3 else values[:, :, [0, 3]])  # it has no grey form
    return values


def open_file(data: bytes) -> Image.Image:
    """A file of another kind than TIFF, PNG and arrays as Pillow opens it, which decodes nothing yet.

    Pillow takes a BMP of 8 bits and two colours for one of 1 bit, so such a file is said to have more colours.
    """
    if data[:2] == b"BM" and data[28:30] == b"\x08\0" and data[46:50] == b"\2\0\0\0":
        data = data[:46] + (256).to_bytes(4, "little") + data[50:]
    return open_image(io.BytesIO(data), FORMATS)


def _is_lossless(data: bytes) -> bool:
    """Whether the pixels of a WebP file are in a lossless chunk (RIFF Container Specification, sections 2.5 to 2.7)."""
    position = 12
    while position + 8 <= len(data):
        kind, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8L"
        position += 8 + size + size % 2
    return False


def _read_numpy(path: Path, page: int | None) -> Array:
    if page is None:
        values = open_numpy(path)
    else:
        values = (_UNPACKED if path.suffix.lower() == ".npz" else open_numpy)(path)[page]
    check_bytes(path, values.nbytes)
    return np.array(values)


_HEADERS: Mapping[tuple[int, int], Callable[[Any], tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""What reads the header of an array file of each version."""


_PYTHON_OBJECTS = (
    "holds Python objects, which are not read, since reading them runs code. Save an array of numbers (of Cellpose the "
    "masks as PNG or TIFF, which it calls NAME_cp_masks)."
)


def _refuse_no_numbers(path: Path, dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise UserError(f"{path}: {_PYTHON_OBJECTS}")
    if dtype.kind not in "biuf":
        raise UserError(f"{path}: holds values of the type {dtype}; expected an array of numbers")


def numpy_shape(path: Path) -> tuple[int, ...]:
    """The shape of the one array of a file, of which nothing else is read. Raises UserError as `open_numpy` does."""
    with _opened_numpy(path) as (shape, _):
        return shape


def open_numpy(path: Path) -> Array:
    """The one array of a file, of any shape; that of a `.npy` is mapped, so that only what is used of it is read.

    Raises
    ------
    UserError
        For a pickle, values that are no numbers, another number of arrays than one, and one that is too large.
    """
    with _opened_numpy(path) as (_, values):
        return values()


_UNPACKED = ReadOnce(open_numpy, files=1)
"""The array of the last `.npz` that was read page by page: it can be unpacked only whole."""


@contextmanager
def _opened_numpy(path: Path) -> Iterator[tuple[tuple[int, ...], Callable[[], Array]]]:
    """The shape of the array of a file, and what reads it."""
    with path.open("rb") as file:
        start = file.read(6)
    if start[:1] == b"\x80":
        raise UserError(f"{path}: is a pickle, which is not read: it could run code. Save a plain array with np.save.")
    try:
        loaded = np.load(path, allow_pickle=False, mmap_mode="r")
        if isinstance(loaded, np.ndarray):
            _refuse_no_numbers(path, loaded.dtype)
            yield loaded.shape, lambda: loaded
            return
        with loaded:
            members = loaded.zip.infolist()
            check_structures(path, len(members), "members")
            if len(members) != 1:
                raise UserError(f"{path}: holds {len(members)} arrays ({some(loaded.files, 5)}); expected one")
            with loaded.zip.open(members[0]) as member:
                shape, _, dtype = _HEADERS[np.lib.format.read_magic(member)](member)
            needed = math.prod(shape) * dtype.itemsize
            check_bytes(path, needed)
            if needed > members[0].file_size:
                raise ValueError(f"its array of shape {shape} needs {needed} bytes, it has {members[0].file_size}")
            _refuse_no_numbers(path, dtype)
            yield shape, lambda: np.asarray(loaded[loaded.files[0]])
    except ValueError as error:
        if "object" in str(error).lower():
            raise UserError(f"{path}: {_PYTHON_OBJECTS}") from error
        raise
