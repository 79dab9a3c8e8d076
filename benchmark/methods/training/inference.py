"""What a network makes of images of any size: probabilities, averaged over views and over overlapping windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ...errors import UserError
from ...evaluation.evaluate import evaluate
from ...registry import metrics_of
from ...types import Dataset, DatasetInfo, Float32, Prediction, Samples, Uint8
from ..targets import prepare_image, resize_probabilities
from ..watershed_lines import without_gaps
from .config import TrainingConfig
from .networks import reflect_up
from .precision import Compute

_BATCH_PIXELS = 2**22
"""Pixels in one forward pass on an accelerator; one larger image is a pass of its own."""

_OVERLAP = 4
"""Windows next to each other share 1/4 of their side."""


@torch.inference_mode()
def predict(
    model: nn.Module,
    images: Sequence[Uint8],
    config: TrainingConfig,
    compute: Compute,
    stride: int,
    dataset: DatasetInfo,
    *,
    probabilities: bool = False,
) -> list[Prediction]:
    """Predictions of images, each in its own size.

    Parameters
    ----------
    model : maps (B, C, H, W) float32 in 0..1, H and W multiples of `stride`, to (B, outputs, H, W) logits.
    images : (H, W) or (H, W, 3) uint8 of any sizes.
    config : preparation, windows and test-time augmentation.
    stride : what the network needs its input's sides to be a multiple of.
    dataset : its task says what the channels are.
    probabilities : give those of all classes too, of a task of several.

    Returns
    -------
    Of a binary task the probabilities of foreground, (H, W) float32; else the likeliest label values, (H, W) integer,
    where asked with the probabilities that they are the likeliest of, (C, H, W) float32.
    """
    model.eval()
    results: list[Prediction] = []
    labels = np.array([c.id for c in dataset.classes])
    labels = labels.astype(np.min_scalar_type(int(labels.max())) if labels.min() >= 0 else np.int32)
    for batch in _batches(images, config, compute):
        tensor = compute.move(np.stack(batch)).permute(0, 3, 1, 2).float() / 255
        with compute.arithmetic():
            averaged = averaged_views(model, tensor, config, compute, stride)
        for maps in averaged:
            height, width = images[len(results)].shape[:2]
            if len(maps) == 1:
                values = resize_probabilities(maps[0].cpu().numpy(), (height, width))
                if config.close_gaps:
                    values = without_gaps(values, config.close_gaps)
                results.append(Prediction(probabilities=values))
                continue
            if maps.shape[1:] != (height, width):
                maps = F.interpolate(maps[None], (height, width), mode="bilinear", align_corners=False)[0]
            best = labels[maps.argmax(0).cpu().numpy()]
            results.append(Prediction(labels=best, probabilities=_plain(maps) if probabilities else None))
    return results


def _plain(maps: torch.Tensor) -> Float32:
    """Probabilities (C, H, W) float32, which views, windows and a change of size leave in 0..1 but for rounding."""
    values: Float32 = maps.float().clamp(0, 1).cpu().numpy()
    return values


def validation_score(
    model: nn.Module, samples: Samples, config: TrainingConfig, compute: Compute, stride: int, dataset: DatasetInfo
) -> float:
    """The score that ranks on this dataset, of some samples, without test-time augmentation; NaN where undefined."""
    plain = config.model_copy(update={"tta": "none"})
    source: Dataset = samples.dataset
    (metric,) = (m for m in metrics_of(dataset) if dataset.main_score in {s.name for s in m.scores})

    def pairs() -> Iterator[tuple[str, Prediction]]:
        for sample in samples:
            if sample.image is None or sample.labels is None:
                raise UserError(f"validation sample '{sample.id}' has no image or no labels")
            yield sample.id, predict(model, [sample.image], plain, compute, stride, dataset)[0]

    statistics = evaluate(source, (metric,), pairs(), workers=0)
    return metric.compute(statistics.of(metric.name), dataset)[dataset.main_score]


def averaged_views(
    model: nn.Module, images: torch.Tensor, config: TrainingConfig, compute: Compute, stride: int
) -> torch.Tensor:
    """(B, C, H, W) to (B, outputs, H, W): mean probabilities over the views that `config.tta` names, one at a time."""
    views = {
        "none": [(0, False)],
        "horizontal": [(0, False), (0, True)],
        "flips": [(0, False), (0, True), (2, False), (2, True)],
        "d4": [(turns, mirrored) for turns in range(4) for mirrored in (False, True)],
    }[config.tta]
    total: torch.Tensor | None = None
    for turns, mirrored in views:
        view = (images.flip(-1) if mirrored else images).rot90(turns, (-2, -1))
        probabilities = _windowed(model, view, config.window, compute, stride).rot90(-turns, (-2, -1))
        probabilities = probabilities.flip(-1) if mirrored else probabilities
        total = probabilities if total is None else total + probabilities
    assert total is not None
    return total / len(views)


def _windowed(
    model: nn.Module, images: torch.Tensor, window: int | None, compute: Compute, stride: int
) -> torch.Tensor:
    """(B, C, H, W) to probabilities (B, outputs, H, W), larger images through windows that fade into each other."""
    height, width = images.shape[-2:]
    if window is None or max(height, width) <= window:
        return _padded(model, images, compute, stride)
    total, weights = None, torch.zeros(height, width, device=images.device)
    for top in _starts(height, window):
        for left in _starts(width, window):
            place = (..., slice(top, top + window), slice(left, left + window))
            probabilities = _padded(model, images[place], compute, stride)
            weight = torch.outer(*(_fade(n, images.device) for n in probabilities.shape[-2:]))
            if total is None:
                total = torch.zeros(*probabilities.shape[:2], height, width, device=images.device)
            total[place] += weight * probabilities
            weights[place] += weight
    assert total is not None
    return total / weights


def _starts(side: int, window: int) -> list[int]:
    """Where windows begin: evenly spread, the first and the last at the borders, neighbours overlapping."""
    if side <= window:
        return [0]
    count = -(-(side - window) // (window - window // _OVERLAP)) + 1
    return [round(number * (side - window) / (count - 1)) for number in range(count)]


def _fade(side: int, device: torch.device) -> torch.Tensor:
    """Weights of a window's pixels along one side: from its border inwards 1, 2, 3, …, and back."""
    place = torch.arange(side, device=device)
    return torch.minimum(place, side - 1 - place).add(1).float()


def _padded(model: nn.Module, images: torch.Tensor, compute: Compute, stride: int) -> torch.Tensor:
    """(B, C, H, W) to probabilities (B, outputs, H, W); sides are filled up to multiples of `stride` and cut again."""
    height, width = images.shape[-2:]
    with compute.autocast():
        logits: torch.Tensor = model(compute.images(reflect_up(images, stride)))
    logits = logits[:, :, :height, :width].float()
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)


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
