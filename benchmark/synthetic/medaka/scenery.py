"""The parts of a medaka film that do not move (body, skin, yolk, pigment), and the chambers beside the ventricle."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .brushes import (
    TINT,
    Colour,
    Layer,
    Skin,
    X,
    Y,
    band,
    box_around,
    ellipse,
    filled,
    paint,
    relief,
    smooth,
    texture,
    uniform,
)
from .heart import Heart


@dataclass(frozen=True)
class Chamber:
    """A blood space beside the ventricle: place and half axes (px) when full, share that never empties.

    ``lead`` is how many frames it runs ahead of the ventricle, ``strength`` how deep its blood is when full, ``edge``
    the width of its outline (px).
    """

    x: float
    y: float
    rx: float
    ry: float
    tilt: float
    rest: float
    lead: float
    strength: float
    edge: float = 16.0


def _steps(start: float, steps: Sequence[tuple[float, float, float]]) -> Layer:
    """A curve over x: ``start`` on the left plus smooth steps (centre, width, rise), (1, COLUMNS)."""
    curve = np.full_like(X, start)
    for centre, width, rise in steps:
        curve += np.float32(rise) * smooth((X - np.float32(centre)) / np.float32(width) + np.float32(0.5))
    return curve


def _tissue(base: Colour, skin: Skin, strength: float = 1.0) -> Layer:
    """A textured surface of one colour, (3, ROWS, COLUMNS)."""
    shade = np.float32(strength) * skin.surface
    return np.stack([np.float32(tone) + shade * np.float32(tint) for tone, tint in zip(base, TINT, strict=True)])


def _colour(rng: np.random.Generator, low: float, high: float, *parts: float) -> Colour:
    """A colour of random brightness whose red, green and blue are these ``parts`` of it, a little varied."""
    level = uniform(rng, low, high)
    red, green, blue = (level * part * uniform(rng, 0.975, 1.025) for part in parts)
    return red, green, blue


def _defocus(canvas: Layer, sigma: float) -> None:
    """Blur what has been drawn so far (half-resolution pixels): it lies above or below the plane in focus."""
    for plane in canvas:
        sharp = np.clip(plane + np.float32(0.5), 0, 255).astype(np.uint8)
        plane[:] = cv2.GaussianBlur(sharp, (0, 0), sigma)


def _pigment(canvas: Layer, rng: np.random.Generator, count: int, box: tuple[float, float, float, float]) -> None:
    """Dark pigment cells at random places in a box (left, top, right, bottom)."""
    for _ in range(count):
        x, y = uniform(rng, box[0], box[2]), uniform(rng, box[1], box[3])
        size = uniform(rng, 3.5, 8.0)
        rows, columns = box_around(x - 2 * size, y - 2 * size, x + 2 * size, y + 2 * size)
        cell = ellipse(x, y, size, size, size, grid=(X[:, columns], Y[rows]))
        paint(canvas[:, rows, columns], np.float32(uniform(rng, 0.5, 0.9)) * cell, (22, 18, 20))


def _dome(canvas: Layer, rng: np.random.Generator, x: float, y: float, radius: float, skin: Skin) -> None:
    """A pale sphere with a dark rim, bright towards the lamp: the yolk."""
    warmth = uniform(rng, 0.66, 0.98)
    bright = np.array(_colour(rng, 140, 195, 1.0, 0.5 + 0.5 * warmth, warmth), dtype=np.float32)
    dark = np.array(_colour(rng, 25, 85, 0.9, 0.93, 1.0), dtype=np.float32)
    ratio, edge = uniform(rng, 0.9, 1.05), uniform(rng, 5, 22)
    outer = ellipse(x, y, radius + edge, (radius + edge) * ratio, 2 * edge, warp=skin.rough * 3)
    paint(canvas, np.float32(uniform(rng, 0.5, 0.9)) * outer, _colour(rng, 35, 75, 1.0, 0.85, 0.72))
    swirl = np.float32(uniform(rng, 0.02, 0.08))
    height = (np.float32(y + uniform(rng, 0.4, 0.8) * radius) - Y) / np.float32(1.35 * radius)
    height = smooth(height + swirl * (skin.rough + skin.broad + skin.fibres))
    rough = np.float32(4) * skin.rough
    surface = np.stack([low + height * (high - low) + rough for low, high in zip(dark, bright, strict=True)])
    paint(canvas, ellipse(x, y, radius - 2, (radius - 2) * ratio, 5 + edge), surface)


def lateral(heart: Heart, rng: np.random.Generator, skin: Skin) -> tuple[Layer, list[Chamber]]:
    """The animal from its side: dark background above, heart under bright skin, pale dome to the right."""
    x, y = float(heart.place[0]), float(heart.place[1])
    major, minor = (round(float(size), 2) for size in np.exp(heart.log_axes[::2].max(axis=0)))
    canvas = filled(_colour(rng, 50, 84, 0.73, 0.84, 1.0))
    below = Y - _lateral_rim(rng, x, y, minor, skin)
    haze = uniform(rng, 20, 44)
    paint(canvas, np.float32(0.6) * smooth((below + np.float32(haze)) / np.float32(haze * 1.5)), (104, 110, 122))
    body = smooth((below + 4) / 16)
    flesh = _tissue(_colour(rng, 90, 124, 1.0, 0.97, 0.90), skin, uniform(rng, 0.6, 1.2))
    flesh += np.float32(uniform(rng, 0, 12)) * skin.fibres
    # Away from the heart the animal is thicker: darker towards the head and downwards.
    head = np.float32(uniform(rng, 0.0, 0.7)) * smooth((np.float32(x - 70) - X) / np.float32(uniform(rng, 150, 350)))
    down = np.float32(uniform(rng, 0.0, 0.5)) * smooth((Y - np.float32(y + 50)) / np.float32(220))
    paint(canvas, body, flesh * ((1 - head) * (1 - down)))
    _defocus(canvas, uniform(rng, 0.3, 2.5))
    _lateral_flank(canvas, rng, x, y, minor, skin, smooth(below / 10))
    glow = band(below - np.float32(12), uniform(rng, 16, 28))
    glow = glow * np.clip(0.62 + 0.2 * skin.broad + 0.12 * skin.rough + 0.12 * skin.relief, 0, 1)
    paint(canvas, np.float32(uniform(rng, 0.45, 0.8)) * glow, (160, 162, 170))
    grey = band(below - np.float32(34), 16) * np.clip(0.3 + 0.5 * skin.broad + 0.2 * skin.rough, 0, 1)
    paint(canvas, np.float32(0.6) * grey, (70, 74, 88))
    if rng.random() < 0.35:
        _dome(canvas, rng, x + uniform(rng, 190, 290), y + uniform(rng, 120, 190), uniform(rng, 90, 120), skin)
    radius = uniform(rng, 85, 130)
    _dome(canvas, rng, x + 0.42 * major + radius + uniform(rng, 0, 70), y + uniform(rng, 0, 110), radius, skin)
    if rng.random() < 0.7:
        black = ellipse(x + uniform(rng, 200, 300), y + uniform(rng, 210, 300), 130, 110, 22, warp=skin.rough * 3)
        paint(canvas, np.float32(0.95) * black, (8, 9, 12))
    streak = band(below - np.float32(22), 8) * smooth((X - np.float32(x + uniform(rng, 70, 150))) / 40)
    paint(canvas, np.float32(uniform(rng, 0, 0.9)) * streak * np.clip(0.5 + skin.rough, 0, 1), (18, 14, 16))
    _pigment(canvas, rng, int(rng.integers(1, 5)), (x - 60, y + 20, x + 150, y + 120))
    return canvas, _lateral_chambers(rng, x, y, major, minor)


def _lateral_chambers(rng: np.random.Generator, x: float, y: float, major: float, minor: float) -> list[Chamber]:
    """Atrium behind the ventricle's upper right, bulbus to its left, venous sinus at the yolk."""
    atrium = Chamber(
        *(x + uniform(rng, 15, 75), y - uniform(rng, 0.28, 0.6) * minor),
        *(uniform(rng, 38, 64), uniform(rng, 25, 40), uniform(rng, -0.6, 0.0)),
        *(uniform(rng, 0.05, 0.3), uniform(rng, -0.8, 0.2), uniform(rng, 0.6, 1.4), uniform(rng, 10, 22)),
    )
    bulbus = Chamber(
        *(x - 0.5 * major - uniform(rng, 15, 45), y + uniform(rng, 0, 25)),
        *(uniform(rng, 32, 52), uniform(rng, 20, 32), -0.15),
        *(uniform(rng, 0.1, 0.4), 1.0, uniform(rng, 0.25, 0.8)),
    )
    sinus = Chamber(
        *(x + uniform(rng, 105, 145), y - uniform(rng, 25, 60)),
        *(uniform(rng, 26, 42), uniform(rng, 16, 27), -0.3),
        *(0.6, -1.5, uniform(rng, 0.3, 1.0)),
    )
    return [atrium, bulbus, sinus]


def _lateral_rim(rng: np.random.Generator, x: float, y: float, minor: float, skin: Skin) -> Layer:
    """Height of the upper edge of the body at every pixel's column, rising to the right over the heart."""
    top = y - minor / 2 - uniform(rng, 14, 34)
    left = y + uniform(rng, -30, 14)
    steps = [(x - 175, 150, -14), (x - 85, 150, top - y + 10), (x + 95, 190, uniform(rng, -40, -10))]
    return np.asarray(_steps(left, steps) + np.float32(4) * skin.broad + np.float32(1.5) * skin.rough)


def _lateral_flank(
    canvas: Layer, rng: np.random.Generator, x: float, y: float, minor: float, skin: Skin, body: Layer
) -> None:
    """The heart's bag, pale muscle under it, and the darker gill cover and eye to the left."""
    side = (X - np.float32(x - 95)) * np.float32(0.85) - (Y - np.float32(y + 30)) * np.float32(0.5)
    side += skin.rough * 3 + skin.broad * 6
    cover = smooth(-side / 26) * smooth((Y - np.float32(y + 5)) / 40) * body
    gills = _tissue(_colour(rng, 52, 96, 1.0, 0.88, 0.80), skin, uniform(rng, 0.5, 1.1))
    paint(canvas, np.float32(uniform(rng, 0.4, 0.85)) * cover, gills)
    ruddy = cover * smooth(0.2 + 0.5 * skin.broad)
    paint(canvas, np.float32(uniform(rng, 0, 0.4)) * ruddy, (112, 66, 52))
    edge = band(side - np.float32(4), 11) * smooth((Y - np.float32(y + 20)) / 30) * body
    line = edge * np.clip(0.8 + 0.3 * skin.rough, 0, 1)
    paint(canvas, np.float32(uniform(rng, 0.2, 0.85)) * line, (28, 27, 33))
    if rng.random() < 0.8:
        centre, soft = (uniform(rng, -60, 40), y + uniform(rng, 80, 200)), uniform(rng, 25, 110)
        size = uniform(rng, 75, 150), uniform(rng, 80, 170)
        eye = ellipse(*centre, *size, soft, warp=skin.rough * 5 + skin.fibres * np.float32(0.08 * soft))
        paint(canvas, np.float32(uniform(rng, 0.75, 0.95)) * eye * body, (8, 10, 16))
    for dx, dy, rx, ry in ((30, 14, 85, 26), (45, 75, 70, 38), (95, 28, 42, 30)):
        centre = x + dx + uniform(rng, -18, 18), y + 0.45 * minor + dy + uniform(rng, -6, 14)
        patch = ellipse(*centre, rx, ry, 16, -0.15, skin.rough * 3 + skin.broad * 4)
        paint(canvas, np.float32(0.4) * band(patch - np.float32(0.3), 0.35) * body, (62, 60, 62))
        pale = _tissue(_colour(rng, 120, 164, 1.0, 0.97, 0.87), skin, 1.1)
        paint(canvas, np.float32(uniform(rng, 0.2, 0.8)) * patch * body, pale)
    bag = ellipse(x + 8, y - 4, 108, 0.62 * minor + 14, 14, -0.17, skin.rough * 3)
    clear = _tissue(_colour(rng, 92, 126, 1.0, 0.97, 0.93), skin, uniform(rng, 0.4, 1.0))
    paint(canvas, np.float32(uniform(rng, 0.4, 0.85)) * bag * body, clear)
    line = bag * (1 - bag) * 4 * np.clip(0.4 + 0.4 * skin.rough, 0, 1)
    paint(canvas, np.float32(uniform(rng, 0.1, 0.5)) * line * body, (178, 174, 168))


def ventral(heart: Heart, rng: np.random.Generator, skin: Skin) -> tuple[Layer, list[Chamber]]:
    """The animal from below: throat, chest with the heart, yolk at the bottom, fins out of focus."""
    x, y = float(heart.place[0]), float(heart.place[1])
    middle = x + uniform(rng, 45, 75)
    far = np.array([40, 50, 72], dtype=np.float32)
    canvas = filled(far + np.float32(rng.random()) * np.array([100, 104, 112], dtype=np.float32))
    aside = np.abs(X - np.float32(middle)) + np.float32(6) * skin.rough + np.float32(10) * skin.broad
    cloud = smooth(0.35 + 0.3 * texture(rng, 34) + 0.14 * skin.rough + 0.06 * skin.fine)
    fins = smooth((np.float32(uniform(rng, 250, 340)) - aside) / 130) * cloud
    paint(canvas, np.float32(0.8) * fins, (150, 164, 194))
    half = uniform(rng, 115, 190) + 75 * smooth((Y - np.float32(y - 90)) / 230)
    paint(canvas, smooth((half + 45 - aside) / 70) * np.float32(0.75), _tissue((118, 120, 134), skin))
    flesh = _tissue(_colour(rng, 80, 120, 1.0, 0.97, 0.95), skin, uniform(rng, 0.5, 1.1))
    paint(canvas, smooth((half - aside) / 60), flesh)
    gills = band(aside - np.float32(105), 70) * smooth((np.float32(y - 50) - Y) / 80)
    ridges = _tissue(_colour(rng, 62, 104, 1.0, 0.82, 0.74), skin, uniform(rng, 0.6, 1.4))
    paint(canvas, np.float32(0.75) * gills * smooth(0.65 + 0.3 * skin.broad), ridges)
    _defocus(canvas, uniform(rng, 0.5, 4.0))
    _chest(canvas, rng, middle, y, skin)
    radius = uniform(rng, 95, 160)
    _yolk(canvas, rng, middle + uniform(rng, -60, 0), y + uniform(rng, 85, 135) + radius, radius, skin)
    _pigment(canvas, rng, int(rng.integers(2, 6)), (middle - 190, y - 20, middle + 170, y + 150))
    return canvas, _ventral_chambers(canvas, rng, middle, y)


def _yolk(canvas: Layer, rng: np.random.Generator, x: float, y: float, radius: float, skin: Skin) -> None:
    """The yolk from below: lit, or in a third of the animals dark with a pale edge."""
    if rng.random() < 0.65:
        _dome(canvas, rng, x, y, radius, skin)
        return
    edge = ellipse(x, y, radius + 4, radius + 4, 12, warp=skin.rough * 3)
    paint(canvas, np.float32(uniform(rng, 0.3, 0.8)) * edge, _colour(rng, 90, 150, 1.0, 0.95, 0.88))
    dark = ellipse(x, y + 8, radius, radius, 24, warp=skin.rough * 3)
    paint(canvas, np.float32(0.95) * dark, _colour(rng, 22, 60, 0.9, 0.95, 1.0))


def _ventral_chambers(canvas: Layer, rng: np.random.Generator, middle: float, y: float) -> list[Chamber]:
    """Bulbus and aorta towards the head, atrium beside the ventricle, veins towards the tail."""
    atrium = Chamber(
        *(middle + uniform(rng, 5, 35), y + uniform(rng, -15, 40)),
        *(uniform(rng, 44, 64), uniform(rng, 30, 44), uniform(rng, 1.0, 4.0)),
        *(uniform(rng, 0.05, 0.3), uniform(rng, -0.8, 0.2), uniform(rng, 0.6, 1.4), uniform(rng, 10, 20)),
    )
    wall = ellipse(atrium.x, atrium.y, atrium.rx + 9, atrium.ry + 9, 9, atrium.tilt)
    canvas += np.float32(uniform(rng, -3.0, 14.0)) * relief(wall, 6.0)
    vein = middle + uniform(rng, 10, 40)
    return [
        Chamber(
            *(middle - 6 + uniform(rng, -14, 14), y - uniform(rng, 92, 136)),
            *(uniform(rng, 32, 46), uniform(rng, 24, 35), uniform(rng, 1.2, 4.0)),
            *(0.3, 1.0, uniform(rng, 0.4, 0.95)),
        ),
        Chamber(middle + 10, y - 215, 60, 14, 3.0, 0.6, 1.0, uniform(rng, 0.1, 0.55)),
        atrium,
        Chamber(vein, y + uniform(rng, 80, 105), 52, uniform(rng, 16, 26), 4.0, 0.45, -1.5, uniform(rng, 0.25, 0.75)),
        Chamber(middle - 130, y + 125, 50, 17, -0.5, 0.9, 0.0, uniform(rng, 0.1, 0.6)),
        Chamber(middle + 140, y + 95, 70, 14, 2.5, 0.9, 0.0, uniform(rng, 0.0, 0.5)),
    ]


def _chest(canvas: Layer, rng: np.random.Generator, middle: float, y: float, skin: Skin) -> None:
    """The grainy bag around the heart, pointed towards the head, yellowish cells under it, folds of the throat."""
    half = uniform(rng, 130, 175)
    for sign in (-1, 1):
        x, low = middle + sign * uniform(rng, 75, 130), y + uniform(rng, 95, 145)
        size = uniform(rng, 65, 110), uniform(rng, 50, 80)
        cells = ellipse(x, low, *size, uniform(rng, 14, 40), 0.3 * sign, skin.rough * 4 + skin.broad * 5)
        yellow = _tissue(_colour(rng, 136, 178, 1.0, 0.98, 0.78), skin, 1.2)
        paint(canvas, np.float32(uniform(rng, 0.3, 0.9)) * cells, yellow)
    tip = y - uniform(rng, 60, 120)
    width = np.float32(half) * np.sqrt(np.clip((Y - np.float32(tip)) / np.float32(y + 35 - tip), 0, 1)) - 12
    aside = np.abs(X - np.float32(middle)) + skin.rough * 3 + skin.broad * 5
    bag = smooth((width - aside) / 16 + np.float32(0.5)) * smooth((np.float32(y + 165) - Y) / 40)
    grainy = _tissue(_colour(rng, 112, 146, 1.0, 0.98, 0.92), skin, uniform(rng, 0.4, 1.0))
    paint(canvas, np.float32(uniform(rng, 0.55, 0.95)) * bag, grainy)
    line = bag * (1 - bag) * 4 * np.clip(0.4 + 0.4 * skin.rough, 0, 1)
    paint(canvas, np.float32(uniform(rng, 0.0, 0.4)) * line, (186, 182, 176))
    canvas += np.float32(uniform(rng, 0.0, 14.0)) * relief(bag, 8.0)
    upper = smooth((np.float32(y + 20) - Y) / 40) * smooth((Y - np.float32(y - 200)) / 60)
    for sign in (-1, 1):
        edge = np.float32(half - 20) - (np.float32(y + 10) - Y) * np.float32(0.55)
        fold = X - np.float32(middle) - sign * edge + skin.rough * 3 + skin.broad * 4
        paint(canvas, np.float32(uniform(rng, 0.1, 0.45)) * band(fold, 7) * upper, (66, 62, 66))
        paint(canvas, np.float32(uniform(rng, 0.1, 0.4)) * band(fold - np.float32(10), 9) * upper, (172, 168, 166))
