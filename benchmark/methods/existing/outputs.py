"""From a model's outputs to label maps and probabilities of the image's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ...errors import UserError
from ...types import Array, DatasetInfo, Float32, Prediction
from .card import OUTPUT_NAMES, ModelCard, labels_of


@dataclass(frozen=True)
class Outputs:
    """What a model gave for one image, in the image's size.

    `maps` is (n, H, W) float32, logits or probabilities of n classes, or (H, W) int64, the class of each pixel.
    """

    maps: torch.Tensor

    @property
    def are_labels(self) -> bool:
        """Whether it is a map of classes."""
        return self.maps.dim() == 2

    def classes(self) -> Array:
        """(H, W) integer: the likeliest output of each pixel, 0 or 1 of a single one."""
        if self.are_labels:
            return self.maps.cpu().numpy()
        if len(self.maps) == 1:
            return (self.maps[0] > 0).cpu().numpy().astype(np.int64)
        return self.maps.argmax(0).cpu().numpy()


def chosen_output(given: Any, model: str) -> Any:
    """The segmentation among what a model returns: a tensor, or a mapping or sequence with one.

    Raises UserError for anything else.
    """
    if isinstance(given, Mapping):
        named = [given[name] for name in OUTPUT_NAMES if name in given]
        given = named[0] if named else next(iter(given.values()), None)
    elif hasattr(given, "logits"):
        given = given.logits
    elif isinstance(given, Sequence):
        given = given[0] if given else None
    if not isinstance(given, torch.Tensor | np.ndarray):
        raise UserError(
            f"{model} returned {type(given).__name__}; expected logits (batch, classes, height, width), or a mapping "
            f"with them under {' or '.join(map(repr, OUTPUT_NAMES))}"
        )
    return given


def of_image(given: Any, card: ModelCard, sides: tuple[int, int], image: tuple[int, int], model: str) -> Outputs:
    """What a model gave for one image, brought to the image's size.

    Parameters
    ----------
    given : (1, n, h, w) floating-point, or whole numbers (1, h, w) or (1, 1, h, w).
    card : says whether the input was resized or filled up.
    sides : (height, width) of the model's input.
    image : (height, width) of the image.
    model : its name in messages.

    Raises UserError for an output of another form.
    """
    maps = torch.as_tensor(chosen_output(given, model))
    found = f"{model} returned an array of shape {tuple(maps.shape)} of {str(maps.dtype).removeprefix('torch.')}"
    if not maps.is_floating_point():
        maps = maps[:, 0] if maps.dim() == 4 and maps.shape[1] == 1 else maps
        if maps.dim() != 3 or len(maps) != 1 or not maps.numel():
            raise UserError(f"{found} for one image; expected classes (1, height, width)")
        return Outputs(_fitted(maps[None].double(), card, sides, image, "nearest-exact")[0, 0].long())
    if maps.dim() != 4 or len(maps) != 1 or not maps.numel():
        raise UserError(f"{found} for one image; expected logits (1, classes, height, width)")
    return Outputs(_fitted(maps.float(), card, sides, image, "bilinear")[0])


def _fitted(
    maps: torch.Tensor, card: ModelCard, sides: tuple[int, int], image: tuple[int, int], mode: str
) -> torch.Tensor:
    """Resized to the image; what the input was filled up by is cut off first."""
    even = {"align_corners": False} if mode == "bilinear" else {}
    if card.size is None:
        if maps.shape[-2:] != sides:
            maps = F.interpolate(maps, sides, mode=mode, **even)
        maps = maps[..., : image[0], : image[1]]
    return maps if maps.shape[-2:] == image else F.interpolate(maps, image, mode=mode, **even)


def prediction(
    outputs: Outputs, card: ModelCard, dataset: DatasetInfo, model: str, *, probabilities: bool = False
) -> Prediction:
    """The prediction that a model's outputs are on a dataset.

    Returns
    -------
    Of a binary task the foreground's probabilities, (H, W) float32; else, and of a map of classes, label values; beside
    them, where `probabilities` of several classes are asked for and the model gives some, these (C, H, W) float32.

    Raises
    ------
    UserError
        Where the card does not say what an output stands for; values that are not finite.
    """
    if outputs.are_labels:
        return Prediction(labels=_mapped(outputs.maps.cpu().numpy(), card, dataset, model))
    if not bool(torch.isfinite(outputs.maps).all()):
        raise UserError(f"{model} gives values that are not finite. Does it expect other pixels? See 'bench doctor'.")
    labels = labels_of(card, dataset, len(outputs.maps), model)
    if dataset.task == "binary":
        return Prediction(probabilities=_foreground(outputs.maps, labels, card, dataset))
    indices = list(labels)
    best = outputs.maps[indices].argmax(0).cpu().numpy() if len(indices) < len(outputs.maps) else outputs.classes()
    values = np.array(list(labels.values()))
    chosen = values.astype(np.min_scalar_type(int(values.max())))[best]
    shares = _of_classes(outputs.maps, labels, card, dataset) if probabilities else None
    return Prediction(labels=chosen, probabilities=shares)


def _of_classes(maps: torch.Tensor, labels: Mapping[int, int], card: ModelCard, dataset: DatasetInfo) -> Float32:
    """(n, H, W) to the probabilities of the dataset's classes, (C, H, W) float32: outputs of one class are added up."""
    each = _named(maps, labels, card)
    total = each.sum(0).clamp_min(torch.finfo(torch.float32).tiny)
    found = np.zeros((len(dataset.classes), *maps.shape[1:]), np.float32)
    place = {known.id: number for number, known in enumerate(dataset.classes)}
    for share, label in zip(each, labels.values(), strict=True):
        if label in place:  # one that the dataset does not score is the rest that is missing to 1
            found[place[label]] += (share / total).cpu().numpy()
    return np.clip(found, 0, 1, out=found)


def _named(maps: torch.Tensor, labels: Mapping[int, int], card: ModelCard) -> torch.Tensor:
    """(n, H, W) to the probabilities (len(labels), H, W) of the outputs that stand for something."""
    named = maps if len(labels) == len(maps) else maps[list(labels)]
    return named if card.outputs == "probabilities" else named.softmax(0)


def _foreground(maps: torch.Tensor, labels: Mapping[int, int], card: ModelCard, dataset: DatasetInfo) -> Array:
    """(n, H, W) to the share of the outputs that stand for the foreground, (H, W) float32 in 0..1."""
    probabilities = card.outputs == "probabilities"
    if len(maps) == 1:
        single = maps[0] if probabilities else maps[0].sigmoid()
        share = single if labels[0] == dataset.foreground else 1 - single
    else:
        each = _named(maps, labels, card)
        inside = torch.tensor([label == dataset.foreground for label in labels.values()], device=maps.device)
        share = each[inside].sum(0) / each.sum(0).clamp_min(torch.finfo(torch.float32).tiny)
    values: Array = share.clamp(0, 1).cpu().numpy().astype(np.float32)
    return values


def _mapped(classes: Array, card: ModelCard, dataset: DatasetInfo, model: str) -> Array:
    """Label values of a map of a model's classes."""
    highest = int(classes.max())
    count = max(highest + 1, len(dataset.classes)) if card.classes is None else max(highest, *card.classes, 0) + 1
    labels = labels_of(card, dataset, count, model)
    strange = sorted(set(np.unique(classes).tolist()) - set(labels))
    if strange:
        raise UserError(
            f"{model} gives a map of classes with the value {strange[0]}, for which its card names no class of "
            f"{dataset.name}. A map has no second best: name a class for each of its values under 'classes'."
        )
    table = np.zeros(count, np.int64)
    table[list(labels)] = list(labels.values())
    return table[classes].astype(np.min_scalar_type(max(labels.values())))
