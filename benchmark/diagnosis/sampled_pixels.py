"""A small grid of pixels sampled from a prediction and its truth, with facts about the whole file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np

from ..metrics.label_checks import label_counts
from ..types import Array, DatasetInfo, Float64, Int64
from .remedy_functions import RemedyFunction, straighten

VOID = -1
_OTHER = 256  # stands for every label value that no 8-bit map holds


Decode: TypeAlias = Callable[[Array], Array | None]
"""Labels (H, W) that the dataset reads from raw values, None where it refuses them."""


@dataclass(frozen=True)
class Truth:
    """The truth of a sample: its size, and its labels on a grid (g, g) int16, -1 where they do not count.

    pixels : number of pixels of every label value of the whole.
    """

    id: str
    shape: tuple[int, int]
    labels: Array
    pixels: Mapping[int, int] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, sample_id: str, labels: Array, void: frozenset[int], grid: int) -> Truth:
        """Look at labels (H, W)."""
        height, width = labels.shape
        small = subsample(labels, grid).astype(np.int16)
        small[np.isin(small, list(void))] = VOID
        return cls(sample_id, (height, width), small, label_counts(labels))


@dataclass(frozen=True)
class SampledFile:
    """A prediction file, or a page of a stack.

    values: raw values on a grid, (g, g), (g, g, 3) or the likeliest class's label value of scores (C, H, W).
    counts: how often each value occurs, for integers from 0 to 65535. `shape` is the height and width of a map,
    `layout` says what the axes are; `odd_axes` that they had to be put in order first. `low` and `high` are without
    NaN, of which there is the part `nan`; of NaN alone they are NaN.
    """

    name: str
    shape: tuple[int, int]
    layout: str
    dtype: np.dtype[np.generic]
    digest: str
    low: float
    high: float
    values: Array = field(repr=False)
    counts: Mapping[int, int] = field(default_factory=dict, repr=False)
    jpeg: bool = False
    odd_axes: tuple[int, ...] | None = None
    nan: float = 0.0

    @classmethod
    def of(cls, name: str, raw: Array, info: DatasetInfo, grid: int, jpeg: bool = False) -> SampledFile | None:
        """Look at raw values; None where they are no image, map or scores of the dataset's classes."""
        values = straighten(raw, len(info.classes))
        kind = layout(values, len(info.classes))
        if kind is None or not values.size or values.dtype.kind not in "biuf":
            return None
        small = subsample(values, grid, first=kind == "scores")
        if kind == "scores":
            small = np.take([c.id for c in info.classes], np.argmax(small, axis=0))
        nan = np.isnan(values) if values.dtype.kind == "f" else np.zeros((), bool)
        numbers = values[~nan] if nan.any() else values
        rows, columns = values.shape[1:] if kind == "scores" else values.shape[:2]
        return cls(
            name=name,
            shape=(rows, columns),
            layout=kind,
            dtype=values.dtype,
            digest=hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).hexdigest(),
            low=float(numbers.min()) if numbers.size else float("nan"),
            high=float(numbers.max()) if numbers.size else float("nan"),
            values=small,
            counts=_counts(values),
            jpeg=jpeg,
            odd_axes=raw.shape if values.shape != raw.shape else None,
            nan=float(nan.mean()),
        )


def layout(values: Array, classes: int) -> str | None:
    """`map` (H, W), `colour` (H, W, 3 or 4), `scores` (C, H, W) float, or None for anything else."""
    if values.ndim == 2:
        return "map"
    if values.ndim == 3 and values.dtype.kind == "f" and len(values) == classes > 2:
        return "scores"
    return "colour" if values.ndim == 3 and values.shape[2] in (3, 4) and values.dtype == np.uint8 else None


def subsample(values: Array, grid: int, *, first: bool = False) -> Array:
    """A grid of pixels (grid, grid) of values (H, W), (H, W, C) or, with `first`, (C, H, W), evenly spread."""
    height, width = values.shape[1:3] if first else values.shape[:2]
    rows = ((np.arange(grid) + 0.5) * height / grid).astype(np.int64)
    columns = ((np.arange(grid) + 0.5) * width / grid).astype(np.int64)
    if first:
        return np.ascontiguousarray(values[:, rows][:, :, columns])
    return np.ascontiguousarray(values[rows][:, columns])


def _counts(values: Array) -> dict[int, int]:
    if values.ndim != 2 or values.dtype.kind not in "biu" or values.min() < 0 or values.max() > 65535:
        return {}
    counts = np.bincount(values.ravel())
    found = np.flatnonzero(counts)
    return dict(zip(found.tolist(), counts[found].tolist(), strict=True))


@dataclass(frozen=True)
class View:
    """Predictions with the truth they are matched with, after the remedies found so far.

    `seen[n]` belongs to `truths[n]`. `remedy_functions` are those remedies; raw values on the grid have gone through
    them. `described_by` names the command that lists the classes.
    """

    info: DatasetInfo
    decode: Decode
    seen: tuple[SampledFile, ...]
    truths: tuple[Truth, ...]
    remedy_functions: tuple[RemedyFunction, ...] = ()
    described_by: str = ""

    @cached_property
    def own(self) -> Float64:
        """Agreement of every prediction with its truth."""
        return self.after()

    def after(self, *remedy_functions: RemedyFunction) -> Float64:
        """Agreement of every prediction with its truth after more remedies, (n,) float64."""
        grids = (self.labels(seen, *remedy_functions) for seen in self.seen)
        return np.array([agreement(t.labels, p) for t, p in zip(self.truths, grids, strict=True)])

    def elsewhere(self, *remedy_functions: RemedyFunction) -> Float64:
        """Agreement of every prediction after more remedies with the truth of another sample, far away, (n,)."""
        far = len(self.truths) // 2
        return replace(self, truths=(*self.truths[far:], *self.truths[:far])).after(*remedy_functions)

    def proves(self, *remedy_functions: RemedyFunction, margin: float = 0.05) -> bool:
        """Whether more remedies make predictions agree with the truth clearly better, and well."""
        other = self.after(*remedy_functions)
        if not clearly_better(self.own, other, margin):
            return False
        return proven(self.own, other, self.elsewhere(*remedy_functions), margin)

    def labels(self, seen: SampledFile, *remedy_functions: RemedyFunction) -> Array | None:
        """Label values (g, g) on the grid after more remedies, None where the dataset refuses them."""
        return self.decode(apply(seen.values, (*self.remedy_functions, *remedy_functions), seen.values.shape[:2]))

    @property
    def counts(self) -> dict[int, int]:
        """How often each raw value occurs in all files; on the grid once a remedy has changed the values."""
        total: dict[int, int] = {}
        for seen in self.seen:
            grid = self.raw(seen) if self.remedy_functions else None
            for value, count in (seen.counts if grid is None else _counts(grid)).items():
                total[value] = total.get(value, 0) + count
        return total

    def raw(self, seen: SampledFile) -> Array:
        """Raw values on the grid after the remedies found so far."""
        return apply(seen.values, self.remedy_functions, seen.values.shape[:2])


def apply(values: Array, remedy_functions: Sequence[RemedyFunction], shape: tuple[int, int]) -> Array:
    """Raw values after remedies; `shape` is the height and width of the truth."""
    for step in remedy_functions:
        values = step(values, shape)
    return values


def agreement(truth: Array, predicted: Array | None) -> float:
    """Cohen's kappa of labels on a grid: 1 is equal, 0 what chance gives, NaN where the truth has one class only.

    Parameters
    ----------
    truth : (g, g) int16, -1 does not count
    predicted : (g, g) integer or boolean; None (nothing that could be read) agrees as chance does
    """
    counted = truth >= 0
    true = truth[counted].astype(np.int64)
    if not true.size or (true == true[0]).all():
        return float("nan")
    if predicted is None or predicted.shape != truth.shape:
        return 0.0
    found = np.clip(predicted[counted].astype(np.int64), -1, _OTHER)
    found[found < 0] = _OTHER
    both = float((true == found).mean())
    chance = _share(true) @ _share(found)
    return float((both - chance) / (1 - chance))


def _share(labels: Int64) -> Float64:
    return np.bincount(labels, minlength=_OTHER + 1) / labels.size


def clearly_better(own: Float64, other: Float64, margin: float = 0.05) -> bool:
    """Whether another reading agrees with the truth better in mean and in most files, beyond their scatter.

    `own` and `other` are the agreements of n files, of shape (n,), NaN where undefined.

    Correct predictions, however bad, must not pass: chance moves single files, not nearly all of them one way.
    """
    gain = (other - own)[~np.isnan(other - own)]
    if not gain.size or gain.mean() <= margin:
        return False
    if gain.size < 3:
        return bool(gain.min() > 2 * margin)
    scatter = gain.std(ddof=1) / np.sqrt(gain.size)
    return bool((gain > 0).mean() >= 0.75 and gain.mean() > 3 * scatter)


MIN_AGREEMENT = 0.4
"""Cohen's kappa that predictions must have with the truth after a remedy, in mean: "moderate" (Landis & Koch 1977)."""
MAX_ERROR_LEFT = 0.75
"""Part of the disagreement (1 - kappa) that a remedy may leave."""
MIN_WEAK_AGREEMENT = 0.2
"""What is enough ("fair") where predictions agree with the truth of their own sample far better than with others'."""
MIN_SPECIFIC = 0.1
"""How much better that must be."""


def proven(own: Float64, other: Float64, elsewhere: Float64 | None = None, margin: float = 0.05) -> bool:
    """Whether another reading is clearly better than `own`, and good: it explains the predictions.

    `own` and `other` are the agreements of n files, of shape (n,), NaN where undefined; `elsewhere` those of the other
    reading with the truths of other samples. Bad predictions agree a little better with the truth after some remedy or
    other; nobody wrote them in that way.
    """
    if not clearly_better(own, other, margin):
        return False
    if mean(other) >= MIN_AGREEMENT:
        return 1 - mean(other) <= MAX_ERROR_LEFT * (1 - mean(own))
    if elsewhere is None or mean(other) < MIN_WEAK_AGREEMENT:
        return False
    return clearly_better(own, other, MIN_SPECIFIC) and clearly_better(elsewhere, other, MIN_SPECIFIC)


def mean(values: Float64) -> float:
    """Mean of the values, of any shape, that are defined; NaN without any."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


@dataclass(frozen=True)
class Suspicion:
    """What may be wrong, why, and what would repair it.

    remedy_functions: remedies on arrays. matching: or another match of files with samples (sample id to number of the
    file). certain: the file itself proves it, so it is told even where its remedy alone does not raise the score.
    fitted: the remedy was fitted to the truth, so that a known one is preferred where both do about as well.
    """

    kind: str
    summary: str
    evidence: tuple[str, ...]
    remedy: str
    remedy_functions: tuple[RemedyFunction, ...] = ()
    matching: Mapping[str, int] | None = None
    estimate: bool = False
    certain: bool = False
    fitted: bool = False


def agreement_line(own: Float64, other: Float64, what: str) -> str:
    """The evidence of an agreement that rises, from those of n files before and after, of shape (n,) each."""
    better = int(np.sum(other > own))
    return (
        f"agreement with the truth (Cohen's kappa, mean of {own.size} files): {mean(own):.2f} as it is, "
        f"{mean(other):.2f} {what}; better in {better} of {own.size}"
    )
