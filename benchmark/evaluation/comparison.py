"""Paired comparison of runs on the same samples: how large a difference is, and whether it could be chance.

All statistics are of the score itself, as pooled over the data set, never of a mean over samples where the score is no
such mean. A difference has a paired bootstrap interval (both runs are scored on the same drawn samples) and a p value
by permutation: under the hypothesis that two runs are equal, it does not matter which of the two a sample's (or, with
at least 5 of them, a whole group's) result is credited to.

References
----------
Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13 and 15. Yeh, "More accurate tests for the
statistical significance of result differences", COLING 2000 (approximate randomisation). Phipson & Smyth, "Permutation
P-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9(1) (2010). Holm, "A simple sequentially rejective
multiple test procedure", Scand. J. Statist. 6:65-70 (1979).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..types import DatasetInfo, Float64, Int64, Metric, ScoreInfo, Statistic, UserError
from .intervals import (
    LEVEL,
    RESAMPLES,
    bootstrap_weights,
    corrected_interval,
    jackknife_error,
    jackknife_weights,
    resampling_unit,
    units_of,
)

ALPHA = 1 - LEVEL
_CHUNK = 8_000_000
_EXACT = 10
"""Largest number of samples or groups for which every one of the 2^n permutations is tried."""


@dataclass(frozen=True)
class Difference:
    """Run `a` against run `b` (positions in the list of runs).

    value : a's score less b's, in the score's unit; better : whether that is to a's advantage (None where equal).
    low, high : 95 % paired bootstrap interval. p : permutation; p_adjusted : Holm, over all pairs of the comparison.
    effect : the mean difference per sample over its standard deviation (Cohen's d_z); NaN where undefined.
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
class Paired:
    """Statistics of several runs of one metric family on the same samples, in the same order."""

    metric: Metric
    info: DatasetInfo
    score: ScoreInfo
    runs: tuple[tuple[Statistic, ...], ...]
    resamples: int = RESAMPLES
    seed: int = 0

    def __post_init__(self) -> None:
        ids = [tuple(s.sample_id for s in run) for run in self.runs]
        if len(set(ids)) > 1:
            other = next(i for i, found in enumerate(ids) if found != ids[0])
            odd = sorted(set(ids[0]) ^ set(ids[other]))
            raise UserError(
                f"runs 1 and {other + 1} were not scored on the same samples ({len(odd)} are in one of them alone, "
                f"first: {odd[0] if odd else ids[other][0]}), so they cannot be compared sample by sample"
            )

    @property
    def groups(self) -> list[str]:
        """The group of every sample."""
        return [s.group for s in self.runs[0]]

    @property
    def unit(self) -> str:
        """What is drawn and swapped: groups, or samples where there are fewer than 5."""
        return resampling_unit(self.groups)

    @property
    def units(self) -> int:
        """How many groups or samples are drawn and swapped."""
        return units_of(self.groups)[1]

    @property
    def smallest_p(self) -> float:
        """The smallest p value that permutations of so few units can give; what is smaller leans on a t test."""
        return 2.0 ** (1 - self.units) if self.units <= _EXACT else 1 / (1 + self.resamples)

    @cached_property
    def values(self) -> Float64:
        """The score of every run, (runs,) float64."""
        return np.array([self.metric.compute(run, self.info)[self.score.name] for run in self.runs])

    @cached_property
    def draws(self) -> Float64:
        """The score of every run on the same bootstrap samples, (runs, resamples) float64; NaN where undefined."""
        found: list[list[Float64]] = [[] for _ in self.runs]
        for weights in bootstrap_weights(self.groups, self.resamples, self.seed):
            for k, run in enumerate(self.runs):
                found[k].append(self.metric.resample(run, self.info, weights)[self.score.name])
        return np.array([np.concatenate(draws) for draws in found])

    @cached_property
    def per_sample(self) -> Float64:
        """The score of every run on every sample alone, (runs, samples) float64; NaN where undefined."""
        n = len(self.runs[0])
        found = np.full((len(self.runs), n), np.nan)
        for k, run in enumerate(self.runs):
            for start in range(0, n, 256):
                rows = np.arange(start, min(start + 256, n))
                alone = np.zeros((rows.size, n), np.int64)
                alone[np.arange(rows.size), rows] = 1
                found[k, rows] = self.metric.resample(run, self.info, alone)[self.score.name]
        return found

    @property
    def sign(self) -> int:
        """1 where a higher score is better, else -1."""
        return 1 if self.score.higher_is_better else -1

    @cached_property
    def without(self) -> Float64:
        """The score of every run with each unit (or block of them) left out in turn, (runs, blocks) float64."""
        weights = jackknife_weights(self.groups)
        return np.array([self.metric.resample(run, self.info, weights)[self.score.name] for run in self.runs])

    def interval(self, run: int) -> tuple[float, float]:
        """95 % interval of a run's score."""
        limits = (self.score.low, self.score.high)
        return corrected_interval(float(self.values[run]), self.draws[run], self.without[run], limits)

    def difference(self, a: int, b: int) -> Difference:
        """Compare two runs; `p_adjusted` is that of this single pair."""
        value = float(self.values[a] - self.values[b])
        low, high = corrected_interval(value, self.draws[a] - self.draws[b], self.without[a] - self.without[b])
        p = self.p_value(a, b)
        apart = self.sign * (self.per_sample[a] - self.per_sample[b])
        apart = apart[~np.isnan(apart)]
        spread = float(apart.std(ddof=1)) if apart.size > 1 else 0.0
        return Difference(
            *(a, b, value, low, high, p, p),
            effect=float(apart.mean()) / spread if spread > 0 else float("nan"),
            wins=int((apart > 0).sum()),
            ties=int((apart == 0).sum()),
            losses=int((apart < 0).sum()),
        )

    def differences(self, progress: Callable[[int, int], None] = lambda *_: None) -> list[Difference]:
        """Every pair of runs, with p values adjusted for the number of pairs."""
        pairs = list(itertools.combinations(range(len(self.runs)), 2))
        found = []
        for done, (a, b) in enumerate(pairs, 1):
            found.append(self.difference(a, b))
            progress(done, len(pairs))
        adjusted = holm([each.p for each in found])
        return [replace(each, p_adjusted=p) for each, p in zip(found, adjusted, strict=True)]

    def tested(self) -> list[Difference]:
        """Every pair of runs with its p values alone: all that ranks need, without intervals and single samples."""
        nan = float("nan")
        pairs = list(itertools.combinations(range(len(self.runs)), 2))
        p_values = [self.p_value(a, b) for a, b in pairs]
        return [
            Difference(a, b, float(self.values[a] - self.values[b]), nan, nan, p, adjusted, nan, 0, 0, 0)
            for (a, b), p, adjusted in zip(pairs, p_values, holm(p_values), strict=True)
        ]

    def p_value(self, a: int, b: int) -> float:
        """Two-sided p value of the difference of two runs; NaN where a score is undefined.

        By permutation. Where none is as extreme as what was observed, all that permutations can say is that p is small:
        then it is that of the jackknife's t test, if smaller. So few samples, or many pairs to adjust for, do not hide
        a large difference; the price is that the tail is taken from a normal distribution.
        """
        observed = abs(self.values[a] - self.values[b])
        if np.isnan(observed):
            return float("nan")
        both = [*self.runs[a], *(_renamed(s) for s in self.runs[b])]
        extreme = total = 0
        for kept in _permutations(self.groups, self.resamples, self.seed):
            one, other = (
                self.metric.resample(both, self.info, np.concatenate(sides, axis=1))[self.score.name]
                for sides in ((kept, 1 - kept), (1 - kept, kept))
            )
            apart = np.abs(one - other)
            # A permutation that leaves everything in place is not to miss the difference by rounding.
            extreme += int((apart >= observed * (1 - 1e-9) - 1e-15).sum())
            total += int((~np.isnan(apart)).sum())
        if not total:
            return float("nan")
        exact = self.units <= _EXACT
        p = extreme / total if exact else (1 + extreme) / (1 + total)
        return min(p, self._t_test(a, b)) if extreme <= exact else p

    def _t_test(self, a: int, b: int) -> float:
        """Two-sided p value of the difference over the jackknife's standard error; 1 where that is unknown."""
        from scipy.stats import t

        error, freedom = self.noise(a, b)
        difference = abs(float(self.values[a] - self.values[b]))
        if freedom < 1 or not error > 0 or difference == 0:
            return 1.0
        return float(2 * t.sf(difference / error, freedom))

    def noise(self, a: int, b: int) -> tuple[float, int]:
        """Standard error of the difference of two runs by the jackknife, and its degrees of freedom.

        Each unit (or block of units, of at most 200) is left out in turn. NaN and 0 with fewer than two units.

        References
        ----------
        Efron & Tibshirani (1993), chapter 11.
        """
        return jackknife_error(self.without[a] - self.without[b])

    def rank_intervals(self, differences: Sequence[Difference]) -> list[tuple[int, int]]:
        """First and last rank that each run may have: those that it differs from significantly stand apart.

        A run's first rank is one more than the number of runs that are significantly better; equal first ranks are
        ties.
        """
        better, worse = np.zeros((2, len(self.runs)), int)
        for each in differences:
            if each.significant:
                winner, loser = (each.a, each.b) if self.sign * each.value > 0 else (each.b, each.a)
                worse[winner] += 1
                better[loser] += 1
        count = len(self.runs)
        return [(1 + int(up), count - int(down)) for up, down in zip(better, worse, strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values; a NaN stays one and is not counted."""
    known = sorted((p, k) for k, p in enumerate(p_values) if not np.isnan(p))
    adjusted = [float("nan")] * len(p_values)
    highest = 0.0
    for place, (p, k) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - place) * p))
        adjusted[k] = highest
    return adjusted


def _permutations(groups: Sequence[str], resamples: int, seed: int) -> Iterator[Int64]:
    """Which samples keep their run, in chunks of (b, n) 0 or 1; all of them where there are few units."""
    member, units = units_of(groups)
    rows = max(1, _CHUNK // max(2 * len(groups), 1))
    if units <= _EXACT:
        # The other half swaps both runs, which gives the same absolute difference.
        every = np.array(list(itertools.product((0, 1), repeat=units - 1)), np.int64).reshape(2 ** (units - 1), -1)
        kept = np.concatenate([np.ones((len(every), 1), np.int64), every], axis=1)
        for start in range(0, len(kept), rows):
            yield kept[start : start + rows][:, member]
        return
    random = np.random.default_rng(seed)
    for start in range(0, resamples, rows):
        kept = random.integers(0, 2, (min(rows, resamples - start), units))
        # To keep or to swap everything is what was observed, which is counted once already.
        yield kept[(kept != kept[:, :1]).any(axis=1)][:, member]


def _renamed(statistic: Statistic) -> Statistic:
    """The same under another name, so that both runs' samples stand side by side, in groups of their own."""
    # The number at the end of an id keeps its meaning.
    return replace(statistic, sample_id=f"other/{statistic.sample_id}", group=f"other/{statistic.group}")
