"""Usual mistakes in a model card: the cards that its author may have meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from ...errors import UserError
from ...types import Array, DatasetInfo, Prediction, Uint8
from .card import ModelCard
from .outputs import Outputs, prediction

IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
CAFFE_MEAN = [123.68, 116.779, 103.939]
"""Mean red, green and blue in 0..255 that the first networks on ImageNet subtracted, without a division."""
MIN_PURITY = 0.5
"""Share of an output's pixels that have to be of one class for the output to be called that class."""
MIN_SHARE = 0.001
"""Share of all pixels below which nothing is said of an output: too few to tell its class."""

Score = Callable[[Sequence[Prediction], Sequence[int]], float]
"""The main score of predictions of some of the images, by their places; NaN where undefined."""
ASPECTS = ("channels", "scaling", "outputs", "classes")
"""What a variant may differ in from a card, in the order in which it is told."""


def fields_of(card: ModelCard, aspect: str) -> dict[str, Any]:
    """The fields of a card that an aspect is made of."""
    names = {"scaling": ("scale", "mean", "std")}.get(aspect, (aspect,))
    return {name: getattr(card, name) for name in names}


def input_variants(card: ModelCard, aspects: Sequence[str]) -> Iterator[ModelCard]:
    """The card itself first, then every other way in which pixels are usually given to a network."""
    yield card
    grey = card.channels == "grey"
    orders = ["grey"] if grey else ["rgb", "bgr"] if "channels" in aspects else [card.channels]
    scalings: list[dict[str, Any] | None] = [None]
    scalings += [*_scalings(grey)] if "scaling" in aspects else []
    for order, scaling in product(orders, scalings):
        turned = {**(fields_of(card, "scaling") if scaling is None else scaling)}
        if order == "bgr" and scaling is not None:
            turned = {name: value[::-1] if isinstance(value, list) else value for name, value in turned.items()}
        other = card.model_copy(update={"channels": order, **turned})
        if other != card:
            yield other


def _scalings(grey: bool) -> Iterator[dict[str, Any]]:
    none: dict[str, Any] = {"scale": 1.0, "mean": [0.0], "std": [1.0]}
    yield none
    yield {**none, "scale": 255.0}
    yield {**none, "mean": [0.5], "std": [0.5]}
    if not grey:
        yield {"scale": 1.0, "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
        yield {"scale": 255.0, "mean": CAFFE_MEAN, "std": [1.0]}


@dataclass
class ModelOnImages:
    """A model looked at on some images: outputs of each input variant for each image, computed once when asked for.

    truths are (H, W) integer label values of the images, of which void ones are not counted.
    """

    given: Callable[[Uint8, ModelCard], Outputs]
    images: Sequence[Uint8]
    truths: Sequence[Array]
    dataset: DatasetInfo
    name: str
    score: Score
    _outputs: dict[str, dict[int, Outputs]] = field(default_factory=dict)

    def outputs(self, card: ModelCard, place: int) -> Outputs:
        """What the model gives for an image with this card's input."""
        known = self._outputs.setdefault(_input_of(card), {})
        if place not in known:
            known[place] = self.given(self.images[place], card)
        return known[place]

    def keep_only(self, cards: Sequence[ModelCard]) -> None:
        """Give back the memory that the outputs of other inputs take."""
        kept = {_input_of(card) for card in cards}
        self._outputs = {key: known for key, known in self._outputs.items() if key in kept}

    def score_of(self, card: ModelCard, places: Sequence[int]) -> float:
        """The main score of some of the images with a card; NaN where the card does not fit the model."""
        try:
            found = [prediction(self.outputs(card, place), card, self.dataset, self.name) for place in places]
        except UserError:
            return float("nan")
        return self.score(found, places)

    def are_probabilities(self, card: ModelCard, places: Sequence[int]) -> bool:
        """Whether all outputs for some of the images lie in 0..1, which logits do not."""
        maps = [self.outputs(card, place).maps for place in places]
        return all(each.dim() == 3 and float(each.min()) >= 0 and float(each.max()) <= 1 for each in maps)

    def fitted_classes(self, card: ModelCard, places: Sequence[int]) -> dict[int, int] | None:
        """The class that each output of the model mostly is in some of the images; None where none is clear."""
        table = self._joint(card, places)
        labels = [each.id for each in self.dataset.classes]
        found = {}
        for index, row in enumerate(table):
            best, total = int(np.argmax(row)), row.sum()
            if total > MIN_SHARE * table.sum() and row[best] >= MIN_PURITY * total:
                found[index] = labels[best]
        return found or None

    def agreement(self, card: ModelCard, places: Sequence[int]) -> float:
        """Cohen's kappa of predicted and true labels over the counted pixels; 0 where the card does not fit."""
        size = len(self.dataset.classes)
        table = np.zeros((size, size))
        for place in places:
            try:
                outputs = self.outputs(card, place)
                found = _labels(prediction(outputs, card, self.dataset, self.name), self.dataset)
            except UserError:
                return 0.0
            table += self._counts(self._positions(found), place, size)
        total = float(table.sum())
        by_chance = float(table.sum(0) @ table.sum(1)) / total**2 if total else 1.0
        return (float(np.trace(table)) / total - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0

    def _joint(self, card: ModelCard, places: Sequence[int]) -> Array:
        """(outputs, classes): for each output of the model the number of its pixels in each class of the dataset."""
        classes = [self.outputs(card, place).classes() for place in places]
        size = max(int(each.max()) for each in classes) + 1
        counts = [self._counts(each, place, size) for each, place in zip(classes, places, strict=True)]
        table: Array = np.sum(counts, axis=0)
        return table

    def _counts(self, found: Array, place: int, size: int) -> Array:
        """(size, classes) pixels of an image by what was found, below `size`, and by true class."""
        truth, count = self._positions(self.truths[place]), len(self.dataset.classes)
        counted = (truth >= 0) & (found >= 0)
        pairs = found[counted].astype(np.int64) * count + truth[counted]
        counts: Array = np.bincount(pairs, minlength=size * count).reshape(size, count).astype(float)
        return counts

    def _positions(self, labels: Array) -> Array:
        """The place of each label among the dataset's classes, -1 for others."""
        ids = np.array([each.id for each in self.dataset.classes])
        order = np.argsort(ids)
        near = order[np.clip(np.searchsorted(ids[order], labels), 0, len(ids) - 1)]
        places: Array = np.where(ids[near] == labels, near, -1)
        return places


def _input_of(card: ModelCard) -> str:
    """What of a card decides what the model is given."""
    return repr([fields_of(card, aspect) for aspect in ("channels", "scaling")])


def _labels(found: Prediction, dataset: DatasetInfo) -> Array:
    """Label values of a prediction; of probabilities those above 0.5 are foreground."""
    if found.probabilities is None:
        return np.asarray(found.labels)
    other = next(each.id for each in dataset.classes if each.id != dataset.foreground)
    return np.where(found.probabilities > 0.5, dataset.foreground, other)
