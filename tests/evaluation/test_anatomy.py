"""Causes of wrong pixels by drawn examples, and points that add up to the whole loss."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from segbench.datasets.voc2012 import VOC2012
from segbench.evaluation.anatomy import (
    CAUSES,
    agreed_against_truth,
    anatomy_statistic,
    causes,
    object_labels,
)
from segbench.evaluation.error_points import anatomy, points_differences
from segbench.evaluation.evaluator import Evaluator
from segbench.metrics.overlap import BinaryOverlap, Overlap, VOC2012Overlap
from segbench.types import Array, Metric, Statistic

BINARY = Evaluator(num_classes=1).info
MANY = Evaluator(classes=["background", "car", "tree", "cat"], ignore_index=255).info
NAMES = ("right", *CAUSES)


def _blank(*boxes: tuple[int, int, int, int, int]) -> Array:
    """A map of 60 x 80 with boxes (label, top, left, height, width)."""
    labels = np.zeros((60, 80), np.uint8)
    for label, top, left, height, width in boxes:
        labels[top : top + height, left : left + width] = label
    return labels


def _found(truth: Array, predicted: Array, info: object = MANY) -> dict[str, int]:
    found = causes(truth, predicted, info)  # type: ignore[arg-type]
    assert ((found > 0) == ((truth != predicted) & (truth != 255))).all()
    values, pixels = np.unique(found, return_counts=True)
    return {NAMES[value]: int(n) for value, n in zip(values.tolist(), pixels.tolist(), strict=True) if value}


def test_nothing_is_wrong_with_the_truth() -> None:
    truth = _blank((1, 5, 5, 20, 20))
    assert _found(truth, truth) == {}


def test_a_missed_and_an_invented_object() -> None:
    there, nowhere = _blank((1, 10, 10, 20, 20)), _blank()
    assert _found(there, nowhere) == {"missed": 400}
    assert _found(nowhere, there) == {"invented": 400}
    hint = _blank((1, 10, 10, 1, 20))  # a twentieth of it is found
    assert _found(there, hint) == {"missed": 380}
    more = _blank((1, 10, 10, 2, 20))  # a tenth: found, and most of it is too little
    assert set(_found(there, more)) == {"boundary", "extent"}


def test_a_border_that_lies_elsewhere_is_a_boundary_within_reach() -> None:
    truth = _blank((1, 10, 10, 20, 20))
    assert _found(truth, _blank((1, 7, 10, 23, 20))) == {"boundary": 60}
    assert _found(truth, _blank((1, 6, 10, 24, 20))) == {"boundary": 60, "extent": 20}
    assert _found(truth, _blank((1, 13, 10, 17, 20))) == {"boundary": 60}
    assert _found(truth, _blank((1, 6, 10, 24, 20)), MANY) == _found(truth > 0, _blank((1, 6, 10, 24, 20)) > 0, BINARY)


def test_another_class_is_confused_and_at_the_border_of_both_a_boundary() -> None:
    truth = _blank((1, 10, 10, 20, 20))
    assert _found(truth, _blank((2, 10, 10, 20, 20))) == {"confused": 400}
    both = _blank((1, 10, 10, 20, 20), (2, 10, 30, 20, 20))
    shifted = _blank((1, 10, 10, 20, 25), (2, 10, 35, 20, 15))
    assert _found(both, shifted) == {"boundary": 60, "confused": 40}


def test_two_objects_that_are_held_together_are_merged() -> None:
    truth = _blank((1, 10, 10, 20, 20), (1, 10, 33, 20, 20))
    together = _blank((1, 10, 10, 20, 43))
    assert _found(truth, together) == {"merged": 60}
    far = _blank((1, 10, 10, 20, 20), (1, 10, 55, 20, 20))
    found = _found(far, _blank((1, 10, 10, 20, 65)))  # nowhere in reach of both
    assert set(found) == {"boundary", "extent"}
    assert _found(truth, _blank((1, 10, 10, 20, 20), (1, 10, 33, 20, 20), (1, 7, 10, 3, 20))) == {"boundary": 60}


def test_an_object_of_several_predicted_ones_is_split() -> None:
    whole = _blank((1, 10, 10, 20, 43))
    parts = _blank((1, 10, 10, 20, 20), (1, 10, 33, 20, 20))
    assert _found(whole, parts) == {"split": 60}
    crumb = _blank((1, 10, 10, 20, 40), (1, 29, 52, 1, 1))  # less than a tenth of it is no part
    assert "split" not in _found(whole, crumb)


def test_void_counts_nowhere() -> None:
    truth = _blank((1, 10, 10, 20, 20), (255, 40, 0, 20, 80))
    predicted = _blank((1, 10, 10, 20, 20), (2, 40, 0, 20, 80))
    assert _found(truth, predicted) == {}


def test_what_objects_are() -> None:
    assert object_labels(BINARY) == (1,)
    assert object_labels(MANY) == (1, 2, 3)
    assert object_labels(VOC2012.info) == tuple(range(1, 21))


def _pictures(seed: int, classes: int, count: int = 5) -> list[tuple[Array, Array]]:
    """Maps of boxes, and copies with boxes shifted, gone, of other classes, and new ones."""
    random = np.random.default_rng(seed)

    def box(label: int) -> tuple[int, int, int, int, int]:
        top, left, height, width = random.integers(0, (40, 50, 25, 25), 4).tolist()
        return label, top, left, height + 3, width + 3

    pictures = []
    for _ in range(count):
        boxes = [box(int(random.integers(1, classes))) for _ in range(5)]
        moved = [
            (int(random.integers(1, classes)) if random.random() < 0.3 else b[0], max(0, b[1] + 2), b[2], b[3], b[4])
            for b in boxes
            if random.random() < 0.8
        ]
        pictures.append((_blank(*boxes), _blank(*moved, box(int(random.integers(1, classes))))))
    return pictures


def _statistics(pictures: list[tuple[Array, Array]], info: object) -> list[Statistic]:
    return [anatomy_statistic(f"{n}", *pair, info) for n, pair in enumerate(pictures)]  # type: ignore[arg-type]


CASES = [
    (Overlap(), MANY, "miou", 4),
    (Overlap(), MANY, "dice_per_image", 4),
    (VOC2012Overlap(), VOC2012.info, "miou_defined", 6),
    (BinaryOverlap(), BINARY, "dice", 2),
    (BinaryOverlap(), BINARY, "dice_per_image", 2),
]


@pytest.mark.parametrize(("metric", "info", "score", "classes"), CASES)
@pytest.mark.parametrize("seed", range(2))
def test_points_add_up_to_the_whole_loss(metric: Metric, info: object, score: str, classes: int, seed: int) -> None:
    found = anatomy(metric, info, score, _statistics(_pictures(seed, classes), info))  # type: ignore[arg-type]
    assert found.loss == pytest.approx(100 * (1 - found.value), abs=1e-9)
    assert found.loss > 5
    assert math.fsum(found.points.values()) == pytest.approx(found.loss, abs=1e-10)
    assert tuple(found.points) == tuple(CAUSES)
    assert all(points == 0 for name, points in found.points.items() if not found.pixels[name])


def test_points_are_the_mean_gain_over_all_orders_by_hand() -> None:
    pictures = _pictures(3, 4, 3)
    statistics = _statistics(pictures, MANY)
    found = anatomy(Overlap(), MANY, "miou", statistics)
    evaluated = Evaluator(classes=["background", "car", "tree", "cat"], ignore_index=255)

    def score(mended: tuple[str, ...]) -> float:
        evaluated.reset()
        for n, (truth, predicted) in enumerate(pictures):
            right = np.isin(causes(truth, predicted, MANY), [NAMES.index(name) for name in mended])
            evaluated.update(np.where(right, truth, predicted), truth, str(n))
        return evaluated.compute()["miou"]

    names = [name for name in CAUSES if found.pixels[name]]
    gains = dict.fromkeys(names, 0.0)
    orders = list(itertools.permutations(names))
    known = {tuple(sorted(c)): score(c) for k in range(len(names) + 1) for c in itertools.combinations(names, k)}
    for order in orders:
        for place, name in enumerate(order):
            gains[name] += known[tuple(sorted(order[: place + 1]))] - known[tuple(sorted(order[:place]))]
    assert len(names) >= 4
    for name in names:
        assert found.points[name] == pytest.approx(100 * gains[name] / len(orders), abs=1e-9)
    assert found.value == known[()]


def pixels_of(statistic: Statistic) -> Array:
    """Its scored pixels by (cause, truth, prediction); those of several samples are their sum."""
    found = np.zeros((8, 4, 4))
    truth, predicted, cause, pixels = (statistic.columns[c] for c in ("truth", "prediction", "cause", "pixels"))
    kept = truth != 255
    np.add.at(found, (cause[kept], truth[kept], predicted[kept]), pixels[kept])
    return found


@cache
def orders_of(count: int) -> Array:
    """Every order in which so many causes can be mended (orders, count)."""
    return np.array(list(itertools.permutations(range(count))))


def by_order(pixels: Array) -> Array:
    """Points of mIoU of every cause, and the whole loss: the mean gain over all orders of mending."""
    there = [place for place in range(1, 8) if pixels[place].any()]
    right = np.array([np.diag(each.sum(1)) for each in pixels])
    mended = (np.arange(1 << len(there))[:, None] >> np.arange(len(there)) & 1).astype(float)
    matrices = pixels.sum(0) + np.tensordot(mended, (right - pixels)[there], 1)
    hits = matrices.diagonal(axis1=1, axis2=2)
    union = matrices.sum(1) + matrices.sum(2) - hits
    known = 100 * np.nanmean(np.divide(hits, union, out=np.full(union.shape, np.nan), where=union > 0), axis=1)
    orders = orders_of(len(there))
    after = np.cumsum(1 << orders, axis=1)
    gains = known[after] - known[after - (1 << orders)]
    points = np.zeros(8)
    for bit, place in enumerate(there):
        points[place - 1] = gains[orders == bit].mean()
    points[7] = known[-1] - known[0]
    return points


def _two_runs(count: int) -> list[list[Statistic]]:
    """Statistics of two runs on the same pictures: the second moves every box by one more pixel."""
    pictures = _pictures(11, 4, count)
    worse = [(truth, np.roll(found, (3, 2), (0, 1))) for truth, found in pictures]
    return [_statistics(each, MANY) for each in (pictures, worse)]


def test_intervals_are_made_of_a_plain_bootstrap() -> None:
    """Samples drawn one by one and divided afresh give the spread of the draws that intervals are made of."""
    runs = _two_runs(40)
    found = [anatomy(Overlap(), MANY, "miou", each) for each in runs]
    random = np.random.default_rng(5)
    pixels = [np.array([pixels_of(each) for each in run]) for run in runs]
    draws = []
    for _ in range(400):
        chosen = random.integers(0, 40, 40)
        draws.append([by_order(run[chosen].sum(0)) for run in pixels])
    both: Array = np.array(draws)  # (draws, runs, causes and all)
    apart = points_differences(*found)
    assert list(apart) == [*CAUSES, "all"]
    whole = [by_order(run.sum(0)) for run in pixels]
    for place, name in enumerate((*CAUSES, "all")):
        sides = []
        for run, each in enumerate(found):
            points, ends = each.points.get(name, each.loss), each.intervals.get(name, each.loss_interval)
            assert points == pytest.approx(whole[run][place], abs=1e-9)
            assert each.resampled is not None
            sides.append(each.resampled.draws[place])
            _alike(sides[-1], both[:, run, place], points, ends)
        _alike(sides[1] - sides[0], both[:, 1, place] - both[:, 0, place], apart[name].points, apart[name].interval)
    # Paired: the same pictures are hard for both, so the difference is known better than of runs on different ones.
    width = apart["all"].interval[1] - apart["all"].interval[0]
    assert width < 0.8 * math.hypot(*(each.loss_interval[1] - each.loss_interval[0] for each in found))


def _alike(ours: Array, plain: Array, points: float, ends: tuple[float, float]) -> None:
    """Draws spread and lie as plain ones do; the interval holds its value and is wider by what 40 samples ask for."""
    spread = float(plain.std())
    assert float(ours.std()) == pytest.approx(spread, rel=0.2)
    assert float(np.median(ours)) == pytest.approx(float(np.median(plain)), abs=0.3 * spread)
    low, high = np.quantile(ours, [0.025, 0.975])
    assert ends[0] <= points <= ends[1]
    assert 0.9 * (high - low) <= ends[1] - ends[0] <= 1.7 * (high - low)


@pytest.mark.parametrize(("metric", "info", "score", "classes"), CASES)
def test_parts_of_every_draw_add_up(metric: Metric, info: object, score: str, classes: int) -> None:
    found = anatomy(metric, info, score, _statistics(_pictures(4, classes, 8), info))  # type: ignore[arg-type]
    assert found.resampled is not None
    for each in (found.resampled.draws, found.resampled.without):
        assert np.allclose(each[:-1].sum(0), each[-1], atol=1e-9)
    assert 0 <= found.loss_interval[0] < found.loss < found.loss_interval[1] <= 100
    for name, (low, high) in found.intervals.items():
        if found.pixels[name]:
            assert low <= found.points[name] <= high
        else:
            assert math.isnan(low)


def test_groups_are_drawn_whole() -> None:
    pictures = _pictures(6, 4, 12)
    alone = anatomy(Overlap(), MANY, "miou", _statistics(pictures, MANY))
    twice = [
        anatomy_statistic(f"{n}-{copy}", *pair, MANY, group=f"film {n}")
        for n, pair in enumerate(pictures)
        for copy in range(4)
    ]
    grouped = anatomy(Overlap(), MANY, "miou", twice)
    split = anatomy(Overlap(), MANY, "miou", [replace(each, group=each.sample_id) for each in twice])
    for name in CAUSES:
        assert grouped.points[name] == pytest.approx(alone.points[name], abs=1e-9)
    widths = [np.diff(each.loss_interval)[0] for each in (alone, grouped, split)]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)  # four copies of a picture say no more than one
    assert widths[2] < 0.7 * widths[0]


def test_one_sample_has_no_interval() -> None:
    found = anatomy(Overlap(), MANY, "miou", _statistics(_pictures(1, 4, 1), MANY))
    assert math.isnan(found.loss_interval[0])
    assert all(math.isnan(low) for low, _ in found.intervals.values())
    assert math.isnan(points_differences(found, found)["all"].interval[0])


def test_causes_of_more_pixels_do_not_depend_on_the_class_numbers() -> None:
    for truth, predicted in _pictures(5, 4):
        one, other = (np.array([0, 3, 1, 2], np.uint8)[labels] for labels in (truth, predicted))
        assert np.array_equal(causes(truth, predicted, MANY), causes(one, other, MANY))


def test_where_all_agree_against_the_label() -> None:
    truth = _blank((1, 10, 10, 20, 20))
    other = _blank((1, 10, 10, 20, 20), (2, 40, 40, 10, 10))
    wider = replace_pixels(other, (1, 8, 10, 2, 20))
    assert not agreed_against_truth(truth, [truth, other], MANY).any()
    assert agreed_against_truth(truth, [other, wider], MANY).sum() == 100
    void = replace_pixels(truth, (255, 40, 40, 10, 5))
    assert agreed_against_truth(void, [other, wider], MANY).sum() == 50


def replace_pixels(labels: Array, box: tuple[int, int, int, int, int]) -> Array:
    label, top, left, height, width = box
    changed = labels.copy()
    changed[top : top + height, left : left + width] = label
    return changed


def test_laws_of_statistics() -> None:
    (statistic,) = _statistics(_pictures(1, 4, 1), MANY)
    truth, predicted = _pictures(1, 4, 1)[0]
    assert statistic.columns["pixels"].sum() == truth.size
    wrong = statistic.columns["cause"] > 0
    assert statistic.columns["pixels"][wrong].sum() == (truth != predicted).sum()
    assert (statistic.columns["truth"][wrong] != statistic.columns["prediction"][wrong]).all()
