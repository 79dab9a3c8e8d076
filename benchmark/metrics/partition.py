"""Partition family: V_Rand and V_Info of the ISBI 2012 challenge, after border thinning and restricted to foreground.

Reference: Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for connectomics",
Frontiers in Neuroanatomy 9:142 (2015), as the challenge's evaluation script of 12 January 2016 computes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import cv2
import numpy as np

from ..io import native
from ..types import Array, DatasetInfo, Float64, Int64, Part, Prediction, Sample, ScoreInfo, Statistic, Sums, Task
from .base import SummedFamily
from .joint_counts import joint_counts
from .label_checks import foreground_probabilities
from .same_statistics import SameStatistics
from .table_rules import MAX_PIXELS, broken_rule

_ROUNDING = 1e-9
"""Nats by which sums of doubles may miss a bound that holds exactly."""


def official_thresholds() -> Float64:
    """The 11 thresholds of the challenge: 0, 0.1, … summed up in doubles as the official loop does.

    >>> len(official_thresholds()), float(official_thresholds()[-1])
    (11, 0.9999999999999999)
    """
    values = []
    threshold = 0.0
    while threshold <= 1.0:
        values.append(threshold)
        threshold += 0.1
    return np.array(values)


@dataclass(frozen=True)
class PairCounts:
    """Sums over the segments of truth (a) and proposal (b) on the true foreground of one slice.

    pixels: size of the true foreground. s_a, s_b, s_ab: sums of squared segment and overlap sizes. h_a, h_b, h_ab:
    entropies in nats. Each foreground pixel that the proposal leaves without a segment is a segment of its own.
    """

    pixels: int
    s_a: int
    s_b: int
    s_ab: int
    h_a: float
    h_b: float
    h_ab: float

    @property
    def v_rand(self) -> float:
        """2 S_AB / (S_A + S_B); NaN without true foreground."""
        return 2 * self.s_ab / (self.s_a + self.s_b) if self.pixels else math.nan

    @property
    def v_info(self) -> float:
        """2 I / (H_A + H_B); 0 if either entropy is 0, NaN without true foreground."""
        if not self.pixels:
            return math.nan
        if self.h_a == 0 or self.h_b == 0:
            return 0.0
        return 2 * (self.h_a + self.h_b - self.h_ab) / (self.h_a + self.h_b)


def thin_borders(proposal: Array) -> Int64:
    """Grow the 4-connected foreground components of a proposal until only lines are left between them.

    Membrane pixels are visited first-in first-out, from those that touch a component outwards (seeds are queued with x
    in the outer and y in the inner loop, neighbours in the order left, up, right, down). A visited pixel takes the
    label of its neighbours where they hold exactly one, and is a line pixel (0) else.

    Parameters
    ----------
    proposal : (H, W) bool
        True inside a cell.

    Returns
    -------
    (H, W) int64
        Component numbers from 1; 0 on lines. A proposal without foreground is one segment.

    Notes
    -----
    Without the compiled part the queue is processed wave by wave. Within a wave a pixel depends on neighbours that were
    queued before it, so the wave is relaxed until nothing changes; as the queue is a total order this has one fixed
    point, the one that a pixel-by-pixel run reaches.
    """
    if not proposal.any():
        return np.ones(proposal.shape, np.int64)
    # Transposed, so that a flat index runs through y within x; the frame around it is never membrane.
    transposed = np.ascontiguousarray(proposal.T).astype(np.uint8)
    _, components = cv2.connectedComponents(transposed, connectivity=4, ltype=cv2.CV_32S)
    numbers, waiting = np.pad(components, 1), np.pad(transposed == 0, 1)
    if not native.grow_segments(numbers, waiting):
        numbers = _grown(numbers, waiting)
    return numbers[1:-1, 1:-1].T.astype(np.int64)


def _grown(numbers: Array, waiting: Array) -> Array:
    """Numbers (H, W) also of the pixels that wait, (H, W) bool; both with a frame of one pixel in which none does."""
    stride = numbers.shape[1]
    labels, waiting = numbers.astype(np.int64).ravel(), waiting.ravel()
    steps = np.array([[-stride], [-1], [stride], [1]])
    order = np.full(labels.size, -1, np.int64)
    membrane = np.flatnonzero(waiting)
    wave = membrane[(labels[membrane + steps] > 0).any(axis=0)]
    waiting[wave] = False
    queued = 0
    while wave.size:
        order[wave] = np.arange(queued, queued + wave.size)
        queued += wave.size
        neighbours = wave + steps
        _relax(labels, wave, neighbours, order)
        candidates = neighbours.T[waiting[neighbours].T]
        _, first = np.unique(candidates, return_index=True)
        wave = candidates[np.sort(first)]
        waiting[wave] = False
    return labels.reshape(numbers.shape)


def _relax(labels: Int64, wave: Int64, neighbours: Int64, order: Int64) -> None:
    """Give every pixel of a wave the one label that its earlier neighbours (4, n) hold, in place."""
    earlier = order[neighbours] <= order[wave]
    none = np.iinfo(np.int64).max
    while True:
        around = labels[neighbours] * earlier
        largest = around.max(axis=0)
        around[around == 0] = none
        new = np.where(around.min(axis=0) == largest, largest, 0)
        if np.array_equal(new, labels[wave]):
            return
        labels[wave] = new


def true_segments(foreground: Array) -> Int64:
    """4-connected components (H, W) int64 of a true foreground (H, W) bool, numbered from 1; never thinned."""
    _, components = cv2.connectedComponents(
        np.ascontiguousarray(foreground).astype(np.uint8), connectivity=4, ltype=cv2.CV_32S
    )
    return np.asarray(components, np.int64)


def pair_counts(truth: Int64, proposal: Int64) -> PairCounts:
    """Count the segments of a proposal against the truth where the truth is positive; both (H, W) int64."""
    a, b, n_ab = joint_counts(truth, proposal)
    inside = a > 0
    a, b, n_ab = a[inside], b[inside], n_ab[inside]
    pixels = int(n_ab.sum())
    n_a = np.bincount(a, weights=n_ab).astype(np.int64)
    singles = int(n_ab[b == 0].sum())
    n_ab, b = n_ab[b > 0], b[b > 0]
    n_b = np.bincount(b, weights=n_ab).astype(np.int64)
    return PairCounts(
        pixels=pixels,
        s_a=int((n_a**2).sum()),
        s_b=int((n_b**2).sum()) + singles,
        s_ab=int((n_ab**2).sum()) + singles,
        h_a=_entropy(n_a, 0, pixels),
        h_b=_entropy(n_b, singles, pixels),
        h_ab=_entropy(n_ab, singles, pixels),
    )


def _entropy(sizes: Int64, singles: int, pixels: int) -> float:
    """Entropy in nats of segments of these sizes and of `singles` segments of one pixel."""
    if not pixels:
        return 0.0
    p = sizes[sizes > 0] / pixels
    return float(-(p * np.log(p)).sum() + singles / pixels * math.log(pixels)) + 0.0


def slice_counts(foreground: Array, probabilities: Array) -> list[PairCounts]:
    """Counts of one slice at each official threshold.

    Parameters
    ----------
    foreground : (H, W) bool
        True inside a true cell.
    probabilities : (H, W) float
        1 inside a cell, 0 on a membrane; compared in double precision.
    """
    truth = true_segments(foreground)
    values = probabilities.astype(np.float64)
    results: list[PairCounts] = []
    last_size = -1
    for threshold in official_thresholds():
        proposal = values > threshold
        size = int(proposal.sum())
        # Proposals are nested, so one of the same size is the same proposal.
        results.append(results[-1] if size == last_size else pair_counts(truth, thin_borders(proposal)))
        last_size = size
    return results


def _best_mean(sums: Float64) -> Float64:
    best: Float64 = (sums[..., :-1] / sums[..., -1:]).max(axis=-1)
    return best


_per_slice: SameStatistics[tuple[Float64, Float64]] = SameStatistics(1)


@dataclass(frozen=True)
class Partition(SummedFamily):
    """V_Rand and V_Info of a stack of slices, the ranking metrics of ISBI 2012."""

    name: ClassVar[str] = "partition"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "V_Rand and V_Info after border thinning, foreground-restricted (ISBI 2012)"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("v_rand", "foreground-restricted Rand score after border thinning, best common threshold"),
        ScoreInfo("v_info", "foreground-restricted information score after border thinning, best common threshold"),
    )
    columns: ClassVar[Mapping[str, Literal["int64", "float64"]]] = {
        "threshold": "float64",
        "foreground_pixels": "int64",
        "s_a": "int64",
        "s_b": "int64",
        "s_ab": "int64",
        "h_a": "float64",
        "h_b": "float64",
        "h_ab": "float64",
    }

    hooks: ClassVar[Mapping[str, str]] = {"board_note": "segbench.boards.markdown:CHOSEN_THRESHOLD"}
    parts: ClassVar[tuple[Part, ...]] = ("labels",)
    tasks: ClassVar[tuple[Task, ...]] = ("binary",)
    takes_void: ClassVar[bool] = False

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Counts of one slice at the 11 official thresholds; labels count as probabilities 0 and 1."""
        del info
        truth, probabilities = foreground_probabilities(sample, prediction)
        counts = slice_counts(truth, probabilities)
        columns: dict[str, Int64 | Float64] = {
            "threshold": official_thresholds(),
            "foreground_pixels": np.array([c.pixels for c in counts], np.int64),
            "s_a": np.array([c.s_a for c in counts], np.int64),
            "s_b": np.array([c.s_b for c in counts], np.int64),
            "s_ab": np.array([c.s_ab for c in counts], np.int64),
            "h_a": np.array([c.h_a for c in counts]),
            "h_b": np.array([c.h_b for c in counts]),
            "h_ab": np.array([c.h_ab for c in counts]),
        }
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """Best mean over slices at one common threshold; NaN if a slice has no true foreground."""
        del info
        if not statistics:
            return {"v_rand": math.nan, "v_info": math.nan}
        rand, information = self._per_slice(statistics)
        return {
            "v_rand": max(math.fsum(column) / len(column) for column in rand.T.tolist()),
            "v_info": max(math.fsum(column) / len(column) for column in information.T.tolist()),
        }

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """The greatest of the means at the thresholds: every resample has a common threshold of its own."""
        del info
        values = self._per_slice(statistics)[0 if score == "v_rand" else 1]
        slices = np.ones((len(values), 1))
        return Sums(np.concatenate([values, slices], axis=1), _best_mean, weights=slices)

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """A partition has no classes."""
        del statistics, info
        return {}

    def fault(self, statistic: Statistic, info: DatasetInfo) -> str | None:
        """Sums of squares lie between those of single pixels and of one segment; entropies obey Shannon's bounds."""
        del info
        columns = statistic.columns
        thresholds = official_thresholds()
        if len(columns["threshold"]) != len(thresholds):
            return f"{len(columns['threshold'])} rows; expected the {len(thresholds)} official thresholds"
        n, a, b, both = (columns[name] for name in ("foreground_pixels", "s_a", "s_b", "s_ab"))
        h_a, h_b, h_ab = (columns[name] for name in ("h_a", "h_b", "h_ab"))
        most = np.log(np.maximum(n, 1)) + _ROUNDING
        rules: dict[str, Array | bool] = {
            "thresholds are the official ones": columns["threshold"] == thresholds,
            "the true foreground is the same at every threshold": (n == n[0]) & (a == a[0]) & (h_a == h_a[0]),
            "numbers of pixels are those of a picture": (n >= 0) & (n < MAX_PIXELS),
        }
        for name, squares in (("s_a", a), ("s_b", b), ("s_ab", both)):
            rules[f"{name} lies between the number of pixels and its square"] = (squares >= n) & (squares <= n * n)
        for name, entropy in (("h_a", h_a), ("h_b", h_b), ("h_ab", h_ab)):
            rules[f"{name} lies between 0 and the logarithm of the number of pixels"] = (entropy >= 0) & (
                entropy <= most
            )
        rules["overlaps are parts of segments"] = (both <= a) & (both <= b)
        rules["the joint entropy is at least either entropy"] = h_ab + _ROUNDING >= np.maximum(h_a, h_b)
        rules["the joint entropy is at most the sum of both"] = h_ab <= h_a + h_b + _ROUNDING
        return broken_rule(rules)

    def truth_side(self, statistic: Statistic) -> dict[str, Array]:
        """Size, sum of squares and entropy of the true segments."""
        return {name: statistic.columns[name] for name in ("foreground_pixels", "s_a", "h_a")}

    def totals(self, statistic: Statistic, info: DatasetInfo) -> dict[str, int]:
        """The true foreground."""
        del info
        return {"true foreground": int(statistic.columns["foreground_pixels"][0])}

    @staticmethod
    def _per_slice(statistics: Sequence[Statistic]) -> tuple[Float64, Float64]:
        """V_Rand and V_Info of every slice at every threshold, each (n, 11) float64."""
        return _per_slice.get(statistics, None, lambda: _scores_of(statistics))


def _scores_of(statistics: Sequence[Statistic]) -> tuple[Float64, Float64]:
    slices = []
    for statistic in statistics:
        columns = [statistic.columns[name].tolist() for name in list(Partition.columns)[1:]]
        slices.append([PairCounts(*row) for row in zip(*columns, strict=True)])
    rand = np.array([[counts.v_rand for counts in row] for row in slices])
    information = np.array([[counts.v_info for counts in row] for row in slices])
    return rand, information
