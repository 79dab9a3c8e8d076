"""Images of which a few have most of the pixels of a class, and how often intervals of pooled scores hold on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segbench.evaluation.intervals import paired_intervals
from segbench.evaluation.unit_sizes import sizes_of
from segbench.types import Float64, Int64


@dataclass(frozen=True)
class Population:
    """Images of which each holds a class with a probability; the logarithm of its area has a standard deviation.

    exactly : in place of the probability, how many of the images of a test set hold it.
    """

    name: str
    images: int
    spread: float
    present: float = 1.0
    exactly: int = 0

    def areas(self, random: np.random.Generator, sets: int) -> Float64:
        """True pixels of every image, (sets, images) float64."""
        areas: Float64 = 1000 * np.exp(self.spread * random.normal(size=(sets, self.images)))
        if self.exactly:
            return areas * (np.arange(self.images) < self.exactly)
        return areas * (random.random(areas.shape) < self.present)

    def methods(self, random: np.random.Generator, sets: int, score: str) -> list[Float64]:
        """Numerators and denominators of the score of two equal methods, each (sets, images, 2) float64."""
        areas = self.areas(random, sets)
        easy, found = random.normal(size=areas.shape), []
        for _ in range(2):
            right = areas / (1 + np.exp(-1.5 - easy - 0.7 * random.normal(size=areas.shape)))
            wrong = areas / (1 + np.exp(1.5 + easy + 0.7 * random.normal(size=areas.shape)))
            quotient = (right, areas + wrong) if score == "iou" else (2 * right, areas + right + wrong)
            found.append(np.stack(quotient, axis=2))
        return found


POPULATIONS = (
    *(Population(f"areas e^{spread}", n, spread) for spread in (0.5, 1.0, 1.5, 2.0) for n in (5, 12, 30)),
    Population("in 3 of the images", 50, 0.7, exactly=3),
    Population("in 6 % of images", 50, 0.7, present=0.06),
)


@dataclass(frozen=True)
class Scored:
    """One method on test sets: scores (sets,), draws (sets, resamples), without an image and its share (sets, n)."""

    value: Float64
    draws: Float64
    without: Float64
    shares: Float64

    @classmethod
    def of(cls, terms: Float64, drawn: Int64) -> Scored:
        """From numerators and denominators (sets, n, 2), and how often images are drawn (resamples, n)."""
        total = terms.sum(axis=1, keepdims=True)
        draws, left = np.einsum("snf,rn->srf", terms, drawn, optimize=True), total - terms
        with np.errstate(invalid="ignore"):  # where no image that was drawn holds the class
            value, drawn_values, without = (each[..., 0] / each[..., 1] for each in (total[:, 0], draws, left))
        return cls(value, drawn_values, without, terms[..., 1] / total[..., 1])


def held(one: Scored, other: Scored, truth: float, *, sized: bool) -> tuple[float, float]:
    """How often the interval of a score holds the truth, and that of a difference 0, of those that are given."""
    sizes = sizes_of(one.shares), sizes_of((one.shares + other.shares) / 2)
    if not sized:
        sizes = np.ones_like(sizes[0]), np.ones_like(sizes[1])
    of_score = paired_intervals(one.value, one.draws, one.without, sizes[0])
    parts = one.value - other.value, one.draws - other.draws, one.without - other.without
    of_difference = paired_intervals(*parts, sizes[1])
    low, high = of_score[~np.isnan(of_score[:, 0])].T
    below, above = of_difference[~np.isnan(of_difference[:, 0])].T
    return float(np.mean((low <= truth) & (truth <= high))), float(np.mean((below <= 0) & (above >= 0)))
