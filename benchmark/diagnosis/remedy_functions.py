"""Remedies: picklable pure functions from the raw values of a prediction to raw values as they should have been."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ..types import Array

Turned = Literal["rows", "columns", "half", "transpose", "left", "right", "anti"]
Reading = Literal[
    "times255", "percent", "over255", "over65535", "sigmoid", "exp", "softmax", "tanh", "half", "clip", "stretch"
]


class RemedyFunction(Protocol):
    """One remedy: `values` in any layout, `shape` the height and width of the truth; the input is left alone."""

    def __call__(self, values: Array, shape: tuple[int, int]) -> Array: ...


def straighten(values: Array, classes: int) -> Array:
    """Drop axes of length 1, and put the classes of (H, W, C) scores first."""
    squeezed = values.reshape([n for n in values.shape if n != 1]) if values.ndim > 2 else values
    if squeezed.ndim == 3 and squeezed.dtype.kind == "f" and classes > 2 and squeezed.shape[2] == classes:
        return np.moveaxis(squeezed, 2, 0)
    return squeezed if squeezed.ndim >= 2 else values


@dataclass(frozen=True)
class Straighten:
    """`straighten` for a dataset of that number of classes."""

    classes: int

    def __call__(self, values: Array, shape: tuple[int, int]) -> Array:
        """Axes in order."""
        del shape
        return straighten(values, self.classes)


@dataclass(frozen=True)
class Recode:
    """Other label values: `keys[n]` becomes `labels[n]`, every other value `rest`."""

    keys: tuple[int, ...]
    labels: tuple[int, ...]
    rest: int

    def __call__(self, values: Array, shape: tuple[int, int]) -> Array:
        """(H, W) integers to (H, W) uint8; other layouts stay."""
        del shape
        if values.ndim != 2 or values.dtype.kind not in "biu":
            return values
        top = max(self.keys)
        table = np.full(top + 2, self.rest, np.uint8)
        table[list(self.keys)] = self.labels
        known = (values >= 0) & (values <= top)
        return np.asarray(table[np.where(known, values, top + 1).astype(np.int64)])


@dataclass(frozen=True)
class Uncolour:
    """Label values of colours: the class of the nearest colour, of equally near ones the first."""

    colours: tuple[tuple[int, int, int], ...]
    labels: tuple[int, ...]

    def __call__(self, values: Array, shape: tuple[int, int]) -> Array:
        """(H, W, 3 or 4) uint8 to (H, W) uint8; other layouts stay."""
        del shape
        if values.ndim != 3 or values.dtype != np.uint8 or values.shape[2] not in (3, 4):
            return values
        found, inverse = np.unique(pack(values), return_inverse=True)
        rgb = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
        nearest = np.empty(len(found), np.int64)
        for start in range(0, len(found), 4096):  # a photograph has many colours
            part = rgb[start : start + 4096, None, :] - np.array(self.colours)[None]
            nearest[start : start + 4096] = (part**2).sum(axis=2).argmin(axis=1)
        return np.asarray(np.array(self.labels, np.uint8)[nearest][inverse].reshape(values.shape[:2]))


def pack(colours: Array) -> Array:
    """Colours of shape (..., 3) or (..., 4) uint8 as one integer each, 0xRRGGBB."""
    red, green, blue = (colours[..., n].astype(np.int64) for n in range(3))
    return np.asarray(red << 16 | green << 8 | blue)


@dataclass(frozen=True)
class FirstChannel:
    """One of three equal channels."""

    def __call__(self, values: Array, shape: tuple[int, int]) -> Array:
        """(H, W, C) to (H, W); other layouts stay."""
        del shape
        return values[:, :, 0] if values.ndim == 3 and values.shape[2] in (3, 4) else values


@dataclass(frozen=True)
class Invert:
    """The complement of a binary mask or probability map."""

    def __call__(self, values: Array, shape: tuple[int, int]) -> Array:
        """0 and 1, 0..255 and 0..1 of any kind."""
        del shape
        if values.dtype.kind == "b":
            return ~values
        top = 255 if values.dtype.kind in "iu" and values.max(initial=0) > 1 else 1
        return np.asarray((np.asarray(top, values.dtype) - values).astype(values.dtype))


_TURNS: dict[Turned, Callable[[Array], Array]] = {
    "rows": lambda a: a[::-1],
    "columns": lambda a: a[:, ::-1],
    "half": lambda a: a[::-1, ::-1],
    "transpose": lambda a: a.swapaxes(0, 1),
    "left": lambda a: np.rot90(a),
    "right": lambda a: np.rot90(a, -1),
    "anti": lambda a: a[::-1, ::-1].swapaxes(0, 1),
}


@dataclass(frozen=True)
class Turn:
    """Flipped or rotated back."""

    how: Turned

    def __call__(self, values: Array, shape: tuple[int, int]) -> Array:
        """Height and width are the last two axes of scores and the first two of everything else."""
        del shape
        last = values.ndim == 3 and values.shape[2] not in (3, 4)
        a = np.moveaxis(values, 0, 2) if last else values
        turned = _TURNS[self.how](a)
        return np.ascontiguousarray(np.moveaxis(turned, 2, 0) if last else turned)


@dataclass(frozen=True)
class Fit:
    """Brought to the size of the truth: `resize` takes the nearest pixel, the others crop or pad with 0."""

    how: Literal["resize", "top left", "centre"]

    def __call__(self, values: Array, shape: tuple[int, int]) -> Array:
        """Values that have the size already stay."""
        first = values.ndim == 3 and values.shape[2] not in (3, 4)
        height, width = values.shape[1:3] if first else values.shape[:2]
        if (height, width) == shape:
            return values
        if self.how == "resize":
            rows = ((np.arange(shape[0]) + 0.5) * height / shape[0]).astype(np.int64)
            columns = ((np.arange(shape[1]) + 0.5) * width / shape[1]).astype(np.int64)
            return values[:, rows][:, :, columns] if first else values[rows][:, columns]
        top = (height - shape[0]) // 2 if self.how == "centre" else 0
        left = (width - shape[1]) // 2 if self.how == "centre" else 0
        rows, columns = np.arange(shape[0]) + top, np.arange(shape[1]) + left
        inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None]
        rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
        if first:
            return np.where(inside, values[:, rows][:, :, columns], 0).astype(values.dtype)
        part = values[rows][:, columns]
        return np.where(inside if part.ndim == 2 else inside[:, :, None], part, 0).astype(values.dtype)


@dataclass(frozen=True)
class Snap:
    """Every value to the nearest frequent one of the same map; frequent ones that are no label do not count.

    every : to the nearest label instead, however often it is there, as labels next to each other blur into one.
    """

    labels: frozenset[int]
    every: bool = False

    def __call__(self, values: Array, shape: tuple[int, int]) -> Array:
        """(H, W) uint8; other layouts stay."""
        del shape
        if values.ndim != 2 or values.dtype != np.uint8:
            return values
        known = range(256) if self.every else frequent(np.bincount(values.ravel(), minlength=256))
        keep = [v for v in known if v in self.labels]
        if not keep:
            return values
        distance = np.abs(np.arange(256)[:, None] - np.array(keep)[None])
        return np.asarray(np.array(keep, np.uint8)[distance.argmin(axis=1)][values])


def frequent(counts: Array) -> list[int]:
    """Values of a histogram (256,) with at least 0.5 % of the pixels that are more frequent than their neighbours."""
    padded = np.pad(counts, 2)
    around = np.max([padded[n : n + 256] for n in range(5)], axis=0)
    found = np.flatnonzero((counts == around) & (counts >= 0.005 * counts.sum()) & (counts > 0))
    return [int(value) for value in found]


@dataclass(frozen=True)
class NoNaN:
    """0 in place of NaN."""

    def __call__(self, values: Array, shape: tuple[int, int]) -> Array:
        """Floats of any layout; integers stay."""
        del shape
        return np.where(np.isnan(values), 0, values).astype(values.dtype) if values.dtype.kind == "f" else values


@dataclass(frozen=True)
class Read:
    """Values on another scale read as probabilities, or as a mask (`half`: 128 and more is foreground).

    top : the value that stands for 1, of `stretch`.
    """

    how: Reading
    top: float = 1.0

    def __call__(self, values: Array, shape: tuple[int, int]) -> Array:
        """Float32 in 0..1, or uint8 for `times255`, `percent` and `half`."""
        del shape
        if self.how in ("times255", "half"):
            return np.where(values >= (1 if self.how == "times255" else 128), 255, 0).astype(np.uint8)
        if self.how == "percent" and values.dtype == np.uint8:
            return np.round(values * 2.55).astype(np.uint8)
        if values.dtype.kind not in "f" and self.how in ("sigmoid", "exp", "softmax", "tanh"):
            return values  # label values that a grid holds in place of scores
        x = values.astype(np.float64)
        if self.how == "softmax":
            raised = np.exp(x - x.max(axis=0, keepdims=True))
            return np.asarray(raised / raised.sum(axis=0, keepdims=True), np.float32)
        with np.errstate(over="ignore"):
            return np.asarray(np.clip(_SCALES[self.how](x / self.top), 0, 1), np.float32)


_SCALES: dict[Reading, Callable[[Array], Array]] = {
    "clip": lambda x: x,
    "stretch": lambda x: x,
    "percent": lambda x: x / 100,
    "over255": lambda x: x / 255,
    "over65535": lambda x: x / 65535,
    "sigmoid": lambda x: np.asarray(1 / (1 + np.exp(-x))),
    "exp": lambda x: np.asarray(np.exp(x)),
    "tanh": lambda x: (x + 1) / 2,
}
