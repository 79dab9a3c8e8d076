"""The conventions under which well-known libraries turn the same pixel counts into one mIoU or Dice.

A score over images and classes needs four rules that its name does not tell: what is averaged, what a class counts that
is absent, what becomes of void pixels, and whether the background is a class. The libraries' own choices are in
`library_conventions`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..metrics.foreground_overlap import cases_of
from ..metrics.pair_counts import class_counts, ranks
from ..metrics.pooled import ratio
from ..types import Array, ClassInfo, DatasetInfo, Float64, Int64, Statistic

Average = Literal["pooled", "image", "class_image", "pair", "micro", "micro_image", "weighted", "case", "class_case"]
Absent = Literal["out", "no_truth_out", "undefined", "0", "1", "-1"]
Void = Literal["dropped", "class0", "false_positive", "own", "unscored_ids"]
Background = Literal["kept", "out", "dropped"]
Never = Literal["out", "0", "-1"]
Quantity = Literal["iou", "dice"]

_NOWHERE = -(2**62)
"""A true label that belongs to no class: its pixels count only against the predicted class."""


@dataclass(frozen=True)
class Convention:
    """One set of rules.

    average: `pooled` (counts of all images, then the mean over classes), `image` (the mean over classes of each image,
    then over images), `class_image` (the mean over images of each class, then over classes), `pair` (the mean over all
    pairs of image and class), `micro` (counts of all images and classes), `micro_image` (counts of all classes of each
    image, then the mean over images), `weighted` (pooled, classes weighted by their true pixels), `case` and
    `class_case` (as `image` and `class_image`, of counts that are added up over the images of a case).

    absent: what a class without true and predicted pixels counts, in the image or the pool that it is looked for in:
    `out` (left out of the mean), `no_truth_out` (left out when it has no true pixels, predicted or not), `undefined`
    (makes the score undefined), or a number. never: what a class counts under `class_image` that is left out of every
    image.

    void: `dropped` (true void pixels are not counted), `class0` (they are the first class), `false_positive` (they
    belong to no class, and what is predicted there is wrong), `own` (every void label is a class), `unscored_ids`
    (those with a name are classes, the ignore label is dropped).

    background: `kept`, `out` (the background has no score of its own), `dropped` (its true pixels are not counted).
    """

    name: str
    used_by: tuple[str, ...] = ()
    quantity: Quantity = "iou"
    average: Average = "pooled"
    absent: Absent = "out"
    void: Void = "dropped"
    background: Background = "kept"
    never: Never = "out"

    @property
    def of_cases(self) -> bool:
        """Whether it depends on which images are of one case."""
        return self.average in ("case", "class_case")

    @property
    def rules(self) -> tuple[str, ...]:
        """Everything that the value depends on."""
        return (self.quantity, self.average, self.absent, self.void, self.background, self.never)


def background_of(info: DatasetInfo) -> ClassInfo | None:
    """The background class: the first class where it is one, of a binary dataset the class that is not foreground."""
    if info.task == "binary":
        return next((c for c in info.classes if c.id != info.foreground), None)
    return info.classes[0] if info.classes[0].kind == "background" else None


def value(statistics: Sequence[Statistic], info: DatasetInfo, convention: Convention) -> float:
    """The score of an overlap family's statistics (triples truth, prediction, pixels) under a convention.

    Returns
    -------
    float
        A fraction (below 0 where absent classes count -1); NaN where undefined.
    """
    return reduce(counts(statistics, info, convention), convention)


def counts(statistics: Sequence[Statistic], info: DatasetInfo, convention: Convention) -> Int64:
    """Right, true and predicted pixels per image, or case, and class that enter the score, (n, C, 3) int64.

    They depend on the rules for void and background alone, and on whether cases are averaged.
    """
    void = sorted(info.void)
    changed: dict[int, int] = {}
    labels = [c.id for c in info.classes]
    if convention.void == "class0":
        changed = dict.fromkeys(void, labels[0])
    elif convention.void == "own":
        labels += void
    elif convention.void == "unscored_ids":
        labels += [c.id for c in info.unscored]
    elif convention.void == "false_positive":
        changed = dict.fromkeys(void, _NOWHERE)
    classes = len(labels)
    rank = {label: position for position, label in enumerate([*labels, _NOWHERE])}
    scored = np.ones(classes, bool)
    background = background_of(info)
    if background is not None and convention.background != "kept":
        scored[ranks(info.classes)[background.id]] = False
        if convention.background == "dropped":
            statistics = [_without(s, background.id) for s in statistics]
    found = class_counts([_relabelled(s, changed) for s in statistics], rank)[:, :classes][:, scored]
    return _added_up(found, cases_of(statistics, info)) if convention.of_cases else found


def _added_up(found: Int64, cases: Sequence[str]) -> Int64:
    """The counts of each case from those of its images."""
    names, member = np.unique(np.array(cases, str), return_inverse=True)
    total = np.zeros((len(names), *found.shape[1:]), np.int64)
    np.add.at(total, member, found)
    return total


def reduce(found: Int64, convention: Convention) -> float:
    """The score of `counts` (n, C, 3), right, true and predicted, under the rules for averages and absent classes."""
    average = convention.average
    if convention.of_cases:
        return reduce(found, replace(convention, average="image" if average == "case" else "class_image"))
    pooled = found.sum(axis=0)
    if average == "pooled":
        return _mean(_scores(pooled, convention), convention)
    if average == "micro":
        return float(_scores(pooled.sum(axis=0), convention))
    if average == "weighted":
        truth = pooled[:, 1]
        return float(ratio((truth * np.nan_to_num(_scores(pooled, convention))).sum(), truth.sum()))
    if average == "micro_image":
        return _mean(_scores(found.sum(axis=1), convention), convention)
    pairs = _scores(found, convention)
    if average == "pair":
        return _mean(pairs.ravel(), convention)
    if average == "image":
        return _mean(np.array([_mean(row, convention) for row in pairs]), convention)
    classes = np.array([_mean(column, convention) for column in pairs.T])
    if convention.never != "out":
        classes = np.where(np.isnan(classes), float(convention.never), classes)
    return _mean(classes, convention)


def _scores(found: Array, convention: Convention) -> Float64:
    """IoU or Dice of counts (..., 3), NaN where left out."""
    right, truth, predicted = np.moveaxis(found, -1, 0)
    dice = convention.quantity == "dice"
    scores = ratio(2 * right, truth + predicted) if dice else ratio(right, truth + predicted - right)
    if convention.absent == "no_truth_out":
        return np.where(truth > 0, scores, np.nan)
    if convention.absent in ("0", "1", "-1"):
        return np.where(np.isnan(scores), float(convention.absent), scores)
    return scores


def _mean(scores: Float64, convention: Convention) -> float:
    defined = scores[~np.isnan(scores)]
    if not defined.size or (convention.absent == "undefined" and defined.size < scores.size):
        return math.nan
    return math.fsum(defined.tolist()) / defined.size


def _relabelled(statistic: Statistic, changed: dict[int, int]) -> Statistic:
    """True labels exchanged for others."""
    if not changed:
        return statistic
    truth = statistic.columns["truth"].copy()
    for old, new in changed.items():
        truth[statistic.columns["truth"] == old] = new
    return replace(statistic, columns={**statistic.columns, "truth": truth})


def _without(statistic: Statistic, label: int) -> Statistic:
    """Without the pixels of one true label."""
    kept = statistic.columns["truth"] != label
    return replace(statistic, columns={name: column[kept] for name, column in statistic.columns.items()})
