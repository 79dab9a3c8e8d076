"""Where the test of a difference and its interval say different things, in sentences.

Whether a difference is beyond chance is decided by the p value that is adjusted for all pairs; an interval is of its
pair alone, and says how large the difference may be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..evaluation.comparison import ALPHA
from ..text import between, p_value
from .paired_difference import PairedDifference

_MOST = 2
"""Pairs that are told of one by one."""


def close_calls(pairs: Sequence[PairedDifference], best: str) -> str:
    """The pairs of the best row whose interval and test disagree, in sentences; empty where none does."""
    found = [(each, told) for each in pairs if best in (each.a, each.b) and (told := _disagreement(each, len(pairs)))]
    sentences = [_sentence(each, best, told) for each, told in found[:_MOST]]
    if len(found) > _MOST:
        sentences.append(f"So it is of {len(found) - _MOST} more.")
    return " ".join(sentences)


def _disagreement(pair: PairedDifference, pairs: int) -> str:
    """What is said after the interval; empty where both agree, or where one of them is not known."""
    if pair.low is None or pair.high is None or pair.p is None or not math.isfinite(pair.high - pair.low):
        return ""
    holds_zero = pair.low <= 0 <= pair.high
    if holds_zero != pair.significant:
        return ""
    if holds_zero:
        return f"holds 0, although p = {p_value(pair.p_adjusted)}: a close call"
    if pair.p < ALPHA and pairs > 1:
        return f"leaves out 0, but is of this pair alone: for all {pairs} pairs p = {p_value(pair.p_adjusted)}"
    return f"leaves out 0, although p = {p_value(pair.p_adjusted)}: a close call"


def _sentence(pair: PairedDifference, best: str, told: str) -> str:
    low, high, other = pair.low, pair.high, pair.b
    if pair.b == best and low is not None and high is not None:
        low, high, other = -high, -low, pair.a
    return f"The interval of its difference from {other}, {between(low, high, '+.4f')}, {told}."
