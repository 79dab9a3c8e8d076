"""Pieces that outlines of things are built from: polygons in a unit box, drawn one over the other.

A part's role says what it is made of: ``body`` and ``second`` take the thing's own colours, the others a fixed one.
Coordinates run from 0 to 1, x to the right and y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Points = tuple[tuple[float, float], ...]

ROLES = {
    "dark": (34, 34, 38),
    "glass": (92, 112, 126),
    "light": (222, 220, 212),
    "metal": (148, 150, 154),
    "skin": (206, 158, 128),
    "hair": (58, 42, 32),
    "wood": (126, 88, 56),
    "leaf": (62, 104, 48),
    "red": (186, 44, 38),
}
"""Colours of the parts that every thing of a kind shares."""


@dataclass(frozen=True)
class Part:
    """A polygon of one material; coordinates in the box of the thing: x to the right, y down, 0 to 1."""

    role: str
    points: Points


@dataclass(frozen=True)
class Silhouette:
    """A thing's outline: its usual width divided by its height, and its parts from back to front."""

    aspect: float
    parts: tuple[Part, ...]


# Rounded, so that a maths library's last bit cannot move a vertex.
_CIRCLE = tuple((round(math.cos(n * math.pi / 12), 6), round(math.sin(n * math.pi / 12), 6)) for n in range(24))


def oval(role: str, x: float, y: float, rx: float, ry: float) -> Part:
    """An ellipse: centre and half axes."""
    return Part(role, tuple((x + rx * c, y + ry * s) for c, s in _CIRCLE))


def box(role: str, left: float, top: float, right: float, bottom: float, round_by: float = 0.0) -> Part:
    """A rectangle: its edges, and how much of its corners is cut off."""
    r, s = round_by, round_by
    if not r:
        return Part(role, ((left, top), (right, top), (right, bottom), (left, bottom)))
    corners = ((left + r, top), (right - r, top), (right, top + s), (right, bottom - s))
    return Part(role, (*corners, (right - r, bottom), (left + r, bottom), (left, bottom - s), (left, top + s)))


def shape(role: str, *numbers: float) -> Part:
    """A polygon: x and y of its corners in turn."""
    return Part(role, tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def bar(role: str, x0: float, y0: float, x1: float, y1: float, width: float) -> Part:
    """A straight bar from one point to another."""
    dx, dy = x1 - x0, y1 - y0
    length = math.sqrt(dx * dx + dy * dy)
    nx, ny = -dy / length * width / 2, dx / length * width / 2
    return shape(role, x0 + nx, y0 + ny, x1 + nx, y1 + ny, x1 - nx, y1 - ny, x0 - nx, y0 - ny)


def ring(role: str, x: float, y: float, rx: float, ry: float, thick: float) -> tuple[Part, ...]:
    """An open ring, as eight pieces: what is inside shows through."""
    outer = [(x + rx * c, y + ry * s) for c, s in _CIRCLE]
    inner = [(x + rx * (1 - thick) * c, y + ry * (1 - thick) * s) for c, s in _CIRCLE]
    pieces = []
    for n in range(0, 24, 3):
        steps = [(n + k) % 24 for k in range(4)]
        pieces.append(Part(role, (*(outer[k] for k in steps), *(inner[k] for k in reversed(steps)))))
    return tuple(pieces)


def wheels(*places: float, y: float = 0.86, rx: float = 0.1, ry: float = 0.14) -> tuple[Part, ...]:
    """Wheels with hubs at these columns."""
    return tuple(part for x in places for part in (oval("dark", x, y, rx, ry), oval("metal", x, y, rx / 2, ry / 2)))


def beast(legs: float, neck: float, head: float, *extra: Part, aspect: float = 1.4, belly: float = 0.2) -> Silhouette:
    """A four-legged animal that looks to the right: lengths of legs and neck, size of the head."""
    back, low = 1 - legs - belly * 1.6, 1 - legs
    top = max(0.04, back - neck)
    limbs = tuple(shape("body", x, low - 0.1, x + 0.09, low - 0.1, x + 0.075, 1, x + 0.015, 1) for x in _LEGS)
    trunk = oval("body", 0.4, (back + low) / 2 + 0.02, 0.33, (low - back) / 2 + 0.03)
    throat = shape("body", 0.55, low - 0.03, 0.5, back + 0.02, 0.76, top, 0.88, top + 0.1, 0.74, low - 0.06)
    face = oval("body", 0.84, top + head * 0.55, head * 0.75, head * 0.55)
    snout = oval("second", 0.84 + head * 0.55, top + head * 0.75, head * 0.35, head * 0.3)
    ear = shape("body", 0.75, top + 0.05, 0.77, max(0.0, top - head * 0.45), 0.83, top + 0.05)
    tail = shape("body", 0.1, back + 0.05, 0.0, low, 0.03, low + 0.02, 0.13, back + 0.15)
    return Silhouette(aspect, (tail, *limbs, trunk, throat, face, snout, ear, *extra))


_LEGS = (0.1, 0.2, 0.56, 0.65)


def person(*, sitting: bool = False) -> Silhouette:
    """Somebody standing or sitting."""
    head = (oval("hair", 0.5, 0.08, 0.17, 0.085), oval("skin", 0.5, 0.1, 0.13, 0.07))
    arms = (
        shape("body", 0.27, 0.2, 0.4, 0.19, 0.26, 0.5, 0.12, 0.48),
        shape("body", 0.73, 0.2, 0.6, 0.19, 0.74, 0.5, 0.88, 0.48),
        oval("skin", 0.19, 0.52, 0.08, 0.04),
        oval("skin", 0.81, 0.52, 0.08, 0.04),
    )
    torso = shape("body", 0.27, 0.2, 0.42, 0.17, 0.58, 0.17, 0.73, 0.2, 0.7, 0.52, 0.3, 0.52)
    legs: tuple[Part, ...]
    if sitting:
        legs = (shape("second", 0.3, 0.5, 0.95, 0.54, 0.98, 1, 0.8, 1, 0.72, 0.7, 0.3, 0.68),)
    else:
        legs = (
            shape("second", 0.3, 0.5, 0.52, 0.5, 0.46, 1, 0.27, 1),
            shape("second", 0.48, 0.5, 0.7, 0.5, 0.75, 1, 0.56, 1),
        )
    return Silhouette(0.62 if sitting else 0.4, (*legs, arms[0], arms[1], torso, *arms[2:], *head))


def of(aspect: float, *parts: Part | tuple[Part, ...]) -> Silhouette:
    """A silhouette of parts and groups of parts."""
    flat: list[Part] = []
    for part in parts:
        flat.extend(part if isinstance(part, tuple) else (part,))
    return Silhouette(aspect, tuple(flat))
