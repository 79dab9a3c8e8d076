"""Cells of markdown tables (numbers, scores with their interval, names from outside), and the list below a table."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..evaluation.scores import Score
from ..text import UNDEFINED, interval, printable

_MARKUP = re.compile(r"[\\|`*<>\[\]~]|(?<![^\W_])_|_(?![^\W_])")
_ACTING = re.compile(r"(?<!\w)@|@(?=[\w-]+\.)|(?<=:)//|(?<=www)\.|#(?=\d)|(?<=gh-)(?=\d)", re.IGNORECASE)
_INERT = "<!-- -->"
"""Between the parts of what would otherwise become a mention, a link or a reference; it is not shown."""

CHOSEN_THRESHOLD = (
    "**V_Rand and V_Info** are the best of 11 thresholds, chosen on the scored slices as in the challenge, so these "
    "two are optimistic beside Dice at 0.5."
)
"""What a board says of the family `partition`."""


def escape(text: str) -> str:
    """A name from outside must not break the table, bring markup, mention anybody, or become a link.

    What controls a terminal or the direction of writing becomes \ufffd.

    >>> escape("a|b @someone")
    'a\\\\|b @<!-- -->someone'
    >>> escape("iou@car")  # mentions nobody, and is read in terminals too
    'iou@car'
    """
    plain = printable(" ".join(text.split())).replace("&", "&amp;")
    return _ACTING.sub(lambda found: found[0] + _INERT, _MARKUP.sub(lambda found: f"\\{found[0]}", plain))


DOUBTFUL = "†"
"""Behind an interval that does not hold its score."""


def with_interval(score: Score | None, form: str = ".4f") -> str:
    """A score and its interval, which is marked where it does not hold the score."""
    if score is None:
        return UNDEFINED
    return interval(score.value, score.low, score.high, form) + DOUBTFUL * doubtful(score)


def doubtful(score: Score) -> bool:
    """Whether the interval of a score does not hold it, by more than rounding: resamples missed what it is made of."""
    if score.value is None or score.low is None or score.high is None:
        return False
    slack = 1e-9 * abs(score.value)
    return not score.low - slack <= score.value <= score.high + slack


def how_to_read(points: Sequence[str]) -> list[str]:
    """Lines of a list that belongs to the table above it."""
    return ["**How to read this table**", "", *(f"- {point}" for point in points), ""]
