"""Errors of Betti numbers: against counting by flood fill, scikit-image's Euler number, and by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import euler_number

from segbench.datasets.folder import Folder
from segbench.evaluation.comparison import Paired
from segbench.metrics.topology import PATCH_PX, Topology, betti_numbers, patch_errors
from segbench.registry import dataset_class
from segbench.testing import check_metric
from segbench.types import Array, ClassInfo, DatasetInfo, Prediction, Sample, Statistic, UserError

METRIC = Topology()
BINARY = replace(dataset_class("medaka").info, ignore_label=255)
CLASSES = (
    ClassInfo(0, "background", (0, 0, 0), "background"),
    ClassInfo(4, "artery", (255, 0, 0)),
    ClassInfo(2, "vein", (0, 255, 0)),
    ClassInfo(9, "never", (0, 0, 255)),
)
MANY = replace(Folder.info, classes=CLASSES, ignore_label=255)
SIDES = ((0, 1), (1, 0), (0, -1), (-1, 0))
CORNERS = ((1, 1), (1, -1), (-1, 1), (-1, -1))
Pair = tuple[Array, Array]


def measured(pairs: Sequence[Pair], info: DatasetInfo = BINARY) -> list[Statistic]:
    return [
        METRIC.measure(Sample(f"s{n:03}", f"g{n % 5}", n, labels=truth), Prediction(labels=found), info)
        for n, (truth, found) in enumerate(pairs)
    ]


def scores(*pairs: Pair, info: DatasetInfo = BINARY) -> dict[str, float]:
    return METRIC.compute(measured(pairs, info), info)


def blobs(seed: int, labels: Sequence[int] = (1,), shape: tuple[int, int] = (70, 90), void: bool = False) -> Pair:
    random = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(random.normal(size=shape), random.choice([0.5, 1, 3])) > 0 for _ in range(2)]
    kinds = np.take(labels, random.integers(0, len(labels), shape[1]))
    truth, found = (np.where(each, kinds, 0) for each in fields)
    return np.where(void & (random.random(shape) < 0.03), 255, truth).astype(np.uint8), found.astype(np.uint8)


def pieces(places: set[tuple[int, int]], steps: Sequence[tuple[int, int]]) -> int:
    """By flood fill, one pixel after the other."""
    number = 0
    while places:
        number += 1
        found = [places.pop()]
        while found:
            y, x = found.pop()
            for near in [(y + dy, x + dx) for dy, dx in steps]:
                if near in places:
                    places.remove(near)
                    found.append(near)
    return number


def counted(mask: Array) -> tuple[int, int]:
    """Numbers of pieces and holes."""
    padded = np.pad(mask, 1)
    inside, outside = ({(int(y), int(x)) for y, x in np.argwhere(each)} for each in (padded, ~padded))
    return pieces(inside, SIDES + CORNERS), pieces(outside, SIDES) - 1


def patches(mask: Array) -> Iterator[Array]:
    for top in range(0, mask.shape[0], PATCH_PX):
        for left in range(0, mask.shape[1], PATCH_PX):
            yield mask[top : top + PATCH_PX, left : left + PATCH_PX]


def by_definition(truth: Array, found: Array, label: int = 1) -> dict[str, float]:
    masks = [(each == label) & (truth != 255) for each in (truth, found)]
    (true0, true1), (found0, found1) = map(counted, masks)
    apart = [np.abs(np.subtract(counted(one), counted(other))) for one, other in zip(*map(patches, masks), strict=True)]
    in_patches = np.mean(apart, axis=0)
    return {
        "betti0_error": abs(true0 - found0),
        "betti1_error": abs(true1 - found1),
        "euler_error": abs(true0 - true1 - found0 + found1),
        "betti0_patch_error": in_patches[0],
        "betti1_patch_error": in_patches[1],
    }


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(1, 12))
def test_pieces_and_holes_are_those_of_a_flood_fill(seed: int, height: int, width: int, part: float, side: int) -> None:
    random = np.random.default_rng(seed)
    images = random.random((2, height, width)) < part
    top, left = int(random.integers(0, height)), int(random.integers(0, width))
    images[:, :top] = images[:, :, :left] = False
    for image in images:
        whole = betti_numbers(image)
        assert whole == counted(image)
        assert whole[0] - whole[1] == euler_number(image, connectivity=2)  # type: ignore[no-untyped-call]
    expected = np.zeros(2, int)
    for y in range(0, height, side):
        for x in range(0, width, side):
            one, other = (counted(image[y : y + side, x : x + side]) for image in images)
            expected += np.abs(np.subtract(one, other))
    cut = [image[top:, left:] for image in images]
    assert patch_errors(cut[0], cut[1], (slice(top, height), slice(left, width)), side) == tuple(expected)


@pytest.mark.parametrize("shape", [(64, 64), (65, 130), (20, 200), (128, 63)])
@pytest.mark.parametrize("void", [False, True])
def test_scores_are_means_over_images_of_what_is_counted(shape: tuple[int, int], void: bool) -> None:
    pairs = [blobs(seed, shape=shape, void=void) for seed in range(4)]
    pairs.append((np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)))
    expected = [by_definition(*pair) for pair in pairs]
    for name, value in scores(*pairs).items():
        assert value == pytest.approx(np.mean([each[name] for each in expected]), abs=1e-12)


def test_classes_are_scored_by_themselves_and_averaged_without_background() -> None:
    pairs = [blobs(seed, (4, 2) if seed else (4,)) for seed in range(3)]
    table = METRIC.per_class(measured(pairs, MANY), MANY)
    assert list(table) == ["artery", "vein", "never"]
    assert all(math.isnan(value) for value in table["never"].values())
    for label, name in ((4, "artery"), (2, "vein")):
        expected = [by_definition(*pair, label) for pair in pairs]
        for score, value in table[name].items():
            assert value == pytest.approx(np.mean([each[score] for each in expected]), abs=1e-12)
    for name, value in scores(*pairs, info=MANY).items():
        assert value == pytest.approx((table["artery"][name] + table["vein"][name]) / 2, abs=1e-12)


def test_by_hand() -> None:
    """A ring, a ring with a gap, and two pixels that touch by a corner."""
    ring = np.zeros((130, 130), np.uint8)
    ring[4:9, 4:9] = 1
    ring[6, 6] = 0
    opened = ring.copy()
    opened[6, 7:9] = 0
    found = scores((ring, opened))
    assert (found["betti0_error"], found["betti1_error"], found["euler_error"]) == (0, 1, 1)
    assert (found["betti0_patch_error"], found["betti1_patch_error"]) == (0, 1 / 9)
    corner = np.zeros_like(ring)
    corner[50, 50] = corner[51, 51] = 1
    assert scores((ring, corner))["betti0_error"] == 0
    assert scores((ring, np.zeros_like(ring)))["betti0_error"] == 1
    moved = np.roll(ring, (64, 64), (0, 1))
    found = scores((ring, moved))
    assert (found["betti0_error"], found["betti0_patch_error"], found["betti1_patch_error"]) == (0, 2 / 9, 2 / 9)


def test_what_is_open_to_the_border_is_no_hole_and_void_inside_is_one_of_both() -> None:
    half = np.ones((10, 10), np.uint8)
    half[:3, 5] = 0
    assert scores((half, np.ones_like(half)))["betti1_error"] == 0
    void = np.ones((10, 10), np.uint8)
    void[4:6, 4:6] = 255
    assert scores((void, np.ones_like(half)))["betti1_error"] == 0
    assert measured([(void, half)])[0].columns["holes_true"].tolist() == [1]
    assert scores((void, np.zeros_like(half))) == scores((np.where(void == 255, 0, void), np.zeros_like(half)))


def test_undefined_without_images_or_without_the_class() -> None:
    empty = np.zeros((5, 5), np.uint8)
    for found in (METRIC.compute([], BINARY), scores((empty, empty))):
        assert all(math.isnan(value) for value in found.values())


def test_specks_on_an_image_without_the_class_lose_to_nothing_there() -> None:
    """The error of what is left empty is 0, which is better than 1, though that image alone does not hold the class."""
    line, empty, speck = (np.zeros((20, 20), np.uint8) for _ in range(3))
    line[4], speck[9, 9] = 1, 1
    clean, specked = (tuple(measured([(line, line), (empty, found), (empty, empty)])) for found in (empty, speck))
    compared = Paired(METRIC, BINARY, METRIC.scores[0], (clean, specked), resamples=50)
    assert compared.per_sample.tolist() == [[0, 0, 0], [0, 1, 0]]
    found = compared.difference(0, 1)
    assert (found.wins, found.ties, found.losses) == (1, 2, 0)
    many = tuple(measured([(line * 4, line * 4), (empty, empty)], MANY))
    assert Paired(METRIC, MANY, METRIC.scores[0], (many, many), resamples=50).per_sample.tolist() == [[0, 0]] * 2


def test_laws(tmp_path: Path) -> None:
    for info, labels in ((BINARY, (1,)), (MANY, (4, 2))):
        pairs = [
            (Sample(f"s{n}", f"g{n % 3}", n, labels=truth), Prediction(labels=found))
            for n in range(6)
            for truth, found in [blobs(n, labels, void=bool(n % 2))]
        ]
        pairs.append((replace(pairs[0][0], id="s9", labels=np.zeros((70, 90), np.uint8)), pairs[0][1]))
        check_metric(METRIC, pairs, info, tmp_path)


def test_wrong_labels_are_refused_and_impossible_counts_are_faults() -> None:
    truth, found = blobs(0)
    with pytest.raises(UserError, match="prediction of sample 's000' holds label value 7"):
        measured([(truth, np.where(found > 0, 7, 0))])
    with pytest.raises(UserError, match="'s000' is 70 x 89, its ground truth is 70 x 90"):
        measured([(truth, found[:, 1:])])
    (right,) = measured([(truth, found)])
    assert METRIC.fault(right, BINARY) is None
    for name, value in (("label", 0), ("holes_pred", -1), ("pieces_true", 0), ("patches", 0), ("patch_holes", 10**6)):
        wrong = replace(right, columns={**right.columns, name: np.array([value])})
        assert METRIC.fault(wrong, BINARY) is not None, name
