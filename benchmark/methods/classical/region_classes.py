"""From regions to classes: what a region looks like, the rules that pick foreground, and a classifier of regions.

A classical method says where things end, not what they are. Here is every way in which this suite names them: a rule
with few choices (binary), a random forest on colour, position and texture of the regions, and the best assignment that
the truth allows, which is an upper bound and no result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from ...types import Array, Float32, Float64, Int64, Uint8
from .random_forest import Forest, grow
from .working_image import WorkingImage, blur, gradient

VOID = 255
"""Marks pixels of a target that do not count."""

Side = Literal["brighter", "darker"]
Pick = Literal["all", "largest", "likeliest"]


@dataclass(frozen=True)
class Segmentation:
    """What a method makes of a working image before classes have names; at least one of both.

    values: (h, w) float32, above 0.5 on one side. regions: (h, w) int32, every pixel in one region, from 0.
    """

    values: Float32 | None = None
    regions: Array | None = None

    def map(self, image: WorkingImage) -> Float32:
        """The values, or else the regions' mean grey value around the threshold that separates them best."""
        if self.values is not None:
            return self.values
        assert self.regions is not None
        return around_otsu(painted(self.regions, image.smooth("grey", 0.0)))

    def partition(self) -> Array:
        """The regions, or else the components of both sides of the values."""
        if self.regions is not None:
            return self.regions
        assert self.values is not None
        return components((self.values > 0.5).astype(np.int32))


@dataclass(frozen=True)
class Rule:
    """How foreground is picked from values: which side, within the prior or not, which components.

    gate: only where foreground was at least so often, relative to the most frequent place (0: anywhere). pick: every
    component, the largest one, or the one that holds most of the prior; one that is picked loses its holes.
    """

    side: Side = "brighter"
    pick: Pick = "all"
    gate: float = 0.0

    def map(self, values: Float32) -> Float32:
        """Values (h, w) clipped to 0..1, foreground above 0.5."""
        clipped = np.clip(values, 0, 1)
        return clipped if self.side == "brighter" else 1 - clipped

    def mask(self, values: Float32, prior: Float32) -> Array:
        """Foreground (h, w) bool; `prior` (h, w) is the share of training images with foreground there."""
        mask = values > 0.5 if self.side == "brighter" else values < 0.5
        if self.gate:
            mask = mask & (prior >= self.gate * prior.max())
        return mask if self.pick == "all" else _picked(mask, prior if self.pick == "likeliest" else None)


SIDES = (Rule("brighter"), Rule("darker"))
PICKS: tuple[tuple[Pick, float], ...] = (
    ("all", 0.0),
    ("largest", 0.0),
    ("likeliest", 0.0),
    ("all", 0.1),
    ("likeliest", 0.1),
    ("all", 0.4),
    ("likeliest", 0.4),
)


def rules(sides: Sequence[Side] = ("brighter", "darker")) -> tuple[Rule, ...]:
    """Every rule, from the simplest."""
    return tuple(Rule(side, pick, gate) for pick, gate in PICKS for side in sides)


def _picked(mask: Array, prior: Float32 | None) -> Array:
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    if count < 2:
        return mask
    weights = None if prior is None else prior.ravel()
    sizes = np.bincount(labels.ravel(), weights, count)
    chosen = labels == 1 + int(sizes[1:].argmax())
    _, outside = cv2.connectedComponents(np.pad(~chosen, 1, constant_values=True).astype(np.uint8), connectivity=8)
    return np.asarray(outside[1:-1, 1:-1] != outside[0, 0])


def components(labels: Array) -> Array:
    """4-connected components (h, w) int32 of equal labels (h, w), numbered from 0."""
    from skimage.measure import label

    found = label(labels, connectivity=1, background=-1)  # type: ignore[no-untyped-call]
    return np.asarray(found, np.int32) - 1


def painted(regions: Array, values: Float32) -> Float32:
    """Every region, numbered in a map (h, w), in the mean of its values (h, w)."""
    sizes = np.bincount(regions.ravel())
    means = np.bincount(regions.ravel(), values.ravel()) / np.maximum(sizes, 1)
    return np.asarray(means.astype(np.float32)[regions])


def around_otsu(values: Float32) -> Float32:
    """Values (h, w) in units of four standard deviations, Otsu's threshold at 0.5; 0.5 where all are alike."""
    from skimage.filters import threshold_otsu

    if values.min() == values.max():
        return np.full_like(values, 0.5)
    return around(values, float(threshold_otsu(values)))  # type: ignore[no-untyped-call]


def around(values: Float32, level: Array | float) -> Float32:
    """0.5 + (values - level) / 4 standard deviations of values (h, w), clipped to 0..1; a level, or a map of them."""
    spread = 4 * float(values.std()) or 1.0
    return np.asarray(np.clip(0.5 + (values - level) / spread, 0, 1), np.float32)


def region_features(regions: Array, image: WorkingImage) -> Float32:
    """(R, F) float32 of R regions: means and spreads of colour and texture, surroundings, place, extent and size."""
    flat = regions.ravel()
    sizes = np.maximum(np.bincount(flat), 1).astype(np.float64)
    y, x = image.positions()
    columns: list[Float64] = []
    for values in (*image.cached("appearance", lambda: _appearance(image)), y, x):
        mean = np.bincount(flat, values.ravel()) / sizes
        square = np.bincount(flat, np.square(values, dtype=np.float64).ravel()) / sizes
        columns += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    columns.append(np.log(sizes / flat.size))
    return np.stack(columns, axis=1).astype(np.float32)


def _appearance(image: WorkingImage) -> list[Float32]:
    """Per-pixel maps whose region means describe it: colour, gradients, detail at two scales, surroundings."""
    color = image.color("lab")
    maps = [np.ascontiguousarray(color[..., place]) for place in range(color.shape[2])]
    light = maps[0]
    side = float(np.sqrt(light.size))
    maps += [gradient(blur(light, sigma)) for sigma in (1.0, 3.0)]
    maps += [np.abs(light - blur(light, 1.0)), np.abs(blur(light, 1.0) - blur(light, 4.0))]
    maps += [blur(channel, max(1.0, side / 20)) for channel in maps[: color.shape[2]]]
    return maps


@dataclass(frozen=True)
class Table:
    """The regions of one training image: features (R, F), and pixels of each class in each region, counts (R, C)."""

    features: Float32
    counts: Int64

    @property
    def known(self) -> Array:
        """(R,) bool: regions with a pixel that counts."""
        return np.asarray(self.counts.any(axis=1))


def count_classes(regions: Array, target: Uint8, classes: int) -> Int64:
    """Pixels of each class (R, C) in each region, void left out; `target` (h, w) holds class positions."""
    inside = target != VOID
    number = int(regions.max()) + 1
    pairs = regions[inside].astype(np.int64) * classes + target[inside]
    return np.bincount(pairs, minlength=number * classes).reshape(number, classes)


@dataclass(frozen=True)
class RegionClassifier:
    """A random forest on region features; class shares are divided by (training frequency)^alpha.

    alpha 0 takes what is most probable; alpha 1 treats all classes as equally frequent, which a mean over classes
    rewards.
    """

    forest: Forest
    frequencies: Float64
    alpha: float = 0.0

    @classmethod
    def fit(cls, tables: Sequence[Table], seed: int) -> RegionClassifier:
        """Learn from regions, each counted by its pixels and named by its most frequent class."""
        rows = np.concatenate([table.features[table.known] for table in tables])
        counts = np.concatenate([table.counts[table.known] for table in tables])
        total = counts.sum(axis=0)
        if not len(rows):  # every pixel is void: the first class is as good as any
            rows, counts = tables[0].features[:1], np.eye(1, counts.shape[1], dtype=np.int64)
        weights = counts.sum(axis=1) / counts.sum() * len(rows)
        forest = grow(rows, counts.argmax(axis=1), seed, weights)
        return cls(forest, total / max(int(total.sum()), 1))

    def shares(self, features: Float32) -> Float32:
        """Class shares (R, C) float32, each row summing to 1."""
        shares = self.forest.shares_of(features, len(self.frequencies))
        if self.alpha:
            factor = np.where(self.frequencies > 0, self.frequencies, 1.0) ** -self.alpha
            shares = (shares * factor).astype(np.float32)
            shares /= shares.sum(axis=1, keepdims=True)
        return shares

    def arrays(self) -> dict[str, Array]:
        """What an npz file keeps."""
        return {**self.forest.arrays(), "frequencies": self.frequencies}

    @classmethod
    def of(cls, arrays: Any, alpha: float) -> RegionClassifier:
        """The classifier that `arrays` holds; KeyError where there is none."""
        return cls(Forest.of(arrays), np.asarray(arrays["frequencies"]), alpha)
