"""Choosing a classical method's parameters on the training split: one rule and one budget for all of them.

A method declares a finite list of candidates, the simplest first. They are tried on `max_images` evenly spaced
training images within `max_seconds`, all on the first image and the better half on each next one (successive halving,
Jamieson & Talwalkar, 2016; classifiers are not halved). The best by the dataset's own meaning wins, the earlier of
equals:

- binary: mean Dice of the foreground over the images (those without any in truth and mask are left out);
- binary, ranked by V_Rand: the best mean V_Rand over seven common thresholds (0.2 to 0.8) of the official eleven;
- multi-class: mean IoU over the classes that occur, of all images together.

A classifier is judged on images that it was not fitted on: the even ones by the odd ones and the reverse. With one
image alone it is judged on that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import cv2
import numpy as np

from ...errors import UserError
from ...metrics.partition import pair_counts, thin_borders, true_segments
from ...types import Array, DatasetInfo, FitContext, Float32, Float64, Int64, Samples, Uint8
from ..targets import prepare_target
from ..training.config import TrainingConfig
from .region_classes import VOID, RegionClassifier, Rule, Table
from .working_image import Box, WorkingImage

Objective = Literal["dice", "v_rand", "miou"]

RAND_THRESHOLDS = tuple(number / 10 for number in range(2, 9))
ALPHAS = (0.0, 0.5, 1.0)
PRIOR_SIDE = 64

_AS_IT_IS = TrainingConfig(size=None)


def objective_of(info: DatasetInfo) -> Objective:
    """What is maximised on the training split."""
    if info.task == "multiclass":
        return "miou"
    return "v_rand" if info.main_score == "v_rand" else "dice"


def spread(count: int, most: int) -> list[int]:
    """At most `most` evenly spaced places of `count`.

    >>> spread(10, 4)
    [0, 3, 6, 9]
    """
    return [int(place) for place in np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))]


@dataclass(frozen=True)
class Example:
    """A training image with its target: (H, W) uint8 class positions, or 1 and 0; 255 does not count."""

    image: Uint8
    target: Uint8


def examples(train: Samples, places: Sequence[int], info: DatasetInfo) -> Iterator[Example]:
    """The training images at these places. Raises UserError for one without image or labels."""
    for place in places:
        sample = train[place]
        if sample.image is None or sample.labels is None:
            raise UserError(f"sample '{sample.id}' has no image or no labels, so it cannot be learned from")
        if sample.image.shape[:2] != sample.labels.shape:
            found = f"image {sample.image.shape[:2]}, labels {sample.labels.shape}"
            raise UserError(f"sample '{sample.id}': image and labels differ in size ({found})")
        yield Example(sample.image, prepare_target(sample.labels, _AS_IT_IS, info))


def targets(train: Samples, places: Sequence[int], info: DatasetInfo) -> Iterator[Uint8]:
    """The targets alone, without decoding images.

    Raises UserError, naming the sample, where one has no labels.
    """
    labels_only = replace(train, parts=("labels",))
    for place in places:
        sample = labels_only[place]
        if sample.labels is None:
            raise UserError(f"sample '{sample.id}' has no labels, so it cannot be learned from")
        yield prepare_target(sample.labels, _AS_IT_IS, info)


@dataclass
class Budget:
    """Seconds since the fit began, against what it may take."""

    max_seconds: float
    context: FitContext
    start: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds spent."""
        return time.monotonic() - self.start

    @property
    def over(self) -> bool:
        """Whether the time is up. Raises KeyboardInterrupt where the run is to stop."""
        if self.context.stop():
            raise KeyboardInterrupt
        return self.seconds > self.max_seconds


def frequencies(maps: Iterator[Uint8], classes: int) -> Float32:
    """Share of every class at every place (C, G, G) float32 of relative coordinates, void left out."""
    side = (PRIOR_SIDE, PRIOR_SIDE)
    total = np.zeros((classes, *side), np.float64)
    for target in maps:
        for position in np.unique(target[target != VOID]).tolist():
            total[position] += cv2.resize((target == position).astype(np.float32), side, interpolation=cv2.INTER_AREA)
    counted = total.sum(axis=0)
    return np.asarray(total / np.maximum(counted, 1e-9), np.float32)


def spread_map(grid: Float32, shape: tuple[int, int]) -> Float32:
    """A map in relative coordinates at the size of a frame (H, W)."""
    return np.asarray(cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def box_of(prior: Float32) -> Box:
    """The part of the frame that held foreground in training, by a map (h, w) of its share, and two cells around it."""
    side = len(prior)
    found = [np.flatnonzero(prior.max(axis=axis) > 0) for axis in (1, 0)]
    if not all(len(places) for places in found):
        return 0.0, 0.0, 1.0, 1.0
    low = [max(0, int(places[0]) - 2) / side for places in found]
    high = [min(side, int(places[-1]) + 3) / side for places in found]
    return low[0], low[1], high[0], high[1]


def dice(mask: Array, target: Uint8) -> float:
    """Dice of a foreground mask (h, w) against a target of that shape; NaN where both are empty."""
    truth = target == 1
    mine = mask & (target != VOID)
    size = int(mine.sum()) + int(truth.sum())
    return 2 * int((mine & truth).sum()) / size if size else float("nan")


def v_rand(values: Float32, target: Uint8) -> Float64:
    """V_Rand at each of `RAND_THRESHOLDS`, of foreground probabilities (H, W)."""
    truth = true_segments(target == 1)
    result: dict[int, float] = {}
    curve = []
    for threshold in RAND_THRESHOLDS:
        proposal = values > threshold
        size = int(proposal.sum())
        if size not in result:  # nested proposals of one size are one proposal
            result[size] = pair_counts(truth, thin_borders(proposal)).v_rand
        curve.append(result[size])
    return np.array(curve)


def binary_scores(
    values: Float32, image: WorkingImage, target: Uint8, prior: Float32, objective: Objective, rules: Sequence[Rule]
) -> dict[Rule, Float64]:
    """What values (h, w) are worth under each rule on one image: Dice (1,) or V_Rand at each threshold (T,).

    V_Rand is slow, so only the side with the better Dice is measured; the other one gets 0.
    """
    if objective == "v_rand":
        maps = {rule: np.asarray(image.restore(rule.map(values)), np.float32) for rule in rules}
        dices = {rule: np.nan_to_num(dice(each > 0.5, target)) for rule, each in maps.items()}
        side = max(dices, key=lambda rule: dices[rule])
        nothing = np.zeros(len(RAND_THRESHOLDS))
        return {rule: v_rand(each, target) if rule == side else nothing for rule, each in maps.items()}
    return {rule: np.array([dice(image.restore(rule.mask(values, prior)), target)]) for rule in rules}


def mean_score(per_image: Sequence[Float64]) -> float:
    """The best column mean of what is defined in the rows (k,) of the images; -1 where nothing is."""
    table = np.array(per_image)
    defined = ~np.isnan(table)
    if not defined.any():
        return -1.0
    sums = np.where(defined, table, 0).sum(axis=0)
    return float((sums / np.maximum(defined.sum(axis=0), 1)).max())


def mean_iou(confusion: Int64) -> float:
    """Mean IoU of a confusion matrix (C, C) over the classes that occur in the truth (rows); -1 where none does."""
    hits, true = confusion.diagonal(), confusion.sum(axis=1)
    union = true + confusion.sum(axis=0) - hits
    return float((hits[true > 0] / union[true > 0]).mean()) if true.any() else -1.0


def confusion_of(table: Table, predicted: Int64) -> Int64:
    """Pixels by true (rows) and predicted class when each region takes one class (R,)."""
    result = np.zeros((table.counts.shape[1],) * 2, np.int64)
    np.add.at(result.T, predicted, table.counts)
    return result


def cross_fitted(tables: Sequence[Table], seed: int) -> list[RegionClassifier]:
    """For each image a classifier that was fitted on the images of the other parity, on itself if it is alone."""
    if len(tables) == 1:
        return [RegionClassifier.fit(tables, seed)]
    both = [RegionClassifier.fit(tables[1 - parity :: 2], seed) for parity in (0, 1)]
    return [both[number % 2] for number in range(len(tables))]


def oracle_scores(tables: Sequence[Table]) -> float:
    """Mean IoU over occurring classes when each region takes its most frequent true class: an upper bound."""
    return mean_iou(sum((confusion_of(t, t.counts.argmax(axis=1)) for t in tables), start=np.zeros((), np.int64)))


def product(space: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination, the first values first; the last key changes quickest.

    >>> product({"a": [1, 2], "b": ["x"]})
    [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'}]
    """
    from itertools import product as combinations

    return [dict(zip(space, values, strict=True)) for values in combinations(*space.values())]
