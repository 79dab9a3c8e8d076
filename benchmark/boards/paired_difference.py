"""The difference of two runs on the same samples, as a typed document."""

from __future__ import annotations

from ..io.documents import Document, Number


class PairedDifference(Document):
    """Run `a` less run `b` (their labels) on the same samples; see `evaluation.comparison.Difference`.

    p : of this pair alone, by swaps; where no swap is as extreme as what was observed, of a t test, which may be far
    smaller than swaps can show. p_adjusted : of all pairs together; of several by swaps alone, unless units are few.
    """

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
