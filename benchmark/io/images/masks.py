"""Decoding masks of one foreground class: they mean what they show, black where there is none of it.

Files may store the two tones in any order: TIFF with MinIsWhite, palettes whose index 0 is white. Label maps of several
classes mean the values they store, whatever palette or photometric tag says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from ...types import Array, UserError
from . import nifti, tiff
from .limits import unreadable
from .picture import UPRIGHT, orientation, turn
from .png import SIGNATURE, png_palette, png_transparent
from .read import open_file, read_array
from .stacks import STACK_SUFFIXES

_KINDS = frozenset(tifffile.PHOTOMETRIC[name] for name in ("MINISWHITE", "MINISBLACK", "RGB", "PALETTE"))
"""Photometric interpretations of label files."""

_GREY, _PALETTE = 0, 3
"""Colour types of PNG."""


def read_labels(path: Path, page: int | None = None, *, binary: bool, upright: bool = False) -> Array:
    """Decode a file of labels: of a binary dataset what it shows, else the values that it stores.

    Parameters
    ----------
    path, page : as of `read.read_array`
    binary : bool
        There is one foreground class, so that the file is a mask of two tones.
    upright : bool
        Turn it as its orientation tag says, as viewers do.

    Returns
    -------
    as `read.read_array`; of a mask 0 where it shows black

    Raises
    ------
    UserError
        As `read_array` does, and for a mask that shows something else than it stores, and not two tones.
    """
    if path.suffix.lower() in tiff.SUFFIXES:
        with tiff.opened(path) as tif:
            values = _labels_of_tiff(path, tif, page, binary)
            turned = tiff.orientation_of(tif.pages[0].aspage()) if upright else UPRIGHT
    elif nifti.is_volume(path):
        return nifti.read_slice(path, page)
    else:
        stored = read_array(path, page)
        values = shown(path, stored, page) if binary else stored
        if not binary and stored.ndim > 2:
            refuse_inks(path)
        turned = orientation(path) if upright else UPRIGHT
    return turn(values, turned) if values.ndim in (2, 3) else values


def read_masks(path: Path, wanted: frozenset[int]) -> Iterator[tuple[int, Array]]:
    """Place and values of the masks of a stack whose places are wanted, as they are shown, in their order."""
    if path.suffix.lower() in tiff.SUFFIXES:
        with tiff.opened(path) as tif:
            for place, values, page in tiff.iterate(path, tif, wanted.__contains__):
                yield place, _tiff_shown(values, page, f"{path}, page {place}")
        return
    stack = read_array(path)
    for place in sorted(wanted):
        yield place, stack[place]


def shown(path: Path, stored: Array, page: int | None = None) -> Array:
    """What a mask of two tones shows, (H, W): its stored values, which `read_array` gave, or those turned round.

    Raises UserError as `read_labels` does.
    """
    try:
        if path.suffix.lower() in tiff.SUFFIXES:
            with tiff.opened(path) as tif:
                return _shown_by_tiff(path, tif, stored, page)
        if path.suffix.lower() in STACK_SUFFIXES:
            return stored
        return _file_shown(path, stored)
    except UserError:
        raise
    except Exception as error:  # every decoder raises its own kinds on bad bytes
        raise unreadable(path, error) from error


def refuse_object_in_alpha(values: Array, where: str) -> None:
    """Raise UserError for an (H, W, 2 or 4) image of one colour whose transparency differs: it shows what it hides."""
    if values.ndim == 3 and values.shape[2] in (2, 4) and values.size:
        colours, alpha = values[:, :, :-1], values[:, :, -1]
        if (alpha != alpha.flat[0]).any() and (colours == colours[:1, :1]).all():
            raise _hidden(where, "is of one colour throughout, and only its transparency tells pixels apart")


def _hidden(where: str, what: str) -> UserError:
    return UserError(
        f"{where}: {what}, which is not read. Save the mask without transparency: black background, white foreground."
    )


def refuse_inks(path: Path) -> None:
    """Raise UserError for a file whose channels are no colours of light, which the values of labels could be."""
    if path.suffix.lower() in tiff.SUFFIXES:
        with tiff.opened(path) as tif:
            _check_kind(tiff.pages_of(tif)[0], str(path))
    elif path.suffix.lower() not in STACK_SUFFIXES:
        with open_file(path.read_bytes()) as image:
            _check_mode(image, str(path))


def _check_kind(page: tifffile.TiffPage, where: str) -> None:
    if page.photometric not in _KINDS:
        raise _no_labels(where, getattr(page.photometric, "name", str(page.photometric)))


def _check_mode(image: Image.Image, where: str) -> None:
    if image.mode in ("CMYK", "YCbCr", "LAB"):
        raise _no_labels(where, image.mode)


def _no_labels(where: str, kind: str) -> UserError:
    return UserError(
        f"{where}: holds {kind}, which cannot be read as labels: these are grey values, indices of a palette or RGB "
        "colours. Save it as PNG."
    )


def _labels_of_tiff(path: Path, tif: tifffile.TiffFile, page: int | None, binary: bool) -> Array:
    stored = tiff.stored_values(path, tif, page)
    if not binary and stored.ndim > 2:
        _check_kind(tiff.pages_of(tif)[0], str(path))
    # One bit has two tones by its nature, which a tag may call the other way round.
    return _shown_by_tiff(path, tif, stored, page) if binary or stored.dtype == np.bool_ else stored


def _shown_by_tiff(path: Path, tif: tifffile.TiffFile, stored: Array, page: int | None) -> Array:
    pages = tiff.pages_of(tif)
    if page is None:
        return _tiff_shown(stored, pages[0], str(path)) if len(pages) == 1 else stored
    return _tiff_shown(stored, pages[page] if len(pages) > page else pages[0], f"{path}, page {page}")


def _tiff_shown(values: Array, page: tifffile.TiffPage, where: str) -> Array:
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 8 * values.dtype.itemsize
    _check_kind(page, where)
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        return _by_palette(values, _opaque(tiff.palette_of(page)), where)
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        return _white_is_0(values, bits, where)
    return _refuse_hidden(_full_range(values, bits), where)


def _file_shown(path: Path, stored: Array) -> Array:
    data = path.read_bytes()
    if data.startswith(SIGNATURE):
        depth, kind = data[24], data[25]
        if kind == _PALETTE:
            return _by_palette(stored, png_palette(data), str(path))
        key = png_transparent(data) if b"tRNS" in data else None
        if key is not None and any(key) and (stored.reshape(*stored.shape[:2], -1) == key).all(axis=2).any():
            raise _hidden(str(path), "shows pixels as transparent that hold the foreground")
        return _refuse_hidden(_full_range(stored, depth) if kind == _GREY else stored, str(path))
    with open_file(data) as image:
        _check_mode(image, str(path))
        if image.mode == "P":
            every = image.crop((0, 0, 256, 1))  # with its palette, and what it says of transparency
            every.putdata(range(256))
            table = np.asarray(every.convert("RGBA"))[0]
            return _by_palette(stored, table[: len(image.getpalette("RGB") or ()) // 3], str(path))
    return _refuse_hidden(stored, str(path))


def _opaque(colours: Array) -> Array:
    return np.concatenate([colours, np.full((len(colours), 1), 255, np.uint8)], axis=1)


def _white_is_0(values: Array, bits: int, where: str) -> Array:
    """A mask whose 0 is shown as white and whose largest value as black."""
    top = 2**bits - 1
    if values.dtype.kind not in "bu" or values.ndim != 2 or not ((values == 0) | (values == top)).all():
        raise UserError(
            f"{where}: says that 0 is white (photometric interpretation MinIsWhite), so it shows something else than "
            f"it stores, and it holds other values than 0 and {top}. Save it with MinIsBlack, black background and "
            "white foreground."
        )
    return _full_range(
        np.asarray(values == 0) if bits == 1 else np.where(values == 0, top, 0).astype(values.dtype), bits
    )


def _full_range(values: Array, bits: int) -> Array:
    """0 and 255 of a grey image of 2 to 7 bits that holds black and white alone."""
    if values.dtype != np.uint8 or not 1 < bits < 8 or not ((values == 0) | (values == 2**bits - 1)).all():
        return values
    return np.where(values > 0, np.uint8(255), np.uint8(0))


def _by_palette(values: Array, palette: Array, where: str) -> Array:
    """A mask of palette indices: background where the colour is black, whatever its index."""
    table = np.concatenate([palette, np.repeat([[0, 0, 0, 255]], 256, axis=0)])  # what has no entry is black
    used = np.unique(values)
    colours = table[used].astype(int)
    black: Array = (colours[:, :3] == 0).all(axis=1)
    seen = values
    if len(used) == 2 and black.sum() == 1:
        seen = _two_tones(values, used[black][0], used[~black][0], colours[~black][0])
    elif len(used) == 2 and black.all() and used[0] != 0:
        seen = np.where(values == used[0], 0, 255).astype(values.dtype)
    elif len(used) == 1 and black[0]:
        seen = np.zeros_like(values)
    elif len(used) == 1 and used[0] == 0:
        seen = _only_index_0(values, palette[:, :3], where)
    elif len(used) == 1:
        seen = np.full_like(values, _foreground_value(used[0], colours[0]))
    elif len(used) > 1 and used[0] == 0 and not black[0] and (black.any() or _falling_greys(colours[:, :3])):
        raise UserError(
            f"{where}: its palette shows index 0 brighter than others ({_listed(used, colours)}), so it shows "
            "something else than it stores. Save it with a black background and a white foreground."
        )
    _refuse_transparent_foreground(used, colours, seen, values, where)
    return seen


def _two_tones(values: Array, black: int, other: int, colour: Array) -> Array:
    if black == 0:
        value = _foreground_value(other, colour)
        return values if value == other else np.where(values == other, value, 0).astype(values.dtype)
    return np.where(values == other, 255 if black == 255 else 1, 0).astype(values.dtype)


def _foreground_value(index: int, colour: Array) -> int:
    """An index of the foreground as a mask holds it: white is 255 where another index stands for it."""
    return 255 if index not in (1, 255) and (colour[:3] == 255).all() else int(index)


def _falling_greys(colours: Array) -> bool:
    grey = bool((colours[:, :1] == colours).all())
    return grey and bool((np.diff(colours[:, 0]) < 0).any())


def _only_index_0(values: Array, colours: Array, where: str) -> Array:
    """A mask of index 0 alone, which is not black: it is foreground where the palette's other tone is black."""
    own = int(np.flatnonzero(colours.any(axis=1)).max()) + 1
    padding = len(colours) - own
    entries = colours[: own + (padding == 1)]  # more black entries at the end are no colours of the image
    if bool((colours[0] == 255).all()) and bool((entries[:, :1] == entries).all()):
        return np.ones_like(values)
    if not (entries == 0).all(axis=1).any() and (own > 1 or padding == 0):
        return values
    if len(np.unique(entries, axis=0)) == 2:
        return np.ones_like(values)
    raise UserError(
        f"{where}: is of one colour throughout, {tuple(map(int, colours[0]))}, and by its palette nobody can tell "
        "whether that is foreground. Save it with a black background and a white foreground."
    )


def _refuse_transparent_foreground(used: Array, colours: Array, seen: Array, values: Array, where: str) -> None:
    clear = colours[:, 3] < 128
    if not clear.any() or clear.all():
        return
    if (colours[:, :3] == colours[:1, :3]).all():
        raise _hidden(where, "is of one colour throughout, and only its transparency tells pixels apart")
    if any((seen[values == index] != 0).any() for index in used[clear]):
        raise _hidden(where, "shows its foreground as transparent")


def _refuse_hidden(values: Array, where: str) -> Array:
    """A mask with transparency, (H, W, 2 or 4), in which nothing of the foreground is hidden; others as they are."""
    refuse_object_in_alpha(values, where)
    if values.ndim == 3 and values.shape[2] in (2, 4) and values.dtype.kind == "u":
        clear = values[:, :, -1] < (np.iinfo(values.dtype).max + 1) // 2
        if clear.any() and not clear.all() and values[:, :, :-1][clear].any():
            raise _hidden(where, "shows pixels as transparent that hold the foreground")
    return values


def _listed(used: Array, colours: Array) -> str:
    return ", ".join(
        f"{index}: {tuple(map(int, colour[:3]))}" for index, colour in list(zip(used, colours, strict=True))[:3]
    )
