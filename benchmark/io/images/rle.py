"""COCO run-length encodings, validated before use: the C code behind pycocotools believes whatever it is given.

Reference: maskApi.c of cocodataset/cocoapi (rleToString, rleFrString).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from pycocotools import mask as mask_api

from ...types import RLE, Array, Int64, Uint8, UserError

MAX_PIXELS = 1 << 28
"""A mask claimed to be larger than this is refused before memory is taken for it."""

_MAX_DIGITS = 6
"""Base-32 digits of one number: enough for MAX_PIXELS, and few enough for the 32-bit shifts of maskApi.c."""


class CheckedRLE(dict[str, Any]):
    """A sound run-length encoding: `size` [H, W], and `counts` as compressed bytes without empty runs inside.

    Only `check_rle`, `encode_rle` and pycocotools' own results become one.
    """


def encode_rle(mask: Array) -> RLE:
    """Run-length encoding of a mask, with compressed text as counts, as it stands in COCO files.

    Parameters
    ----------
    mask : (H, W) bool or integer
        Everything but 0 is foreground.
    """
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(f"a mask of shape {mask.shape} cannot be encoded; expected (H, W)")
    rle = mask_api.encode(np.asfortranarray(mask != 0, np.uint8))
    return {"size": [int(n) for n in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode_rle(rle: RLE, where: str) -> Uint8:
    """Mask (H, W) uint8 in {0, 1} of a run-length encoding, compressed or not.

    Raises
    ------
    UserError
        Beginning with `where`, unless the runs are sound and cover exactly H x W pixels.
    """
    height, width, runs = _decoded(rle, where)
    values = (np.arange(len(runs)) % 2).astype(np.uint8)
    return np.repeat(values, runs).reshape(width, height).T


@dataclass(frozen=True)
class Runs:
    """Runs of the foreground, ascending: where each starts, (n,), and how many pixels it has, (n,).

    Places count down the columns one after the other: row + height * column.
    """

    starts: Int64
    lengths: Int64

    @property
    def area(self) -> int:
        """Pixels of all runs."""
        return int(self.lengths.sum())

    def places(self, most: int) -> Iterator[Int64]:
        """The places of all pixels, ascending, in parts of at most so many."""
        ends = np.cumsum(self.lengths)
        for first in range(0, self.area, most):
            last = min(first + most, self.area)
            # of the runs that the part touches, what lies in it
            own = slice(*np.searchsorted(ends, [first, last - 1], side="right").tolist())
            own = slice(own.start, own.stop + 1)
            before = np.maximum(ends[own] - self.lengths[own], first)
            lengths = np.minimum(ends[own], last) - before
            starts = self.starts[own] + before - (ends[own] - self.lengths[own])
            yield np.repeat(starts - before, lengths) + np.arange(first, last)


def foreground_runs(rle: RLE, where: str) -> Runs:
    """The runs of the foreground. Raises UserError as `decode_rle` does."""
    _, _, runs = _decoded(rle, where)
    held = runs[1::2] > 0
    return Runs((np.cumsum(runs) - runs)[1::2][held], runs[1::2][held])


def check_rle(rle: RLE, where: str) -> CheckedRLE:
    """The same mask, safe for pycocotools; raises UserError as `decode_rle` does.

    Empty runs between others are removed, as pycocotools stops too early where those of two masks meet.
    """
    if isinstance(rle, CheckedRLE):
        return rle
    height, width, runs = _decoded(rle, where)
    counts = rle["counts"]
    canonical = bool((runs[1:] > 0).all())
    if canonical and not isinstance(counts, list):
        text = counts.encode("ascii") if isinstance(counts, str) else bytes(counts)
    else:
        plain = {"size": [height, width], "counts": (runs if canonical else _without_empty(runs)).tolist()}
        text = mask_api.frPyObjects(plain, height, width)["counts"]
    return CheckedRLE(size=[height, width], counts=text)


def rle_size(rle: object, where: str) -> tuple[int, int]:
    """Height and width that an encoding claims; raises UserError for anything but two sane integers."""
    size = rle.get("size") if isinstance(rle, Mapping) else None
    sound = isinstance(size, list | tuple) and len(size) == 2 and all(type(n) is int and n > 0 for n in size)
    if not sound or size is None or size[0] * size[1] > MAX_PIXELS:
        _refuse(where, f"'size' is {short(size)}; expected [height, width] of at most {MAX_PIXELS} pixels")
    return size[0], size[1]


def short(value: object, most: int = 60) -> str:
    """A value from a file as it may stand in a message."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a huge number"
    return text if len(text) <= most else f"{text[:most]}…"


def _decoded(rle: RLE, where: str) -> tuple[int, int, Int64]:
    """Height, width and the run lengths, which begin with background and add up to height x width."""
    height, width = rle_size(rle, where)
    pixels = height * width
    runs = _numbers(rle.get("counts"), pixels + 2, where)
    if runs.min() < 0 or runs.max() > pixels:
        wrong = runs[(runs < 0) | (runs > pixels)][0]
        _refuse(where, f"holds a run of {wrong} pixels in a mask of {height} x {width}")
    if int(runs.sum()) != pixels:
        _refuse(where, f"its runs cover {int(runs.sum())} pixels; {height} x {width} are {pixels}")
    return height, width, runs


def _numbers(counts: object, most: int, where: str) -> Int64:
    """Run lengths as they are written, not yet checked for sense; at least one, each far from overflow."""
    if isinstance(counts, list):
        if not 0 < len(counts) <= most or not all(type(n) is int and 0 <= n <= MAX_PIXELS for n in counts):
            _refuse(where, f"'counts' is {short(counts)}; expected up to {most} run lengths that are not negative")
        return np.array(counts, np.int64)
    if isinstance(counts, str) and counts.isascii():
        counts = counts.encode("ascii")
    if not isinstance(counts, bytes) or not 0 < len(counts) <= _MAX_DIGITS * most:
        _refuse(where, f"'counts' is {short(counts)}; expected compressed ASCII text or a list of run lengths")
    return _uncompressed(counts, most, where)


def _uncompressed(text: bytes, most: int, where: str) -> Int64:
    """Base-32 digits, lowest first, 32 marking that more follow; from the fourth number on, differences to the last
    but one."""
    codes = np.frombuffer(text, np.uint8) - np.uint8(48)  # smaller ones wrap around to large ones
    if codes.max() > 63:
        _refuse(where, "'counts' holds a character that no run-length encoding has")
    stops = np.flatnonzero((codes & 32) == 0)
    if not len(stops) or stops[-1] != len(codes) - 1:
        _refuse(where, "'counts' ends in the middle of a number")
    starts = np.concatenate([[0], stops[:-1] + 1])
    digits = stops - starts + 1
    if len(starts) > most or digits.max() > _MAX_DIGITS:
        _refuse(where, "'counts' holds too many numbers, or a number that is too large")
    place = np.arange(len(codes)) - np.repeat(starts, digits)
    numbers = np.add.reduceat((codes & 31).astype(np.int64) << (5 * place), starts)
    numbers -= np.where(codes[stops] & 16, np.left_shift(1, 5 * digits), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _without_empty(runs: Int64) -> Int64:
    """The same mask in the fewest runs."""
    value = (np.arange(len(runs)) % 2)[runs > 0]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(value)) + 1])
    merged = np.add.reduceat(runs[runs > 0], starts)
    return np.concatenate([[0], merged]) if value[0] else merged


def _refuse(where: str, what: str) -> NoReturn:
    raise UserError(f"{where}: no sound run-length encoding: {what}")
