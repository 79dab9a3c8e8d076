"""What an electron microscope shows of a slice of synthetic tissue, and what an annotator draws."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .tissue import SIDE, Layer, Tissue, enlarged

Page = NDArray[np.uint8]
_SMALLEST_CELL_PX = 30


def micrograph(
    rng: np.random.Generator, tissue: Tissue, page: int, distance: Layer, owner: NDArray[np.int16]
) -> tuple[Page, Page]:
    """Image and labels (255 cell, 0 membrane) of a slice, each of shape (512, 512) uint8.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides all that is not the same in the next slice.
    tissue, page
        The volume, and the number of the slice.
    distance : (512, 512) float32
        Pixels to the nearest border between cells.
    owner : (512, 512) int16
        Number of the cell.
    """
    broad, rough, small = _noise(rng, 64), _noise(rng, 16), _noise(rng, 6)
    # Where a membrane is cut at a slant it is wide and pale, and annotators fill it.
    slant = np.clip(broad + np.float32(0.5) * rough - np.float32(1.05), 0, 2.4)
    width = np.float32(2.8) + np.float32(0.35) * small + np.float32(5.0) * slant
    labels = _without_specks(np.where(distance < np.maximum(width, np.float32(1.8)), np.uint8(0), np.uint8(255)))
    grey = _cytoplasm(rng, owner, rough, small)
    _organelles(grey, tissue, page, owner, distance)
    _vesicles(grey, rng, distance, broad)
    core = np.float32(3.4) + np.float32(0.4) * small + np.float32(2.6) * slant
    near = np.clip(1 - distance / core, 0, 1)
    dark = np.clip(near * 1.7, 0, 1) * (np.float32(0.92) - np.float32(0.22) * np.minimum(slant, 2))
    level = np.float32(62) + np.float32(7) * rough
    grey += dark * (level - grey)
    # Synapses: dark, blurred spots on membranes.
    synapse = np.clip(_noise(rng, 32) - np.float32(1.5), 0, 1) * np.clip(1 - distance / 22, 0, 1)
    grey -= np.float32(90) * synapse
    return _recorded(rng, grey), labels


def _without_specks(labels: Page) -> Page:
    """Pieces of cell smaller than an annotator would outline become membrane."""
    _, pieces, figures, _ = cv2.connectedComponentsWithStats(labels, connectivity=4)
    large = figures[:, cv2.CC_STAT_AREA] >= _SMALLEST_CELL_PX
    large[0] = False
    return np.where(large[pieces], np.uint8(255), np.uint8(0))


def _noise(rng: np.random.Generator, cell: int) -> Layer:
    """Smooth noise with knots every ``cell`` pixels: mean 0, standard deviation near 1."""
    size = SIDE // cell + 3
    return np.asarray((enlarged(rng.integers(0, 256, (size, size), dtype=np.uint8), cell) - 128) * np.float32(1 / 38))


def _cytoplasm(rng: np.random.Generator, owner: NDArray[np.int16], rough: Layer, small: Layer) -> Layer:
    """Grey inside of cells: each a little lighter or darker, with grains."""
    drawn = rng.random(int(owner.max()) + 1)
    # A tenth of the cells is much darker than the others.
    tone = np.where(drawn < 0.1, -32, 36 * (drawn - 0.5)).astype(np.float32)
    grain = _noise(rng, 3)
    return np.asarray(
        np.float32(155) + tone[owner] + np.float32(9) * rough + np.float32(9) * small + np.float32(9) * grain
    )


def _organelles(grey: Layer, tissue: Tissue, page: int, owner: NDArray[np.int16], distance: Layer) -> None:
    """Mitochondria in some of the larger cells, through several slices: dark ovals with a rim and stripes."""
    for number, (radius, (x, y)) in enumerate(zip(tissue.radii[:, page], tissue.centres[:, page], strict=True)):
        rng = np.random.default_rng([number, round(float(tissue.radii[number, 0]) * 1000)])
        if radius < 15 or rng.random() > 0.8:
            continue
        begin, length = int(rng.integers(-8, tissue.radii.shape[1])), int(rng.integers(8, 22))
        if not begin <= page < begin + length:
            continue
        size = min(0.48 * radius, 10 + 13 * float(rng.random()))
        turn = (2 * rng.random(2) - 1).astype(np.float32)
        cosine, sine = turn / np.float32(max(0.05, float(np.sqrt(turn[0] * turn[0] + turn[1] * turn[1]))))
        shift = (rng.random(2) - 0.5) * radius * 0.8
        left, top = (int(max(0, at + by - 45)) for at, by in ((x, shift[0]), (y, shift[1])))
        window = np.s_[top : min(SIDE, top + 90), left : min(SIDE, left + 90)]
        if grey[window].size == 0:
            continue
        height, width = grey[window].shape
        dx = np.arange(left, left + width, dtype=np.float32) - np.float32(round(x + shift[0], 2))
        dy = np.arange(top, top + height, dtype=np.float32)[:, None] - np.float32(round(y + shift[1], 2))
        along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
        away = np.sqrt((along / np.float32(1.7)) ** 2 + across * across) - np.float32(size)
        inside = (owner[window] == tissue.cells[number]) & (distance[window] > 4)
        body = np.clip(-away, 0, 1) * inside
        rim = np.clip(1 - np.abs(away) / 2, 0, 1) * inside
        phase = (across * 8).astype(np.int32) % 40
        stripes = np.abs(phase - 20).astype(np.float32) - 10
        view = grey[window]
        view += body * (np.float32(102) + np.float32(2.4) * stripes - view)
        view -= rim * np.float32(48)


def _vesicles(grey: Layer, rng: np.random.Generator, distance: Layer, broad: Layer) -> None:
    """Small rings and dots, crowded in some regions."""
    crowded = broad + np.float32(0.15)
    for _ in range(1600):
        x, y = rng.integers(6, SIDE - 6, 2).tolist()
        size, drawn = rng.random(2).tolist()
        if distance[y, x] < 7 or crowded[y, x] < 2.2 * drawn - 0.9:
            continue
        radius = 1.2 + 2.6 * size * size if drawn < 0.8 else 3.0 + 5 * size
        window = np.s_[max(0, y - 10) : y + 11, max(0, x - 10) : x + 11]
        view = grey[window]
        dx = np.arange(view.shape[1], dtype=np.float32) + np.float32(max(0, x - 10) - x)
        dy = np.arange(view.shape[0], dtype=np.float32)[:, None] + np.float32(max(0, y - 10) - y)
        away = np.sqrt(dx * dx + dy * dy) - np.float32(radius)
        ring = np.clip(1 - np.abs(away) / np.float32(1.3), 0, 1)
        view -= np.float32(52 + 34 * size) * ring
        view += np.float32(9) * np.clip(-away, 0, 1)


def _recorded(rng: np.random.Generator, grey: Layer) -> Page:
    """Blur, correlated noise, uneven and drifting contrast."""
    flat = np.clip(grey + np.float32(0.5), 0, 255).astype(np.uint8)
    flat = np.asarray(cv2.GaussianBlur(flat, (0, 0), 0.9 + 0.35 * float(rng.random())), dtype=np.uint8)
    shot = rng.integers(0, 256, (2, SIDE, SIDE), dtype=np.uint8)
    fine = cv2.GaussianBlur(shot[0], (0, 0), 0.8).astype(np.float32) - 128
    coarse = cv2.GaussianBlur(shot[1], (0, 0), 1.7).astype(np.float32) - 128
    strength = np.float32(0.8 + 0.4 * float(rng.random()))
    recorded = flat.astype(np.float32) + strength * (np.float32(0.5) * fine + np.float32(0.7) * coarse)
    contrast = np.float32(1.02 + 0.3 * float(rng.random()))
    shift = np.float32(-4 + 28 * (float(rng.random()) - 0.5)) + np.float32(5) * _noise(rng, 128)
    recorded = (recorded - 128) * contrast + 128 + shift
    return np.asarray(np.clip(recorded + np.float32(0.5), 0, 255), dtype=np.uint8)
