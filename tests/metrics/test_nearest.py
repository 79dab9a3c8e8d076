"""Distances to the nearest of other points: all pairs, SciPy's tree, and points that the compiled part leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from segbench.io import native
from segbench.metrics.nearest import nearest
from segbench.types import Array

pytestmark = pytest.mark.usefixtures("engine")

ONE = (1.0, 1.0)
Points = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 300)), min_size=1, max_size=40, unique=True)


def _sorted(points: list[tuple[int, int]]) -> Array:
    return np.array(sorted(points), np.int64).reshape(-1, 2)


@settings(max_examples=200)
@given(Points, Points, st.tuples(st.integers(0, 2000), st.integers(0, 5000)))
def test_equal_to_all_pairs_bit_for_bit(
    points: list[tuple[int, int]], others: list[tuple[int, int]], far: Array
) -> None:
    one, other = _sorted(points), _sorted(others) + np.array(far)
    assert np.array_equal(nearest(one, other, ONE), cdist(one, other).min(axis=1))
    assert np.array_equal(nearest(other, one, ONE), cdist(other, one).min(axis=1))


@pytest.mark.parametrize("share", [0.3, 0.01, 0.0005])
def test_equal_to_all_pairs_of_maps_with_points_near_and_far(share: float) -> None:
    random = np.random.default_rng(7)
    one = np.argwhere(random.random((150, 700)) < 0.004)
    other = np.argwhere((random.random((150, 700)) < share) & (np.arange(700) % 256 < 90))
    assert np.array_equal(nearest(one, other, ONE), cdist(one, other).min(axis=1))
    assert np.array_equal(nearest(other, one, ONE), cdist(other, one).min(axis=1))


def test_the_ends_of_the_range_and_what_lies_beyond() -> None:
    ends = np.array([[0, 0], [0, 2**24], [2**24, 0], [2**24, 2**24]])
    middle = np.array([[2**23, 2**23 + 1]])
    assert nearest(ends, middle, ONE).tolist() == np.sqrt(((ends - middle) ** 2).sum(axis=1)).tolist()
    assert nearest(middle, ends, ONE).tolist() == [np.hypot(2**23, 2**23 - 1)]
    assert nearest(ends - 5, middle, ONE).tolist() == np.sqrt(((ends - 5 - middle) ** 2).sum(axis=1)).tolist()
    assert nearest(middle, ends + 5, ONE).tolist() == cdist(middle, ends + 5).min(axis=1).tolist()


@pytest.mark.parametrize("points", [[[3, 4], [3, 4]], [[3, 4], [3, 2]], [[5, 0], [4, 9]], [[-1, 0]], [[0, 2**24 + 1]]])
def test_points_out_of_order_are_measured_all_the_same(points: list[list[int]]) -> None:
    one, other = np.array(points), np.array([[0, 0], [9, 9]])
    assert native.nearest_squares(one, other) is None
    assert np.array_equal(nearest(one, other, ONE), cdist(one, other).min(axis=1))
    assert np.array_equal(nearest(other, one, ONE), cdist(other, one).min(axis=1))


def test_buffers_that_do_not_fit_are_refused() -> None:
    if native._native is None:
        pytest.skip("NumPy does the work")
    points, squares = np.zeros((3, 2), np.int64), np.zeros(3, np.int64)
    for wrong in (
        (points, points[:0], squares),
        (points, points, squares[:2]),
        (points.view(np.uint8).reshape(-1)[:41], points, squares),
    ):
        with pytest.raises(ValueError, match="do not fit together"):
            native._native.nearest_squares(*wrong)
