"""Anatomy of an error: what every wrong pixel comes from.

Every wrong pixel that counts has one cause: the first of `CAUSES` whose rule holds. Objects are connected regions (8
neighbours) of one class: of things where the dataset has such, else of all but the background; other classes are the
ground. `segbench.evaluation.error_points` says how many points of a score each cause takes.

Reference
---------
Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020: errors as what their remedy
gains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..metrics.class_maps import is_called_background
from ..metrics.joint_counts import joint_counts
from ..types import Array, DatasetInfo, Statistic, Uint8

CAUSES: Mapping[str, str] = {
    "missed": "ground is predicted on an object, of which less than a tenth is predicted as any object",
    "invented": "an object is predicted on ground, and less than a tenth of it lies on any object",
    "merged": "between objects that one predicted object holds together, in reach of two of them",
    "split": "in an object of which several predicted ones are a tenth or more each, in reach of two of them",
    "boundary": "in reach of true pixels of the class that is predicted: a border lies elsewhere",
    "confused": "another object's class on an object, or another ground's on ground",
    "extent": "too much or too little of an object that is found, beyond the reach of its border",
}
"""Causes of wrong pixels in the order in which they are asked for, each with its rule."""

BOUNDARY_PX = 3
"""How far, in pixels, a border may lie elsewhere where nobody says otherwise."""

MIN_FOUND = 0.1
"""Part of an object from which on it is seen, and held by a predicted one."""

_NAMES = tuple(CAUSES)
_MANY = len(_NAMES) + 1


def object_labels(info: DatasetInfo) -> tuple[int, ...]:
    """Label values of the classes whose connected regions are objects."""
    things = tuple(c.id for c in info.classes if c.kind == "thing")
    if things:
        return things
    if info.task == "binary":
        return (info.foreground,)
    return tuple(c.id for c in info.classes if c.kind != "background" and not is_called_background(c))


def causes(truth: Array, predicted: Array, info: DatasetInfo, reach: int = BOUNDARY_PX) -> Uint8:
    """The cause of every wrong pixel.

    Parameters
    ----------
    truth, predicted : (H, W) integer
        Label values.
    reach : int
        How far a border may lie elsewhere, in pixels (Euclidean), from 0. Two objects are in reach of a pixel within
        2 reach + 1 pixels of it.

    Returns
    -------
    (H, W) uint8
        0 where the prediction is right or the truth is void, else 1 + the place in `CAUSES`.
    """
    counted = ~np.isin(truth, list(info.void))
    wrong = counted & (truth != predicted)
    found = np.zeros(truth.shape, np.uint8)
    if not wrong.any():
        return found
    objects = object_labels(info)
    on_object, as_object = np.isin(truth, objects), np.isin(predicted, objects)
    rules: dict[str, Array] = {name: np.zeros(truth.shape, bool) for name in _NAMES}
    for label in np.unique(np.concatenate([truth[wrong], predicted[wrong]])).tolist():
        here = _window((truth == label) | (predicted == label), reach)
        true, said = truth[here] == label, predicted[here] == label
        if label in objects:
            pair = _Objects.of(true & counted[here], said & counted[here])
            rules["missed"][here] |= _mostly_off(pair.true, (as_object & counted)[here]) & ~as_object[here]
            rules["invented"][here] |= _mostly_off(pair.found, (on_object & counted)[here]) & ~on_object[here]
            rules["merged"][here] |= pair.between(2 * reach + 1, of_whole=False)
            rules["split"][here] |= pair.swapped().between(2 * reach + 1, of_whole=True)
        rules["boundary"][here] |= _dilated(true, reach) & said
    rules["confused"] = on_object == as_object
    rules["extent"] = np.ones(truth.shape, bool)
    for place, name in enumerate(_NAMES, 1):
        found[wrong & (found == 0) & rules[name]] = place
    return found


@dataclass(frozen=True)
class _Objects:
    """Objects of one class in truth and prediction: their numbers (H, W) int32, 0 for none, and what they share.

    shares : pixels that a true object (row) and a predicted one (column) share; the first of each is none.
    """

    true: Array
    found: Array
    shares: Array

    @classmethod
    def of(cls, true: Array, found: Array) -> _Objects:
        """The objects of two masks (H, W) bool."""
        (many, numbers), (others, places) = (cv2.connectedComponents(m.astype(np.uint8)) for m in (true, found))
        shares = np.zeros((many, others), np.int64)
        for one, other, pixels in zip(*(column.tolist() for column in joint_counts(numbers, places)), strict=True):
            shares[one, other] = pixels
        return cls(numbers, places, shares)

    def swapped(self) -> _Objects:
        """The same with truth and prediction exchanged."""
        return _Objects(self.found, self.true, self.shares.T)

    def between(self, reach: int, *, of_whole: bool) -> Array:
        """Pixels of predicted objects that hold several true ones together, in reach of two of these, (H, W) bool.

        A true object is held where a tenth of it is, or `of_whole` where it makes up a tenth of the predicted one.
        """
        held = self.shares >= MIN_FOUND * self.shares.sum(axis=0 if of_whole else 1, keepdims=True)
        held[0], held[:, 0] = False, False
        joins = held.sum(axis=0) > 1
        inside = np.asarray(joins[self.found] & (self.true == 0))
        if not inside.any():
            return inside
        partners = np.where(held[:, joins].any(axis=1)[self.true], self.true, 0).astype(np.float32)
        highest = _filtered(cv2.dilate, partners, reach, 0.0)
        lowest = _filtered(cv2.erode, np.where(partners > 0, partners, np.inf).astype(np.float32), reach, np.inf)
        return np.asarray(inside & (highest > 0) & (lowest < highest))


def _mostly_off(numbers: Array, mask: Array) -> Array:
    """Pixels of the numbered objects (H, W) of which less than a tenth lies in a mask (H, W) bool, as (H, W) bool."""
    many = int(numbers.max(initial=0)) + 1
    inside, whole = (np.bincount(each.ravel(), minlength=many) for each in (numbers[mask], numbers))
    off = inside < MIN_FOUND * whole
    off[0] = False
    return np.asarray(off[numbers])


def _window(mask: Array, margin: int) -> tuple[slice, slice]:
    """The smallest rectangle that holds a mask (H, W) bool, wider by a margin: a class in a corner is quickly done."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return slice(max(0, y - margin), y + height + margin), slice(max(0, x - margin), x + width + margin)


def _disc(radius: int) -> Uint8:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(x * x + y * y <= radius * radius, np.uint8)


def _filtered(operation: object, values: Array, radius: int, outside: float) -> Array:
    function = cv2.dilate if operation is cv2.dilate else cv2.erode
    return np.asarray(function(values, _disc(radius), borderType=cv2.BORDER_CONSTANT, borderValue=(outside,)))


def _dilated(mask: Array, radius: int) -> Array:
    """Where a mask (H, W) bool is within so many pixels."""
    return np.asarray(_filtered(cv2.dilate, mask.astype(np.uint8), radius, 0.0) > 0)


def anatomy_statistic(
    sample_id: str,
    truth: Array,
    predicted: Array,
    info: DatasetInfo,
    reach: int = BOUNDARY_PX,
    *,
    group: str | None = None,
) -> Statistic:
    """Numbers of pixels by true label, predicted label and cause: columns `truth`, `prediction`, `cause`, `pixels`.

    Parameters
    ----------
    sample_id : whose pixels they are.
    truth, predicted, info, reach : as `causes` takes them; the label maps are (H, W).
    group : the video, city or stack of the sample; none by default.
    """
    found = causes(truth, predicted, info, reach)
    labels, codes, pixels = joint_counts(truth, predicted.astype(np.int64) * _MANY + found)
    columns = {"truth": labels, "prediction": codes // _MANY, "cause": codes % _MANY, "pixels": pixels}
    return Statistic("anatomy", sample_id, sample_id if group is None else group, 0, columns)


def agreed_against_truth(
    truth: Array, predictions: Sequence[Array], info: DatasetInfo, reach: int = BOUNDARY_PX
) -> Array:
    """Where all predictions say the same, which the truth does not, and no border within reach explains it.

    Parameters
    ----------
    truth : (H, W) integer
    predictions : one or more (H, W) integer
    reach : as of `causes`.

    Returns
    -------
    (H, W) bool
    """
    first = predictions[0]
    same = ~np.isin(truth, list(info.void)) & (truth != first)
    for other in predictions[1:]:
        same &= other == first
    for label in np.unique(first[same]).tolist():
        same &= ~((first == label) & _dilated(truth == label, reach))
    return np.asarray(same)
