"""Decoding TIFF files to their stored values: one page, a whole stack, or page by page."""

from __future__ import annotations

import logging
import math
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import imagecodecs
import numpy as np
import tifffile

from ...types import Array, UserError
from ..read_once import ReadOnce
from .limits import MAX_SHARED, check_bytes, check_structures, unreadable
from .lzw import check_lzw

SUFFIXES = frozenset({".tif", ".tiff"})
PLANAR = 2
"""Planar configuration of a page whose channels lie one after the other."""

_PLAIN, _LZW, _LOWEST_BIT_FIRST = 1, 5, 2
"""Compressions of a page, and a FillOrder."""
_REDUCED, _TRANSPARENCY_MASK = 1, 4
"""Bits of a page's NewSubfileType: a smaller copy of another page, a mask that says what of it is seen."""

_ONE_IMAGE = frozenset({"YX", "YXS", "SYX"})
"""Axes of a single image."""

_KEPT_STACKS, _KEPT_PAGES = 4, 10_000
"""How many stacks a thread remembers, and up to how many pages with all directories: each takes some 6 KB."""

# Faults are raised here with the file's name; the library's own lines would only repeat them.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)


Found = TypeVar("Found")


class _Stacks(threading.local):
    """The stacks that a thread read last, closed: read page by page, each is looked at once and not for every page."""

    def __init__(self) -> None:
        self._by_path: OrderedDict[Path, tuple[_State, tifffile.TiffFile]] = OrderedDict()

    def take(self, path: Path) -> tifffile.TiffFile | None:
        """A stack, opened again and no longer kept; None where none is, or the file has changed since."""
        state, tif = self._by_path.pop(path, (None, None))
        if tif is None or state != _state(path):
            return None
        tif.filehandle.open()
        return tif

    def keep(self, path: Path, state: _State, tif: tifffile.TiffFile) -> None:
        """Remember a stack, and forget the one that was not read for longest."""
        self._by_path[path] = state, tif
        if len(self._by_path) > _KEPT_STACKS:
            self._by_path.popitem(last=False)


_State = tuple[int, int, int, int]
_STACKS = _Stacks()


def _state(path: Path) -> _State:
    """What differs as soon as a file was changed or another took its place."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def opened(path: Path) -> Iterator[tifffile.TiffFile]:
    """A TIFF file that is as long as its directories say; what decoding raises becomes a UserError with its name."""
    try:
        known = _STACKS.take(path)
        state = _state(path)
        tif = known or tifffile.TiffFile(path)
        with tif:
            if known is None:
                _check_complete(path, tif)
            yield tif
            stacked = len(tif.pages) > 1
    except UserError:
        raise
    except Exception as error:  # decoders raise their own kinds (struct.error, zlib.error, …) on bad bytes
        raise unreadable(path, error) from error
    if stacked:
        _STACKS.keep(path, state, tif)


def known_of(tif: tifffile.TiffFile, what: str, find: Callable[[], Found]) -> Found:
    """What is found of an opened file, at the first time that it is asked for; kept with the file, it ends with it."""
    known = vars(tif)
    name = f"segbench_{what}"
    if name not in known:
        known[name] = find()
    found: Found = known[name]
    return found


def read_tiff(path: Path, page: int | None) -> Array:
    """Stored values of a file; see `stored_values`."""
    with opened(path) as tif:
        return stored_values(path, tif, page)


def stored_values(path: Path, tif: tifffile.TiffFile, page: int | None) -> Array:
    """Stored values: (H, W), (H, W, C), or of a whole stack (N, H, W) or (N, H, W, C); see `read.read_array`.

    Raises UserError for a file that cannot be read, is too large, or has pages of different sizes.
    """
    if len(tif.series) == 1:
        series = tif.series[0]
        shape = series.shape
        if page is not None and len(series.pages) == 1 and series.axes not in _ONE_IMAGE:
            return _entry(path, tif, page)
        check_bytes(path, series.nbytes if page is None else _first(tif).nbytes)
        if len(tif.pages) == 1 and len(shape) <= 3:
            strips = _lzw_strips(tif)
            values = _all_of(tif, series) if strips is None else strips
            return channels_last(values, _first(tif))
        if page is None:
            return _all_of(tif, series)
        return channels_last(_one_of(tif, _directory(series.pages[page])), _first(tif))
    pages = [tif.pages[page].aspage()] if page is not None else pages_of(tif)
    check_bytes(path, sum(one.nbytes for one in pages))
    arrays = [channels_last(_one_of(tif, p), p) for p in pages]
    if len({a.shape for a in arrays}) > 1:
        raise UserError(f"{path}: its pages are of different sizes: {sorted({a.shape for a in arrays})}")
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


def page_count(path: Path) -> int:
    """Number of images of a stack; 1 for one image, whatever its channels, and for one that is no plain stack."""
    with opened(path) as tif:
        if len(tif.series) != 1:
            return len(pages_of(tif))
        leading = [
            size for axis, size in zip(tif.series[0].axes, tif.series[0].shape, strict=True) if axis not in "YXS"
        ]
        return int(leading[0]) if len(leading) == 1 else 1


class _Directories(Sequence[tifffile.TiffPage]):
    """Directories of pages, read when they are asked for: all those of a very long stack take too much memory."""

    def __init__(self, pages: Sequence[tifffile.TiffPage | tifffile.TiffFrame | None], places: Sequence[int]) -> None:
        self._pages, self._places = pages, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: Any) -> Any:
        return _directory(self._pages[self._places[place]])


def pages_of(tif: tifffile.TiffFile) -> Sequence[tifffile.TiffPage]:
    """Pages that hold an image of their own, in the order of the axes: no smaller copies, no masks of what is seen."""
    return known_of(tif, "images", lambda: _images_of(tif))


def _images_of(tif: tifffile.TiffFile) -> Sequence[tifffile.TiffPage]:
    source = (tif.series[0] if len(tif.series) == 1 else tif).pages
    pages: Sequence[tifffile.TiffPage] = _Directories(source, range(len(source)))
    if len(pages) <= _KEPT_PAGES:
        pages = tuple(pages)
    if len(tif.series) == 1:
        return pages
    own = [n for n, p in enumerate(pages) if not int(p.subfiletype) & (_REDUCED | _TRANSPARENCY_MASK)]
    if not own:
        return pages
    return _Directories(source, own) if len(pages) > _KEPT_PAGES else tuple(pages[n] for n in own)


def is_one_directory(tif: tifffile.TiffFile) -> bool:
    """Whether one page stands for all images of a stack, as ImageJ writes large ones."""
    return len(tif.pages) == 1 and len(tif.series[0].shape) > len(_first(tif).shape)


def channels_last(values: Array, page: tifffile.TiffPage) -> Array:
    """(H, W, C) of a page whose channels lie one after the other; anything else as it is."""
    planar = values.ndim == 3 and page.planarconfig == PLANAR and page.samplesperpixel > 1
    return np.moveaxis(values, 0, -1) if planar else values


def iterate(
    path: Path, tif: tifffile.TiffFile, wanted: Callable[[int], bool] = lambda _: True
) -> Iterator[tuple[int, Array, tifffile.TiffPage]]:
    """Place, stored values (H, W) or (H, W, C) and directory of every image of an opened file that is wanted, in turn.

    Raises UserError for an image that is too large.
    """
    number, image = _images(path, tif)
    yield from ((place, *image(place)) for place in range(number) if wanted(place))


def one_image(path: Path, tif: tifffile.TiffFile, place: int) -> tuple[Array, tifffile.TiffPage] | None:
    """Stored values (H, W) or (H, W, C) and directory of the image at a place of an opened file; None for none there.

    Raises UserError for an image that is too large.
    """
    number, image = _images(path, tif)
    return image(place) if 0 <= place < number else None


def _images(path: Path, tif: tifffile.TiffFile) -> tuple[int, Callable[[int], tuple[Array, tifffile.TiffPage]]]:
    """How many images an opened file has, and what reads the one at a place."""
    if is_one_directory(tif):
        first = _first(tif)
        mapped = _mapped(path, tif).reshape(-1, *first.shape)
        return len(mapped), lambda place: (channels_last(mapped[place], first), first)
    pages = pages_of(tif)

    def image(place: int) -> tuple[Array, tifffile.TiffPage]:
        page = pages[place]
        check_bytes(path, page.nbytes)
        return channels_last(_one_of(tif, page), page), page

    return len(pages), image


def _entry(path: Path, tif: tifffile.TiffFile, place: int) -> Array:
    """An entry along the first axis of a stack with one directory; raises UserError for one that is too large."""
    series = tif.series[0]
    if series.dataoffset is None:
        return np.array(_UNPACKED(path)[place])
    values = _mapped(path, tif)[place]
    check_bytes(path, values.nbytes)
    return np.array(values, values.dtype.newbyteorder("="))


def _unpacked(path: Path) -> Array:
    """All values of a stack with one directory that can be unpacked only together."""
    with opened(path) as tif:
        check_bytes(path, tif.series[0].nbytes)
        return _all_of(tif, tif.series[0])


_UNPACKED = ReadOnce(_unpacked, files=1)


def _mapped(path: Path, tif: tifffile.TiffFile) -> Array:
    """All images of a stack with one directory: mapped where they lie plain in the file, so that few are in memory."""
    series = tif.series[0]
    if series.dataoffset is not None:
        kind = np.dtype(series.dtype).newbyteorder(tif.byteorder)
        return np.memmap(path, kind, "r", series.dataoffset, series.shape)
    check_bytes(path, series.nbytes)
    return _all_of(tif, series)


def _all_of(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Array:
    """All values of a series."""
    for page in series.pages:
        _check_chunks(tif, page)
    return np.asarray(series.asarray())


def _one_of(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Array:
    """The values of a page."""
    _check_chunks(tif, page)
    return np.asarray(page.asarray())


def _check_chunks(tif: tifffile.TiffFile, page: tifffile.TiffPage | tifffile.TiffFrame | None) -> None:
    """Raise ValueError for a page that lacks strips or tiles, which would show as zeros, or whose LZW is not safe."""
    form = None if page is None else page.keyframe
    if page is None or form is None:
        raise ValueError("an image that its description names is not there")
    expected = math.prod(form.chunked)
    if len(page.dataoffsets) < expected and not (form.compression == _PLAIN and form.is_contiguous):
        raise ValueError(f"{len(page.dataoffsets)} of its {expected} strips or tiles are there")
    if form.compression != _LZW:
        return
    chunks = []
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        tif.filehandle.seek(offset)
        chunks.append(tif.filehandle.read(count))
    if form.fillorder == _LOWEST_BIT_FIRST:
        chunks = [bytes(imagecodecs.bitorder_decode(chunk)) for chunk in chunks]
    check_lzw(chunks)


def palette_of(page: tifffile.TiffPage) -> Array:
    """Colours (N, 3) uint8 of a page with a palette, by index."""
    entries = np.asarray(page.colormap).T
    # Some programs write 8-bit colours where 16-bit ones belong.
    return np.asarray(entries if entries.max(initial=0) < 256 else entries >> 8, np.uint8)


def orientation_of(page: tifffile.TiffPage) -> int:
    """The orientation that a page's tag states, 1 to 8; 1 where there is none or it is unknown."""
    tag = page.tags.get("Orientation")
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def _first(tif: tifffile.TiffFile) -> tifffile.TiffPage:
    return _directory(tif.pages[0])


def _directory(page: tifffile.TiffPage | tifffile.TiffFrame | None) -> tifffile.TiffPage:
    if page is None:
        raise ValueError("an image that its description names is not there")
    return page.aspage()


def _lzw_strips(tif: tifffile.TiffFile) -> Array | None:
    """The one page of a file whose many small LZW strips take tifffile longer to look after than to decode.

    None for a page of another kind. The decoders are those that tifffile calls.
    """
    page = tif.pages[0]
    if not isinstance(page, tifffile.TiffPage) or page.dtype != np.uint8 or page.is_tiled:
        return None
    if page.compression != _LZW or page.predictor not in (1, 2) or page.planarconfig != 1:
        return None
    if page.fillorder != 1 or page.bitspersample != 8 or len(page.shape) != 2 + (page.samplesperpixel > 1):
        return None
    tif.filehandle.seek(0)
    data = tif.filehandle.read()
    values = np.empty(page.shape, np.uint8)
    _check_chunks(tif, page)
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
    check_structures(path, len(tif.pages), "pages")
    tif.pages.cache = len(tif.pages) <= _KEPT_PAGES
    used = 0
    for number, page in enumerate(tif.pages):
        if not isinstance(page, tifffile.TiffPage):
            page = page.aspage()
        needed = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
        if needed > size:
            raise UserError(
                f"{path}: is truncated: page {number} needs {needed} bytes, the file has {size}. Fetch it again."
            )
        used += sum(page.databytecounts)
        if used > MAX_SHARED * size:
            raise UserError(
                f"{path}: up to page {number} its pixels are said to lie in {used} bytes, the file has {size}: pages "
                "that share their bytes are not read."
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
