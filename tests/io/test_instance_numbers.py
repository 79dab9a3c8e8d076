"""Instance numbers of any integer type: which pixels share one is what counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from segbench.errors import UserError
from segbench.io.images.instances import instance_numbers, is_mask, numbers_in_16_bits
from segbench.io.images.tensors import instances_of

PLACES = np.array([[0, 1, 1], [2, 0, 3]])


@pytest.mark.parametrize(
    ("dtype", "numbers"),
    [
        (bool, (0, 1, 1, 1)),
        (np.uint8, (0, 5, 9, 255)),
        (np.int16, (0, 5, 9, 300)),
        (np.uint32, (0, 5, 9, 2**31 - 1)),
        (np.int64, (0, 5, 9, 70_000)),
    ],
)
def test_numbers_of_32_bits_stay_as_they_are(dtype: Any, numbers: tuple[int, ...]) -> None:
    found = instance_numbers(np.array(numbers, dtype)[PLACES], "a")
    assert found.dtype == np.int32
    assert np.array_equal(found, np.array(numbers)[PLACES])


@pytest.mark.parametrize("with_none", [True, False])
@pytest.mark.parametrize(
    ("dtype", "large"), [(np.uint32, 2**31), (np.int64, 2**31), (np.int64, 2**63 - 1), (np.uint64, 2**64 - 2)]
)
def test_larger_numbers_are_counted_anew_in_their_order(dtype: Any, large: int, with_none: bool) -> None:
    numbers = np.array([0 if with_none else 3, 5, 9, large], dtype)
    expected = np.arange(4) + (not with_none)
    found = instance_numbers(numbers[PLACES], "a")
    assert found.dtype == np.int32
    assert np.array_equal(found, expected[PLACES])
    (same,) = instances_of(numbers[PLACES], PLACES.shape, False) or []
    assert np.array_equal(same, expected[PLACES])


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.uint64(2**64 - 1), "64 bits"), (np.uint32(2**32 - 1), "32 bits"), (np.int64(-(2**40)), "instance number -")],
)
def test_numbers_that_stand_for_nothing_are_refused(value: Any, said: str) -> None:
    with pytest.raises(UserError, match=f"a: holds .*{said}"):
        instance_numbers(np.full((2, 2), value), "a")


@pytest.mark.parametrize("number", [1, 2, 255, 65_535, 70_000])
def test_no_numbers_that_are_stored_look_like_a_mask(number: int) -> None:
    """One object of two pieces."""
    numbers = np.array([[number, 0, number]], np.int32)
    stored = numbers_in_16_bits(numbers)
    assert not is_mask(stored)
    assert stored.max() <= 65_535
    assert np.array_equal(stored > 0, numbers > 0)
    assert not numbers_in_16_bits(np.zeros((1, 2), np.int32)).any()
