"""Decoding image files: the one place where pixels are read. Values come back as stored, never through a palette."""

from __future__ import annotations

import functools
import io
import logging
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from ...text import counted
from ...types import Array, ClassInfo, Prediction, Uint8, UserError
from .png import SIGNATURE, decode_png

IMAGE_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".npy", ".npz"})
MAX_PIXELS = 300_000_000
"""Larger files are refused before they are decoded: a small file must not fill the memory."""

# Faults are raised here with the file's name; the library's own lines would only repeat them.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)

_TIFF = frozenset({".tif", ".tiff"})
_ARRAYS = frozenset({".npy", ".npz"})


def read_array(path: Path, page: int | None = None) -> Array:
    """Decode a file to its stored values.

    Parameters
    ----------
    path : Path
        PNG, TIFF, JPEG, BMP, `.npy` or `.npz` with one array. Palette images give their indices.
    page : int, optional
        Only this page of a multi-page TIFF or this entry along the first axis of an array.

    Returns
    -------
    (H, W), (H, W, C) or, for a whole stack, (N, H, W) array of the stored dtype

    Raises
    ------
    UserError
        Naming the file, if it is missing, cannot be decoded or is too large.
    """
    try:
        if path.suffix.lower() in _TIFF:
            return _read_tiff(path, page)
        if path.suffix.lower() in _ARRAYS:
            return _read_numpy(path, page)
        values = _read_picture(path)
    except UserError:
        raise
    except Exception as error:  # every decoder raises its own kinds (struct.error, zlib.error, …) on bad bytes
        raise _unreadable(path, error) from error
    return values if page is None else np.asarray(values[page])


def read_image(path: Path, page: int | None = None, *, grey: bool = False) -> Uint8:
    """Decode a picture to (H, W) or (H, W, 3) uint8; `grey` turns colour into ITU-R 601 luma."""
    values = as_image(read_array(path, page), str(path))
    return luma(values) if grey else values


def as_image(values: Array, where: str) -> Uint8:
    """Stored values as a picture, (H, W) or (H, W, 3) uint8, without transparency.

    Raises UserError for values that are no picture; `where` names the file.
    """
    if values.dtype != np.uint8:
        raise UserError(f"{where}: holds {values.dtype} values; an image is expected to hold 8-bit ones")
    if values.ndim == 3 and values.shape[2] == 4:
        values = values[:, :, :3]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3):
        raise UserError(f"{where}: is of shape {values.shape}; expected one grey or RGB image")
    return values


def luma(image: Uint8) -> Uint8:
    """ITU-R 601 luma (H, W) uint8 of a colour image (H, W, 3); a grey one is returned as it is."""
    return image if image.ndim == 2 else np.asarray(Image.fromarray(image).convert("L"))


def binary_mask(values: Array, where: str) -> Uint8:
    """Turn a two-valued mask into labels.

    Parameters
    ----------
    values : (H, W) or (H, W, 3) array
        Holds only 0 and 255, or only 0 and 1; colour channels must be equal.
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
    if values.ndim == 3 and values.shape[2] in (3, 4):
        # Channel by channel is many times quicker than along the last axis.
        red, green, blue = (np.ascontiguousarray(values[:, :, channel]) for channel in range(3))
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            raise UserError(f"{where}: is a colour image; a mask has equal channels")
        values = red
    if values.ndim != 2:
        raise UserError(f"{where}: is of shape {values.shape}; expected one mask of height x width")
    inside = values != 0
    high = values.max(initial=0)
    expected = np.count_nonzero(values == high) if high else 0
    if high not in (0, 1, 255) or np.count_nonzero(inside) != expected:
        found = np.unique(values)
        listed = ", ".join(f"{v:g}" for v in found[:6].tolist()) + (", …" if len(found) > 6 else "")
        raise UserError(
            f"{where}: holds {counted(len(found), 'different value')} ({listed}); a mask holds 0 and 255 (or 0 and 1) "
            "only. Was it saved as JPEG, resized with interpolation, or is it a probability map?"
        )
    return np.asarray(inside.view(np.uint8))


def binary_probabilities(values: Array, where: str) -> Prediction:
    """Read a probability map (H, W): float in 0..1, or uint8 as float32(v)/255; bool counts as 0 and 1.

    Raises UserError for another shape, type or range; `where` names the file.
    """
    if values.ndim != 2:
        raise UserError(f"{where}: is of shape {values.shape}; expected one map of height x width")
    if values.dtype == np.uint8:
        return Prediction(probabilities=values.astype(np.float32) / np.float32(255))
    if values.dtype == np.bool_ or values.dtype.kind == "f":
        if np.isnan(values).any() or values.min(initial=0) < 0 or values.max(initial=0) > 1:
            found = "NaN" if np.isnan(values).any() else f"values from {values.min():g} to {values.max():g}"
            raise UserError(f"{where}: holds {values.dtype} {found}; probabilities lie in 0..1")
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
        if np.isnan(values).any() or values.min(initial=0) < 0 or values.max(initial=0) > 1:
            found = "NaN" if np.isnan(values).any() else f"values from {values.min():g} to {values.max():g}"
            raise UserError(f"{where}: holds {values.dtype} {found}; probabilities lie in 0..1")
        return Prediction(probabilities=values.astype(np.float32))
    if values.ndim != 2:
        expected = f"expected one label value per pixel, or probabilities of shape ({len(classes)}, height, width)"
        if values.ndim == 3 and values.shape[2] in (3, 4) and values.dtype.kind in "iu":
            expected = (
                "a colour image; expected one label value per pixel. Save label values (a grey or palette PNG), not "
                "their colours; 'bench doctor' looks for the cause"
            )
        raise UserError(f"{where}: is of shape {values.shape} and {values.dtype}, {expected}.")
    if values.dtype.kind not in "iu":
        raise UserError(f"{where}: holds {values.dtype} values; expected label values as integers")
    if values.dtype == np.uint16 and values.max(initial=0) > 255:
        raise UserError(
            f"{where}: holds 16-bit values up to {int(values.max())}; label values fit into 8 bits. Is it a map of "
            "instances, or of values scaled to 16 bits?"
        )
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
    if path.suffix.lower() in _TIFF:
        with tifffile.TiffFile(path) as tif:
            _check_complete(path, tif)
            shape = tif.series[0].shape if len(tif.series) == 1 else (len(tif.pages), 0, 0)
            return shape[0] if len(shape) == 3 and shape[-1] not in (3, 4) else 1
    if path.suffix.lower() not in _ARRAYS:
        return 1
    shape = _open_numpy(path).shape
    return int(shape[0]) if len(shape) == 3 else 1


def count_pages(path: Path) -> int:
    """Number of pages of a TIFF, or of entries along the first axis of a 3-D array file; 1 for one image."""
    try:
        stat = path.stat()
        return _pages(path, stat.st_mtime_ns, stat.st_size)
    except UserError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error


def _read_tiff(path: Path, page: int | None) -> Array:
    with tifffile.TiffFile(path) as tif:
        if len(tif.series) == 1:
            series = tif.series[0]
            shape = series.shape
            _check_size(path, int(np.prod(shape[:2] if len(shape) == 2 else shape[-3:])))
            _check_complete(path, tif)
            if page is None or len(shape) == 2:
                strips = _lzw_strips(tif) if len(tif.pages) == 1 else None
                return np.asarray(series.asarray()) if strips is None else strips
            return np.asarray(series.asarray(key=page) if len(series.pages) > 1 else series.asarray()[page])
        _check_complete(path, tif)
        pages = [tif.pages[page]] if page is not None else list(tif.pages)
        for one in pages:
            _check_size(path, int(np.prod(one.shape)))
        arrays = [np.asarray(p.asarray()) for p in pages]
    if len({a.shape for a in arrays}) > 1:
        raise UserError(f"{path}: its pages are of different sizes: {sorted({a.shape for a in arrays})}")
    return arrays[0] if page is not None else np.stack(arrays)


def count_frames(path: Path) -> int:
    """Number of images in a file: pages of a TIFF, grey or in colour, or entries of a (N, H, W) or (N, H, W, 3) array.

    Raises UserError as `read_array` does.
    """
    return sum(1 for _ in _frames(path, decode=False))


def read_frames(path: Path) -> Iterator[Array]:
    """The stored values of each image of a file in turn: opened and checked once, one in memory at a time."""
    return _frames(path, decode=True)


def _frames(path: Path, *, decode: bool) -> Iterator[Array]:
    """The images of a file; with `decode` false of a TIFF only as many arrays of nothing."""
    if path.suffix.lower() not in _TIFF:
        values = read_array(path) if decode or path.suffix.lower() in _ARRAYS else np.empty((0, 0))
        stacked = values.ndim == 4 or (values.ndim == 3 and values.shape[2] not in (3, 4))
        yield from values if stacked and path.suffix.lower() in _ARRAYS else (values,)
        return
    try:
        with tifffile.TiffFile(path) as tif:
            _check_complete(path, tif)
            if len(tif.pages) == 1 and len(tif.series[0].shape) > len(tif.pages[0].shape):
                yield from read_array(path)  # one directory stands for all images, as ImageJ writes large stacks
                return
            for page in tif.pages:
                _check_size(path, int(np.prod(page.shape)))
                values = np.asarray(page.asarray()) if decode else np.empty((0, 0))
                planar = decode and values.ndim == 3 and page.aspage().planarconfig == 2
                yield np.moveaxis(values, 0, -1) if planar else values
    except UserError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error


def _lzw_strips(tif: tifffile.TiffFile) -> Array | None:
    """The one page of a file whose many small LZW strips take tifffile longer to look after than to decode.

    None for a page of another kind. The decoders are those that tifffile calls.
    """
    page = tif.pages[0]
    if not isinstance(page, tifffile.TiffPage) or page.dtype != np.uint8 or page.is_tiled:
        return None
    if page.compression != 5 or page.predictor not in (1, 2) or page.planarconfig != 1:
        return None
    if page.fillorder != 1 or page.bitspersample != 8 or len(page.shape) != 2 + (page.samplesperpixel > 1):
        return None
    tif.filehandle.seek(0)
    data = tif.filehandle.read()
    values = np.empty(page.shape, np.uint8)
    pixels, size = values.data.cast("B"), page.rowsperstrip * values[0].size
    for number, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        strip = pixels[number * size : (number + 1) * size]
        if len(imagecodecs.lzw_decode(data[offset : offset + count], out=strip)) != len(strip):
            raise ValueError("a strip holds fewer pixels than its page says")
    if page.predictor == 2:
        imagecodecs.delta_decode(values, axis=1, out=values)
    return values


def _check_complete(path: Path, tif: tifffile.TiffFile) -> None:
    """Refuse a file that is shorter than its own directory says; the decoder would drop or zero-fill the rest."""
    size = tif.filehandle.size
    if _last_directory(tif) > size or not len(tif.pages):
        raise UserError(f"{path}: is truncated: its directory of pages goes beyond its {size} bytes. Fetch it again.")
    for number, page in enumerate(tif.pages):
        if not isinstance(page, tifffile.TiffPage):
            page = page.aspage()
        needed = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
        if needed > size:
            raise UserError(
                f"{path}: is truncated: page {number} needs {needed} bytes, the file has {size}. Fetch it again."
            )


def _last_directory(tif: tifffile.TiffFile) -> int:
    """Where the chain of page directories ends or leaves the file, as a byte offset."""
    layout, file = tif.tiff, tif.filehandle
    position, seen = 4 if layout.offsetsize == 4 else 8, 0
    while True:
        file.seek(position)
        raw = file.read(layout.offsetsize)
        offset = struct.unpack(layout.offsetformat, raw)[0] if len(raw) == layout.offsetsize else file.size + 1
        if offset == 0 or offset + layout.tagnosize > file.size:
            return max(seen, int(offset))
        file.seek(offset)
        tags = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))[0]
        if offset <= seen:
            return int(file.size) + 1  # directories that point backwards would never end
        seen = offset
        position = offset + layout.tagnosize + tags * layout.tagsize


def _read_picture(path: Path) -> Array:
    data = path.read_bytes()
    if data.startswith(SIGNATURE):
        return decode_png(data, lambda pixels: _check_size(path, pixels))
    with Image.open(io.BytesIO(data)) as image:
        _check_size(path, image.width * image.height)
        return np.asarray(image)


def _read_numpy(path: Path, page: int | None) -> Array:
    values = _open_numpy(path)
    if page is not None:
        values = values[page]
    _check_size(path, int(np.prod(values.shape[-2:])))
    _check_size(path, values.nbytes // 8)
    return np.array(values)


def _open_numpy(path: Path) -> Array:
    """The one array of a file; that of a `.npy` is mapped, so that only what is used of it is read."""
    with path.open("rb") as file:
        start = file.read(6)
    if start[:1] == b"\x80":
        raise UserError(f"{path}: is a pickle, which is not read: it could run code. Save a plain array with np.save.")
    try:
        loaded = np.load(path, allow_pickle=False, mmap_mode="r")
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            if len(loaded.files) != 1:
                raise UserError(f"{path}: holds {len(loaded.files)} arrays ({', '.join(loaded.files)}); expected one")
            _check_size(path, sum(member.file_size for member in loaded.zip.infolist()) // 8)
            return np.asarray(loaded[loaded.files[0]])
    except ValueError as error:
        if "object" in str(error).lower():
            raise UserError(f"{path}: holds Python objects, which are not read. Save an array of numbers.") from error
        raise


def _check_size(path: Path, pixels: int) -> None:
    if pixels > MAX_PIXELS:
        raise UserError(f"{path}: holds {pixels} values a page; more than {MAX_PIXELS} are not read")


def _unreadable(path: Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: no such file")
    if isinstance(error, PermissionError):
        return UserError(f"{path}: may not be read (permission denied)")
    if path.is_dir():
        return UserError(f"{path}: is a folder; expected a file")
    if path.is_symlink() and not path.is_file():
        return UserError(f"{path}: is a link that leads to no file. Put the file itself there.")
    size = path.stat().st_size if path.is_file() else 0
    if size == 0:
        return UserError(f"{path}: is empty (0 bytes). Fetch or write it again.")
    return UserError(
        f"{path}: cannot be decoded ({type(error).__name__}: {error}; the file has {size} bytes). "
        "It is truncated, corrupt or no image: fetch or write it again."
    )
