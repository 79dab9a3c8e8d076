"""Counts by class that are stored as what is not zero give, bit for bit, what a table of all cells gives."""

from __future__ import annotations

import numpy as np
import pytest

from segbench.metrics.exact_sums import weighted_sums
from segbench.metrics.pair_counts import class_counts, sparse_counts
from segbench.metrics.small_integers import smallest
from segbench.types import Float64, Int64, Statistic


def statistics_of(samples: int, classes: int, seed: int = 3) -> list[Statistic]:
    """Sparse confusion matrices of maps that hold few of the classes, void and unknown labels among them."""
    random = np.random.default_rng(seed)
    found = []
    for index in range(samples):
        truth = np.array([*random.choice(classes, 3, replace=False), 255])
        predicted = np.array([truth[0], int(random.integers(classes)), classes, 0])
        columns = {"truth": truth, "prediction": predicted, "pixels": random.integers(1, 300_000, 4)}
        found.append(Statistic("overlap", f"{index:04d}", f"{index:04d}", index, columns))
    return found


def counted_one_by_one(statistics: list[Statistic], classes: int) -> Int64:
    counts = np.zeros((len(statistics), classes, 3), np.int64)
    for number, statistic in enumerate(statistics):
        for truth, predicted, pixels in zip(*statistic.columns.values(), strict=True):
            if truth < classes:
                counts[number, truth] += [pixels if truth == predicted else 0, pixels, 0]
                if predicted < classes:
                    counts[number, predicted, 2] += pixels
    return counts


@pytest.mark.parametrize(("samples", "classes"), [(1, 3), (700, 150), (9, 21), (0, 5)])
def test_they_are_those_that_are_counted_one_by_one(samples: int, classes: int) -> None:
    statistics, rank = statistics_of(samples, classes), {label: label for label in range(classes)}
    expected = counted_one_by_one(statistics, classes)
    counts = sparse_counts(statistics, rank)
    assert np.array_equal(class_counts(statistics, rank), expected)
    assert np.array_equal(counts.pooled(), expected.sum(axis=0))
    assert sum(map(len, counts.parts())) == samples
    weights = np.random.default_rng(1).integers(0, 4, (5, samples))
    flat = np.moveaxis(expected, 2, 1).reshape(samples, 3 * expected.shape[1])
    assert np.array_equal(counts.summed(weights), weights @ flat)


def test_a_block_holds_as_little_as_its_numbers_need() -> None:
    counts = sparse_counts(statistics_of(1000, 171), {label: label for label in range(171)})
    stored = sum(block.places.nbytes + block.pixels.nbytes for block in counts.blocks)
    assert len(counts.blocks) > 1
    assert stored <= 1000 * 10 * 8  # of a table of all cells they take 4104 bytes a sample


@pytest.mark.parametrize(
    ("values", "kind"),
    [([0, 255], "uint8"), ([256], "uint16"), ([-1, 200], "int16"), ([2**32], "int64"), ([-(2**40), 1], "int64")],
)
def test_the_smallest_type_holds_the_same_numbers(values: list[int], kind: str) -> None:
    found = smallest(np.array(values))
    assert found.dtype == kind
    assert found.tolist() == values


@pytest.mark.parametrize("samples", [3, 60_000, 100_000, 140_000])
@pytest.mark.parametrize("side_by_side", [False, True])
def test_sums_do_not_depend_on_how_many_sets_are_summed_at_once(samples: int, side_by_side: bool) -> None:
    """Some of these numbers of samples leave a single set over; 140 000 are summed set by set."""
    random = np.random.default_rng(samples)
    weights, values = random.integers(0, 3, (9, samples)), random.random((samples, 2))
    weights = np.asfortranarray(weights) if side_by_side else weights
    at_once: list[Float64] = [(weights.astype(np.float64) * column).sum(axis=1) for column in values.T]
    alone = [[(row.astype(np.float64) * column).sum() for row in weights] for column in values.T]
    expected = np.array(alone if samples == 140_000 else at_once).T
    assert np.array_equal(weighted_sums(weights, values), expected)
