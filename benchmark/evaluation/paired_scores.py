"""Scores of several runs on the same samples: of all of them, of drawn ones, with units left out, and of each alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..metrics.pooled import drawn
from ..types import DatasetInfo, Float64, Int64, Metric, ScoreInfo, Statistic, Sums, UserError
from .intervals import allowing_for_absent, corrected_interval
from .resampling import RESAMPLES, Units, bootstrap_weights, in_few_groups, jackknife_parts
from .unit_sizes import sizes_of, standing_alone, unit_shares, weighing

_ALONE = 256
"""Samples that are scored alone together, by scores that are no functions of sums."""


@dataclass(frozen=True)
class PairedScores:
    """Statistics of several runs of one metric family on the same samples, in the same order.

    blocks : so many consecutive samples of a group are drawn and swapped together, where there are too few groups.
    """

    metric: Metric
    info: DatasetInfo
    score: ScoreInfo
    runs: tuple[tuple[Statistic, ...], ...]
    resamples: int = RESAMPLES
    seed: int = 0
    blocks: int | None = None

    def __post_init__(self) -> None:
        ids = [tuple(s.sample_id for s in run) for run in self.runs]
        if len(set(ids)) > 1:
            other = next(i for i, found in enumerate(ids) if found != ids[0])
            odd = sorted(set(ids[0]) ^ set(ids[other]))
            raise UserError(
                f"runs 1 and {other + 1} were not scored on the same samples ({len(odd)} are in one of them alone, "
                f"first: {odd[0] if odd else ids[other][0]}), so they cannot be compared sample by sample"
            )

    @cached_property
    def resampled(self) -> Units:
        """What is drawn and swapped."""
        if self.blocks is not None:
            return Units.in_blocks(self.metric, self.runs[0], self.blocks)
        return Units.of(self.metric, self.runs[0])

    @property
    def unit(self) -> str:
        """What is drawn and swapped, in a word: groups, samples or blocks."""
        return self.resampled.name

    @property
    def units(self) -> int:
        """How many of these there are."""
        return self.resampled.count

    @property
    def few_groups(self) -> int | None:
        """The number of groups where these are too few to be drawn, so that samples count as independent; else None."""
        groups = [s.group for s in self.runs[0]]
        return len(set(groups)) if self.unit == "samples" and in_few_groups(groups, self.info.name) else None

    @cached_property
    def shares(self) -> Float64:
        """The part of each run's score that each unit (or block of them) is, (runs, blocks) float64: `unit_shares`."""
        units = self.resampled
        if self._sums is None:
            return np.array([unit_shares(units, standing_alone(units, each)) for each in self.per_sample])
        return np.array([unit_shares(units, weighing(sums)) for sums in self._sums])

    def sizes(self, *runs: int) -> Int64:
        """The sizes of units (blocks,) int64 for what some runs' scores say together, such as their difference."""
        return sizes_of(self.shares[list(runs)].mean(axis=0))

    @cached_property
    def _sums(self) -> tuple[Sums, ...] | None:
        """Every run's score as a function of sums; None where the metric does not give it as one."""
        found = [self.metric.sums(run, self.info, self.score.name) for run in self.runs]
        known = tuple(sums for sums in found if sums is not None)
        return known if len(known) == len(found) else None

    def _drawn(self, statistics: Sequence[Statistic], weights: Int64) -> Float64:
        """These scores on B drawn sets of some samples (B, n), (scores, B) float64; NaN where undefined."""
        return self.metric.resample(statistics, self.info, weights)[self.score.name][None]

    def scored(self, run: int, weights: Int64) -> Float64:
        """The score of a run on B drawn sets of samples (B, n), (B,) float64; NaN where undefined."""
        if self._sums is not None:
            return drawn(self._sums[run], weights)
        return np.asarray(self._drawn(self.runs[run], weights)[0])

    @cached_property
    def values(self) -> Float64:
        """The score of every run, (runs,) float64."""
        return np.array([self.metric.compute(run, self.info)[self.score.name] for run in self.runs])

    @cached_property
    def draws(self) -> Float64:
        """The score of every run on the same bootstrap samples, (runs, resamples) float64; NaN where undefined."""
        found: list[list[Float64]] = [[] for _ in self.runs]
        for weights in bootstrap_weights(self.resampled, self.resamples, self.seed):
            for k in range(len(self.runs)):
                found[k].append(self.scored(k, weights))
        return np.array([np.concatenate(draws) for draws in found])

    @cached_property
    def without(self) -> Float64:
        """The score of every run with each unit (or block of them) left out in turn, (runs, blocks) float64."""
        runs = range(len(self.runs))
        parts = [[self.scored(run, left) for run in runs] for left in jackknife_parts(self.resampled)]
        return np.concatenate([np.array(part) for part in parts], axis=1)

    @cached_property
    def per_sample(self) -> Float64:
        """The score of every run on every sample alone, (runs, samples) float64; NaN where undefined."""
        if self._sums is not None:
            own = ((sums, sums.terms if sums.alone is None else sums.alone) for sums in self._sums)
            return np.array([sums.value(terms.astype(np.float64)) for sums, terms in own])
        n, found = len(self.runs[0]), []
        for run in self.runs:
            ones = (np.eye(min(_ALONE, n - start), n, start, np.int64) for start in range(0, n, _ALONE))
            found.append(np.concatenate([self._drawn(run, alone) for alone in ones], axis=1))
        return np.concatenate(found)

    @property
    def sign(self) -> int:
        """1 where a higher score is better, else -1."""
        return 1 if self.score.higher_is_better else -1

    def interval(self, run: int) -> tuple[float, float]:
        """95 % interval of a run's score."""
        limits = (self.score.low, self.score.high)
        found = corrected_interval(float(self.values[run]), self.draws[run], self.without[run], self.sizes(run), limits)
        absent = self.metric.absent_classes(self.runs[run], self.info, self.score.name)
        return allowing_for_absent(found, absent, self.score)
