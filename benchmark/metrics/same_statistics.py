"""A cache of what was last computed from statistics: scores, intervals and tables need the same several times."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from operator import is_
from typing import Generic, TypeVar

import numpy as np

from ..types import Int64, Statistic

T = TypeVar("T")

_MAX_KEPT = 3
"""Results that are kept at once: those of the conventions of one family."""


class SameStatistics(Generic[T]):
    """The last results of a function of statistics, known again by the statistics themselves, not by their content.

    Statistics are frozen; a list of them may change, so each of them is compared.
    """

    def __init__(self, most: int = _MAX_KEPT) -> None:
        """`most` results are kept at once."""
        self._most = most
        self._kept: list[tuple[tuple[Statistic, ...], Hashable, T]] = []

    def get(self, statistics: Sequence[Statistic], key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returned for the same statistics, in the same order, and an equal key; else what it returns."""
        for known, its_key, result in self._kept:
            if its_key == key and len(known) == len(statistics) and all(map(is_, known, statistics)):
                return result
        made = make()
        self._kept = [(tuple(statistics), key, made), *self._kept[: self._most - 1]]
        return made


def key_of(weights: Int64) -> Hashable:
    """What tells weights (B, n) int64 from others: scores and those of single classes are drawn with the same."""
    return weights.shape, hashlib.blake2b(np.ascontiguousarray(weights).ravel().data).digest()
