"""Label maps and predictions from arrays and tensors of any library and device; none of them is imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...types import Array, DatasetInfo, Prediction, UserError
from .instances import instance_numbers, is_mask


def predictions_of(
    values: Any, count: int, batch: bool, info: DatasetInfo, *, probabilities: bool = False, numbered: bool = False
) -> Iterator[Prediction]:
    """One Prediction per sample from what a model gives, as `Evaluator.update` takes it.

    values: see there. count: number of samples; batch: whether the target has an axis of samples. probabilities:
    whether the scores of several classes are taken as they are beside the labels, as probabilities. numbered: whether
    integers of a binary task are numbers of instances; see `are_numbers`.
    """
    values = values if hasattr(values, "dtype") else np.asarray(values)
    rank = len(values.shape)
    expected = 3 if batch else 2
    batch_fits = not batch or (rank > 0 and int(values.shape[0]) == count)
    if info.task == "binary":
        maps = without_channel(_numpy(values))
        if maps.ndim == 3 and not batch and len(maps) == 1:
            maps = maps[0]
        if maps.ndim != expected or not batch_fits:
            raise _misfit(values, batch, count, "(H, W), (N, H, W) or (N, 1, H, W) of the foreground")
        yield from (_binary(one, numbered) for one in (maps if batch else [maps]))
    elif rank == expected and not _is_float(values) and batch_fits:
        labels = integers(values, "prediction")
        yield from (Prediction(labels=one) for one in (labels if batch else [labels]))
    elif rank == expected + 1 and _is_float(values) and batch_fits:
        labels = _likeliest(values, 1 if batch else 0, info)
        scores = _numpy(values).astype(np.float32) if probabilities else None
        for place, one in enumerate(labels if batch else [labels]):
            own = scores[place] if batch and scores is not None else scores
            yield Prediction(labels=one, probabilities=own)
    else:
        raise _misfit(values, batch, count, "integer labels (H, W), (N, H, W), or float scores (C, H, W), (N, C, H, W)")


def _likeliest(scores: Any, axis: int, info: DatasetInfo) -> Array:
    """Label values of the highest scores; chosen where the scores lie, so that only labels leave the device."""
    if int(scores.shape[axis]) != len(info.classes):
        raise UserError(
            f"prediction has shape {shape_text(scores)}; expected scores of {len(info.classes)} classes "
            f"along axis {axis}"
        )
    # NaN alone differs from itself, in the tensors of every library.
    if bool((scores != scores).any()):
        raise UserError("prediction holds NaN scores, so no class is the highest")
    return np.asarray(np.take([c.id for c in info.classes], _numpy(scores.argmax(axis))))


def _binary(values: Array, numbered: bool) -> Prediction:
    """Probabilities as float32, masks as they are, and numbers of instances beside the mask of them all."""
    if numbered:
        instances = instance_numbers(integers(values, "prediction"), "prediction")
        return Prediction(labels=(instances > 0).astype(np.uint8), instances=instances)
    if not _is_float(values):
        return Prediction(labels=integers(values, "prediction"))
    found = values.astype(np.float32)
    low, high = float(found.min(initial=0)), float(found.max(initial=0))
    if not (low >= 0 and high <= 1):
        what = "NaN" if np.isnan(found).any() else f"values from {low:g} to {high:g}"
        raise UserError(
            f"prediction holds {what}; expected probabilities of the foreground in 0..1. Of logits pass "
            "logits.sigmoid(), or the mask logits > 0."
        )
    return Prediction(probabilities=found)


def are_numbers(values: Any, batch: bool) -> bool:
    """Whether predicted integers of a binary task look like numbers of instances: in any image of the batch.

    bool and probabilities never do, nor do images that hold one value beside 0, if that is 1 or 255.
    """
    found = without_channel(_numpy(values))
    return found.dtype.kind in "iu" and not all(is_mask(one) for one in (found if batch else [found]))


def may_be_numbers(values: Any) -> bool:
    """Whether a mask of integers 0 and 1 may as well be the numbers of images of one instance each."""
    found = _numpy(values)
    return found.dtype.kind in "iu" and found.max(initial=0) == 1


def instances_of(values: Any, shape: tuple[int, ...], batch: bool) -> list[Array] | None:
    """True instances (H, W) int32 of each sample, None where none are given.

    Raises UserError for another shape than the targets', or numbers that are no integers.
    """
    if values is None:
        return None
    found = without_channel(_numpy(values))
    if found.dtype.kind not in "biu":
        raise UserError(f"instances hold {found.dtype} values; expected integers, or bool")
    if found.shape != shape:
        raise UserError(f"instances are of shape {shape_text(found)}; expected that of the target, {shape_text(shape)}")
    signed = found.dtype.kind == "i" and found.dtype.itemsize <= 4
    found = found.astype(np.int32) if signed else instance_numbers(found, "the argument 'instances'")
    return list(found) if batch else [found]


def _numpy(values: Any) -> Array:
    """Any array or tensor as a NumPy array; bfloat16, which NumPy does not have, as float32."""
    for name in ("detach", "cpu"):
        values = getattr(values, name)() if hasattr(values, name) else values
    if "bfloat16" in str(getattr(values, "dtype", "")):
        values = values.float() if hasattr(values, "float") else values.astype(np.float32)
    return np.asarray(values)


def integers(values: Any, what: str) -> Array:
    """Labels, an array or tensor of any shape, as a NumPy array of integers, bool as 0 and 1.

    Raises UserError for other types; `what` names them.
    """
    found = _numpy(values)
    if found.dtype == bool:
        return found.astype(np.uint8)
    if found.dtype.kind not in "iu":
        raise UserError(f"{what} holds {found.dtype} values; expected integer labels")
    if found.dtype == np.uint64 and found.max(initial=0) > np.iinfo(np.int64).max:
        raise UserError(f"{what} holds the value {found.max()}; labels fit into 64 bits with a sign")
    return found


def _is_float(values: Any) -> bool:
    return "float" in str(values.dtype)


def without_channel(values: Array) -> Array:
    """(N, H, W) of (N, 1, H, W); anything else as it is."""
    return values[:, 0] if values.ndim == 4 and values.shape[1] == 1 else values


def shape_text(values: Any) -> str:
    """A shape for a message.

    >>> shape_text((2, 3))
    '2 x 3'
    """
    return " x ".join(str(int(n)) for n in getattr(values, "shape", values)) or "one number"


def _misfit(values: Any, batch: bool, count: int, expected: str) -> UserError:
    target = f"shape (N, H, W) with N = {count}" if batch else "one image (H, W)"
    return UserError(
        f"prediction is {values.dtype} of shape {shape_text(values)}, which does not fit a target of {target}. "
        f"Expected {expected}, of the target's size."
    )
