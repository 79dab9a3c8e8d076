"""Losses for binary segmentation, all from logits, all float32, all blind to pixels that carry `IGNORE`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from .config import TrainingConfig

Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

IGNORE = 255
"""The target value of a pixel that is not counted."""


def dice_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Soft Dice with squared terms and +1 smoothing, per image, then the mean over the batch.

    1 - (2 sum(p y) + 1) / (sum(p^2) + sum(y^2) + 1), with p = sigmoid(logits).

    Parameters
    ----------
    logits : (B, H, W) floating point.
    target : (B, H, W) integer: 1 foreground, 0 background, `IGNORE` not counted.

    Returns
    -------
    A scalar in 0..1, float32 (float64 for float64 logits).

    Reference
    ---------
    Milletari et al., V-Net, 2016, equation 3, with the smoothing of the usual Keras code.
    """
    p, y, counted = _prepare(logits, target)
    p = p.sigmoid() * counted
    overlap = (p * y).flatten(1).sum(1)
    size = (p.square() + y.square()).flatten(1).sum(1)
    return (1 - (2 * overlap + 1) / (size + 1)).mean()


def tversky_loss(logits: torch.Tensor, target: torch.Tensor, beta: float) -> torch.Tensor:
    """1 - Tversky index per image, then the mean over the batch; beta weighs false positives, 1 - beta false negatives.

    index = <y, p> / (<y, p> + beta <1-y, p> + (1-beta) <y, 1-p>), with the arguments of `dice_loss`: beta = 1/8 makes
    a missed pixel seven times as costly as an invented one. An image without foreground has index 0 whatever is
    predicted, so it gives no gradient.

    Reference
    ---------
    Salehi et al., Tversky loss function for image segmentation using 3D fully convolutional deep networks, 2017.
    """
    p, y, counted = _prepare(logits, target)
    p = p.sigmoid()
    hit = (y * p * counted).flatten(1).sum(1)
    false_positive = ((1 - y) * p * counted).flatten(1).sum(1)
    false_negative = (y * (1 - p) * counted).flatten(1).sum(1)
    size = hit + beta * false_positive + (1 - beta) * false_negative
    return (1 - hit / size.clamp_min(torch.finfo(size.dtype).tiny)).mean()


def weighted_bce(
    logits: torch.Tensor, target: torch.Tensor, foreground_weight: float = 1.0, background_weight: float = 1.0
) -> torch.Tensor:
    """Binary cross-entropy with one weight per class, divided by the sum of the weights of the counted pixels.

    Parameters are those of `dice_loss`. Equal weights give the plain mean over pixels.
    """
    x, y, counted = _prepare(logits, target)
    weight = counted * (foreground_weight * y + background_weight * (1 - y))
    loss = F.binary_cross_entropy_with_logits(x, y, weight=weight, reduction="sum")
    return loss / weight.sum().clamp_min(torch.finfo(x.dtype).tiny)


def balanced_bce(logits: torch.Tensor, target: torch.Tensor, beta: float) -> torch.Tensor:
    """Balanced cross-entropy -(beta y log p + (1 - beta)(1 - y) log(1 - p)), the mean over counted pixels.

    Parameters are those of `dice_loss`; `beta` in 0..1 is the weight of the foreground.

    Reference
    ---------
    Xie and Tu, Holistically-nested edge detection, 2015, equation 2.
    """
    x, y, counted = _prepare(logits, target)
    weight = counted * (beta * y + (1 - beta) * (1 - y))
    loss = F.binary_cross_entropy_with_logits(x, y, weight=weight, reduction="sum")
    return loss / counted.sum().clamp_min(1)


def make_loss(config: TrainingConfig) -> Loss:
    """The loss that a configuration names; names joined by `+` are summed with equal weight."""
    parts: dict[str, Loss] = {
        "dice": dice_loss,
        "bce": lambda logits, target: weighted_bce(logits, target, background_weight=config.background_weight),
        "balanced-bce": lambda logits, target: balanced_bce(logits, target, config.balance),
        "tversky": lambda logits, target: tversky_loss(logits, target, config.tversky_beta),
    }
    chosen = [parts[name] for name in config.loss.split("+")]
    return lambda logits, target: torch.stack([part(logits, target) for part in chosen]).sum()


def _prepare(logits: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, 0/1 truth (0 where ignored) and 0/1 mask of counted pixels, all of one floating dtype."""
    if logits.shape != target.shape:
        raise ValueError(f"logits have shape {tuple(logits.shape)}, target {tuple(target.shape)}: they must be equal")
    x = logits if logits.dtype == torch.float64 else logits.float()
    return x, (target == 1).to(x.dtype), (target != IGNORE).to(x.dtype)
