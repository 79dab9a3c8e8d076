"""Scores of pooled pixel counts: IoU, Dice and accuracy over classes, each by its own rule for absent classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import numpy as np

from ..types import Array, Float64, Int64, ScoreInfo, Sums, SumsByClass
from .pooled import mean_of_quotients, mean_ratio, mean_where, ratio

PooledScore: TypeAlias = Callable[[Float64, Float64, Float64], Float64]
"""A score of right, true and predicted pixels, each (…, C)."""


def of_pooled(score: PooledScore, sums: Float64) -> Float64:
    """Scores (…) of sums (…, F): right, true and predicted pixels of F / 3 classes, one kind after the other."""
    right, truth, predicted = np.split(sums, 3, axis=-1)
    return score(right, truth, predicted)


def _of_iou(right: Int64, truth: Int64, predicted: Int64) -> tuple[Int64, Int64]:
    return right, truth + predicted - right


def _of_dice(right: Int64, truth: Int64, predicted: Int64) -> tuple[Int64, Int64]:
    return 2 * right, truth + predicted


def _of_accuracy(right: Int64, truth: Int64, predicted: Int64) -> tuple[Int64, Int64]:
    del predicted
    return right, truth


def _of_all_pixels(right: Int64, truth: Int64, predicted: Int64) -> tuple[Int64, Int64]:
    del predicted
    return right.sum(axis=-1, keepdims=True), truth.sum(axis=-1, keepdims=True)


def _mean_of_all_quotients(sums: Float64) -> Float64:
    """Mean of all quotients (…) of sums (…, 2 C), numerators and then denominators; NaN where one is undefined."""
    classes = sums.shape[-1] // 2
    return np.asarray(ratio(sums[..., :classes], sums[..., classes:]).mean(axis=-1))


CLASS_SCORES: tuple[ScoreInfo, ...] = (
    ScoreInfo("iou", "IoU of a class, counts pooled over the split"),
    ScoreInfo("dice", "Dice of a class, counts pooled over the split"),
    ScoreInfo("accuracy", "part of the true pixels of a class that are right (recall), counts pooled over the split"),
)
"""Scores of single classes, each a quotient of pixels."""

_CLASS_TERMS: Mapping[str, Callable[..., tuple[Array, Array]]] = {
    "iou": _of_iou,
    "dice": _of_dice,
    "accuracy": _of_accuracy,
}


def class_quotient(score: str, right: Array, truth: Array, predicted: Array) -> tuple[Array, Array]:
    """Numerator and denominator of one of `CLASS_SCORES` from pixels of classes (…, C), each (…, C)."""
    return _CLASS_TERMS[score](right, truth, predicted)


def class_sums(score: str, pixels: Int64) -> SumsByClass:
    """One of `CLASS_SCORES` as functions of sums, from right, true and predicted pixels (n, C, 3)."""
    return SumsByClass(np.stack(class_quotient(score, *np.moveaxis(pixels, -1, 0)), axis=-1), mean_of_quotients)


def sums_of(score: PooledScore, right: Int64, truth: Int64, predicted: Int64) -> Sums:
    """A score as a function of as few sums as it needs, from the pixels (n, C) of each sample."""
    if score in _QUOTIENTS:
        terms, value = _QUOTIENTS[score]
        return Sums(np.concatenate(terms(right, truth, predicted), axis=1), value)
    return Sums(np.concatenate([right, truth, predicted], axis=1), partial(of_pooled, score))


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

_QUOTIENTS: Mapping[PooledScore, tuple[Callable[..., tuple[Int64, Int64]], Callable[[Float64], Float64]]] = {
    mean_iou: (_of_iou, mean_of_quotients),
    mean_iou_of_all: (_of_iou, _mean_of_all_quotients),
    _mean_dice: (_of_dice, mean_of_quotients),
    _mean_accuracy: (_of_accuracy, mean_of_quotients),
    _pixel_accuracy: (_of_all_pixels, mean_of_quotients),
}
"""Scores that are means of quotients: numerators and denominators of one sample, and the mean."""

COUNT_ABSENT = (_mean_dice, mean_iou, mean_iou_of_all)
"""The means in which a class that is only predicted counts 0."""
