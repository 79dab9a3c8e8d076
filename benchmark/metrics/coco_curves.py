"""Precision and recall of COCO from matched detections: once as COCOeval sums them, and for many resamples at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..types import Array, Float64, Int64

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
AREAS: Mapping[str, tuple[float, float]] = {
    "all": (0, 1e5**2),
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, 1e5**2),
}
MAX_DETECTIONS = (1, 10, 100)
"""Detections with the highest scores, per image and class, that recall is told of; precision takes the last."""

BITS = np.left_shift(np.int64(1), np.arange(len(AREAS) * len(THRESHOLDS))).reshape(len(AREAS), len(THRESHOLDS))
"""The bit of every area range and threshold in the columns `matched` and `ignored`."""

_BLOCK = 1 << 17
"""Number of values that are worked on at once: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Rows:
    """Rows of some samples, images in their order and there by rank: columns (N,), `image` numbers the sample."""

    image: Int64
    label: Int64
    rank: Int64
    score: Float64
    matched: Int64
    ignored: Int64

    def where(self, chosen: Array) -> Rows:
        """Some of the rows, by a mask or by their places."""
        return Rows(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def detections(self) -> Rows:
        """Detections by falling score; equals stay in the order of images and ranks."""
        found = self.where(self.rank >= 0)
        return found.where(np.argsort(-found.score, kind="stable"))

    def outcome(self, area: int) -> tuple[Array, Array]:
        """Whether each row is a true positive, and whether it counts at all, in one area range: (T, N) bool each."""
        counted = (self.ignored & BITS[area][:, None]) == 0
        return counted & ((self.matched & BITS[area][:, None]) != 0), counted


def class_curves(rows: Rows) -> tuple[Float64, Float64]:
    """Precision at every recall (A, T, R) and recall (M, T) of one class; NaN without true objects."""
    precision = np.full((len(AREAS), len(THRESHOLDS), len(RECALLS)), np.nan)
    recall = np.full((len(MAX_DETECTIONS), len(THRESHOLDS)), np.nan)
    true = rows.where(rows.rank < 0)
    found = rows.detections()
    for area in range(len(AREAS)):
        positives = int(((true.ignored & BITS[area, 0]) == 0).sum())
        if not positives:
            continue
        right, counted = found.outcome(area)
        precision[area] = _precision(right, counted, positives)
        if area == 0:
            for n, most in enumerate(MAX_DETECTIONS):
                recall[n] = (right & (found.rank < most)).sum(axis=1) / positives
    return precision, recall


def _precision(right: Array, counted: Array, positives: int) -> Float64:
    """Precision envelope at every recall (T, R), from detections (T, D) by falling score."""
    tp = np.cumsum(right, axis=1).astype(np.float64)
    fp = np.cumsum(counted & ~right, axis=1).astype(np.float64)
    precision = tp / (fp + tp + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    result = np.zeros((len(tp), len(RECALLS)))
    for row, recall in enumerate(tp / positives):
        place = np.searchsorted(recall, RECALLS, side="left")
        reached = place < len(recall)
        result[row, reached] = envelope[row, place[reached]]
    return result


def resample_class(rows: Rows, weights: Int64) -> tuple[Float64, Float64, Float64]:
    """Average precision (A, T, B), recall (M, T, B) and number of true objects (A, B) of one class in B resamples.

    Parameters
    ----------
    rows : Rows
        `image` is a column of `weights`.
    weights : (B, n) int64
        How often each image is drawn.
    """
    images, place = np.unique(rows.image, return_inverse=True)
    drawn = np.ascontiguousarray(weights.T[images], np.float64)
    true = (rows.rank < 0) & ((rows.ignored & BITS[:, :1]) == 0)
    positives = np.stack([_per_image(place, kept, len(images)) for kept in true]) @ drawn
    rows = Rows(place.astype(np.int64), *(getattr(rows, name) for name in list(Rows.__dataclass_fields__)[1:]))
    found = rows.detections()
    right, _ = found.outcome(0)
    hits = [[_per_image(found.image, row & (found.rank < m), len(images)) for row in right] for m in MAX_DETECTIONS]
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = (np.array(hits) @ drawn) / positives[0]
    found, copy = _unrolled(found, int(drawn.max(initial=0)))
    outcomes = [found.outcome(area) for area in range(len(AREAS))]
    single = copy > 0
    for hit, counted in outcomes:
        single |= hit.any(axis=0) | (counted.any(axis=0) & ~counted.all(axis=0))
    precision = np.zeros((len(AREAS), len(THRESHOLDS), len(weights)))
    image, copy = found.image[single], copy[single]
    step = max(1, _BLOCK // max(len(copy), 1))
    false = [_false_before(found.image, single, counted[0], len(images)) for _, counted in outcomes]
    apart = [np.cumsum(sparse.sum(axis=1)) for sparse in false]
    outcomes = [(hit[:, single], counted[:, single]) for hit, counted in outcomes]
    for start in range(0, len(weights), step):
        block = slice(start, start + step)
        times = drawn[image, block]
        times[copy > 0] = times[copy > 0] >= copy[copy > 0, None]
        for area, (hit, counted) in enumerate(outcomes):
            before = np.cumsum(false[area] @ drawn[:, block], axis=0)
            curve = _Curve(hit, counted, times, before, apart[area])
            precision[area, :, block] = _average_precision(curve, positives[area, block])
    return precision, recall, positives


def _false_before(image: Int64, single: Array, counted: Array, images: int) -> Any:
    """How many plain false positives of each image stand between the single rows before and at each: sparse (R, n).

    A plain row counts alike at all thresholds and is a true positive at none, so only the number of such rows that
    are drawn matters, not their order.
    """
    from scipy.sparse import csr_array

    gap = np.cumsum(single) - single
    plain = ~single & counted & (gap < single.sum())
    places = (gap[plain], image[plain])
    return csr_array((np.ones(int(plain.sum())), places), shape=(int(single.sum()), images))


def _per_image(image: Int64, chosen: Array, images: int) -> Float64:
    return np.bincount(image[chosen], minlength=images).astype(np.float64)


def _unrolled(found: Rows, most: int) -> tuple[Rows, Int64]:
    """Detections with those repeated for which the order of copies matters, and the copy of each (0: all of them).

    Copies of a detection follow each other, and then only their number counts. But where one image has equal scores of
    several outcomes, copies of the image follow each other as a whole.
    """
    group = np.ones(len(found.image), bool)
    group[1:] = (found.image[1:] != found.image[:-1]) | (found.score[1:] != found.score[:-1])
    block = np.cumsum(group) - 1
    starts = np.flatnonzero(group)
    unlike = (found.matched != found.matched[starts][block]) | (found.ignored != found.ignored[starts][block])
    mixed = np.bincount(block, unlike, len(starts)).astype(bool)[block]
    if not mixed.any():
        return found, np.zeros(len(block), np.int64)
    times = np.where(mixed, most, 1)
    source = np.repeat(np.arange(len(block)), times)
    copy = np.arange(len(source)) - np.repeat(np.cumsum(times) - times, times) + 1
    order = np.lexsort((source, copy * mixed[source], block[source]))
    source = source[order]
    return found.where(source), np.where(mixed[source], copy[order], 0)


@dataclass(frozen=True)
class _Curve:
    """Single rows by falling score: hit and counted (T, R), how often each is drawn (R, b), drawn plain false positives
    before each (R, b), and how many there are at all (R,)."""

    hit: Array
    counted: Array
    times: Float64
    false_before: Float64
    plain_before: Float64


def _average_precision(curve: _Curve, positives: Float64) -> Float64:
    """Average precision (T, b). Precision is looked at only where a run of true positives ends: it is highest there."""
    always = curve.counted.all(axis=0)
    total = np.concatenate([np.zeros((1, curve.times.shape[1])), np.cumsum(curve.times[always], axis=0)])
    rank = np.cumsum(always)
    result = np.zeros((len(curve.hit), curve.times.shape[1]))
    for threshold, (hit, counted) in enumerate(zip(curve.hit, curve.counted, strict=True)):
        hits = np.flatnonzero(hit)
        if not len(hits):
            continue
        number = (np.cumsum(counted) + curve.plain_before)[hits]
        last = np.append(number[1:] != number[:-1] + 1, True)
        ends = hits[last]
        tp = np.cumsum(curve.times[hits], axis=0)[last]
        drawn = total[rank[ends]] + curve.false_before[ends]
        sometimes = np.flatnonzero(counted & ~always)
        if len(sometimes):
            extra = np.concatenate([np.zeros((1, tp.shape[1])), np.cumsum(curve.times[sometimes], axis=0)])
            drawn += extra[np.searchsorted(sometimes, ends, side="right")]
        envelope = np.maximum.accumulate((tp / (drawn + np.spacing(1)))[::-1], axis=0)[::-1]
        reached = _recalls_reached(tp, positives)
        reached[1:] -= reached[:-1].copy()
        result[threshold] = np.einsum("mb,mb->b", envelope, reached) / len(RECALLS)
    return result


_BOUNDED = np.append(RECALLS, [np.inf, np.inf])


def _recalls_reached(tp: Float64, positives: Float64) -> Float64:
    """How many of RECALLS are at most tp / positives, by the same comparison of doubles as a search among them."""
    recall = tp / np.maximum(positives, 1.0)
    near = (recall * (len(RECALLS) - 1)).astype(np.intp)
    reached = near + (_BOUNDED[near] <= recall) + (_BOUNDED[near + 1] <= recall)
    return reached.astype(np.float64)
