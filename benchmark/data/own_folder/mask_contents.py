"""What masks of unknown coding hold: the pixels of every value or colour, and what tells classes from other numbers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...errors import MemoryShortError
from ...io.images.limits import open_image
from ...io.images.masks import refuse_inks, refuse_object_in_alpha, shown
from ...io.images.read import read_array
from ...text import counted
from ...types import Array, Uint8, UserError
from .checked_values import MAX_LABEL, Color
from .masks import color_runs, equal_channels

MAX_CLASSES = 256
VOID = 255
WHITE, VOC_VOID = 0xFFFFFF, 0xE0E0C0
"""Colours that may be void: white, and the last one of the VOC palette."""

_MAX_TOLD = 10
"""Largest number of masks that are named with what is wrong with them."""
_MIN_NUMBERS = 4
"""Number of values in a mask from which on they may be numbers of objects."""
_MANY_NUMBERS = 32
"""With so many values in a mask on average, they are hardly classes."""
_NEARLY_ALL = 0.9
_BORDER_PX = 9
"""What is nowhere so wide is a border."""
_LINE_PX = 13
_MIN_LINE, _MOSTLY = 4 * _LINE_PX**2, 0.8
"""A piece of so many pixels is a line where so large a part of them is nowhere as wide as 13 pixels."""
_FEW = 4
"""Lines are looked for in masks of no more values than that."""


@dataclass(frozen=True)
class MaskContents:
    """What one mask holds: pixels by value, or by colour as 0xRRGGBB; colours of its palette by value.

    thin: how many pixels of each void candidate (255; white and the VOC palette's last colour) lie in thin borders.
    shown: pixels by what a mask of two tones shows, where that is something else than it stores.
    pieces: parts of one value, but for 0, that hang together; where there are so many values that they may be numbers
    of objects.
    lines: pixels of pieces that are long and nowhere wide, such as vessels, by value; of a mask of few values.
    """

    path: Path
    kind: str
    pixels: Mapping[int, int]
    palette: Mapping[int, Color] = field(default_factory=dict)
    thin: Mapping[int, int] = field(default_factory=dict)
    shown: Mapping[int, int] | None = None
    pieces: int | None = None
    lines: Mapping[int, int] = field(default_factory=dict)


def read_all(paths: Sequence[Path], progress: Callable[[int, int], None] | None) -> list[MaskContents]:
    """Read masks. Raises UserError that names all that are no masks, or the first `_MAX_TOLD` of very many."""
    seen: list[MaskContents] = []
    wrong: list[str] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done, one in enumerate(pool.map(_contents_or_error, paths), 1):
            if isinstance(one, MaskContents):
                seen.append(one)
            else:
                wrong.append(one)
            if progress is not None:
                progress(done, len(paths))
            if len(wrong) > _MAX_TOLD:
                pool.shutdown(cancel_futures=True)
                break
    if len(wrong) == 1:
        raise UserError(wrong[0])
    if wrong:
        many = f"more than {_MAX_TOLD}" if len(wrong) > _MAX_TOLD else str(len(wrong))
        told = [f"- {each}" for each in wrong[:_MAX_TOLD]]
        raise UserError("\n".join([f"{many} of {counted(len(paths), 'mask')} cannot be used:", *told]))
    return seen


def _contents_or_error(path: Path) -> MaskContents | str:
    try:
        return read_contents(path)
    except MemoryShortError:
        raise
    except UserError as error:
        return str(error)


def read_contents(path: Path) -> MaskContents:
    """Read one mask: `kind` is `values`, `grey rgb` or `colors`.

    Raises UserError for an image that is no mask.
    """
    values = read_array(path)
    if values.ndim > 2:
        refuse_inks(path)
        refuse_object_in_alpha(values, str(path))
    if values.ndim == 3 and values.shape[2] in (1, 2):
        values = values[:, :, 0]
    if values.ndim == 2 and values.dtype.kind in "biu":
        pixels = _counts(values)
        thin = {value: _thin(values == value) for value in (VOID, MAX_LABEL) if value in pixels}
        pieces = _pieces(values) if len(pixels) >= _MIN_NUMBERS else None
        shows, lines = _shown_counts(path, values), _lines(values, pixels)
        return MaskContents(path, "values", pixels, _palette(path, pixels), thin, shows, pieces, lines)
    if values.ndim != 3 or values.shape[2] not in (3, 4) or values.dtype != np.uint8:
        raise UserError(
            f"{path}: has shape {values.shape} and type {values.dtype}; expected a mask of height x width with label "
            "values, or RGB colours of 8 bits"
        )
    _, lengths, keys = color_runs(values)
    found, places = np.unique(keys, return_inverse=True)
    if found.size > 16 * MAX_CLASSES:
        raise UserError(f"{path}: holds {found.size} colours; a mask has one per class. Is it a photograph?")
    counts = np.bincount(places, weights=lengths).astype(np.int64)
    pixels = dict(zip(found.tolist(), counts.tolist(), strict=True))
    thin = {}
    for key in {WHITE, VOC_VOID} & pixels.keys():
        color = np.array([key >> 16, key >> 8 & 255, key & 255], np.uint8)
        thin[key] = _thin((values[:, :, :3] == color).all(axis=2))
    packed = values[:, :, :3].astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    kind = "grey rgb" if equal_channels(values) else "colors"
    return MaskContents(path, kind, pixels, {}, thin, lines=_lines(packed, pixels))


def _counts(values: Array) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip((int(v) for v in found), counts.tolist(), strict=True))


def _shown_counts(path: Path, stored: Array) -> dict[int, int] | None:
    try:
        seen = shown(path, stored)
    except UserError:  # no mask of two tones
        return None
    return None if seen is stored or np.array_equal(seen, stored) else _counts(seen)


def as_all_show(seen: Sequence[MaskContents]) -> list[MaskContents]:
    """Masks of two tones by what they show, where all are of that kind; label maps by what they store."""
    as_shown = [one if one.shown is None else replace(one, pixels=one.shown, palette={}, lines={}) for one in seen]
    tones = {value for one in as_shown for value in one.pixels}
    binary = tones <= {0, 1} or tones <= {0, VOID}
    return as_shown if binary and any(one.shown is not None for one in seen) else list(seen)


def _thin(where: Array) -> int:
    """Pixels that lie in no square of `_BORDER_PX` pixels."""
    return int(np.count_nonzero(where)) - int(np.count_nonzero(_wide(where.astype(np.uint8), _BORDER_PX)))


def _wide(mask: Uint8, size: int) -> Uint8:
    """The pixels of a mask (H, W) of 0 and 1 that lie in a square of size x size pixels of it."""
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((size, size), np.uint8)))


def _lines(values: Array, pixels: Mapping[int, int]) -> dict[int, int]:
    """Pixels of each value that lie in long pieces without width, of a map (H, W) that holds `pixels` of each."""
    found = {}
    for value, count in pixels.items() if len(pixels) <= _FEW else ():
        mask = (values == value).astype(np.uint8)
        wide = _wide(mask, _LINE_PX)
        if count - np.count_nonzero(wide) < _MOSTLY * count:
            continue
        number, pieces = cv2.connectedComponents(mask, connectivity=8)
        areas, widths = (np.bincount(pieces[each > 0], minlength=number) for each in (mask, wide))
        long = (areas >= _MIN_LINE) & (areas - widths >= _MOSTLY * areas)
        found[value] = int(areas[long].sum())
    return found


def _palette(path: Path, pixels: Mapping[int, int]) -> dict[int, Color]:
    """Colours of the palette of an image that has one, by value."""
    if path.suffix.lower() == ".npy":
        return {}
    try:
        with open_image(path) as image:
            flat = image.getpalette("RGB") if image.mode == "P" else None
    except (OSError, ValueError, SyntaxError):  # a TIFF that only its own reader knows; its colours are not needed
        return {}
    if flat is None:
        return {}
    return {v: (flat[3 * v], flat[3 * v + 1], flat[3 * v + 2]) for v in pixels if 3 * v + 2 < len(flat)}


def as_values(one: MaskContents) -> MaskContents:
    """A grey image that was saved as RGB, by its values."""
    if one.kind == "values":
        return one
    thin = {VOID: one.thin[WHITE]} if WHITE in one.thin else {}
    pixels, lines = ({key & 255: n for key, n in each.items()} for each in (one.pixels, one.lines))
    return MaskContents(one.path, one.kind, pixels, {}, thin, lines=lines)


def refuse_grey_among_colors(seen: Sequence[MaskContents]) -> None:
    """Raise UserError for a mask of values, where another one holds colours."""
    grey = next((one.path for one in seen if one.kind == "values"), None)
    if grey is not None:
        other = next(one.path for one in seen if one.kind == "colors")
        raise UserError(
            f"'{grey}' is a grey or palette image and '{other}' an RGB one; masks are to be all of one kind"
        )


def pixels_in_all(seen: Sequence[MaskContents]) -> Counter[int]:
    """Pixels of every value or colour in all masks together."""
    total: Counter[int] = Counter()
    for one in seen:
        total.update(one.pixels)
    return total


def are_numbers(seen: Sequence[MaskContents]) -> bool:
    """Whether masks seem to hold numbers of objects: from 1 on in each of them or very many, more in some than in
    others, and nearly every one of one piece. Classes are not numbered afresh in every mask, nor all of one piece."""
    counts = [len(one.pixels.keys() - {0}) for one in seen]
    many = [one for one in seen if one.pieces is not None]
    numbers = sum(len(one.pixels.keys() - {0}) for one in many)
    in_a_row = sum(max(one.pixels) == count for one, count in zip(seen, counts, strict=True))
    return (
        2 * len(many) >= len(seen)
        and len(set(counts)) > 1
        and (in_a_row >= _NEARLY_ALL * len(seen) or sum(counts) >= _MANY_NUMBERS * len(seen))
        and numbers >= _NEARLY_ALL * sum(one.pieces or 0 for one in many)
    )


def _pieces(values: Array) -> int:
    """Parts of one value, but for 0, that hang together by sides or corners, of a map (H, W) of integers."""
    from skimage import measure

    label: Any = measure.label
    return int(label(values, connectivity=2, return_num=True)[1])
