"""Scores of pooled pixel counts: IoU, Dice and accuracy over classes, each by its own rule for absent classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from ..types import Float64
from .pooled import mean_ratio, mean_where, ratio

PooledScore: TypeAlias = Callable[[Float64, Float64, Float64], Float64]
"""A score of right, true and predicted pixels, each (…, C)."""


def binary_dice(sums: Float64) -> Float64:
    """Dice of the foreground from sums (…, 2): its intersection and union."""
    both, either = sums[..., 0], sums[..., 1]
    return ratio(2 * both, either + both)


def binary_iou(sums: Float64) -> Float64:
    """IoU of the foreground (…) from the same sums (…, 2)."""
    return ratio(sums[..., 0], sums[..., 1])


def of_pooled(score: PooledScore, sums: Float64) -> Float64:
    """Scores (…) of sums (…, F): right, true and predicted pixels of F / 3 classes, one kind after the other."""
    right, truth, predicted = np.split(sums, 3, axis=-1)
    return score(right, truth, predicted)


def _pixel_accuracy(right: Float64, truth: Float64, predicted: Float64) -> Float64:
    del predicted
    return ratio(right.sum(axis=-1), truth.sum(axis=-1))


def _mean_accuracy(right: Float64, truth: Float64, predicted: Float64) -> Float64:
    del predicted
    return mean_ratio(right, truth)


def _frequency_weighted_iou(right: Float64, truth: Float64, predicted: Float64) -> Float64:
    iou = ratio(right, truth + predicted - right)
    weighted = np.where(truth > 0, truth * np.nan_to_num(iou), 0.0).sum(axis=-1)
    return ratio(weighted, truth.sum(axis=-1))


def _mean_dice(right: Float64, truth: Float64, predicted: Float64) -> Float64:
    return mean_ratio(2 * right, truth + predicted)


def mean_iou(right: Float64, truth: Float64, predicted: Float64) -> Float64:
    """Mean IoU (…) of the classes with true or predicted pixels, from pixels of classes (…, C)."""
    return mean_ratio(right, truth + predicted - right)


def mean_iou_of_all(right: Float64, truth: Float64, predicted: Float64) -> Float64:
    """Mean IoU (…) of all classes from pixels of classes (…, C); undefined where one is."""
    return np.asarray(ratio(right, truth + predicted - right).mean(axis=-1))


def mean_iou_of_true(right: Float64, truth: Float64, predicted: Float64) -> Float64:
    """Mean IoU (…) of the classes with true pixels, from pixels of classes (…, C)."""
    return mean_where(ratio(right, truth + predicted - right), truth > 0)


POOLED: Mapping[str, PooledScore] = {
    "pixel_accuracy": _pixel_accuracy,
    "mean_accuracy": _mean_accuracy,
    "fwiou": _frequency_weighted_iou,
    "dice": _mean_dice,
}

COUNT_ABSENT = (_mean_dice, mean_iou, mean_iou_of_all)
"""The means in which a class that is only predicted counts 0."""
