"""Which true and predicted segments match each other, as panoptic quality counts them.

References: Kirillov, He, Girshick, Rother & Dollár, "Panoptic Segmentation", CVPR 2019, section 4.1; panopticapi's
evaluation.py (void, and one crowd region per class and image: the last in the list).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..types import (
    DatasetInfo,
    Int64,
    Panoptic,
    Prediction,
    Sample,
    UserError,
)
from .joint_counts import joint_counts

Outcome = Literal["matched", "missed", "invented", "ignored", "crowd"]
MATCHED_IOU = 0.5
"""A pair matches where its IoU is above: then no segment has two partners (the theorem of section 4.1)."""


@dataclass(frozen=True)
class SegmentRow:
    """What became of one true or predicted segment; a matched pair is one row.

    outcome : `matched`; `missed` (true, a false negative); `invented` (predicted, a false positive); `ignored`
    (predicted, more than half of it on void or on a crowd of its class); `crowd` (true, never counted).
    true, predicted : numbers of the segments, 0 where there is none; their pixels. iou : NaN where nothing matches.
    """

    category: int
    outcome: Outcome
    true: int
    predicted: int
    iou: float
    true_pixels: int
    predicted_pixels: int


def segment_rows(sample: Sample, prediction: Prediction, info: DatasetInfo) -> list[SegmentRow]:
    """What became of every segment of a sample: matched pairs and true ones in true order, then predicted ones.

    Raises
    ------
    UserError
        Naming the sample, where there are no segments, for another size, and for a class that the dataset has not.
    """
    truth, found = _checked(sample, prediction, info)
    true_ids, found_ids, pixels = joint_counts(truth.ids, found.ids)
    both = dict(zip(zip(true_ids.tolist(), found_ids.tolist(), strict=True), pixels.tolist(), strict=True))
    true_area, found_area = _areas(true_ids, pixels), _areas(found_ids, pixels)
    true_of = {segment.id: segment for segment in truth.segments}
    found_of = {segment.id: segment for segment in found.segments}
    partner: dict[int, tuple[int, float]] = {}
    for (one, other), shared in both.items():
        true, predicted = true_of.get(one), found_of.get(other)
        if true is None or predicted is None or true.crowd or true.category != predicted.category:
            continue
        union = found_area[other] + true_area[one] - shared - both.get((0, other), 0)
        if shared / union > MATCHED_IOU:
            partner[one] = other, shared / union
    rows = []
    for segment in truth.segments:
        other, iou = partner.get(segment.id, (0, math.nan))
        outcome: Outcome = "matched" if other else "crowd" if segment.crowd else "missed"
        area = (true_area[segment.id], found_area[other] if other else 0)
        rows.append(SegmentRow(segment.category, outcome, segment.id, other, iou, *area))
    taken = {other for other, _ in partner.values()}
    crowd = {segment.category: segment.id for segment in truth.segments if segment.crowd}  # of several the last
    for segment in found.segments:
        if segment.id in taken:
            continue
        excused = both.get((0, segment.id), 0)
        if segment.category in crowd:
            excused += both.get((crowd[segment.category], segment.id), 0)
        outcome = "ignored" if excused / found_area[segment.id] > MATCHED_IOU else "invented"
        rows.append(SegmentRow(segment.category, outcome, 0, segment.id, math.nan, 0, found_area[segment.id]))
    return rows


def instance_rows(sample: Sample, prediction: Prediction, info: DatasetInfo) -> list[dict[str, Any]]:
    """A row for each instance, with the name of its class and empty cells where there is nothing to say."""
    names = {each.id: each.name for each in info.segment_classes}
    return [
        {
            "sample": sample.id,
            "class": names[row.category],
            "outcome": row.outcome,
            "iou": "" if math.isnan(row.iou) else row.iou,
            "true_segment": row.true or "",
            "predicted_segment": row.predicted or "",
            "true_pixels": row.true_pixels if row.true else "",
            "predicted_pixels": row.predicted_pixels if row.predicted else "",
        }
        for row in segment_rows(sample, prediction, info)
    ]


def _checked(sample: Sample, prediction: Prediction, info: DatasetInfo) -> tuple[Panoptic, Panoptic]:
    """True and predicted segments of one size and of known classes."""
    truth, found = sample.panoptic, prediction.panoptic
    if truth is None:
        raise UserError(f"sample '{sample.id}' has no true segments, so panoptic quality cannot be scored")
    if found is None:
        raise UserError(
            f"prediction of sample '{sample.id}' holds no segments; panoptic quality takes a JSON file of segments "
            "and a folder of PNG files in COCO's panoptic format"
        )
    if truth.ids.shape != found.ids.shape:
        sizes = (" x ".join(map(str, each.ids.shape)) for each in (found, truth))
        raise UserError(
            "prediction of sample '{}' is {}, its ground truth is {} (height x width). Predictions are scored at the "
            "size of the truth: write them at that size.".format(sample.id, *sizes)
        )
    known = {each.id for each in info.segment_classes}
    for what, each in (("ground truth", truth), ("prediction", found)):
        odd = next((segment for segment in each.segments if segment.category not in known), None)
        if odd is not None:
            raise UserError(
                f"{what} of sample '{sample.id}': segment {odd.id} has the category {odd.category}, which {info.name} "
                f"does not score. Expected one of {', '.join(map(str, sorted(known)))}."
            )
    return truth, found


def _areas(ids: Int64, pixels: Int64) -> dict[int, int]:
    numbers, place = np.unique(ids, return_inverse=True)
    total = np.zeros(len(numbers), np.int64)
    np.add.at(total, place, pixels)
    return dict(zip(numbers.tolist(), total.tolist(), strict=True))
