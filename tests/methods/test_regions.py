"""Regions, rules, basins and working images: small cases whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segbench.methods.classical.region_classes import (
    VOID,
    RegionClassifier,
    Rule,
    Segmentation,
    Table,
    around_otsu,
    components,
    count_classes,
    painted,
    region_features,
)
from segbench.methods.classical.working_image import MIN_SIDE, WorkingImage, blur
from segbench.methods.watershed_lines import borders, flood, merge_heights, valleys, without_gaps
from segbench.metrics.partition import true_segments


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.booleans(),
    st.integers(1, 900),
    st.tuples(st.floats(0, 0.9), st.floats(0, 0.9)),
    st.tuples(st.floats(0.05, 1), st.floats(0.05, 1)),
)
def test_what_is_restored_has_the_size_of_the_frame(
    shape: tuple[int, int], colored: bool, most: int, start: tuple[float, float], size: tuple[float, float]
) -> None:
    box = (start[0], start[1], min(1.0, start[0] + size[0]), min(1.0, start[1] + size[1]))
    image = np.zeros((*shape, 3) if colored else shape, np.uint8)
    working = WorkingImage(image, most, box)
    assert working.pixels.shape[:2] == working.shape
    assert min(working.shape) >= MIN_SIDE
    assert working.inner[0] * working.inner[1] <= max(most * 1.6, 2 * max(working.inner))
    for dtype in (np.float32, np.int32, bool, np.uint8):
        back = working.restore(np.zeros(working.shape, dtype))
        assert back.shape == shape
        assert back.dtype == dtype


def test_a_whole_frame_of_working_size_comes_back_as_it_is() -> None:
    values = np.random.default_rng(0).integers(0, 9, (20, 30)).astype(np.int32)
    working = WorkingImage(np.zeros((20, 30), np.uint8))
    assert np.array_equal(working.restore(np.asarray(working.fit(values))), values)


def test_outside_of_the_box_is_background() -> None:
    working = WorkingImage(np.zeros((40, 40), np.uint8), box=(0.25, 0.5, 0.75, 1.0))
    mask = working.restore(np.ones(working.shape, bool))
    assert mask[10:30, 20:].all()
    assert mask.sum() == 400


def test_channels_of_a_colour() -> None:
    image = np.zeros((9, 9, 3), np.uint8)
    image[...] = (255, 51, 0)
    working = WorkingImage(image)
    for name, value in {"red": 1.0, "red_excess": 0.9, "green_excess": -0.3, "chroma": 1.0}.items():
        assert np.allclose(working.channel(name), value, atol=1e-6), name
    assert np.allclose(WorkingImage(image[..., 0]).channel("chroma"), 1.0)


def test_blurring_keeps_the_mean_of_a_flat_border() -> None:
    values = np.zeros((41, 41), np.float32)
    values[20, 20] = 1
    assert blur(values, 2.0).sum() == pytest.approx(1, abs=1e-5)
    assert np.allclose(blur(np.ones((5, 5), np.float32), 3.0), 1)


def test_rules_pick_components() -> None:
    values = np.zeros((20, 20), np.float32)
    values[1:10, 1:10] = 1  # the largest, with a hole
    values[4:6, 4:6] = 0
    values[14:18, 14:18] = 1
    prior = np.zeros((20, 20), np.float32)
    prior[12:, 12:] = 0.5
    whole = values.astype(bool)
    assert np.array_equal(Rule().mask(values, prior), whole)
    assert np.array_equal(Rule("darker").mask(values, prior), ~whole)
    largest = Rule(pick="largest").mask(values, prior)
    assert largest[1:10, 1:10].all()
    assert largest.sum() == 81
    likeliest = Rule(pick="likeliest").mask(values, prior)
    assert np.array_equal(np.argwhere(likeliest), np.argwhere(whole & (prior > 0)))
    assert np.array_equal(Rule(gate=0.4).mask(values, prior), whole & (prior > 0))
    nothing = np.zeros_like(values)
    assert not Rule(pick="largest").mask(nothing, prior).any()


def test_a_value_at_the_threshold_is_on_no_side() -> None:
    values, prior = np.full((4, 4), 0.5, np.float32), np.ones((4, 4), np.float32)
    assert not Rule("brighter").mask(values, prior).any()
    assert not Rule("darker").mask(values, prior).any()


def test_components_are_4_connected_and_cover_everything() -> None:
    labels = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 0]], np.int32)
    found = components(labels)
    assert found.min() == 0
    assert len(np.unique(found)) == found.max() + 1 == 6
    assert found[0, 0] == found[1, 1]
    assert found[1, 0] != found[2, 1]


def test_regions_are_painted_in_their_mean() -> None:
    regions = np.array([[0, 0], [1, 1]], np.int32)
    values = np.array([[0, 1], [2, 4]], np.float32)
    assert np.array_equal(painted(regions, values), np.array([[0.5, 0.5], [3, 3]], np.float32))
    assert np.array_equal(around_otsu(np.ones((3, 3), np.float32)), np.full((3, 3), 0.5))
    two = around_otsu(np.array([[0, 0, 1, 1]], np.float32))
    assert ((two > 0.5) == [[False, False, True, True]]).all()


def test_classes_are_counted_in_regions_without_void() -> None:
    regions = np.array([[0, 0, 1], [1, 2, 2]], np.int32)
    target = np.array([[1, 1, 0], [1, VOID, VOID]], np.uint8)
    counts = count_classes(regions, target, 3)
    assert np.array_equal(counts, [[0, 2, 0], [1, 1, 0], [0, 0, 0]])
    assert np.array_equal(Table(np.zeros((3, 1), np.float32), counts).known, [True, True, False])


def test_features_tell_colour_texture_and_place() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = (200, 40, 40)
    image[16:, :16] = np.random.default_rng(0).integers(0, 255, (16, 16, 1))
    regions = np.zeros((32, 32), np.int32)
    regions[:, 16:], regions[16:, :16] = 1, 2
    features = region_features(regions, WorkingImage(image))
    assert features.shape[0] == 3
    assert np.isfinite(features).all()
    assert len(np.unique(features.round(4), axis=0)) == 3
    assert np.isfinite(region_features(np.zeros((8, 8), np.int32), WorkingImage(np.zeros((8, 8), np.uint8)))).all()


def test_a_classifier_learns_classes_and_balances_them() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 3)).astype(np.float32)
    rare = features[:, 0] > 1.6
    counts = np.stack([~rare * 50, rare * 50], axis=1).astype(np.int64)
    plain = RegionClassifier.fit([Table(features, counts)], 0)
    assert (plain.shares(features).argmax(axis=1) == rare).mean() > 0.95
    balanced = RegionClassifier(plain.forest, plain.frequencies, 1.0)
    shares = balanced.shares(features)
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert (shares[:, 1] >= plain.shares(features)[:, 1] - 1e-6).all()


def test_a_classifier_of_void_alone_says_the_first_class() -> None:
    table = Table(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.int64))
    assert np.array_equal(RegionClassifier.fit([table], 0).shares(table.features).argmax(axis=1), [0, 0])


def test_two_valleys_give_two_basins_and_the_border_its_height() -> None:
    relief = np.abs(np.linspace(-1, 1, 41))[::-1][None].repeat(9, axis=0).astype(np.float32)
    relief = 1 - relief  # low at both ends, high in the middle
    basins = flood(relief, valleys(relief, 0.1))
    assert len(np.unique(basins)) == 2
    line = borders(basins, relief)
    assert line.max() == pytest.approx(1, abs=0.06)
    assert len(np.unique(true_segments(line < 0.5))) - (0 in true_segments(line < 0.5)) == 2


def test_a_gap_in_a_long_border_does_not_open_it() -> None:
    relief = np.zeros((21, 21), np.float32)
    relief[:, 10] = 1
    relief[10, 10] = 0
    markers = np.zeros((21, 21), np.int32)
    markers[5, 3], markers[5, 17] = 1, 2
    line = borders(flood(relief, markers), relief)
    assert line.max() > 0.8
    assert len(np.unique(line[line > 0])) == 1


def test_a_valley_has_one_minimum_however_flat_and_rough_its_ground_is() -> None:
    y, x = np.mgrid[:40, :60].astype(np.float32)
    rough = 1e-4 * np.random.default_rng(0).random((40, 60)).astype(np.float32)
    relief = np.maximum(0, 1 - np.abs(x - 30) / 4) + rough
    found = valleys(relief, 0.2)
    assert found.max() == 2
    assert set(np.unique(found[:, :20])) <= {0, 1}
    # A low rim parts what is within only where so shallow basins count.
    distance = np.hypot(y - 20, x - 10)
    relief[(distance > 5) & (distance < 8)] += np.float32(0.15)
    assert valleys(relief, 0.2).max() == 2
    assert valleys(relief, 0.1).max() == 3


def test_a_gap_in_an_outline_joins_no_cells() -> None:
    """Two cells, parted by an outline with a faint stretch; at 0.5 they are one, on the borders below they are two."""
    cells = np.full((40, 61), 0.98, np.float32)
    cells[:, 29:32] = 0.05
    cells[18:22, 29:32] = 0.7
    closed = without_gaps(cells, 0.1)
    assert closed.dtype == np.float32
    assert true_segments(cells > 0.5).max() == 1
    assert true_segments(closed > 0.3).max() == 2
    away = np.abs(np.arange(61) - 30) > 2
    assert np.array_equal(closed[:, away], cells[:, away])
    assert ((closed > 0.5) <= (cells > 0.5)).all()
    # Without a way down and up again there is no border: nothing above 0.45 changes.
    plain = np.linspace(0.2, 0.9, 61, dtype=np.float32)[None].repeat(40, axis=0)
    assert np.array_equal(without_gaps(plain, 0.1), np.maximum(plain, np.float32(0.45)))


def test_borders_are_pooled_when_regions_join() -> None:
    """Regions 0 and 1 join first; their borders with 2, of heights 0.2 and 0.8, then count as one of 0.5."""
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    heights = merge_heights(pairs, np.array([0.1, 2.0, 8.0]), np.array([1, 10, 10]))
    assert np.allclose(heights, [0.1, 0.5, 0.5])


def test_heights_never_fall() -> None:
    random = np.random.default_rng(0)
    relief = random.random((40, 40)).astype(np.float32)
    basins = flood(relief, valleys(relief, 0.1))
    line = borders(basins, relief)
    for low, high in ((0.3, 0.4), (0.4, 0.6)):
        fine, coarse = true_segments(line <= low), true_segments(line <= high)
        assert all(len(np.unique(coarse[fine == part])) == 1 for part in np.unique(fine) if part)


def test_a_segmentation_has_both_forms() -> None:
    working = WorkingImage(np.tile(np.array([10, 200], np.uint8).repeat(10), (20, 1)))
    values = Segmentation(values=working.channel("grey"))
    assert len(np.unique(values.partition())) == 2
    regions = Segmentation(regions=components((working.pixels > 100).astype(np.int32)))
    assert ((regions.map(working) > 0.5) == (working.pixels > 100)).all()
