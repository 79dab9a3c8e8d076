"""P values of the differences of all pairs from swap patterns: of each pair alone, and adjusted by step-down max T.

Pairs are gone through from the one that is the least apart upwards, a few at a time under a chunk of patterns, and of
each pattern only the largest difference so far is kept: memory does not grow with pairs times patterns.

References
----------
Westfall & Young, "Resampling-Based Multiple Testing" (1993), algorithm 2.8 (step-down max T). Phipson & Smyth,
"Permutation P-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9(1) (2010).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from ..metrics.pooled import ratio
from ..types import Array, Float64, Int64
from .quantiles import normal_quantile

MAX_IN_CACHE = 1 << 15
"""Doubles that are looked at together, so that they stay in the processor's cache."""

_MAX_KEPT = 1 << 22
"""Differences that are kept, not computed again, where the first patterns have said what swaps do to a pair."""


@dataclass(frozen=True)
class Swapped:
    """What patterns make of the differences of pairs, each (pairs, rows) float64.

    apart : the differences, NaN where undefined. error : their standard errors under the pattern, by the jackknife; 0
    where they are not computed.
    """

    apart: Float64
    error: Float64

    @property
    def rows(self) -> int:
        """Number of patterns."""
        return int(self.apart.shape[1])

    def of(self, pairs: Int64) -> Swapped:
        """The same of some of the pairs."""
        return Swapped(self.apart[pairs], self.error[pairs] if len(self.error) > 1 else self.error)

    def tally(self, extremes: Extremes) -> None:
        """Count these patterns."""
        extremes.tally(self)


class Chunk(Protocol):
    """Some patterns, the same for all pairs. What they make of differences is computed where it is asked for."""

    @property
    def rows(self) -> int:
        """Number of patterns."""

    def of(self, pairs: Int64) -> Swapped:
        """What they make of the differences of some of the pairs, (n,) places."""

    def tally(self, extremes: Extremes) -> None:
        """Count in how many of them pairs are as far apart as was observed."""


@dataclass(frozen=True)
class Extremes:
    """In how many patterns pairs are as far apart as was observed; arrays (pairs,) in the order of `pairs`.

    pairs : their places, from the one that is the least apart upwards.
    size : what a pair's differences are measured by; infinite where what was observed is undefined.
    least, least_measured : what a difference reaches, as it is and measured, that counts as extreme.
    reached : patterns in which a pair is as far apart. largest : in which it or one before it is, measured. known : in
    which its difference is defined.
    """

    pairs: Int64
    size: Float64
    least: Float64
    least_measured: Float64
    reached: Int64 = field(init=False)
    largest: Int64 = field(init=False)
    known: Int64 = field(init=False)

    def __post_init__(self) -> None:
        for name in ("reached", "largest", "known"):
            object.__setattr__(self, name, np.zeros(len(self.pairs), np.int64))

    def tally(self, chunk: Chunk) -> None:
        """Count the patterns of a chunk, a few pairs at a time."""
        at_once = max(1, MAX_IN_CACHE // max(chunk.rows, 1))
        so_far = np.zeros(chunk.rows)
        for start in range(0, len(self.pairs), at_once):
            here = slice(start, start + at_once)
            swapped = chunk.of(self.pairs[here])
            undefined = np.isnan(swapped.apart)
            self.reached[here] += (np.abs(swapped.apart) >= self.least[here, None]).sum(axis=1)
            self.known[here] += chunk.rows - undefined.sum(axis=1)
            largest = np.where(undefined, 0.0, _measured(swapped, self.size[here, None]))
            np.maximum(largest[0], so_far, out=largest[0])
            np.maximum.accumulate(largest, axis=0, out=largest)
            self.largest[here] += (largest >= self.least_measured[here, None]).sum(axis=1)
            so_far = largest[-1]


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


def chance_of(
    observed: Swapped, chunks: Callable[[], Iterator[Chunk]], *, holds_observed: bool, at_least: Float64 | None = None
) -> Chance:
    """Single and step-down p values of differences from those under patterns.

    Parameters
    ----------
    observed : Swapped
        The differences as they are: (pairs, 1).
    chunks : callable
        All patterns, from the first one on with every call. What swaps do to a pair is said by the first ones of
        patterns that are drawn, and by all of those that are enumerated, whose order then changes nothing.
    holds_observed : bool
        Whether the patterns are all that there are, the one that swaps nothing among them.
    at_least : (pairs,) float64, optional
        P values that no swaps may go below, since something else than the samples is uncertain too: what they have to
        reach is no further from 0 than a normal distribution of their differences reaches with this probability.
    """
    rest = chunks()
    first = next(rest)
    if observed.apart.size * first.rows <= _MAX_KEPT:
        first = first.of(np.arange(len(observed.apart)))
    undefined = np.isnan(observed.apart[:, 0])
    size = np.where(undefined, np.inf, _sizes(chunks() if holds_observed else [first], len(undefined)))
    if at_least is not None:
        nearer = np.array([-normal_quantile(p / 2) if p > 0 else np.inf for p in np.nan_to_num(at_least).tolist()])
        observed = replace(observed, apart=np.minimum(np.abs(observed.apart), (size * nearer)[:, None]))
    measured = np.where(undefined, 0.0, _measured(observed, size[:, None])[:, 0])
    order = np.argsort(measured, kind="stable")
    least = _least(np.where(undefined, np.inf, np.abs(observed.apart[:, 0])))
    extremes = Extremes(order, size[order], least[order], _least(measured[order]))
    once = 0 if holds_observed else 1
    total = once
    for chunk in itertools.chain([first], rest):
        chunk.tally(extremes)
        total += chunk.rows
    p, adjusted, reached = np.zeros((3, len(order)))
    reached[order] = extremes.reached + once
    p[order] = ratio(extremes.reached + once, np.where(undefined[order], 0, extremes.known + once))
    adjusted[order] = np.maximum.accumulate(((extremes.largest + once) / total)[::-1])[::-1]
    return Chance(p, np.maximum(p, adjusted), reached <= 1)


def _measured(swapped: Swapped, size: Float64) -> Float64:
    """Differences by their own size (pairs, 1), so that those of all pairs can be compared."""
    measured: Float64 = np.abs(swapped.apart) / np.sqrt(size**2 + swapped.error**2 / 2)
    return measured


def _sizes(chunks: Iterable[Chunk], pairs: int) -> Float64:
    """The root mean square of every pair's differences (pairs,), without undefined ones; 1 where swaps do nothing."""
    squares, known = np.zeros((2, pairs))
    for chunk in chunks:
        at_once = max(1, MAX_IN_CACHE // max(chunk.rows, 1))
        for start in range(0, pairs, at_once):
            here = np.arange(start, min(start + at_once, pairs))
            apart = chunk.of(here).apart
            squares[here] += (np.nan_to_num(apart, nan=0.0) ** 2).sum(axis=1)
            known[here] += (~np.isnan(apart)).sum(axis=1)
    found: Float64 = np.sqrt(squares / np.maximum(known, 1))
    return np.where(found > 0, found, 1.0)


def _least(size: Float64) -> Float64:
    """From where on a pattern is as extreme: one that swaps nothing is not to miss the difference by rounding."""
    return size * (1 - 1e-9) - 1e-15
