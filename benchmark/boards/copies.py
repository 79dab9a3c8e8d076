"""One network in two files: rows of a board that are copies of each other, such as an ONNX file of torch's weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from ..runs.record import Record

_ALIKE = 5e-4
"""Scores of copies differ by less: two libraries round differently."""


def copies(records: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Pairs of records that seem to be of one network.

    Both are of files that hold a network, of different content, with an equal card (classes, preprocessing, source),
    and every score of both agrees to three decimals. What the files hold is not known, so that it may be chance.
    """
    return [pair for pair in combinations(records, 2) if _are_copies(*pair)]


def _are_copies(one: Record, other: Record) -> bool:
    mine, theirs = one.method.config, other.method.config
    if not mine.get("card") or mine["card"] != theirs.get("card") or mine.get("sha256") == theirs.get("sha256"):
        return False
    if one.scores.keys() != other.scores.keys():
        return False
    pairs = [(score.value, other.scores[name].value) for name, score in one.scores.items()]
    return all(a == b or (a is not None and b is not None and abs(a - b) < _ALIKE) for a, b in pairs)
