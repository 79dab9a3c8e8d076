"""Weights of classes by how rare they are in the training labels, for losses that are means over pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from ...types import Array, Float64, Int64
from .config import IGNORE

LOG_OFFSET = 1.02
"""ENet's c in 1 / ln(c + p): it bounds the weights to between 1.4 and 50."""


def class_pixels(targets: Iterable[Array], classes: int) -> Int64:
    """Pixels of each class in each training target, void ones left out: (N, classes) int64.

    Parameters
    ----------
    targets : (H, W) uint8 each, a class's position or `IGNORE`; they may differ in size.
    classes : number of classes; of a binary task 2, background first.
    """
    rows = [np.bincount(target.ravel(), minlength=IGNORE + 1)[:classes] for target in targets]
    return np.array(rows, np.int64).reshape(-1, classes)


def class_weights(pixels: Int64, rule: Literal["median", "log"]) -> Float64:
    """The weight of each class: (C,) float64. A class that no pixel has is given 0, as nothing is weighed by it.

    Parameters
    ----------
    pixels : (N, C), see `class_pixels`.
    rule : "median" is median frequency balancing: the median of the classes' frequencies over the class's own, where a
        frequency is the class's part of the pixels in those images that have it. "log" is 1 / ln(1.02 + p), with p the
        class's part of all pixels.

    Reference
    ---------
    Eigen and Fergus: Predicting depth, surface normals and semantic labels, 2015, section 6.3.2 (median); Paszke et
    al.: ENet, 2016, section 5.2 (log).
    """
    totals = pixels.sum(0)
    occurs = totals > 0
    weights = np.zeros(len(totals))
    if rule == "log":
        weights[occurs] = 1 / np.log(LOG_OFFSET + totals[occurs] / totals.sum())
        return weights
    beside = ((pixels > 0) * pixels.sum(1, keepdims=True)).sum(0)
    frequencies = totals[occurs] / beside[occurs]
    weights[occurs] = np.median(frequencies) / frequencies if occurs.any() else 0.0
    return weights
