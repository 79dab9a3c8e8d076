"""Random views of a batch on its device: one smooth warp for image and target together, then intensities.

A view follows from its key (seed, epoch, sample, showing) alone: not from its batch, the batch's size, its neighbours
or how the samples were loaded. So what is drawn for one view is drawn from a generator of its own, and what could round
differently in a batch of another shape is done view by view; the rest is done for the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ...types import Float32, Float64
from .config import TrainingConfig
from .precision import sent

DRAWS = 1
"""Raised whenever a key gives another view than before: a checkpoint of other draws is not resumed."""

_SEEDS = 2**63


@dataclass(frozen=True)
class ViewKey:
    """What a view follows from. epoch_seed: that of the run's seed and the epoch, 0..2**64-1. sample: its index in
    the training samples. showing: how often it was shown in this epoch before. Both in 0..2**32-1."""

    epoch_seed: int
    sample: int
    showing: int = 0

    def generator(self) -> np.random.Generator:
        """A counter-based generator: each key has a stream of its own, and making one costs microseconds."""
        key = np.array([self.epoch_seed, self.showing << 32 | self.sample], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key))


@dataclass(frozen=True)
class _View:
    """All that is drawn for one view. Each strength is drawn in any case, so that none moves the draws of another.

    matrix: (2, 2) from an output offset (x, y) to an input one. place: 2 fractions of the room that a crop has.
    shift: (x, y) as fractions of the window. bends: (2, h, w) coarse displacements in pixels.
    """

    matrix: Float64
    place: Float64
    shift: Float64
    bends: Float32 | None
    contrast: float
    colors: Float64
    brightness: float
    gamma: float
    noise: float
    noise_seed: int


def augment(
    images: Sequence[torch.Tensor],
    targets: Sequence[torch.Tensor],
    config: TrainingConfig,
    keys: Sequence[ViewKey],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Crop, warp and re-light a batch.

    Parameters
    ----------
    images : B tensors (C, H, W) uint8 on one device; sizes may differ when `config.crop` is set.
    targets : B tensors (H, W) uint8, each of its image's size.
    config : crop side and the strength of each augmentation (0 or false: off).
    keys : B keys, the source of all randomness.

    Returns
    -------
    Images (B, C, h, w) float32 in 0..1 and targets (B, h, w) uint8 whose values all occur in the input target; beyond
    the border both continue by reflection. On one device each view is, bit for bit, that of its key, image and target.
    """
    window = (config.crop, config.crop) if config.crop else (targets[0].shape[0], targets[0].shape[1])
    views = [_draw(key, window, config) for key in keys]
    grid = _source_grid(targets, views, window)
    warped = _sample([image.float() / 255 for image in images], grid, "bilinear")
    labels = _sample([target[None].float() for target in targets], grid, "nearest")
    return _relight(warped, views, config), labels[:, 0].to(torch.uint8)


def _draw(key: ViewKey, window: tuple[int, int], config: TrainingConfig) -> _View:
    generator = key.generator()
    place, shift = generator.random(2), _around(generator, 0, config.shift, 2)
    angle, shear = _around(generator, 0, config.rotation), _around(generator, 0, config.shear)
    zoom, mirrored = _around(generator, 1, config.zoom, 2), generator.random(2) < 0.5
    turns = int(generator.integers(4))
    lights = {
        "contrast": float(_around(generator, 1, config.contrast)[0]),
        "brightness": float(_around(generator, 0, config.brightness)[0]),
        "gamma": math.exp(_around(generator, 0, config.gamma)[0]),
        "noise": float(config.noise * generator.random()),
    }
    return _View(
        _matrix(
            float(angle[0]),
            turns if config.rotate90 else 0,
            float(shear[0]),
            np.where(mirrored & [bool(config.flip), config.flip is True], -zoom, zoom),
        ),
        place=place,
        shift=shift,
        colors=_around(generator, 1, config.color, 3),
        noise_seed=int(generator.integers(_SEEDS)),
        bends=_bends(generator, window, config) if config.elastic else None,
        **lights,
    )


def _around(generator: np.random.Generator, middle: float, spread: float, count: int = 1) -> Float64:
    return middle + spread * (2 * generator.random(count) - 1)


def _bends(generator: np.random.Generator, window: tuple[int, int], config: TrainingConfig) -> Float32:
    """(2, h, w) normal displacements on a coarse grid."""
    coarse = tuple(side // config.elastic_spacing + 3 for side in window)
    noise = generator.standard_normal((2, *coarse), dtype=np.float32)
    return noise * np.float32(config.elastic)


def _matrix(angle: float, turns: int, shear: float, scale: Float64) -> Float64:
    """(2, 2): rotation and quarter turns, shear, zoom per axis and flips."""
    cos, sin = math.cos(angle), math.sin(angle)
    rotation = np.array([[cos, -sin], [sin, cos]])
    # Whole quarter turns from a table: cos(pi/2) is not 0 in floating point.
    quarter = np.array([[[1, 0], [0, 1]], [[0, -1], [1, 0]], [[-1, 0], [0, -1]], [[0, 1], [-1, 0]]])[turns]
    sheared = np.array([[1, -math.sin(shear)], [0, math.cos(shear)]])
    return np.asarray(quarter @ rotation @ sheared * scale, dtype=np.float64)


def _source_grid(targets: Sequence[torch.Tensor], views: Sequence[_View], window: tuple[int, int]) -> torch.Tensor:
    """(B, h, w, 2): for each output pixel the (x, y) in its input image that it shows, -1 and 1 being the borders."""
    device = targets[0].device
    height, width = window
    x = torch.arange(width, device=device) - (width - 1) / 2
    y = torch.arange(height, device=device) - (height - 1) / 2
    rows = [_coefficients(target, view, window) for target, view in zip(targets, views, strict=True)]
    # Multiplied and added one by one: a matrix product may round differently for another number of views.
    a = sent(np.array(rows, dtype=np.float32), device)[:, None, None]
    across, down, base = a.unbind(-2)
    grid = x[:, None] * across + y[:, None, None] * down + base
    for place, target, view in zip(grid, targets, views, strict=True):
        if view.bends is not None:
            place += _elastic(view.bends, target, window)
    return grid


def _coefficients(target: torch.Tensor, view: _View, window: tuple[int, int]) -> Float64:
    """(3, 2): what output x, output y and 1 are multiplied with to give the input's (x, y)."""
    size, extent = np.array(target.shape[::-1]), np.array(window[::-1])
    free = size - extent
    # A window larger than the image is centred on it, and its rim is filled by reflection.
    corner = np.floor(np.where(free > 0, view.place * (free + 1), free / 2))
    centre = corner + (extent - 1) / 2 + view.shift * extent
    return np.vstack([2 * view.matrix.T / size, (2 * centre + 1) / size - 1])


def _elastic(bends: Float32, target: torch.Tensor, window: tuple[int, int]) -> torch.Tensor:
    """(h, w, 2) smooth displacements: normal on a coarse grid, bicubic between its points.

    Reference: Ronneberger et al., U-Net, 2015, section 3.1.
    """
    scale = 2 / np.array(target.shape[::-1], dtype=np.float32)
    coarse = sent(bends * scale[:, None, None], target.device)
    return F.interpolate(coarse[None], size=window, mode="bicubic", align_corners=True)[0].permute(1, 2, 0)


def _sample(tensors: Sequence[torch.Tensor], grid: torch.Tensor, mode: str) -> torch.Tensor:
    """Read (C, H, W) tensors at (B, h, w, 2) positions: (B, C, h, w)."""
    if len({tensor.shape for tensor in tensors}) > 1:
        singles = zip(tensors, grid, strict=True)
        return torch.cat([_sample([tensor], at[None], mode) for tensor, at in singles])
    return F.grid_sample(torch.stack(list(tensors)), grid, mode=mode, padding_mode="reflection", align_corners=False)


def _relight(images: torch.Tensor, views: Sequence[_View], config: TrainingConfig) -> torch.Tensor:
    """Brightness, contrast, gamma, channel gains and noise of (B, C, H, W) images in 0..1, in place."""
    channels = images.shape[1]

    def column(values: Sequence[object]) -> torch.Tensor:
        return sent(np.array(values, dtype=np.float32), images.device).view(len(views), -1, 1, 1)

    if config.contrast:
        mean = torch.stack([image.mean() for image in images]).view(-1, 1, 1, 1)
        images.sub_(mean).mul_(column([view.contrast for view in views])).add_(mean)
    if config.color and channels > 1:
        images.mul_(column([view.colors[:channels] for view in views]))
    if config.brightness:
        images.add_(column([view.brightness for view in views]))
    if config.gamma:
        images.clamp_(0, 1)
    for image, view in zip(images, views, strict=True) if config.gamma or config.noise else ():
        if config.gamma:
            image.pow_(view.gamma)
        if config.noise:
            generator = torch.Generator(image.device).manual_seed(view.noise_seed)
            image.add_(torch.randn(image.shape, generator=generator, device=image.device), alpha=view.noise)
    return images.clamp_(0, 1)
