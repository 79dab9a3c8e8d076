"""Where the test of a difference and its interval say different things, in sentences.

Whether a difference is beyond chance is decided by the p value that is adjusted for all pairs; an interval is of its
pair alone, and says how large the difference may be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..evaluation.comparison import ALPHA
from ..text import between, p_equals, some
from .paired_difference import PairedDifference

_MOST = 2
"""Close calls that are told one by one."""
_MOST_NAMES = 3
_CLOSE = 0.01
"""From this p value on a call is close; smaller ones come from few groups of which one or two decide the score."""
_NOT_EQUAL = "they are not equal, but on other samples either may be ahead"


def close_calls(pairs: Sequence[PairedDifference], best: str) -> str:
    """The pairs of the best row whose interval and test disagree, in sentences; empty where none does."""
    found = [each for each in pairs if best in (each.a, each.b) and _disagree(each)]
    unadjusted = [each for each in found if _is_unadjusted(each, len(pairs))]
    close = [each for each in found if each not in unadjusted]
    sentences = [_sentence(each, best) for each in close[:_MOST]]
    if len(close) > _MOST:
        more = len(close) - _MOST
        sentences.append(f"{more} more of its differences {'is a close call' if more == 1 else 'are close calls'}.")
    if unadjusted:
        others = some([each.b if each.a == best else each.a for each in unadjusted], _MOST_NAMES)
        sentences.append(
            f"By its interval alone it would differ from {others}, but intervals are not adjusted for {len(pairs)} "
            "pairs, as p is."
        )
    return " ".join(sentences)


def _disagree(pair: PairedDifference) -> bool:
    """Whether interval and test do; not where one of them is not known."""
    if pair.low is None or pair.high is None or pair.p is None or not math.isfinite(pair.high - pair.low):
        return False
    return _holds_zero(pair) == pair.significant


def _holds_zero(pair: PairedDifference) -> bool:
    return pair.low is not None and pair.high is not None and pair.low <= 0 <= pair.high


def _is_unadjusted(pair: PairedDifference, pairs: int) -> bool:
    """Whether the test agrees with the interval until it is adjusted for all pairs."""
    return pairs > 1 and not _holds_zero(pair) and pair.p is not None and pair.p < ALPHA


def _sentence(pair: PairedDifference, best: str) -> str:
    low, high, other = pair.low, pair.high, pair.b
    if pair.b == best and low is not None and high is not None:
        low, high, other = -high, -low, pair.a
    told = f"{'holds' if _holds_zero(pair) else 'leaves out'} 0, although {p_equals(pair.p_adjusted)}: "
    told += "a close call" if not pair.significant or (pair.p_adjusted or 0.0) >= _CLOSE else _NOT_EQUAL
    return f"The interval of its difference from {other}, {between(low, high, '+.4f')}, {told}."
