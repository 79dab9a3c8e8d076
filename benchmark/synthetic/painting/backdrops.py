"""Backdrops of scenes, all of one label: street, field, sky, water, room and railway.

Each function paints the whole canvas and returns the row of the horizon, where the ground begins.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .scenes import Canvas, Look, Mask, look, profile, skyline, uniform

_BACKGROUND = 0

_SKIES = look("9cbde0 b8c8d8 d4d8dc 7ea8dc e8d4c0", "cloud", 10, 1.5)
_TREES = look("3e5c30 4f6a38 2f4a2c 6a6a3a", "leaf", 22)
_HILLS = look("7c8a78 8a94a0 6c7c5c", "cloud", 9)
_HOUSES = look("b49c84 9a5c48 c8c0b0 8c8a88", "window", 20, 0.8)
_WALLS = look("d8cdb8 b8c4c8 c8b0a0 a8b89c e4e0d8 9c8478", "smooth", 5)
_PAPERS = look("c8b89c a0a8b0 b89088", "stripe", 7)
_BRICKS = look("a06048 b88868", "brick", 14)
_ROADS = look("74747a 86827c 66666c", "grain", 7)
_PAVING = look("a8a29a 98908a", "slab", 9)
_MEADOWS = look("6c8a3c 5a7a34 90904a 7a9c50", "grass", 16)
_SEAS = look("48708c 5c8694 3c5c6c 6c94a8", "wave", 13)
_FLOORS = (
    look("a87c50 8a6038 c09c70", "board", 14),
    look("c8c0b0 a09c94", "tile", 11, 1.5),
    look("8c5a50 5c6a7c a89c84", "grain", 9),
)
_GRAVEL = look("8c8478 7a746c", "pebble", 15)
_WOODEN = look("6c4a30 8a6848 4a3a30", "board", 12)
_FRAMED = look("a86a4a 4a6a8a 7a8a4a d0c8b8", "cloud", 22, 0.4)
_CURTAINS = look("a88c78 788ca0 8c5c5c", "fold", 14)


def _whole(canvas: Canvas) -> Mask:
    return np.full((canvas.height, canvas.width), 255, dtype=np.uint8)


def _sky(canvas: Canvas) -> None:
    canvas.stuff(_whole(canvas), _SKIES, _BACKGROUND, fade=-uniform(canvas.rng, 0, 50))


def _ridge(canvas: Canvas, surface: Look, level: float, rise: float, knots: int) -> None:
    canvas.stuff(canvas.below(profile(canvas.rng, canvas.width, level, rise, knots)), surface, _BACKGROUND)


def _ground(canvas: Canvas, surface: Look, level: float, depth: float, rise: float = 1.0) -> None:
    line = profile(canvas.rng, canvas.width, level, rise * canvas.unit, 6)
    canvas.stuff(canvas.below(line), surface, _BACKGROUND, depth=depth)


def street(canvas: Canvas) -> float:
    """Houses or trees behind a pavement and a road."""
    rng, height = canvas.rng, canvas.height
    horizon = height * uniform(rng, 0.38, 0.58)
    _sky(canvas)
    if rng.random() < 0.7:
        line = skyline(rng, canvas.width, horizon - height * uniform(rng, 0.15, 0.4), 0.14 * height, 4)
        canvas.stuff(canvas.below(line), _HOUSES, _BACKGROUND)
    if rng.random() < 0.6:
        _ridge(canvas, _TREES, horizon - height * uniform(rng, 0.05, 0.2), 0.09 * height, 14)
    _ground(canvas, _PAVING, horizon, 5)
    _ground(canvas, _ROADS, horizon + height * uniform(rng, 0.03, 0.15), 5)
    return horizon


def field(canvas: Canvas) -> float:
    """Grass before trees and hills."""
    rng, height = canvas.rng, canvas.height
    horizon = height * uniform(rng, 0.28, 0.5)
    _sky(canvas)
    if rng.random() < 0.5:
        _ridge(canvas, _HILLS, horizon - 0.08 * height, 0.07 * height, 5)
    if rng.random() < 0.8:
        _ridge(canvas, _TREES, horizon - height * uniform(rng, 0.02, 0.2), 0.06 * height, 16)
    _ground(canvas, _MEADOWS, horizon, 6, 3)
    if rng.random() < 0.25:
        _ground(canvas, _GRAVEL, horizon + height * uniform(rng, 0.2, 0.4), 3, 8)
    return horizon


def sky(canvas: Canvas) -> float:
    """Mostly sky, with little or no ground."""
    rng, height = canvas.rng, canvas.height
    _sky(canvas)
    if rng.random() < 0.5:
        return float(height)
    horizon = height * uniform(rng, 0.75, 0.92)
    _ridge(canvas, (_TREES, _HILLS)[int(rng.integers(2))], horizon - 0.05 * height, 0.04 * height, 12)
    _ground(canvas, (_MEADOWS, _ROADS)[int(rng.integers(2))], horizon, 4)
    return horizon


def water(canvas: Canvas) -> float:
    """A sea or lake, sometimes with a far shore."""
    rng, height = canvas.rng, canvas.height
    horizon = height * uniform(rng, 0.3, 0.55)
    _sky(canvas)
    if rng.random() < 0.6:
        _ridge(canvas, (_HILLS, _TREES)[int(rng.integers(2))], horizon - 0.06 * height, 0.05 * height, 9)
    _ground(canvas, _SEAS, horizon, 6, 0)
    return horizon


def room(canvas: Canvas) -> float:
    """A wall with pictures, a window or a cupboard, and a floor."""
    rng, height, width = canvas.rng, canvas.height, canvas.width
    horizon = height * uniform(rng, 0.45, 0.66)
    wall = (_WALLS, _WALLS, _PAPERS, _BRICKS)[int(rng.integers(4))]
    canvas.stuff(_whole(canvas), wall, _BACKGROUND, fade=uniform(rng, -10, 20))
    for _ in range(int(rng.integers(0, 4))):
        x, y = uniform(rng, 0, 0.85) * width, uniform(rng, 0.02, 0.3) * height
        w, h = uniform(rng, 0.1, 0.3) * width, uniform(rng, 0.1, 0.3) * height
        surface = (_FRAMED, _SKIES, _CURTAINS)[int(rng.integers(3))]
        for grow, cover in ((0.02 * width, _WOODEN), (0.0, surface)):
            corners = [
                (x - grow, y - grow),
                (x + w + grow, y - grow),
                (x + w + grow, y + h + grow),
                (x - grow, y + h + grow),
            ]
            canvas.stuff(canvas.polygon(corners), cover, _BACKGROUND)
    if rng.random() < 0.4:
        x, w, top = uniform(rng, -0.1, 0.8) * width, uniform(rng, 0.2, 0.4) * width, uniform(rng, 0.1, 0.4) * height
        foot = horizon + 0.03 * height
        canvas.stuff(canvas.polygon([(x, top), (x + w, top), (x + w, foot), (x, foot)]), _WOODEN, _BACKGROUND)
    _ground(canvas, _FLOORS[int(rng.integers(len(_FLOORS)))], horizon, 3, 0)
    return horizon


def rail(canvas: Canvas) -> float:
    """A railway between trees or houses."""
    rng, height = canvas.rng, canvas.height
    horizon = height * uniform(rng, 0.4, 0.58)
    _sky(canvas)
    if rng.random() < 0.4:
        line = skyline(rng, canvas.width, horizon - 0.22 * height, 0.1 * height, 4)
        canvas.stuff(canvas.below(line), _HOUSES, _BACKGROUND)
    _ridge(canvas, _TREES, horizon - 0.1 * height, 0.08 * height, 12)
    _ground(canvas, _MEADOWS, horizon, 5)
    _ground(canvas, _GRAVEL, horizon + 0.08 * height, 5)
    return horizon


BACKDROPS: dict[str, Callable[[Canvas], float]] = {
    "street": street,
    "field": field,
    "sky": sky,
    "water": water,
    "room": room,
    "rail": rail,
}
