"""Cells of markdown tables: numbers, scores with their interval, and names from outside."""

from __future__ import annotations

from ..evaluation.scores import Score
from ..text import UNDEFINED, interval


def escape(text: str) -> str:
    """A name from outside must not break the table nor bring markup."""
    for character in "\\|`*<>[]":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def with_interval(score: Score | None, form: str = ".4f") -> str:
    """A score and its interval."""
    return UNDEFINED if score is None else interval(score.value, score.low, score.high, form)
