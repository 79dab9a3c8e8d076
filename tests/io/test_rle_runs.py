"""Runs of masks: the places of their pixels, in parts of any size."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segbench.io.images.rle import encode_rle, foreground_runs


@given(st.integers(0, 2**30), st.integers(1, 9), st.integers(1, 9), st.integers(1, 90))
def test_parts_are_the_places_of_the_foreground(seed: int, height: int, width: int, most: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random((height, width)) < random.random()
    runs = foreground_runs(encode_rle(mask.astype(np.uint8)), "mask")
    parts = list(runs.places(most))
    assert [place for part in parts for place in part.tolist()] == np.flatnonzero(mask.T).tolist()
    assert all(0 < len(part) <= most for part in parts)
    assert runs.area == mask.sum()
