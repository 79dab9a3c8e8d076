"""The difference of two runs on the same samples, as a typed document."""

from __future__ import annotations

from collections.abc import Sequence

from ..evaluation.comparison import Difference
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


def paired_difference(each: Difference, labels: Sequence[str]) -> PairedDifference:
    """A difference as a document; `labels` are those of the compared runs."""
    values = {key: value for key, value in vars(each).items() if key not in ("a", "b")}
    return PairedDifference(a=labels[each.a], b=labels[each.b], significant=each.significant, **values)
