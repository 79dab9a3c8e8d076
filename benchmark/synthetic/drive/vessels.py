"""Vessels of a synthetic retina: trees that leave the optic disc in four arcades, branch, curve round the macula, end.

Arteries and veins are grown apart, the widest first, and avoid vessels of their own kind. Widths at a branching keep
the sum of their cubes, and the angles are those of least volume (Murray's law). Lengths are pixels of the real images,
584 x 565, whatever the size painted. Only arithmetic that gives the same bits on every processor decides what is drawn.

Reference
---------
Murray, Journal of General Physiology 9(6):835-841 (1926), for widths and angles at a branching.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..painting.scenes import Mask, uniform

HEIGHT, WIDTH = 584, 565
_STEP, _CELL, _THINNEST = 3.0, 6, 1.0
_FINE, _SHIFT = 4, 4
_MISSED = 0.2
_THIN = 2.2
"""Widths in pixels below which a second observer may miss a branch."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Eye:
    """Where things are in an image: centre of the field of view, optic disc and fovea; `temporal` is the side, ±1."""

    centre: Point
    disc: Point
    fovea: Point
    temporal: int
    radius: float = 270.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Eye:
        """A left or a right eye, looked at a little from above, below or the side."""
        x, y = WIDTH / 2 + uniform(rng, -4, 4), HEIGHT / 2 + uniform(rng, -4, 4)
        temporal = 1 if rng.random() < 0.5 else -1
        disc = x - temporal * uniform(rng, 145, 180), y + uniform(rng, -25, 25)
        fovea = disc[0] + temporal * uniform(rng, 175, 200), disc[1] + uniform(rng, 4, 22)
        return cls((x, y), disc, fovea, temporal)


@dataclass(frozen=True)
class Vessel:
    """One branch: its centreline, points (n, 2) as x, y, and its width at each, (n,)."""

    points: NDArray[np.float64]
    widths: NDArray[np.float64]
    vein: bool


@dataclass
class _Tip:
    """Where a vessel begins, in which direction (a unit vector), and how wide; `opening` only of an arcade's trunk."""

    at: Point
    heading: Point
    width: float
    vein: bool
    up: int
    opening: float = 0.0


def grow(rng: np.random.Generator, eye: Eye) -> list[Vessel]:
    """All vessels of a retina, the widest first."""
    taken = np.zeros((2, HEIGHT // _CELL + 20, WIDTH // _CELL + 20), dtype=np.int32)
    waiting = [(-tip.width, number, tip) for number, tip in enumerate(_trunks(rng, eye))]
    heapq.heapify(waiting)
    vessels: list[Vessel] = []
    number = len(waiting)
    while waiting:
        _, _, tip = heapq.heappop(waiting)
        vessel, branches = _grown(rng, eye, tip, taken[int(tip.vein)])
        if len(vessel.points) > 3:
            vessels.append(vessel)
        for branch in branches:
            heapq.heappush(waiting, (-branch.width, number, branch))
            number += 1
    return vessels


def _trunks(rng: np.random.Generator, eye: Eye) -> list[_Tip]:
    """An artery and a vein for each of four arcades: temporal and nasal, up and down."""
    tips = []
    for up in (-1, 1):
        for vein in (False, True):
            for nasal in (False, True):
                width = uniform(rng, 3.4, 4.8) if nasal else uniform(rng, 6.4, 8.0)
                width *= 1.0 if vein else 0.74
                x = eye.disc[0] - eye.temporal * uniform(rng, 0, 10)
                start = x, eye.disc[1] + up * uniform(rng, 0, 7)
                side = -uniform(rng, 0.5, 1.3) if nasal else uniform(rng, -0.15, 0.2)
                opening = 0.0 if nasal else uniform(rng, 85, 110) if vein else uniform(rng, 115, 140)
                tips.append(_Tip(start, _unit(eye.temporal * side, float(up)), round(width, 3), vein, up, opening))
    return tips


def _grown(rng: np.random.Generator, eye: Eye, tip: _Tip, taken: NDArray[np.int32]) -> tuple[Vessel, list[_Tip]]:
    """Grow a vessel from its tip to its end, and note where branches leave it."""
    (x, y), heading, width = tip.at, tip.heading, tip.width
    points, widths, branches = [(x, y)], [width], []
    turn, side, until = 0.0, 1 if rng.random() < 0.5 else -1, _spacing(rng, width)
    life = uniform(rng, 25, 80) if width < 1.4 else 1e9
    drift = 0.0021 if tip.vein else 0.0017
    travelled = 0.0
    while width >= _THINNEST and travelled < life:
        turn = 0.9 * turn + drift * uniform(rng, -9, 9)
        pulled = _guided(eye, tip, (x, y), heading)
        crowd = 0.0 if travelled < 15 else _crowd(taken, (x, y), heading)
        back = heading[0] * tip.heading[0] + heading[1] * tip.heading[1] < -0.1
        if (crowd > 1 and width < 3) or (back and not tip.opening):
            break
        bent = turn + pulled + (0.0 if abs(crowd) > 1 else 0.12 * crowd)
        heading = _unit(heading[0] - bent * heading[1], heading[1] + bent * heading[0])
        x, y = x + _STEP * heading[0], y + _STEP * heading[1]
        if _far(x, y, eye.centre) > eye.radius + 6 or _far(x, y, eye.fovea) < 24:
            break
        travelled += _STEP
        width = round(width * 0.9982, 4)
        points.append((x, y))
        widths.append(width)
        if travelled >= until and width > 1.45:
            width, branch, heading = _branched(rng, tip, (x, y), heading, width, side)
            branches.append(branch)
            side = -side if rng.random() < 0.75 else side
            until = travelled + _spacing(rng, width)
            life = travelled + uniform(rng, 25, 80) if width < 1.4 else life
    for px, py in points[4:]:
        taken[int(py) // _CELL + 10, int(px) // _CELL + 10] += 1
    return Vessel(np.array(points), np.array(widths), tip.vein), branches


def _spacing(rng: np.random.Generator, width: float) -> float:
    return uniform(rng, 0.5, 1.5) * (30 + 4.5 * width)


def _branched(
    rng: np.random.Generator, tip: _Tip, at: Point, heading: Point, width: float, side: int
) -> tuple[float, _Tip, Point]:
    """Width after a branching, the branch that leaves there, and the direction of what goes on."""
    low, high = (0.33, 0.62) if tip.opening else (0.5, 0.82)
    # Rounded, so that a last bit in which one machine's roots differ from another's decides nothing.
    small = round(max(_THINNEST + 0.05, width * uniform(rng, low, high)), 3)
    large = round(max(width**3 - small**3, 1.0) ** (1 / 3), 3)
    a, b, c = width * width, large * large, small * small
    ahead, aside = (a * a + b * b - c * c) / (2 * a * b), (a * a + c * c - b * b) / (2 * a * c)
    aside = min(0.94, aside + uniform(rng, -0.1, 0.3))
    # The trunk of an arcade hardly turns: it is held to its course.
    ahead = 1.0 if tip.opening else min(1.0, ahead)
    branch = _Tip(at, _turned(heading, aside, side), small, tip.vein, tip.up)
    return large, branch, _turned(heading, ahead, -side)


def _guided(eye: Eye, tip: _Tip, at: Point, heading: Point) -> float:
    """How much to turn towards the usual course: a parabola for an arcade, away from disc and fovea for the others."""
    across, down = eye.temporal * (at[0] - eye.disc[0]), tip.up * (at[1] - eye.disc[1])
    if tip.opening:
        off = (across - down * down / tip.opening) / 40
        course = _unit(2 * max(down, 0.0) / tip.opening - off, 1 + off * min(1.0, 2 * max(down, 0.0) / tip.opening))
        wanted, strength = (eye.temporal * course[0], tip.up * course[1]), 0.13
    else:
        wanted, strength = _unit(at[0] - eye.disc[0], at[1] - eye.disc[1]), 0.022
        near = _far(*at, eye.fovea)
        if near < 80:
            away = _unit(at[0] - eye.fovea[0], at[1] - eye.fovea[1])
            strength = 0.0016 * (80 - near)
            wanted = away
    return strength * (heading[0] * wanted[1] - heading[1] * wanted[0])


def _crowd(taken: NDArray[np.int32], at: Point, heading: Point) -> float:
    """Where there is room ahead: 0 straight on, ±1 to one side, 2 nowhere."""
    free = []
    for side in (0.0, 0.7, -0.7):
        way = _unit(heading[0] - side * heading[1], heading[1] + side * heading[0])
        row, column = (int(at[axis] + 21 * way[axis]) // _CELL + 10 for axis in (1, 0))
        free.append(not taken[row - 1 : row + 2, column - 1 : column + 2].any())
    if free[0]:
        return 0.0
    return 1.0 if free[1] else -1.0 if free[2] else 2.0


def _unit(x: float, y: float) -> Point:
    length = max(1e-6, math.sqrt(x * x + y * y))
    return x / length, y / length


def _turned(heading: Point, cosine: float, side: int) -> Point:
    sine = side * math.sqrt(max(0.0, 1 - cosine * cosine))
    return _unit(heading[0] * cosine - heading[1] * sine, heading[1] * cosine + heading[0] * sine)


def _far(x: float, y: float, from_point: Point) -> float:
    return math.sqrt((x - from_point[0]) ** 2 + (y - from_point[1]) ** 2)


def second_look(rng: np.random.Generator, vessels: list[Vessel], pixel: float) -> list[Vessel]:
    """The same vessels as another observer draws them: a fifth of the thinnest missed, widths and places a little off.

    `pixel` is the side of a painted pixel, in pixels of the real images; widths are off by up to 1.2 of them.
    """
    seen = []
    for vessel in vessels:
        if vessel.widths[0] < _THIN and rng.random() < _MISSED:
            continue
        begin, end = ((rng.random(2) - 0.5) * 2.4 * pixel).tolist()
        off = np.linspace(begin, end, len(vessel.widths))
        aside = (rng.random(2) - 0.5) * 1.2
        seen.append(Vessel(vessel.points + aside, np.maximum(_THINNEST, vessel.widths + off), vessel.vein))
    return seen


def drawn(vessels: list[Vessel], height: int, width: int) -> Mask:
    """What an observer outlines, (height, width): 255 where half a pixel is vessel, and on every centreline."""
    scale = height / HEIGHT
    labels = np.where(covered(vessels, height, width, [255] * len(vessels)) >= 128, np.uint8(255), np.uint8(0))
    for vessel in vessels:
        line = np.round((vessel.points * scale - 0.5) * (1 << _SHIFT)).astype(np.int32)
        cv2.polylines(labels, [line], False, 255, 1, cv2.LINE_8, _SHIFT)
    return labels


def covered(vessels: list[Vessel], height: int, width: int, tones: list[int], part: float = 1.0) -> Mask:
    """Vessels painted with a tone each, 0 elsewhere, (height, width); `part` of their widths.

    Painted `_FINE` times as large, the widest last, and averaged: smooth edges that are the same on every machine.
    """
    large = np.zeros((_FINE * height, _FINE * width), dtype=np.uint8)
    scale = _FINE * height / HEIGHT
    for vessel, tone in sorted(zip(vessels, tones, strict=True), key=lambda pair: float(pair[0].widths[0])):
        line = np.round((vessel.points * scale - 0.5) * (1 << _SHIFT)).astype(np.int32)
        thick = np.maximum(1, np.round(vessel.widths * scale * part)).astype(np.int64).tolist()
        for a, b, wide in zip(line[:-1].tolist(), line[1:].tolist(), thick[1:], strict=True):
            cv2.line(large, a, b, tone, wide, cv2.LINE_8, _SHIFT)
    sums = large.reshape(height, _FINE, width, _FINE).sum(axis=(1, 3), dtype=np.int32)
    return np.asarray(sums // (_FINE * _FINE), dtype=np.uint8)
