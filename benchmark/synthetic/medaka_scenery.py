"""What keeps still in a medaka film (body, skin, yolk, pigment), and the chambers beside the ventricle.

Only operations that give the same bits on every processor are used, here and in the renderer: elementwise
arithmetic, 8-bit blurs, exact resizing. That is why textures are normalised with integer sums.
"""

import math
from collections.abc import Sequence
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


def relief(rough: Layer, gain: float) -> Layer:
    """Oblique light on a rough surface, as in interference contrast: mean 0, sd near 1 if ``gain`` fits."""
    slope = np.zeros_like(rough)
    slope[1:, 1:] = rough[1:, 1:] - rough[:-1, :-1]
    return np.asarray(np.clip(slope * np.float32(gain), -3, 3))


class Skin:
    """The textures of one animal, (ROWS, COLUMNS) each: tones, lumps, grains, their relief, and folds."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.broad, self.rough, self.fine = texture(rng, 44), texture(rng, 13), texture(rng, 5)
        grain, crease = texture(rng, 2.4), texture(rng, 26)
        patchy = smooth(0.55 + 0.35 * texture(rng, 30))
        self.relief = (relief(self.rough, 2.5) * np.float32(0.6) + relief(self.fine, 1.6)) * (0.35 + patchy)
        self.relief += relief(grain, 0.7) * (1 - np.float32(0.6) * patchy)
        # Folds and cell borders follow a contour line of a texture: dark on one side, bright on the other.
        where = smooth(0.3 + 0.5 * self.broad + 0.3 * self.rough)
        self.folds = (band(crease - np.float32(0.05), 0.10) - band(crease + np.float32(0.09), 0.10)) * where


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


def _steps(start: float, steps: Sequence[tuple[float, float, float]]) -> Layer:
    """A curve over x: ``start`` on the left plus smooth steps (centre, width, rise), (ROWS, COLUMNS)."""
    curve = np.full_like(X, start)
    for centre, width, rise in steps:
        curve += np.float32(rise) * smooth((X - np.float32(centre)) / np.float32(width) + np.float32(0.5))
    return curve


def _tissue(base: tuple[float, float, float], skin: Skin, strength: float = 1.0) -> Layer:
    """A textured surface of one colour, (ROWS, COLUMNS, 3)."""
    shade = np.float32(12) * skin.broad + np.float32(7) * skin.rough + np.float32(3.5) * skin.fine
    shade = np.float32(strength) * (shade + np.float32(9) * skin.relief + np.float32(24) * skin.folds)
    tint = np.array([1.0, 0.97, 0.93], dtype=np.float32)
    return np.asarray(np.array(base, dtype=np.float32) + shade[..., None] * tint)


def _colour(rng: np.random.Generator, low: float, high: float, *parts: float) -> tuple[float, float, float]:
    """A colour of random brightness whose red, green and blue are these ``parts`` of it, a little varied."""
    level = _uniform(rng, low, high)
    red, green, blue = (level * part * _uniform(rng, 0.975, 1.025) for part in parts)
    return red, green, blue


def _pigment(canvas: Layer, rng: np.random.Generator, count: int, box: tuple[float, float, float, float]) -> None:
    """Dark pigment cells at random places in a box (left, top, right, bottom)."""
    for _ in range(count):
        x, y = _uniform(rng, box[0], box[2]), _uniform(rng, box[1], box[3])
        size = _uniform(rng, 3.5, 8.0)
        paint(canvas, np.float32(_uniform(rng, 0.5, 0.9)) * ellipse(x, y, size, size, size), (22, 18, 20))


def _dome(canvas: Layer, rng: np.random.Generator, x: float, y: float, radius: float, rough: Layer) -> None:
    """A pale sphere with a dark rim, bright towards the lamp: lens-like sideways, yolk from below."""
    warmth = _uniform(rng, 0.66, 0.98)
    bright = np.array(_colour(rng, 150, 195, 1.0, 0.5 + 0.5 * warmth, warmth), dtype=np.float32)
    dark = np.array(_colour(rng, 30, 85, 0.9, 0.93, 1.0), dtype=np.float32)
    ratio, edge = _uniform(rng, 0.9, 1.05), _uniform(rng, 5, 16)
    outer = ellipse(x, y, radius + edge, (radius + edge) * ratio, 2 * edge, warp=rough * 3)
    paint(canvas, np.float32(_uniform(rng, 0.5, 0.9)) * outer, _colour(rng, 45, 75, 1.0, 0.85, 0.72))
    height = smooth((np.float32(y + 0.75 * radius) - Y) / np.float32(1.35 * radius) + np.float32(0.08) * rough)
    surface = dark + height[..., None] * (bright - dark) + (np.float32(4) * rough)[..., None]
    paint(canvas, ellipse(x, y, radius - 2, (radius - 2) * ratio, 5 + edge), surface)


def lateral(heart: Heart, rng: np.random.Generator, skin: Skin) -> tuple[Layer, list[Chamber]]:
    """The animal from its side: dark background above, heart under bright skin, pale dome to the right."""
    x, y = float(heart.place[0]), float(heart.place[1])
    major, minor = (round(float(size), 2) for size in np.exp(heart.log_axes[::2].max(axis=0)))
    canvas = np.empty((ROWS, COLUMNS, 3), dtype=np.float32)
    canvas[:] = np.array(_colour(rng, 46, 72, 0.73, 0.84, 1.0), dtype=np.float32)
    below = Y - _lateral_rim(rng, x, y, minor, skin)
    haze = _uniform(rng, 20, 44)
    paint(canvas, np.float32(0.6) * smooth((below + np.float32(haze)) / np.float32(haze * 1.5)), (104, 110, 122))
    body = smooth((below + 4) / 16)
    paint(canvas, body, _tissue(_colour(rng, 100, 126, 1.0, 0.97, 0.90), skin, 1.2))
    _lateral_flank(canvas, rng, x, y, minor, skin, smooth(below / 10))
    glow = band(below - np.float32(12), _uniform(rng, 16, 28))
    glow = glow * np.clip(0.62 + 0.2 * skin.broad + 0.12 * skin.rough + 0.12 * skin.relief, 0, 1)
    paint(canvas, np.float32(0.8) * glow, (160, 162, 170))
    grey = band(below - np.float32(34), 16) * np.clip(0.3 + 0.5 * skin.broad + 0.2 * skin.rough, 0, 1)
    paint(canvas, np.float32(0.6) * grey, (70, 74, 88))
    _dome(
        canvas,
        rng,
        x + _uniform(rng, 195, 245),
        y + _uniform(rng, 45, 115),
        _uniform(rng, 100, 130),
        skin.rough,
    )
    if rng.random() < 0.7:
        black = ellipse(x + _uniform(rng, 220, 290), y + _uniform(rng, 240, 300), 130, 110, 22, warp=skin.rough * 3)
        paint(canvas, np.float32(0.95) * black, (8, 9, 12))
    streak = band(below - np.float32(22), 8) * smooth((X - np.float32(x + _uniform(rng, 90, 150))) / 40)
    paint(canvas, np.float32(_uniform(rng, 0, 0.8)) * streak * np.clip(0.5 + skin.rough, 0, 1), (18, 14, 16))
    _pigment(canvas, rng, int(rng.integers(1, 5)), (x - 60, y + 20, x + 150, y + 120))
    return canvas, [
        Chamber(
            x + 50 + _uniform(rng, -12, 12),
            y - 0.42 * minor,
            48,
            31,
            -0.3,
            0.12,
            -0.4,
            _uniform(rng, 0.5, 0.9),
        ),
        Chamber(
            x - 0.5 * major - 32,
            y + _uniform(rng, 6, 22),
            46,
            27,
            -0.15,
            0.25,
            1.0,
            _uniform(rng, 0.35, 0.75),
        ),
        Chamber(x + _uniform(rng, 120, 136), y - 46, 36, 23, -0.3, 0.6, -1.5, _uniform(rng, 0.5, 1.0)),
    ]


def _lateral_rim(rng: np.random.Generator, x: float, y: float, minor: float, skin: Skin) -> Layer:
    """Height of the upper edge of the body at every pixel's column, rising to the right over the heart."""
    top = y - minor / 2 - _uniform(rng, 14, 30)
    left = y + _uniform(rng, -18, 12)
    steps = [(x - 175, 150, -14), (x - 85, 150, top - y + 10), (x + 95, 190, _uniform(rng, -40, -15))]
    return np.asarray(_steps(left, steps) + np.float32(4) * skin.broad + np.float32(1.5) * skin.rough)


def _lateral_flank(
    canvas: Layer, rng: np.random.Generator, x: float, y: float, minor: float, skin: Skin, body: Layer
) -> None:
    """The heart's bag, pale muscle under it, and the darker gill cover and eye to the left."""
    side = (X - np.float32(x - 95)) * np.float32(0.85) - (Y - np.float32(y + 30)) * np.float32(0.5)
    side += skin.rough * 3 + skin.broad * 6
    cover = smooth(-side / 26) * smooth((Y - np.float32(y + 5)) / 40) * body
    paint(canvas, np.float32(0.85) * cover, _tissue(_colour(rng, 72, 100, 1.0, 0.88, 0.80), skin, 1.1))
    ruddy = cover * smooth(0.2 + 0.5 * skin.broad)
    paint(canvas, np.float32(_uniform(rng, 0, 0.4)) * ruddy, (112, 66, 52))
    edge = band(side - np.float32(4), 11) * smooth((Y - np.float32(y + 20)) / 30) * body
    paint(
        canvas,
        np.float32(_uniform(rng, 0.4, 0.85)) * edge * np.clip(0.8 + 0.3 * skin.rough, 0, 1),
        (28, 27, 33),
    )
    if rng.random() < 0.75:
        eye = ellipse(_uniform(rng, -40, 25), y + _uniform(rng, 95, 175), 95, 85, 40, warp=skin.rough * 5)
        paint(canvas, np.float32(0.93) * eye * body, (8, 10, 16))
    for dx, dy, rx, ry in ((30, 14, 85, 26), (45, 75, 70, 38), (95, 28, 42, 30)):
        centre = x + dx + _uniform(rng, -18, 18), y + 0.45 * minor + dy + _uniform(rng, -6, 14)
        patch = ellipse(*centre, rx, ry, 16, -0.15, skin.rough * 3 + skin.broad * 4)
        paint(canvas, np.float32(0.4) * band(patch - np.float32(0.3), 0.35) * body, (62, 60, 62))
        pale = _tissue(_colour(rng, 132, 164, 1.0, 0.97, 0.87), skin, 1.1)
        paint(canvas, np.float32(_uniform(rng, 0.4, 0.8)) * patch * body, pale)
    bag = ellipse(x + 8, y - 4, 108, 0.62 * minor + 14, 14, -0.17, skin.rough * 3)
    paint(canvas, np.float32(0.5) * bag * body, _tissue((116, 112, 108), skin, 1.1))
    line = bag * (1 - bag) * 4 * np.clip(0.4 + 0.4 * skin.rough, 0, 1)
    paint(canvas, np.float32(0.4) * line * body, (178, 174, 168))


def ventral(heart: Heart, rng: np.random.Generator, skin: Skin) -> tuple[Layer, list[Chamber]]:
    """The animal from below: throat, chest with the heart, yolk at the bottom, fins out of focus."""
    x, y = float(heart.place[0]), float(heart.place[1])
    middle = x + _uniform(rng, 45, 75)
    canvas = np.empty((ROWS, COLUMNS, 3), dtype=np.float32)
    far = np.array([40, 50, 72], dtype=np.float32)
    canvas[:] = far + np.float32(rng.random()) * np.array([100, 104, 112], dtype=np.float32)
    aside = np.abs(X - np.float32(middle)) + np.float32(6) * skin.rough + np.float32(10) * skin.broad
    cloud = smooth(0.35 + 0.3 * texture(rng, 34) + 0.14 * skin.rough + 0.06 * skin.fine)
    fins = smooth((np.float32(_uniform(rng, 250, 320)) - aside) / 130) * cloud
    paint(canvas, np.float32(0.8) * fins, (150, 164, 194))
    half = 128 + _uniform(rng, -10, 25) + 75 * smooth((Y - np.float32(y - 90)) / 230)
    paint(canvas, smooth((half + 45 - aside) / 70) * np.float32(0.75), _tissue((118, 120, 134), skin))
    paint(canvas, smooth((half - aside) / 60), _tissue(_colour(rng, 104, 124, 1.0, 0.97, 0.95), skin, 1.1))
    gills = band(aside - np.float32(105), 70) * smooth((np.float32(y - 50) - Y) / 80)
    paint(canvas, np.float32(0.75) * gills * smooth(0.65 + 0.3 * skin.broad), _tissue((100, 78, 68), skin, 1.4))
    _chest(canvas, rng, middle, y, skin)
    radius = _uniform(rng, 100, 150)
    _dome(canvas, rng, middle - _uniform(rng, 15, 60), y + _uniform(rng, 95, 130) + radius, radius, skin.rough)
    _pigment(canvas, rng, int(rng.integers(2, 6)), (middle - 190, y - 20, middle + 170, y + 150))
    return canvas, [
        Chamber(middle - 4, y - _uniform(rng, 112, 128), 40, 31, 1.6, 0.3, 1.0, _uniform(rng, 0.5, 0.9)),
        Chamber(middle + 10, y - 215, 60, 14, 3.0, 0.6, 1.0, _uniform(rng, 0.3, 0.55)),
        Chamber(middle + 20, y + _uniform(rng, 0, 22), 52, 36, 1.8, 0.08, -0.4, _uniform(rng, 0.55, 0.95)),
        Chamber(middle + 28, y + 88, 50, 22, 4.0, 0.45, -1.5, _uniform(rng, 0.35, 0.7)),
        Chamber(middle - 130, y + 125, 50, 17, -0.5, 0.9, 0.0, _uniform(rng, 0.2, 0.6)),
        Chamber(middle + 140, y + 95, 70, 14, 2.5, 0.9, 0.0, _uniform(rng, 0.0, 0.5)),
    ]


def _chest(canvas: Layer, rng: np.random.Generator, middle: float, y: float, skin: Skin) -> None:
    """The grainy bag around the heart, the yellowish cells under it and the folds beside the throat."""
    half = _uniform(rng, 140, 175)
    for sign in (-1, 1):
        x, low = middle + sign * _uniform(rng, 85, 130), y + _uniform(rng, 110, 145)
        cells = ellipse(x, low, 100, 75, 30, 0.3 * sign, skin.rough * 4 + skin.broad * 5)
        yellow = _tissue(_colour(rng, 140, 172, 1.0, 0.98, 0.78), skin, 1.2)
        paint(canvas, np.float32(_uniform(rng, 0.4, 0.9)) * cells, yellow)
    bag = ellipse(middle, y + 35, half, 128, 16, 0.0, skin.rough * 3 + skin.broad * 5)
    paint(canvas, np.float32(0.6) * bag, _tissue((136, 133, 126), skin, 1.4))
    line = bag * (1 - bag) * 4 * np.clip(0.4 + 0.4 * skin.rough, 0, 1)
    paint(canvas, np.float32(0.5) * line, (186, 182, 176))
    upper = smooth((np.float32(y + 20) - Y) / 40) * smooth((Y - np.float32(y - 200)) / 60)
    for sign in (-1, 1):
        edge = np.float32(half - 20) - (np.float32(y + 10) - Y) * np.float32(0.55)
        fold = X - np.float32(middle) - sign * edge + skin.rough * 3 + skin.broad * 4
        paint(canvas, np.float32(0.45) * band(fold, 7) * upper, (66, 62, 66))
        paint(canvas, np.float32(0.4) * band(fold - np.float32(10), 9) * upper, (172, 168, 166))
