"""The difference of two runs on the same samples, as a typed document."""

from __future__ import annotations

from ..io.documents import Document, Number


class PairedDifference(Document):
    """Run `a` less run `b` (their labels) on the same samples; see `evaluation.comparison.Difference`."""

    a: str
    b: str
    value: Number
    low: Number
    high: Number
    p: Number
    p_adjusted: Number
    effect: Number
    wins: int
    ties: int
    losses: int
    significant: bool
