"""Swaps for all pairs at once: what one product gives is what swapping by hand gives, and ranks follow from it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from populations import films, one_long_film, populations
from scipy.stats import t as student_t

from engines import COMPILED, ENGINES, using
from noisy_predictions import INFO, METRIC, MIOU, measured, noisy
from segbench.evaluation import chance
from segbench.evaluation.chance import chance_of
from segbench.evaluation.comparison import Paired, holm
from segbench.evaluation.rank_intervals import rank_intervals
from segbench.evaluation.swaps import (
    MAX_ENUMERATED,
    MIN_ROWS_OF_SUMS,
    PairedSums,
    SwappedSums,
    rows_at_once,
    swap_patterns,
)
from segbench.metrics.overlap import Overlap
from segbench.metrics.pooled import mean_of_quotients
from segbench.types import DatasetInfo, Float64, Int64, Statistic


def paired(errors: Sequence[float], n: int, resamples: int = 100) -> Paired:
    random = np.random.default_rng(3)
    truths = [random.integers(0, 3, (10, 10)) for _ in range(n)]
    runs = [measured(noisy(truths, e, k), truths, ["one"] * n) for k, e in enumerate(errors, 1)]
    return Paired(METRIC, INFO, MIOU, tuple(runs), resamples=resamples)


def by_hand(comparison: Paired, a: int, b: int, pattern: Sequence[float]) -> float:
    """The difference of two runs after swapping samples."""
    sides = [
        [first if keep > 0 else second for first, second, keep in zip(one, other, pattern, strict=True)]
        for one, other in itertools.permutations((comparison.runs[a], comparison.runs[b]))
    ]
    first, second = (METRIC.compute(side, INFO)["miou"] for side in sides)
    return first - second


def test_few_units_are_enumerated_each_pattern_once() -> None:
    found = np.concatenate(list(swap_patterns(6, 7, 10, seed=0)))
    assert sorted(map(tuple, found.tolist())) == sorted(
        (1.0, *rest) for rest in itertools.product((-1.0, 1.0), repeat=5)
    )


@pytest.mark.parametrize("units", [MAX_ENUMERATED + 1, 70])
def test_many_units_are_drawn_whatever_the_chunks(units: int) -> None:
    whole, parts = (np.concatenate(list(swap_patterns(units, 500, rows, seed=4))) for rows in (500, 37))
    assert np.array_equal(whole, parts)
    assert set(np.unique(whole)) == {-1.0, 1.0}
    assert not (whole == whole[:, :1]).all(axis=1).any()
    assert abs(whole.mean()) < 0.02


def test_one_product_is_swapping_by_hand() -> None:
    comparison = paired([0.1, 0.2, 0.3], n=5)
    pairs = [(0, 1), (0, 2), (1, 2)]
    patterns = np.concatenate(list(swap_patterns(5, 0, 100, seed=0)))
    (chunk,) = comparison._swapped(pairs, [patterns])
    found = chunk.of(np.arange(3))
    for row, (a, b) in enumerate(pairs):
        expected = [by_hand(comparison, a, b, pattern) for pattern in patterns.tolist()]
        assert found.apart[row].tolist() == pytest.approx(expected, abs=1e-12)


def test_a_score_without_sums_is_swapped_alike() -> None:
    class Slow(Overlap):
        def sums(self, *_: object) -> None:  # type: ignore[override]
            return None

        def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
            return METRIC.resample(statistics, info, weights)

    quick = paired([0.1, 0.12, 0.4], n=6)
    slow = Paired(Slow(), INFO, MIOU, quick.runs, resamples=100)
    for a, b in ((0, 1), (0, 2)):
        assert slow.p_value(a, b) == quick.p_value(a, b)
    assert np.array_equal(slow.draws, quick.draws)
    assert np.array_equal(slow.per_sample, quick.per_sample)
    assert np.array_equal(slow.without, quick.without)


def test_a_p_value_does_not_depend_on_the_other_runs() -> None:
    together = paired([0.2, 0.21, 0.3, 0.31], n=25)
    alone = Paired(METRIC, INFO, MIOU, together.runs[:2], resamples=100)
    assert alone.p_value(0, 1) == together.differences()[0].p == together.p_value(0, 1)


def test_step_down_by_hand() -> None:
    """Three pairs of eight units: the most extreme first, each against what chance makes of those not yet passed."""
    comparison = paired([0.05, 0.2, 0.22], n=8)
    found = {(d.a, d.b): d for d in comparison.tested()}
    pairs = list(found)
    patterns = np.concatenate(list(swap_patterns(8, 0, 1000, seed=0)))
    identity = int(np.flatnonzero((patterns > 0).all(axis=1))[0])
    measured_by = []
    for a, b in pairs:
        apart = np.array([by_hand(comparison, a, b, pattern) for pattern in patterns.tolist()])
        errors = []
        for pattern in patterns.tolist():
            without = [
                METRIC.compute([s for k, s in enumerate(one) if k != left], INFO)["miou"]
                - METRIC.compute([s for k, s in enumerate(other) if k != left], INFO)["miou"]
                for left in range(8)
                for one, other in [swapped(comparison, a, b, pattern)]
            ]
            errors.append(np.sqrt(7 / 8 * np.sum((np.array(without) - np.mean(without)) ** 2)))
        measured_by.append(np.abs(apart) / np.sqrt(np.mean(apart**2) + np.array(errors) ** 2 / 2))
    table = np.array(measured_by)
    order = np.argsort(-table[:, identity])
    highest = 0.0
    for place, row in enumerate(order.tolist()):
        largest = table[order[place:]].max(axis=0)
        highest = max(highest, float((largest >= table[row, identity] - 1e-9).mean()), found[pairs[row]].p)
        assert found[pairs[row]].p_adjusted == pytest.approx(highest)


def swapped(comparison: Paired, a: int, b: int, pattern: Sequence[float]) -> tuple[list[Statistic], list[Statistic]]:
    both = zip(comparison.runs[a], comparison.runs[b], pattern, strict=True)
    first, second = zip(*((x, y) if keep > 0 else (y, x) for x, y, keep in both), strict=True)
    return list(first), list(second)


def test_swaps_of_five_units_show_nothing_but_t_tests_may() -> None:
    far, near = paired([0.05, 0.06, 0.6], n=5), paired([0.2, 0.2, 0.2], n=5)
    assert far.smallest_p == 1 / 16
    found = far.tested()
    assert [each.significant for each in found] == [False, True, True]
    assert [each.p_adjusted for each in found] == holm([each.p for each in found])
    assert not any(each.significant for each in near.tested())


@pytest.mark.parametrize("units", [6, 9])
def test_copies_of_runs_change_no_p_value_of_the_others(units: int) -> None:
    what = films()
    runs = what.methods(np.random.default_rng(1), units, [0.0, -0.02, -0.05, -0.2])

    def adjusted(*some: Sequence[Statistic]) -> dict[tuple[int, int], float]:
        found = Paired(what.metric, what.info, what.score, tuple(map(tuple, some)), resamples=100).tested()
        return {(each.a, each.b): each.p_adjusted for each in found}

    alone, beside_copies = adjusted(*runs), adjusted(*runs, runs[0], runs[2])
    assert {pair: beside_copies[pair] for pair in alone} == alone
    assert beside_copies[0, 4] == beside_copies[2, 5] == 1
    assert beside_copies[3, 4] == alone[0, 3]
    assert min(alone.values()) < 0.05


def test_memory_is_bounded() -> None:
    assert rows_at_once(1, 10) == rows_at_once(190, 20 * 63) == 1024
    assert 16 <= rows_at_once(4950, 100 * 513) < 400
    assert rows_at_once(10**9, 1) == 16
    assert rows_at_once(4950, 100 * 42, MIN_ROWS_OF_SUMS) == rows_at_once(4950, 100 * 42) == 847
    assert rows_at_once(499_500, 1000 * 42, MIN_ROWS_OF_SUMS) == 256


def ranks(pairs: Sequence[tuple[int, int]], badness: Sequence[float]) -> list[tuple[int, int]]:
    better = np.zeros((len(badness), len(badness)), bool)
    for a, b in pairs:
        better[a, b] = True
    return rank_intervals(better, np.array(badness))


def test_ranks_follow_what_is_better() -> None:
    assert ranks([(0, 2), (1, 2)], [0.1, 0.2, 0.3]) == [(1, 2), (1, 2), (3, 3)]
    assert ranks([], [0.1, 0.2]) == [(1, 2), (1, 2)]
    # Better than what is better than a third.
    assert ranks([(0, 1), (1, 2)], [0.1, 0.2, 0.3]) == [(1, 1), (2, 2), (3, 3)]


def test_a_better_score_never_has_the_worse_span() -> None:
    # The second is an erratic run that is told from nothing: what is below it may be no surer of its place.
    assert ranks([(0, 2), (0, 3)], [0.1, 0.2, 0.3, 0.4]) == [(1, 2), (1, 4), (2, 4), (2, 4)]
    # The last is told from nothing: what is above it may be as good.
    assert ranks([(0, 1), (0, 2)], [0.1, 0.2, 0.3, 0.4]) == [(1, 2), (1, 4), (1, 4), (1, 4)]
    random = np.random.default_rng(0)
    for _ in range(50):
        badness = random.integers(0, 6, 8) / 10
        pairs = [(a, b) for a in range(8) for b in range(8) if badness[a] < badness[b] and random.random() < 0.3]
        spans = ranks(pairs, badness.tolist())
        for (x, one), (y, other) in itertools.product(zip(badness, spans, strict=True), repeat=2):
            assert x > y or (one[0] <= other[0] and one[1] <= other[1])


def test_what_has_no_score_comes_last() -> None:
    assert ranks([(0, 1)], [0.1, 0.2, np.inf, np.inf]) == [(1, 1), (2, 2), (3, 4), (3, 4)]
    assert ranks([], [np.inf, np.inf]) == [(1, 2), (1, 2)]


def errors_of(skills: Float64, units: int, sets: int, population: str) -> tuple[int, float]:
    """In how many test sets equal methods are called different, and the part of the unequal pairs that are found."""
    what = {**populations(), "films": films(), "one long film": one_long_film()}[population]
    false, power = 0, 0.0
    for seed in range(sets):
        runs = what.methods(np.random.default_rng(100 + seed), units, skills.tolist())
        found = Paired(what.metric, what.info, what.score, runs, resamples=50).tested()
        equal = [skills[each.a] == skills[each.b] for each in found]
        hits = [each.significant for each in found]
        false += any(hit for hit, same in zip(hits, equal, strict=True) if same)
        unequal = [float(hit) for hit, same in zip(hits, equal, strict=True) if not same]
        power += float(np.mean(unequal or [0.0])) / sets
    return false, power


def test_a_t_test_of_groups_of_unlike_sizes_is_that_of_groups_which_err_alike() -> None:
    """Drawn here anew: 6 films of 60 frames, whose differences come from one normal distribution."""
    random = np.random.default_rng(3)
    truths = [random.integers(0, 3, (10, 10)) for _ in range(60)]
    for sizes in ([40, 4, 4, 4, 4, 4], [10] * 6, [55, 1, 1, 1, 1, 1]):
        groups = [f"film{k}" for k, frames in enumerate(sizes) for _ in range(frames)]
        runs = tuple(tuple(measured(noisy(truths, e, k), truths, groups)) for k, e in enumerate((0.05, 0.6)))
        both = Paired(METRIC, INFO, MIOU, runs, resamples=100)
        t = abs(both.values[0] - both.values[1]) / both.noise(0, 1).error
        weights = both.sizes(0, 1) / both.sizes(0, 1).sum()
        assert weights == pytest.approx(np.array(sizes) / 60, abs=0.01)  # by what is summed, not by frames
        films = random.normal(size=(200_000, 6))
        means = films @ weights
        without = (means[:, None] - films * weights) / (1 - weights)
        errors = np.sqrt(5 / 6 * ((without - without.mean(axis=1, keepdims=True)) ** 2).sum(axis=1))
        drawn = float(np.mean(np.abs(means) >= t * errors))
        if drawn > 1e-3:
            assert both.p_value(0, 1) == pytest.approx(min(1 / 32, drawn), rel=0.1)
        elif len(set(sizes)) == 1:
            assert both.p_value(0, 1) == pytest.approx(2 * student_t.sf(t, 5), rel=1e-9)
        else:
            assert 0 < both.p_value(0, 1) < 1e-3


def test_near_copies_cost_the_other_methods_nothing_where_pairs_are_tested_together_by_swaps() -> None:
    """Copies that differ in a few pixels of one sample: two of five methods are there twice."""
    random = np.random.default_rng(5)
    truths = [random.integers(0, 3, (10, 10)) for _ in range(10)]
    found = [noisy(truths, 0.1 + 0.03 * k, k) for k in range(5)]
    copies = [[np.where(np.arange(100).reshape(10, 10) < 3, 0, one[0]), *one[1:]] for one in found[:2]]
    runs = [tuple(measured(each, truths, ["one"] * 10)) for each in (*found, *copies)]
    alone, beside = (Paired(METRIC, INFO, MIOU, tuple(of), resamples=100).tested() for of in (runs[:5], runs))
    assert alone[0].p_adjusted < 1  # they are told apart to some degree
    p_beside = {(each.a, each.b): each.p_adjusted for each in beside}
    for each in alone:
        assert each.p_adjusted <= p_beside[each.a, each.b] <= each.p_adjusted + 0.02


@pytest.mark.slow
def test_one_long_film_tells_no_equal_methods_apart() -> None:
    """Of 12 equal methods on 6 films, t tests with 5 degrees of freedom told some apart in 14 of 60 such test sets."""
    false, _ = errors_of(np.zeros(12), 6, 40, "one long film")
    assert false <= 4


@pytest.mark.slow
def test_equal_methods_are_rarely_told_apart_among_many() -> None:
    """A short form of tests/simulation/ranks.py: at most 5 % of test sets hold a false difference."""
    false, _ = errors_of(np.zeros(6), 8, 60, "films")
    assert false <= 8  # 3 expected at most; 9 or more have a probability below 0.5 %
    false, power = errors_of(np.array([0.0, 0.0, -0.3, -0.32, -0.34, -0.36]), 8, 30, "mean Dice")
    assert false <= 5
    assert power > 0.3


def made_up_sums(seed: int, units: int = 40, quotients: int = 5) -> tuple[Float64, list[tuple[int, int]]]:
    """Terms of runs of which some classes have no pixels in most units, two runs alike, and one without any."""
    random = np.random.default_rng(seed)
    below = random.integers(1, 50, (1, units, quotients)) * (random.random((6, units, quotients)) < 0.7)
    below[:, :, 1] *= random.random((6, units)) < 0.02
    below[:, :, 2] = 0
    terms = np.concatenate([random.binomial(below, 0.6), below], axis=2).astype(np.float64)
    terms[3], terms[5] = terms[2], 0
    return terms, list(itertools.combinations(range(6), 2))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("quotients", [1, 4, 5])
def test_differences_are_those_of_the_score_of_either_side(engine: str, quotients: int) -> None:
    terms, pairs = made_up_sums(quotients, quotients=quotients) if quotients > 2 else made_up_sums(1)
    if quotients == 1:
        terms = terms[:, :, [0, 5]]
    for rows in (1, 16, 37):
        patterns = np.concatenate(list(swap_patterns(40, rows, rows, seed=rows)))
        with using(engine):
            found = PairedSums.of(terms, mean_of_quotients, pairs, 20_000).under(patterns).of(np.arange(len(pairs)))
        kept = (patterns > 0).astype(np.float64)
        for row, (a, b) in enumerate(pairs):
            one, other = kept @ terms[a] + (1 - kept) @ terms[b], kept @ terms[b] + (1 - kept) @ terms[a]
            expected = mean_of_quotients(one) - mean_of_quotients(other)
            assert np.allclose(found.apart[row], expected, rtol=1e-12, atol=1e-13, equal_nan=True)
        assert found.apart[pairs.index((2, 3))].tolist() == [0.0] * len(patterns)


def _under_all(sums: PairedSums, units: int, swaps: int, rows: int = 150) -> Iterator[SwappedSums]:
    return map(sums.under, swap_patterns(units, swaps, rows, seed=1))


@pytest.mark.parametrize("seed", range(4))
def test_how_many_patterns_are_enumerated_at_once_changes_nothing(seed: int) -> None:
    """Nor does their order: all of them say what swaps do to a pair, not the first ones alone."""
    units, (terms, pairs) = 9, made_up_sums(seed, 9)
    sums = PairedSums.of(terms, mean_of_quotients, pairs, 20_000)
    observed = sums.under(np.ones((1, units))).of(np.arange(len(pairs)))
    found = [
        chance_of(observed, partial(_under_all, sums, units, 2 ** (units - 1), rows), holds_observed=True)
        for rows in (16, 100, 1024)
    ]
    for each in found:
        assert repr((each.p.tolist(), each.adjusted.tolist())) == repr(
            (found[0].p.tolist(), found[0].adjusted.tolist())
        )


@pytest.mark.parametrize("units", [6, 20, 60])
@pytest.mark.parametrize("seed", range(4))
def test_p_values_are_the_same_with_the_compiled_part_and_without(units: int, seed: int) -> None:
    """To the last bit: what is as extreme leaves room for rounding, also where nearly every pattern is a tie."""
    terms, pairs = made_up_sums(seed, units)
    if seed == 3:
        terms[:, units // 4 :] = terms[:1, units // 4 :]
    swaps = 2000 if units > MAX_ENUMERATED else 2 ** (units - 1)
    found = []
    for engine in ENGINES:
        with using(engine):
            sums = PairedSums.of(terms, mean_of_quotients, pairs, 20_000)
            observed = sums.under(np.ones((1, units))).of(np.arange(len(pairs)))
            chunks = partial(_under_all, sums, units, swaps)
            all_pairs = chance_of(observed, chunks, holds_observed=units <= MAX_ENUMERATED)
            found.append([each.tolist() for each in (all_pairs.p, all_pairs.adjusted, all_pairs.alone)])
    assert all(repr(each) == repr(found[0]) for each in found)
    assert np.isnan(found[0][0]).tolist() == [not terms[list(pair)].any(axis=(1, 2)).all() for pair in pairs]


def test_kept_differences_are_counted_as_computed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = paired([0.1, 0.15, 0.2, 0.2], n=30)
    kept = comparison.tested()
    monkeypatch.setattr(chance, "_MAX_KEPT", 0)
    monkeypatch.setattr(chance, "MAX_IN_CACHE", 3000)
    assert repr(comparison.tested()) == repr(kept)


@pytest.mark.skipif(not COMPILED, reason="segbench._native is not built here")
def test_the_compiled_part_takes_no_sums_that_do_not_fit_together() -> None:
    from segbench import _native  # type: ignore[attr-defined]

    def call(**changed: Any) -> Any:
        given: dict[str, Any] = {
            **{"runs": 2, "quotients": 3, "rows": 5, "moved": np.zeros((2, 6, 5)), "halves": np.ones((2, 6))},
            **{"first": np.array([0]), "second": np.array([1]), "nearby": np.array([0])},
        }
        results = {"apart": np.zeros((1, 5))}
        counting = {"order": np.array([0]), "size": np.ones(1), "least": np.ones(1), "least_measured": np.ones(1)}
        counts = {name: np.zeros(1, np.int64) for name in ("reached", "largest", "known")}
        function = _native.quotient_differences if set(changed) & set(results) else _native.tally_quotients
        takes = given | (results if set(changed) & set(results) else counting | counts)
        return function(*(takes | changed).values())

    assert call() is call(apart=np.zeros((1, 5))) is None
    wrong: list[dict[str, Any]] = [
        *({"runs": count} for count in (0, -1, 1, 3, 2**40)),
        *({"quotients": count} for count in (0, -3, 2, 2**61)),
        *({"rows": count} for count in (0, 4, 2**62)),
        *({name: np.array([place])} for name in ("first", "second") for place in (-1, 2, 2**62)),
        *({name: np.array([place])} for name in ("nearby", "order") for place in (-1, 1)),
        *({name: np.zeros(2)} for name in ("size", "least", "least_measured", "reached", "largest", "known")),
        {"moved": np.frombuffer(bytes(2 * 6 * 5 * 8 + 1), np.uint8)[1:]},
        {"halves": np.zeros((2, 5))},
        {"apart": np.zeros((1, 4))},
        {"apart": np.zeros((2, 5))},
    ]
    for each in wrong:
        with pytest.raises(ValueError, match="do not fit together"):
            call(**each)
    for readonly in ({"apart": bytes(40)}, {"known": bytes(8)}, {"moved": np.zeros((2, 6, 10))[..., ::2]}):
        with pytest.raises((TypeError, BufferError, ValueError)):
            call(**readonly)
