"""Statistics in little memory hold what they held, and an evaluation takes little more memory for many maps."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from measured import measure
from stuff_maps import evaluation_of, write_stuff_maps

from segbench.evaluation.packed import packed
from segbench.evaluation.statistics import Statistics
from segbench.types import Statistic

MAX_GROWTH_KB = 5
"""For each map more, of which half a KB are its rows of the statistics; 2 are measured, and 13 to 16 were once."""


def measured_statistics(samples: int) -> Iterator[Statistic]:
    """Of two families in turn; tables of 0 to 5 rows, numbers of all sizes and signs, NaN and infinity among them."""
    random = np.random.default_rng(8)
    for index in range(samples):
        rows = int(random.integers(6))
        pixels = random.integers(0, 1 << int(random.integers(1, 63)), rows) * random.choice([-1, 1])
        yield Statistic("counts", f"{index:05d}", f"g{index % 7}", index, {"label": np.arange(rows), "pixels": pixels})
        iou = random.choice([0.1, np.nan, np.inf, -0.0], rows)
        yield Statistic("sums", f"{index:05d}", f"g{index % 7}", index, {"label": np.arange(rows), "iou": iou})


def test_packed_statistics_are_the_same_to_the_last_bit() -> None:
    expected, found = [*measured_statistics(1300)], [*packed(measured_statistics(1300))]
    assert [(s.metric, s.sample_id, s.group, s.index) for s in found] == [
        (s.metric, s.sample_id, s.group, s.index) for s in expected
    ]
    assert Statistics(found) == Statistics(expected)
    assert Statistics(found).sha256() == Statistics(expected).sha256()
    for one, other in zip(found, expected, strict=True):
        assert list(one.columns) == list(other.columns)
        assert [column.dtype for column in one.columns.values()] == [column.dtype for column in other.columns.values()]


def test_a_packed_statistic_cannot_be_written_to_through_its_columns() -> None:
    [first, *_] = packed(measured_statistics(9))
    whole = first.columns["pixels"].copy()
    first.columns["pixels"][:] = 7
    assert np.array_equal(first.columns["pixels"], whole)
    with pytest.raises(KeyError):
        first.columns["iou"]


def test_a_packed_statistic_takes_none_of_its_neighbours_along() -> None:
    [first, *_] = packed(measured_statistics(600))
    sent = pickle.dumps(first)
    assert len(sent) < 1000
    assert Statistics([pickle.loads(sent)]) == Statistics([first])  # made a moment ago


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in Linux's unit")
def test_memory_grows_little_with_the_number_of_maps(tmp_path: Path) -> None:
    few, many = 300, 5300  # so that what comes and goes by chance is little of it

    def peak_mb(number: int) -> float:
        root = tmp_path / str(number)
        _, memory = measure(evaluation_of(root, write_stuff_maps(root, number, different=100)), root / "cache")
        return memory

    growth_kb = (peak_mb(many) - peak_mb(few)) * 1024 / (many - few)
    assert growth_kb < MAX_GROWTH_KB
