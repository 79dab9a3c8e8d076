"""The boards for machines: comparable runs with their ranks, as typed documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from ..io.collector import collector_paused
from ..io.documents import Number, without_none
from ..runs.record import DIGESTS, Record
from .comparable import Comparable, ComparableFields, best_first, group_order, grouped, main_badness, tied_ranks
from .people import People, people_beside, people_of
from .seed_groups import SeedGroup, seed_groups


class RankedRun(Record):
    """One row of a board: a record, of several seeds with their mean scores, and its rank.

    `seeds` and `runs` are the seeds and ids of its runs, `std_over_seeds` the standard deviation (n - 1) of the main
    score over them.
    """

    rank: int
    seeds: list[int]
    std_over_seeds: Number
    runs: list[str]

    @classmethod
    def of(cls, rank: int, row: SeedGroup) -> RankedRun:
        """A row with its rank; it says more than its record, whose digests are left out."""
        runs = [record.run_id for record in row.records]
        said = dict(row.record) | dict.fromkeys(DIGESTS)
        return cls(**said, rank=rank, seeds=row.seeds, std_over_seeds=row.spread, runs=runs)

    @model_serializer(mode="wrap")
    def _rank_first(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = without_none(handler(self), *DIGESTS)
        last = {key: written.pop(key) for key in ("seeds", "std_over_seeds", "runs")}
        return {"rank": written.pop("rank"), "run_id": written.pop("run_id"), **written, **last}


class RankedGroup(ComparableFields):
    """Runs that are ranked together: what they share, and their rows, the best first."""

    main_score: str
    rows: list[RankedRun]
    people: People | None = None

    @model_serializer(mode="wrap")
    def _people_where_they_are(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "people", "corruption")


@collector_paused()
def ranking(records: Iterable[Record]) -> list[RankedGroup]:
    """The boards for machines: one document per group of comparable records, with ranked rows."""
    every = list(records)
    return [
        RankedGroup(
            **vars(key),
            main_score=rows[0].record.main_score,
            rows=[RankedRun.of(rank, row) for rank, row in ranked_rows(rows)],
            people=people_on_board(key, rows, every),
        )
        for key, rows in board_groups(every)
    ]


def people_on_board(key: Comparable, rows: Sequence[SeedGroup], records: Iterable[Record]) -> People | None:
    """The annotators beside the rows of a group, and where each row lies against their range of the main score."""
    people = people_beside(key, records, lambda record: record)
    named = [(row.record.run_id, row.record) for row in rows]
    return people_of(people, rows[0].record.main_score, named, [])


def board_groups(records: Iterable[Record]) -> list[tuple[Comparable, list[SeedGroup]]]:
    """Rows of comparable records that are ranked, in the order of the board."""
    rows = [(key, seed_groups(members)) for key, members in grouped(records, lambda record: record).items()]
    return sorted(rows, key=lambda item: group_order(item[0], item[1][0].record, len(item[1])))


def ranked_rows(rows: Sequence[SeedGroup]) -> list[tuple[int, SeedGroup]]:
    """Rows with their rank, from best to worst; equal scores share a rank, an undefined score comes last."""
    ordered = sorted(rows, key=lambda row: best_first(row.record))
    return list(zip(tied_ranks([main_badness(row.record) for row in ordered]), ordered, strict=True))
