"""Paired comparison of runs on the same samples: how large a difference is, and whether it could be chance.

All statistics are of the score itself, as pooled over the data set, never of a mean over samples where the score is no
such mean. A difference has a paired bootstrap interval (both runs are scored on the same drawn samples) and a p value
by swaps (`segbench.evaluation.swaps`): under the hypothesis that two runs are equal, it does not matter which of the
two a sample's (or, with at least 5 of them, a whole group's) result is credited to.

References
----------
Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13 and 15. Yeh, "More accurate tests for the
statistical significance of result differences", COLING 2000 (approximate randomisation). Holm, "A simple sequentially
rejective multiple test procedure", Scand. J. Statist. 6:65-70 (1979).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..metrics.pooled import ratio
from ..types import Float64, Int64
from .chance import Chunk, Swapped, chance_of
from .intervals import LEVEL, Jackknife, paired_intervals
from .paired_scores import PairedScores
from .rank_intervals import rank_intervals
from .swaps import (
    MAX_ENUMERATED,
    MIN_ROWS_OF_SUMS,
    SWAPS_PER_RESAMPLE,
    Pair,
    PairedSums,
    distinct_patterns,
    rows_at_once,
    swap_patterns,
)
from .unit_sizes import sizes_of

ALPHA = 1 - LEVEL

_MAX_PAIRS = 64
"""Pairs whose intervals are made together: their draws stay in the processor's cache."""

MIN_SWAPS = 100
"""Patterns from which on the largest of many differences has a distribution: 8 units have 128 distinct ones."""


@dataclass(frozen=True)
class Difference:
    """Run `a` against run `b` (positions in the list of runs).

    value : a's score less b's, in the score's unit.
    low, high : 95 % paired bootstrap interval. p : by swaps; p_adjusted : step-down, over all pairs of the comparison.
    effect : the mean over samples of a's score less b's, each sample scored alone, over its standard deviation (Cohen's
    d_z); NaN where undefined. It has the sign of `value` but where a pooled score and the mean over samples disagree.
    wins, ties, losses : samples on which a's score is better than, equal to or worse than b's.
    """

    a: int
    b: int
    value: float
    low: float
    high: float
    p: float
    p_adjusted: float
    effect: float
    wins: int
    ties: int
    losses: int

    @property
    def significant(self) -> bool:
        """Whether the runs differ at the 5 % level, all pairs considered."""
        return self.p_adjusted < ALPHA


@dataclass(frozen=True)
class Claims:
    """What is said of every pair of runs, in the order of `itertools.combinations`, and more uncertain than they are.

    apart : (pairs,) float64, how far they are apart, 0 or more. p : (pairs,) float64, how probable that is by chance,
    all sources of it considered: tests may only find it more probable. 0 where samples are the only source.
    """

    apart: Float64
    p: Float64


@dataclass(frozen=True)
class Paired(PairedScores):
    """Runs of one metric family on the same samples, with the differences of their scores and tests of these."""

    @property
    def swaps(self) -> int:
        """How many swap patterns are tried."""
        if self.units <= MAX_ENUMERATED:
            return distinct_patterns(self.units)
        return self.resamples * (1 if self._sums is None else SWAPS_PER_RESAMPLE)

    @property
    def smallest_p(self) -> float:
        """The smallest p value that swaps of so few units can give; what is smaller leans on a t test."""
        return 1 / (self.swaps + (self.units > MAX_ENUMERATED))

    @property
    def leans_on_t(self) -> bool:
        """Whether swaps are too few to tell many pairs apart: then small p values are those of t tests, after Holm."""
        return self.swaps < MIN_SWAPS

    @property
    def _per_run(self) -> int:
        """How many scores are compared of each run."""
        return 1

    def _exchanged(self, a: int, b: int, kept: Int64) -> Float64:
        """Run a's scores less run b's where samples are swapped that are 0 in `kept` (B, n), (scores, B) float64."""
        one, other = self.metric.resample_swapped(self.runs[a], self.runs[b], self.info, kept)
        return np.asarray(one[self.score.name] - other[self.score.name])[None]

    def difference(self, a: int, b: int) -> Difference:
        """Compare two runs; `p_adjusted` is that of this single pair."""
        p = self.p_value(a, b)
        return self._differences([(a, b)], [p], [p])[0]

    def differences(self, progress: Callable[[int, int], None] = lambda *_: None) -> list[Difference]:
        """Every pair of runs, with p values adjusted for all pairs."""
        pairs = self._pairs
        if not pairs:
            return []
        p, adjusted = self._chances(pairs, progress)
        found = []
        for start in range(0, len(pairs), _MAX_PAIRS):
            here = slice(start, start + _MAX_PAIRS)
            found += self._differences(pairs[here], p[here].tolist(), adjusted[here].tolist())
        return found

    def tested(
        self, progress: Callable[[int, int], None] = lambda *_: None, claims: Claims | None = None
    ) -> list[Difference]:
        """Every pair of runs with its p values alone: all that ranks need, without intervals and single samples.

        `claims` are tested in place of the differences of the runs' own scores.
        """
        nan = float("nan")
        pairs = self._pairs
        found = zip(pairs, *(p.tolist() for p in self._chances(pairs, progress, claims)), strict=True)
        return [
            Difference(a, b, float(self.values[a] - self.values[b]), nan, nan, p, adjusted, nan, 0, 0, 0)
            for (a, b), p, adjusted in found
        ]

    def p_value(self, a: int, b: int) -> float:
        """Two-sided p value of the difference of two runs; NaN where a score is undefined.

        By swaps. Where none is as extreme as what was observed, all that swaps can say is that p is small: then it is
        that of the jackknife's t test, if smaller. So few samples do not hide a large difference; the price is that the
        tail is taken from a normal distribution.
        """
        return float(self._chances([(a, b)])[0][0])

    @property
    def _pairs(self) -> list[Pair]:
        return list(itertools.combinations(range(len(self.runs)), 2))

    def _differences(self, pairs: Sequence[Pair], p: Sequence[float], adjusted: Sequence[float]) -> list[Difference]:
        """Differences of some pairs from their p values."""
        a, b = np.array(pairs).T
        values = self.values[a] - self.values[b]
        most = self.score.high - self.score.low
        sizes = sizes_of((self.shares[a] + self.shares[b]) / 2)
        intervals = np.clip(
            paired_intervals(values, self.draws[a] - self.draws[b], self.without[a] - self.without[b], sizes),
            *(-most, most),
        )
        apart = self.sign * (self.per_sample[a] - self.per_sample[b])
        effects = effects_of(self.sign * apart).tolist()
        wins, ties, losses = (kind.sum(axis=1).tolist() for kind in (apart > 0, apart == 0, apart < 0))
        return [
            Difference(*pair, float(values[k]), low, high, p[k], adjusted[k], effects[k], wins[k], ties[k], losses[k])
            for k, (pair, (low, high)) in enumerate(zip(pairs, intervals.tolist(), strict=True))
        ]

    def _chances(
        self,
        pairs: Sequence[Pair],
        progress: Callable[[int, int], None] = lambda *_: None,
        claims: Claims | None = None,
    ) -> tuple[Float64, Float64]:
        """P values of pairs, single and adjusted for all of them, each (pairs,); NaN where a score is undefined."""
        nothing, *_ = self._swapped(pairs, [np.ones((1, self.units))])
        observed = nothing.of(np.arange(len(pairs)))
        if claims is not None:
            # No further than the runs themselves, which the pattern that swaps nothing reaches.
            observed = replace(observed, apart=np.minimum(np.abs(observed.apart), claims.apart[:, None]))
        all_of_them = self.units <= MAX_ENUMERATED
        chunks = partial(self._chunks, pairs, progress)
        if all_of_them and self._sums is None:
            kept = list(chunks())  # they are few, and take long
            chunks = partial(iter, kept)
        found = chance_of(
            observed,
            chunks,
            holds_observed=all_of_them,
            at_least=None if claims is None else claims.p,
        )
        by_t = np.array([self._t_test(*pair) if alone else 1.0 for pair, alone in zip(pairs, found.alone, strict=True)])
        if claims is not None:
            by_t = np.maximum(by_t, claims.p)
        p = np.minimum(found.p, by_t)
        if len(pairs) == 1:
            return p, p
        if self.leans_on_t:
            return p, self._holm_of_distinct(pairs, p.tolist())
        return p, np.maximum(p, found.adjusted)

    def _holm_of_distinct(self, pairs: Sequence[Pair], p: Sequence[float]) -> Float64:
        """Holm's adjusted p values (pairs,), for which the pairs of two runs with equal results count once.

        Step-down max T needs no such care: a difference that is there twice is no larger.
        """
        _, place = np.unique(np.column_stack([self.values, self.without]), axis=0, return_inverse=True)
        result = place.reshape(-1).tolist()
        keys = [(*sorted((result[a], result[b])), chance) for (a, b), chance in zip(pairs, p, strict=True)]
        tests = list(dict.fromkeys(key for key in keys if key[0] != key[1]))
        adjusted = dict(zip(tests, holm([chance for *_, chance in tests]), strict=True))
        return np.array([adjusted.get(key, chance) for key, chance in zip(keys, p, strict=True)])

    def _chunks(self, pairs: Sequence[Pair], progress: Callable[[int, int], None]) -> Iterator[Chunk]:
        """The difference of every pair under the patterns of the test."""
        return self._swapped(pairs, self._patterns(pairs, progress))

    def _t_test(self, a: int, b: int) -> float:
        """Two-sided p value of the difference over the jackknife's standard error; 1 where that is unknown."""
        noise = self.noise(a, b)
        difference = abs(float(self.values[a] - self.values[b]))
        if noise.t.freedom < 1 or not noise.error > 0 or difference == 0:
            return 1.0
        return noise.t.p_value(difference / noise.error)

    def noise(self, a: int, b: int) -> Jackknife:
        """Standard error of the difference of two runs by the jackknife, and what it is worth.

        Each unit (or block of units, of at most 200) is left out in turn. NaN with fewer than two units.

        References
        ----------
        Efron & Tibshirani (1993), chapter 11.
        """
        return Jackknife.of(self.without[a] - self.without[b], self.sizes(a, b))

    def _patterns(self, pairs: Sequence[Pair], progress: Callable[[int, int], None]) -> Iterator[Float64]:
        """Every swap pattern of the units, in chunks of (rows, units)."""
        runs = len({run for pair in pairs for run in pair})
        width = 2 * self.resampled.n if self._sums is None else runs * self._sums[0].terms.shape[1]
        done = 0
        least = {} if self._sums is None else {"least": MIN_ROWS_OF_SUMS}
        rows = rows_at_once(len(pairs), max(width, self.units), **least)
        for pattern in swap_patterns(self.units, self.swaps, rows, self.seed):
            yield pattern
            done += len(pattern)
            progress(min(done, self.swaps), self.swaps)

    def _swapped(self, pairs: Sequence[Pair], patterns: Iterable[Float64]) -> Iterator[Chunk]:
        """The difference of every pair under every pattern, in chunks of patterns."""
        member = self.resampled.member
        if self._sums is None:
            return self._resampled(pairs, (pattern[:, member] for pattern in patterns))
        used = sorted({run for pair in pairs for run in pair})
        terms = np.zeros((len(used), self.units, self._sums[0].terms.shape[1]))
        for place, run in enumerate(used):
            np.add.at(terms[place], member, self._sums[run].terms)
        place_of = {run: place for place, run in enumerate(used)}
        places = [(place_of[a], place_of[b]) for a, b in pairs]
        return map(PairedSums.of(terms, self._sums[0].value, places, self.swaps).under, patterns)

    def _resampled(self, pairs: Sequence[Pair], patterns: Iterable[Float64]) -> Iterator[Swapped]:
        """The same of scores that are no functions of sums, for all scores of two runs at once."""
        rows: dict[Pair, list[tuple[int, int]]] = {}
        for row, (a, b) in enumerate(pairs):
            rows.setdefault((a // self._per_run, b // self._per_run), []).append((row, a % self._per_run))
        for pattern in patterns:
            kept = (pattern > 0).astype(np.int64)
            found = np.zeros((len(pairs), len(pattern)))
            for (a, b), mine in rows.items():
                apart = self._exchanged(a, b, kept)
                for row, score in mine:
                    found[row] = apart[score]
            yield Swapped(found, np.zeros((1, 1)))

    def rank_intervals(
        self, differences: Sequence[Difference], badness: Float64 | None = None
    ) -> list[tuple[int, int]]:
        """First and last rank that each run may have; equal first ranks are ties.

        `badness` (runs,) orders them, lower for what is better; by default it is that of their scores.
        """
        better = np.zeros((len(self.runs), len(self.runs)), bool)
        for each in differences:
            if each.significant:
                winner, loser = (each.a, each.b) if self.sign * each.value > 0 else (each.b, each.a)
                better[winner, loser] = True
        if badness is None:
            badness = np.where(np.isnan(self.values), np.inf, -self.sign * self.values)
        return rank_intervals(better, badness)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values; a NaN stays one and is not counted."""
    known = sorted((p, k) for k, p in enumerate(p_values) if not np.isnan(p))
    adjusted = [float("nan")] * len(p_values)
    highest = 0.0
    for place, (p, k) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - place) * p))
        adjusted[k] = highest
    return adjusted


def effects_of(apart: Float64) -> Float64:
    """The mean of every row (P, n) over its standard deviation (n - 1), (P,) float64.

    What is undefined is left out; NaN where there is no spread.
    """
    known = ~np.isnan(apart)
    if known.all() and apart.shape[1] > 1:
        means, spreads = apart.mean(axis=1), apart.std(axis=1, ddof=1)
    else:
        rows = [row[where] for row, where in zip(apart, known, strict=True)]
        means = np.array([row.mean() if row.size else np.nan for row in rows])
        spreads = np.array([row.std(ddof=1) if row.size > 1 else 0.0 for row in rows])
    return ratio(np.where(spreads > 0, means, np.nan), spreads)
