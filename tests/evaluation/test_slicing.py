"""Slices: how numbers and texts are cut, the gaps by hand, and that p is honest where nothing but chance is at work."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from null_slices import KINDS, called, slices
from populations import films, populations

from segbench.evaluation.comparison import ALPHA
from segbench.evaluation.resampling import Units
from segbench.evaluation.slicing import Slice, SlicedScores, permuted_unit, slices_of

MIOU = populations()["pooled mIoU"]


def _sizes(slices: list[Slice]) -> dict[str, int]:
    return {each.name: int(each.member.sum()) for each in slices}


def test_texts_are_slices_and_a_missing_value_is_one_that_is_not_tested() -> None:
    found = slices_of("stain", ["b", " a ", "", None, "b", "10"], 4)
    assert _sizes(found) == {"10": 1, "a": 1, "b": 2, "no value": 2}
    assert [each.tested for each in found] == [True, True, True, False]


def test_a_slice_of_a_text_holds_the_samples_that_have_it() -> None:
    texts = [f"t{n * 7 % 5}" for n in range(40)]
    found = slices_of("stain", texts, 4)
    assert [each.name for each in found] == ["t0", "t1", "t2", "t3", "t4"]
    assert all(each.member.tolist() == [text == each.name for text in texts] for each in found)


def test_few_numbers_are_slices_of_their_own_and_many_are_cut_at_quantiles() -> None:
    assert _sizes(slices_of("z", ["3", "1", "1", "2.0", "2"], 4)) == {"1": 2, "2": 2, "3": 1}
    written = ["NA", "1", "nan", "-", "2", "n/a", " null "]
    assert _sizes(slices_of("age", written, 4)) == {"1": 1, "2": 1, "no value": 5}
    # Where values are texts these are too: a stain may be called NA.
    assert _sizes(slices_of("stain", ["NA", "HE", "None"], 4)) == {"HE": 1, "NA": 1, "None": 1}
    assert _sizes(slices_of("stain", ["NA", ""], 4)) == {"NA": 1, "no value": 1}
    found = slices_of("age", [float(n) for n in range(20)], 4)
    assert _sizes(found) == {"0 to 4": 5, "5 to 9": 5, "10 to 14": 5, "15 to 19": 5}
    assert [each.between for each in found] == [(0, 4), (5, 9), (10, 14), (15, 19)]
    same = slices_of("age", [0.0] * 14 + [float(n) for n in range(1, 8)], 4)
    assert _sizes(same) == {"0 to 0": 14, "1 to 2": 2, "3 to 7": 5}  # equal numbers stay together
    assert sum(each.member.sum() for each in same) == 21


@pytest.mark.parametrize(
    "names", [("1_00", "1_01", "1_02"), ("12", "1_2"), ("07", "7"), ("1e2", "100"), ("1234567", "1234568")]
)
def test_names_that_python_reads_as_numbers_stay_apart(names: tuple[str, ...]) -> None:
    values = [name for name in names for _ in range(6)]
    assert _sizes(slices_of("site", values, 4)) == dict.fromkeys(names, 6)


@pytest.mark.parametrize("texts", [("0.5", "1e-05", "-3", "+2.", ".25", "12", "1.5e+06")])
def test_numbers_as_tables_write_them_are_numbers(texts: tuple[str, ...]) -> None:
    found = slices_of("blur", list(texts), 2)
    assert len(found) == 2
    assert all(each.between is not None for each in found)


def test_numbers_that_are_no_numbers_are_missing() -> None:
    found = slices_of("age", [math.nan, 1.0, 2.0, None], 4)
    assert _sizes(found) == {"1": 1, "2": 1, "no value": 2}


def _sliced(units: int = 30, worse: float = 0.0, permutations: int = 500) -> SlicedScores:
    random = np.random.default_rng(5)
    good, bad = MIOU.methods(random, units, (0.1, 0.1 - worse))
    member = np.arange(units) % 3 == 0
    run = tuple(b if inside else a for a, b, inside in zip(good, bad, member.tolist(), strict=True))
    slices = (
        Slice("third", "yes", member),
        Slice("third", "no", ~member),
        Slice("half", "first", np.arange(units) < units // 2),
    )
    return SlicedScores(MIOU.metric, MIOU.info, MIOU.score, (run,), slices, permutations)


def test_scores_and_gaps_are_those_of_the_samples_alone() -> None:
    sliced = _sliced(worse=0.3)
    found = sliced.scores()
    for each, (one,) in zip(sliced.slices, found, strict=True):
        parts = [
            [s for s, m in zip(sliced.runs[0], each.member, strict=True) if m == wanted] for wanted in (True, False)
        ]
        value, rest = (MIOU.metric.compute(part, MIOU.info)[MIOU.score.name] for part in parts)
        assert (one.value, one.rest) == (value, rest)
        assert one.gap == value - rest
        assert one.low < value < one.high
    yes, no, half = (scores[0] for scores in found)
    assert yes.gap == -no.gap < 0
    assert yes.p_adjusted == no.p_adjusted < 0.01
    assert yes.significant
    assert half.p_adjusted > 0.05


def test_p_is_the_part_of_permutations_by_hand() -> None:
    sliced = _sliced(units=12, worse=0.1, permutations=300)
    orders = np.concatenate(list(sliced._orders_of("samples", 0)))
    assert orders.shape == (300, 12)
    assert (np.sort(orders, axis=1) == np.arange(12)).all()
    run = sliced.runs[0]

    def gap(member: object) -> float:
        inside = np.asarray(member, bool)
        parts = ([s for s, m in zip(run, inside, strict=True) if m == wanted] for wanted in (True, False))
        one, other = (MIOU.metric.compute(part, MIOU.info)[MIOU.score.name] for part in parts)
        return one - other

    every = [np.arange(12), *orders]
    gaps = np.array([[gap(each.member[order]) for order in every] for each in sliced.slices])
    gaps -= gaps.mean(axis=1, keepdims=True)
    apart = np.abs(gaps) / np.sqrt((gaps**2).mean(axis=1, keepdims=True))
    seen = apart[:, 0]
    single = (apart >= seen[:, None] * (1 - 1e-9)).mean(axis=1)
    p, adjusted = (column[:, 0] for column in sliced.chances())
    assert p.tolist() == pytest.approx(single.tolist(), abs=1e-12)
    most = int(np.argmax(seen))
    largest = (apart.max(axis=0) >= seen[most] * (1 - 1e-9)).mean()
    assert adjusted[most] == pytest.approx(max(largest, p[most]), abs=1e-12)
    assert (adjusted >= p).all()


def test_what_is_not_tested_has_no_p() -> None:
    sliced = _sliced()
    everything = Slice("all", "x", np.ones(30, bool))
    shown = Slice("third", "no value", np.arange(30) == 4, tested=False)
    p, adjusted = replace(sliced, slices=(everything, *sliced.slices, shown)).chances()
    assert np.isnan(p[[0, -1]]).all()
    assert np.isnan(adjusted[[0, -1]]).all()
    assert not np.isnan(p[1:-1]).any()


def test_groups_are_permuted_whole_where_the_property_is_theirs() -> None:
    films_of_four = Units.of_groups([f"film {k // 4}" for k in range(24)])
    of_films = slices_of("camera", [("a", "b")[k // 4 % 2] for k in range(24)], 4)
    of_frames = slices_of("frame", [("a", "b")[k % 2] for k in range(24)], 4)
    assert permuted_unit(of_films, films_of_four) == "groups"
    assert permuted_unit([*of_films, *of_frames], films_of_four) == "samples within groups"
    assert permuted_unit(of_frames, Units.of_groups(["one"] * 24)) == "samples"
    run = films().methods(np.random.default_rng(1), 8, (0.0,))[0]
    own = [s.group for s in run]
    random = np.random.default_rng(2)
    inside = SlicedScores(
        films().metric,
        films().info,
        films().score,
        (run,),
        tuple(slices_of("f", random.random(len(run)).tolist(), 3)),
        50,
    )
    assert inside.permuted == {"f": "samples within groups"}
    for orders in inside._orders_of("samples within groups", 0):
        assert all([own[k] for k in row] == own for row in orders.tolist())
    of_group = tuple(slices_of("c", [str(int(group[4:]) % 2) for group in own], 4))
    whole = replace(inside, slices=of_group)
    assert whole.permuted == {"c": "groups"}
    for orders in whole._orders_of("groups", 0):
        for row in orders.tolist():
            taken = {group: {own[k] for k, g in zip(row, own, strict=True) if g == group} for group in set(own)}
            assert all(len(each) == 1 for each in taken.values())
            assert len({next(iter(each)) for each in taken.values()}) == len(taken)


def test_properties_are_permuted_each_by_itself() -> None:
    """Beside a property that varies within groups, one of whole groups has the p value that it has alone."""
    run = films().methods(np.random.default_rng(1), 8, (0.0,))[0]
    own = [s.group for s in run]
    of_groups = slices_of("camera", [str(int(group[4:]) % 2) for group in own], 4)
    of_samples = slices_of("shade", np.random.default_rng(2).random(len(run)).tolist(), 3)
    about = (films().metric, films().info, films().score, (run,))
    both = SlicedScores(*about, (*of_groups, *of_samples), 200)
    assert both.permuted == {"camera": "groups", "shade": "samples within groups"}
    p, adjusted = both.chances()
    alone, _ = SlicedScores(*about, tuple(of_groups), 200).chances()
    np.testing.assert_array_equal(p[: len(of_groups)], alone)
    assert (adjusted >= p).all()


@pytest.mark.slow
def test_p_is_honest_where_properties_are_permuted_in_different_ways() -> None:
    """Of 300 test sets at most 5 % are meant; 24 or more would come by chance once in 100 times."""
    population, wrong = films(), 0
    for seed in range(300):
        random = np.random.default_rng(80_000 + seed)
        runs = population.methods(random, 12, (0.0,))
        groups = [s.group for s in runs[0]]
        found = (*slices("of whole groups", random, groups), *slices("numbers", random, groups))
        sliced = SlicedScores(population.metric, population.info, population.score, runs, found, 199, seed)
        assert len(set(sliced.permuted.values())) == 2
        wrong += bool((sliced.chances()[1] < ALPHA).any())
    assert wrong < 24


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_p_is_honest_where_nothing_but_chance_is_at_work(kind: str) -> None:
    """Of 300 test sets at most 5 % are meant; 24 or more would come by chance once in 100 times."""
    population = films() if kind == "of whole groups" else MIOU
    units = 12 if kind == "of whole groups" else 24
    assert sum(called(population, kind, units, seed, 199, (0.0,)) for seed in range(300)) < 24


@pytest.mark.parametrize(
    ("groups", "slices", "ways"),
    [
        (["one"] * 8, [[0, 1]], 28),
        (["one"] * 8, [[0], [1, 2]], 28),
        (list("aabbccddee"), [[0, 1, 2, 3]], 10),  # two of five films
        (list("aabbccddee"), [[0, 2]], 4),  # one frame of each of two films
        (["one"] * 30, [list(range(15))], 2001),  # no more than permutations are drawn
    ],
)
def test_no_permutation_gives_a_smaller_p_than_there_are_ways(
    groups: list[str], slices: list[list[int]], ways: int
) -> None:
    run = tuple(
        replace(each, group=group)
        for each, group in zip(MIOU.draw(np.random.default_rng(0), len(groups)), groups, strict=True)
    )
    members = [np.isin(np.arange(len(groups)), places) for places in slices]
    parts = tuple(Slice("by", str(k), member) for k, member in enumerate(members))
    sliced = SlicedScores(MIOU.metric, MIOU.info, MIOU.score, (run,), parts)
    assert sliced.smallest_p == pytest.approx(1 / ways)
    p, adjusted = sliced.chances()
    assert min(p.min(), adjusted.min()) >= 1 / ways * 0.75
