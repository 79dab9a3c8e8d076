"""Scores as they are stored and printed."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from ..io.documents import Count, Document

Value = Annotated[float, Field(ge=-1e150, le=1e150)]
"""Of a score, little enough for its square to be finite."""


class Score(Document):
    """One score with its 95 % interval; null where undefined. `resampled` says what the bootstrap drew."""

    value: Value | None
    low: Value | None
    high: Value | None
    unit: str
    higher_is_better: bool
    n: Count
    resampled: Literal["groups", "samples"] | None = None


NO_WIDTH = (
    "Whatever is drawn of these samples scores the same, which says nothing of others: where all of n samples agree, "
    "up to 3/n of others may not (95 %)"
)
"""What an interval of no width means: the rule of three, an upper bound of what was never seen in n samples."""


def has_no_width(score: Score | None) -> bool:
    """Whether the interval of a score is a single point, which looks like certainty and is none."""
    return score is not None and score.low is not None and score.low == score.high


def defined(value: float) -> float | None:
    """A number for JSON: null where it is undefined."""
    return None if math.isnan(value) else float(value)
