"""Parts of the samples: how each is scored, and whether the worst is worse by more than chance.

A slice is a set of samples; slices may overlap, as those of images that hold a class do. Its gap is the score of its
samples less that of all others, each pooled as the data set's own score is. If a property has nothing to do with how
well samples are scored, it does not matter which sample has it: the properties are permuted, the same permutation for
all runs and for all properties that vary alike, and the largest gap of each permutation is what gaps are compared with
(step-down max T). So p is adjusted for all slices that are looked at, and keeps their dependence. Each gap is measured
from the mean of its permutations and by their spread: a score of few samples may lie lower by itself, as classes are
missing there.

Reference: Westfall & Young, "Resampling-Based Multiple Testing" (1993), algorithm 2.8; see `evaluation.swaps`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ..metrics.pooled import drawn
from ..types import AbsentClasses, Array, DatasetInfo, Float64, Int64, Metric, ScoreInfo, Statistic, Sums
from .chance import Swapped, chance_of
from .comparison import ALPHA
from .intervals import score_intervals
from .resampling import Units

Permuted = Literal["samples", "groups", "samples within groups"]

_WRITTEN = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-][0-9]+)?")

MAX_CATEGORIES = 6
"""Number of different numbers up to which each is a slice of its own; more are cut into bins."""

MIN_SAMPLES = 5
"""A slice of fewer samples is marked: its score says little."""

_MAX_WEIGHTS = 1 << 22


@dataclass(frozen=True)
class Slice:
    """Some samples: what they share, such as `brightness` and `0.21 to 0.34`, and which they are, (n,) bool.

    tested : whether its gap is tested; samples without a value are only shown. between : of a bin of numbers, the
    least and the greatest that it holds.
    """

    by: str
    name: str
    member: Array
    tested: bool = True
    between: tuple[float, float] | None = None


@dataclass(frozen=True)
class SliceScore:
    """One run's score on a slice with its interval, on all other samples, and whether the gap could be chance.

    p : of this slice alone. p_adjusted : of the largest gap of all slices and runs that are no further apart.
    """

    value: float
    low: float
    high: float
    rest: float
    p: float
    p_adjusted: float

    @property
    def gap(self) -> float:
        """The slice less the rest."""
        return self.value - self.rest

    @property
    def significant(self) -> bool:
        """Whether the gap is more than chance at the 5 % level, all slices considered."""
        return self.p_adjusted < ALPHA


_NO_NUMBER = frozenset({"na", "n/a", "#n/a", "nan", "null", "none", "missing", "-", "?"})
"""What tables write where a number is not known; among texts these are values as any other."""


def slices_of(by: str, values: Sequence[str | float | None], bins: int) -> list[Slice]:
    """Slices by one property of every sample: one for each text, or for each of the quantile bins of numbers.

    Texts that are all numbers are numbers. Of at most `MAX_CATEGORIES` different numbers each is a slice. Samples
    without a value (None, an empty text, NaN; among numbers also a word for none, such as NA) are a last slice, which
    is not tested.

    Parameters
    ----------
    values : of each of n samples.
    bins : how many parts of equally many samples numbers are cut into; equal numbers stay together.
    """
    known = [value if _is_known(value) else None for value in values]
    said = [None if str(value).strip().lower() in _NO_NUMBER else value for value in known]
    numbers = [_number(value) for value in said if value is not None]
    numeric = bool(numbers) and None not in numbers
    known = said if numeric else known
    column = np.array([np.nan if value is None or not numeric else _number(value) for value in known], np.float64)
    different = np.unique(column[~np.isnan(column)])
    if numeric and different.size > MAX_CATEGORIES:
        found = list(_bins(by, column, bins))
    elif numeric:
        found = [Slice(by, f"{value:.12g}", column == value) for value in different.tolist()]
    else:
        texts = [None if value is None else str(value).strip() for value in known]
        where: dict[str, list[int]] = {}
        for place, text in enumerate(texts):
            if text is not None:
                where.setdefault(text, []).append(place)
        found = [Slice(by, name, _at(where[name], len(texts))) for name in sorted(where)]
    missing = np.array([value is None for value in known], bool)
    return [*found, *([Slice(by, "no value", missing, tested=False)] if missing.any() else [])]


def _at(places: Sequence[int], n: int) -> Array:
    """(n,) bool, True at these places."""
    found = np.zeros(n, bool)
    found[places] = True
    return found


def _is_known(value: str | float | None) -> bool:
    if value is None or isinstance(value, str):
        return bool(value and value.strip())
    return not math.isnan(value)


def _number(value: str | float | None) -> float | None:
    """A number as people write it; texts such as 007, 1_00 and 1e2 are names, which may differ where numbers do not."""
    if isinstance(value, str) and not _WRITTEN.fullmatch(value.strip()):
        return None
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else None


def _bins(by: str, column: Float64, bins: int) -> Iterator[Slice]:
    """Bins between quantiles, named by the least and the largest number that each holds."""
    known = column[~np.isnan(column)]
    inner = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf"))
    place = np.where(np.isnan(column), -1, np.searchsorted(inner, column, side="left"))
    for number in range(len(inner) + 1):
        member = place == number
        if member.any():
            held = column[member]
            least, greatest = float(held.min()), float(held.max())
            yield Slice(by, f"{least:.4g} to {greatest:.4g}", member, between=(least, greatest))


def permuted_unit(slices: Sequence[Slice], units: Units) -> Permuted:
    """What may be permuted: samples, or where whole groups are drawn, groups that are of one property throughout.

    Where a property differs within groups, samples are permuted within each.
    """
    if units.name == "samples":
        return "samples"
    return "samples within groups" if cut_by(slices, units.member, units.count) else "groups"


def cut_by(slices: Sequence[Slice], member: Int64, groups: int) -> bool:
    """Whether a slice holds a part of a group alone, from the place (n,) of each sample's group."""
    sizes = np.bincount(member, minlength=groups)
    held = (np.bincount(member[each.member], minlength=groups) for each in slices)
    return any(bool(((some > 0) & (some < sizes)).any()) for some in held)


def _sides(run: Sequence[Statistic], each: Slice) -> tuple[list[Statistic], list[Statistic]]:
    """The statistics of a slice, and all others."""
    sides: tuple[list[Statistic], list[Statistic]] = ([], [])
    for statistic, inside in zip(run, each.member.tolist(), strict=True):
        sides[not inside].append(statistic)
    return sides


@dataclass(frozen=True)
class SlicedScores:
    """The score of runs on slices of the same samples, in the same order."""

    metric: Metric
    info: DatasetInfo
    score: ScoreInfo
    runs: tuple[tuple[Statistic, ...], ...]
    slices: tuple[Slice, ...]
    permutations: int = 2000
    seed: int = 0

    @cached_property
    def units(self) -> Units:
        """What may be permuted."""
        return Units.of(self.metric, self.runs[0])

    @cached_property
    def permuted(self) -> Mapping[str, Permuted]:
        """What is permuted, for each property."""
        return {
            by: permuted_unit([each for each in self.slices if each.tested and each.by == by], self.units)
            for by in dict.fromkeys(each.by for each in self.slices)
        }

    @cached_property
    def invented(self) -> Mapping[int, AbsentClasses]:
        """Slices, by their place, where on one side a class is in no true mask and counts 0 for what a run predicts.

        The gap would be made of that 0, which a few pixels decide, so these are not tested.
        """
        # What the whole is without is no property of a slice.
        whole = (self.metric.absent_classes(run, self.info, self.score.name) for run in self.runs)
        known = {name for one in whole if one is not None for name in one.pixels}
        found = {}
        for place, each in enumerate(self.slices):
            sides = (side for run in self.runs for side in _sides(run, each) if side)
            absent = (self.metric.absent_classes(side, self.info, self.score.name) for side in sides)
            own = (one for one in absent if one is not None and one.share > 0 and not one.pixels.keys() <= known)
            if (first := next(own, None)) is not None:
                found[place] = first
        return found

    def scores(self) -> list[list[SliceScore]]:
        """Of every slice, the score of every run."""
        p, adjusted = self.chances()
        return [
            [self._one(run, each, p[row, run], adjusted[row, run]) for run in range(len(self.runs))]
            for row, each in enumerate(self.slices)
        ]

    def _one(self, run: int, each: Slice, p: float, adjusted: float) -> SliceScore:
        mine, others = _sides(self.runs[run], each)
        name = self.score.name
        low, high = score_intervals(self.metric, mine, self.info)[name]
        value, rest = (self.metric.compute(part, self.info)[name] if part else math.nan for part in (mine, others))
        return SliceScore(value, low, high, rest, float(p), float(adjusted))

    def chances(self) -> tuple[Float64, Float64]:
        """P values, single and adjusted, each (slices, runs); NaN where a gap is undefined or not tested."""
        held = [row for row, each in enumerate(self.slices) if each.tested and not each.member.all()]
        tested = [row for row in held if row not in self.invented]
        p, adjusted = np.full((2, len(self.slices), len(self.runs)), np.nan)
        if not tested:
            return p, adjusted
        members = [self.slices[row].member for row in tested]
        units = [self.permuted[self.slices[row].by] for row in tested]
        as_it_is = dict.fromkeys(units, np.arange(len(self.runs[0]))[None])
        sums = [self.metric.sums(run, self.info, self.score.name) for run in self.runs]
        # What was observed is one of the permutations: it has its part in their mean and spread, so that p is exact.
        orders = itertools.chain([as_it_is], self._orders(tuple(dict.fromkeys(units))))
        apart = np.concatenate([self._gaps(members, [each[unit] for unit in units], sums) for each in orders], axis=1)
        known = ~np.isnan(apart)
        total = np.where(known, apart, 0.0).sum(axis=1, keepdims=True)
        apart = apart - total / np.maximum(known.sum(axis=1, keepdims=True), 1)
        none = np.zeros((1, 1))
        chance = chance_of(Swapped(apart[:, :1], none), lambda: iter([Swapped(apart, none)]), holds_observed=True)
        shape = (len(tested), len(self.runs))
        p[tested], adjusted[tested] = chance.p.reshape(shape), chance.adjusted.reshape(shape)
        return p, np.where(np.isnan(p), np.nan, adjusted)

    @cached_property
    def smallest_p(self) -> float:
        """The smallest p value that permutations can give any of the slices; NaN where none is tested.

        A property of k of n samples (or groups) can lie in C(n, k) ways, of which what was observed is one.
        """
        ways = [
            self._ways(each)
            for place, each in enumerate(self.slices)
            if each.tested and not each.member.all() and place not in self.invented
        ]
        return 1 / min(max(ways), self.permutations + 1) if ways else math.nan

    def _ways(self, each: Slice) -> int:
        """In how many ways permutations can lay a slice's property."""
        unit = self.permuted[each.by]
        if unit == "samples":
            return math.comb(len(each.member), int(each.member.sum()))
        member, units = self.units.member, self.units.count
        sizes, held = np.bincount(member, minlength=units), np.bincount(member[each.member], minlength=units)
        if unit == "groups":
            return math.comb(units, int((held > 0).sum()))
        return math.prod(math.comb(size, part) for size, part in zip(sizes.tolist(), held.tolist(), strict=True))

    def _gaps(self, members: Sequence[Array], orders: Sequence[Int64], sums: Sequence[Sums | None]) -> Float64:
        """The gaps of every slice and run (slices x runs, rows), with the samples of each in its orders (rows, n)."""
        found = []
        for member, own in zip(members, orders, strict=True):
            inside = member[own].astype(np.int64)
            for run, its_sums in zip(self.runs, sums, strict=True):
                found.append(self._score(run, its_sums, inside) - self._score(run, its_sums, 1 - inside))
        return np.stack(found)

    def _score(self, run: Sequence[Statistic], sums: Sums | None, weights: Int64) -> Float64:
        if sums is not None and sums.alone is None:
            return drawn(sums, weights)
        return self.metric.resample(run, self.info, weights)[self.score.name]

    def _orders(self, units: Sequence[Permuted]) -> Iterator[dict[Permuted, Int64]]:
        """Random orders of the samples for each unit, in chunks of (rows, n): whose property each sample gets.

        Orders of different units are independent, which makes the largest gap by chance no smaller than it is: the
        properties are of the same samples.
        """
        orders = [self._orders_of(unit, [self.seed, place] if place else self.seed) for place, unit in enumerate(units)]
        return (dict(zip(units, each, strict=True)) for each in zip(*orders, strict=True))

    def _orders_of(self, unit: Permuted, seed: int | Sequence[int]) -> Iterator[Int64]:
        random = np.random.default_rng(seed)
        n = len(self.runs[0])
        member, units = self.units.member, self.units.count
        rows = max(1, _MAX_WEIGHTS // max(n, 1))
        _, first = np.unique(member, return_index=True)
        places: list[Int64] = []
        if unit == "samples within groups":
            places = np.split(np.argsort(member, kind="stable"), np.cumsum(np.bincount(member, minlength=units))[:-1])
        for start in range(0, self.permutations, rows):
            count = min(rows, self.permutations - start)
            if unit == "groups":
                yield first[random.permuted(np.tile(np.arange(units), (count, 1)), axis=1)][:, member]
            elif unit == "samples":
                yield random.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
            else:
                orders = np.tile(np.arange(n), (count, 1))
                for own in places:
                    orders[:, own] = random.permuted(orders[:, own], axis=1)
                yield orders
