"""Agreement under the best one-to-one assignment of classes: which mistakes remain once label values may be reassigned.

Label values may have been written in any order. Whether predictions are turned, or belong to other samples, must be
judged apart from that: both sides get the renumbering of classes under which they agree best. It is fitted on four
fifths of the samples and judged on the others, so that its freedom explains nothing by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..types import Array, Float64, Int64
from .remedy_functions import Turn, Turned, pack
from .sampled_pixels import SampledFile, View

MAX_VALUES = 300
"""Number of different values, the most frequent ones, that may stand for a class."""
MAX_SAMPLES = 60
"""Number of samples, evenly spread, on which placings are compared."""
PARTS = 5
"""A coding is fitted on all parts of the samples but one, and judged on that."""
NONE = -1


@dataclass(frozen=True)
class Tables:
    """Joint counts (n, labels, values + 1) of n predictions with their truths; the last column is of all other values.

    `labels` and `values` are the label values of the truth and the raw values that the rows and columns stand for.
    """

    labels: Int64
    values: Int64
    counts: Int64

    @cached_property
    def pooled(self) -> Int64:
        """The counts of all samples, without other values, (labels, values)."""
        return np.asarray(self.counts.sum(axis=0)[:, :-1])

    def agreement(self, code: Int64) -> Float64:
        """Cohen's kappa of every sample, (n,), once every value has become the row `code` says; NONE for no label."""
        known = np.flatnonzero(code != NONE)
        total = self.counts.sum(axis=(1, 2)).astype(np.float64)
        both = self.counts[:, code[known], known].sum(axis=1)
        written = self.counts.sum(axis=1)[:, known]
        found = np.zeros(self.counts.shape[:2])
        for place, row in enumerate(code[known]):
            found[:, row] += written[:, place]
        true = self.counts.sum(axis=2)
        with np.errstate(invalid="ignore", divide="ignore"):
            chance = (true * found).sum(axis=1) / total**2
            kappa = (both / total - chance) / (1 - chance)
        kappa[(true > 0).sum(axis=1) < 2] = np.nan
        return np.asarray(kappa)

    def freely(self) -> Float64:
        """Agreement of every sample under the coding that fits the other parts of the samples best, (n,)."""
        if len(self.counts) < 2:
            return self.agreement(best_code(self.pooled))
        kappa = np.empty(len(self.counts))
        for part in range(min(PARTS, len(self.counts))):
            own = self.counts[part::PARTS]
            others = self.pooled - own.sum(axis=0)[:, :-1]
            kappa[part::PARTS] = Tables(self.labels, self.values, own).agreement(best_code(others))
        return kappa


def overlaps(counts: Int64) -> Float64:
    """Intersection over union of every label with every value, of counts (labels, values)."""
    union = counts.sum(axis=1, keepdims=True) + counts.sum(axis=0, keepdims=True) - counts
    return np.asarray(counts / np.maximum(union, 1))


def best_code(counts: Int64) -> Int64:
    """The row for every column, NONE for none, one to one, under which the mean IoU is highest, (values,)."""
    fit = overlaps(counts)
    used = np.flatnonzero(counts.any(axis=0))
    code = np.full(counts.shape[1], NONE)
    choice = fit[:, used].argmax(axis=0)
    if len(set(choice.tolist())) == len(choice):  # the best row of every column, and no two want the same
        code[used] = choice
        return code
    # Here, as it takes a second to import and is seldom needed.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-fit)
    right = fit[rows, columns] > 0
    code[columns[right]] = rows[right]
    return code


@dataclass(frozen=True)
class Placing:
    """Which truth every prediction is compared with: turned back by `turn`, `offset` files further on."""

    turn: Turned | None = None
    offset: int = 0


class Codes:
    """The grids of predictions and truths as numbers of labels and of values, counted in any placing.

    Parameters
    ----------
    view : View
    files : sequence of SampledFile or None
        All files in order; `offset` counts in it.
    matching : sequence of int
        The number of each truth's file.
    most : int
        Number of samples, evenly spread, that are counted.
    """

    def __init__(
        self, view: View, files: Sequence[SampledFile | None], matching: Sequence[int], most: int = MAX_SAMPLES
    ) -> None:
        self._view, self._files = view, files
        chosen = np.unique(np.linspace(0, len(view.truths) - 1, most).astype(int)).tolist()
        self._matching = [matching[n] for n in chosen]
        own = [grid for grid in map(self._values, self._matching) if grid is not None]
        self.values = _frequent(own)
        truths = [view.truths[n].labels for n in chosen]
        self.labels = np.unique(np.concatenate([labels.ravel() for labels in truths])).astype(np.int64)
        self.labels = self.labels[self.labels >= 0]
        self._truths = [_numbered(labels, self.labels, NONE) for labels in truths]
        self._numbered: dict[int, Int64 | None] = {}

    def _values(self, number: int) -> Array | None:
        """Integers (g, g) that may stand for classes, of a binary dataset the mask; None where there are none."""
        seen = self._files[number] if 0 <= number < len(self._files) else None
        if seen is None:
            return None
        raw = self._view.raw(seen)
        if self._view.info.task == "binary":
            return self._mask(raw, seen)
        if raw.ndim == 3 and raw.dtype == np.uint8:
            return pack(raw)
        return raw.astype(np.int64) if raw.ndim == 2 and raw.dtype.kind in "biu" else None

    def _mask(self, raw: Array, seen: SampledFile) -> Array | None:
        read = self._view.decode(raw)
        if read is not None:
            return np.asarray(read).astype(np.int64)
        return (raw > (seen.low + seen.high) / 2).astype(np.int64) if raw.ndim == 2 else None

    def _grid(self, number: int) -> Int64 | None:
        if number not in self._numbered:
            values = self._values(number)
            self._numbered[number] = None if values is None else _numbered(values, self.values, len(self.values))
        return self._numbered[number]

    def tables(self, placing: Placing, *, elsewhere: bool = False) -> Tables:
        """Joint counts in a placing of the chosen samples; all 0 for one that has no file there.

        With `elsewhere` every prediction is counted with the truth of another sample, far away.
        """
        width = len(self.values) + 1
        counts = np.zeros((len(self._truths), len(self.labels), width), np.int64)
        far = len(self._truths) // 2 if elsewhere else 0
        truths = [*self._truths[far:], *self._truths[:far]]
        for n, (truth, number) in enumerate(zip(truths, self._matching, strict=True)):
            grid = self._grid(number + placing.offset)
            if grid is not None:
                turned = grid if placing.turn is None else Turn(placing.turn)(grid, grid.shape)
                counts[n] = _counted(truth, turned, len(self.labels), width)
        return Tables(self.labels, self.values, counts)


def _frequent(grids: Sequence[Array]) -> Int64:
    if not grids:
        return np.zeros(0, np.int64)
    values, counts = np.unique(np.concatenate([grid.ravel() for grid in grids]), return_counts=True)
    return np.sort(values[np.argsort(-counts, kind="stable")[:MAX_VALUES]]).astype(np.int64)


def _numbered(grid: Array, known: Int64, other: int) -> Int64:
    """The place of every value in the ascending `known`, `other` for those that are not among them."""
    if not known.size:
        return np.full(grid.shape, other)
    place = np.searchsorted(known, grid).clip(0, len(known) - 1)
    return np.where(known[place] == grid, place, other)


def _counted(truth: Int64, found: Int64, labels: int, width: int) -> Int64:
    counted = truth != NONE
    keys = truth[counted] * width + found[counted]
    return np.bincount(keys, minlength=labels * width).reshape(labels, width)
