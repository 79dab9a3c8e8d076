"""What keeps still in a medaka film (body, skin, yolk, pigment), and the chambers beside the ventricle.

Only operations that give the same bits on every processor are used, here and in the renderer: elementwise
arithmetic, 8-bit blurs, exact resizing. That is why textures are normalised with integer sums.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .medaka_heart import HEIGHT, WIDTH, Heart

Layer = NDArray[np.float32]

# Half-resolution pixels around the visible part, so that a drifting animal brings its own surroundings along.
PAD = 8
ROWS, COLUMNS = HEIGHT // 2 + 2 * PAD, WIDTH // 2 + 2 * PAD
X, Y = (
    2.0 * (axis - PAD) + 0.5
    for axis in np.meshgrid(np.arange(COLUMNS, dtype=np.float32), np.arange(ROWS, dtype=np.float32))
)


def smooth(x: NDArray[Any]) -> Layer:
    """Smoothstep: 0 below 0, 1 above 1."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), dtype=np.float32)


def texture(rng: np.random.Generator, cell: float, stretch: tuple[float, float] = (1.0, 1.0)) -> Layer:
    """Irregular tissue of three scales (``cell`` half-resolution pixels, then halved twice): mean 0, sd 1."""
    total = np.zeros((ROWS, COLUMNS), dtype=np.int64)
    for weight, size in ((4, cell), (2, cell / 2), (1, cell / 4)):
        width, height = (max(1.0, size * factor) for factor in stretch)
        shape = (int(ROWS / height) + 2, int(COLUMNS / width) + 2)
        coarse = rng.integers(0, 256, shape, dtype=np.uint8)
        octave = cv2.resize(coarse, (COLUMNS, ROWS), interpolation=cv2.INTER_LINEAR_EXACT)
        octave = cv2.GaussianBlur(octave, (0, 0), max(0.6, width / 3), sigmaY=max(0.6, height / 3))
        total += weight * octave.astype(np.int64)
    centred = 16 * total - int(16 * total.sum()) // total.size
    return np.asarray(centred / math.sqrt(int((centred * centred).sum()) / total.size), dtype=np.float32)


def relief(rough: Layer) -> Layer:
    """Oblique light on a rough surface, as interference contrast shows it: mean 0, sd about 1."""
    slope = np.zeros_like(rough)
    slope[1:, 1:] = rough[1:, 1:] - rough[:-1, :-1]
    return np.clip(slope * 2, -3, 3)


def paint(canvas: Layer, alpha: Layer, colour: Layer | tuple[float, float, float]) -> None:
    """Lay a colour (3,) or picture (ROWS, COLUMNS, 3) over ``canvas`` with opacity ``alpha``, in place."""
    canvas += alpha[..., None] * (np.asarray(colour, dtype=np.float32) - canvas)


def ellipse(
    x: float, y: float, rx: float, ry: float, soft: float, tilt: float = 0.0, warp: Layer | None = None
) -> Layer:
    """Opacity of a soft ellipse: centre, half axes, edge width in pixels; ``tilt`` is its x axis's slope."""
    norm = math.sqrt(1 + tilt * tilt)
    dx, dy = X - np.float32(x), Y - np.float32(y)
    u, v = (dx + np.float32(tilt) * dy) / np.float32(norm), (dy - np.float32(tilt) * dx) / np.float32(norm)
    inside = (1 - np.sqrt((u / np.float32(rx)) ** 2 + (v / np.float32(ry)) ** 2)) * np.float32(min(rx, ry))
    return smooth((inside if warp is None else inside + warp) / np.float32(soft) + np.float32(0.5))


def band(distance: Layer, width: float) -> Layer:
    """Opacity of a line: 1 where ``distance`` is 0, 0 from ``width`` on."""
    return smooth(1 - np.abs(distance) / np.float32(width))


@dataclass(frozen=True)
class Chamber:
    """A blood space beside the ventricle: place and half axes (px) when full, share that never empties."""

    x: float
    y: float
    rx: float
    ry: float
    tilt: float
    rest: float
    lead: float
    strength: float


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def _steps(start: float, steps: list[tuple[float, float, float]]) -> Layer:
    """A curve over x: ``start`` on the left plus smooth steps (centre, width, rise), (ROWS, COLUMNS)."""
    curve = np.full_like(X, start)
    for centre, width, rise in steps:
        curve += np.float32(rise) * smooth((X - np.float32(centre)) / np.float32(width) + np.float32(0.5))
    return curve


def _tissue(base: tuple[float, float, float], rough: Layer, fine: Layer, strength: float = 1.0) -> Layer:
    """A textured surface of one colour, (ROWS, COLUMNS, 3)."""
    shade = np.float32(strength) * (
        np.float32(9) * rough + np.float32(4) * fine + np.float32(6) * relief(fine)
    )
    tint = np.array([1.0, 0.95, 0.88], dtype=np.float32)
    return np.asarray(np.array(base, dtype=np.float32) + shade[..., None] * tint)


def _pigment(
    canvas: Layer, rng: np.random.Generator, count: int, box: tuple[float, float, float, float]
) -> None:
    """Dark pigment cells at random places in a box (left, top, right, bottom)."""
    for _ in range(count):
        x, y = _uniform(rng, box[0], box[2]), _uniform(rng, box[1], box[3])
        size = _uniform(rng, 3.5, 8.0)
        paint(canvas, np.float32(_uniform(rng, 0.5, 0.9)) * ellipse(x, y, size, size, size), (22, 18, 20))


def _dome(canvas: Layer, rng: np.random.Generator, x: float, y: float, radius: float, rough: Layer) -> None:
    """A pale sphere with a dark rim, bright towards the lamp: lens-like sideways, yolk from below."""
    bright = np.array(
        [_uniform(rng, 135, 185), _uniform(rng, 130, 165), _uniform(rng, 110, 155)], dtype=np.float32
    )
    dark = np.array([_uniform(rng, 35, 75), _uniform(rng, 38, 75), _uniform(rng, 42, 85)], dtype=np.float32)
    ratio = _uniform(rng, 0.9, 1.05)
    outer = ellipse(x, y, radius + 9, (radius + 9) * ratio, 14, warp=rough * 2)
    paint(canvas, np.float32(0.85) * outer, (58, 46, 38))
    height = smooth(
        (np.float32(y + 0.75 * radius) - Y) / np.float32(1.35 * radius) + np.float32(0.08) * rough
    )
    surface = dark + height[..., None] * (bright - dark) + (np.float32(4) * rough)[..., None]
    paint(canvas, ellipse(x, y, radius - 2, (radius - 2) * ratio, 9), surface)
    paint(canvas, np.float32(0.25) * ellipse(x, y - 0.86 * radius, 0.6 * radius, 6, 8), (225, 222, 214))


def lateral(heart: Heart, rng: np.random.Generator, rough: Layer, fine: Layer) -> tuple[Layer, list[Chamber]]:
    """The animal from its side: dark background above, heart under bright skin, pale dome to the right."""
    x, y = float(heart.place[0]), float(heart.place[1])
    major, minor = (round(float(size), 2) for size in np.exp(heart.log_axes[::2].max(axis=0)))
    level = _uniform(rng, 0.8, 1.25)
    canvas = np.empty((ROWS, COLUMNS, 3), dtype=np.float32)
    canvas[:] = (
        np.array([47, 54, 65], dtype=np.float32) * np.float32(level) + (np.float32(0.7) * rough)[..., None]
    )
    top = y - minor / 2 - _uniform(rng, 14, 30)
    rim = _steps(
        y + _uniform(rng, -18, 12),
        [(x - 175, 150, -14), (x - 85, 150, top - y + 10), (x + 95, 190, _uniform(rng, -40, -15))],
    )
    rim += np.float32(3.0) * rough + np.float32(0.8) * fine
    below = Y - rim
    paint(canvas, np.float32(0.55) * smooth((below + 26) / 40), (112, 120, 134))
    warm = (_uniform(rng, 92, 118), _uniform(rng, 88, 108), _uniform(rng, 76, 98))
    paint(canvas, smooth((below + 4) / 16), _tissue(warm, rough, fine))
    skin = band(below - np.float32(13), 20) * np.clip(0.6 + 0.25 * rough + 0.2 * relief(fine), 0, 1)
    paint(canvas, np.float32(0.7) * skin, (158, 162, 172))
    paint(canvas, np.float32(0.35) * band(below - np.float32(30), 7) * np.clip(rough, 0, 1), (60, 62, 74))
    _lateral_flank(canvas, rng, x, y, minor, rough, fine, smooth(below / 10))
    _dome(
        canvas, rng, x + _uniform(rng, 195, 245), y + _uniform(rng, 45, 115), _uniform(rng, 100, 130), rough
    )
    if rng.random() < 0.7:
        black = ellipse(
            x + _uniform(rng, 220, 290), y + _uniform(rng, 240, 300), 130, 110, 22, warp=rough * 3
        )
        paint(canvas, np.float32(0.95) * black, (8, 9, 12))
    streak = band(below - np.float32(22), 8) * smooth((X - np.float32(x + _uniform(rng, 90, 150))) / 40)
    paint(canvas, np.float32(_uniform(rng, 0, 0.8)) * streak * np.clip(0.5 + rough, 0, 1), (18, 14, 16))
    _pigment(canvas, rng, int(rng.integers(1, 5)), (x - 60, y + 20, x + 150, y + 120))
    bulbus = Chamber(
        x - 0.5 * major - 32,
        y + 12 + _uniform(rng, -6, 10),
        46,
        27,
        -0.15,
        0.25,
        1.0,
        _uniform(rng, 0.5, 0.9),
    )
    atrium = Chamber(
        x + 50 + _uniform(rng, -12, 12), y - 0.42 * minor, 48, 31, -0.3, 0.12, -0.4, _uniform(rng, 0.6, 1.0)
    )
    sinus = Chamber(x + 128 + _uniform(rng, -8, 8), y - 46, 36, 23, -0.3, 0.6, -1.5, _uniform(rng, 0.6, 1.1))
    return canvas, [atrium, bulbus, sinus]


def _lateral_flank(
    canvas: Layer,
    rng: np.random.Generator,
    x: float,
    y: float,
    minor: float,
    rough: Layer,
    fine: Layer,
    body: Layer,
) -> None:
    """The heart's bag, pale muscle under it, and the darker gill cover and eye to the left."""
    side = (
        (X - np.float32(x - 95)) * np.float32(0.85) - (Y - np.float32(y + 30)) * np.float32(0.5) + rough * 4
    )
    cover = smooth(-side / 26) * smooth((Y - np.float32(y + 5)) / 40) * body
    brown = (_uniform(rng, 70, 100), _uniform(rng, 60, 80), _uniform(rng, 52, 72))
    paint(canvas, np.float32(0.8) * cover, _tissue(brown, rough, fine, 1.3))
    edge = band(side - np.float32(4), 9) * smooth((Y - np.float32(y + 20)) / 30) * body
    paint(canvas, np.float32(_uniform(rng, 0.4, 0.8)) * edge, (30, 28, 34))
    if rng.random() < 0.75:
        eye = ellipse(_uniform(rng, -40, 25), y + _uniform(rng, 95, 175), 95, 85, 26, warp=rough * 4)
        paint(canvas, np.float32(0.93) * eye * body, (8, 10, 16))
    for dx, dy, rx, ry in ((30, 34, 85, 26), (45, 95, 70, 38), (95, 48, 42, 30)):
        centre = x + dx + _uniform(rng, -18, 18), y + 0.45 * minor + dy - 20 + _uniform(rng, -6, 14)
        patch = ellipse(*centre, rx, ry, 24, -0.15, rough * 5)
        pale = _tissue(
            (_uniform(rng, 128, 158), _uniform(rng, 124, 148), _uniform(rng, 106, 130)), rough, fine, 1.3
        )
        paint(canvas, np.float32(_uniform(rng, 0.35, 0.75)) * patch * body, pale)
    bag = ellipse(x + 8, y - 4, 108, 0.62 * minor + 14, 14, -0.17, rough * 3)
    paint(canvas, np.float32(0.45) * bag * body, _tissue((112, 108, 106), rough, fine, 1.2))
    line = bag * (1 - bag) * 4 * np.clip(0.5 + 0.4 * rough, 0, 1)
    paint(canvas, np.float32(0.35) * line * body, (178, 174, 168))


def ventral(heart: Heart, rng: np.random.Generator, rough: Layer, fine: Layer) -> tuple[Layer, list[Chamber]]:
    """The animal from below: throat, chest with the heart, yolk at the bottom, fins out of focus."""
    x, y = float(heart.place[0]), float(heart.place[1])
    middle = x + _uniform(rng, 45, 75)
    canvas = np.empty((ROWS, COLUMNS, 3), dtype=np.float32)
    far = np.array([40, 50, 72], dtype=np.float32) + np.float32(rng.random()) * np.array(
        [105, 108, 115], dtype=np.float32
    )
    canvas[:] = far + (np.float32(0.8) * rough)[..., None]
    aside = np.abs(X - np.float32(middle)) + np.float32(6) * rough
    cloud = texture(rng, 20, (1.4, 0.8))
    fins = smooth((np.float32(_uniform(rng, 230, 290)) - aside) / 110) * smooth(0.5 + 0.4 * cloud)
    paint(canvas, np.float32(0.75) * fins, (142, 158, 190))
    paint(canvas, smooth((np.float32(200) - aside) / 110) * np.float32(0.6), (88, 96, 116))
    throat = smooth((150 - aside - 0.12 * (Y - 100)) / 60)
    grey = (_uniform(rng, 98, 122), _uniform(rng, 96, 112), _uniform(rng, 94, 110))
    paint(canvas, throat, _tissue(grey, rough, fine, 1.2))
    gills = band(aside - np.float32(95), 65) * smooth((np.float32(y - 60) - Y) / 60)
    paint(canvas, np.float32(0.6) * gills, _tissue((104, 76, 64), texture(rng, 12, (1.6, 0.7)), fine, 1.6))
    _chest(canvas, rng, middle, y, rough, fine)
    radius = _uniform(rng, 100, 150)
    _dome(canvas, rng, middle - _uniform(rng, 15, 60), y + _uniform(rng, 90, 125) + radius, radius, rough)
    _pigment(canvas, rng, int(rng.integers(2, 6)), (middle - 190, y - 20, middle + 170, y + 150))
    bulbus = Chamber(middle - 4, y - _uniform(rng, 112, 128), 40, 31, 1.6, 0.3, 1.0, _uniform(rng, 0.6, 1.0))
    aorta = Chamber(middle + 10, y - 215, 60, 14, 3.0, 0.6, 1.0, _uniform(rng, 0.35, 0.6))
    atrium = Chamber(middle + 20, y + _uniform(rng, 0, 22), 52, 36, 1.8, 0.08, -0.4, _uniform(rng, 0.7, 1.1))
    inflow = Chamber(middle + 28, y + 88, 50, 22, 4.0, 0.45, -1.5, _uniform(rng, 0.4, 0.8))
    vein = Chamber(middle - 130, y + 125, 50, 17, -0.5, 0.9, 0.0, _uniform(rng, 0.2, 0.6))
    return canvas, [inflow, atrium, bulbus, aorta, vein]


def _chest(
    canvas: Layer, rng: np.random.Generator, middle: float, y: float, rough: Layer, fine: Layer
) -> None:
    """The grainy bag around the heart and the yellowish cells under it."""
    half = _uniform(rng, 140, 175)
    for sign in (-1, 1):
        cells = ellipse(
            middle + sign * _uniform(rng, 80, 125),
            y + _uniform(rng, 110, 150),
            95,
            70,
            40,
            0.3 * sign,
            rough * 6,
        )
        yellow = (_uniform(rng, 138, 165), _uniform(rng, 138, 158), _uniform(rng, 98, 128))
        paint(canvas, np.float32(_uniform(rng, 0.4, 0.85)) * cells, _tissue(yellow, rough, fine, 1.7))
    bag = ellipse(middle, y + 35, half, 125, 16, 0.0, rough * 5)
    paint(canvas, np.float32(0.55) * bag, _tissue((132, 128, 122), rough, fine, 1.8))
    line = bag * (1 - bag) * 4 * np.clip(0.5 + 0.5 * rough, 0, 1)
    paint(canvas, np.float32(0.5) * line, (186, 182, 176))
    for sign in (-1, 1):
        fold = (
            X
            - np.float32(middle)
            - sign * (np.float32(half - 20) - (np.float32(y + 10) - Y) * np.float32(0.55))
            + rough * 4
        )
        dark = band(fold, 6) * smooth((np.float32(y + 20) - Y) / 40) * smooth((Y - np.float32(y - 190)) / 60)
        paint(canvas, np.float32(0.45) * dark, (66, 62, 66))
        paint(
            canvas,
            np.float32(0.35) * band(fold - np.float32(9), 7) * smooth((np.float32(y + 20) - Y) / 40),
            (172, 168, 164),
        )
