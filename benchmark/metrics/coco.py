"""COCO-style average precision and recall of objects, equal to pycocotools' COCOeval with `iouType="segm"`.

One sample keeps which of its detections matched at every IoU threshold and area range; everything else is accumulated
from that without images. Reference: pycocotools/cocoeval.py (evaluateImg, accumulate, summarize).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pycocotools import mask as mask_api

from ..io.images.rle import check_rle, encode_rle
from ..text import whole_number
from ..types import (
    Array,
    ClassInfo,
    DatasetInfo,
    Float64,
    Int64,
    Object,
    Part,
    Prediction,
    Sample,
    ScoreInfo,
    Statistic,
    UserError,
)
from .base import MetricFamily
from .coco_curves import AREAS, BITS, MAX_DETECTIONS, THRESHOLDS, Rows, class_curves, resample_class
from .pooled import ratio
from .same_statistics import SameStatistics, key_of
from .table_rules import broken_rule

_all_rows: SameStatistics[Rows] = SameStatistics(1)
_drawn: SameStatistics[dict[str, Float64]] = SameStatistics(1)

_AP_RANGES = {"ap": 0, "ap_small": 1, "ap_medium": 2, "ap_large": 3}
_AP_THRESHOLDS = {"ap50": 0, "ap75": 5}
_MATCHING = np.minimum(THRESHOLDS, 1 - 1e-10)

Bits = np.ndarray[tuple[int, int, int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class COCOAveragePrecision(MetricFamily):
    """AP and AR of COCO: mean over 10 IoU thresholds, 101 recalls and the things that have true objects.

    A statistic has one row of rank -1 per true object, and one per detection that counts (at most 100 per class, by
    falling score, ties in the order of the file) with its `rank` from 0. `matched` and `ignored` hold a bit for every
    area range (all, small, medium, large) and IoU threshold, number 10 * range + threshold. A true object carries only
    `ignored`: a crowd, or an area out of the range.

    Where pycocotools prints -1 (no true object) the score is NaN. Scores equal its own bit for bit.

    Resampling treats a sample drawn w times as w neighbours of other names. Between equal scores the order of samples,
    then of detections decides, as in the mergesort of COCOeval; so copies of one image with equal scores of mixed
    outcome interleave copy by copy, and are resampled so.
    """

    name: ClassVar[str] = "coco-ap"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "average precision and recall of objects as COCOeval has them (segm)"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("ap", "mean of average precision over IoU 0.50:0.05:0.95 and things"),
        ScoreInfo("ap50", "mean of average precision over things at IoU 0.50"),
        ScoreInfo("ap75", "mean of average precision over things at IoU 0.75"),
        ScoreInfo("ap_small", "ap of true objects of at most 32 x 32 pixels"),
        ScoreInfo("ap_medium", "ap of true objects between 32 x 32 and 96 x 96 pixels"),
        ScoreInfo("ap_large", "ap of true objects of at least 96 x 96 pixels"),
        ScoreInfo("ar_1", "mean recall over IoU and things with 1 detection per image and class"),
        ScoreInfo("ar_10", "mean recall over IoU and things with 10 detections per image and class"),
        ScoreInfo("ar_100", "mean recall over IoU and things with 100 detections per image and class"),
    )
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("ap", "mean of average precision of a class over IoU 0.50:0.05:0.95"),
        ScoreInfo("ap50", "average precision of a class at IoU 0.50"),
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "label": "int64",
        "rank": "int64",
        "score": "float64",
        "matched": "int64",
        "ignored": "int64",
    }
    parts: ClassVar[tuple[Part, ...]] = ("objects",)

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Match the detections of one sample with its true objects, class by class."""
        truths, found = _checked(sample, prediction, info)
        truths.sort(key=lambda entry: entry[0].label)
        found.sort(key=lambda entry: (entry[0].label, -entry[0].score))
        true_labels = np.array([entry.label for entry, _ in truths], np.int64)
        labels = np.array([entry.label for entry, _ in found], np.int64)
        rank = np.arange(len(labels)) - np.searchsorted(labels, labels)
        found = [entry for entry, place in zip(found, rank.tolist(), strict=True) if place < MAX_DETECTIONS[-1]]
        labels, rank = (values[rank < MAX_DETECTIONS[-1]] for values in (labels, rank))
        outside, matched, ignored = _matched(truths, true_labels, found, labels)
        columns = {
            "label": np.concatenate([true_labels, labels]),
            "rank": np.concatenate([np.full(len(truths), -1), rank]).astype(np.int64),
            "score": np.array([0.0] * len(truths) + [entry.score for entry, _ in found], np.float64),
            "matched": np.concatenate([np.zeros(len(truths), np.int64), _packed(matched)]),
            "ignored": np.concatenate(
                [_packed(np.repeat(outside.T[:, :, None], len(THRESHOLDS), 2)), _packed(ignored)]
            ),
        }
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Detections are numbered by falling score within their class, and a true object carries no match."""
        columns = statistic.columns
        rank, score, label = columns["rank"], columns["score"], columns["label"]
        found = rank >= 0
        follows = np.zeros(len(rank), bool)
        follows[1:] = (rank[1:] == rank[:-1] + 1) & (label[1:] == label[:-1]) & found[:-1]
        most = int(BITS.sum())
        falls = np.ones(len(rank), bool)
        falls[1:] = ~follows[1:] | (score[1:] <= score[:-1])
        bits = {name: (columns[name] >= 0) & (columns[name] <= most) for name in ("matched", "ignored")}
        return broken_rule(
            {
                "labels are things": np.isin(label, _things(info)),
                "at most 100 detections of a class count": (rank >= -1) & (rank < MAX_DETECTIONS[-1]),
                "detections of a class are numbered from 0": ~found | (rank == 0) | follows,
                "scores are numbers that fall": np.isfinite(score) & falls,
                "a true object is matched by what is found": found | (columns["matched"] == 0),
                "bits are those of 4 areas and 10 thresholds": bits["matched"] & bits["ignored"],
            }
        )

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """Every true object, and in which areas it does not count."""
        true = statistic.columns["rank"] < 0
        return {name: statistic.columns[name][true] for name in ("label", "ignored")}

    def true_classes(self, statistic: Statistic) -> Int64:
        """Those of objects that are no crowds."""
        columns = statistic.columns
        counted = (columns["rank"] < 0) & ((columns["ignored"].astype(np.int64) & BITS[0, 0]) == 0)
        return np.unique(columns["label"][counted]).astype(np.int64)

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """All scores; NaN where no true object of the range exists."""
        parts = list(_per_class(statistics, info).values())
        precision = np.stack([p for p, _ in parts], axis=3)
        recall = np.stack([r for _, r in parts], axis=2)
        values = {name: _mean(precision[area]) for name, area in _AP_RANGES.items()}
        values |= {name: _mean(precision[0, threshold]) for name, threshold in _AP_THRESHOLDS.items()}
        values |= {f"ar_{most}": _mean(recall[n]) for n, most in enumerate(MAX_DETECTIONS)}
        return {score.name: values[score.name] for score in self.scores}

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """The same scores of B resamples, each (B,) float64."""
        return {name: _mean_of_things(values) for name, values in _of_things(statistics, info, weights).items()}

    def classes_of(self, info: DatasetInfo) -> tuple[ClassInfo, ...]:
        """The things."""
        return tuple(c for c in info.classes if c.kind == "thing")

    def resample_classes(
        self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64
    ) -> dict[str, Float64]:
        """AP and AP at IoU 0.50 of every thing in B resamples, each (B, C) float64; NaN without true objects."""
        found = _of_things(statistics, info, weights)
        return {what.name: found[what.name] for what in self.class_scores}

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """AP and AP at IoU 0.50 of every thing; NaN for one without true objects."""
        names = {c.id: c.name for c in info.classes}
        return {
            names[label]: {"ap": _mean(precision[0]), "ap50": _mean(precision[0, 0])}
            for label, (precision, _) in _per_class(statistics, info).items()
        }


Entry = tuple[Object, dict[str, Any]]


def _things(info: DatasetInfo) -> list[int]:
    return [c.id for c in info.classes if c.kind == "thing"]


def _checked(sample: Sample, prediction: Prediction, info: DatasetInfo) -> tuple[list[Entry], list[Entry]]:
    """True and predicted objects with sound encodings of one size, known classes and finite scores."""
    if sample.objects is None:
        raise UserError(f"sample '{sample.id}' has no annotated objects, so objects cannot be scored. {info.layout}")
    if prediction.objects is None:
        raise UserError(f"prediction of sample '{sample.id}' holds a label map; {info.name} objects have masks, scores")
    things = frozenset(_things(info))
    size: list[int] | None = None
    result: tuple[list[Entry], list[Entry]] = ([], [])
    for entries, objects, what in zip(result, (sample.objects, prediction.objects), ("true", "predicted"), strict=True):
        for number, entry in enumerate(objects):
            where = f"{what} object {number} of sample '{sample.id}'"
            mask = encode_rle(entry.mask) if isinstance(entry.mask, np.ndarray) else entry.mask
            rle = check_rle(mask, where)
            size = size or rle["size"]
            if rle["size"] != size:
                raise UserError(f"{where}: its mask is {rle['size']}; the image's objects are {size} (height, width)")
            if entry.label not in things:
                raise UserError(f"{where}: label {entry.label} is no class of things of {info.name}")
            if not math.isfinite(entry.score):
                raise UserError(f"{where}: its score is {entry.score}; expected a finite number")
            entries.append((entry, dict(rle)))  # pycocotools takes nothing but a plain dictionary
    return result


def _matched(truths: list[Entry], true_labels: Int64, found: list[Entry], labels: Int64) -> tuple[Array, Bits, Bits]:
    """True objects that are ignored (A, G); detections that have a match, and that are ignored: (D, A, T) each.

    Both lists are in the order of their labels.
    """
    crowd = np.array([entry.crowd for entry, _ in truths], bool)
    own = [entry.area for entry, _ in truths]
    areas = [of_mask if area is None else area for area, of_mask in zip(own, _areas(truths), strict=True)]
    outside = _outside(areas) | crowd
    matched, ignored = np.zeros((2, len(found), len(AREAS), len(THRESHOLDS)), bool)
    for label in np.intersect1d(true_labels, labels).tolist():
        true = slice(*np.searchsorted(true_labels, [label, label + 1]).tolist())
        mine = slice(*np.searchsorted(labels, [label, label + 1]).tolist())
        masks, detected = ([rle for _, rle in entries] for entries in (truths[true], found[mine]))
        ious = np.asarray(mask_api.iou(detected, masks, crowd[true].astype(np.uint8).tolist()))
        matched[mine], ignored[mine] = match(ious, crowd[true], outside[:, true])
    ignored |= ~matched & _outside(_areas(found)).T[:, :, None]
    return outside, matched, ignored


def _areas(entries: list[Entry]) -> list[float]:
    """Pixels of the masks, asked for one by one: given more than 255 at once, pycocotools overflows under NumPy 2."""
    return [float(mask_api.area(rle)) for _, rle in entries]


def _outside(areas: Sequence[float]) -> Array:
    """Whether areas (N,) lie out of each range: (A, N) bool."""
    values = np.array(areas, np.float64)
    return np.stack([(values < low) | (values > high) for low, high in AREAS.values()])


def match(ious: Float64, crowd: Array, outside: Array) -> tuple[Bits, Bits]:
    """Greedy matching of detections, in this order, at all area ranges and thresholds at once.

    A detection takes the free true object of the highest IoU, the last of equals; an ignored one only where no other
    reaches the threshold. A crowd is never used up.

    Parameters
    ----------
    ious : (D, G) float64
    crowd : (G,) bool
    outside : (A, G) bool
        True objects that are ignored in each area range.

    Returns
    -------
    (matched, ignored) : each (D, A, T) bool
        Whether a detection has a match, and whether that is an ignored one.
    """
    shape = (len(ious), len(outside), len(THRESHOLDS))
    matched, ignored = np.zeros(shape, bool), np.zeros(shape, bool)
    free = np.ones((*shape[1:], len(crowd)), bool)
    ranges, thresholds = np.arange(len(outside))[:, None], np.arange(len(THRESHOLDS))
    for place in np.flatnonzero((ious >= _MATCHING[0]).any(axis=1)):
        near = np.flatnonzero(ious[place] >= _MATCHING[0])
        row = ious[place, near]
        rank = np.empty(len(near), np.int64)
        rank[np.argsort(row, kind="stable")] = np.arange(len(near))
        worth = (rank + len(near) * ~outside[:, near])[:, None, :]
        worth = np.where(free[:, :, near] & (row >= _MATCHING[:, None]), worth, -1)
        best = worth.argmax(axis=2)
        hit = worth.max(axis=2) >= 0
        chosen = near[best]
        matched[place] = hit
        ignored[place] = hit & outside[ranges, chosen]
        free[ranges, thresholds, chosen] &= ~hit | crowd[chosen]
    return matched, ignored


def _packed(bits: Bits) -> Int64:
    """(N, A, T) bool as one number each."""
    return np.asarray((bits * BITS).sum(axis=(1, 2)), np.int64)


def _rows(statistics: Sequence[Statistic]) -> Rows:
    """All rows, images in the order of their ids: as numbers where all are, since COCOeval sorts them so."""
    return _all_rows.get(statistics, None, lambda: _rows_of(statistics))


def _rows_of(statistics: Sequence[Statistic]) -> Rows:
    ids = [s.sample_id for s in statistics]
    values = [whole_number(i) for i in ids]
    numbers = None not in values
    order = sorted(range(len(ids)), key=lambda n: (values[n] if numbers else 0, ids[n]))
    lengths = [len(statistics[n].columns["label"]) for n in order]
    image = np.repeat(np.array(order, np.int64), lengths)
    columns = COCOAveragePrecision.columns.items()
    return Rows(
        image,
        *(np.concatenate([np.zeros(0, kind), *(statistics[n].columns[c] for n in order)]) for c, kind in columns),
    )


def _per_class(statistics: Sequence[Statistic], info: DatasetInfo) -> dict[int, tuple[Float64, Float64]]:
    """Precision at every recall (A, T, R) and recall (M, T) of every thing; NaN without true objects."""
    rows = _rows(statistics)
    return {label: class_curves(rows.where(rows.label == label)) for label in _things(info)}


def _of_things(statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
    """Every score of every thing in B resamples, (B, C) each; NaN without true objects. Made once for equal weights."""
    things = tuple(_things(info))
    return _drawn.get(statistics, (things, key_of(weights)), lambda: _resampled(_rows(statistics), things, weights))


def _resampled(rows: Rows, things: Sequence[int], weights: Int64) -> dict[str, Float64]:
    """See `_of_things`; the arrays cannot be written to."""
    found = {score.name: np.full((len(weights), len(things)), np.nan) for score in COCOAveragePrecision.scores}
    for place, label in enumerate(things):
        mine = rows.where(rows.label == label)
        if not len(mine.label):
            continue
        precision, recall, positives = resample_class(mine, weights)
        values = {name: (precision[a].mean(axis=0), positives[a]) for name, a in _AP_RANGES.items()}
        values |= {name: (precision[0, t], positives[0]) for name, t in _AP_THRESHOLDS.items()}
        values |= {f"ar_{m}": (recall[n].mean(axis=0), positives[0]) for n, m in enumerate(MAX_DETECTIONS)}
        for name, (value, true) in values.items():
            found[name][:, place] = np.where(true > 0, value, np.nan)
    for table in found.values():
        table.flags.writeable = False
    return found


def _mean_of_things(values: Float64) -> Float64:
    """The mean (B,) of the things that have a value (B, C), summed one after the other; NaN where none has."""
    known = ~np.isnan(values)
    total = np.zeros(len(values))
    for column in np.where(known, values, 0.0).T:
        total += column
    return ratio(total, known.sum(axis=1))


def _mean(values: Float64) -> float:
    """Mean of what is defined, summed in the order of COCOeval; NaN of nothing."""
    defined = values[~np.isnan(values)]
    return float(np.mean(defined)) if defined.size else math.nan
