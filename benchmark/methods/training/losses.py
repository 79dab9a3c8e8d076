"""Losses for segmentation: all from logits, all float32, all blind to pixels that carry `IGNORE`.

One channel of logits is one sigmoid (binary tasks); several are a softmax over the classes (multiclass tasks).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F

from ...errors import UserError
from .config import IGNORE as IGNORE
from .precision import sent

if TYPE_CHECKING:
    from .config import TrainingConfig


@dataclass(frozen=True)
class Whole:
    """The batch that a loss is a mean over, of which this process may have a part.

    count : processes that share it, whose gradients are averaged. add : the sum of a scalar over them.
    """

    count: int = 1
    add: Callable[[torch.Tensor], torch.Tensor] = lambda value: value

    def mean(self, total: torch.Tensor, weight: torch.Tensor, least: float) -> torch.Tensor:
        """What the mean over all processes is the sum over the batch divided by its weight, which is at least `least`.

        total, weight : scalars, the sums over this process's part.
        """
        return total / (self.add(weight.detach()).clamp_min(least) / self.count)


ALONE = Whole()

Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

BINARY_ONLY = ("bce", "balanced-bce")
"""Losses of one sigmoid."""


def dice_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Soft Dice with squared terms and +1 smoothing, per image and class, then the mean over both.

    1 - (2 sum(p y) + 1) / (sum(p^2) + sum(y^2) + 1), with p = sigmoid(logits), or softmax of several channels.

    Parameters
    ----------
    logits : (B, H, W) or (B, 1, H, W) for a binary task, (B, C, H, W) for C classes; floating point.
    target : (B, H, W) integer: 1 foreground and 0 background, or the class's channel; `IGNORE` is not counted.

    Returns
    -------
    A scalar in 0..1, float32 (float64 for float64 logits).

    Reference
    ---------
    Milletari et al., V-Net, 2016, equation 3, with the smoothing of the usual Keras code.
    """
    x, y, counted = _prepare(logits, target)
    p = _probabilities(x) * counted
    overlap = (p * y).flatten(2).sum(2)
    size = (p.square() + y.square()).flatten(2).sum(2)
    return (1 - (2 * overlap + 1) / (size + 1)).mean()


def tversky_loss(logits: torch.Tensor, target: torch.Tensor, beta: float, whole: Whole = ALONE) -> torch.Tensor:
    """1 - Tversky index per image, then the mean over the batch; beta weighs false positives, 1 - beta false negatives.

    index = <y, p> / (<y, p> + beta <1-y, p> + (1-beta) <y, 1-p>), with the arguments of `dice_loss`: beta = 1/8 makes
    a missed pixel seven times as costly as an invented one. An image without foreground has index 0 whatever is
    predicted, so it gives no gradient. Of several classes the mean is over those that occur in the image.

    Reference
    ---------
    Salehi et al., Tversky loss function for image segmentation using 3D fully convolutional deep networks, 2017.
    """
    x, y, counted = _prepare(logits, target)
    p = _probabilities(x)
    hit = (y * p * counted).flatten(2).sum(2)
    false_positive = ((1 - y) * p * counted).flatten(2).sum(2)
    false_negative = (y * (1 - p) * counted).flatten(2).sum(2)
    size = hit + beta * false_positive + (1 - beta) * false_negative
    losses = 1 - hit / size.clamp_min(torch.finfo(size.dtype).tiny)
    if losses.shape[1] == 1:
        return losses.mean()
    occurs = y.flatten(2).any(2)
    return whole.mean((losses * occurs).sum(), occurs.sum(), 1)


def cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, weights: Sequence[float] | None = None, whole: Whole = ALONE
) -> torch.Tensor:
    """Cross-entropy, the mean over counted pixels; with the arguments of `dice_loss`.

    `weights` has one for each class (of a binary task background and foreground); the loss is divided by the sum of
    its pixels' weights. None is 1 for all.
    """
    if _channels(logits) == 1:
        background, foreground = weights or (1.0, 1.0)
        return weighted_bce(logits, target, foreground, background, whole)
    x, _, counted = _prepare(logits, target, one_hot=False)
    places = torch.where(target == IGNORE, 0, target).long()
    losses = F.cross_entropy(x, places, reduction="none")
    return _weighted_mean(losses, counted[:, 0] * _weight_of(places, weights, x), whole)


def focal_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    gamma: float,
    weights: Sequence[float] | None = None,
    whole: Whole = ALONE,
) -> torch.Tensor:
    """-(1 - p)^gamma log p of the true class's probability p, the mean over counted pixels; arguments of `dice_loss`.

    With gamma = 0 it is the cross-entropy, with its `weights`; well classified pixels count the less, the larger gamma
    is.

    Reference
    ---------
    Lin et al., Focal loss for dense object detection, 2017, equation 4.
    """
    x, y, counted = _prepare(logits, target)
    log_p = torch.where(y > 0, F.logsigmoid(x), F.logsigmoid(-x)) if x.shape[1] == 1 else F.log_softmax(x, 1)
    part = y if x.shape[1] > 1 else torch.ones_like(y)
    losses = -((1 - log_p.exp()).clamp_min(0) ** gamma) * log_p * part
    if weights is None:
        return whole.mean((losses.sum(1, keepdim=True) * counted).sum(), counted.sum(), 1)
    places = torch.where(target == IGNORE, 0, target).long()
    return _weighted_mean(losses.sum(1), counted[:, 0] * _weight_of(places, weights, x), whole)


def weighted_bce(
    logits: torch.Tensor,
    target: torch.Tensor,
    foreground_weight: float = 1.0,
    background_weight: float = 1.0,
    whole: Whole = ALONE,
) -> torch.Tensor:
    """Binary cross-entropy with one weight per class, divided by the sum of the weights of the counted pixels.

    Parameters are those of `dice_loss` for a binary task. Equal weights give the plain mean over pixels.
    """
    x, y, counted = _prepare(logits, target)
    weight = counted * (foreground_weight * y + background_weight * (1 - y))
    loss = F.binary_cross_entropy_with_logits(x, y, weight=weight, reduction="sum")
    return whole.mean(loss, weight.sum(), torch.finfo(x.dtype).tiny)


def balanced_bce(logits: torch.Tensor, target: torch.Tensor, beta: float, whole: Whole = ALONE) -> torch.Tensor:
    """Balanced cross-entropy -(beta y log p + (1 - beta)(1 - y) log(1 - p)), the mean over counted pixels.

    Parameters are those of `dice_loss` for a binary task; `beta` in 0..1 is the weight of the foreground.

    Reference
    ---------
    Xie and Tu, Holistically-nested edge detection, 2015, equation 2.
    """
    x, y, counted = _prepare(logits, target)
    weight = counted * (beta * y + (1 - beta) * (1 - y))
    loss = F.binary_cross_entropy_with_logits(x, y, weight=weight, reduction="sum")
    return whole.mean(loss, counted.sum(), 1)


def make_loss(
    config: TrainingConfig, outputs: int = 1, weights: Sequence[float] | None = None, whole: Whole = ALONE
) -> Loss:
    """The loss that a configuration names, for a number of channels of logits; names joined by `+` are summed.

    `weights` has one for each class, two of a binary task; see `class_weights`. Means over pixels, or over the
    classes of images, are those of the `whole` batch.

    Raises
    ------
    UserError
        For a loss of one sigmoid where there are several classes.
    """
    background, *others = weights or [1.0] * max(2, outputs)
    pixels = [background * config.background_weight, *others]
    parts: dict[str, Loss] = {
        "ce": lambda logits, target: cross_entropy(logits, target, pixels, whole),
        "bce": lambda logits, target: weighted_bce(logits, target, pixels[1], pixels[0], whole),
        "balanced-bce": lambda logits, target: balanced_bce(logits, target, config.balance, whole),
        "dice": dice_loss,
        "tversky": lambda logits, target: tversky_loss(logits, target, config.tversky_beta, whole),
        "focal": lambda logits, target: focal_loss(logits, target, config.focal_gamma, weights, whole),
    }
    names = config.loss.split("+")
    wrong = [name for name in names if outputs > 1 and name in BINARY_ONLY]
    if wrong:
        raise UserError(
            f"loss {wrong[0]} is for one foreground class, and this dataset has {outputs} classes. "
            "Set loss=ce, or a sum such as loss=ce+dice."
        )
    chosen = [parts[name] for name in names]
    return lambda logits, target: torch.stack([part(logits, target) for part in chosen]).sum()


def _weight_of(places: torch.Tensor, weights: Sequence[float] | None, like: torch.Tensor) -> torch.Tensor:
    """The weight of each pixel's class: (B, H, W), of the dtype and device of `like`."""
    if weights is None:
        return torch.ones_like(places, dtype=like.dtype)
    values = np.array(weights, dtype=np.float64 if like.dtype == torch.float64 else np.float32)
    return sent(values, like.device)[places]


def _weighted_mean(losses: torch.Tensor, weight: torch.Tensor, whole: Whole) -> torch.Tensor:
    return whole.mean((losses * weight).sum(), weight.sum(), torch.finfo(losses.dtype).tiny)


class _Prepared(NamedTuple):
    """Logits (B, C, H, W), 0/1 truth of that shape, and 0/1 mask (B, 1, H, W) of counted pixels, of one dtype."""

    logits: torch.Tensor
    truth: torch.Tensor
    counted: torch.Tensor


def _prepare(logits: torch.Tensor, target: torch.Tensor, *, one_hot: bool = True) -> _Prepared:
    x = logits if logits.dtype == torch.float64 else logits.float()
    x = x[:, None] if x.ndim == 3 else x
    if x.ndim != 4 or x[:, 0].shape != target.shape:
        raise ValueError(
            f"logits have shape {tuple(logits.shape)}, target {tuple(target.shape)}: (B, C, H, W) and (B, H, W), or "
            "twice (B, H, W), must have equal B, H and W"
        )
    truth = target[:, None]
    if one_hot:
        channels = torch.arange(x.shape[1], device=x.device)[:, None, None]
        truth = truth == (1 if x.shape[1] == 1 else channels)
    return _Prepared(x, truth.to(x.dtype), (target != IGNORE)[:, None].to(x.dtype))


def _channels(logits: torch.Tensor) -> int:
    return logits.shape[1] if logits.ndim == 4 else 1


def _probabilities(logits: torch.Tensor) -> torch.Tensor:
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)
