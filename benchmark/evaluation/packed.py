"""Statistics in little memory: consecutive samples share one array, and integers use the fewest bytes that hold them.

A small table as arrays of its own takes 2 KB, most of it for the arrays themselves; a dozen classes need 200 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, islice, pairwise

import numpy as np

from ..metrics.small_integers import smallest
from ..types import Array, Statistic

_AT_ONCE = 512
"""Statistics whose columns lie together: what this takes for itself is little of each."""


class PackedColumns(Mapping[str, Array]):
    """Columns of one statistic, (n,) int64 or float64, made again whenever they are asked for.

    Parameters
    ----------
    together : the columns of many statistics, of any integer type or float64.
    start, stop : the rows of this one.
    """

    __slots__ = ("_start", "_stop", "_together")

    def __init__(self, together: Mapping[str, Array], start: int, stop: int) -> None:
        self._together = together
        self._start = start
        self._stop = stop

    def __getitem__(self, name: str) -> Array:
        column = self._together[name][self._start : self._stop]
        return column.astype(np.float64 if column.dtype.kind == "f" else np.int64)

    def __iter__(self) -> Iterator[str]:
        return iter(self._together)

    def __len__(self) -> int:
        return len(self._together)

    def __reduce__(self) -> tuple[type[dict[str, Array]], tuple[dict[str, Array]]]:
        """Pickled as a plain dictionary: the columns of the neighbours stay here."""
        return dict, (dict(self),)


def packed(statistics: Iterable[Statistic]) -> Iterator[Statistic]:
    """The same statistics in the same order, in little memory; some hundreds of them are taken before the first."""
    source = iter(statistics)
    while some := list(islice(source, _AT_ONCE)):
        by_shape: dict[tuple[tuple[str, np.dtype[np.generic]], ...], list[int]] = {}
        for place, each in enumerate(some):
            shape = tuple((name, column.dtype) for name, column in each.columns.items())
            by_shape.setdefault(shape, []).append(place)
        for places in by_shape.values():
            for place, statistic in zip(places, _together([some[place] for place in places]), strict=True):
                some[place] = statistic
        yield from some


def _together(statistics: Sequence[Statistic]) -> Iterator[Statistic]:
    """Statistics of equal columns, which then lie in one array for each name."""
    together = {
        name: _smallest(np.concatenate([each.columns[name] for each in statistics])) for name in statistics[0].columns
    }
    lengths = (len(next(iter(each.columns.values()), ())) for each in statistics)
    for each, (start, stop) in zip(statistics, pairwise(accumulate(lengths, initial=0)), strict=True):
        yield replace(each, columns=PackedColumns(together, start, stop))


def _smallest(column: Array) -> Array:
    return smallest(column) if column.dtype == np.int64 else column
