"""Foreground probabilities of images of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..errors import UserError
from ..types import DatasetInfo, Float32, Samples, Uint8
from .arrays import prepare_image, resize_probabilities
from .compute import Compute
from .config import TrainingConfig

_BATCH_PIXELS = 2**22
"""Pixels in one forward pass on an accelerator; one larger image is a pass of its own."""


@torch.inference_mode()
def predict_probabilities(
    model: nn.Module, images: Sequence[Uint8], config: TrainingConfig, compute: Compute, stride: int
) -> list[Float32]:
    """Probability of foreground for each image, (H, W) float32 of the image's own size.

    Parameters
    ----------
    model : maps (B, C, H, W) float32 in 0..1, H and W multiples of `stride`, to (B, H, W) logits.
    images : (H, W) or (H, W, 3) uint8 of any sizes.
    config : preparation and test-time augmentation.
    stride : what the network needs its input's sides to be a multiple of.
    """
    model.eval()
    results: list[Float32] = []
    for batch in _batches(images, config, compute):
        stacked = np.stack(batch)
        tensor = torch.from_numpy(stacked).to(compute.device).permute(0, 3, 1, 2).float() / 255
        maps = _augmented(model, tensor, config, compute, stride).cpu().numpy()
        for probabilities in maps:
            shape = images[len(results)].shape
            results.append(resize_probabilities(probabilities, (shape[0], shape[1])))
    return results


def validation_dice(
    model: nn.Module, samples: Samples, dataset: DatasetInfo, config: TrainingConfig, compute: Compute, stride: int
) -> float:
    """Mean over images of the foreground's Dice at probability > 0.5, without test-time augmentation.

    Images without foreground in truth and prediction are left out; NaN when that leaves none.
    """
    plain = config.model_copy(update={"tta": "none"})
    scores = []
    for sample in samples:
        if sample.image is None or sample.labels is None:
            raise UserError(f"validation sample '{sample.id}' has no image or no labels")
        predicted = predict_probabilities(model, [sample.image], plain, compute, stride)[0] > 0.5
        truth = sample.labels == dataset.foreground
        if dataset.ignore_label is not None:
            predicted &= sample.labels != dataset.ignore_label
        size = int(predicted.sum()) + int(truth.sum())
        if size:
            scores.append(2 * int((predicted & truth).sum()) / size)
    return float(np.mean(scores)) if scores else float("nan")


def _augmented(
    model: nn.Module, images: torch.Tensor, config: TrainingConfig, compute: Compute, stride: int
) -> torch.Tensor:
    """(B, C, H, W) to (B, H, W): the mean probability over the views that `config.tta` names, one view at a time."""
    views = {
        "none": [(0, False)],
        "flips": [(0, False), (0, True), (2, False), (2, True)],
        "d4": [(turns, mirrored) for turns in range(4) for mirrored in (False, True)],
    }[config.tta]
    total = torch.zeros_like(images[:, 0])
    for turns, mirrored in views:
        view = images.flip(-1) if mirrored else images
        probabilities = _padded(model, view.rot90(turns, (-2, -1)), compute, stride).rot90(-turns, (-2, -1))
        total += probabilities.flip(-1) if mirrored else probabilities
    return total / len(views)


def _padded(model: nn.Module, images: torch.Tensor, compute: Compute, stride: int) -> torch.Tensor:
    """(B, C, H, W) to probabilities (B, H, W); sides are filled up to multiples of `stride` and cut again."""
    height, width = images.shape[-2:]
    down, right = -height % stride, -width % stride
    # Reflection needs more pixels than it adds.
    mode = "reflect" if down < height and right < width else "replicate"
    padded = F.pad(images, (0, right, 0, down), mode=mode)
    with compute.autocast():
        logits: torch.Tensor = model(compute.images(padded))
    return logits[:, :height, :width].float().sigmoid()


def _batches(images: Sequence[Uint8], config: TrainingConfig, compute: Compute) -> Iterator[list[Uint8]]:
    """Prepared images, consecutive ones of one shape together.

    On the CPU each image goes alone: a batch would be no faster there, and so no prediction depends on its neighbours.
    """
    batch: list[Uint8] = []
    for image in images:
        prepared = prepare_image(image, config)
        room = _BATCH_PIXELS // max(1, prepared.shape[0] * prepared.shape[1])
        full = len(batch) >= (1 if compute.device.type == "cpu" else max(1, room))
        if batch and (full or batch[0].shape != prepared.shape):
            yield batch
            batch = []
        batch.append(prepared)
    if batch:
        yield batch
