"""Two runs on the same samples as one set of statistics, of which each sample is drawn from the one or the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..types import Int64, Statistic
from .same_statistics import SameStatistics

_kept: SameStatistics[tuple[Statistic, ...]] = SameStatistics()
"""The same statistics for every pattern of a pair, of which families keep tables."""


def side_by_side(one: Sequence[Statistic], other: Sequence[Statistic]) -> tuple[Statistic, ...]:
    """Both runs' statistics (2n,), those of the other under names and in groups of their own."""
    return _kept.get((*one, *other), None, lambda: (*one, *map(_renamed, other)))


def drawn_from_both(kept: Int64) -> tuple[Int64, Int64]:
    """The weights (B, 2n) of runs side by side where `kept` (B, n) is 1, and of what is left: 0 is a swapped sample."""
    return np.concatenate([kept, 1 - kept], axis=1), np.concatenate([1 - kept, kept], axis=1)


def _renamed(statistic: Statistic) -> Statistic:
    # The number at the end of an id keeps its meaning.
    return replace(statistic, sample_id=f"other/{statistic.sample_id}", group=f"other/{statistic.group}")
