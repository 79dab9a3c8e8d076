"""What medaka films are painted with: a canvas, its colours and textures, soft shapes.

Only operations that give the same bits on every processor are used, here, in the scenery and in the renderer:
elementwise arithmetic, 8-bit blurs, exact resizing. That is why textures are normalised with sums of whole numbers.

Colours lie in planes (3, rows, columns), and coordinates are one row and one column, so that each operation runs over
whole rows.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .heart import HEIGHT, WIDTH

Layer = NDArray[np.float32]
Colour = tuple[float, float, float]
Grid = tuple[Layer, Layer]

# Half-resolution pixels around the visible part, so that a drifting animal brings its own surroundings along.
PAD = 8
ROWS, COLUMNS = HEIGHT // 2 + 2 * PAD, WIDTH // 2 + 2 * PAD
X: Layer = (2.0 * (np.arange(COLUMNS, dtype=np.float32) - PAD) + 0.5)[None, :]
Y: Layer = (2.0 * (np.arange(ROWS, dtype=np.float32) - PAD) + 0.5)[:, None]
TINT = (1.0, 0.97, 0.93)
"""How much red, green and blue light tissue reflects."""

_SMOOTHED_CELL = 4
"""Pixels across the cell of a texture while it is smoothed."""


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between ``low`` and ``high``."""
    return low + (high - low) * float(rng.random())


def smooth(x: NDArray[Any]) -> Layer:
    """Smoothstep of values of any shape: 0 below 0, 1 above 1."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), dtype=np.float32)


def texture(rng: np.random.Generator, cell: float, stretch: tuple[float, float] = (1.0, 1.0)) -> Layer:
    """Irregular tissue of three scales (``cell`` half-resolution pixels, then halved twice): mean 0, sd 1."""
    total = np.zeros((ROWS, COLUMNS), dtype=np.int16)
    for weight, size in ((4, cell), (2, cell / 2), (1, cell / 4)):
        cells = [max(1.0, size * factor) for factor in stretch]
        # Smoothed where a cell is a few pixels wide, and interpolated from there: wide blurs at full size are slow.
        steps = [max(1, int(width / _SMOOTHED_CELL)) for width in cells]
        columns, rows = (-(-side // step) + 1 for side, step in zip((COLUMNS, ROWS), steps, strict=True))
        shape = tuple(int(side / width) + 2 for side, width in zip((ROWS, COLUMNS), reversed(cells), strict=True))
        octave: NDArray[Any] = rng.integers(0, 256, shape, dtype=np.uint8)
        octave = cv2.resize(octave, (columns, rows), interpolation=cv2.INTER_LINEAR_EXACT)
        sigmas = [max(0.6, width / step / 3) for width, step in zip(cells, steps, strict=True)]
        octave = cv2.GaussianBlur(octave, (0, 0), sigmas[0], sigmaY=sigmas[1])
        if steps != [1, 1]:
            size_of_all = (columns * steps[0], rows * steps[1])
            octave = cv2.resize(octave, size_of_all, interpolation=cv2.INTER_LINEAR_EXACT)
        total += np.int16(weight) * octave[:ROWS, :COLUMNS].astype(np.int16)
    # Whole numbers below 2**53 throughout: exact as doubles, in whatever order they are added.
    centred = 16.0 * total - int(16 * total.sum(dtype=np.int64)) // total.size
    squares = int((centred * centred).sum())
    return np.asarray(centred / math.sqrt(squares / total.size), dtype=np.float32)


def relief(rough: Layer, gain: float) -> Layer:
    """Oblique light on a rough surface, as in interference contrast: mean 0, sd near 1 if ``gain`` fits."""
    slope = np.zeros_like(rough)
    slope[1:, 1:] = rough[1:, 1:] - rough[:-1, :-1]
    return np.asarray(np.clip(slope * np.float32(gain), -3, 3))


class Skin:
    """The textures of one animal, (ROWS, COLUMNS) each: tones, lumps, grains, their relief, folds and fibres.

    ``strength`` is how rough its tissue looks, ``surface`` the light and shade of all of them together.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.broad, self.rough, self.fine = texture(rng, 44), texture(rng, 13), texture(rng, 5)
        grain, crease = texture(rng, 2.4), texture(rng, 26)
        patchy = smooth(0.55 + 0.35 * texture(rng, 30))
        self.relief = (relief(self.rough, 2.5) * np.float32(0.6) + relief(self.fine, 1.6)) * (0.35 + patchy)
        self.relief += relief(grain, 1.5) * (1 - np.float32(0.6) * patchy)
        # Folds and cell borders follow a contour line of a texture: dark on one side, bright on the other.
        where = smooth(0.3 + 0.5 * self.broad + 0.3 * self.rough)
        self.folds = (band(crease - np.float32(0.05), 0.10) - band(crease + np.float32(0.09), 0.10)) * where
        self.fibres = texture(rng, 9, (3.0, 0.8))
        self.strength = uniform(rng, 0.5, 1.1)
        shade = np.float32(19) * self.broad + np.float32(8) * self.rough + np.float32(4) * self.fine
        bumps = np.float32(10) * self.relief + np.float32(24) * self.folds
        self.surface = shade + np.float32(self.strength) * bumps


def paint(canvas: Layer, alpha: Layer, colour: Layer | Colour) -> None:
    """Lay a colour (3,) or picture (3, rows, columns) over ``canvas`` with opacity ``alpha``, in place."""
    for plane, tone in zip(canvas, colour, strict=True):
        change = np.subtract(tone, plane, dtype=np.float32)
        change *= alpha
        plane += change


def filled(colour: Colour | Layer) -> Layer:
    """A canvas of one colour, (3, ROWS, COLUMNS)."""
    canvas = np.empty((3, ROWS, COLUMNS), dtype=np.float32)
    canvas[:] = np.array(colour, dtype=np.float32)[:, None, None]
    return canvas


def ellipse(
    x: float,
    y: float,
    rx: float,
    ry: float,
    soft: float,
    tilt: float = 0.0,
    warp: Layer | None = None,
    grid: Grid = (X, Y),
) -> Layer:
    """Opacity of a soft ellipse: centre, half axes, edge width in pixels; ``tilt`` is its x axis's slope."""
    inside = depth_in_ellipse(x, y, rx, ry, tilt, grid)
    return soft_edge(inside if warp is None else inside + warp, soft)


def depth_in_ellipse(x: float, y: float, rx: float, ry: float, tilt: float, grid: Grid) -> Layer:
    """How far inside an ellipse each pixel of the grid lies, in pixels; below 0 outside."""
    norm = math.sqrt(1 + tilt * tilt)
    u, v = grid[0] - np.float32(x), grid[1] - np.float32(y)
    if tilt:
        u, v = (u + np.float32(tilt) * v) / np.float32(norm), (v - np.float32(tilt) * u) / np.float32(norm)
    away = np.sqrt((u / np.float32(rx)) ** 2 + (v / np.float32(ry)) ** 2)
    return np.asarray((1 - away) * np.float32(min(rx, ry)))


def soft_edge(depth: Layer, width: float) -> Layer:
    """Opacity of what lies ``depth`` pixels inside an outline that is ``width`` pixels wide."""
    return smooth(depth / np.float32(width) + np.float32(0.5))


def band(distance: Layer, width: float) -> Layer:
    """Opacity of a line: 1 where ``distance`` is 0, 0 from ``width`` on."""
    return smooth(1 - np.abs(distance) / np.float32(width))


def box_around(left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    """Rows and columns of the canvas that hold a box (pixels), one of each at least."""
    low = (int(np.clip(value // 2 + PAD, 0, limit - 1)) for value, limit in ((top, ROWS), (left, COLUMNS)))
    high = (int(np.clip(value // 2 + PAD, 1, limit)) for value, limit in ((bottom, ROWS), (right, COLUMNS)))
    rows, columns = (slice(start, max(stop, start + 1)) for start, stop in zip(low, high, strict=True))
    return rows, columns
