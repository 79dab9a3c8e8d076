"""Could chance have made the differences between runs? Their results are swapped, for all pairs at once.

If two methods were equally good, it would not matter which of the two a sample's result (or a whole group's) is
credited to. A pattern says for every unit whether it is swapped. The p value of a pair is the part of the patterns
that make the pooled scores as different as they are.

For all pairs together, the largest difference that chance makes is what counts: step-down max T. The pattern is the
same for all pairs, so that their differences keep their dependence, and each is measured by what swaps do to it (its
root mean square over the patterns, and the jackknife's error under the pattern where units are few): without that, a
pair of very unlike runs would hide all others. What is swapped are the two results of a pair, never the labels of all
methods: a constant beside U-Nets is not exchangeable with them, but two equal U-Nets are with each other.

References
----------
Romano & Wolf, "Exact and approximate stepdown methods for multiple hypothesis testing", JASA 100:94-108 (2005).
Tusher, Tibshirani & Chu, PNAS 98:5116-5121 (2001): a constant beside the standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..io.native import QuotientPairs
from ..metrics.pooled import mean_of_quotients
from ..types import Array, Float64, Int64
from .chance import MAX_IN_CACHE, Extremes, Swapped

Pair = tuple[int, int]

MAX_ENUMERATED = 12
"""Number of units up to which every one of the 2^(n - 1) patterns is tried; of more, patterns are drawn."""

SWAPS_PER_RESAMPLE = 10
"""How many patterns are drawn for every bootstrap sample: p values of many pairs need a finer scale."""

_MIN_ROWS, _MAX_ROWS = 16, 1024
"""Patterns that are looked at together."""

MIN_ROWS_OF_SUMS = 256
"""The same where differences are not kept: the first of these patterns say what swaps do to each pair."""

_MAX_FOR_ERRORS = 1 << 20
"""Sums that are taken for the errors of a pair: beyond, swaps of many units are measured well enough without."""

_MAX_DOUBLES = 1 << 24
_MAX_EXACT = 2.0**52
_MAX_NEARBY = 4


def distinct_patterns(units: int) -> int:
    """How many patterns give different absolute differences: to swap everything changes the sign alone."""
    return 1 << max(units - 1, 0)


def rows_at_once(pairs: int, doubles: int, least: int = _MIN_ROWS) -> int:
    """Patterns that are looked at together, for a number of pairs and of doubles per pattern: bounds the memory."""
    rows: int = _MAX_DOUBLES // max(4 * pairs, doubles, 1)
    return min(max(rows, least), _MAX_ROWS)


def swap_patterns(units: int, swaps: int, rows: int, seed: int) -> Iterator[Float64]:
    """Which units keep their run (1) and which are swapped (-1), in chunks of at most (rows, units).

    All distinct ones, in a shuffled order, where units are few; else `swaps` are drawn, less those that swap nothing or
    everything: that is what was observed, which is counted once already.
    """
    random = np.random.default_rng(seed)
    if units <= MAX_ENUMERATED:
        codes = random.permutation(distinct_patterns(units))
        for start in range(0, len(codes), rows):
            bits = codes[start : start + rows, None] >> np.arange(max(units - 1, 0)) & 1
            yield np.concatenate([np.ones((len(bits), min(units, 1))), 1.0 - 2 * bits], axis=1)
        return
    width = 8 * -(-units // 64)  # whole words, so that the patterns do not depend on how many are drawn at once
    for start in range(0, swaps, rows):
        count = min(rows, swaps - start)
        octets = np.frombuffer(random.bytes(count * width), np.uint8).reshape(count, width)
        drawn = np.unpackbits(octets, axis=1, count=units)
        yield 2.0 * drawn[(drawn != drawn[:, :1]).any(axis=1)] - 1


@dataclass(frozen=True)
class PairedSums:
    """Sums of runs whose units are swapped between the two runs of a pair.

    Parameters
    ----------
    terms : (runs, units, F) float64
        What every unit adds to the F sums that `value` makes a score of.
    pairs : (P, 2) int64
        Places of runs.
    with_errors : bool
        Whether differences have errors, which takes a jackknife of each.
    """

    terms: Float64
    value: Callable[[Float64], Float64]
    pairs: Int64
    with_errors: bool

    @classmethod
    def of(cls, terms: Float64, value: Callable[[Float64], Float64], pairs: Sequence[Pair], swaps: int) -> PairedSums:
        """With errors where few units and sums are swapped in few patterns: those of many are measured well without."""
        few = swaps * (terms.shape[1] + 1) * terms.shape[2] <= _MAX_FOR_ERRORS
        return cls(terms, value, np.array(pairs, np.int64).reshape(-1, 2), few)

    @cached_property
    def own(self) -> Array:
        """Which of the sums (F,) differ between runs: no swap changes those that all share, such as true pixels."""
        return np.asarray((self.terms != self.terms[:1]).any(axis=(0, 1)))

    @cached_property
    def halves(self) -> Float64:
        """Half of the sums of every run (runs, F)."""
        halves: Float64 = self.terms.sum(axis=1) / 2
        return halves

    @cached_property
    def nearby(self) -> Int64:
        """The places of all pairs (P,), those of a few runs together, so that the sums of these stay in the cache."""
        first, second = self.pairs.T
        return np.lexsort((first, second, first // _MAX_NEARBY)).astype(np.int64, copy=False)

    @cached_property
    def _whole_halves(self) -> Float64 | None:
        """Half of the terms that differ, of one run below another (runs * own, units), where they are whole numbers.

        Sums of these are exact in whatever order, so that all runs are multiplied at once; None of others.
        """
        own = self.terms[:, :, self.own]
        if not own.size or not (own == np.floor(own)).all() or np.abs(own).sum(axis=1).max() >= _MAX_EXACT:
            return None
        return np.ascontiguousarray(np.moveaxis(own, 2, 1) / 2).reshape(-1, own.shape[1])

    def under(self, patterns: Float64) -> SwappedSums:
        """These sums under some patterns (rows, units), which are multiplied once with the terms of every run."""
        moved = np.zeros((*self.halves.shape, len(patterns)))
        if self._whole_halves is not None:
            moved[:, self.own] = (self._whole_halves @ patterns.T).reshape(len(moved), -1, len(patterns))
            return SwappedSums(self, patterns, moved)
        for run, mine in enumerate(self.terms):
            moved[run][self.own] = (mine[:, self.own] / 2).T @ patterns.T
        return SwappedSums(self, patterns, moved)


@dataclass(frozen=True)
class SwappedSums:
    """Differences of scores of sums under some patterns (rows, units), computed where they are asked for.

    moved : (runs, F, rows) float64, half of what is not swapped less half of what is. The rows of one sum stand
    together, not the sums of one row: that is how a mean over a few of them is taken quickly.
    """

    sums: PairedSums
    patterns: Float64
    moved: Float64

    @property
    def rows(self) -> int:
        """Number of patterns."""
        return len(self.patterns)

    def of(self, pairs: Int64) -> Swapped:
        """What the patterns make of the differences of some of the pairs; only differences of sums are left to take."""
        found = Swapped(*np.zeros((2, len(pairs), self.rows)))
        if self.rows == 1 and not self.sums.with_errors:
            self._of_one_pattern(pairs, found.apart[:, 0])
            return found
        quotients = self._quotients(pairs)
        apart = None if quotients is None else quotients.differences()
        if apart is not None:
            return Swapped(apart, found.error[:1])
        rows = max(1, MAX_IN_CACHE // max(self.moved.shape[1], 1))
        for start in range(0, self.rows, rows):
            here = slice(start, start + rows)
            sides = np.empty((2, *self.moved[0, :, here].shape))
            for row, (a, b) in enumerate(self.sums.pairs[pairs].tolist()):
                middle, beside = (self.sums.halves[a] + self.sums.halves[b])[:, None], sides[1]
                np.subtract(self.moved[a, :, here], self.moved[b, :, here], out=beside)
                np.add(middle, beside, out=sides[0])
                np.subtract(middle, beside, out=sides[1])
                one, other = sides[0].T, sides[1].T
                np.subtract(self.sums.value(one), self.sums.value(other), out=found.apart[row, here])
                if self.sums.with_errors:
                    found.error[row, here] = self._errors(a, b, here, one, other)
        return found

    def _of_one_pattern(self, pairs: Int64, apart: Float64) -> None:
        """The differences (pairs,), many pairs at a time."""
        at_once = max(1, MAX_IN_CACHE // max(self.moved.shape[1], 1))
        for start in range(0, len(pairs), at_once):
            here = slice(start, start + at_once)
            a, b = self.sums.pairs[pairs[here]].T
            middle, beside = self.sums.halves[a] + self.sums.halves[b], self.moved[a, :, 0] - self.moved[b, :, 0]
            np.subtract(self.sums.value(middle + beside), self.sums.value(middle - beside), out=apart[here])

    def _errors(self, a: int, b: int, here: slice, one: Float64, other: Float64) -> Float64:
        """Standard errors of the difference of sums (rows, F) by the jackknife; 0 where one is undefined."""
        first, second = self.sums.terms[a], self.sums.terms[b]
        shared, swapped = (first + second) / 2, self.patterns[here, :, None] * (first - second) / 2
        without = self.sums.value(one[:, None] - shared - swapped) - self.sums.value(other[:, None] - shared + swapped)
        spread: Float64 = np.nan_to_num(without.std(axis=1)) * np.sqrt(max(without.shape[1] - 1, 0))
        return spread

    def tally(self, extremes: Extremes) -> None:
        """Count in how many of the patterns pairs are as far apart as was observed."""
        quotients = self._quotients(None)
        thresholds = extremes.size, extremes.least, extremes.least_measured
        counts = extremes.reached, extremes.largest, extremes.known
        if quotients is None or not quotients.tally(extremes.pairs, thresholds, counts):
            extremes.tally(self)

    def _quotients(self, pairs: Int64 | None) -> QuotientPairs | None:
        """The same for the compiled part, of some pairs or all of them; None of another score, and with errors."""
        if self.sums.value is not mean_of_quotients or self.sums.with_errors:
            return None
        nearby = self.sums.nearby if pairs is None else np.arange(len(pairs))
        first, second = self.sums.pairs.T if pairs is None else self.sums.pairs[pairs].T
        return QuotientPairs(self.moved, self.sums.halves, first, second, nearby)
