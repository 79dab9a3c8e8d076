"""Synthetic DRIVE: painted fundus photographs with their vessels, two observers and the field of view.

Vessels grow as trees from the optic disc (see `vessels`); disc, macula, uneven light, grain and, in some images,
exudates and haemorrhages are painted round them. The first observer draws what was painted, the second with a second
look's errors. No pixel is taken from a photograph.

Reference
---------
Layout: Staal et al., IEEE Transactions on Medical Imaging 23(4):501-509 (2004).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..output_folder import Mark, building, make_all, save_picture
from ..painting.scenes import Image, Mask, uniform
from . import vessels
from .vessels import Eye, Vessel

GENERATOR_VERSION = "1"
_NOTICE = "Synthetic: painted by segbench, no photographs of eyes. Never publish a score on it as one on DRIVE."
_MARK = Mark("segbench.synthetic.drive", GENERATOR_VERSION, _NOTICE)
_VISIBLE_PX = 0.72

Layer = NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """How many images to make for training and test, 20 at most each, and their height in pixels."""

    train: int
    test: int
    height: int

    @property
    def width(self) -> int:
        """Width in pixels, in the proportion of the real images."""
        return self.height * vessels.WIDTH // vessels.HEIGHT


SMALL = Plan(20, 20, 292)
FULL = Plan(20, 20, 584)


def synthesize(
    root: Path,
    *,
    seed: int = 0,
    plan: Plan = SMALL,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make the dataset below `root`: the same bytes for one seed and plan, whatever the number of workers.

    Parameters and errors are those of every generator: see `segbench.synthetic`. `progress` counts images.
    """
    with building(root, frozenset({"DRIVE"}), _MARK, seed, plan) as partial:
        for folder in ("images", "1st_manual", "mask"):
            (partial / "DRIVE" / "training" / folder).mkdir(parents=True)
            (partial / "DRIVE" / "test" / folder).mkdir(parents=True)
        (partial / "DRIVE" / "test" / "2nd_manual").mkdir()
        make_all(
            functools.partial(_write, partial / "DRIVE", seed, plan), range(plan.train + plan.test), workers, progress
        )


def _write(folder: Path, seed: int, plan: Plan, position: int) -> None:
    testing = position >= plan.train
    index = position - plan.train if testing else position
    number, split = (f"{index + 1:02d}", "test") if testing else (f"{index + 21:02d}", "training")
    photo, first, second, field = fundus(seed, int(testing), index, plan.height)
    pictures = {
        f"images/{number}_{split}.tif": photo,
        f"1st_manual/{number}_manual1.gif": first,
        f"mask/{number}_{split}_mask.gif": field,
    }
    if testing:
        pictures[f"2nd_manual/{number}_manual2.gif"] = second
    for name, pixels in pictures.items():
        save_picture(folder / split / name, pixels, _MARK)


def fundus(seed: int, split: int, index: int, height: int) -> tuple[Image, Mask, Mask, Mask]:
    """Photograph (H, W, 3), vessels of the first and of the second observer and field of view, (H, W) of 0 or 255.

    `split` is 0 for training and 1 for test. Every height has the same vessels, less those too thin to be seen there.
    """
    grown, seen, painted = (np.random.default_rng([seed, split, index, part]) for part in range(3))
    eye = Eye.draw(grown)
    # What is much thinner than a pixel would not be seen, but an observer's line is never thinner than one.
    tree = [vessel for vessel in vessels.grow(grown, eye) if vessel.widths[0] * height >= _VISIBLE_PX * vessels.HEIGHT]
    width = height * vessels.WIDTH // vessels.HEIGHT
    canvas = _Fundus(painted, eye, height, width)
    field = np.where(canvas.away(eye.centre) <= eye.radius, np.uint8(255), np.uint8(0))
    again = vessels.second_look(seen, tree, vessels.HEIGHT / height)
    first, second = (vessels.drawn(found, height, width) & field for found in (tree, again))
    return canvas.photograph(tree, field), first, second, field


class _Fundus:
    """Paints the photograph, in float32 from 0 to 255, with arithmetic that is the same on every machine."""

    def __init__(self, rng: np.random.Generator, eye: Eye, height: int, width: int) -> None:
        self.rng, self.eye, self.height, self.width = rng, eye, height, width
        self.scale = height / vessels.HEIGHT
        self.rows = ((np.arange(height, dtype=np.float32) + np.float32(0.5)) / np.float32(self.scale))[:, None]
        self.columns = (np.arange(width, dtype=np.float32) + np.float32(0.5)) / np.float32(self.scale)

    def away(self, point: vessels.Point, tall: float = 1.0) -> Layer:
        """Distance of every pixel from a point, in pixels of the real images; an oval's when `tall` is not 1."""
        x, y = self.columns - np.float32(point[0]), (self.rows - np.float32(point[1])) / np.float32(tall)
        return np.asarray(np.sqrt(x * x + y * y), dtype=np.float32)

    def noise(self, cell: float) -> Layer:
        """Smooth noise with knots every `cell` pixels of the real images: mean 0, standard deviation near 1."""
        step = max(1, round(cell * self.scale))
        knots = self.rng.integers(0, 256, (self.height // step + 4, self.width // step + 4), dtype=np.uint8)
        size = knots.shape[1] * step, knots.shape[0] * step
        knots = np.asarray(cv2.resize(knots, size, interpolation=cv2.INTER_LINEAR_EXACT), dtype=np.uint8)
        knots = np.asarray(
            cv2.GaussianBlur(knots, (0, 0), max(0.4, 0.35 * step)) if step <= 12 else knots, dtype=np.uint8
        )
        part = knots[step : step + self.height, step : step + self.width]
        return (part.astype(np.float32) - np.float32(128)) * np.float32(1 / 40)

    def photograph(self, tree: list[Vessel], field: Mask) -> Image:
        """The photograph of a retina with these vessels, (H, W, 3), dark outside the field of view."""
        image = self.ground()
        self.vessels(image, tree)
        if self.rng.random() < 0.3:
            self.lesions(image, bright=True)
        if self.rng.random() < 0.35:
            self.lesions(image, bright=False)
        image *= self.light()[..., None]
        edge = np.clip((np.float32(self.eye.radius + 1) - self.away(self.eye.centre)) / 4, 0, 1)[..., None]
        surround = np.array([7, 5, 5], dtype=np.float32)
        flat = np.clip(edge * image + (1 - edge) * surround + np.float32(0.5), 0, 255).astype(np.uint8)
        flat = np.asarray(cv2.GaussianBlur(flat, (0, 0), max(0.35, 0.9 * self.scale)), dtype=np.uint8)
        return self.grain(flat, field)

    def ground(self) -> Layer:
        """Retina without vessels: orange red, with a paler and a darker part, the optic disc and the macula."""
        rng, eye = self.rng, self.eye
        base = np.array([uniform(rng, 185, 225), uniform(rng, 92, 122), uniform(rng, 48, 70)], dtype=np.float32)
        cloud = (
            np.float32(0.05) * self.noise(110) + np.float32(0.03) * self.noise(30) + np.float32(0.022) * self.noise(9)
        )
        image = base * (1 + cloud[..., None] * np.array([0.6, 1.0, 1.0], dtype=np.float32))
        near = self.away(eye.fovea) / np.float32(uniform(rng, 62, 80))
        macula = 1 / (1 + near * near) ** 2
        image *= 1 - macula[..., None] * np.array([0.22, 0.36, 0.34], dtype=np.float32)
        glow = 1 / (1 + (self.away(eye.disc) / 75) ** 2)
        image *= 1 + glow[..., None] * np.array([0.08, 0.2, 0.16], dtype=np.float32)
        size, tall = uniform(rng, 34, 40), uniform(rng, 1.04, 1.16)
        away = self.away(eye.disc, tall) + self.noise(24)
        disc = np.clip((np.float32(size) - away) / 7 + np.float32(0.5), 0, 1)[..., None]
        image += disc * np.float32(0.85) * (np.array([248, 205, 138], dtype=np.float32) - image)
        cup = np.clip((np.float32(0.5 * size) - self.away((eye.disc[0] + 3 * eye.temporal, eye.disc[1]))) / 10, 0, 1)
        image += cup[..., None] * np.float32(0.6) * (np.array([255, 236, 190], dtype=np.float32) - image)
        return np.asarray(image, dtype=np.float32)

    def vessels(self, image: Layer, tree: list[Vessel]) -> None:
        """Darken the retina where vessels are: wide ones and veins more; arteries have a lighter middle."""
        for vein, depth in ((False, 0.62), (True, 0.85)):
            kind = [vessel for vessel in tree if vessel.vein == vein]
            tones = [round(255 * depth * _contrast(float(vessel.widths[0] + vessel.widths[-1]) / 2)) for vessel in kind]
            dark = vessels.covered(kind, self.height, self.width, tones).astype(np.float32)
            wide = [vessel for vessel in kind if vessel.widths[0] > 3.4]
            reflex = vessels.covered(wide, self.height, self.width, [255] * len(wide), 0.3).astype(np.float32)
            dark *= 1 - reflex * np.float32((0.25 if vein else 0.5) / 255)
            dark *= 1 + np.float32(0.12) * self.noise(20)
            image *= 1 - (dark * np.float32(1 / 255))[..., None] * np.array([0.42, 0.62, 0.5], dtype=np.float32)

    def lesions(self, image: Layer, *, bright: bool) -> None:
        """Spots that are no vessels: groups of bright exudates, or dark haemorrhages, round or drawn out."""
        rng = self.rng
        for _ in range(int(rng.integers(2, 5))):
            where = tuple(c + uniform(rng, -0.62, 0.62) * self.eye.radius for c in self.eye.centre)
            for _ in range(int(rng.integers(4, 16) if bright else rng.integers(1, 4))):
                x, y = (c + uniform(rng, -32, 32) for c in where)
                size, tall = (uniform(rng, 1.6, 6), 1.0) if bright else (uniform(rng, 3, 11), uniform(rng, 0.35, 2.6))
                away = self.away((x, y), tall) + np.float32(0.22 * size) * self.noise(7)
                spot = np.clip((np.float32(size) - away) / 2, 0, 1)[..., None]
                colour = (246, 222, 140) if bright else (118, 34, 24)
                image += spot * np.float32(uniform(rng, 0.5, 0.85)) * (np.array(colour, dtype=np.float32) - image)

    def light(self) -> Layer:
        """How bright the lamp is at every pixel: less at the rim, more on one side."""
        rng, eye = self.rng, self.eye
        lit = eye.centre[0] + uniform(rng, -70, 70), eye.centre[1] + uniform(rng, -70, 70)
        far = self.away(lit) / np.float32(eye.radius)
        rim = self.away(eye.centre) / np.float32(eye.radius)
        rim = rim * rim * rim
        strength = np.float32(uniform(rng, 0.16, 0.32))
        return np.asarray(
            np.float32(uniform(rng, 0.92, 1.08)) * (1 - strength * far * far - np.float32(0.14) * rim * rim)
        )

    def grain(self, photo: Image, field: Mask) -> Image:
        """A sensor's noise, a third as strong outside the field of view."""
        first, second = (self.rng.integers(0, 256, photo.shape, dtype=np.uint8) for _ in range(2))
        noise = np.asarray(cv2.GaussianBlur(first, (0, 0), 0.7), dtype=np.int16) - 128
        noise = 2 * noise + (second.astype(np.int16) - 128) // 2
        strength = np.where(field > 0, round(uniform(self.rng, 12, 20)), 5).astype(np.int16)[..., None]
        return np.clip(photo + (noise * strength >> 8), 0, 255).astype(np.uint8)


def _contrast(width: float) -> float:
    """How dark a vessel is: 0.9 for the widest, 0.4 for the thinnest, before blur pales these further."""
    return 0.15 + width / (width + 2.8)
