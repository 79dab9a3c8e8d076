"""The distribution of a weighted mean of normal units over its standard error by the jackknife.

The mean m and the squared error are quadratic forms of the units, so that "further than t errors from 0", or
m² - t² error² > 0, is a question about one quadratic form, whose characteristic function is known and is inverted.

References
----------
Imhof, "Computing the distribution of quadratic forms in normal variables", Biometrika 48:419-426 (1961). Efron &
Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 11: the jackknife's error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..types import Array, Float64

_STEP, _BEYOND = 0.1, 28.0
"""Steps of the integral in the logarithm of the frequency, and how far it goes beyond all scales of the form.

So it is right to 8 digits, also of two units."""
_LEAST_ERRORS = 1e-4
"""Fewer are as good as none."""


@dataclass(frozen=True)
class WeightedMeans:
    """Means of independent normal units of mean 0 that err alike.

    frequencies : (k,) float64 of the characteristic function, in equal steps of their logarithms.
    of_error : (k,) complex, that of the squared error. between : (k,) complex, what it has in common with the mean.
    """

    frequencies: Float64
    of_error: Array
    between: Array

    @staticmethod
    @lru_cache(maxsize=256)
    def of(sizes: tuple[int, ...]) -> WeightedMeans:
        """Of units that are weighted by their sizes, of two units or more."""
        weights = np.array(sizes, np.float64) / sum(sizes)
        n = len(weights)
        moved = (weights / (1 - weights))[:, None] * (weights[None, :] - np.eye(n))  # the mean, each unit left out
        moved -= moved.mean(axis=0)
        scales, axes = np.linalg.eigh((n - 1) / n * (moved.T @ moved))
        scales, along = np.maximum(scales, 0.0), (axes.T @ weights) ** 2
        # The form of all distances that are asked for changes between the scales of the error and that of the mean.
        ends = np.log([2 * along.sum() * _LEAST_ERRORS**2, 2 * max(float(scales.max()), float(along.sum()))])
        frequencies = np.exp(np.arange(-ends[1] - _BEYOND, -ends[0] + _BEYOND, _STEP))
        turned = 1 + 2j * frequencies[:, None] * scales
        return WeightedMeans(frequencies, np.exp(-np.log(turned).sum(axis=1) / 2), (along / turned).sum(axis=1))

    def p_value(self, errors: float) -> float:
        """The probability of so many errors, 0 or more, on both sides together."""
        if errors < _LEAST_ERRORS:
            return 1.0
        of_mean = 1 - 2j * self.frequencies * self.between / errors**2
        found = 0.5 + _STEP / math.pi * float((self.of_error / np.sqrt(of_mean)).imag.sum())
        return min(max(found, 0.0), 1.0)

    def distance(self, outside: float) -> float:
        """The number of errors beyond which it lies with this probability, from 1e-6 and below 1."""
        low, high = 0.0, 1.0
        while self.p_value(high) > outside:
            low, high = high, 2 * high
        while high - low > 1e-12 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if self.p_value(middle) > outside else (low, middle)
        return (low + high) / 2


def errors_of_means(units: Float64, weights: Float64) -> Float64:
    """Standard errors by the jackknife (sets,) of means of units (sets, n) that are weighted (n,), of sum 1."""
    # Each unit moves the mean by (mean - unit) * pull where it is left out; a product of matrices adds these and their
    # squares up, several times quicker than one by one.
    pull, n = weights / (1 - weights), len(weights)
    means, pulled, twice = (units @ np.stack([weights, pull, pull * pull], axis=1)).T
    moved = means * pull.sum() - pulled
    squares = means * (means * (pull * pull).sum() - 2 * twice) + (units * units) @ (pull * pull)
    errors: Float64 = np.sqrt((n - 1) * np.maximum(squares / n - (moved / n) ** 2, 0.0))
    return errors
