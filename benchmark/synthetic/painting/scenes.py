"""A painter of scenes with exact truth: stuff in regions, things in depth order, light, blur and noise.

What is painted also writes its label and its number into the label maps, so a later thing covers an earlier one in all
of them. Pictures are painted as float32 in 0..255. Sizes scale with ``unit``, the shorter side divided by 256.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .outlines import ROLES, Silhouette
from .silhouettes import SILHOUETTES
from .textures import Layer, cut, ground

Image = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Box = tuple[float, float, float, float]
Colour = tuple[float, float, float]
Window = tuple[slice, slice]

_SHIFT = 4
_FINE = 1 << _SHIFT


@dataclass(frozen=True)
class Look:
    """What a class looks like: its usual colours (0xRRGGBB), texture, contrast in grey levels, size of the texture."""

    colours: tuple[int, ...]
    texture: str = "grain"
    contrast: float = 10.0
    scale: float = 1.0

    def colour(self, rng: np.random.Generator, spread: float = 18.0) -> Colour:
        """One of the colours, a little lighter or darker and of a slightly other hue."""
        code = self.colours[int(rng.integers(len(self.colours)))]
        bright = spread * (2 * float(rng.random()) - 1)
        hue = (spread * (rng.random(3) - 0.5)).tolist()
        red, green, blue = code >> 16, code >> 8 & 255, code & 255
        return red + bright + hue[0], green + bright + hue[1], blue + bright + hue[2]


def look(colours: str, texture: str = "grain", contrast: float = 10.0, scale: float = 1.0) -> Look:
    """A look from colours written in hexadecimal: ``look("8b4513 d2b48c", "fur")``."""
    return Look(tuple(int(code, 16) for code in colours.split()), texture, contrast, scale)


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A random number between two limits."""
    return low + (high - low) * float(rng.random())


def choose(rng: np.random.Generator, weights: Sequence[int]) -> int:
    """A position, drawn in proportion to whole weights."""
    point = int(rng.integers(sum(weights)))
    for position, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return position
    raise AssertionError("weights changed while they were summed")


def profile(rng: np.random.Generator, width: int, level: float, rise: float, knots: int) -> NDArray[np.int32]:
    """A wavering horizontal line: its row in every column, (width,), ``level`` give or take ``rise``."""
    heights = np.round(256 * (level + rise * (2 * rng.random(knots + 1) - 1))).astype(np.int64)
    place = np.arange(width, dtype=np.int64) * 256 * knots // max(1, width)
    left, part = place // 256, place % 256
    rows = (heights[left] * (256 - part) + heights[left + 1] * part) // (256 * 256)
    return np.asarray(rows, dtype=np.int32)


def skyline(rng: np.random.Generator, width: int, level: float, rise: float, blocks: int) -> NDArray[np.int32]:
    """A line of steps, as roofs make: its row in every column, (width,)."""
    heights = level + rise * (2 * rng.random(blocks) - 1)
    ends = np.sort(rng.integers(0, width, blocks - 1)) if blocks > 1 else np.zeros(0, np.int64)
    return np.round(heights[np.searchsorted(ends, np.arange(width), side="right")]).astype(np.int32)


class Canvas:
    """A picture being painted, (height, width), with its label map and the numbers of its things.

    ``labels`` is uint8 and begins as ``void``; ``instances`` is int32: 0, or the number given to a thing.
    """

    def __init__(self, rng: np.random.Generator, height: int, width: int, void: int = 0) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.unit = min(height, width) / 256
        self.image = np.full((height, width, 3), 128, dtype=np.float32)
        self.labels = np.full((height, width), void, dtype=np.uint8)
        self.instances = np.zeros((height, width), dtype=np.int32)
        self._light = uniform(rng, -1, 1)
        self._rows = np.arange(height, dtype=np.int32)[:, None]

    def below(self, line: NDArray[np.int32]) -> Mask:
        """Pixels on and below a line given by its row in every column, of shape (W,): 255, else 0."""
        return np.where(self._rows >= line, np.uint8(255), np.uint8(0))

    def polygon(self, points: Sequence[tuple[float, float]] | NDArray[np.float64]) -> Mask:
        """Pixels inside a polygon of n corners (x, y) in pixels, of shape (n, 2): 255, else 0."""
        mask = np.zeros((self.height, self.width), dtype=np.uint8)
        corners = np.round(np.asarray(points, dtype=np.float64) * _FINE).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, lineType=cv2.LINE_8, shift=_SHIFT)
        return mask

    def blob(self, x: float, y: float, rx: float, ry: float, ragged: float = 0.25) -> Mask:
        """A rounded, uneven patch around (x, y) with these half axes: 255, else 0."""
        radius = 1 + ragged * (2 * self.rng.random(len(_RIM)) - 1)
        points = np.array([(x + rx * r * c, y + ry * r * s) for r, (c, s) in zip(radius.tolist(), _RIM, strict=True)])
        for _ in range(2):  # cut the corners
            after = np.roll(points, -1, axis=0)
            points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], axis=1).reshape(-1, 2)
        return self.polygon(points)

    def stuff(self, mask: Mask, surface: Look, label: int, *, depth: float = 0.0, fade: float = 0.0) -> None:
        """Cover a region (255 inside) with a surface.

        ``depth`` above 1 lays it on the ground: so much nearer is its lowest row than its highest. ``fade`` is how
        many grey levels lighter it is at the top than at the bottom.
        """
        left, top, width, height = cv2.boundingRect(mask)
        if not width:
            return
        window = slice(top, top + height), slice(left, left + width)
        part, scale = mask[window], surface.scale * self.unit
        if depth > 1:
            middle = self.width // 2 - left
            pattern = ground(self.rng, surface.texture, height, width, scale, depth, middle)
        else:
            pattern = cut(self.rng, surface.texture, height, width, scale)
        tone = pattern * np.float32(surface.contrast)
        tone += np.float32(6) * cut(self.rng, "cloud", height, width, self.unit * 1.5)
        if fade:
            slope = np.arange(height, dtype=np.float32)[:, None] * np.float32(1 / max(1, height - 1))
            tone += np.float32(fade) * (np.float32(0.5) - slope)
        painted = tone[..., None] + np.array(surface.colour(self.rng), dtype=np.float32)
        self._blend(window, painted, part, max(0.6, 0.6 * self.unit))
        inside = part > 127
        self.labels[window][inside] = label
        self.instances[window][inside] = 0

    def _blend(self, window: Window, painted: NDArray[np.float32], part: Mask, softness: float) -> None:
        """Put a painted piece into the picture where its mask is 255, with an edge as soft as a lens makes it."""
        edge = cv2.GaussianBlur(part, (0, 0), softness).astype(np.float32) * np.float32(1 / 255)
        view = self.image[window]
        painted -= view
        painted *= edge[..., None]
        view += painted

    def void(self, mask: Mask, label: int) -> None:
        """Give a region another label without painting it."""
        self.labels[mask > 127] = label
        self.instances[mask > 127] = 0

    def shadow(self, box: Box, strength: float = 0.4) -> None:
        """Darken the ground where a thing with this box (left, top, right, bottom) stands."""
        left, top, right, bottom = box
        flat = 0.09 * (right - left) + 0.02 * (bottom - top)
        outer = (left - 0.1 * (right - left), bottom - flat, right + 0.1 * (right - left), bottom + flat)
        window = self._window(outer)
        if window is None:
            return
        rows, columns = window
        x = (np.arange(columns.start, columns.stop, dtype=np.float32) * 2 - (outer[0] + outer[2])) / np.float32(
            max(1.0, outer[2] - outer[0])
        )
        y = (np.arange(rows.start, rows.stop, dtype=np.float32) * 2 - (outer[1] + outer[3])) / np.float32(
            max(1.0, outer[3] - outer[1])
        )
        dark = np.clip(1 - x[None, :] * x[None, :] - y[:, None] * y[:, None], 0, 1) * np.float32(strength)
        self.image[rows, columns] *= 1 - dark[..., None]

    def thing(
        self,
        shape: str,
        box: Box,
        skin: Look,
        label: int,
        number: int,
        *,
        second: Colour | None = None,
        on_ground: bool = True,
        haze: float = 0.0,
    ) -> None:
        """Paint a thing that fills a box (left, top, right, bottom; may reach beyond the picture).

        Parameters
        ----------
        shape : str
            Name of a silhouette.
        skin : Look
            Its main surface.
        label, number : int
            What its pixels get in ``labels`` and ``instances``.
        second : (red, green, blue), optional
            Its other colour; default: a darker or lighter shade of the main one.
        on_ground : bool
            Whether it throws a shadow.
        haze : float
            How much of it is lost in the distance, 0 to 1.
        """
        window = self._window(box)
        main = skin.colour(self.rng)
        other = second or _shade(main, uniform(self.rng, 0.45, 1.4))
        outlines = self._outlines(SILHOUETTES[shape], box)
        if on_ground:
            self.shadow(box)
        if window is None:
            return
        parts, painted, rough = _drawn(window, outlines, main, other)
        inside = parts > 0
        if inside.any():
            self._lay(window, painted, inside, rough, skin, haze)
            self.labels[window][inside] = label
            self.instances[window][inside] = number

    def _lay(
        self,
        window: Window,
        painted: NDArray[np.float32],
        inside: NDArray[np.bool_],
        rough: Layer,
        skin: Look,
        haze: float,
    ) -> None:
        """Texture, round shading and light of a thing, blended into the picture."""
        height, width = inside.shape
        covered = np.where(inside, np.uint8(255), np.uint8(0))
        pattern = cut(self.rng, skin.texture, height, width, skin.scale * self.unit)
        painted += (pattern * rough * np.float32(skin.contrast))[..., None]
        across = np.arange(width, dtype=np.float32) * np.float32(2 / max(1, width)) - 1
        down = np.arange(height, dtype=np.float32)[:, None] * np.float32(2 / max(1, height)) - 1
        shade = np.float32(1.02) + np.float32(0.14 * self._light) * across - np.float32(0.10) * down
        shade = shade * (np.float32(0.72) + np.float32(0.34) * _soft(covered))
        painted *= shade[..., None]
        if haze:
            painted += np.float32(haze) * (np.float32(150) - painted)
        # Outside of the thing its edge colour is unknown: there it keeps what lies behind it.
        np.copyto(painted, self.image[window], where=~inside[..., None])
        self._blend(window, painted, covered, max(0.5, 0.5 * self.unit))

    def _outlines(self, silhouette: Silhouette, box: Box) -> list[tuple[str, NDArray[np.int32]]]:
        """Corners of every part in sixteenths of a pixel, mirrored, leaned and uneven as drawn by chance."""
        left, top, right, bottom = box
        rng = self.rng
        mirror, lean, bulge = rng.random() < 0.5, uniform(rng, -0.06, 0.06), uniform(rng, -0.1, 0.1)
        result = []
        for part in silhouette.parts:
            points = np.array(part.points) + 0.012 * (2 * rng.random((len(part.points), 2)) - 1)
            x, y = points[:, 0], points[:, 1]
            x = x + lean * (1 - y) + bulge * (x - 0.5) * (y - 0.5)
            if mirror:
                x = 1 - x
            corners = np.stack([left + (right - left) * x, top + (bottom - top) * y], axis=1)
            result.append((part.role, np.round(corners * _FINE).astype(np.int32)))
        return result

    def _window(self, box: Box) -> Window | None:
        """The part of the picture that a box touches, with a margin; None where it lies outside."""
        left, top, right, bottom = box
        margin = 2 + 0.12 * max(right - left, bottom - top)
        x0, x1 = max(0, int(left - margin)), min(self.width, int(right + margin) + 1)
        y0, y1 = max(0, int(top - margin)), min(self.height, int(bottom + margin) + 1)
        return (slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None

    def finish(self, *, grain: float = 1.0) -> Image:
        """The photograph: uneven light, exposure and white balance, blur, sensor noise; (height, width, 3) uint8."""
        rng = self.rng
        across = np.arange(self.width, dtype=np.float32) * np.float32(2 / self.width) - 1
        down = np.arange(self.height, dtype=np.float32)[:, None] * np.float32(2 / self.height) - 1
        field = np.float32(uniform(rng, 0.82, 1.16)) * (1 + np.float32(uniform(rng, -0.14, 0.14)) * across)
        field = field + np.float32(uniform(rng, -0.1, 0.1)) * down - np.float32(0.06) * (across * across + down * down)
        balance = np.array([uniform(rng, 0.94, 1.06), 1.0, uniform(rng, 0.92, 1.06)], dtype=np.float32)
        lit = self.image * (field[..., None] * balance)
        photo = np.clip(lit + np.float32(0.5), 0, 255).astype(np.uint8)
        photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), uniform(rng, 0.35, 0.8)), dtype=np.uint8)
        first, second = (rng.integers(0, 256, photo.shape, dtype=np.uint8) for _ in range(2))
        noise = first.astype(np.int16) + second - 255
        return np.clip(photo + (noise * round(grain * uniform(rng, 8, 22)) >> 8), 0, 255).astype(np.uint8)


_RIM = (
    *((1.0, 0.0), (0.901, 0.434), (0.623, 0.782), (0.223, 0.975), (-0.223, 0.975), (-0.623, 0.782), (-0.901, 0.434)),
    *((-1.0, 0.0), (-0.901, -0.434), (-0.623, -0.782), (-0.223, -0.975), (0.223, -0.975), (0.623, -0.782)),
    (0.901, -0.434),
)


def _drawn(
    window: Window, outlines: list[tuple[str, NDArray[np.int32]]], main: Colour, other: Colour
) -> tuple[Mask, NDArray[np.float32], Layer]:
    """Parts of a thing within a window: number of the one in front (0: none), its colour, its roughness."""
    rows, columns = window
    parts = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=np.uint8)
    offset = np.array([columns.start, rows.start]) * _FINE
    colours, roughness = [main], [0.0]
    for number, (role, corners) in enumerate(outlines, 1):
        cv2.fillPoly(parts, [corners - offset], number, lineType=cv2.LINE_8, shift=_SHIFT)
        colours.append(main if role == "body" else other if role == "second" else ROLES[role])
        roughness.append(1.0 if role == "body" else 0.3)
    return parts, np.array(colours, dtype=np.float32)[parts], np.array(roughness, dtype=np.float32)[parts]


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = colour
    return red * factor, green * factor, blue * factor


def _soft(covered: Mask) -> Layer:
    """How deep inside a mask a pixel lies, roughly: 0 outside, 1 in the middle; blurred on a coarse copy."""
    height, width = covered.shape
    step = max(1, max(height, width) // 24)
    small = cv2.GaussianBlur(covered[::step, ::step], (0, 0), 1.6)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    return np.asarray(large.astype(np.float32) * np.float32(1 / 255))


def seams(numbers: NDArray[np.int32], size: int) -> NDArray[np.bool_]:
    """Pixels within a square of ``size`` pixels of another number: the borders between regions, (H, W)."""
    kernel = np.ones((size, size), np.uint8)
    # 16 bits hold every number that occurs, and OpenCV has no such filter for 32.
    values = numbers.astype(np.uint16)
    return np.asarray(cv2.dilate(values, kernel) != cv2.erode(values, kernel))


def renumbered(numbers: NDArray[np.int32], smallest: int) -> tuple[NDArray[np.int32], list[int]]:
    """Numbers (H, W) from 1 for things with at least `smallest` visible pixels, 0 elsewhere; and their old numbers."""
    pixels = np.bincount(numbers.ravel())
    kept = [number for number in range(1, len(pixels)) if pixels[number] >= smallest]
    table = np.zeros(len(pixels), dtype=np.int32)
    table[kept] = np.arange(1, len(kept) + 1)
    return table[numbers], kept
