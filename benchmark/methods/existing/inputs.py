"""From images as segbench reads them to what a model expects, as its card says."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ...io.images.picture import luma
from ...types import Uint8
from ..training.networks import reflect_up
from .card import ModelCard


def prepared(image: Uint8, card: ModelCard, device: torch.device | str = "cpu") -> torch.Tensor:
    """An image as a model's input.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) uint8, grey or RGB.
    card : channels, scale, mean, std, and size or stride.

    Returns
    -------
    (1, 1 or 3, H', W') float32 on `device`; H' and W' are the card's size, or filled up to multiples of its stride.
    """
    pixels = torch.from_numpy(np.require(_channels(image, card), requirements=["C", "W"]))
    values = pixels.to(device).permute(2, 0, 1)[None].float() * (card.scale / 255)
    mean, std = (torch.tensor(each, device=values.device).view(1, -1, 1, 1) for each in (card.mean, card.std))
    values = (values - mean) / std
    if card.size is not None and values.shape[-2:] != tuple(card.size):
        values = F.interpolate(values, tuple(card.size), mode="bilinear", align_corners=False, antialias=True)
    return values if card.stride is None else reflect_up(values, card.stride)


def _channels(image: Uint8, card: ModelCard) -> Uint8:
    """(H, W) or (H, W, 3) to (H, W, C) in the card's channels."""
    if card.channels == "grey":
        return (luma(image) if image.ndim == 3 else image)[..., None]
    colour = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    return colour if card.channels == "rgb" else colour[..., ::-1]
