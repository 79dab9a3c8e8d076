"""Random views of a batch on its device: one smooth warp for image and target together, then intensities.

Every draw comes from one generator, so a batch is the same whenever its generator is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from .config import TrainingConfig


def augment(
    images: Sequence[torch.Tensor],
    targets: Sequence[torch.Tensor],
    config: TrainingConfig,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Crop, warp and re-light a batch.

    Parameters
    ----------
    images : B tensors (C, H, W) uint8 on the generator's device; sizes may differ when `config.crop` is set.
    targets : B tensors (H, W) uint8, each of its image's size.
    config : crop side and the strength of each augmentation (0 or false: off).
    generator : the source of all randomness.

    Returns
    -------
    Images (B, C, h, w) float32 in 0..1 and targets (B, h, w) uint8 whose values all occur in the input target; beyond
    the border both continue by reflection.
    """
    grid = _source_pixels(targets, config, generator)
    warped = _sample([image.float() / 255 for image in images], grid, "bilinear")
    labels = _sample([target[None].float() for target in targets], grid, "nearest")
    return _relight(warped, config, generator), labels[:, 0].to(torch.uint8)


def _uniform(generator: torch.Generator, *shape: int, low: float, high: float) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def _source_pixels(targets: Sequence[torch.Tensor], config: TrainingConfig, generator: torch.Generator) -> torch.Tensor:
    """(B, h, w, 2): for each output pixel the (x, y) in its input image that it shows, in pixels."""
    count = len(targets)
    height, width = (config.crop, config.crop) if config.crop else targets[0].shape
    y, x = torch.meshgrid(
        torch.arange(height, device=generator.device) - (height - 1) / 2,
        torch.arange(width, device=generator.device) - (width - 1) / 2,
        indexing="ij",
    )
    offsets = torch.stack([x, y], dim=-1).view(1, -1, 2) @ _affine(count, config, generator).transpose(1, 2)
    pixels = offsets.view(count, height, width, 2) + _centres(targets, (height, width), generator)
    extent = torch.tensor([width, height], device=generator.device)
    pixels += _uniform(generator, count, 1, 1, 2, low=-config.shift, high=config.shift) * extent
    if config.elastic:
        pixels += _elastic(count, height, width, config, generator)
    return pixels


def _centres(targets: Sequence[torch.Tensor], window: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    """(B, 1, 1, 2): the (x, y) that each window is centred on, its corner drawn uniformly among whole pixels."""
    free = torch.tensor([[t.shape[1] - window[1], t.shape[0] - window[0]] for t in targets], device=generator.device)
    draws = torch.rand((len(targets), 2), generator=generator, device=generator.device)
    # A window larger than the image is centred on it, and its rim is filled by reflection.
    corner = torch.where(free > 0, (draws * (free + 1)).floor(), (free / 2).floor())
    half = torch.tensor([(window[1] - 1) / 2, (window[0] - 1) / 2], device=generator.device)
    return (corner + half).view(-1, 1, 1, 2)


def _affine(count: int, config: TrainingConfig, generator: torch.Generator) -> torch.Tensor:
    """(B, 2, 2) matrices: rotation (and quarter turns), shear, zoom per axis and flips."""
    angle = _uniform(generator, count, low=-config.rotation, high=config.rotation)
    turns = torch.randint(4, (count,), generator=generator, device=generator.device)
    quarter = turns if config.rotate90 else torch.zeros_like(turns)
    shear = _uniform(generator, count, low=-config.shear, high=config.shear)
    zoom = _uniform(generator, count, 2, low=1 - config.zoom, high=1 + config.zoom)
    mirrored = torch.rand((count, 2), generator=generator, device=generator.device) < 0.5
    scale = torch.where(mirrored & config.flip, -zoom, zoom)
    cos, sin = angle.cos(), angle.sin()
    rotation = torch.stack([cos, -sin, sin, cos], dim=1).view(count, 2, 2)
    # Whole quarter turns from a table: cos(pi/2) is not 0 in floating point.
    table = torch.tensor([[1, 0, 0, 1], [0, -1, 1, 0], [-1, 0, 0, -1], [0, 1, -1, 0]], device=angle.device)
    turn = table[quarter].view(count, 2, 2).to(angle.dtype)
    ones, zeros = torch.ones_like(shear), torch.zeros_like(shear)
    sheared = torch.stack([ones, -shear.sin(), zeros, shear.cos()], dim=1).view(count, 2, 2)
    return turn @ rotation @ sheared @ torch.diag_embed(scale)


def _elastic(count: int, height: int, width: int, config: TrainingConfig, generator: torch.Generator) -> torch.Tensor:
    """(B, h, w, 2) smooth displacements in pixels: normal on a coarse grid, bicubic between its points.

    Reference: Ronneberger et al., U-Net, 2015, section 3.1.
    """
    coarse = (count, 2, height // config.elastic_spacing + 3, width // config.elastic_spacing + 3)
    noise = torch.randn(coarse, generator=generator, device=generator.device) * config.elastic
    smooth = F.interpolate(noise, size=(height, width), mode="bicubic", align_corners=True)
    return smooth.permute(0, 2, 3, 1)


def _sample(tensors: Sequence[torch.Tensor], pixels: torch.Tensor, mode: str) -> torch.Tensor:
    """Read (C, H, W) tensors at (B, h, w, 2) pixel positions: (B, C, h, w)."""
    if len({tensor.shape for tensor in tensors}) > 1:
        singles = zip(tensors, pixels, strict=True)
        return torch.cat([_sample([tensor], at[None], mode) for tensor, at in singles])
    batch = torch.stack(list(tensors))
    extent = torch.tensor([batch.shape[-1], batch.shape[-2]], device=pixels.device)
    grid = (2 * pixels + 1) / extent - 1
    return F.grid_sample(batch, grid, mode=mode, padding_mode="reflection", align_corners=False)


def _relight(images: torch.Tensor, config: TrainingConfig, generator: torch.Generator) -> torch.Tensor:
    """Brightness, contrast, gamma, channel gains and noise of (B, C, H, W) images in 0..1; off means no draw."""
    count, channels = images.shape[:2]
    if config.contrast:
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        gain = _uniform(generator, count, 1, 1, 1, low=1 - config.contrast, high=1 + config.contrast)
        images = mean + gain * (images - mean)
    if config.color and channels > 1:
        images = images * _uniform(generator, count, channels, 1, 1, low=1 - config.color, high=1 + config.color)
    if config.brightness:
        images = images + _uniform(generator, count, 1, 1, 1, low=-config.brightness, high=config.brightness)
    if config.gamma:
        power = _uniform(generator, count, 1, 1, 1, low=-config.gamma, high=config.gamma).exp()
        images = images.clamp(0, 1) ** power
    if config.noise:
        strength = _uniform(generator, count, 1, 1, 1, low=0, high=config.noise)
        images = images + strength * torch.randn(images.shape, generator=generator, device=generator.device)
    return images.clamp(0, 1)
