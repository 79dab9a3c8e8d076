"""How many labelled samples each method needs for a score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..evaluation.comparison import Paired
from ..io.documents import Document
from ..runs.record import Record


class LabelsNeeded(Document):
    """Number of labelled samples that each method needs for a score of `target`; null where it is not known."""

    target: float
    methods: dict[str, float | None]


def labels_needed(records: Sequence[Record], paired: Paired, target: float) -> LabelsNeeded:
    """How many labelled samples each method needs for a score, interpolated on a logarithmic scale of labels.

    None where a method never reaches it, or was run with one number of labels alone.
    """
    curves: dict[str, dict[float, list[float]]] = {}
    for record, value in zip(records, paired.values, strict=True):
        if record.method.n_train:
            curves.setdefault(record.method.name, {}).setdefault(record.method.n_train, []).append(float(value))
    methods = {name: _crossing(curve, target, paired.sign) for name, curve in curves.items()}
    return LabelsNeeded(target=target, methods=methods)


def _crossing(curve: dict[float, list[float]], target: float, sign: int) -> float | None:
    points = sorted((labels, sign * float(np.mean(values))) for labels, values in curve.items())
    if len(points) < 2:
        return None
    if points[0][1] >= sign * target:
        return points[0][0]
    for (few, low), (many, high) in pairwise(points):
        if low < sign * target <= high:
            part = (sign * target - low) / (high - low)
            return math.exp(math.log(few) + part * (math.log(many) - math.log(few)))
    return None
