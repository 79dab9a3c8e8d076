"""Surface textures that repeat, made once per process from fixed seeds: what things and stuff are covered with.

Textures belong to materials, so they are the same for every seed; a data set's seed chooses where they are cut. Only
operations that give the same bits on every processor are used: integer and elementwise arithmetic, 8-bit blurs, exact
resizing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Layer = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SIDE = 512
"""Period of the textures in pixels, for a picture 256 pixels high."""

_ROW, _COLUMN = (axis.astype(np.int32) for axis in np.indices((SIDE, SIDE)))


def _noise(seed: int, across: int, down: int | None = None) -> Layer:
    """Smooth periodic noise with the given number of cells across and down: mean 0, standard deviation 1."""
    down = down or across
    cells = np.random.default_rng([2012, seed, across, down]).integers(0, 256, (down, across), dtype=np.uint8)
    # Blurred where a cell has at most 8 pixels: wide blurs are slow, and the rest of the way is smooth already.
    steps = (min(8, SIDE // down), min(8, SIDE // across))
    padded = np.pad(cells, 4, mode="wrap")
    size = (padded.shape[1] * steps[1], padded.shape[0] * steps[0])
    small = cv2.resize(padded, size, interpolation=cv2.INTER_LINEAR_EXACT)
    if max(steps) > 1:
        small = cv2.GaussianBlur(small, (0, 0), max(0.3, 0.45 * steps[1]), sigmaY=max(0.3, 0.45 * steps[0]))
    factors = (SIDE // down // steps[0], SIDE // across // steps[1])
    size = (small.shape[1] * factors[1], small.shape[0] * factors[0])
    large = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR_EXACT)
    top, left = 4 * SIDE // down, 4 * SIDE // across
    return _standard(large[top : top + SIDE, left : left + SIDE].astype(np.int64))


def _standard(values: NDArray[Any]) -> Layer:
    """Integers scaled to mean 0 and standard deviation 1; sums of integers are exact in any order."""
    whole = np.asarray(values).astype(np.int64)
    centred = whole * whole.size - int(whole.sum())
    centred = centred // max(1, whole.size // 256)
    return np.asarray(centred / math.sqrt(max(1, int((centred * centred).sum()) // whole.size)), dtype=np.float32)


def _mixed(*layers: Layer) -> Layer:
    """The sum of layers, scaled again."""
    return _standard(np.round(sum(layers[1:], layers[0]) * np.float32(1000)))


def _per_cell(seed: int, row: NDArray[Any], column: NDArray[Any]) -> Layer:
    """A random tone in -1..1 for every (row, column) number below 1024, the same within a cell."""
    tones = np.random.default_rng([77, seed]).integers(-128, 128, 4096)
    return np.asarray(tones[(row * 61 + column * 7) % 4096] / 128, dtype=np.float32)


def _line(position: NDArray[Any], period: int, width: int) -> Layer:
    """1 on lines of this width that return after every period."""
    return ((position % period) < width).astype(np.float32)


def _brick(height: int, width: int, joint: int, seed: int) -> Layer:
    row = _ROW // height
    column = (_COLUMN + (row % 2) * (width // 2)) // width % (SIDE // width)
    joints = np.maximum(_line(_ROW, height, joint), _line(_COLUMN + (row % 2) * (width // 2), width, joint))
    return _mixed(_per_cell(seed, row, column), -2 * joints, 0.35 * _noise(seed, 128))


def _grid(height: int, width: int, joint: int, seed: int, tone: float) -> Layer:
    joints = np.maximum(_line(_ROW, height, joint), _line(_COLUMN, width, joint))
    return _mixed(tone * _per_cell(seed, _ROW // height, _COLUMN // width), -2 * joints, 0.25 * _noise(seed, 128))


def _windows() -> Layer:
    y, x = _ROW % 32, _COLUMN % 32
    pane = ((y > 7) & (y < 25) & (x > 8) & (x < 23)).astype(np.float32)
    frame = ((y > 5) & (y < 27) & (x > 6) & (x < 25)).astype(np.float32)
    lit = _per_cell(3, _ROW // 32, _COLUMN // 32)
    return _mixed(0.7 * frame, pane * (1.4 * lit - 2.6), 0.3 * _noise(8, 64))


def _waves(period: int, strength: float, *, vertical: bool = False, warp: int = 8) -> Layer:
    """Bands with the profile of a triangle, bent by noise."""
    position = (_COLUMN if vertical else _ROW) * 8 + np.round(strength * _noise(31 + warp, warp)).astype(np.int32)
    phase = position % (8 * period)
    return _standard(np.abs(phase - 4 * period))


def _stones(cells: int, seed: int) -> Layer:
    """Rounded stones of random tone: darker towards the joints between the nearest two centres."""
    step = SIDE // cells
    shift = np.random.default_rng([5, seed]).integers(0, step, (2, cells, cells))
    row, column = _ROW // step, _COLUMN // step
    nearest = np.full((SIDE, SIDE), 1 << 30, dtype=np.int32)
    second, tone = nearest.copy(), np.zeros((SIDE, SIDE), dtype=np.float32)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            r, c = row + down, column + right
            y = r * step + shift[0][r % cells, c % cells] - _ROW
            x = c * step + shift[1][r % cells, c % cells] - _COLUMN
            distance = (y * y + x * x).astype(np.int32)
            closer = distance < nearest
            second = np.minimum(np.where(closer, nearest, distance), second)
            tone = np.where(closer, _per_cell(seed, r % cells, c % cells), tone)
            nearest = np.minimum(nearest, distance)
    gap = np.sqrt(second) - np.sqrt(nearest)
    edge = np.clip(gap / np.float32(0.35 * step), 0, 1).astype(np.float32)
    return _mixed(1.2 * tone, 2.2 * edge, 0.3 * _noise(seed, 128))


def _spots(period: int) -> Layer:
    y = _ROW % period - period // 2
    x = (_COLUMN + (_ROW // period % 2) * (period // 2)) % period - period // 2
    warped = (y * y + x * x) + np.round(period * 0.8 * _noise(17, 32)).astype(np.int32)
    return _mixed(2.0 * (warped < period * period // 9).astype(np.float32), 0.3 * _noise(18, 128))


def _leaves() -> Layer:
    rough = np.abs(_noise(21, 64)) + np.abs(_noise(22, 128))
    return _mixed(rough, 0.8 * _noise(23, 16), 0.6 * _noise(24, 256))


_MAKERS: dict[str, Callable[[], Layer]] = {
    "cloud": lambda: _mixed(4 * _noise(1, 4), 2 * _noise(2, 8), _noise(3, 16), 0.5 * _noise(4, 32)),
    "smooth": lambda: _mixed(2 * _noise(5, 4), 0.4 * _noise(6, 64)),
    "grain": lambda: _mixed(_noise(7, 128), _noise(8, 256), 0.5 * _noise(9, 32)),
    "fur": lambda: _mixed(_noise(10, 128, 32), 0.7 * _noise(11, 64, 16), 0.6 * _noise(12, 16)),
    "wool": lambda: _mixed(np.abs(_noise(13, 64)), 0.5 * _noise(14, 128), 0.4 * _noise(15, 16)),
    "grass": lambda: _mixed(_noise(16, 256, 64), 0.8 * _noise(17, 128, 32), 0.6 * _noise(18, 16)),
    "leaf": _leaves,
    "blotch": lambda: _mixed(3 * (_noise(19, 16) > 0.25).astype(np.float32), 0.4 * _noise(20, 128)),
    "brick": lambda: _brick(8, 20, 2, 1),
    "ashlar": lambda: _brick(16, 32, 2, 2),
    "tile": lambda: _grid(16, 16, 2, 3, 0.5),
    "slab": lambda: _grid(32, 32, 2, 4, 0.9),
    "panel": lambda: _grid(64, 32, 2, 5, 0.3),
    "plank": lambda: _mixed(_grid(512, 16, 1, 6, 1.0), 0.6 * _noise(25, 128, 8)),
    "board": lambda: _mixed(_grid(16, 128, 1, 7, 0.9), 0.6 * _noise(26, 8, 128)),
    "wood": lambda: _mixed(_waves(14, 60, warp=4), 0.7 * _noise(27, 8, 128)),
    "stripe": lambda: _waves(16, 0, vertical=True),
    "zebra": lambda: np.sign(_waves(16, 30, vertical=True, warp=8)).astype(np.float32),
    "fold": lambda: _mixed(_waves(22, 40, vertical=True, warp=4), 0.4 * _noise(28, 64)),
    "check": lambda: _mixed(2 * (((_ROW // 8) + (_COLUMN // 8)) % 2).astype(np.float32), 0.3 * _noise(29, 128)),
    "blind": lambda: _waves(8, 0),
    "net": lambda: (
        -_mixed(np.maximum(_line(_ROW + _COLUMN, 12, 2), _line(_ROW - _COLUMN, 12, 2)), 0.1 * _noise(30, 64))
    ),
    "bar": lambda: -_mixed(2 * _line(_COLUMN, 12, 3), _line(_ROW, 64, 4), 0.2 * _noise(31, 64)),
    "window": _windows,
    "wave": lambda: _mixed(_waves(12, 70, warp=16), 0.8 * _noise(32, 32, 128)),
    "stone": lambda: _stones(32, 1),
    "pebble": lambda: _stones(64, 2),
    "giraffe": lambda: _stones(32, 3),
    "spot": lambda: _spots(16),
    "text": lambda: _mixed(2 * _line(_ROW, 8, 4) * (_noise(33, 128) > 0.1), 0.1 * _noise(34, 64)),
    "flat": lambda: _noise(35, 256),
}
KINDS = frozenset(_MAKERS)


@functools.cache
def _tile(kind: str) -> Bytes:
    """A texture as bytes: 128 plus 40 per standard deviation, repeated once more so that it can be cut anywhere."""
    levels = np.clip(np.round(_MAKERS[kind]() * np.float32(40)) + 128, 0, 255).astype(np.uint8)
    return np.tile(levels, (2, 2))


def cut(rng: np.random.Generator, kind: str, height: int, width: int, scale: float) -> Layer:
    """A piece of a texture at a random place, magnified by ``scale``: mean 0, standard deviation near 1."""
    rows, columns = (min(int(size / scale) + 1, SIDE) for size in (height, width))
    row, column = rng.integers(0, SIDE, 2).tolist()
    piece = _tile(kind)[row : row + rows, column : column + columns]
    if scale != 1.0:
        large = (max(width, int(columns * scale)), max(height, int(rows * scale)))
        piece = np.asarray(cv2.resize(piece, large, interpolation=cv2.INTER_LINEAR_EXACT), dtype=np.uint8)
    return _levels(_repeated(piece, height, width))


def ground(
    rng: np.random.Generator, kind: str, height: int, width: int, scale: float, depth: float, middle: int
) -> Layer:
    """A texture lying on the ground, seen in perspective: the far rows are on top.

    ``depth`` is how much nearer the lowest row is than the highest; ``middle`` is the column one looks along.
    """
    # Integer coordinates: distance times 256, where the lowest row has distance 1.
    below = np.arange(height, dtype=np.int32) + max(1, round(height / max(depth, 1.01)))
    far = (256 * below[-1]) // below
    across = np.arange(width, dtype=np.int32) - middle
    start = rng.integers(0, SIDE, 2).tolist()
    step = max(1, round(4096 / (256 * scale)))
    columns = ((across * (far * step // 16)[:, None] >> 8) + start[0]) & (SIDE - 1)
    rows = ((far * (height * 2 * step // 16) >> 8) + start[1]) & (SIDE - 1)
    picked = _levels(_tile(kind).ravel()[rows[:, None] * (2 * SIDE) + columns])
    # Far away the pattern is finer than the pixels: it fades instead of flickering.
    return np.asarray(picked * np.sqrt((256 / far)[:, None]).astype(np.float32))


def _repeated(piece: Bytes, height: int, width: int) -> Bytes:
    if piece.shape[0] < height or piece.shape[1] < width:
        piece = np.tile(piece, (-(-height // piece.shape[0]), -(-width // piece.shape[1])))
    return piece[:height, :width]


def _levels(piece: Bytes) -> Layer:
    return (piece.astype(np.float32) - np.float32(128)) * np.float32(1 / 40)
