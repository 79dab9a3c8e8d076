"""What is drawn of test samples: whole groups, single samples or blocks of neighbours, and how often each of them.

References
----------
Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 6 (bootstrap) and 11 (jackknife).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from ..metrics.small_integers import smallest
from ..text import counted
from ..types import Array, Int64, Metric, Statistic, UserError

RESAMPLES = 2000
MIN_GROUPS = 5
_CHUNK = 1 << 18
"""Weights that are drawn at once: they stay in the processor's cache, and memory does not grow with the split."""
_MIN_ROWS = 32
"""Sets that are drawn at once of however many samples: a family goes through all samples once for each part."""
_KEPT_DRAWS = 1 << 23
"""Numbers of a bootstrap that are kept for the next family of the run, mostly a byte each."""
MAX_BLOCKS = 200
"""Of more units, blocks of them are left out in turn."""


@dataclass(frozen=True, eq=False)
class Units:
    """What is drawn, left out and swapped of n samples: whole groups, single samples or blocks of neighbours.

    member : (n,) int64, the unit that every sample belongs to, from 0. count : the number of units.
    """

    name: Literal["groups", "samples", "blocks"]
    member: Int64
    count: int

    @classmethod
    def of(cls, metric: Metric, statistics: Sequence[Statistic]) -> Units:
        """Those of a family's statistics: a family that measures whole groups has nothing smaller to draw."""
        return cls.of_groups([s.group for s in statistics], whole=bool(metric.part_columns))

    @classmethod
    def of_groups(cls, groups: Sequence[str], *, whole: bool = False) -> Units:
        """Whole groups (videos, cities, stacks) where there are at least 5 of them, single samples else.

        Samples that all stand alone are drawn as samples. `whole` : groups are drawn however few there are.
        """
        if (1 if whole else MIN_GROUPS) <= len(set(groups)) < len(groups):
            return cls._named("groups", groups)
        return cls("samples", np.arange(len(groups)), len(groups))

    @classmethod
    def in_blocks(cls, metric: Metric, statistics: Sequence[Statistic], size: int) -> Units:
        """Blocks of so many consecutive samples of a group: films of which there are too few to draw.

        Neighbouring frames are alike; a block that is longer than what they have in common can stand alone (Künsch,
        "The jackknife and the bootstrap for general stationary observations", Annals of Statistics 17(3), 1989). Blocks
        do not overlap here, and the last one of a group may be shorter.

        Raises UserError where whole groups are drawn anyway, where no two samples belong together, and for fewer than 5
        blocks.
        """
        groups = [s.group for s in statistics]
        if len(set(groups)) == len(groups):
            raise UserError(
                "--blocks: each of these samples stands alone, so that none has neighbours. Say which belong together: "
                "'group' in the classes.yaml of a folder of your own"
            )
        if cls.of(metric, statistics).name == "groups":
            many = f"these samples are of {len(set(groups))} groups"
            why = f"{metric.name} measures whole groups" if metric.part_columns else many
            raise UserError(f"--blocks: {why}, which are drawn as they are")
        names = [""] * len(groups)
        members: dict[str, list[int]] = {}
        for place, each in enumerate(statistics):
            members.setdefault(each.group, []).append(place)
        for group, places in members.items():
            ordered = sorted(places, key=lambda place: (statistics[place].index, statistics[place].sample_id))
            for number, place in enumerate(ordered):
                names[place] = f"{group}/{number // size:09d}"
        if len(set(names)) < MIN_GROUPS:
            raise UserError(
                f"--blocks {size}: makes {counted(len(set(names)), 'block')} of these samples, and intervals need "
                f"{MIN_GROUPS} or more; choose shorter ones"
            )
        return cls._named("blocks", names)

    @classmethod
    def _named(cls, name: Literal["groups", "blocks"], names: Sequence[str]) -> Units:
        found, member = np.unique(np.asarray(names, str), return_inverse=True)
        return cls(name, member.astype(np.int64), len(found))

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.member)


def in_few_groups(groups: Sequence[str], dataset: str) -> bool:
    """Whether samples are drawn although some belong together, as there are fewer than 5 groups.

    Samples whose group is called as the dataset have none.
    """
    return set(groups) != {dataset} and len(set(groups)) < min(MIN_GROUPS, len(groups))


def bootstrap_weights(
    units: Units, resamples: int = RESAMPLES, seed: int = 0, size: int | None = None
) -> Iterator[Int64]:
    """How often each sample is drawn, in chunks of (b, n) int64 that add up to `resamples` rows.

    Parameters
    ----------
    units : Units
        Of n samples.
    resamples, seed : int
        Number of sets that are drawn, and the seed.
    size : int, optional
        How many units a set has, from 1; as many as there are by default.
    """
    draws = units.count, resamples, seed, units.count if size is None else size, rows_at_once(units.n)
    for drawn in _draws_once(*draws) if units.count * resamples <= _KEPT_DRAWS else _draws(*draws):
        yield drawn[:, units.member].astype(np.int64, copy=False)


def _draws(units: int, resamples: int, seed: int, size: int, rows: int) -> Iterator[Int64]:
    """How often each unit is drawn, in chunks of at most (rows, units)."""
    random = np.random.default_rng(seed)
    parts = np.full(units, 1 / units)
    for start in range(0, resamples, rows):
        yield random.multinomial(size, parts, size=min(rows, resamples - start))


@lru_cache(maxsize=1)
def _draws_once(units: int, resamples: int, seed: int, size: int, rows: int) -> tuple[Array, ...]:
    """The same, made once for all families of a run, which draw alike."""
    return tuple(smallest(drawn) for drawn in _draws(units, resamples, seed, size, rows))


def rows_at_once(n: int) -> int:
    """Sets of weights of n samples that are made at once."""
    return max(_MIN_ROWS, _CHUNK // max(n, 1))


def jackknife_weights(units: Units) -> Int64:
    """Which samples are left when each unit, or block of units (at most 200), is left out in turn: (b, n) 0 or 1."""
    return np.concatenate(list(jackknife_parts(units)))


def jackknife_parts(units: Units) -> Iterator[Int64]:
    """The same in parts of (b, n) int64, whose rows add up to those of `jackknife_weights`."""
    block = jackknife_blocks(units.count)[units.member]
    left_out, rows = np.arange(min(units.count, MAX_BLOCKS)), rows_at_once(units.n)
    for start in range(0, max(len(left_out), 1), rows):
        yield (block[None, :] != left_out[start : start + rows, None]).astype(np.int64)


def jackknife_blocks(units: int) -> Int64:
    """The block that each unit is left out with, (units,) int64 from 0: its own, of at most 200 units."""
    blocks: Int64 = np.arange(units) * min(units, MAX_BLOCKS) // max(units, 1)
    return blocks
