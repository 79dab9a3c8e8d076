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


def defined(value: float) -> float | None:
    """A number for JSON: null where it is undefined."""
    return None if math.isnan(value) else float(value)
