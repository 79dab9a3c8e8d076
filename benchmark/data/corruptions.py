"""Images made worse on purpose, as microscopes, cameras and files do, in five levels: how much does a method lose?

Levels of noise, defocus, brightness, contrast and jpeg are those of ImageNet-C, in pixels of the image as it is;
motion, downsampling and uneven light are in the same spirit. What is random follows from the seed and the sample's id
alone, and is the same at every level: levels of one image differ in strength, not in chance.

References
----------
Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019.
Michaelis et al., "Benchmarking Robustness in Object Detection", arXiv:1907.07484 (2019): the same levels at any size.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import UserError
from ..text import unknown
from ..types import Array, Float64, Uint8

LEVELS = 5
Random = np.random.Generator


@dataclass(frozen=True)
class Corruption:
    """A corruption at a level from 1, the mildest, to 5."""

    name: str
    level: int

    @classmethod
    def parse(cls, text: str) -> Corruption:
        """Read `NAME:LEVEL`. Raises UserError for another name or level."""
        name, _, level = text.partition(":")
        if name not in CORRUPTIONS:
            raise UserError(unknown("corruption", name, CORRUPTIONS) + f" For example: --corrupt {next(iter(KINDS))}:3")
        if level not in {str(number) for number in range(1, LEVELS + 1)}:
            raise UserError(f"--corrupt {text}: expected a level from 1 to {LEVELS}, as in {name}:3")
        return cls(name, int(level))

    def __str__(self) -> str:
        return f"{self.name}:{self.level}"

    def __call__(self, image: Uint8, sample_id: str, seed: int = 0) -> Uint8:
        """A corrupted copy of an image, (H, W) or (H, W, 3) uint8, of the same shape."""
        digest = hashlib.sha256(f"{seed} {self.name} {sample_id}".encode("utf-8", "surrogatepass")).digest()
        random = np.random.default_rng(list(digest))
        kind = KINDS[self.name]
        changed = kind.change(image, kind.levels[self.level - 1], random)
        return changed if changed.dtype == np.uint8 else _as_uint8(changed)


@dataclass(frozen=True)
class Kind:
    """What a corruption does: its strength at each level, and the change of an image by a strength."""

    summary: str
    levels: tuple[float, ...]
    change: Callable[[Uint8, float, Random], Array]


def _as_uint8(values: Array) -> Uint8:
    rounded: Uint8 = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def _noise(image: Uint8, sigma: float, random: Random) -> Array:
    return np.asarray(image + random.normal(0, 255 * sigma, image.shape))


def _defocus(image: Uint8, radius: float, random: Random) -> Array:
    from skimage.morphology import disk

    del random
    kernel: Array = disk(int(radius))  # type: ignore[no-untyped-call]
    return _filtered(image, kernel.astype(np.float64))


def _motion(image: Uint8, length: float, random: Random) -> Array:
    """A straight move during the exposure, in a direction of the image's own."""
    size = int(length) | 1
    angle, half = random.random() * np.pi, size // 2
    kernel = np.zeros((size, size), np.uint8)
    reach = np.array([np.cos(angle), np.sin(angle)]) * half
    start, end = (tuple(round(float(half + sign * step)) for step in reach) for sign in (-1, 1))
    cv2.line(kernel, start, end, 1)
    return _filtered(image, kernel.astype(np.float64))


def _filtered(image: Uint8, kernel: Float64) -> Array:
    return np.asarray(cv2.filter2D(image.astype(np.float64), -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT))


def _brightness(image: Uint8, more: float, random: Random) -> Array:
    """More light: added to a grey image, and to the value (HSV) of one in colour."""
    from skimage.color import hsv2rgb, rgb2hsv

    del random
    if image.ndim == 2:
        return image + 255 * more
    hsv = rgb2hsv(image)
    hsv[..., 2] = np.clip(hsv[..., 2] + more, 0, 1)
    return np.asarray(255 * hsv2rgb(hsv))


def _contrast(image: Uint8, kept: float, random: Random) -> Array:
    del random
    means = image.mean(axis=(0, 1), keepdims=True)
    return np.asarray((image - means) * kept + means)


def _jpeg(image: Uint8, quality: float, random: Random) -> Array:
    from PIL import Image

    del random
    written = io.BytesIO()
    Image.fromarray(image).save(written, "JPEG", quality=int(quality))
    with Image.open(written) as read:
        return np.asarray(read)


def _downsampling(image: Uint8, part: float, random: Random) -> Array:
    """A camera with this part of the pixels along each side, shown at the size of the truth."""
    del random
    height, width = image.shape[:2]
    small = (max(1, round(width * part)), max(1, round(height * part)))
    coarse = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))


def _uneven_light(image: Uint8, darker: float, random: Random) -> Array:
    """Light that falls off along a direction of the image's own: at its far end this part of it is missing."""
    angle = random.random() * 2 * np.pi
    height, width = image.shape[:2]
    y, x = (np.linspace(-1, 1, side) if side > 1 else np.zeros(1) for side in (height, width))
    along = np.cos(angle) * x[None, :] + np.sin(angle) * y[:, None]
    spread = float(np.abs(along).max()) or 1.0
    light = 1 - darker * (along / spread + 1) / 2
    return np.asarray(image * (light if image.ndim == 2 else light[:, :, None]))


KINDS: Mapping[str, Kind] = {
    "noise": Kind("Gaussian noise of a sensor", (0.08, 0.12, 0.18, 0.26, 0.38), _noise),
    "defocus": Kind("out of focus: a disc of so many pixels radius", (3, 4, 6, 8, 10), _defocus),
    "motion": Kind("moved during the exposure, by so many pixels", (7, 11, 15, 21, 31), _motion),
    "brightness": Kind("too much light, by so much of the whole range", (0.1, 0.2, 0.3, 0.4, 0.5), _brightness),
    "contrast": Kind("so much of the contrast is left", (0.4, 0.3, 0.2, 0.1, 0.05), _contrast),
    "jpeg": Kind("JPEG files of this quality", (25, 18, 15, 10, 7), _jpeg),
    "downsampling": Kind(
        "so much of the resolution along each side is left", (0.6, 0.5, 0.4, 0.3, 0.25), _downsampling
    ),
    "uneven-light": Kind("light falls off across the image by so much", (0.2, 0.35, 0.5, 0.65, 0.8), _uneven_light),
}
"""Every corruption by its name, with what its levels mean."""

CORRUPTIONS = tuple(KINDS)
