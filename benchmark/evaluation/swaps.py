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
Westfall & Young, "Resampling-Based Multiple Testing" (1993), algorithm 2.8 (step-down max T). Romano & Wolf, "Exact and
approximate stepdown methods for multiple hypothesis testing", JASA 100:94-108 (2005). Phipson & Smyth, "Permutation
P-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9(1) (2010). Tusher, Tibshirani & Chu, PNAS 98:5116-5121
(2001): a constant beside the standard error.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..metrics.pooled import ratio
from ..types import Array, Float64

Pair = tuple[int, int]

MAX_ENUMERATED = 12
"""Number of units up to which every one of the 2^(n - 1) patterns is tried; of more, patterns are drawn."""

SWAPS_PER_RESAMPLE = 10
"""How many patterns are drawn for every bootstrap sample: p values of many pairs need a finer scale."""

_MAX_ROWS = 1024
_MAX_FOR_ERRORS = 1 << 20
"""Sums that are taken for the errors of a pair: beyond, swaps of many units are measured well enough without."""

_MAX_DOUBLES = 1 << 24
_MAX_IN_CACHE = 1 << 15
"""Sums of one run that are looked at together: those of a pair stay in the processor's cache."""


def distinct_patterns(units: int) -> int:
    """How many patterns give different absolute differences: to swap everything changes the sign alone."""
    return 1 << max(units - 1, 0)


def rows_at_once(pairs: int, doubles: int) -> int:
    """Patterns that are looked at together, for a number of pairs and of doubles per pattern: bounds the memory."""
    rows: int = _MAX_DOUBLES // max(4 * pairs, doubles, 1)
    return min(max(rows, 16), _MAX_ROWS)


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
class Swapped:
    """What patterns make of the differences of pairs, each (pairs, rows) float64.

    apart : the differences, NaN where undefined. error : their standard errors under the pattern, by the jackknife; 0
    where they are not computed.
    """

    apart: Float64
    error: Float64


def swapped_differences(
    terms: Float64, value: Callable[[Float64], Float64], pairs: Sequence[Pair], patterns: Iterable[Float64], swaps: int
) -> Iterator[Swapped]:
    """Differences of pairs of runs under every pattern, in chunks.

    Sums stand together, not the rows of one pattern: that is how a mean over a few of them is taken quickly.

    Every pattern is multiplied once with what the units of every run add to the sums; of a pair's, only differences are
    left to take.

    Parameters
    ----------
    terms : (runs, units, F) float64
        What every unit adds to the F sums that `value` makes a score of.
    swaps : int
        Number of patterns; errors are computed where these, units and sums are few.
    """
    # Sums that all runs share, such as those of true pixels, no swap changes.
    own = np.asarray((terms != terms[:1]).any(axis=(0, 1)))
    half = terms[:, :, own] / 2
    whole = terms.sum(axis=1)
    small = swaps * (terms.shape[1] + 1) * terms.shape[2] <= _MAX_FOR_ERRORS
    middles = whole[:, :, None] / 2
    rows = max(1, _MAX_IN_CACHE // max(terms.shape[2], 1))
    for pattern in patterns:
        moved = np.zeros((len(terms), terms.shape[2], len(pattern)))
        for run, mine in enumerate(half):
            moved[run][own] = mine.T @ pattern.T
        apart, error = np.zeros((2, len(pairs), len(pattern)))
        for start in range(0, len(pattern), rows):
            here = slice(start, start + rows)
            one, other = np.empty((2, *moved[0, :, here].shape))
            for row, (a, b) in enumerate(pairs):
                middle, beside = middles[a] + middles[b], np.subtract(moved[a, :, here], moved[b, :, here], out=other)
                np.add(middle, beside, out=one)
                np.subtract(middle, beside, out=other)
                np.subtract(value(one.T), value(other.T), out=apart[row, here])
                if small:
                    shared = (terms[a] + terms[b]) / 2
                    swapped = pattern[here, :, None] * (terms[a] - terms[b]) / 2
                    without = value(one.T[:, None] - shared - swapped) - value(other.T[:, None] - shared + swapped)
                    error[row, here] = _jackknife_errors(without)
        yield Swapped(apart, error)


def _jackknife_errors(without: Float64) -> Float64:
    """Standard errors from the values with each unit left out (rows, units); 0 where one is undefined."""
    spread: Float64 = np.nan_to_num(without.std(axis=1)) * np.sqrt(max(without.shape[1] - 1, 0))
    return spread


@dataclass(frozen=True)
class Chance:
    """What chance makes of observed differences, each (pairs,); NaN where a difference is undefined.

    p : part of the patterns that give a pair a difference as large as was observed.
    adjusted : the same of the largest difference of all pairs that are no further apart than this one (step-down).
    alone : whether no other pattern is as extreme, so that p is only known to be small.
    """

    p: Float64
    adjusted: Float64
    alone: Array


def chance_of(observed: Swapped, chunks: Iterator[Swapped], *, holds_observed: bool) -> Chance:
    """Single and step-down p values of differences from those under patterns.

    Parameters
    ----------
    observed : Swapped
        The differences as they are: (pairs, 1).
    chunks : iterator of Swapped
        The differences under all patterns: (pairs, rows); the first ones say what swaps do to a pair.
    holds_observed : bool
        Whether the patterns are all that there are, the one that swaps nothing among them.
    """
    undefined = np.isnan(observed.apart)
    first = next(chunks)
    size = _root_mean_square(first.apart)
    measured = np.where(undefined, 0.0, _measured(observed, size))
    # From the pair that is the least apart upwards: the largest of it and of all before it.
    order = np.argsort(measured[:, 0], kind="stable")
    least = _least(np.where(undefined, np.inf, np.abs(observed.apart)))
    reached, known, largest = np.zeros((3, len(undefined)), np.int64)
    total = 0 if holds_observed else 1
    for chunk in itertools.chain([first], chunks):
        reached += (np.abs(chunk.apart) >= least).sum(axis=1)
        known += (~np.isnan(chunk.apart)).sum(axis=1)
        running = np.where(undefined | np.isnan(chunk.apart), 0.0, _measured(chunk, size))[order]
        np.maximum.accumulate(running, axis=0, out=running)
        largest[order] += (running >= _least(measured[order])).sum(axis=1)
        total += chunk.apart.shape[1]
    once = 0 if holds_observed else 1
    p = ratio(reached + once, np.where(undefined[:, 0], 0, known + once))
    adjusted = (largest + once) / total
    adjusted[order[::-1]] = np.maximum.accumulate(adjusted[order[::-1]])
    return Chance(p, np.maximum(p, adjusted), reached + once <= 1)


def _measured(swapped: Swapped, size: Float64) -> Float64:
    """Differences by their own size (pairs, 1), so that those of all pairs can be compared."""
    measured: Float64 = np.abs(swapped.apart) / np.sqrt(size**2 + swapped.error**2 / 2)
    return measured


def _root_mean_square(apart: Float64) -> Float64:
    """Of every row, without what is undefined, (pairs, 1); 1 where swaps do nothing."""
    known = ~np.isnan(apart)
    squares = np.where(known, apart, 0.0) ** 2
    found = np.sqrt(squares.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1))
    return np.where(found > 0, found, 1.0)


def _least(size: Float64) -> Float64:
    """From where on a pattern is as extreme: one that swaps nothing is not to miss the difference by rounding."""
    return size * (1 - 1e-9) - 1e-15
