"""The runs that are best on each class."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ..io.documents import Document, Number
from ..runs.record import Record
from .score_by_class import ScoreByClass


class ClassWinners(Document):
    """The labels of the runs that are best on a class, by one of its scores; every run's score has its label as key."""

    __pydantic_extra__: dict[str, Number] = Field(init=False)

    name: str = Field(alias="class")
    by: str
    winners: list[str]

    @property
    def values(self) -> dict[str, float | None]:
        """The score of each run by its label."""
        return self.__pydantic_extra__


def class_winners(records: Sequence[Record], labels: Sequence[str], by: ScoreByClass) -> list[ClassWinners]:
    """The winner of every class, by the score of classes that belongs to the compared one."""
    rows = []
    for name in by.names:
        tables = [record.per_class.get(name, {}) for record in records]
        values = {label: table.get(by.what.name) for label, table in zip(labels, tables, strict=True)}
        known = {label: value for label, value in values.items() if value is not None}
        if known:
            best = max(known.values(), key=lambda value: by.sign * value)
            winners = [label for label, value in known.items() if value == best]
            row = {"class": name, "by": by.what.name, "winners": winners, **values}
            rows.append(ClassWinners.model_validate(row))
    return rows
