"""Synthetic neural tissue: cells that fill a volume, their membranes, and the distance of every pixel to the nearest.

Cells are the regions of a power diagram (every point belongs to the cell with the smallest squared distance less its
squared radius) with elongated cells, bent by a smooth displacement. Centres, radii and displacement change a little
from slice to slice, so that neighbouring slices are alike.

Reference
---------
Aurenhammer, SIAM Journal on Computing 16(1):78-96 (1987), for power diagrams.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 512
_MARGIN = 110
_BEND_PX, _BEND_CELL = (15.0, 5.0), (64, 20)

Layer = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tissue:
    """Lobes of the cells of a volume: centres (n, slices, 2) as x, y, radii (n, slices) in pixels, shapes (n, 3).

    A shape is the symmetric matrix (xx, xy, yy) by which squared distances from the centre are measured. ``cells`` (n,)
    numbers the cell that a lobe belongs to: there is no membrane between lobes of one cell.
    """

    centres: Floats
    radii: Floats
    shapes: Floats
    cells: NDArray[np.int64]

    @classmethod
    def draw(cls, rng: np.random.Generator, slices: int) -> Tissue:
        """Draw a volume: large cells first, then ever smaller ones where there is room."""
        places, radii = _packed(rng)
        count = len(radii)
        steps = _wander(rng, (count, slices, 2)) * (2.0 + 0.08 * radii[:, None, None])
        heading = (rng.random((count, 1, 2)) - 0.5) * 5.0
        centres = places[:, None, :] + steps + heading * (np.arange(slices)[:, None] - slices / 2)
        sizes = radii[:, None] * (1 + 0.09 * np.clip(_wander(rng, (count, slices, 1))[:, :, 0], -3, 3))
        return cls(np.round(centres, 3), np.round(sizes, 3), _elongated(rng, count), _joined(rng, places, radii))

    def membranes(self, page: int, bend: tuple[Layer, Layer]) -> tuple[Layer, NDArray[np.int16]]:
        """Distance in pixels to the nearest border between cells, and the number of the cell, (SIDE, SIDE) each."""
        first = np.full((SIDE, SIDE), 1e9, dtype=np.float32)
        second = first.copy()
        owner = np.full((SIDE, SIDE), -1, dtype=np.int16)
        # Slopes of the two smallest values: their difference says how fast a border is approached.
        slopes = np.zeros((4, SIDE, SIDE), dtype=np.float32)
        columns, rows = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
        across, down = columns + bend[0], rows + bend[1]
        for number in range(len(self.radii)):
            x, y = self.centres[number, page]
            radius = self.radii[number, page]
            reach = 1.7 * radius + 45
            left, right = max(0, int(x - reach)), min(SIDE, int(x + reach))
            top, bottom = max(0, int(y - reach)), min(SIDE, int(y + reach))
            if left >= right or top >= bottom:
                continue
            window = np.s_[top:bottom, left:right]
            xx, xy, yy = self.shapes[number].astype(np.float32)
            dx, dy = across[window] - np.float32(x), down[window] - np.float32(y)
            gx, gy = xx * dx + xy * dy, xy * dx + yy * dy
            value = gx * dx + gy * dy - np.float32(radius * radius)
            cell = self.cells[number]
            nearest = value < first[window]
            # The second value is always the smallest of another cell than the first's.
            ousted = nearest & (owner[window] != cell)
            nearer = ~nearest & (value < second[window]) & (owner[window] != cell)
            second[window] = np.where(ousted, first[window], np.where(nearer, value, second[window]))
            first[window] = np.where(nearest, value, first[window])
            owner[window][nearest] = cell
            for mine, theirs, slope in ((0, 2, gx), (1, 3, gy)):
                best, other = slopes[mine][window], slopes[theirs][window]
                np.copyto(other, np.where(ousted, best, slope), where=ousted | nearer)
                np.copyto(best, slope, where=nearest)
        gx, gy = slopes[0] - slopes[2], slopes[1] - slopes[3]
        distance = (second - first) / np.maximum(2 * np.sqrt(gx * gx + gy * gy), np.float32(1))
        return np.minimum(distance, np.float32(60)), owner


def bends(rng: np.random.Generator, slices: int) -> list[tuple[Layer, Layer]]:
    """Displacement (x, y) of every pixel of every slice: smooth, and nearly that of the slice before."""
    pages = [np.zeros((SIDE, SIDE, 2), dtype=np.float32) for _ in range(slices)]
    for strength, cell in zip(_BEND_PX, _BEND_CELL, strict=True):
        size = SIDE // cell + 3
        knots = _wander(rng, (size * size * 2, slices, 1)).reshape(size, size, 2, slices)
        for page in range(slices):
            levels = np.clip(np.round(128 + 36 * knots[..., page]), 0, 255).astype(np.uint8)
            pages[page] += np.float32(strength / 36) * (enlarged(levels, cell) - np.float32(128))
    return [(page[..., 0], page[..., 1]) for page in pages]


def enlarged(levels: NDArray[np.uint8], cell: int) -> Layer:
    """A coarse grid of bytes as a smooth picture, (SIDE, SIDE, …) float32; ``cell`` pixels per knot."""
    step = min(8, cell)
    height, width = levels.shape[:2]
    small = cv2.resize(levels, (width * step, height * step), interpolation=cv2.INTER_LINEAR_EXACT)
    small = cv2.GaussianBlur(small, (0, 0), 0.45 * step)
    large = cv2.resize(small, (width * cell, height * cell), interpolation=cv2.INTER_LINEAR_EXACT)
    return np.asarray(large[cell : cell + SIDE, cell : cell + SIDE], dtype=np.float32)


def _packed(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Centres (n, 2) and radii (n,) of cells that hardly overlap, the large ones first."""
    places: list[tuple[float, float]] = []
    radii: list[float] = []
    for radius, tries in _SIZES:
        for _ in range(tries):
            size = radius * (0.8 + 0.4 * float(rng.random()))
            x, y = (rng.random(2) * (SIDE + 2 * _MARGIN) - _MARGIN).tolist()
            apart = _TIGHT if radius > 14 else 0.86
            if all(
                (x - a) ** 2 + (y - b) ** 2 > (apart * (size + r)) ** 2 for (a, b), r in zip(places, radii, strict=True)
            ):
                places.append((x, y))
                radii.append(size)
    return np.array(places), np.array(radii)


# Usual radius in pixels, and how many are tried.
_SIZES = ((76.0, 7), (50.0, 12), (34.0, 30), (23.0, 90), (15.0, 200), (10.0, 440), (7.5, 330))
_JOINED, _JOINING_PX = 0.45, 38.0
_TIGHT = 0.94


def _joined(rng: np.random.Generator, places: Floats, radii: Floats) -> NDArray[np.int64]:
    """Cells of the lobes, (n,): about half of the smaller lobes belong to the cell of the nearest larger one."""
    cells = np.arange(len(places))
    for number in range(1, len(places)):
        if rng.random() < _JOINED and radii[number] < _JOINING_PX:
            away = ((places[:number] - places[number]) ** 2).sum(axis=1)
            cells[number] = cells[int(np.argmin(away))]
    return cells


def _elongated(rng: np.random.Generator, count: int) -> Floats:
    """Matrices (xx, xy, yy) of determinant 1: cells up to twice as long as wide, in any direction."""
    stretch = 1 + 1.1 * rng.random(count) ** 2
    direction = 2 * rng.random((count, 2)) - 1
    length = np.sqrt(np.maximum((direction**2).sum(axis=1), 1e-6))
    c, s = direction[:, 0] / length, direction[:, 1] / length
    xx, yy = c * c / stretch + s * s * stretch, s * s / stretch + c * c * stretch
    return np.round(np.stack([xx, c * s * (1 / stretch - stretch), yy], axis=1), 5)


def _wander(rng: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    """Random walks (n, slices, k) that return: variance near 1, correlation 0.9 from slice to slice."""
    count, slices, size = shape
    # A sum of three uniforms is nearly normal, and the same on every machine.
    steps = 2 * (rng.random((count, slices, size)) + rng.random((count, slices, size)) + rng.random(shape)) - 3
    walk = np.empty(shape)
    walk[:, 0] = steps[:, 0]
    for page in range(1, slices):
        walk[:, page] = 0.9 * walk[:, page - 1] + 0.436 * steps[:, page]
    return walk
