"""Panoptic quality: how well every pixel is given a class and an instance, as COCO and Cityscapes score it.

References: Kirillov, He, Girshick, Rother & Dollár, "Panoptic Segmentation", CVPR 2019, section 4 (the definition, void
and crowds); panopticapi's evaluation.py (void, and one crowd region per class and image: the last in the list).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import numpy as np

from ..types import (
    AbsentClasses,
    Array,
    ClassInfo,
    DatasetInfo,
    Float64,
    Int64,
    Part,
    Prediction,
    Sample,
    ScoreInfo,
    Statistic,
    Sums,
    SumsByClass,
)
from .base import SummedFamily
from .exact_sums import weighted_sums
from .pooled import absent_of, mean_where, ratio, summed
from .same_statistics import SameStatistics
from .segment_matching import MATCHED_IOU, segment_rows
from .table_rules import MAX_PIXELS, all_different, broken_rule

_laid_out: SameStatistics[tuple[Int64, Float64]] = SameStatistics(1)
"""The last dense tables: every score, resample and table of a run needs the same."""
_summed: SameStatistics[tuple[Int64, Int64, dict[str, Float64]]] = SameStatistics(1)

_WORDS = {"pq": "panoptic quality", "sq": "segmentation quality", "rq": "recognition quality"}
_MEANS = {"pq": "PQ = sum of IoU / (TP + FP/2 + FN/2)", "sq": "mean IoU of what matches", "rq": "F1 of segments"}
_GROUPS: Mapping[str, tuple[str, frozenset[str]]] = {
    "": ("classes", frozenset({"thing", "stuff", "background"})),
    "_things": ("things", frozenset({"thing"})),
    "_stuff": ("stuff", frozenset({"stuff", "background"})),
}


@dataclass(frozen=True)
class PanopticQuality(SummedFamily):
    """PQ, SQ and RQ: means over the classes that have a true segment that counts, or a false positive.

    A statistic has a row per class with the numbers of matched (`tp`), invented (`fp`) and missed (`fn`) segments, the
    sum `iou` of those that match, correctly rounded, and the pixels `fp_pixels` of what is invented.
    """

    name: ClassVar[str] = "panoptic"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "panoptic, segmentation and recognition quality of all classes, of things and of stuff"
    scores: ClassVar[tuple[ScoreInfo, ...]] = tuple(
        ScoreInfo(f"{name}{suffix}", f"{words} ({_MEANS[name]}), mean over {group}")
        for suffix, (group, _) in _GROUPS.items()
        for name, words in _WORDS.items()
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "category": "int64",
        "tp": "int64",
        "fp": "int64",
        "fn": "int64",
        "fp_pixels": "int64",
        "iou": "float64",
    }
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("pq", "panoptic quality of a class"),
        ScoreInfo("sq", "mean IoU of the matched segments of a class"),
        ScoreInfo("rq", "F1 of the segments of a class"),
    )
    parts: ClassVar[tuple[Part, ...]] = ("panoptic",)
    releases_gil: ClassVar[bool] = True
    hooks: ClassVar[Mapping[str, str]] = {"instances": "segbench.metrics.segment_matching:instance_rows"}

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Match the segments of one sample and count them by class."""
        rows = segment_rows(sample, prediction, info)
        found = sorted({row.category for row in rows if row.outcome in ("matched", "missed", "invented")})
        number = {"matched": "tp", "invented": "fp", "missed": "fn"}
        table = {category: dict.fromkeys(("tp", "fp", "fn", "fp_pixels"), 0) for category in found}
        ious: dict[int, list[float]] = {category: [] for category in found}
        for row in rows:
            if row.outcome in number:
                table[row.category][number[row.outcome]] += 1
            if row.outcome == "matched":
                ious[row.category].append(row.iou)
            if row.outcome == "invented":
                table[row.category]["fp_pixels"] += row.predicted_pixels
        columns: dict[str, Int64 | Float64] = {"category": np.array(found, np.int64)}
        columns |= {
            name: np.array([table[c][name] for c in found], np.int64) for name in ("tp", "fp", "fn", "fp_pixels")
        }
        columns["iou"] = np.array([math.fsum(ious[category]) for category in found], np.float64)
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Counts are of known classes and not negative, and matched pairs have IoUs above 0.5, up to 1."""
        category, tp, fp, fn, pixels, iou = (statistic.columns[name] for name in self.columns)
        return broken_rule(
            {
                f"classes are those of segments of {info.name}": np.isin(
                    category, [c.id for c in info.segment_classes]
                ),
                "a class stands once": all_different(category),
                "numbers of segments are not negative": (tp >= 0) & (fp >= 0) & (fn >= 0) & (tp + fp + fn > 0),
                "what is invented has pixels": (pixels >= fp) & (pixels < MAX_PIXELS) & ((fp > 0) | (pixels == 0)),
                "IoUs of pairs lie above 0.5, up to 1": (iou >= MATCHED_IOU * tp)
                & (iou <= tp)
                & ((tp > 0) | (iou == 0)),
            }
        )

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """How many true segments of each class count."""
        segments = statistic.columns["tp"] + statistic.columns["fn"]
        held = segments > 0
        return {"category": statistic.columns["category"][held], "segments": segments[held]}

    def true_classes(self, statistic: Statistic) -> Int64:
        """Those of true segments that count."""
        return np.unique(self.truth_side(statistic)["category"]).astype(np.int64)

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """The same scores of B resamples, each (B,) float64."""
        classes = info.segment_classes
        held, table = _drawn(statistics, classes, weights)
        kinds = [classes[place].kind for place in held.tolist()]
        found = {}
        for suffix, (_, group) in _GROUPS.items():
            mine = np.array([kind in group for kind in kinds], bool)
            for name, values in table.items():
                found[f"{name}{suffix}"] = mean_where(values[:, mine], ~np.isnan(values[:, mine]))
        return found

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """Every score is a mean of quotients of sums over samples."""
        name, _, suffix = score.partition("_")
        group = _GROUPS[f"_{suffix}" if suffix else ""][1]
        chosen = [place for place, each in enumerate(info.segment_classes) if each.kind in group]
        counts, iou = _dense(statistics, info.segment_classes)
        counts, iou = counts[:, chosen], iou[:, chosen]
        flat = counts.reshape(len(statistics), len(chosen) * 3)
        if name == "rq":
            return Sums(flat, _mean_rq)
        return Sums(np.concatenate([flat.astype(np.float64), iou], axis=1), _mean_pq if name == "pq" else _mean_sq)

    def absent_classes(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> AbsentClasses | None:
        """Classes without a true segment that counts, of which segments were invented: they count 0."""
        group = _GROUPS[score[2:]][1]
        return _absent(statistics, [each for each in info.segment_classes if each.kind in group])

    def classes_of(self, info: DatasetInfo) -> tuple[ClassInfo, ...]:
        """The classes of segments."""
        return info.segment_classes

    def resample_classes(
        self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64
    ) -> dict[str, Float64]:
        """From the sums that the means over classes are made of."""
        classes = info.segment_classes
        held, table = _drawn(statistics, classes, weights)
        found = {name: np.full((len(weights), len(classes)), np.nan) for name in table}
        for name, values in table.items():
            found[name][:, held] = values
        return found

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """A quality of each class from its numbers of segments and its sum of IoU."""
        counts, iou = (each[:, list(places)] for each in _dense(statistics, info.segment_classes))
        return SumsByClass(np.concatenate([counts.astype(np.float64), iou[..., None]], axis=-1), _QUALITY[score])

    def absent_among(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> AbsentClasses | None:
        """As `absent_classes`."""
        del score
        return _absent(statistics, [info.segment_classes[place] for place in places])

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """PQ, SQ, RQ and the numbers of segments of every class; qualities are NaN where it has none that counts."""
        classes = info.segment_classes
        counts, iou = _dense(statistics, classes)
        every = np.ones((1, len(statistics)), np.int64)
        table = _qualities(counts.sum(axis=0)[None].astype(np.float64), weighted_sums(every, iou))
        numbers = counts.sum(axis=0).tolist()
        return {
            each.name: {
                **{name: float(values[0, place]) for name, values in table.items()},
                **dict(zip(("tp", "fp", "fn"), map(float, numbers[place]), strict=True)),
            }
            for place, each in enumerate(classes)
        }


def _dense(statistics: Sequence[Statistic], classes: Sequence[ClassInfo]) -> tuple[Int64, Float64]:
    """Numbers of segments (n, C, 3), tp, fp and fn, and sums of IoU (n, C); 0 for a class that a sample has not.

    Neither can be written to.
    """
    places = {each.id: place for place, each in enumerate(classes)}
    return _laid_out.get(statistics, tuple(places), lambda: _laid_out_by(statistics, places))


def _laid_out_by(statistics: Sequence[Statistic], places: Mapping[int, int]) -> tuple[Int64, Float64]:
    counts, iou = np.zeros((len(statistics), len(places), 3), np.int64), np.zeros((len(statistics), len(places)))
    for n, statistic in enumerate(statistics):
        columns = statistic.columns
        mine = [places[category] for category in columns["category"].tolist()]
        counts[n, mine] = np.stack([columns["tp"], columns["fp"], columns["fn"]], axis=1)
        iou[n, mine] = columns["iou"]
    for table in (counts, iou):
        table.flags.writeable = False
    return counts, iou


def _drawn(
    statistics: Sequence[Statistic], classes: Sequence[ClassInfo], weights: Int64
) -> tuple[Int64, dict[str, Float64]]:
    """Places of the classes that have segments, and their qualities on B resamples, each (B, classes with segments).

    Of the same array of weights as the last time the same again: means over classes and single classes ask in turn.
    """

    def make() -> tuple[Int64, Int64, dict[str, Float64]]:
        counts, iou = _dense(statistics, classes)
        held = np.flatnonzero(counts.any(axis=(0, 2)))
        sums = summed(counts[:, held].reshape(len(statistics), held.size * 3), weights).reshape(-1, held.size, 3)
        return weights, held, _qualities(sums, weighted_sums(weights, iou[:, held]))

    # The result holds the weights, so that no other array can get their id.
    _, held, table = _summed.get(statistics, (id(weights), *(each.id for each in classes)), make)
    return held, table


def _qualities(counts: Float64, iou: Float64) -> dict[str, Float64]:
    """PQ, SQ and RQ of numbers (…, C, 3) and sums of IoU (…, C); NaN where a class has no segment that counts."""
    tp, fp, fn = np.moveaxis(counts, -1, 0)
    weight = tp + fp / 2 + fn / 2
    return {
        "pq": ratio(iou, weight),
        "sq": np.where(weight > 0, np.where(tp > 0, ratio(iou, tp), 0.0), np.nan),
        "rq": ratio(tp, weight),
    }


def _absent(statistics: Sequence[Statistic], chosen: Sequence[ClassInfo]) -> AbsentClasses | None:
    place = {each.id: n for n, each in enumerate(chosen)}
    true, invented = np.zeros((2, len(chosen)), np.int64)
    for statistic in statistics:
        columns = statistic.columns
        for row, category in enumerate(columns["category"].tolist()):
            if category in place:
                true[place[category]] += columns["tp"][row] + columns["fn"][row]
                invented[place[category]] += columns["fp_pixels"][row]
    return absent_of([each.name for each in chosen], true, invented)


def _quality(name: str, sums: Float64) -> Float64:
    """A quality (…) of numbers of segments and a sum of IoU (…, 4)."""
    return _qualities(sums[..., :3], sums[..., 3])[name]


_QUALITY = {name: partial(_quality, name) for name in ("pq", "sq", "rq")}


def _mean_quality(name: str, sums: Float64) -> Float64:
    """The mean over classes from sums (…, 4C): numbers of segments, then sums of IoU."""
    classes = sums.shape[-1] // 4
    counts = sums[..., : 3 * classes].reshape(*sums.shape[:-1], classes, 3)
    values = _qualities(counts, sums[..., 3 * classes :])[name]
    return mean_where(values, ~np.isnan(values))


def _mean_pq(sums: Float64) -> Float64:
    return _mean_quality("pq", sums)


def _mean_sq(sums: Float64) -> Float64:
    return _mean_quality("sq", sums)


def _mean_rq(sums: Float64) -> Float64:
    """The same of numbers of segments alone (…, 3C): integers, which are multiplied quickly."""
    tp, fp, fn = np.moveaxis(sums.reshape(*sums.shape[:-1], sums.shape[-1] // 3, 3), -1, 0)
    values = ratio(tp, tp + fp / 2 + fn / 2)
    return mean_where(values, ~np.isnan(values))
