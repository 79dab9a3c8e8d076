"""Scores as functions of sums over samples: quotients and means, and their values on drawn samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ..types import AbsentClasses, Array, Float64, Int64, Sums, SumsByClass
from .exact_sums import weighted_sums


def drawn(sums: Sums, weights: Int64) -> Float64:
    """The score of B resamples (B,) from the weights (B, n) of the samples; the same bits on every machine."""
    return sums.value(summed(sums.terms, weights))


def drawn_by_class(sums: SumsByClass, weights: Int64) -> Float64:
    """The scores of the classes of B resamples, (B, C), from the weights (B, n) of the samples."""
    flat = sums.terms.reshape(len(sums.terms), math.prod(sums.terms.shape[1:]))
    return sums.value(summed(flat, weights).reshape(len(weights), *sums.terms.shape[1:]))


def means_by_class(values: Float64) -> SumsByClass:
    """Of each class the mean over the samples whose value (n, C) is defined."""
    known = ~np.isnan(values)
    return SumsByClass(np.stack([np.where(known, values, 0.0), known], axis=-1), mean_of_quotients)


def summed(terms: Int64 | Float64, weights: Int64) -> Float64:
    """Sums (B, F) of the terms (n, F) with each of B sets of weights (B, n)."""
    if np.issubdtype(terms.dtype, np.integer):
        # Doubles hold these sums exactly (far below 2**53) and multiply much faster than integers.
        return weights.astype(np.float64) @ terms.astype(np.float64)
    return weighted_sums(weights, terms.astype(np.float64))


def mean_of(values: Float64) -> Sums:
    """The mean over the samples whose value (n,) is defined."""
    known = ~np.isnan(values)
    return Sums(np.stack([np.where(known, values, 0.0), known], axis=1), mean_of_quotients)


def absent_of(names: Sequence[str], true: Array, predicted: Array) -> AbsentClasses | None:
    """The classes that are predicted but never true, from their pixels (C,) in all samples; None without such ones."""
    absent = (true == 0) & (predicted > 0)
    if not absent.any():
        return None
    found = {names[place]: int(predicted[place]) for place in np.flatnonzero(absent).tolist()}
    return AbsentClasses(found, len(found) / int(((true > 0) | (predicted > 0)).sum()))


def ratio(numerator: Array, denominator: Array) -> Float64:
    """Quotient of two arrays of one shape, float64; NaN where the denominator is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.asarray(denominator) == 0, np.nan, np.asarray(numerator) / np.asarray(denominator))


def mean_where(values: Float64, where: Array) -> Float64:
    """Mean over the last axis of the values (…, C) where `where`, of the same shape, is true; NaN where it never is."""
    return ratio(np.where(where, values, 0.0).sum(axis=-1), where.sum(axis=-1))


def mean_ratio(numerator: Float64, denominator: Float64) -> Float64:
    """Mean quotient over the last axis (…, C), of those whose denominator is not 0; NaN where there is none."""
    where = denominator > 0
    if where.all() and where.shape[-1]:
        mean: Float64 = (numerator / denominator).sum(axis=-1) / where.shape[-1]
        return mean
    quotients = np.divide(numerator, denominator, out=np.zeros(where.shape), where=where)
    return ratio(quotients.sum(axis=-1), where.sum(axis=-1))


def mean_of_quotients(sums: Float64) -> Float64:
    """Mean quotient of sums (..., 2C), C numerators and then their denominators, of those that are defined: (...)."""
    quotients = sums.shape[-1] // 2
    return mean_ratio(sums[..., :quotients], sums[..., quotients:])


def mean_of_defined(values: Float64) -> Float64:
    """Mean over the last axis of the values (…, C) that are defined, NaN where none is; of one value itself."""
    return mean_where(values, ~np.isnan(values))


def mean_of_classes(sums: SumsByClass) -> Sums:
    """The mean over all classes of some sums, of those that are defined; of one class its score."""
    n, classes, width = sums.terms.shape
    value = sums.value if classes == 1 else partial(_mean_of_sums, sums.value, classes)
    alone, weights = (None if each is None else each.reshape(n, -1) for each in (sums.alone, sums.weights))
    return Sums(sums.terms.reshape(n, classes * width), value, alone, weights)


def _mean_of_sums(value: Callable[[Float64], Float64], classes: int, sums: Float64) -> Float64:
    return mean_of_defined(value(sums.reshape(*sums.shape[:-1], classes, sums.shape[-1] // classes)))
